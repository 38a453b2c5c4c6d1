"""Call distribution for municipal citizen service centres on Asterisk."""

__version__ = "0.1.0"
