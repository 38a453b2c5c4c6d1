"""A restart of ours forgets nobody who is there, and writes a record for whoever left meanwhile."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dialog_acd.core.messages import RememberCall
from dialog_acd.core.model import CallId, EntryKind, QueueId, TenantId
from dialog_acd.core.records import Counted
from dialog_acd.store import call_store
from dialog_acd.store.call_store import CallMemory

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NINE = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)


def arrival(call: str) -> RememberCall:
    return RememberCall(CallId(call), "+4951173070", None, 'J"ürgen\n', "trunk", "abc@carrier", NINE)


def test_who_has_no_record_yet_is_remembered(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    for call in ("a", "b", "c"):
        memory.put(arrival(call))
    memory.forget(CallId("b"))
    memory.close()

    assert CallMemory(tmp_path).calls == [arrival("a"), arrival("c")]


def test_whoever_was_promised_to_be_called_back_is_remembered_so(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    memory.put(arrival("a"))
    promised = replace(arrival("a"), callback_at=NINE + timedelta(minutes=2))
    memory.put(promised)
    memory.close()

    again = CallMemory(tmp_path)  # written anew here
    again.close()
    assert again.calls == CallMemory(tmp_path).calls == [promised]


def test_what_has_happened_to_a_call_is_remembered(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    more: dict[str, Any] = {
        name: NINE + timedelta(seconds=n) for n, name in enumerate(("t_ann_end", "t_ans", "t_talk", "t_ovf", "due_at"))
    }
    more |= {"agent": "anna", "talk_ms": 1, "wrap_ms": 2, "asked": "oldenburg", "trigger": "waited"}
    more["counted"] = Counted(TenantId("laatzen"), "115", EntryKind.SERVICE_115, QueueId("hall"), 30_000, 0.75)
    known = replace(arrival("a"), **more)
    memory.put(known)
    memory.close()
    assert CallMemory(tmp_path).calls == [known]
    assert CallMemory(tmp_path).calls[0].counted.kind is EntryKind.SERVICE_115  # type: ignore[union-attr]


def test_when_they_were_last_seen_is_known(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    assert memory.left_at is None
    memory.alive(NINE)  # nobody has called yet
    memory.put(arrival("a"))
    memory.alive(NINE)
    memory.close()
    left = CallMemory(tmp_path).left_at
    assert left is not None
    assert abs(left - NINE) < timedelta(milliseconds=1)


def test_who_forwarded_is_remembered_and_an_older_memory_knows_nobody(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    forwarded = replace(arrival("a"), diversion="+494105550", diversion_reason="no-answer")
    memory.put(forwarded)
    memory.close()
    with (tmp_path / "calls.jsonl").open("a") as file:
        plain = asdict(arrival("b")) | {"at": NINE.isoformat()}
        file.write(json.dumps({k: v for k, v in plain.items() if not k.startswith("diversion")}) + "\n")

    assert CallMemory(tmp_path).calls == [forwarded, arrival("b")]


def test_a_town_that_was_named_and_a_mark_are_remembered_and_an_older_memory_knows_neither(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    said = replace(arrival("a"), named=TenantId("laatzen"), test=True)
    memory.put(said)
    memory.close()
    with (tmp_path / "calls.jsonl").open("a") as file:
        plain = asdict(arrival("b")) | {"at": NINE.isoformat()}
        file.write(json.dumps({k: v for k, v in plain.items() if k not in ("named", "test")}) + "\n")

    assert CallMemory(tmp_path).calls == [said, arrival("b")]


def test_half_a_character_costs_nobody_their_place(tmp_path: Path) -> None:
    """A trunk may send what is no text. The line is written otherwise then, and read like any other."""
    memory = CallMemory(tmp_path)
    half = replace(arrival("a"), caller_name="J\udcfcrgen", callback_at=NINE, due_at=NINE + timedelta(days=1))
    half = replace(half, counted=Counted(TenantId("t"), "115", EntryKind.SERVICE_115, QueueId("q"), 30_000, 0.75))
    memory.put(half)
    memory.put(arrival("b"))
    memory.close()

    assert CallMemory(tmp_path).calls == [half, arrival("b")]


def test_killed_in_the_middle_of_a_line(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    memory.put(arrival("a"))
    memory.close()
    with (tmp_path / "calls.jsonl").open("a") as file:
        file.write('{"call": "b", "dial')

    again = CallMemory(tmp_path)
    again.put(arrival("c"))

    assert [c.call for c in CallMemory(tmp_path).calls] == ["a", "c"]


def test_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_store, "REWRITE_AFTER", 50)
    memory = CallMemory(tmp_path)
    memory.put(arrival("stays"))
    for number in range(500):
        memory.put(arrival(str(number)))
        memory.forget(CallId(str(number)))
    memory.close()

    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) < 60
    assert [c.call for c in CallMemory(tmp_path).calls] == ["stays"]


def test_file_is_for_us_alone(tmp_path: Path) -> None:
    CallMemory(tmp_path / "new").put(arrival("a"))

    assert (tmp_path / "new" / "calls.jsonl").stat().st_mode & 0o077 == 0


def test_disk_that_takes_nothing_costs_no_call(tmp_path: Path) -> None:
    memory = CallMemory(tmp_path)
    (tmp_path / "calls.jsonl").unlink()
    (tmp_path / "calls.jsonl").mkdir()

    memory.put(arrival("a"))

    assert memory.calls == [arrival("a")]
