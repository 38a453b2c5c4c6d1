"""One snapshot, valid as a whole or not at all; and which number leads where."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.model import (
    AgentId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Overflow,
    PartnerId,
    Phone,
    QueueId,
    SkillId,
    TenantId,
    Trunk,
)
from dialog_acd.testing import demo_agent, demo_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialog_acd.core.directory import Directory

GOOD = demo_directory()


def entry(number: str, queue: str, *, block: bool = False) -> Entry:
    return Entry(number, TenantId("hannover"), QueueId(queue), EntryKind.MAIN_NUMBER, "standard", block)


def with_entries(*entries: Entry) -> Directory:
    return replace(GOOD, entries=(*GOOD.entries, *entries))


def test_exact_beats_block_and_the_longest_block_wins() -> None:
    directory = with_entries(entry("+4951173", "region", block=True), entry("+495117307123", "115"))
    assert directory.entry_for("0511 7307-123").entry.queue == "115"
    assert directory.entry_for("0511 7307-1234").entry.queue == "langenhagen"
    assert directory.entry_for("0511 7307-0").entry.queue == "langenhagen"
    assert directory.entry_for("0511 7308").entry.queue == "region"
    assert directory.entry_for("0511 7307-99").why == "block +495117307"
    assert directory.entry_for("0511 7307-123").why == "number +495117307123"


def test_a_number_that_is_no_block_does_not_swallow_longer_ones() -> None:
    directory = with_entries(entry("+4951199", "region"))
    assert directory.entry_for("051199").entry.queue == "region"
    assert not directory.entry_for("0511991").known


@pytest.mark.parametrize("dialled", ["115", "0511115", "+49115"])
def test_115_is_one_entry_however_written(dialled: str) -> None:
    assert GOOD.entry_for(dialled).entry.kind is EntryKind.SERVICE_115


@pytest.mark.parametrize("dialled", ["", "anonymous", "0511 999999", "112", "ü" * 300])
def test_a_number_nobody_owns_is_caught(dialled: str) -> None:
    found = GOOD.entry_for(dialled)
    assert (found.entry.kind, found.known, found.why) == (EntryKind.CATCH_ALL, False, "nobody owns this number")


def test_each_trunk_is_read_its_own_way_and_an_unknown_one_like_the_first() -> None:
    directory = replace(GOOD, trunks=(Trunk("north"), Trunk("south", "cc-no-plus")))
    assert directory.entry_for("495117307", "south").entry.queue == "langenhagen"
    assert not directory.entry_for("495117307", "north").known
    assert not directory.entry_for("495117307", "nowhere").known


def agent_with(**changes: object) -> Callable[[], Directory]:
    return lambda: replace(GOOD, agents=(replace(demo_agent("anna"), **changes),))  # type: ignore[arg-type]


def queue_with(**changes: object) -> Callable[[], Directory]:
    return lambda: replace(GOOD, queues=(replace(GOOD.queues[0], **changes), *GOOD.queues[1:]))  # type: ignore[arg-type]


def entry_with(**changes: object) -> Callable[[], Directory]:
    return lambda: replace(GOOD, entries=(replace(GOOD.entries[0], **changes), *GOOD.entries[1:]))  # type: ignore[arg-type]


def partner_with(**changes: object) -> Callable[[], Directory]:
    return lambda: replace(GOOD, partners=(*GOOD.partners, replace(GOOD.partners[0], id="b", **changes)))  # type: ignore[arg-type]


def profile_with(name: str = "b", group: str = "all", **changes: object) -> Callable[[], Directory]:
    return lambda: replace(GOOD, failsafe_profiles=(*GOOD.failsafe_profiles, FailsafeProfile(name, group, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        (lambda: replace(GOOD, tenants=GOOD.tenants * 2), "tenant 'langenhagen' appears 2 times"),
        (lambda: replace(GOOD, queues=GOOD.queues * 2), "queue 'langenhagen' appears 2 times"),
        (lambda: replace(GOOD, agents=GOOD.agents * 2), "agent 'anna' appears 2 times"),
        (lambda: replace(GOOD, agents=(GOOD.agents[0], replace(GOOD.agents[0], id=AgentId("b")))),
         "phone 'phone-anna' appears 2 times"),
        (lambda: replace(GOOD, partners=GOOD.partners * 2), "partner 'oldenburg' appears 2 times"),
        (lambda: replace(GOOD, failsafe_profiles=GOOD.failsafe_profiles * 2),
         "failsafe profile 'standard' appears 2 times"),
        (lambda: with_entries(entry("+49511168", "region")), r"number '\+49511168' appears 2 times"),
        (lambda: replace(GOOD, trunks=()), "there is no trunk profile"),
        (lambda: replace(GOOD, entries=GOOD.entries[:-1]), "there must be exactly one catch-all entry"),
        (lambda: with_entries(replace(GOOD.entries[-1], number="x")), "there must be exactly one catch-all entry"),
        (entry_with(tenant=TenantId("x")), r"entry \+495117307 names tenant 'x', which does not exist"),
        (entry_with(queue=QueueId("x")), r"entry \+495117307 names queue 'x', which does not exist"),
        (entry_with(failsafe="x"), r"entry \+495117307 names failsafe profile 'x', which does not exist"),
        (entry_with(number="05117307"), r"entry 05117307: write the number in E.164, as \+4951173070"),
        (entry_with(kind=EntryKind.SERVICE_115), "an entry of kind 115 has the number 115"),
        (queue_with(level=0), "queue langenhagen: level 0 is not between 1 and 5"),
        (queue_with(level=6), "queue langenhagen: level 6 is not between 1 and 5"),
        (queue_with(ring_for=timedelta(milliseconds=999)), "a phone must ring for at least one second"),
        (queue_with(overflow=Overflow(timedelta(seconds=1), PartnerId("x"))),
         "queue langenhagen overflows to 'x', which does not exist"),
        (agent_with(phone=Phone("Anna,1")), "agent anna: phone 'Anna,1' is not of the form"),
        (agent_with(phone=Phone("a" * 31)), "is not of the form"),
        (agent_with(skills={SkillId("citizens"): 9}), "agent anna: level 9 of skill citizens is not between 1 and 5"),
        (lambda: replace(GOOD, partners=(*GOOD.partners, replace(GOOD.partners[0], id=PartnerId("A B")))),
         "partner 'A B' is not of the form"),
        (partner_with(number="0441&Zap/1"), "partner b: number '0441&Zap/1' is not made of digits"),
        (profile_with(name="B!"), "failsafe profile 'B!': 'B!' is not of the form"),
        (profile_with(group="x,y"), "failsafe profile 'b': 'x,y' is not of the form"),
        (profile_with(partner=PartnerId("x")), "failsafe profile b names partner 'x', which does not exist"),
        (profile_with(hours=("8-18 Uhr",)), "failsafe profile b: '8-18 Uhr' is not like 8:00-18:00,mon-fri"),
    ],
)  # fmt: skip
def test_a_contradiction_is_told_in_one_sentence(build: Callable[[], Directory], fault: str) -> None:
    with pytest.raises(DirectoryInvalid, match=fault) as told:
        build()
    assert told.value.error_id == "directory-invalid"
    assert str(told.value).startswith("The directory contradicts itself: ")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(DirectoryInvalid) as told:
        replace(GOOD, trunks=(), tenants=GOOD.tenants[1:])
    assert len(told.value.faults) == 2
