"""What it takes two people for: named figures, and a weaker policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.model import AgentId, Statistics, Tenant, TenantId
from dialog_acd.core.records import OfferTried
from dialog_acd.core.releases import (
    Kind,
    PolicyChange,
    Release,
    Signature,
    State,
    bounds_of,
    faults_of,
    matters,
    month_at,
    of_one,
    policy_changes,
    policy_of,
)
from dialog_acd.testing import demo_agent, demo_directory
from records import NOON, served

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory

ASKED = Signature("A. Muster", "id-1", NOON)
AGREED = Signature("P. Rat", "id-2", NOON + timedelta(days=1))
GROUPS, OWN, RELEASED = Statistics
LGH, HANNOVER, REGION = TenantId("langenhagen"), TenantId("hannover"), TenantId("region")
of_anna = Release(1, Kind.FIGURES, "why", date(2026, 3, 31), ASKED, (AgentId("anna"),), "2026-02", "2026-03")
of_langenhagen = Release(2, Kind.POLICY, "why", date(2026, 3, 31), ASKED, tenant=LGH, level=OWN)


def towns(**levels: Statistics) -> tuple[Tenant, ...]:
    made = demo_directory().tenants[0]
    return tuple(
        replace(made, id=TenantId(name), contract=replace(made.contract, statistics=level))
        for name, level in levels.items()
    )


def with_towns(directory: Directory, tenants: tuple[Tenant, ...]) -> Directory:
    """The same with these towns, and nothing of any other."""
    known = {town.id for town in tenants}
    return replace(directory, tenants=tenants, entries=tuple(e for e in directory.entries if e.tenant in known))


def test_a_release_is_none_until_somebody_agrees_and_ends_with_its_last_day_in_berlin() -> None:
    agreed = replace(of_anna, agreed=AGREED)
    last = datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)  # summer time began on the 29th
    assert of_anna.state(last) is State.ASKED
    assert not of_anna.covers("anna", "2026-02", last)
    assert agreed.covers("anna", "2026-02", last)
    assert agreed.state(last + timedelta(seconds=1)) is State.ENDED
    assert not agreed.covers("anna", "2026-02", last + timedelta(seconds=1))
    assert replace(agreed, revoked=ASKED).state(NOON) is State.REVOKED
    assert not replace(agreed, revoked=ASKED).covers("anna", "2026-02", NOON)


@pytest.mark.parametrize(("agent", "month"), [("bert", "2026-02"), ("anna", "2026-01"), ("anna", "2026-04")])
def test_it_is_about_these_people_and_these_months_and_no_others(agent: str, month: str) -> None:
    assert not replace(of_anna, agreed=AGREED).covers(agent, month, NOON)


def test_a_release_of_one_kind_is_none_of_the_other() -> None:
    assert not replace(of_langenhagen, agreed=AGREED, agents=of_anna.agents).covers("anna", "2026-02", NOON)
    assert not replace(of_anna, agreed=AGREED, tenant=LGH, level=OWN).allows(LGH, OWN, NOON)


def test_a_policy_is_released_for_a_town_up_to_a_level() -> None:
    agreed = replace(of_langenhagen, agreed=AGREED)
    assert agreed.allows(LGH, OWN, NOON)
    assert not agreed.allows(LGH, RELEASED, NOON)
    assert not agreed.allows(HANNOVER, OWN, NOON)
    assert not of_langenhagen.allows(LGH, OWN, NOON)


@pytest.mark.parametrize(
    ("name", "token", "same"),
    [("P. Rat", "id-2", False), ("P. Rat", "id-1", True), (" a.  muster", "id-2", True), ("A. MUSTER", "id-9", True)],
)
def test_who_is_the_same_person(name: str, token: str, same: bool) -> None:
    assert ASKED.same_person(name, token) is same


@pytest.mark.parametrize(
    ("release", "fault"),
    [
        (replace(of_anna, until=date(2026, 3, 1)), "until"),
        (replace(of_anna, until=date(2026, 6, 1)), "until"),
        (replace(of_anna, agents=()), "agents"),
        (replace(of_anna, agents=of_anna.agents * 51), "agents"),
        (replace(of_anna, first_month="2026-13"), "2026-03"),
        (replace(of_anna, first_month="2026-04"), "1 to 12 months"),
        (replace(of_anna, first_month="2025-03"), "1 to 12 months"),
        (replace(of_anna, tenant=LGH), "neither town"),
        (replace(of_langenhagen, level=GROUPS), "own or released"),
        (replace(of_langenhagen, tenant=None), "own or released"),
        (replace(of_langenhagen, agents=of_anna.agents), "neither agents"),
    ],
)
def test_what_cannot_be_asked_for(release: Release, fault: str) -> None:
    [said] = faults_of(release)
    assert fault in said


def test_what_can() -> None:
    longest = date(2026, 5, 31)
    assert faults_of(replace(of_anna, until=longest, first_month="2025-04")) == faults_of(of_langenhagen) == []


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 1)))  # noqa: DTZ001
def test_every_moment_is_in_one_month(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    since, to = bounds_of(month_at(moment))
    assert since <= moment < to
    assert month_at(since) == month_at(to - timedelta(microseconds=1)) != month_at(to)


# ---------------------------------------------------------------- the policy


def test_whose_policy_holds() -> None:
    directory = demo_directory([replace(demo_agent("anna"), home=LGH), demo_agent("bert")])
    others = [t for t in directory.tenants if t.id != LGH]
    directory = replace(directory, tenants=(*towns(langenhagen=RELEASED), *others))
    anna, bert = directory.agents
    assert policy_of(directory, anna) is RELEASED
    assert policy_of(directory, bert) is GROUPS  # the strictest of all: the centre works for all of them
    all_of_them = towns(**{town.id: OWN for town in directory.tenants})
    assert policy_of(replace(directory, tenants=all_of_them), bert) is OWN


def test_what_weakens_a_policy() -> None:
    directory = demo_directory()
    before = replace(directory, tenants=towns(langenhagen=OWN, hannover=GROUPS, region=RELEASED))

    def changed(**levels: Statistics) -> dict[str, bool]:
        after = replace(directory, tenants=towns(**levels))
        return {change.tenant: change.weakens for change in policy_changes(before, after)}

    assert changed(langenhagen=OWN, hannover=GROUPS, region=RELEASED) == {}
    assert changed(langenhagen=RELEASED, hannover=GROUPS, region=GROUPS) == {"langenhagen": True, "region": False}


def test_what_a_release_allowed_matters_as_long_as_it_is_so() -> None:
    agreed = replace(of_langenhagen, agreed=AGREED)
    directory = with_towns(demo_directory(), towns(langenhagen=RELEASED, hannover=GROUPS, region=GROUPS))
    assert matters(agreed, directory)
    assert matters(replace(agreed, revoked=AGREED), directory), "revoking takes nothing back"
    assert not matters(of_langenhagen, directory), "nobody has agreed"
    assert not matters(replace(of_anna, agreed=AGREED), directory)
    strict = with_towns(directory, towns(langenhagen=GROUPS, hannover=OWN, region=OWN))
    assert not matters(agreed, strict)
    without = with_towns(strict, strict.tenants[1:])
    assert matters(agreed, without), "that it left is why the policy of the centre is as weak"
    assert not matters(agreed, with_towns(without, towns(hannover=GROUPS, region=OWN)))


def test_a_new_town_comes_from_the_strictest_and_a_first_directory_as_well() -> None:
    after = replace(demo_directory(), tenants=towns(langenhagen=OWN, hannover=GROUPS, region=GROUPS))
    wanted = [PolicyChange(LGH, GROUPS, OWN)]
    assert list(policy_changes(with_towns(after, after.tenants[1:]), after)) == wanted
    assert list(policy_changes(None, after)) == wanted


def test_that_the_strictest_town_leaves_weakens_what_holds_in_the_centre() -> None:
    before = with_towns(demo_directory(), towns(langenhagen=GROUPS, hannover=RELEASED, region=RELEASED))
    after = with_towns(before, before.tenants[1:])
    assert list(policy_changes(before, after)) == [PolicyChange(LGH, GROUPS, RELEASED)]
    assert list(policy_changes(before, with_towns(before, before.tenants[:2]))) == []


def test_who_is_moved_to_another_desk_is_moved_into_no_weaker_policy() -> None:
    """Five of the centre, where a council has agreed to nothing, cannot be made a town's by one edit."""
    levels = towns(langenhagen=RELEASED, hannover=GROUPS, region=OWN)

    def at(**homes: TenantId | None) -> Directory:
        agents = [replace(demo_agent(name), home=home) for name, home in homes.items()]
        return with_towns(demo_directory(agents), levels)

    def changed(before: Directory, after: Directory) -> list[PolicyChange]:
        return list(policy_changes(before, after))

    hannover, region = TenantId("hannover"), TenantId("region")
    centre = at(anna=None, bert=None)
    assert changed(centre, at(anna=LGH, bert=LGH)) == [PolicyChange(LGH, GROUPS, RELEASED)]
    assert changed(centre, at(anna=region, bert=hannover)) == [PolicyChange(region, GROUPS, OWN)]
    assert changed(at(anna=LGH, bert=LGH), centre) == changed(centre, at(anna=hannover)) == []
    # Taken out by one edit and brought back by the next, or new: as from the centre.
    back = [changed(at(anna=hannover), at()), changed(at(), at(anna=LGH))]
    assert back == [[], [PolicyChange(LGH, GROUPS, RELEASED)]]
    assert changed(at(), at(anna=hannover)) == changed(at(), at(anna=None)) == []
    # Out of a town that is stricter than the centre then is.
    milder = with_towns(at(anna=None), towns(langenhagen=RELEASED, hannover=RELEASED, region=RELEASED))
    strict = with_towns(at(anna=hannover), towns(langenhagen=RELEASED, hannover=GROUPS, region=RELEASED))
    assert changed(strict, milder) == [PolicyChange(hannover, GROUPS, RELEASED)], "once, and not for each"


# ---------------------------------------------------------------- one person


def test_one_agents_month() -> None:
    """Anna's phone rang twice in vain, one of these in a test; Bert answered, and does not stand in her figures."""
    rang = (OfferTried("9", "anna", NOON, "caller-gone"), OfferTried("10", "anna", NOON, "answered"))
    calls = [served("c1"), served("c2", test=True), served("c3", agent="anna", offers=rang)]
    anna, bert = of_one(calls, "anna"), of_one(calls, "bert")
    assert (anna.answered, anna.offers, anna.missed) == (1, 3, {"no-answer": 1, "caller-gone": 1})
    assert (anna.talk, anna.wrap_up) == (timedelta(seconds=60), timedelta(seconds=10))
    assert (bert.answered, bert.offers, bert.missed) == (1, 1, {})
    assert of_one(calls, "cem").answered == 0
