"""One call's record, to be changed by whoever needs another; and any record there can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from dialog_acd.core.model import UNASSIGNED, AgentId, CallId, EntryKind, QueueId, TenantId
from dialog_acd.core.records import Blame, CallRecord, OfferTried, Outcome, Result

NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


def served(call: str, ended: datetime = NOON, **changes: Any) -> CallRecord:
    """Anna did not answer, Bert did, after twelve seconds of waiting; they talked for a minute."""
    made = CallRecord(
        call=CallId(call),
        tenant=TenantId("langenhagen"),
        queue=QueueId("langenhagen"),
        kind=EntryKind.MAIN_NUMBER,
        dialled="+4951173070",
        ani="+4930230125001",
        trunk="trunk",
        trunk_call_id=f"{call}@192.0.2.7",
        t_in=ended - timedelta(seconds=72.4),
        t_ann_end=None,
        t_q=ended - timedelta(seconds=72),
        t_ans=ended - timedelta(seconds=60),
        t_end=ended,
        t_wrap_end=ended + timedelta(seconds=10),
        t_leave=None,
        t_ovf=None,
        t_ovf_ans=None,
        t_failsafe=None,
        agent=AgentId("bert"),
        partner=None,
        transferred_to=None,
        transfer_blind=None,
        failsafe_answered_by=None,
        hung_up_first="caller",
        cause=16,
        outcome=Outcome(Result.SERVED, "talked", Blame.NOBODY),
        in_time=True,
        offers=(
            OfferTried("1", "anna", ended - timedelta(seconds=70), "no-answer"),
            OfferTried("2", "bert", ended - timedelta(seconds=62), "answered"),
        ),
    )
    return replace(made, **changes)


def call(result: Result = Result.SERVED, wait: float | None = None, *, reason: str = "x", **changes: Any) -> CallRecord:
    """A call that ended so; ``wait`` seconds until one of ours (served) or the partner (overflowed) answered, or until
    the caller left. Moments in ``changes`` are seconds after it came.
    """
    t_in = changes.pop("t_in", NOON)
    id_ = changes.pop("call", "c")
    until = {Result.SERVED: "t_ans", Result.OVERFLOWED: "t_ovf_ans", Result.ABANDONED: "t_leave"}.get(result)
    moments: dict[str, Any] = dict.fromkeys(("t_q", "t_ans", "t_wrap_end"))
    if until is not None and wait is not None:
        moments[until] = wait
    moments["t_end"] = max(wait or 0, changes.get("t_ovf") or 0, 3) + (60 if until in ("t_ans", "t_ovf_ans") else 0)
    moments |= {name: changes.pop(name) for name in list(changes) if name.startswith("t_")}
    if moments["t_ans"] is not None:
        moments["t_wrap_end"] = moments["t_wrap_end"] or moments["t_end"] + 10
    if moments.get("t_ovf_ans") is not None:
        moments["t_ovf"] = moments.get("t_ovf") or 0
    told: dict[str, Any] = {"entry": "+49511168", "target_ms": 30_000, "target_share": 0.75, **changes}
    return served(
        id_,
        t_in=t_in,
        outcome=Outcome(result, reason, Blame.NOBODY),
        **(told | {name: None if s is None else t_in + timedelta(seconds=s) for name, s in moments.items()}),
    )


def promised(call: str, made_at: datetime = NOON, **changes: Any) -> CallRecord:
    """A call whose caller was promised at ``made_at`` to be called back within a day."""
    told = {"t_callback": made_at, "t_due": made_at + timedelta(days=1), "t_ans": None, "agent": None, "in_time": False}
    outcome = Outcome(Result.CALLBACK, "promised", Blame.NOBODY)
    return served(call, made_at, outcome=outcome, **(told | changes))


def maybe(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[float | None]:
    return st.none() | numbers


seconds = st.integers(0, 120_000).map(lambda ms: ms / 1000) | st.sampled_from([0.0, 5.0, 5.001, 30.0, 30.0001])
anything = st.builds(
    call,
    st.sampled_from(Result),
    seconds,
    reason=st.sampled_from(["promised", "closed-by-hours"]),
    t_ann_end=maybe(seconds),
    t_ans=maybe(seconds),
    t_ovf=maybe(seconds),
    t_ovf_ans=maybe(seconds),
    t_end=st.integers(120, 300),
    failsafe_answered_by=st.sampled_from([None, "all"]),
    overflow_trigger=st.sampled_from(["waited", "technical"]),
    talk_ms=st.none() | st.integers(0, 600_000),
    wrap_ms=st.none() | st.integers(0, 60_000),
    test=st.booleans(),
    tenant=st.sampled_from([TenantId("town"), UNASSIGNED]),
    target_ms=st.sampled_from([None, 20_000, 30_000]),
)
"""Also what contradicts itself."""
