"""What was agreed with a town: from when on it counts, and what of it cannot be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.errors import DirectoryInvalid, RuleInvalid
from dialog_acd.core.model import (
    NOT_YET,
    UNASSIGNED,
    Contract,
    EntryKind,
    Price,
    Prompt,
    PromptId,
    Target,
    Team,
    TeamId,
    Tenant,
    TenantId,
    Waiver,
)
from dialog_acd.core.rules import parse_target, written
from dialog_acd.testing import LANGENHAGEN, MONDAY, Scenario, demo_directory

BASE = demo_directory()
TOWN = next(t for t in BASE.tenants if t.id == "langenhagen")
ENTRY = next(e for e in BASE.entries if e.tenant == TOWN.id and e.kind is EntryKind.MAIN_NUMBER)
QUEUE = BASE.queue[ENTRY.queue]


def with_town(**changes: object) -> Tenant:
    return replace(TOWN, **changes)  # type: ignore[arg-type]


def with_towns(*towns: Tenant) -> None:
    replace(BASE, tenants=(*(t for t in BASE.tenants if t.id != TOWN.id), *towns))


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T09:00+00:00").astimezone(UTC)


# ---------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("lines", "day", "kind", "promised"),
    [
        ((), "2022-03-01", "main-number", (QUEUE.target_share, QUEUE.target.total_seconds())),
        (("75 % within 60 s",), "2022-03-01", "main-number", (0.75, 60)),
        (("75 % within 60 s", "from 2022-07-01: 80 % within 30 s"), "2022-06-30", "main-number", (0.75, 60)),
        (("75 % within 60 s", "from 2022-07-01: 80 % within 30 s"), "2022-07-01", "main-number", (0.80, 30)),
        (("75 % within 60 s", "80 % within 20 s for 115"), "2022-07-01", "115", (0.80, 20)),
        (("75 % within 60 s", "80 % within 20 s for 115"), "2022-07-01", "forwarded", (0.75, 60)),
        # A new word for all is a new word for 115, too.
        (("80 % within 20 s for 115", "from 2023-01-01: 70 % within 60 s"), "2023-01-02", "115", (0.70, 60)),
        (("from 2023-01-01: 70 % within 60 s for 115",), "2022-01-02", "115", (QUEUE.target_share, 30)),
    ],
)
def test_the_target_of_a_call_is_that_of_its_day_and_its_kind_of_entry(
    lines: tuple[str, ...], day: str, kind: str, promised: tuple[float, float]
) -> None:
    town = with_town(contract=Contract(targets=tuple(map(parse_target, lines))))
    directory = replace(BASE, tenants=(*(t for t in BASE.tenants if t.id != TOWN.id), town))
    target = directory.target(replace(ENTRY, kind=EntryKind(kind)), QUEUE, at(day))
    assert (target.share, target.within.total_seconds()) == promised


def test_a_target_begins_at_midnight_in_berlin() -> None:
    town = with_town(contract=Contract(targets=(parse_target("from 2022-07-01: 80 % within 20 s"),)))
    directory = replace(BASE, tenants=(*(t for t in BASE.tenants if t.id != TOWN.id), town))
    midnight = datetime(2022, 6, 30, 22, tzinfo=UTC)
    assert directory.target(ENTRY, QUEUE, midnight).within == timedelta(seconds=20)
    assert directory.target(ENTRY, QUEUE, midnight - timedelta(microseconds=1)).within == QUEUE.target


def test_the_record_keeps_what_was_promised_and_which_team_answered() -> None:
    """A figure of that day is then the same when the directory has long become another one."""
    town = with_town(contract=Contract(targets=(parse_target("80 % within 20.5 s"),)))
    agents = tuple(replace(agent, team=TeamId("abend")) for agent in BASE.agents)
    directory = replace(
        BASE,
        tenants=(*(t for t in BASE.tenants if t.id != TOWN.id), town),
        teams=(Team(TeamId("abend"), "Abend"),),
        agents=agents,
    )
    acd = Scenario(directory).is_ready("anna").waits("c1").answers("anna").after(21).agent_hangs_up("anna")
    kept = acd.caller_hangs_up("c1").record("c1")
    assert (kept.target_ms, kept.target_share, kept.team) == (20_500, 0.8, "abend")
    assert kept.entry == ENTRY.number

    nobody = Scenario(directory).waits("c2").caller_hangs_up("c2").record("c2")
    assert (nobody.target_ms, nobody.team) == (20_500, None)


TARGETS = st.builds(
    Target,
    st.integers(1, 10_000).map(lambda share: share / 10_000),
    st.integers(0, 86_400_000).map(lambda ms: timedelta(milliseconds=ms)),
    st.none() | st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.frozensets(st.sampled_from(EntryKind)),
)


@given(TARGETS)
def test_a_target_is_read_as_it_is_written(target: Target) -> None:
    assert parse_target(written(target)) == target


@pytest.mark.parametrize(
    "line",
    [
        "75 within 30",
        "75 % within 30",
        "0 % within 30 s",
        "101 % within 30 s",
        "from 2022-02-30: 75 % within 30 s",
        "75 % within 90000 s",
        "75 % within 30 s for 116",
        "",
    ],
)
def test_a_target_that_cannot_be_read_says_how_to_write_it(line: str) -> None:
    with pytest.raises(RuleInvalid):
        parse_target(line)


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"code": "12a"}, "tenant langenhagen: code '12a' is not one to four digits"),
        ({"code": "12345"}, "tenant langenhagen: code '12345' is not one to four digits"),
        (
            {"live_from": date(202, 3, 1)},
            "tenant langenhagen: live_from 0202-03-01 lies outside the years 2000 to 2099",
        ),
        (
            {"answers": {"pxb": "Innovaphone"}},
            "tenant langenhagen answers question 'pxb', which does not exist, did you mean 'pbx'?",
        ),
        (
            {"waivers": (Waiver("greeting", " ", "later", date(2022, 1, 1)),)},
            "tenant langenhagen: a waiver of 'greeting' needs a name and a reason",
        ),
        (
            {"contract": Contract(valid_from=date(2022, 1, 1), valid_to=date(2021, 12, 31))},
            "tenant langenhagen: valid_to is the contract's last day, and lies before valid_from, the first",
        ),
        (
            {"contract": Contract(prices=(Price(flat=Decimal(1)), Price(per_call=Decimal(1))))},
            "tenant langenhagen: price from 'the beginning' appears 2 times",
        ),
        (
            {"contract": Contract(targets=(parse_target("75 % within 30 s"), parse_target("80 % within 60 s")))},
            "tenant langenhagen: 2 targets from the beginning on for all",
        ),
        (
            {"contract": Contract(targets=(Target(0.75, timedelta(microseconds=1)),))},
            (
                "tenant langenhagen: target '75 % within 0 s' cannot be written: a share of 0.01 to 100 %,"
                " whole milliseconds"
            ),
        ),
    ],
)
def test_a_town_that_contradicts_itself_is_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(DirectoryInvalid) as refused:
        with_towns(with_town(**changes))
    assert refused.value.faults == (fault,)


def test_no_two_towns_have_one_code_and_none_is_called_nobody() -> None:
    with pytest.raises(DirectoryInvalid, match="code '7' appears 2 times"):
        with_towns(with_town(code="7"), Tenant(TenantId("laatzen"), "Laatzen", "Laatzen", code="7"))
    with pytest.raises(DirectoryInvalid, match="call the town something else"):
        with_towns(TOWN, Tenant(UNASSIGNED, "Niemand", "?"))


@pytest.mark.parametrize(
    ("prompt", "fault"),
    [
        (Prompt(PromptId("Gruß"), "x", "Guten Tag"), "prompt 'Gruß' is not of the form [0-9a-z-], 1 to 30 characters"),
        (Prompt(PromptId("gruss"), "x"), "prompt gruss has neither a text to be spoken nor a recording"),
        (
            Prompt(PromptId("gruss"), "x", recording="../../etc/passwd"),
            "prompt gruss: recording '../../etc/passwd' is not the SHA-256 of one, 64 digits from 0 to f",
        ),
        (
            Prompt(PromptId("gruss"), "x", "Ja " * 700),
            "prompt gruss: its text has 2100 characters, and at most 2000 are spoken",
        ),
        (
            Prompt(PromptId("gruss"), "x", "Guten Tag", tenant=TenantId("langenhagn")),
            "prompt gruss names tenant 'langenhagn', which does not exist, did you mean 'langenhagen'?",
        ),
    ],
)
def test_a_prompt_that_cannot_be_played_is_refused(prompt: Prompt, fault: str) -> None:
    with pytest.raises(DirectoryInvalid) as refused:
        replace(BASE, prompts=(prompt,))
    assert refused.value.faults == (fault,)


def test_the_towns_a_call_may_be_for_have_to_exist() -> None:
    entry = replace(ENTRY, candidates=(TenantId("langenhagen"), TenantId("laatzn")))
    with pytest.raises(DirectoryInvalid, match="names candidate 'laatzn', which does not exist"):
        replace(BASE, entries=(*(e for e in BASE.entries if e is not ENTRY), entry))


def test_a_test_caller_is_a_whole_number() -> None:
    with pytest.raises(DirectoryInvalid, match="test caller '0511 4711': write the number in E"):
        replace(BASE, test_callers=("0511 4711",))


# ---------------------------------------------------------------- going live


def test_a_town_that_waits_to_go_live_has_no_number_yet() -> None:
    waiting = replace(BASE, tenants=(*(t for t in BASE.tenants if t.id != TOWN.id), with_town(live_from=NOT_YET)))
    found = waiting.entry_for(LANGENHAGEN, at=MONDAY)
    assert found.entry == waiting.catch_all
    assert (found.dormant is not None, found.awaited) == (True, True)
    assert waiting.next_switch(MONDAY) is None


def test_a_town_goes_live_at_midnight_and_a_number_of_its_own_later_date_waits_for_that() -> None:
    day = date(2026, 4, 1)
    later = replace(ENTRY, number="+4951173079", block=False, active_from=date(2026, 5, 1))
    towns = (*(t for t in BASE.tenants if t.id != TOWN.id), with_town(live_from=day))
    directory = replace(BASE, tenants=towns, entries=(*BASE.entries, later))
    midnight = datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert not directory.entry_for(LANGENHAGEN, at=midnight - timedelta(seconds=1)).known
    assert directory.entry_for(LANGENHAGEN, at=midnight).entry.tenant == "langenhagen"
    assert directory.entry_for("+4951173079", at=midnight).entry.block
    assert directory.entry_for("+4951173079", at=midnight + timedelta(days=30)).entry.active_from == date(2026, 5, 1)
    assert directory.next_switch(MONDAY) == midnight
