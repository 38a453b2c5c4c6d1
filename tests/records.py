"""One call's record, to be changed by whoever needs another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dialog_acd.core.model import AgentId, CallId, EntryKind, QueueId, TenantId
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
