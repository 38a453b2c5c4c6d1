"""Releases in the database: two people's word, each once; and policies that nobody weakens alone, by no way in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.administration import Administration
from dialog_acd.api.ports import Address, Terms
from dialog_acd.core.model import AgentId, Statistics, TenantId
from dialog_acd.core.records import OfferTried
from dialog_acd.core.releases import Kind, Release, Signature, State
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.record_store import RecordReader, RecordWriter
from dialog_acd.store.release_store import PolicyNotReleased, ReleaseStore
from dialog_acd.testing import ManualClock, demo_directory
from records import NOON, served

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory

LGH = TenantId("langenhagen")
ASKED = Signature("leitung", "id-1", NOON)
COUNCIL = Signature("personalrat", "id-2", NOON + timedelta(hours=1))
TODAY = NOON.date()
of_anna = Release(0, Kind.FIGURES, "Einarbeitung", TODAY, ASKED, (AgentId("anna"),), "2026-02", "2026-03")
of_langenhagen = Release(0, Kind.POLICY, "vereinbart", TODAY, ASKED, tenant=LGH, level=Statistics.RELEASED)


def with_level(directory: Directory, level: Statistics) -> Directory:
    """The same, but for Langenhagen's policy."""
    return replace(
        directory,
        tenants=tuple(
            replace(t, contract=replace(t.contract, statistics=level)) if t.id == LGH else t for t in directory.tenants
        ),
    )


async def test_a_release_goes_its_way(engine: AsyncEngine) -> None:
    store = ReleaseStore(engine)
    made, other = await store.ask(of_anna), await store.ask(of_langenhagen)
    assert made == replace(of_anna, id=made.id)
    assert await store.one(other.id) == replace(of_langenhagen, id=other.id)
    assert await store.agreed(NOON) == []
    assert await store.agree(made.id, COUNCIL)
    agreed = replace(made, agreed=COUNCIL)
    assert await store.one(made.id) == agreed
    assert await store.agreed(NOON) == [agreed]
    assert await store.agreed(NOON + timedelta(days=1)) == []
    assert await store.page(10) == [other, agreed]
    assert await store.page(10, other.id) == [agreed]
    assert await store.revoke(made.id, ASKED)
    assert await store.agreed(NOON) == []
    assert (await store.page(10, other.id))[0].state(NOON) is State.REVOKED


async def test_each_word_is_said_once_and_never_by_who_has_asked(engine: AsyncEngine) -> None:
    store = ReleaseStore(engine)
    number = (await store.ask(of_anna)).id
    for oneself in (ASKED, replace(COUNCIL, token="id-1"), replace(COUNCIL, name="leitung")):
        assert not await store.agree(number, oneself)
    assert await store.agree(number, COUNCIL)
    assert not await store.agree(number, replace(COUNCIL, name="another"))
    assert await store.revoke(number, COUNCIL)
    assert not await store.revoke(number, ASKED)
    assert not await store.agree(number, COUNCIL)
    assert not await store.agree(4711, COUNCIL)
    taken_back = (await store.ask(of_anna)).id
    assert await store.revoke(taken_back, ASKED)
    assert not await store.agree(taken_back, COUNCIL)
    assert await store.one(4711) is None


async def test_one_agents_figures_are_of_the_month_and_of_the_agent(engine: AsyncEngine, tmp_path: Path) -> None:
    writer = RecordWriter(engine, tmp_path / "spill", lambda: NOON)
    since, to = NOON - timedelta(hours=1), NOON
    odd = 'an_a%"!'
    for record in (
        served("c1", t_in=since),
        served("c2", t_in=to),
        served("c3", t_in=since - timedelta(microseconds=1)),
        served("c4", t_in=since, agent="anna-lena", offers=(OfferTried("3", "anna-lena", NOON, "no-answer"),)),
        served("c6", t_in=since + timedelta(minutes=7), agent=None, offers=()),
        served("c7", t_in=since + timedelta(minutes=3), agent=None, offers=()),
        served("c8", t_in=since + timedelta(minutes=9), agent=None, offers=(), t_ans=None),
        served("c9", t_in=since + timedelta(minutes=9), agent=None, offers=(), test=True),
        served("c5", t_in=since, offers=(OfferTried("4", odd, NOON, "declined"),)),
    ):
        writer.put(record)
    assert await writer.flush()
    await writer.close(0)
    reader = RecordReader(engine)
    anna = await reader.of_agent("anna", since, to)
    assert (anna.answered, anna.offers, dict(anna.missed)) == (0, 1, {"no-answer": 1})
    bert = await reader.of_agent("bert", since, to)
    assert (bert.answered, bert.forgotten_to) == (2, since + timedelta(minutes=7))
    assert (await reader.of_agent("bert", since, since + timedelta(minutes=3))).forgotten_to is None
    assert dict((await reader.of_agent(odd, since, to)).missed) == {"declined": 1}
    assert (await reader.of_agent("a%", since, to)).offers == 0


# ---------------------------------------------------------------- policies


class Hall:
    """Where directories are edited, by several ways."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.store, self.releases, self.clock = DirectoryStore(engine), ReleaseStore(engine), ManualClock(NOON)
        self.administration = Administration(self.store, self.clock, lambda _: None)
        self.made = demo_directory()

    async def level(self) -> Statistics:
        return (await self.store.load()).tenant[LGH].contract.statistics

    async def agrees(self, level: Statistics = Statistics.RELEASED) -> int:
        number = (await self.releases.ask(replace(of_langenhagen, level=level))).id
        assert await self.releases.agree(number, COUNCIL)
        return number

    async def by_file(self, level: Statistics, *, dry_run: bool = False) -> None:
        await self.administration.put(with_level(self.made, level), "anna", "", None, dry_run=dry_run)

    async def by_rest(self, level: Statistics, *, dry_run: bool = False) -> None:
        def change(said: dict[str, object]) -> dict[str, object]:
            contract = said["contract"]
            assert isinstance(contract, dict)
            return said | {"contract": contract | {"statistics": level.value}}

        await self.administration.edit(Address("tenants", LGH), change, Terms("anna", dry_run=dry_run))


@pytest.fixture
async def hall(engine: AsyncEngine) -> Hall:
    hall = Hall(engine)
    await hall.store.replace(hall.made, Edit("setup", NOON))
    return hall


@pytest.mark.parametrize("way", ["by_file", "by_rest"])
async def test_nobody_weakens_a_policy_alone(hall: Hall, engine: AsyncEngine, way: str) -> None:
    edit = getattr(hall, way)
    for dry_run in (True, False):
        with pytest.raises(PolicyNotReleased, match=r"langenhagen: .*cannot become own.*staff council"):
            await edit(Statistics.OWN, dry_run=dry_run)
    number = await hall.agrees(Statistics.OWN)
    with pytest.raises(PolicyNotReleased):
        await edit(Statistics.RELEASED)
    assert await hall.level() is Statistics.GROUPS
    await edit(Statistics.OWN)
    assert await hall.level() is Statistics.OWN
    [line] = await AuditStore(engine).page(9, None, None)
    assert (line.who, line.action, line.about, line.tenant) == ("anna", "policy.weaken", LGH, LGH)
    assert line.details == {"before": "groups", "after": "own", "release": number}
    await edit(Statistics.GROUPS)  # as strict as anybody likes
    assert (await AuditStore(engine).page(1, None, None))[0].action == "policy.strengthen"


async def test_a_version_of_weaker_days_is_not_put_in_force_again(hall: Hall) -> None:
    number = await hall.agrees()
    await hall.by_file(Statistics.RELEASED)
    await hall.by_file(Statistics.GROUPS)
    await hall.releases.revoke(number, COUNCIL)
    with pytest.raises(PolicyNotReleased):
        await hall.administration.roll_back(2, "anna", "", None)
    assert await hall.level() is Statistics.GROUPS


@pytest.mark.parametrize("way", ["ended", "revoked"])
async def test_a_release_that_is_over_allows_nothing(hall: Hall, way: str) -> None:
    number = await hall.agrees()
    if way == "ended":
        hall.clock.advance(24 * 3600)
    else:
        await hall.releases.revoke(number, ASKED)
    with pytest.raises(PolicyNotReleased):
        await hall.by_file(Statistics.OWN)


@pytest.mark.parametrize("way", ["by_file", "by_rest"])
async def test_a_rehearsal_in_the_days_of_a_release_weakens_no_policy(
    hall: Hall, engine: AsyncEngine, way: str
) -> None:
    await hall.agrees()
    hall.administration = Administration(DirectoryStore(engine, rehearsal=True), hall.clock, lambda _: None)
    for dry_run in (True, False):
        with pytest.raises(PolicyNotReleased):
            await getattr(hall, way)(Statistics.OWN, dry_run=dry_run)
    assert await hall.level() is Statistics.GROUPS
    await hall.by_file(Statistics.GROUPS)


async def test_a_town_does_not_go_and_come_back_weaker(hall: Hall) -> None:
    less = replace(
        hall.made,
        tenants=tuple(t for t in hall.made.tenants if t.id != LGH),
        entries=tuple(e for e in hall.made.entries if e.tenant != LGH),
    )
    await hall.administration.put(less, "anna", "", None)
    with pytest.raises(PolicyNotReleased):
        await hall.by_file(Statistics.OWN)


async def test_the_first_directory_is_no_way_around(engine: AsyncEngine) -> None:
    with pytest.raises(PolicyNotReleased):
        await Hall(engine).by_file(Statistics.OWN)
    assert await DirectoryStore(engine).is_empty()
