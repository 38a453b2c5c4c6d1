"""What a caller dialled: the reference vectors, and that no text whatever can break the reading."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.model import EntryKind, Trunk
from dialog_acd.core.numbers import FORMATS, Number, NumberKind, is_area_code, normalise
from dialog_acd.testing import MONDAY, demo_directory

E164, SERVICE, EMERGENCY, ANONYMOUS, UNKNOWN = (
    NumberKind.E164,
    NumberKind.SERVICE_115,
    NumberKind.EMERGENCY,
    NumberKind.ANONYMOUS,
    NumberKind.UNKNOWN,
)
NATIONAL, PLUS, ZEROS, CC, SUBSCRIBER, AUTO = FORMATS


def trunk(number_format: str, area_code: str = "511") -> Trunk:
    return Trunk("trunk", number_format, area_code)


# ---------------------------------------------------------------- what is the same on every trunk

ORIGINS = {
    "115": "511", "0511115": "511", "+49511115": "511", "0049511115": "511", "0511/115": "511",
    "+49115": None, "0049115": None, "0115": None, "01986115": None, "01986115511": None,
    "05105115": "5105", "032115": "32", "030115": "30", "0385115": "385", "033845115": "33845",
    "<sip:115@trunk.example>": "511", "+49 (0)511 115": "511", "tel:+49-511-115": "511",
}  # fmt: skip

ANY_FORMAT = [
    ("05117115", E164, "+495117115"),
    ("0384715", E164, "+49384715"),
    ("0511 1157", E164, "+495111157"),
    ("0511 168-0", E164, "+495111680"),
    ("+49 (0)511 168-0", E164, "+495111680"),
    ("+490511 168-0", E164, "+495111680"),
    ("<sip:+495111680@trunk.example;user=phone>", E164, "+495111680"),
    ('"Rathaus" <sip:+495111680@trunk.example>', E164, "+495111680"),
    ("<tel:+49-511-6153-300>", E164, "+495116153300"),
    ("0511 7307-0", E164, "+4951173070"),
    ("0043 1 4000", E164, "+4314000"),
    ("+431115", E164, "+431115"),
    ("110", EMERGENCY, "110"),
    ("112", EMERGENCY, "112"),
    ("sip:112@trunk", EMERGENCY, "112"),
    *((text, EMERGENCY, "112") for text in ("+49112", "0112", "0511112", "+49511112", "0049 5105 112")),
    ("0511110", EMERGENCY, "110"),
    ("05117112", E164, "+495117112"),
    *((text, ANONYMOUS, "anonymous") for text in (
        '"Anonymous" <sip:anonymous@anonymous.invalid>', "anonymous", "Anonymous", "sip:anonymous@anonymous.invalid",
        "<sip:x@anonymous.invalid;user=phone>", "sip:anonymous@carrier.example", "Restricted",
    )),
    *((text, UNKNOWN, text) for text in (
        "", " ", "+", "*21#", "abc", "0", "00", "+4951116801234567", "٠٥١١١٦٨", "0511;168", "anonymously",
    )),
]  # fmt: skip


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize(("dialled", "kind", "text"), ANY_FORMAT)
def test_whatever_the_trunk(dialled: str, kind: NumberKind, text: str, number_format: str) -> None:
    assert normalise(dialled, trunk(number_format)) == Number(kind, text)


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize(("dialled", "origin"), ORIGINS.items())
def test_115_is_115_on_every_trunk_and_where_it_was_dialled_is_kept(
    dialled: str, origin: str | None, number_format: str
) -> None:
    assert normalise(dialled, trunk(number_format)) == Number(SERVICE, "115", origin)


def test_115_without_an_area_code_was_dialled_where_the_trunk_is() -> None:
    assert normalise("115", trunk(NATIONAL, "4171")).origin == "4171"
    assert normalise("0511115", trunk(NATIONAL, "4171")).origin == "511"


# ---------------------------------------------------------------- bare numbers

BARE: dict[str, dict[str, Number | str]] = {
    # 49511115 is 115 in Hannover on a trunk that omits the plus, and nothing anybody should guess elsewhere.
    "49511115": {CC: Number(SERVICE, "115", "511")},
    # 0511 49-115 may well be somebody's extension.
    "49115": {CC: Number(SERVICE, "115"), SUBSCRIBER: "+4951149115"},
    "49112": {CC: Number(EMERGENCY, "112"), SUBSCRIBER: "+4951149112"},
    "495111680": {CC: "+495111680"},
    "4905111680": {CC: "+495111680", SUBSCRIBER: "+495114905111680", AUTO: "+495114905111680"},
    "1680": {SUBSCRIBER: "+495111680", AUTO: "+495111680"},
    # Fat fingers at 115: nobody's number, but a number.
    "1157": {SUBSCRIBER: "+495111157", AUTO: "+495111157"},
    # 0511 49-01234 or Berlin 1234: a trunk that says "subscriber" is believed, a trunk that says nothing is not.
    "4930115": {CC: Number(SERVICE, "115", "30")},
    "49301234": {CC: "+49301234", SUBSCRIBER: "+4951149301234"},
    "4951234": {CC: "+4951234", SUBSCRIBER: "+495114951234"},
    # Longer than any number issued: a whole one that lost its plus (Burgwedel; a mobile).
    "49513989730": {CC: "+49513989730", AUTO: "+49513989730"},
    "4951117301": {CC: "+4951117301"},
    "4917139200123": {CC: "+4917139200123", AUTO: "+4917139200123"},
    "495117307123": {CC: "+495117307123", AUTO: "+495117307123"},
    "49511730712345": {CC: "+49511730712345", AUTO: "+49511730712345"},
}


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("dialled", BARE)
def test_a_bare_number_is_read_by_the_profile_alone(dialled: str, number_format: str) -> None:
    expected = BARE[dialled].get(number_format, Number(UNKNOWN, dialled))
    if isinstance(expected, str):
        expected = Number(E164, expected)

    assert normalise(dialled, trunk(number_format)) == expected


def test_local_numbers_are_completed_with_the_area_code_of_their_trunk() -> None:
    assert normalise("693-0", trunk(SUBSCRIBER, "4171")).text == "+4941716930"
    assert normalise("49417111", trunk(SUBSCRIBER, "511")).kind is E164  # 0511 49417111; 04171 11 is too short
    assert normalise("494171693", trunk(SUBSCRIBER, "4171")).kind is UNKNOWN


@pytest.mark.parametrize("number_format", [SUBSCRIBER, AUTO])
def test_an_ambiguous_number_is_not_even_taken_by_a_block_that_it_would_fall_into(number_format: str) -> None:
    directory = demo_directory()
    block = next(e for e in directory.entries if e.block)
    trap = replace(block, number="+495114951")
    directory = replace(directory, trunks=(trunk(number_format),), entries=(*directory.entries, trap))

    found = directory.entry_for("49511115", at=MONDAY)

    assert found.entry.kind is EntryKind.CATCH_ALL
    assert found.why == f"it is not one number as trunk trunk writes them ({number_format})"
    assert directory.entry_for("0511 4951-1115", at=MONDAY).entry == trap


def test_what_cannot_be_read_is_cut_to_eighty_characters() -> None:
    assert normalise("x" * 300, trunk("national")) == Number(UNKNOWN, "x" * 80)
    assert normalise(" " * 100_000 + "sip:115@x", trunk("national")) == Number(UNKNOWN, " " * 80)


# ---------------------------------------------------------------- whatever comes

NEARLY_NUMBERS = st.text(st.sampled_from("0123456789+-/() <>@;:sipteل"), max_size=24)
AREA_CODES = st.integers(20, 99_999).map(str).filter(is_area_code)
TRUNKS = st.builds(trunk, st.sampled_from(FORMATS), AREA_CODES)


@given(st.one_of(st.text(max_size=400), NEARLY_NUMBERS), TRUNKS)
def test_no_text_breaks_it_and_what_was_read_reads_as_itself(dialled: str, on: Trunk) -> None:
    number = normalise(dialled, on)
    assert len(number.text) <= 80
    assert (number.origin is None) or (number.kind is SERVICE and is_area_code(number.origin))
    if number.kind is E164:
        assert number.text[0] == "+"
        assert number.text[1:].isdigit()
        assert 5 <= len(number.text[1:]) <= 15
    if number.kind is not UNKNOWN:
        again = normalise(number.text, on)
        assert (again.kind, again.text) == (number.kind, number.text)


@given(AREA_CODES, st.sampled_from(["115", "110", "112"]), TRUNKS)
def test_a_short_number_behind_any_area_code_is_that_short_number(area: str, short: str, on: Trunk) -> None:
    for written in (f"0{area}{short}", f"+49{area}{short}", f"0049{area}-{short}", f"+49 (0){area}/{short}"):
        number = normalise(written, on)
        assert number.text == short
        assert number.origin == (area if short == "115" else None)


@given(AREA_CODES, st.integers(2, 99_999), TRUNKS)
def test_a_subscriber_whose_number_ends_in_115_is_no_115(area: str, head: int, on: Trunk) -> None:
    """No subscriber number begins with 0 or 11, and none with what would make its area code a longer one."""
    subscriber = f"{head}115"
    if subscriber.startswith("11") or is_area_code(f"{area}{head}"):
        return
    assert normalise(f"0{area}{subscriber}", on) == Number(E164, f"+49{area}{subscriber}")


@given(st.text("0123456789", min_size=1, max_size=14).filter(lambda digits: digits[0] != "0"), TRUNKS)
def test_no_trunk_reads_a_bare_number_in_a_way_that_another_would_contradict(digits: str, on: Trunk) -> None:
    """``auto-with-warning`` says nothing that the two exact profiles, both right, would say differently."""
    read = [normalise(digits, replace(on, number_format=f)) for f in (AUTO, CC, SUBSCRIBER)]
    auto, whole, local = ((n.kind, n.text) for n in read)
    if auto[0] is not UNKNOWN:
        assert auto in (whole, local)


@given(NEARLY_NUMBERS, TRUNKS)
def test_whatever_is_dialled_has_an_entry(dialled: str, on: Trunk) -> None:
    directory = replace(demo_directory(), trunks=(on,))
    assert directory.entry_for(dialled, at=MONDAY).entry in directory.entries
