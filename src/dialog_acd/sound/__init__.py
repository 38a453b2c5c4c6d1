"""What callers hear of people's voices: recordings made fit for the telephone, and drafts that a machine speaks."""
