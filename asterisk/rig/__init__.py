"""What puts a private Asterisk on a machine, for the demo and the tests. Not part of the service."""
