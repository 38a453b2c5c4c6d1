"""What the log says about a call, and what it never says about a caller."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dialog_acd import log
from dialog_acd.core import messages as m
from dialog_acd.core.messages import CallArrived
from dialog_acd.core.model import (
    UNASSIGNED,
    AgentId,
    CallId,
    EntryKind,
    PartnerId,
    QueueId,
    SwitchKind,
    TeamId,
    TenantId,
)
from dialog_acd.core.retention import dialled_of, parted
from dialog_acd.testing import LANGENHAGEN, Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dialog_acd.core.records import CallRecord

DIGITS = re.compile(r"[0-9]{8,}")

numbers = st.builds(str.__add__, st.sampled_from(["", "+"]), st.text("0123456789", min_size=8, max_size=20))


def written(**words: object) -> dict[str, object]:
    """What of these words would be written."""
    masked = log._mask_numbers(None, "info", dict(words))
    return cast("dict[str, object]", json.loads(json.dumps(dict(cast("Mapping[str, object]", masked)))))


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+49511168230", "+4951***"),
        ("+4951123559876", "+49511***"),
        ("051123559876", "05112***"),
        ("12345678", "1***"),
        ("115", "115"),
        ("7307", "7307"),
        ("", ""),
        ("Anonym", "Anonym"),
    ],
)
def test_a_number_shows_its_form_and_not_its_owner(number: str, shown: str) -> None:
    assert log.mask(number) == shown


@given(numbers)
def test_the_last_seven_digits_of_a_number_are_hidden(number: str) -> None:
    shown = log.mask(number)
    assert not DIGITS.search(shown)
    kept = sum(c.isdigit() for c in shown)
    assert kept <= sum(c.isdigit() for c in number) - 7
    assert shown.endswith("***")


@pytest.mark.parametrize("ani", ["0511-123-59", "0511.123.59", "4711"])
def test_a_callers_number_and_name_are_hidden_however_they_are_written(ani: str) -> None:
    signal = CallArrived(CallId("c1"), LANGENHAGEN, ani, "Frau O'Meier", "trunk", "x@10.0.0.1")
    line = json.dumps(written(event="engine.defect", signal=repr(signal)))
    assert ani not in line
    assert "Meier" not in line


@given(numbers)
def test_no_callers_number_survives_in_a_line(number: str) -> None:
    line = written(
        event="engine.defect",
        ani=number,
        signal=repr(CallArrived(CallId("acd-1700000000.12"), LANGENHAGEN, number, "Frau Meier", "trunk", "x@10.0.0.1")),
        why=f"no such channel: sip:{number}@10.0.0.1, asked by {number}.",
        exception=f"Traceback ...\nKeyError: '{number}'",
        offers=[f"anna:{number}"],
        transferred_to=number,
        record={"ani": number},
    )
    assert not DIGITS.search(json.dumps(line).replace("acd-1700000000.12", "our name of the call"))


def test_what_is_ours_stays_readable() -> None:
    """The number dialled is in every phone book; without calls and offers nobody could follow a story."""
    ours: dict[str, object] = {
        "event": "call.offered",
        "call": "acd-1700000000.12",
        "offer": "1772438400001",
        "dialled": "+4951173070",
        "timestamp": "2026-03-02T08:00:00.123456Z",
        "seed": 4294967295,
        "address": "127.0.0.1:5038",
        "ani": None,
        "agent": "anna",
    }
    assert written(**ours) == ours


# ---------------------------------------------------------------- notices


def finished_call() -> CallRecord:
    sheet = Scenario().waits("c1")
    sheet.after(5).offer_failed("anna").held("c1")
    sheet.after(1).talks("bert").after(60).agent_hangs_up("bert")
    return sheet.record("c1")


def test_a_call_is_one_line_with_its_whole_story() -> None:
    with capture_logs() as lines:
        log.tell(m.CallEnded(finished_call()))
    assert lines == [
        {
            "event": "call.ended",
            "log_level": "info",
            "call": "c1",
            "tenant": "langenhagen",
            "test": False,
            "queue": "langenhagen",
            "kind": "main-number",
            "dialled": LANGENHAGEN,
            "withheld": False,
            "area": "511",
            "result": "served",
            "reason": "talked",
            "blame": "nobody",
            "waited": 6.0,
            "team": None,
            "offers": ["no-answer", "answered"],
            "transferred": False,
            "hung_up_first": "agent",
            "cause": 16,
        }
    ]


@pytest.mark.parametrize(
    ("notice", "event", "level"),
    [
        (m.NumberUnknown(CallId("c1"), "0511 999"), "number.unknown", "warning"),
        (
            m.FailsafeEntered(CallId("c1"), TenantId("t"), QueueId("q"), "heartbeat"),
            "call.failsafe",
            "warning",
        ),
        (
            m.CallDiverted(CallId("c1"), TenantId("t"), QueueId("q"), PartnerId("oldenburg"), "waited 60 s"),
            "call.diverted",
            "info",
        ),
        (m.PictureDiffered(CallId("c1"), "we thought talk"), "picture.differed", "warning"),
        (m.Ignored("CallerHeld", "call already ended", "c1"), "signal.ignored", "info"),
    ],
)
def test_a_notice_is_one_line(notice: m.Notice, event: str, level: str) -> None:
    with capture_logs() as lines:
        log.tell(notice)
    assert [(line["event"], line["log_level"]) for line in lines] == [(event, level)]
    assert "c1" in lines[0].values()


def test_no_agent_is_named_above_debug() -> None:
    """Whoever has the log would have a diary of each."""
    outputs = [output for sheet in scenes() for _, _, found in sheet.story for output in found]
    told: list[m.Notice] = [output for output in outputs if isinstance(output, m.Notice)]
    anna, town = AgentId("anna"), TenantId("langenhagen")
    told += [
        m.CallAssigned(CallId("c1"), UNASSIGNED, town, anna, anna),
        m.Ignored("AgentReady", "agent is signed out", anna),
        m.Ignored("TownDialled", "no-such-town", anna),
        m.CallEnded(replace(finished_call(), transferred_to="phone-anna", team=TeamId("hall"))),
    ]
    with capture_logs() as lines:
        for notice in told:
            log.tell(notice)
    loud = [line for line in lines if line["log_level"] != "debug"]
    assert {"call.ended", "offer.missed", "call.assigned"} <= {line["event"] for line in loud}
    assert not any(name in json.dumps(line) for line in loud for name in ("anna", "bert"))
    assert loud[-1]["team"] == "hall"
    quiet = {line["event"] for line in lines if "anna" in json.dumps(line)}
    assert quiet == {"agent.changed", "call.offered", "signal.ignored"}, "who looks for a fault sees them"


def test_what_is_switched_is_told_with_who_and_until_when_and_its_number_can_be_read() -> None:
    until = datetime(2026, 3, 2, 16, tzinfo=UTC)
    with capture_logs() as lines:
        log.tell(m.SwitchTurned(SwitchKind.CLOSURE, "+495117307", until, "leitstelle", "power-cut"))
        log.tell(m.SwitchTurned(SwitchKind.OVERFLOW, "hall", None, "leitstelle", why="its time is over"))
    closed, over = (log._mask_numbers(None, "", line) for line in lines)
    assert (closed["entry"], closed["until"]) == ("+495117307", "2026-03-02T16:00:00+00:00")
    assert (closed["by"], closed["prompt"]) == ("leitstelle", "power-cut")
    assert (over["queue"], over["until"], over["why"]) == ("hall", None, "its time is over")


def test_no_kind_of_notice_makes_the_log_stumble() -> None:
    """Scenes that bring every kind of notice there is; none may raise, and each is at most one line."""
    told: dict[str, m.Notice] = {}
    for sheet in scenes():
        for _, _, outputs in sheet.story:
            told |= {type(o).__name__: o for o in outputs if isinstance(o, get_args(m.Notice))}
    for notice in told.values():
        with capture_logs() as lines:
            log.tell(notice)
        assert len(lines) <= 1, notice
    assert {"CallEnded", "OfferMade", "OfferMissed", "AgentChanged", "NumberUnknown", "Ignored"} <= set(told)


def test_nobody_is_left_unheard_for_being_asked_less_often() -> None:
    """Only notices of which there is something to say are told at all: a kind added there must be added here."""
    said = re.split(r"\n        case ", inspect.getsource(log.tell))[1:]
    loud = {kind.removeprefix("m.").partition("(")[0] for kind in said if "log.debug(" not in kind}
    told = log.tells("INFO")
    assert told is not None
    assert {kind.__name__ for kind in told} == loud
    assert log.tells("WARNING") == log.tells("error") == told
    assert log.tells("DEBUG") is log.tells("debug") is None


def test_what_is_told_of_less_is_nothing_but_details() -> None:
    told = log.tells("INFO")
    assert told is not None
    for sheet in scenes():
        for _, _, outputs in sheet.story:
            for output in outputs:
                if isinstance(output, get_args(m.Notice)) and type(output) not in told:
                    with capture_logs() as lines:
                        log.tell(output)
                    assert {line["log_level"] for line in lines} <= {"debug"}, output


@given(dialled=st.text(max_size=20) | numbers, kind=st.sampled_from(EntryKind))
def test_what_was_dialled_is_told_as_the_records_tell_it(dialled: str, kind: EntryKind) -> None:
    record = replace(finished_call(), dialled=dialled, kind=kind)
    assert dialled_of(record) == parted(record)[0].dialled


def scenes() -> list[Scenario]:
    served, unknown, failsafe = Scenario(), Scenario(), Scenario()
    served.waits("c1").after(5).offer_failed("anna").held("c1").after(1)
    served.talks("bert").after(60).agent_hangs_up("bert").caller_hangs_up("c1")
    unknown.waits("c1", "0999 1").caller_hangs_up("c1")
    failsafe.waits("c1").tell(m.CallTakenByFailsafe(CallId("c1"), "heartbeat")).switch_lost()
    return [served, unknown, failsafe]


# ---------------------------------------------------------------- the set-up

PROGRAM = """
import structlog
from dialog_acd import log
log.set_up(level="{level}")
told = structlog.get_logger()
told.debug("too.quiet")
told.info("call.ended", call="c1", ani="+4951123559876")
try:
    {{}}["+4951123559876"]
except KeyError:
    told.exception("engine.defect")
print("the answer")
"""


def run(level: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(level=level)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_it_writes_one_json_object_a_line_to_standard_error() -> None:
    done = run("INFO")
    assert done.stdout == "the answer\n"
    ended, defect = map(json.loads, done.stderr.splitlines())
    assert (ended["event"], ended["level"], ended["ani"]) == ("call.ended", "info", "+49511***")
    assert ended["timestamp"].endswith("Z")
    assert "KeyError" in defect["exception"]
    assert not DIGITS.search(done.stderr)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"who": "Müller \u2028 \x00"}, {"who": "Müller \u2028 \x00"}),
        ({"name": "J\udcfcrgen"}, {"name": "J\udcfcrgen"}),
        ({"large": 2**70}, {"large": 2**70}),
        ({"at": datetime(2026, 3, 2, tzinfo=UTC)}, {"at": "2026-03-02T00:00:00+00:00"}),
        ({"odd": {1: {2}}}, {"odd": {"1": "{2}"}}),
        ({"kind": EntryKind.MAIN_NUMBER}, {"kind": "main-number"}),
    ],
    ids=["text", "half a character", "a large number", "a moment", "no text", "a word"],
)
def test_whatever_is_said_is_one_line_of_json(words: dict[str, object], line: dict[str, object]) -> None:
    text = log._json(words)
    assert "\n" not in text
    assert json.loads(text) == line


def test_the_level_is_obeyed() -> None:
    assert [json.loads(line)["event"] for line in run("ERROR").stderr.splitlines()] == ["engine.defect"]
