"""A call's record as JSON and back: one line of the journal, one content of a conflict. Amendments are lines, too.

Texts of a record come from the wire, and the wire may say anything. Two things a database refuses are replaced
by U+FFFD before the record is written anywhere: the NUL character (PostgreSQL has no such text) and surrogates
without a partner (no UTF-8). Otherwise one caller's odd name would hold up the records behind it for ever.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from dialog_acd.core.model import AgentId, CallId, EntryKind, PartnerId, QueueId, TeamId, TenantId
from dialog_acd.core.records import Amendment, Blame, CallRecord, OfferTried, Outcome, Result, RungTaken, field_names

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NAMES = frozenset(field_names())
_SINCE_0_2: dict[str, Any] = {
    "overflow_trigger": "",
    "overflow_partner": None,
    "rungs": [],
    "t_callback": None,
    "diversion": None,
    "diversion_reason": "",
    "candidates": [],
    "test": False,
    "t_amended": None,
    "entry": "",
    "target_ms": None,
    "target_share": None,
    "team": None,
    "caller_area": None,
    "talk_ms": None,
    "wrap_ms": None,
    "t_due": None,
    "t_called_back": None,
    "caller_hash": None,
}
"""Not in the journal an older version has left."""
_OF_PERSONS = frozenset(
    {
        "ani",
        "diversion",
        "dialled",
        "transferred_to",
        "trunk_call_id",
        "agent",
        "failsafe_answered_by",
        "offers",
        "caller_hash",
    }
)
"""Where a record names somebody."""
_TEXTS = (
    "call",
    "tenant",
    "queue",
    "dialled",
    "ani",
    "trunk",
    "trunk_call_id",
    "agent",
    "partner",
    "transferred_to",
    "failsafe_answered_by",
    "hung_up_first",
    "overflow_trigger",
    "overflow_partner",
    "diversion",
    "diversion_reason",
    "entry",
    "team",
    "caller_area",
    "caller_hash",
)


class UnreadableRecord(ValueError):  # noqa: N818  nouns, see core/errors.py
    """Not a record, or only a part of one."""


def storable(record: CallRecord) -> CallRecord:
    """The record with every text fit for every database; itself where nothing has to change."""
    changes: dict[str, Any] = {
        name: _UNSTORABLE.sub("\ufffd", value)
        for name in _TEXTS
        if (value := getattr(record, name)) is not None and _UNSTORABLE.search(value)
    }
    offers = tuple(
        OfferTried(
            offer=_UNSTORABLE.sub("\ufffd", offer.offer),
            agent=_UNSTORABLE.sub("\ufffd", offer.agent),
            at=offer.at,
            result=_UNSTORABLE.sub("\ufffd", offer.result),
            why=_UNSTORABLE.sub("\ufffd", offer.why),
        )
        for offer in record.offers
    )
    candidates = tuple(TenantId(_UNSTORABLE.sub("\ufffd", tenant)) for tenant in record.candidates)
    if candidates != record.candidates:
        changes["candidates"] = candidates
    if offers != record.offers:
        changes["offers"] = offers
    rungs = tuple(
        replace(rung, rung=_UNSTORABLE.sub("\ufffd", rung.rung), why=_UNSTORABLE.sub("\ufffd", rung.why))
        for rung in record.rungs
    )
    if rungs != record.rungs:
        changes["rungs"] = rungs
    reason = _UNSTORABLE.sub("\ufffd", record.outcome.reason)
    if reason != record.outcome.reason:
        changes["outcome"] = replace(record.outcome, reason=reason)
    return replace(record, **changes) if changes else record


def storable_amendment(amendment: Amendment) -> Amendment:
    """As its record, which is found by the call: what was replaced there is replaced here."""
    tenant = amendment.tenant
    return replace(
        amendment,
        call=CallId(_UNSTORABLE.sub("\ufffd", amendment.call)),
        tenant=None if tenant is None else TenantId(_UNSTORABLE.sub("\ufffd", tenant)),
    )


def encode(entry: CallRecord | Amendment) -> bytes:
    """One line of UTF-8 without its line end. Raises ``ValueError`` for a naive moment."""
    try:
        return orjson.dumps(to_plain(entry))
    except TypeError as error:
        raise ValueError(str(error)) from None


def decode(line: bytes) -> CallRecord | Amendment:
    """Raises ``UnreadableRecord``."""
    try:
        plain = json.loads(line)
        return _amendment(plain) if "amends" in plain else from_plain(plain)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableRecord(str(error)) from error


def digest(record: CallRecord) -> str:
    """SHA-256 of the content, the same for equal records."""
    return hashlib.sha256(encode(record)).hexdigest()


def salvaged(entry: CallRecord | Amendment) -> bytes:
    """One line of what cannot be written as it is, for people to look at, and without any person. ``decode`` does not
    read it.
    """
    if isinstance(entry, Amendment):
        said = {"amends": entry.call, "at": entry.at, "tenant": entry.tenant, "test": entry.test}
    else:
        said = {name: getattr(entry, name) for name in field_names()}
    return _without_persons(said)


def without_persons(line: bytes) -> bytes | None:
    """What may be kept of a line that ``decode`` does not read; ``None``: it is not ours, and nobody can say what of it
    is a number. Twice is once.
    """
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        return None
    ours = isinstance(plain, dict) and ("amends" in plain or {"call", "t_in"} <= plain.keys())
    return _without_persons(plain) if ours else None


def _without_persons(plain: dict[str, Any]) -> bytes:
    names = _NAMES - _OF_PERSONS | {"amends", "at"}
    return json.dumps({name: value for name, value in plain.items() if name in names}, default=str).encode()


def to_plain(record: CallRecord | Amendment) -> dict[str, Any]:
    if isinstance(record, Amendment):
        return {
            "amends": record.call,
            "at": _written(record.at),
            "tenant": record.tenant,
            "test": record.test,
            "kept": record.kept,
            "kept_at": _written_or_none(record.kept_at),
        }
    return {
        "call": record.call,
        "tenant": record.tenant,
        "queue": record.queue,
        "kind": record.kind.value,
        "dialled": record.dialled,
        "ani": record.ani,
        "trunk": record.trunk,
        "trunk_call_id": record.trunk_call_id,
        "t_in": _written(record.t_in),
        "t_ann_end": _written_or_none(record.t_ann_end),
        "t_q": _written_or_none(record.t_q),
        "t_ans": _written_or_none(record.t_ans),
        "t_end": _written(record.t_end),
        "t_wrap_end": _written_or_none(record.t_wrap_end),
        "t_leave": _written_or_none(record.t_leave),
        "t_ovf": _written_or_none(record.t_ovf),
        "t_ovf_ans": _written_or_none(record.t_ovf_ans),
        "t_failsafe": _written_or_none(record.t_failsafe),
        "agent": record.agent,
        "partner": record.partner,
        "transferred_to": record.transferred_to,
        "transfer_blind": record.transfer_blind,
        "failsafe_answered_by": record.failsafe_answered_by,
        "hung_up_first": record.hung_up_first,
        "cause": record.cause,
        "outcome": {
            "result": record.outcome.result.value,
            "reason": record.outcome.reason,
            "blame": record.outcome.blame.value,
        },
        "in_time": record.in_time,
        "offers": offers_to_plain(record.offers),
        "overflow_trigger": record.overflow_trigger,
        "overflow_partner": record.overflow_partner,
        "rungs": rungs_to_plain(record.rungs),
        "t_callback": _written_or_none(record.t_callback),
        "t_due": _written_or_none(record.t_due),
        "t_called_back": _written_or_none(record.t_called_back),
        "diversion": record.diversion,
        "diversion_reason": record.diversion_reason,
        "candidates": list(record.candidates),
        "test": record.test,
        "t_amended": _written_or_none(record.t_amended),
        "entry": record.entry,
        "target_ms": record.target_ms,
        "target_share": record.target_share,
        "team": record.team,
        "caller_area": record.caller_area,
        "talk_ms": record.talk_ms,
        "wrap_ms": record.wrap_ms,
        "caller_hash": record.caller_hash,
    }


def _amendment(plain: dict[str, Any]) -> Amendment:
    tenant = None if plain["tenant"] is None else TenantId(plain["tenant"])
    return Amendment(
        CallId(plain["amends"]),
        _read(plain["at"]),
        tenant,
        plain["test"],
        plain.get("kept"),  # an older version said nothing of promises
        _read_or_none(plain.get("kept_at")),
    )


def from_plain(plain: dict[str, Any]) -> CallRecord:
    """Raises what a wrong content raises; ``decode`` makes one error of them."""
    plain = _SINCE_0_2 | plain
    if plain.keys() != _NAMES:
        raise KeyError(*sorted(plain.keys() ^ _NAMES))
    outcome = plain["outcome"]
    return CallRecord(
        call=CallId(plain["call"]),
        tenant=TenantId(plain["tenant"]),
        queue=QueueId(plain["queue"]),
        kind=EntryKind(plain["kind"]),
        dialled=plain["dialled"],
        ani=plain["ani"],
        trunk=plain["trunk"],
        trunk_call_id=plain["trunk_call_id"],
        t_in=_read(plain["t_in"]),
        t_ann_end=_read_or_none(plain["t_ann_end"]),
        t_q=_read_or_none(plain["t_q"]),
        t_ans=_read_or_none(plain["t_ans"]),
        t_end=_read(plain["t_end"]),
        t_wrap_end=_read_or_none(plain["t_wrap_end"]),
        t_leave=_read_or_none(plain["t_leave"]),
        t_ovf=_read_or_none(plain["t_ovf"]),
        t_ovf_ans=_read_or_none(plain["t_ovf_ans"]),
        t_failsafe=_read_or_none(plain["t_failsafe"]),
        agent=None if plain["agent"] is None else AgentId(plain["agent"]),
        partner=None if plain["partner"] is None else PartnerId(plain["partner"]),
        transferred_to=plain["transferred_to"],
        transfer_blind=plain["transfer_blind"],
        failsafe_answered_by=plain["failsafe_answered_by"],
        hung_up_first=plain["hung_up_first"],
        cause=plain["cause"],
        outcome=Outcome(Result(outcome["result"]), outcome["reason"], Blame(outcome["blame"])),
        in_time=plain["in_time"],
        offers=offers_from_plain(plain["offers"]),
        overflow_trigger=plain["overflow_trigger"],
        overflow_partner=None if plain["overflow_partner"] is None else PartnerId(plain["overflow_partner"]),
        rungs=rungs_from_plain(plain["rungs"]),
        t_callback=_read_or_none(plain["t_callback"]),
        t_due=_read_or_none(plain["t_due"]),
        t_called_back=_read_or_none(plain["t_called_back"]),
        diversion=plain["diversion"],
        diversion_reason=plain["diversion_reason"],
        candidates=tuple(TenantId(tenant) for tenant in plain["candidates"]),
        test=plain["test"],
        t_amended=_read_or_none(plain["t_amended"]),
        entry=plain["entry"],
        target_ms=plain["target_ms"],
        target_share=plain["target_share"],
        team=None if plain["team"] is None else TeamId(plain["team"]),
        caller_area=plain["caller_area"],
        talk_ms=plain["talk_ms"],
        wrap_ms=plain["wrap_ms"],
        caller_hash=plain["caller_hash"],
    )


def offers_to_plain(offers: Iterable[OfferTried]) -> list[dict[str, str]]:
    return [
        # A StrEnum is a str; its plain value keeps the content equal after a round trip.
        {"offer": o.offer, "agent": o.agent, "at": _written(o.at), "result": str(o.result), "why": o.why}
        for o in offers
    ]


def offers_from_plain(plain: Iterable[dict[str, str]]) -> tuple[OfferTried, ...]:
    return tuple(OfferTried(o["offer"], o["agent"], _read(o["at"]), o["result"], o.get("why", "")) for o in plain)


def rungs_to_plain(rungs: Iterable[RungTaken]) -> list[dict[str, str]]:
    return [{"at": _written(r.at), "rung": r.rung, "why": r.why} for r in rungs]


def rungs_from_plain(plain: Iterable[dict[str, str]]) -> tuple[RungTaken, ...]:
    return tuple(RungTaken(_read(r["at"]), r["rung"], r["why"]) for r in plain)


def _written(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(UTC).isoformat()


def _written_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else _written(moment)


def _read(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def _read_or_none(text: str | None) -> datetime | None:
    return None if text is None else _read(text)
