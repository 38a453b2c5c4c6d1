"""What a caller dialled: the reference vectors, and that no text whatever can break the reading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.model import EntryKind, Trunk
from dialog_acd.core.numbers import Number, NumberKind, normalise
from dialog_acd.testing import MONDAY, demo_directory

FORMATS = ("national", "cc-no-plus", "subscriber")
E164, SERVICE, EMERGENCY, UNKNOWN = (
    NumberKind.E164,
    NumberKind.SERVICE_115,
    NumberKind.EMERGENCY,
    NumberKind.UNKNOWN,
)


def trunk(number_format: str) -> Trunk:
    return Trunk("trunk", number_format, area_code="511")


ANY_FORMAT = [
    *((text, SERVICE, "115") for text in (
        "115", "0511115", "+49511115", "0049511115", "0511/115", "+49115", "0049115", "0115", "01986115",
        "01986115511", "05105115", "032115", "<sip:115@trunk.example>", "030115", "0384715", "0385115", "033845115",
    ) if text != "0384715"),
    ("05117115", E164, "+495117115"),
    ("0511 168-0", E164, "+495111680"),
    ("+49 (0)511 168-0", E164, "+495111680"),
    ("<sip:+495111680@trunk.example;user=phone>", E164, "+495111680"),
    ("<tel:+49-511-6153-300>", E164, "+495116153300"),
    ("0511 7307-0", E164, "+4951173070"),
    ("0043 1 4000", E164, "+4314000"),
    ("110", EMERGENCY, "110"),
    ("112", EMERGENCY, "112"),
    ("sip:112@trunk", EMERGENCY, "112"),
    *((text, UNKNOWN, text) for text in (
        "", " ", "+", "*21#", "abc", '"Anonymous" <sip:anonymous@anonymous.invalid>', "anonymous", "0", "00",
        "+4951116801234567", "٠٥١١١٦٨", "0511;168",
    )),
]  # fmt: skip


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize(("dialled", "kind", "text"), ANY_FORMAT)
def test_whatever_the_trunk(dialled: str, kind: NumberKind, text: str, number_format: str) -> None:
    assert normalise(dialled, trunk(number_format)) == Number(kind, text)


@pytest.mark.parametrize(
    ("dialled", "number_format", "kind", "text"),
    [
        # 49511115 is 115 in Hannover on a trunk that omits the plus, and nothing anybody should guess elsewhere.
        ("49511115", "cc-no-plus", SERVICE, "115"),
        ("49511115", "national", UNKNOWN, "49511115"),
        ("49511115", "subscriber", E164, "+4951149511115"),
        ("1680", "subscriber", E164, "+495111680"),
        ("1680", "national", UNKNOWN, "1680"),
        ("1680", "cc-no-plus", UNKNOWN, "1680"),
        ("495111680", "cc-no-plus", E164, "+495111680"),
        ("495111680", "national", UNKNOWN, "495111680"),
        ("1157", "subscriber", E164, "+495111157"),
        ("1157", "national", UNKNOWN, "1157"),
    ],
)
def test_a_format_is_a_property_of_the_trunk(dialled: str, number_format: str, kind: NumberKind, text: str) -> None:
    assert normalise(dialled, trunk(number_format)) == Number(kind, text)


def test_49511115_on_a_guessing_trunk_goes_to_the_catch_all() -> None:
    directory = demo_directory()
    for number_format in ("national", "subscriber"):
        found = directory.entry_for(normalise("49511115", trunk(number_format)).text, at=MONDAY)
        assert found.entry.kind is EntryKind.CATCH_ALL


def test_what_cannot_be_read_is_cut_to_eighty_characters() -> None:
    assert normalise("x" * 300, trunk("national")) == Number(UNKNOWN, "x" * 80)


NEARLY_NUMBERS = st.text(st.sampled_from("0123456789+-/() <>@;:sipteل"), max_size=24)


@given(st.one_of(st.text(max_size=400), NEARLY_NUMBERS), st.sampled_from(FORMATS))
def test_no_text_breaks_it_and_e164_reads_as_itself(dialled: str, number_format: str) -> None:
    number = normalise(dialled, trunk(number_format))
    assert len(number.text) <= 80
    if number.kind is E164:
        assert number.text[0] == "+"
        assert number.text[1:].isdigit()
        assert 5 <= len(number.text[1:]) <= 15
        assert normalise(number.text, trunk(number_format)) == number
    elif number.kind is not UNKNOWN:
        assert normalise(number.text, trunk(number_format)) == number


@given(NEARLY_NUMBERS, st.sampled_from(FORMATS))
def test_whatever_is_dialled_has_an_entry(dialled: str, number_format: str) -> None:
    directory = demo_directory()
    assert directory.entry_for(dialled, at=MONDAY).entry in directory.entries
