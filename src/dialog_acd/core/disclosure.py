"""What may be told about the people who answer, and what has to be kept back.

Handling times, occupancy and presence are figures about staff. The policy (domain sheet 5.3) tells them of groups
alone: at least five persons and at least twenty calls stand behind every number. A number that is kept back is
*suppressed*.

That is not enough. Who is told that a group handled 900 calls on Monday, and how many in every half hour but one, knows
the one that was kept back. So where a sum is told, what is suppressed among its parts must together be large enough to
be told itself; if it is not, further parts are suppressed, the smallest first (*complementary suppression*).

This holds as long as every number is part of one sum only. A table with sums to the right and below is solved like a
riddle: what one margin keeps back, the other gives away. So there is no such table. First, for the month as a whole,
the groups that are too small become one, the *others*. Then each group stands for itself: its month, its days, its
half hours. What everybody did together is told only where each group's part of it is told, and adds nothing.

Nobody may ask for a period of their own choosing: ten days less nine of them are one day. A sheet is always a whole
month with all its days and half hours and all groups, what is suppressed is decided for the whole of it, and any
excerpt shows and suppresses exactly what the whole does.

Who was there in two half hours of a day may be the same five people, so over time persons are not added: the most who
were there at once are surely that many. Groups have no person in common.

Five who once met for half an hour do not make the month of a person who is alone every evening theirs: official
statistics call such a sum *dominated*, and keep it back. So of the time that is told as a sum, two thirds or more have
to be of half hours in which enough people were there at once (time is counted in heads, one for each half hour that a
person was in). Whoever was alone in all the others, and there in these as well, is then behind less than half of the
sum: 1/3 + 2/3 * 1/5 = 7/15. The sparse half hours are not left out of the sum instead: in what the centre as a whole
was staffed with they are counted, and the difference would tell them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from dialog_acd.core.view import AgentView

PERSONS = 5
CALLS = 20
EVERYBODY = ""
"""In the place of a group: all of them together. No group has this name."""
OTHERS = "*"
"""In the place of a group: those that are too small to be told by themselves. No group has this name either."""
MONTH = ""
"""In the place of a day: all of them."""
SIGNED_IN = "signed-in"
"""Instead of any other state but signed out, of agents who are too few."""


class Cell(NamedTuple):
    """Where a number stands in the sheet of a month."""

    group: str
    """Or ``EVERYBODY``, or ``OTHERS``."""
    day: str
    """Berlin's calendar day as ISO text, or ``MONTH``."""
    half_hour: datetime | None = None
    """Its beginning; ``None``: the whole day, or month."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who stands behind a number. ``at_once`` makes one of a half hour, ``over_time`` of several."""

    persons: int
    """At least so many different people."""
    calls: int
    heads: int
    """In every half hour each person counts once."""
    together: int
    """Of these, the heads in half hours of ``PERSONS`` or more."""

    @classmethod
    def at_once(cls, persons: int, calls: int) -> Crowd:
        """Of a half hour."""
        return cls(persons, calls, persons, persons if persons >= PERSONS else 0)

    @property
    def enough(self) -> bool:
        """To be told. Where nobody was and nothing happened, nobody is told about."""
        many = self.persons >= PERSONS and self.calls >= CALLS
        return (many and 3 * self.together >= 2 * self.heads) or self.nobody

    @property
    def nobody(self) -> bool:
        return self.persons == 0 and self.calls == 0


NOBODY = Crowd.at_once(0, 0)


def over_time(crowds: Iterable[Crowd]) -> Crowd:
    """Several times of the same group: perhaps the same people."""
    several = list(crowds)
    return Crowd(
        max((c.persons for c in several), default=0),
        sum(c.calls for c in several),
        sum(c.heads for c in several),
        sum(c.together for c in several),
    )


def over_groups(crowds: Iterable[Crowd]) -> Crowd:
    """Several groups in the same half hour: different people."""
    several = list(crowds)
    return Crowd.at_once(sum(c.persons for c in several), sum(c.calls for c in several))


def states_told(agents: Collection[AgentView]) -> Counter[str]:
    """How many of a group are in which state, for those whom it is told without names.

    By how many are there, not by how many there could be: of a late shift of one, and four who are at home, the one
    word that is not *signed out* would be this person's minute by minute. So fewer than ``PERSONS`` are *signed in*.
    """
    states = Counter(agent.state for agent in agents)
    if sum(agent.there for agent in agents) >= PERSONS:
        return states
    out, total = states["signed-out"], states.total()
    return Counter({word: count for word, count in (("signed-out", out), (SIGNED_IN, total - out)) if count})


class Sheet:
    """A month's numbers about staff, by group and half hour, and which of them may be told."""

    def __init__(self, behind: Mapping[tuple[str, str, datetime], Crowd]) -> None:
        """``behind``: by group, day and half hour who stands behind the numbers there."""
        self.together: Mapping[str, str] = _together(behind)
        """By group, under which name it is told: its own, or ``OTHERS``."""
        self._crowds = _added_up(behind, self.together)
        self._suppressed: set[Cell] = set()
        for group in {*self.together.values()}:
            self._suppress(group)
        self._suppressed |= set(self._of_everybody())

    def tells(self, cell: Cell) -> bool:
        """Whether this number may be told. A group that is one of the others is never told by itself."""
        told_as = self.together.get(cell.group, cell.group)
        return cell not in self._suppressed and told_as == cell.group

    def crowd(self, cell: Cell) -> Crowd:
        return self._crowds.get(cell, NOBODY)

    def _suppress(self, group: str) -> None:
        """One group's month from the whole down to its parts."""
        own = [cell for cell in self._crowds if cell.group == group]
        self._suppressed |= {cell for cell in own if not self._crowds[cell].enough}
        half_hours: dict[str, list[Cell]] = defaultdict(list)
        days: list[Cell] = []
        for cell in own:
            if cell.half_hour is not None:
                half_hours[cell.day].append(cell)
            elif cell.day != MONTH:
                days.append(cell)
        self._close(Cell(group, MONTH), days)
        for day in days:
            self._close(day, half_hours[day.day])

    def _close(self, whole: Cell, parts: list[Cell]) -> None:
        """Suppress parts until what is told of them and of the whole gives away nothing that is too small."""
        told = [part for part in parts if part not in self._suppressed and not self._crowds[part].nobody]
        told.sort(key=lambda part: (self._crowds[part].calls, part), reverse=True)
        hidden = [part for part in parts if part in self._suppressed]
        if whole in self._suppressed:
            # Its parts, taken from the sum above, would leave what it is kept back for.
            hidden, told = parts, []
        while told and hidden and not over_time(self._crowds[part] for part in hidden).enough:
            hidden.append(told.pop())
        self._suppressed |= set(hidden)

    def _of_everybody(self) -> Iterable[Cell]:
        groups = {*self.together.values()}
        for cell in self._crowds:
            if cell.group == EVERYBODY and any(cell._replace(group=group) in self._suppressed for group in groups):
                yield cell


def _together(behind: Mapping[tuple[str, str, datetime], Crowd]) -> dict[str, str]:
    """Which groups are told by themselves, for the whole month, and which as ``OTHERS``."""
    of_group: dict[str, dict[datetime, Crowd]] = defaultdict(dict)
    for (group, _, half_hour), crowd in behind.items():
        of_group[group][half_hour] = crowd
    whole = {group: over_time(crowds.values()) for group, crowds in of_group.items()}
    told = sorted((group for group in whole if whole[group].enough), key=lambda group: (-whole[group].calls, group))
    others = [group for group in whole if not whole[group].enough]
    while told and others and not _side_by_side(of_group[group] for group in others).enough:
        others.append(told.pop())
    return {group: group for group in told} | dict.fromkeys(others, OTHERS)


def _side_by_side(groups: Iterable[Mapping[datetime, Crowd]]) -> Crowd:
    """Several groups, by half hour, over all of it."""
    at: dict[datetime, list[Crowd]] = defaultdict(list)
    for group in groups:
        for half_hour, crowd in group.items():
            at[half_hour].append(crowd)
    return over_time(map(over_groups, at.values()))


def _added_up(behind: Mapping[tuple[str, str, datetime], Crowd], together: Mapping[str, str]) -> dict[Cell, Crowd]:
    at_once: dict[Cell, list[Crowd]] = defaultdict(list)
    for (group, day, half_hour), crowd in behind.items():
        at_once[Cell(together[group], day, half_hour)].append(crowd)
        at_once[Cell(EVERYBODY, day, half_hour)].append(crowd)
    crowds = {cell: over_groups(several) for cell, several in at_once.items()}
    for whole in (lambda cell: cell._replace(half_hour=None), lambda cell: Cell(cell.group, MONTH)):
        over: dict[Cell, list[Crowd]] = defaultdict(list)
        for cell, crowd in crowds.items():
            if cell.half_hour is not None:
                over[whole(cell)].append(crowd)
        crowds |= {cell: over_time(several) for cell, several in over.items()}
    return crowds
