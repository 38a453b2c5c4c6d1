"""What a caller dialled: from the many ways a trunk may write it to one.

Three traps, all met in the field. The area code does not name the town (0511 is shared by five
administrations), so only the whole number decides. 115 is a subscriber number in every local area: it
must be recognised *before* any general rule sees it, and exactly, because 0511 7115 is somebody's telephone.
And a format is a property of the trunk: ``49511115`` is 115 in Hannover on a trunk that omits the plus and
something in Westoverledingen on any other; guessing puts a citizen into the wrong town.

What is written with a prefix (``+49``, ``0049``, ``0``) says itself what it is, and is read on every trunk whatever its
profile says: nobody is turned away because a carrier changed its mind. A *bare* number is read by the profile alone,
and where it could be two numbers it is none: somebody looks, and the caller waits in the catch-all queue meanwhile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialog_acd.core.model import Trunk

_URI = re.compile(r'\s*(?:"[^"]*"\s*)?<?\s*(?:sips?|tel):([^@;>]*)(?:@([^;>]*))?', re.IGNORECASE)
_DRESSING = re.compile(r"[\s\-/().\u00a0]")


class NumberKind(StrEnum):
    E164 = "e164"
    SERVICE_115 = "115"
    EMERGENCY = "emergency"
    ANONYMOUS = "anonymous"
    """Whose number it is does not want it known (RFC 3323, 4.1.1.3), or nobody knows."""
    UNKNOWN = "unknown"


FORMATS = ("national", "plus", "00", "cc-no-plus", "subscriber", "auto-with-warning")
"""What a trunk may say of the numbers it writes, see ``model.Trunk``."""


@dataclass(frozen=True, slots=True)
class Number:
    """``text`` is E.164 with plus, ``115``, ``110``/``112``, ``anonymous``, or for UNKNOWN what was dialled, cut to
    80 characters.
    """

    kind: NumberKind
    text: str
    origin: str | None = None
    """Of 115: the area code, without its zero, in which it was dialled; ``None`` where the trunk does not tell (from
    abroad, by the routing number). Candidates for the caller's town, never the town: five share 511."""


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
    if len(dialled) > _LONGEST:
        return unknown
    uri = _URI.match(dialled)
    said, host = (uri[1], uri[2] or "") if uri else (dialled, "")
    if is_anonymous(said) or host.strip().lower() == "anonymous.invalid":
        return Number(NumberKind.ANONYMOUS, "anonymous")
    text = _DRESSING.sub("", said.replace("(0)", ""))
    if not re.fullmatch(r"\+?[0-9]{1,32}", text):
        return unknown
    if text == "115":
        return Number(NumberKind.SERVICE_115, text, trunk.area_code)
    if text in _EMERGENCY:
        return Number(NumberKind.EMERGENCY, text)
    international = _international(text, trunk)
    if international is None:
        return unknown
    if international.startswith(_GERMANY):
        national = international.removeprefix(_GERMANY)
        area = _area_before("115", national)
        if area is not None or re.fullmatch(r"1986115[0-9]{0,5}", national):
            return Number(NumberKind.SERVICE_115, "115", area or None)
        for short in _EMERGENCY:
            if _area_before(short, national) is not None:
                return Number(NumberKind.EMERGENCY, short)
    # E.164 allows 15 digits; German numbers may be as short as area code and two digits.
    if not 5 <= len(international) <= _E164_MOST:
        return unknown
    return Number(NumberKind.E164, "+" + international)


def area_of(caller: Number) -> str | None:
    """The area code (ONKz, without its zero) of a caller's line; ``None`` for mobiles, services, and from abroad.

    It says a region, not a person. In the east (03...) codes have four digits or five and only a list tells which, so
    it is four there: the region then takes in its neighbours.
    """
    if caller.kind is not NumberKind.E164 or not caller.text.startswith(f"+{_GERMANY}"):
        return None
    national = caller.text.removeprefix(f"+{_GERMANY}")
    if _NO_PLACE.match(national):
        return None
    return next((national[:length] for length in (2, 3, 4) if is_area_code(national[:length])), None)


# Numbers without a place: 01... (mobiles, shared cost), 032, personal ones, free ones, premium rates.
_NO_PLACE = re.compile(r"1|32|700|800|900")


def is_anonymous(shown: str) -> bool:
    """Whether a caller's number or name is one of the words by which networks say that there is none to be shown."""
    return shown.strip(' "').lower() in _NOBODY


_NOBODY = frozenset({"anonymous", "anonym", "restricted", "withheld", "unavailable", "private"})
_EMERGENCY = ("110", "112")
_GERMANY = "49"
_E164_MOST = 15
_ISSUED_MOST = 11
"""Digits of a German number without its 0, as issued since 2010 (Bundesnetzagentur); direct dialling may add some."""
_LONGEST = 400
"""No number takes so many characters, however dressed: longer texts are not even searched for one."""


def _international(text: str, trunk: Trunk) -> str | None:
    """Digits with country code and without plus, or ``None`` where this trunk does not write such numbers."""
    if text.startswith(("+", "00")):
        return _without_doubled_zero(text[1:] if text.startswith("+") else text[2:], trunk)
    if text.startswith("0"):
        return trunk.country_code + text[1:]
    local = trunk.country_code + trunk.area_code + text
    if trunk.number_format == "cc-no-plus":
        return _without_doubled_zero(text, trunk) if text.startswith(trunk.country_code) else None
    if trunk.number_format == "subscriber":
        return None if _may_be_whole(text, trunk) else local
    if trunk.number_format == "auto-with-warning":
        return _only_reading(text, local, trunk)
    return None


def _without_doubled_zero(digits: str, trunk: Trunk) -> str:
    """+49 (0)511 written without its parentheses: no national number begins with 0."""
    doubled = trunk.country_code + "0"
    return trunk.country_code + digits.removeprefix(doubled) if digits.startswith(doubled) else digits


def _may_be_whole(text: str, trunk: Trunk) -> bool:
    """Whether a bare number on a trunk of subscriber numbers is as likely a whole one that lost its plus.

    The profile is believed as far as possible, or a town whose numbers begin with 49 could not be reached. It is not
    where the number would be 115, or one of the trunk's own area, or one of another area and longer than any issued.
    """
    if not text.startswith(trunk.country_code):
        return False
    national = text.removeprefix(trunk.country_code)
    if _area_before("115", national):
        return True
    own, *others = (
        national.startswith(area) and len(national) >= len(area) + 3 and not national.startswith(f"{area}0")
        for area in (trunk.area_code, *(national[:length] for length in _AREA_LENGTHS if _begins(national[:length])))
    )
    return own or (any(others) and len(trunk.area_code + text) > _ISSUED_MOST)


def _only_reading(text: str, local: str, trunk: Trunk) -> str | None:
    """For a trunk nobody knows the format of: the number, if there is but one that this can be."""
    national = text.removeprefix(trunk.country_code)
    whole = text.startswith(trunk.country_code) and (
        national in ("115", *_EMERGENCY) or (len(national) >= 5 and not national.startswith("0"))
    )
    if whole and len(local) <= _E164_MOST:
        return None
    return text if whole else local


def _area_before(short: str, national: str) -> str | None:
    """The area code in front of a short number ("" where there is none), or ``None`` where this is something else.

    No subscriber number begins with 11, so area code + 115 cannot be anything else; but the area code must be
    the *whole* rest: German area codes have at most four digits after the leading zero here, except the
    five-digit ones of the east (03....) and 0511-7115 is five digits ``5117`` too, which is why only lengths
    that exist for the leading digits count.
    """
    area = national.removesuffix(short)
    return area if area != national and (not area or is_area_code(area)) else None


def _begins(text: str) -> bool:
    return is_area_code(text) or text in ("15", "16", "17")  # the latter mobile


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


_AREA_LENGTHS = range(2, 6)


def is_area_code(text: str) -> bool:
    """Whether these digits can be a German area code (ONKz, without its leading zero)."""
    if text in _TWO or text in _THREE:
        return True
    if any(text.startswith(known) for known in _TWO | _THREE):
        return False
    if text.startswith("3"):
        return len(text) in (4, 5)
    return len(text) == 4 and text[0] in "2456789"
