"""What a spreadsheet would run instead of showing it.

A cell that begins like a formula is one, also in a CSV file that came by mail (CWE-1236; OWASP: CSV injection). Towns
have names that people chose, and callers' displays what their networks let through. An apostrophe in front makes a text
of it. Numbers are ours and are written as numbers, not by this.
"""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *"＝＋－＠")
"""The wide ones are read like the others by a spreadsheet that is set to an Asian language."""


def harmless(text: str) -> str:
    """The text, so that it stays one."""
    return f"'{text}" if text.startswith(_FORMULA) else text
