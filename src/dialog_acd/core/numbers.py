"""What a caller dialled: from the many ways a trunk may write it to one.

Three traps, all met in the field. The area code does not name the town (0511 is shared by five
administrations), so only the whole number decides. 115 is a subscriber number in every local area: it
must be recognised *before* any general rule sees it, and exactly, because 0511 7115 is somebody's telephone.
And a format is a property of the trunk: ``49511115`` is 115 in Hannover on a trunk that omits the plus and
something in Westoverledingen on any other; guessing puts a citizen into the wrong town.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialog_acd.core.model import Trunk

_URI = re.compile(r"^\s*<?\s*(?:sips?|tel):([^@;>]*)", re.IGNORECASE)
_DRESSING = re.compile(r"[\s\-/().\u00a0]")


class NumberKind(StrEnum):
    E164 = "e164"
    SERVICE_115 = "115"
    EMERGENCY = "emergency"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Number:
    """``text`` is E.164 with plus, ``115``, ``110``/``112``, or for UNKNOWN what was dialled, cut to 80 characters."""

    kind: NumberKind
    text: str


# Emergency, directory and short numbers, mass calls, premium rates: no caller may show these (German
# Telecommunications Act, section 120), so whoever does is somebody else. And no number begins with 0.
_NO_CALLERS = re.compile(r"\+(?:0|49(?:0|11|12|137|900))")


def may_be_called(number: Number) -> bool:
    """Whether somebody can be called at a number that was shown as the caller's. It may still be a forged one."""
    return number.kind is NumberKind.E164 and _NO_CALLERS.match(number.text) is None


def normalise(dialled: str, trunk: Trunk) -> Number:
    """Read a dialled number by its trunk's profile. Never raises: what cannot be read is UNKNOWN."""
    # The same few numbers are dialled all day; what is longer than any number may be a page of hostile text.
    return _known(dialled, trunk) if len(dialled) <= 40 else _read(dialled, trunk)


@lru_cache(maxsize=4096)
def _known(dialled: str, trunk: Trunk) -> Number:
    return _read(dialled, trunk)


def _read(dialled: str, trunk: Trunk) -> Number:
    unknown = Number(NumberKind.UNKNOWN, dialled[:80])
    uri = _URI.match(dialled)
    text = _DRESSING.sub("", (uri.group(1) if uri else dialled).replace("(0)", ""))
    if not re.fullmatch(r"\+?[0-9]{1,32}", text):
        return unknown
    if text in ("110", "112"):
        return Number(NumberKind.EMERGENCY, text)
    if text == "115":
        return Number(NumberKind.SERVICE_115, "115")
    international = _international(text, trunk)
    if international is None:
        return unknown
    national = international.removeprefix(trunk.country_code)
    if international.startswith(trunk.country_code) and _is_115(national):
        return Number(NumberKind.SERVICE_115, "115")
    # E.164 allows 15 digits; German numbers may be as short as area code and two digits.
    if not 5 <= len(international) <= 15:
        return unknown
    return Number(NumberKind.E164, "+" + international)


def _international(text: str, trunk: Trunk) -> str | None:
    """Digits with country code and without plus, or ``None`` where this trunk does not write such numbers."""
    if text.startswith(("+", "00")):
        digits = text[1:] if text.startswith("+") else text[2:]
        # +49 (0)511 written without its parentheses: no national number begins with 0.
        doubled = trunk.country_code + "0"
        return trunk.country_code + digits.removeprefix(doubled) if digits.startswith(doubled) else digits
    if text.startswith("0"):
        return trunk.country_code + text[1:]
    if trunk.number_format == "cc-no-plus" and text.startswith(trunk.country_code):
        return text
    if trunk.number_format == "subscriber":
        return trunk.country_code + trunk.area_code + text
    return None


def _is_115(national: str) -> bool:
    """115 alone, behind the routing number 1986, or behind an area code of two to five digits.

    No subscriber number begins with 11, so area code + 115 cannot be anything else; but the area code must be
    the *whole* rest: German area codes have at most four digits after the leading zero here, except the
    five-digit ones of the east (03....) and 0511-7115 is five digits ``5117`` too, which is why only lengths
    that exist for the leading digits count.
    """
    if national == "115" or re.fullmatch(r"1986115[0-9]{0,5}", national):
        return True
    area = national.removesuffix("115")
    return area != national and _is_area_code(area)


# Two-digit area codes, and the three-digit ones; all others have four digits, those of 03 may have five.
# Source: structure of the German area codes (Bundesnetzagentur, list of local areas).
_TWO = frozenset({"30", "40", "69", "89", "32"})
_THREE = frozenset(
    """
    201 202 203 208 209 212 214 221 228 231 234 241 251 261 271 281 291 335 340 341 345 351 355 361 365 371 375
    381 385 391 395 421 431 441 451 461 471 481 491 511 521 531 541 551 561 571 581 591 611 621 631 641 651 661
    671 681 711 721 731 741 751 761 771 781 791 811 821 831 841 851 861 871 881 906 911 921 931 941 951 961 971
    981 991
    """.split()  # noqa: SIM905  a table reads better than a hundred quotes
)


def _is_area_code(text: str) -> bool:
    if text in _TWO or text in _THREE:
        return True
    if any(text.startswith(known) for known in _TWO | _THREE):
        return False
    if text.startswith("3"):
        return len(text) in (4, 5)
    return len(text) == 4 and text[0] in "2456789"
