"""What people say of a call that nobody could know by itself: for which town it was, and that it was a test.

The number dialled says which town a call is for, except where several towns share one: 115 dialled in an area that
five administrations share is for any of them. Such an entry names *candidates*, and its calls are nobody's
(``UNASSIGNED``) until a person who has spoken with the caller names the town. Nothing else does: neither the caller's
number nor where the call was transferred to, because a guess would stand in somebody's bill.

A town may be named while the call lives and for ``NAMED_WITHIN`` after it, and named otherwise, or taken back, as long:
people dial wrong codes. Those who may name choose among the candidates the call came with; an operator answers for all
towns and may name any. A living call carries its town into its record. One that has ended has its record already,
which is changed (``AmendRecord``): what is still known of the last ones stands in ``Floor.ended``, for older ones
whoever asks brings the record along.

At the phone an agent names the town of the last conversation, by a code of digits. Which one that was is known from
this service's own run alone: after a restart an older conversation would be taken for the last, so there is none.

A **test call** is routed as everybody's, and is in no figure: neither counted, nor learnt from, nor in anybody's debt.
What has been counted before somebody said so is not undone here; records and whatever is reckoned from them leave it
out. So it is said as long as a town may be named: whoever could take one call out of a month that is over,
and put it back, would read from the difference of two reports how long it took.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.live import EndedCall, LiveCall
from dialog_acd.core.model import UNASSIGNED
from dialog_acd.core.records import NAMED_WITHIN, Amendment

if TYPE_CHECKING:
    from dialog_acd.core.floor import Floor
    from dialog_acd.core.model import AgentId, CallId, TenantId
    from dialog_acd.core.records import CallRecord


class Naming:
    """Towns named, tests marked. See the head of this file."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def on_town_named(self, signal: m.TownNamed) -> None:
        refused = self._name(signal.call, signal.tenant, signal.by, anywhere=signal.anywhere, record=signal.record)
        if refused is not None:
            self._floor.ignore(signal, refused, signal.call)

    def on_town_dialled(self, signal: m.TownDialled) -> None:
        agent = self._floor.roster.get(signal.agent)
        call = agent.last_call if agent is not None else None
        tenant = self._floor.directory.tenant_coded.get(signal.code)
        if call is None or (known := self._known(call, None)) is None or not known.candidates:
            self._floor.ignore(signal, m.NamingFault.NO_CALL, signal.agent)
        elif tenant is None:
            self._floor.ignore(signal, m.NamingFault.NO_TOWN, signal.agent)
        elif (refused := self._name(call, tenant.id, signal.agent, agent=signal.agent)) is not None:
            self._floor.ignore(signal, refused, signal.agent)

    def _known(self, call: CallId, record: CallRecord | None) -> LiveCall | EndedCall | None:
        known = self._floor.calls.get(call) or self._floor.ended.get(call)
        if known is None and record is not None and record.call == call:
            return EndedCall(record.tenant, record.candidates, record.t_end, record.test)
        return known

    def _too_late(self, known: LiveCall | EndedCall) -> bool:
        return isinstance(known, EndedCall) and self._floor.now - known.ended_at > NAMED_WITHIN

    def _name(
        self,
        call: CallId,
        tenant: TenantId,
        by: str,
        *,
        anywhere: bool = False,
        agent: AgentId | None = None,
        record: CallRecord | None = None,
    ) -> m.NamingFault | None:
        """Why not; ``None``: the call is this town's now."""
        known = self._known(call, record)
        if known is None:
            return m.NamingFault.NO_CALL
        if tenant != UNASSIGNED and tenant not in self._floor.directory.tenant:
            return m.NamingFault.NO_TOWN
        # Nobody's again only a call can be that once was.
        allowed = bool(known.candidates) if tenant == UNASSIGNED else anywhere or tenant in known.candidates
        if not allowed:
            return m.NamingFault.NOT_A_CANDIDATE
        if self._too_late(known):
            return m.NamingFault.TOO_LATE
        before = known.town
        if before == tenant:
            return None
        if isinstance(known, LiveCall):
            known.named = None if tenant == UNASSIGNED else tenant
            self._floor.remember(known)
        else:
            self._amend(call, replace(known, town=tenant), Amendment(call, self._floor.now, tenant=tenant))
        ended = isinstance(known, EndedCall)
        self._floor.out.append(m.CallAssigned(call, before, tenant, by, agent, known.test, ended))
        return None

    def on_call_marked(self, signal: m.CallMarked) -> None:
        known = self._known(signal.call, signal.record)
        if known is None:
            self._floor.ignore(signal, m.NamingFault.NO_CALL, signal.call)
            return
        if known.test == signal.test:
            return
        if self._too_late(known):
            self._floor.ignore(signal, m.NamingFault.TOO_LATE, signal.call)
            return
        if isinstance(known, LiveCall):
            if known.id in self._floor.roster.matching:
                # The line of which waits are learnt: who is a test from now on has left it, who is none joins it.
                known.test = False
                self._floor.line(known, -1 if signal.test else 1)
            known.test = signal.test
            self._floor.remember(known)
        else:
            amendment = Amendment(signal.call, self._floor.now, test=signal.test)
            self._amend(signal.call, replace(known, test=signal.test), amendment)
        self._floor.out.append(m.TestMarked(signal.call, signal.test, signal.by, isinstance(known, EndedCall)))

    def _amend(self, call: CallId, known: EndedCall, amendment: Amendment) -> None:
        self._floor.note_end(call, known)
        self._floor.out.append(m.AmendRecord(amendment))
