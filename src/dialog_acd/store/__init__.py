"""SQL: the directory, and the records of calls."""
