"""What may be told about staff: nobody finds one person's figures, however the numbers are turned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from dialog_acd.core.disclosure import EVERYBODY, MONTH, NOBODY, OTHERS, Cell, Crowd, Sheet, over_time

if TYPE_CHECKING:
    from collections.abc import Iterable

EIGHT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
MONDAY, TUESDAY = "2026-03-02", "2026-03-03"


def at(half_hours: int, day: str = MONDAY) -> datetime:
    return EIGHT + timedelta(minutes=30 * half_hours, days=(day == TUESDAY))


def sheet(**rows: list[tuple[int, int]]) -> Sheet:
    """A Monday from eight on: by group, (persons, calls) of each half hour."""
    return Sheet({(g, MONDAY, at(i)): Crowd.at_once(*c) for g, row in rows.items() for i, c in enumerate(row)})


def told(found: Sheet, group: str = "zentrale") -> list[int | None]:
    """Calls of each half hour as they may be told, then of the day."""
    cells = [*(Cell(group, MONDAY, at(i)) for i in range(4)), Cell(group, MONDAY)]
    return [found.crowd(cell).calls if found.tells(cell) else None for cell in cells]


def test_a_large_group_on_a_busy_day_is_told() -> None:
    assert told(sheet(zentrale=[(5, 20), (9, 60), (9, 70), (6, 25)])) == [20, 60, 70, 25, 175]


@pytest.mark.parametrize("few", [(4, 300), (12, 19), (1, 1)])
def test_four_persons_or_nineteen_calls_are_not(few: tuple[int, int]) -> None:
    assert told(sheet(zentrale=[few])) == [None] * 5
    assert told(sheet(zentrale=[few, (12, 600), (12, 700)])) == [None, None, 700, 0, 1300 + few[1]]


def test_the_one_half_hour_kept_back_does_not_follow_from_the_day() -> None:
    """The early shift is one person; the smallest other half hour is kept back along with it."""
    assert told(sheet(zentrale=[(1, 8), (9, 60), (9, 70), (6, 25)])) == [None, 60, 70, None, 163]


def test_several_small_half_hours_are_told_as_the_rest_of_the_day() -> None:
    assert told(sheet(zentrale=[(5, 12), (9, 60), (9, 70), (5, 15)])) == [None, 60, 70, None, 157]


def test_a_town_hall_with_one_agent_does_not_follow_from_everybody() -> None:
    found = sheet(zentrale=[(9, 60)], abend=[(6, 30)], rathaus=[(1, 9)])
    assert found.together == {"zentrale": "zentrale", "abend": OTHERS, "rathaus": OTHERS}
    assert not found.tells(Cell("abend", MONDAY)), "else everybody less the two others is the one"
    assert not found.tells(Cell("rathaus", MONDAY))
    assert told(found, OTHERS)[0] == 39
    assert told(found, "zentrale")[0] == 60
    assert told(found, EVERYBODY)[0] == 99


def test_everybody_together_is_not_told_where_it_would_give_away_a_group() -> None:
    found = sheet(zentrale=[(9, 60), (9, 60)], abend=[(6, 60), (2, 21)])
    assert told(found, "abend") == [None, None, 0, 0, 81]
    assert told(found, EVERYBODY) == [None, None, 0, 0, 201]


def test_where_nobody_was_nobody_is_told_about() -> None:
    assert told(sheet(zentrale=[(0, 0), (9, 60)])) == [0, 60, 0, 0, 60]


def test_a_month_does_not_give_away_the_day_that_was_kept_back() -> None:
    behind = {
        ("zentrale", MONDAY, at(0)): Crowd.at_once(9, 200),
        ("zentrale", TUESDAY, at(0, TUESDAY)): Crowd.at_once(2, 30),
    }
    found = Sheet(behind)
    assert found.tells(Cell("zentrale", MONTH))
    assert not found.tells(Cell("zentrale", TUESDAY))
    assert not found.tells(Cell("zentrale", MONDAY))


# -- one of them is there much more than the others


def month(*half_hours: tuple[int, int], group: str = "abend") -> dict[tuple[str, str, datetime], Crowd]:
    """(persons, calls) of one half hour after the other."""
    return {(group, MONDAY, at(i)): Crowd.at_once(*c) for i, c in enumerate(half_hours)}


def test_five_who_met_for_half_an_hour_do_not_make_one_persons_month_theirs() -> None:
    alone = [(1, 3)] * 60
    assert not Sheet(month(*alone, (5, 20))).tells(Cell(OTHERS, MONTH))
    centre = month(*[(9, 60)] * 61, group="zentrale")
    found = Sheet(centre | month(*alone, (5, 20)))
    assert found.together == {"zentrale": OTHERS, "abend": OTHERS}
    assert found.tells(Cell(OTHERS, MONTH))


def test_a_group_that_begins_and_ends_its_day_with_few_is_told() -> None:
    day = [(1, 2), (3, 10), *[(8, 40)] * 16, (4, 9), (2, 3)]
    assert Sheet(month(*day)).tells(Cell("abend", MONTH))
    two_thirds = [(1, 3)] * 5 + [(5, 20)] * 2
    assert Sheet(month(*two_thirds)).tells(Cell("abend", MONTH))
    assert not Sheet(month((1, 3), *two_thirds)).tells(Cell(OTHERS, MONTH))


def test_groups_that_are_there_one_after_the_other_are_no_crowd() -> None:
    """Three in the morning and three in the evening were never six; who stands in for the few was there with them."""
    early, late = [(3, 90), (0, 0)], [(0, 0), (3, 50)]
    found = Sheet(month(*early, group="früh") | month(*late, group="spät") | month((9, 60), (9, 60), group="zentrale"))
    assert set(found.together.values()) == {OTHERS}
    assert found.tells(Cell(OTHERS, MONTH))


# -- an attacker who knows how to solve equations

GROUPS, DAYS, TIMES = ("a", "b", "c"), (MONDAY, TUESDAY), (0, 1, 2)
ATOMS = [(group, day, at(i, day)) for group, day, i in product(GROUPS, DAYS, TIMES)]
crowds = st.builds(Crowd.at_once, st.sampled_from([0, 1, 4, 5, 6, 12]), st.sampled_from([0, 1, 10, 19, 20, 21, 60]))
centres = st.dictionaries(st.sampled_from(ATOMS), crowds, min_size=1)


def parts(cell: Cell, atoms: list[tuple[str, str, datetime]], found: Sheet) -> list[int]:
    """The cell as a sum of atoms."""
    return [
        int(cell.group in (EVERYBODY, g, found.together[g]) and cell.day in (MONTH, d) and cell.half_hour in (None, h))
        for g, d, h in atoms
    ]


def reduced(rows: Iterable[list[int]]) -> list[list[Fraction]]:
    """Row echelon form: all that follows from these sums."""
    basis: list[list[Fraction]] = []
    for row in rows:
        left = rest([Fraction(x) for x in row], basis)
        if any(left):
            lead = next(x for x in left if x)
            basis.append([x / lead for x in left])
    return basis


def rest(row: list[Fraction], basis: list[list[Fraction]]) -> list[Fraction]:
    for known in basis:
        lead = next(i for i, x in enumerate(known) if x)
        if row[lead]:
            row = [x - row[lead] * y for x, y in zip(row, known, strict=True)]
    return row


def all_cells() -> list[Cell]:
    half_hours = [Cell(g, d, at(i, d)) for g, d, i in product((*GROUPS, OTHERS, EVERYBODY), DAYS, TIMES)]
    return [*half_hours, *(Cell(g, d) for g, d in product((*GROUPS, OTHERS, EVERYBODY), (*DAYS, MONTH)))]


def crowd_of(cell: Cell, behind: dict[tuple[str, str, datetime], Crowd], found: Sheet) -> Crowd:
    """Who stands behind a cell, also of a group that is told with the others only."""
    if found.together.get(cell.group, cell.group) == cell.group:
        return found.crowd(cell)
    own = [c for where, c in behind.items() if parts(cell, [where], found) == [1]]
    return over_time(own)


@given(centres)
def test_no_sum_or_difference_of_what_is_told_is_about_too_few(behind: dict[tuple[str, str, datetime], Crowd]) -> None:
    found = Sheet(behind)
    # Who knows the house knows where nobody was.
    atoms = [atom for atom in ATOMS if not behind.get(atom, NOBODY).nobody]
    cells = [cell for cell in all_cells() if any(parts(cell, atoms, found))]
    follows = reduced(parts(cell, atoms, found) for cell in cells if found.tells(cell))
    kept_back = [cell for cell in cells if not found.tells(cell)]
    event(f"kept back: {len(kept_back) > 0}, told: {len(kept_back) < len(cells)}")
    for cell in cells:
        crowd = crowd_of(cell, behind, found)
        if not crowd.enough:
            assert not found.tells(cell)
            assert any(rest([Fraction(x) for x in parts(cell, atoms, found)], follows)), f"{cell} can be worked out"


@given(centres)
def test_nobody_is_behind_half_of_what_is_told(behind: dict[tuple[str, str, datetime], Crowd]) -> None:
    found = Sheet(behind)
    for cell in all_cells():
        there = [w for w in behind if parts(cell, [w], found) == [1] and behind[w].persons]
        if there and found.tells(cell):
            half_hours = {half_hour for *_, half_hour in there}
            assert 2 * len(half_hours) < sum(behind[where].persons for where in there), "who was there in every one"


@given(centres)
def test_what_is_large_enough_by_itself_is_told_where_all_is(behind: dict[tuple[str, str, datetime], Crowd]) -> None:
    large = {where: Crowd.at_once(max(c.persons, 5), max(c.calls, 20)) for where, c in behind.items()}
    found = Sheet(large)
    assert all(found.tells(Cell(*where)) for where in large)
    assert all(found.tells(cell) for cell in all_cells() if cell.group != OTHERS)
