"""The directories that are shipped as examples: an administrator copies one, and begins."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from dialog_acd.core.model import EntryKind
from dialog_acd.store.directory_file import read_directory

if TYPE_CHECKING:
    from shell import Shell

EXAMPLES = Path(__file__).parents[1] / "examples"
HANNOVER = read_directory(EXAMPLES / "hannover.yaml")
PILOT = [
    ("hannover", "0511 168-0", date(2022, 1, 1)),
    ("region", "0511 616-22232", date(2022, 1, 1)),
    ("langenhagen", "0511 7307-9101", date(2022, 1, 1)),
    ("isernhagen", "0511 6153-300", date(2022, 2, 1)),
    ("laatzen", "0511 8205-0", date(2022, 3, 1)),
    ("burgwedel", "05139 8973-320", date(2022, 4, 1)),
    ("barsinghausen", "05105 774-0", date(2022, 5, 1)),
    ("wedemark", "05130 581-0", date(2022, 6, 1)),
    ("wunstorf", "05031 101-478", date(2022, 7, 1)),
]


@pytest.mark.parametrize("file", sorted(EXAMPLES.iterdir()), ids=lambda file: file.stem)
def test_an_example_passes_check_without_a_remark(shell: Shell, file: Path) -> None:
    status, said, _ = shell.run("check", "--directory", str(file))
    assert status == 0
    assert [line for line in said.splitlines() if not line.startswith("ok")] == []


@pytest.mark.parametrize(("town", "number", "day"), PILOT)
def test_each_town_of_the_pilot_has_its_numbers_from_its_day_on(town: str, number: str, day: date) -> None:
    midnight = datetime.combine(day, datetime.min.time(), ZoneInfo("Europe/Berlin")).astimezone(UTC)
    before = HANNOVER.entry_for(number, at=midnight - timedelta(seconds=1))
    assert (before.entry, before.awaited) == (HANNOVER.catch_all, True)
    assert HANNOVER.entry_for(number, at=midnight).entry.tenant == town


def test_the_pilot_is_these_nine_and_needs_no_115() -> None:
    assert {t.id for t in HANNOVER.tenants} == {town for town, *_ in PILOT}
    assert not [e for e in HANNOVER.entries if e.kind is EntryKind.SERVICE_115]
    assert HANNOVER.entry_for("0511 168-55555", at=datetime(2022, 5, 2, 8, tzinfo=UTC)).entry.queue == "dispatch"


def test_harburg_sends_115_to_oldenburg_on_friday_after_three() -> None:
    harburg = read_directory(EXAMPLES / "harburg.yaml")
    entry = harburg.entry_for("115", at=datetime(2026, 10, 30, 14, 30, tzinfo=UTC)).entry
    assert set(entry.candidates) == {t.id for t in harburg.tenants}
    (first, *_) = harburg.queue[entry.queue].ladder
    assert (first.target, first.kinds) == ("oldenburg", frozenset({EntryKind.SERVICE_115}))
