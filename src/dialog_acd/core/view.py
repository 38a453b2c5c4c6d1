"""An immutable picture of the core at one moment, for the API and the gauges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
    from dialog_acd.core.messages import Switch
    from dialog_acd.core.model import AgentId, CallId, EntryKind, PartnerId, Phone, QueueId, Tenant, TenantId
    from dialog_acd.core.records import OfferTried, RungTaken


@dataclass(frozen=True, slots=True)
class CallView:
    id: CallId
    tenant: TenantId
    """``UNASSIGNED`` while it may be any candidate's."""
    queue: QueueId
    """Where it waits or was answered last: after a transfer another one than its record's."""
    kind: EntryKind
    state: CallState
    arrived_at: datetime
    agent: AgentId | None
    candidates: tuple[Tenant, ...] = ()
    """Towns that may be named for it."""
    test: bool = False
    answered: bool = False
    """One of our people talks to the caller, or has: in the centre, or on the failsafe path."""


@dataclass(frozen=True, slots=True)
class CallStory:
    """What has happened to a call so far, by the names its record will have."""

    now: CallView
    dialled: str
    ani: str | None
    trunk: str
    trunk_call_id: str
    t_in: datetime
    t_ann_end: datetime | None
    t_q: datetime | None
    t_ans: datetime | None
    t_wrap_end: datetime | None
    t_ovf: datetime | None
    t_ovf_ans: datetime | None
    t_failsafe: datetime | None
    t_callback: datetime | None
    agent: AgentId | None
    """Who talks to the caller, or last did."""
    partner: PartnerId | None
    """Whom the call is with now, ringing or talking."""
    overflow_partner: PartnerId | None
    transferred_to: str | None
    failsafe_answered_by: str | None
    offers: tuple[OfferTried, ...]
    """The last one's result is ``open`` while it is so."""
    rungs: tuple[RungTaken, ...]
    turned_away: str
    """Why the call is not held: ``emergency``, why it was refused, or why the number is closed; empty: it is, or will
    be."""


@dataclass(frozen=True, slots=True)
class QueueView:
    id: QueueId
    name: str
    waiting: int
    """Callers without a person: waiting, being offered, returning, partner ringing. Here and below no test calls."""
    longest_wait: timedelta
    """Zero when nobody waits."""
    talking: int
    agents_able: int
    """Agents signed in with the skill, whatever they are doing."""
    agents_available: int
    switched_until: datetime | None = None
    """A supervisor has switched the queue over until then."""


@dataclass(frozen=True, slots=True)
class AgentView:
    id: AgentId
    name: str
    phone: Phone
    team: str
    intent: Intent
    reason: str
    """Why not ready; empty otherwise."""
    work: Work
    phone_state: PhoneState
    available: bool
    since: datetime
    """When intent or work last changed."""

    @property
    def state(self) -> str:
        """The one word an operator's board shows: the first of the three axes that keeps calls away."""
        if self.intent.value == "signed-out":
            return "signed-out"
        if self.work.value != "idle":
            return self.work.value
        if self.intent.value == "not-ready":
            return "not-ready"
        if self.phone_state.value != "reachable":
            return "phone-" + self.phone_state.value
        return "available" if self.available else "set-aside"

    @property
    def there(self) -> bool:
        """Signed in, at a phone that is there. Who is in the directory alone hides nobody, nor whose phone is off."""
        return self.state != "signed-out" and (self.work.value != "idle" or self.phone_state.value != "unreachable")


@dataclass(frozen=True, slots=True)
class PartnerView:
    id: PartnerId
    calls: int
    """With it now, ringing or talking. Here test calls count: they need its channels, too."""
    shut: bool
    """It took none of several calls in a row, and none since."""


@dataclass(frozen=True, slots=True)
class AcdView:
    at: datetime
    switch_up: bool
    queues: tuple[QueueView, ...]
    agents: tuple[AgentView, ...]
    calls: tuple[CallView, ...]
    """Calls that have not ended, oldest first."""
    switches: tuple[Switch, ...] = ()
    """What a supervisor has switched and is in force, the latest first. What that means for a caller of an entry says
    ``switches.SwitchBook(view.switches).met(entry)``."""
    partners: tuple[PartnerView, ...] = ()
