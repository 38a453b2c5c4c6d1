"""The part that decides. No socket, no clock, no dice: see ``acd.Acd``."""
