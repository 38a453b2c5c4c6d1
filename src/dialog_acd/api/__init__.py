"""The REST API: what an operator's tools ask and tell. ``app.create_api`` builds it."""
