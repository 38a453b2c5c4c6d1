r"""Asterisk, seen from outside: two wires (AMI and AGI) and their translation.

Here is only what both need: how bytes become text and what one AMI message is. No socket, so that the pure
translation can use it.

Asterisk hands on names as the trunk sent them, in any encoding. Python's own choices all hurt: *strict* drops the
whole message for one byte, *ignore* silently turns ``Müller`` into ``Mller``, *backslashreplace* writes
``M\xfcller`` on the agent's phone. Bytes that are not UTF-8 are therefore read as Latin-1 one by one, while the rest
stays UTF-8 (Asterisk cuts long names in the middle of a character; only that character may suffer).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["Message", "channel_variables", "first", "to_text", "unescape"]

Message: TypeAlias = Mapping[str, str | list[str]]
"""One AMI message: header to value, names in the case Asterisk sent; a repeated header holds a list."""


def _as_latin(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    # 0x80-0x9F are control characters in Latin-1 (0x85 even breaks lines): never let those in.
    return "".join(chr(byte) if byte >= 0xA0 else "\ufffd" for byte in bad), error.end


codecs.register_error("dialog-acd-latin", _as_latin)


def to_text(raw: bytes | bytearray) -> str:
    """Bytes from the wire as text; never fails and never drops a byte silently."""
    return raw.decode("utf-8", "dialog-acd-latin")


# main/utils.c, escape_sequences_map
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = re.compile(r"\\([abfnrtv\\'\"?])")


def unescape(value: str) -> str:
    r"""Undo ``ast_escape_c``: ``O\'Brien`` is O'Brien. A backslash before anything else stays."""
    if "\\" not in value:
        return value
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), value)


def first(message: Message, header: str, default: str = "") -> str:
    """The header's value; of a repeated header the first.

    Asterisk writes what it knows before what the dialplan adds, so a header smuggled into a UserEvent comes later.
    """
    value = message.get(header, default)
    return value if isinstance(value, str) else value[0]


def channel_variables(message: Message, prefix: str = "") -> dict[str, str]:
    """The ``channelvars`` of manager.conf as they were on the channel.

    :param prefix: the channel's role in the message, "Dest" or "Transferee" for example; empty for its own.
    """
    found = message.get(f"{prefix}ChanVariable", [])
    pairs = (pair.partition("=") for pair in ([found] if isinstance(found, str) else found))
    return {name: value for name, _, value in pairs}
