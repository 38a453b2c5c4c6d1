"""What goes over the wire, in words. Durations are seconds, times are ISO 8601 in UTC.

Input refuses fields it does not know, so that a misspelt one is an error and not a silent nothing.
Caller numbers are complete: who holds the token may see them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from dialog_acd.api.asking import SOMETHING, Day, written
from dialog_acd.api.tokens import Role
from dialog_acd.core.disclosure import PERSONS, states_told
from dialog_acd.core.releases import MOST_AGENTS
from dialog_acd.core.shares import difference
from dialog_acd.core.switches import PROMPT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dialog_acd.api.ports import AuditLine, Issue, Recording, Settled
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.gate import Verdict
    from dialog_acd.core.messages import Switch
    from dialog_acd.core.records import CallRecord
    from dialog_acd.core.releases import OfOne, Release, Signature
    from dialog_acd.core.shares import Beside, Position, Share, Total, Volume
    from dialog_acd.core.view import AcdView, AgentView, CallStory, CallView, QueueView

_NOON = "2026-03-02T11:00:00Z"
_Time = Annotated[datetime, Field(examples=[_NOON])]
_Moment = Annotated[datetime | None, Field(examples=[_NOON])]
"""A time, or null where it did not happen."""


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


# ---------------------------------------------------------------- errors


class ProblemOut(_Out):
    """Every answer that is not a success."""

    error_id: str = Field(description="Stable word for programs.", examples=["no-such-agent"])
    message: str = Field(description="A sentence for people.", examples=["There is no agent with this id."])
    details: dict[str, Any] = Field(description="More, by error.", examples=[{"agent": "ana"}])


# ---------------------------------------------------------------- live


_BY_STATE = (
    "How many of all agents are in each state that occurs. To who does not lead them: nothing of fewer than five, and "
    "of fewer than five who are there only that they are `signed-in`."
)


@dataclass(frozen=True, slots=True)
class Names:
    """Whom the live state names to somebody; why, says ``sight.py``."""

    agents: bool
    """All agents, with what they do; else none of them."""
    calls: bool
    """Who has which call, and for how long; else a call is seen until somebody answers it."""
    counts: bool
    """How many agents are in which state, where they are enough: those of all that somebody sees."""

    def by_state(self, seen: Collection[AgentView], asked: Collection[str] | None = None) -> dict[str, int]:
        """``asked``: only these states."""
        if self.agents:
            states = Counter(agent.state for agent in seen)
        elif self.counts and len(seen) >= PERSONS:
            states = states_told(seen)
        else:
            return {}
        return {word: count for word, count in sorted(states.items()) if asked is None or word in asked}

    def of_calls(self, seen: Iterable[CallView]) -> list[CallView]:
        """Without the names, the calls that nobody has answered: where one agent is there, a call that goes on for 67
        seconds says how long they talk.
        """
        return [*seen] if self.calls else [replace(call, agent=None) for call in seen if not call.answered]


class QueueOut(_Out):
    """A queue at this moment."""

    id: str = Field(description="Id of the queue.", examples=["langenhagen"])
    name: str = Field(description="Its name, for people.", examples=["Stadt Langenhagen"])
    waiting: int = Field(
        description="Callers without a person: waiting, being offered, returning, partner ringing; here and below "
        "without test calls.",
        examples=[3],
    )
    longest_wait_seconds: float = Field(
        description="Wait so far of the longest-waiting caller, in seconds; 0 when nobody waits.", examples=[41.2]
    )
    talking: int | None = Field(
        description="Callers in conversation with an agent. Here and below null for who does not lead the agents: they "
        "may be one.",
        examples=[5],
    )
    agents_able: int | None = Field(
        description="Agents signed in with the skill, whatever they are doing.", examples=[8]
    )
    agents_available: int | None = Field(description="Agents who could take a call this second.", examples=[0])
    switched_until: _Moment = Field(description="A supervisor has switched the queue over until then.")

    @classmethod
    def of(cls, queue: QueueView, names: Names) -> QueueOut:
        return cls(
            id=queue.id,
            name=queue.name,
            waiting=queue.waiting,
            longest_wait_seconds=queue.longest_wait.total_seconds(),
            talking=queue.talking if names.agents else None,
            agents_able=queue.agents_able if names.agents else None,
            agents_available=queue.agents_available if names.agents else None,
            switched_until=queue.switched_until,
        )


def _in_utc(moment: datetime) -> datetime:
    """Raises ``ValueError`` where the calendar ends."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no moment of this calendar") from None


class SwitchIn(BaseModel):
    """What is switched ends by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    until: Annotated[AwareDatetime, BeforeValidator(written), AfterValidator(_in_utc)] = Field(
        description="Until when; with a time zone, and at most a week ahead.", examples=["2026-11-23T16:00:00+01:00"]
    )

    @property
    def named(self) -> str | None:
        """The prompt that is to be played, if there is one."""
        return None


_Prompt = Annotated[str, StringConstraints(pattern=f"^{PROMPT}$")]


class MessageIn(SwitchIn):
    """Each new caller hears the prompt once, after the greeting and before waiting."""

    prompt: _Prompt = Field(
        description="Name of the prompt, in Asterisk's folder `acd`: lower case letters, digits and hyphens.",
        examples=["storm-warning"],
    )

    @property
    def named(self) -> str | None:
        return self.prompt


class ClosureIn(SwitchIn):
    """New callers hear that it is closed, and the next opening from the end of the closure on."""

    prompt: _Prompt | None = Field(
        default=None,
        description="Name of a prompt, in Asterisk's folder `acd`, in place of the number's `closed`.",
        examples=["power-cut"],
    )

    @property
    def named(self) -> str | None:
        return self.prompt


class SwitchOut(_Out):
    """Something a supervisor has switched."""

    kind: str = Field(
        description="overflow: the queue's calls are sent over; closure: the number is closed; entry-message, "
        "queue-message, centre-message: new callers hear the prompt.",
        examples=["closure"],
    )
    about: str = Field(
        description="The queue, or the number as the directory has it; empty: the whole centre.",
        examples=["+495117307"],
    )
    prompt: str | None = Field(
        description="Name of the prompt; null: none, or the number's own.", examples=["storm-warning"]
    )
    until: _Time = Field(description="When it ends by itself.")
    by: str = Field(description="Name of the token by which it was switched.", examples=["leitstelle"])
    since: _Time = Field(description="When it was switched.")
    tenant: str | None = Field(
        description="The town whose number it is; null for a queue and for the whole centre.", examples=["langenhagen"]
    )

    @classmethod
    def of(cls, switch: Switch) -> SwitchOut:
        return cls(
            kind=switch.kind.value,
            about=switch.about,
            prompt=switch.prompt,
            until=switch.until,
            by=switch.by,
            since=switch.at,
            tenant=switch.tenant,
        )


class SwitchedOut(_Out):
    """How it is now."""

    switch: SwitchOut | None = Field(description="What is in force; null: nothing of the kind.")

    @classmethod
    def of(cls, view: AcdView, kind: str, about: str) -> SwitchedOut:
        found = (SwitchOut.of(s) for s in view.switches if (s.kind, s.about) == (kind, about))
        return cls(switch=next(found, None))


class SwitchesOut(_Out):
    """All that is switched; for a token of one town what concerns its numbers and their queues, or the whole centre."""

    at: _Time = Field(description="The moment of the picture.")
    switches: list[SwitchOut] = Field(description="The latest first.")

    @classmethod
    def of(cls, view: AcdView) -> SwitchesOut:
        return cls(at=view.at, switches=[SwitchOut.of(switch) for switch in view.switches])


class AgentOut(_Out):
    """An agent at this moment. ``state`` is the one word for a board; the three axes behind it follow."""

    id: str = Field(description="Id of the agent.", examples=["anna"])
    name: str = Field(description="Their name.", examples=["Anna Ahrens"])
    phone: str = Field(description="Name of the phone at the agent's place.", examples=["agent-1"])
    team: str = Field(description="Id of their team; empty: none.", examples=["region"])
    state: str = Field(
        description="signed-out, not-ready, available, offered, talking, wrap-up, phone-in-use, "
        "phone-unreachable, set-aside (for seconds, the phone would not ring): the first thing that keeps calls away.",
        examples=["not-ready"],
    )
    intent: str = Field(description="What the agent wants: signed-out, ready, not-ready.", examples=["not-ready"])
    reason: str = Field(description="Why not ready; empty otherwise.", examples=["pause"])
    work: str = Field(description="idle, offered, talking, wrap-up.", examples=["idle"])
    phone_state: str = Field(description="reachable, in-use, unreachable.", examples=["reachable"])
    available: bool = Field(description="Ready, idle and reachable.", examples=[False])
    since: _Time = Field(description="When intent or work last changed.")

    @classmethod
    def of(cls, agent: AgentView) -> AgentOut:
        return cls(
            id=agent.id,
            name=agent.name,
            phone=agent.phone,
            team=agent.team,
            state=agent.state,
            intent=agent.intent.value,
            reason=agent.reason,
            work=agent.work.value,
            phone_state=agent.phone_state.value,
            available=agent.available,
            since=agent.since,
        )


_Tenant = Annotated[
    str,
    Field(
        description="The town it is for; `unassigned` while nobody has said for which of its `candidates`.",
        examples=["langenhagen"],
    ),
]


class CandidateOut(_Out):
    """A town that may be named for a call."""

    tenant: str = Field(description="Id of the town.", examples=["laatzen"])
    name: str = Field(description="As people call it.", examples=["Stadt Laatzen"])
    code: str | None = Field(description="The digits an agent dials behind *75 to name it; null: none.", examples=["5"])


class LiveCallOut(_Out):
    """A call that has not ended."""

    call: str = Field(description="Id of the call, Asterisk's Uniqueid.", examples=["acd1-1767225600.17"])
    tenant: _Tenant
    candidates: list[CandidateOut] = Field(
        description="Towns that share the number it came by, of which one has to be named; empty: it is one town's."
    )
    test: bool = Field(description="A test call: handled as all others, and in no figure.", examples=[False])
    queue: str = Field(
        description="Id of the queue it is in, or was answered in last: after a transfer another than its record's.",
        examples=["langenhagen"],
    )
    kind: str = Field(
        description="Why the number exists: main-number, 115, forwarded, partner-inbound, internal, catch-all.",
        examples=["main-number"],
    )
    state: str = Field(
        description="arrived, waiting, offered, returning, connected, diverting, diverted, failsafe, released. For "
        "auditors and town-admins a call that was answered is in no list until it is over, and its story stays "
        "connected.",
        examples=["waiting"],
    )
    arrived_at: _Time = Field(description="First signalling at our door.")
    age_seconds: float = Field(description="Since its arrival, in seconds.", examples=[41.2])
    agent: str | None = Field(description="Who is rung or talks; null when nobody.", examples=["anna"])

    @classmethod
    def of(cls, call: CallView, at: datetime) -> LiveCallOut:
        return cls(
            call=call.id,
            tenant=call.tenant,
            candidates=[CandidateOut(tenant=t.id, name=t.name, code=t.code) for t in call.candidates],
            test=call.test,
            queue=call.queue,
            kind=call.kind.value,
            state=call.state.value,
            arrived_at=call.arrived_at,
            age_seconds=(at - call.arrived_at).total_seconds(),
            agent=call.agent,
        )


class QueuesOut(_Out):
    """All queues; for a token of one town those its numbers lead to.

    The figures of a queue that several towns share count all of them.
    """

    at: _Time = Field(description="The moment of the picture.")
    queues: list[QueueOut] = Field(description="In the directory's order.")

    @classmethod
    def of(cls, view: AcdView, names: Names) -> QueuesOut:
        return cls(at=view.at, queues=[QueueOut.of(queue, names) for queue in view.queues])


class AgentsOut(_Out):
    """All agents; for a token of one town those who sit in its town hall."""

    at: _Time = Field(description="The moment of the picture.")
    by_state: dict[str, int] = Field(description=_BY_STATE, examples=[{"available": 3, "talking": 5}])
    agents: list[AgentOut] = Field(description="In the directory's order.")

    @classmethod
    def of(cls, view: AcdView, names: Names, states: Collection[str] | None = None) -> AgentsOut:
        """``states``: only agents in one of these."""
        among = [agent for agent in view.agents if states is None or agent.state in states]
        return cls(
            at=view.at,
            by_state=names.by_state(view.agents, states),
            agents=[AgentOut.of(agent) for agent in among] if names.agents else [],
        )


class LiveOut(_Out):
    """The whole picture at one moment; for a token of one town that town's part of it.

    These are the calls to the town's numbers, the queues its numbers lead to (the figures of a queue that several
    towns share count all of them), and the agents in its town hall.
    """

    at: _Time = Field(description="The moment of the picture.")
    switch_up: bool = Field(description="Whether Asterisk is connected; no new offers while not.", examples=[True])
    queues: list[QueueOut] = Field(description="In the directory's order.")
    agents_by_state: dict[str, int] = Field(description=_BY_STATE, examples=[{"available": 3, "talking": 5}])
    agents: list[AgentOut] = Field(description="In the directory's order.")
    calls: list[LiveCallOut] = Field(description="Calls that have not ended, oldest first.")
    switches: list[SwitchOut] = Field(description="What a supervisor has switched, the latest first.")

    @classmethod
    def of(cls, view: AcdView, names: Names) -> LiveOut:
        return cls(
            at=view.at,
            switch_up=view.switch_up,
            queues=[QueueOut.of(queue, names) for queue in view.queues],
            agents_by_state=names.by_state(view.agents),
            agents=[AgentOut.of(agent) for agent in view.agents] if names.agents else [],
            calls=[LiveCallOut.of(call, view.at) for call in names.of_calls(view.calls)],
            switches=[SwitchOut.of(switch) for switch in view.switches],
        )


class LiveCallsOut(_Out):
    """Calls that have not ended; for a token of one town those to its numbers."""

    at: _Time = Field(description="The moment of the picture.")
    calls: list[LiveCallOut] = Field(description="Oldest first.")

    @classmethod
    def of(cls, view: AcdView, names: Names) -> LiveCallsOut:
        return cls(at=view.at, calls=[LiveCallOut.of(call, view.at) for call in names.of_calls(view.calls)])


class GoneOut(_Out):
    """Ids of what was in the picture and is not any more."""

    queues: list[str] = Field(description="Queues that the directory has no longer.", examples=[[]])
    agents: list[str] = Field(description="Agents that the directory has no longer.", examples=[[]])
    calls: list[str] = Field(
        description="Calls that have ended; for auditors and town-admins those that were answered, as well.",
        examples=[["acd1-1767225600.17"]],
    )


class LiveChangeOut(_Out):
    """What has changed in the picture since the event before.

    Queues, agents and calls take the place of those with the same id. That a wait grows is no change.
    """

    at: _Time = Field(description="The moment of the picture.")
    switch_up: bool = Field(description="Whether Asterisk is connected; no new offers while not.", examples=[True])
    queues: list[QueueOut] = Field(description="Those that have changed, and new ones.")
    agents_by_state: dict[str, int] = Field(description=_BY_STATE, examples=[{"available": 3, "talking": 5}])
    agents: list[AgentOut] = Field(description="Those that have changed, and new ones.")
    calls: list[LiveCallOut] = Field(description="Those that have changed, and new ones.")
    switches: list[SwitchOut] = Field(description="All that a supervisor has switched, the latest first.")
    gone: GoneOut = Field(description="What is not there any more.")


class NotReadyIn(BaseModel):
    """Why an agent takes no calls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: Annotated[
        str,
        # No control characters: the word goes to logs and boards.
        StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=SOMETHING),
    ] = Field(
        default="pause", description="Why the agent takes no calls, as the board shall show it.", examples=["lunch"]
    )


# ---------------------------------------------------------------- records


class OutcomeOut(_Out):
    """How a call ended for the business."""

    result: str = Field(
        description="served, abandoned, overflowed, failsafe, closed, released, refused, failed.", examples=["served"]
    )
    reason: str = Field(description="A short stable word.", examples=["answered"])
    blame: str = Field(
        description="caller, agent, us, switch, partner, nobody, unknown: whose doing it was.", examples=["nobody"]
    )


class OfferOut(_Out):
    """One attempt to have one agent take the call."""

    offer: str = Field(description="Number of the offer; they rise.", examples=["31"])
    agent: str = Field(description="Id of the agent; empty: not told, or not known any more.", examples=["anna"])
    at: _Time = Field(description="When the phone was to ring.")
    result: str = Field(
        description="answered, no-answer, declined, phone-busy, phone-gone, caller-gone, not-talked.",
        examples=["no-answer"],
    )
    why: str = Field(
        description="How this pair was chosen, in words.", examples=["waited 12 s; idle for 95 s (then bert 40 s)"]
    )


class RungOut(_Out):
    """One rung of the overflow ladder that was taken."""

    at: _Time = Field(description="When it was taken.")
    rung: str = Field(description="As the directory has it.", examples=["waited 60 s: partner oldenburg"])
    why: str = Field(description="What made it fire.", examples=["waited 60 s"])


class TownIn(BaseModel):
    """For which town a call was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = (
        Field(
            description="Id of the town the call is, or was, for: one of its `candidates`, for an operator any. "
            "null: nobody knows after all, so that it is unassigned again.",
            examples=["laatzen"],
        )
    )


class TownOut(_Out):
    """Whose a call is now."""

    call: str = Field(description="Id of the call.", examples=["acd1-1767225600.17"])
    tenant: str = Field(description="Id of the town, or `unassigned`.", examples=["laatzen"])


class TestOut(_Out):
    """Whether a call is a test call now."""

    call: str = Field(description="Id of the call.", examples=["acd1-1767225600.17"])
    test: bool = Field(description="Whether it stays out of every figure.", examples=[True])


class CallOut(_Out):
    """The record of a finished call."""

    call: str = Field(description="Id of the call, Asterisk's Uniqueid.", examples=["acd1-1767225600.17"])
    tenant: _Tenant
    candidates: list[str] = Field(
        description="Towns that shared the number when it came; empty: it was one town's.",
        examples=[["hannover", "laatzen"]],
    )
    test: bool = Field(description="A test call: in no figure.", examples=[False])
    t_amended: _Moment = Field(
        description="When `tenant` or `test` was last changed after the record had been written."
    )
    queue: str = Field(
        description="Id of the queue in which it was answered first, or waited: no transfer changes it, nor `tenant`, "
        "`kind` and what was promised.",
        examples=["langenhagen"],
    )
    kind: str = Field(
        description="Why the number exists: main-number, 115, forwarded, partner-inbound, internal, catch-all.",
        examples=["main-number"],
    )
    dialled: str = Field(
        description="The number dialled, as the record keeps it. What led to the catch-all loses its last three digits "
        "after the days for which numbers are kept.",
        examples=["+4951173070"],
    )
    ani: str | None = Field(
        description="The caller's number; null when withheld, and after the days for which numbers are kept.",
        examples=["+4930230125001"],
    )
    caller_area: str | None = Field(
        description="Area code of the caller's line without its 0; null: a mobile, abroad, withheld, or an old record.",
        examples=["511"],
    )
    trunk: str = Field(description="Name of the trunk it came in on.", examples=["trunk"])
    trunk_call_id: str = Field(
        description="SIP Call-ID on the trunk: what a carrier asks for. Empty: none was said, or an old record.",
        examples=["1-4711@192.0.2.7"],
    )
    t_in: _Time = Field(description="First signalling at our door; the wait counts from here.")
    t_ann_end: _Moment = Field(description="End of the mandatory greeting.")
    t_q: _Moment = Field(description="Held in the queue.")
    t_ans: _Moment = Field(description="An agent answered; the wait ends here.")
    t_end: _Moment = Field(
        description="The caller's channel was gone; null where the agent who answered is not named: how long a call "
        "took is a figure about who took it."
    )
    t_wrap_end: _Moment = Field(description="End of the agent's wrap-up; may lie ahead; null likewise.")
    t_leave: _Moment = Field(description="The caller hung up while waiting.")
    t_ovf: _Moment = Field(description="Overflow to a partner began.")
    t_ovf_ans: _Moment = Field(description="The partner answered.")
    t_failsafe: _Moment = Field(description="Asterisk went on without us.")
    waited_seconds: float = Field(
        description="From the door to a person, or to the end where none came, in seconds.", examples=[12.4]
    )
    in_time: bool = Field(description="Answered within the queue's target, boundary included.", examples=[True])
    agent: str | None = Field(
        description="Who answered; null also where that is not told: it is to an operator who looks at a single call "
        "of the last days, and where a release names the agent.",
        examples=["anna"],
    )
    partner: str | None = Field(description="Partner centre that answered.", examples=["oldenburg"])
    transferred_to: str | None = Field(
        description="Extension, phone or number the agent sent the caller to; null: nobody did, or (`transfer_blind`) "
        "it is not known any more, or not told: where agents are not named, outside numbers and partners are.",
        examples=["4711"],
    )
    transfer_blind: bool | None = Field(
        description="Blind (true) or attended (false); null without transfer.", examples=[True]
    )
    failsafe_answered_by: str | None = Field(
        description="Phone or partner that answered in failsafe; null: none, or, where agents are not named, a phone; "
        "empty: it is not known any more.",
        examples=["phone-12"],
    )
    hung_up_first: str = Field(
        description="caller, agent or unknown, as it is where the agent is not told.", examples=["caller"]
    )
    cause: int = Field(description="Q.850 cause of the caller's channel, 0 when unknown.", examples=[16])
    outcome: OutcomeOut = Field(description="How the call ended.")
    offers: list[OfferOut] = Field(description="Attempts to find an agent, in order; at most the last fifty.")
    overflow_trigger: str = Field(
        description="What last sent the call to a partner, whether it answered or not: all-busy, waited, "
        "closed-by-hours, ...; empty: nothing did.",
        examples=["waited"],
    )
    overflow_partner: str | None = Field(description="Which partner was last asked.", examples=["oldenburg"])
    rungs: list[RungOut] = Field(description="What the overflow ladder did, in order; at most the last twelve.")
    t_callback: _Moment = Field(
        description="The caller was promised to be called back, at `ani`. Also where they were answered after all."
    )
    diversion: str | None = Field(
        description="Who forwarded the call to this centre (E.164), where the networks tell; decides nothing.",
        examples=["+494105550"],
    )
    diversion_reason: str = Field(
        description="Why it was forwarded, a word of RFC 5806; empty where nobody said.", examples=["no-answer"]
    )
    entry: str = Field(
        description="Number of the entry it came by, as the directory has it; empty: the catch-all, or an old record.",
        examples=["+4951173070"],
    )
    target_seconds: float | None = Field(
        description="How long the caller might wait by what was promised on that day, in seconds; null: an old record.",
        examples=[30.0],
    )
    target_share: float | None = Field(
        description="To how many callers it was promised, 0 to 1; null: an old record.", examples=[0.75]
    )
    talk_seconds: float | None = Field(
        description="How long our own people talked with the caller, in seconds, all conversations together and "
        "without the wait between two; null: nobody of ours did, an old record, or the agent is not told.",
        examples=[81.4],
    )
    wrap_up_seconds: float | None = Field(
        description="Wrap-up after these conversations, in seconds; null likewise.", examples=[10.0]
    )
    team: str | None = Field(
        description="Team of the agent who answered, as it was then; null also where it is fewer than five and the "
        "agent is not told.",
        examples=["zentrale"],
    )

    @classmethod
    def of(cls, record: CallRecord) -> CallOut:
        return cls(
            call=record.call,
            tenant=record.tenant,
            candidates=list(record.candidates),
            test=record.test,
            t_amended=record.t_amended,
            queue=record.queue,
            kind=record.kind.value,
            dialled=record.dialled,
            ani=record.ani,
            caller_area=record.caller_area,
            trunk=record.trunk,
            trunk_call_id=record.trunk_call_id,
            t_in=record.t_in,
            t_ann_end=record.t_ann_end,
            t_q=record.t_q,
            t_ans=record.t_ans,
            t_end=record.t_end if record.t_ans is None or record.agent is not None else None,
            t_wrap_end=record.t_wrap_end,
            t_leave=record.t_leave,
            t_ovf=record.t_ovf,
            t_ovf_ans=record.t_ovf_ans,
            t_failsafe=record.t_failsafe,
            waited_seconds=record.waited.total_seconds(),
            in_time=record.in_time,
            agent=record.agent,
            partner=record.partner,
            transferred_to=record.transferred_to,
            transfer_blind=record.transfer_blind,
            failsafe_answered_by=record.failsafe_answered_by,
            hung_up_first=record.hung_up_first,
            cause=record.cause,
            outcome=OutcomeOut(
                result=record.outcome.result.value, reason=record.outcome.reason, blame=record.outcome.blame.value
            ),
            offers=[
                OfferOut(offer=offer.offer, agent=offer.agent, at=offer.at, result=offer.result, why=offer.why)
                for offer in record.offers
            ],
            overflow_trigger=record.overflow_trigger,
            overflow_partner=record.overflow_partner,
            rungs=[RungOut(at=rung.at, rung=rung.rung, why=rung.why) for rung in record.rungs],
            t_callback=record.t_callback,
            diversion=record.diversion,
            diversion_reason=record.diversion_reason,
            entry=record.entry,
            target_seconds=None if record.target_ms is None else record.target_ms / 1000,
            target_share=record.target_share,
            talk_seconds=None if record.talk_ms is None else record.talk_ms / 1000,
            wrap_up_seconds=None if record.wrap_ms is None else record.wrap_ms / 1000,
            team=record.team,
        )


class CallsOut(_Out):
    """A page of records, the latest to come in first; for a token of one town that town's alone."""

    calls: list[CallOut] = Field(description="The latest to come in first.")
    next: str | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.",
        examples=["acd1-1767225600.17"],
    )


class MomentOut(_Out):
    """Something that happened to a call."""

    at: _Time = Field(description="When.")
    after_seconds: float = Field(description="Since the call's arrival, in seconds.", examples=[12.4])
    what: str = Field(
        description="arrived, greeting-ended, queued, rung-taken, overflow-began, offered, answered, partner-answered, "
        "failsafe-entered, callback-promised, left, ended, wrap-up-ended (may lie ahead).",
        examples=["offered"],
    )
    about: str | None = Field(
        description="The queue, rung, agent or partner; in failsafe who answered; null where it is about nobody else.",
        examples=["anna"],
    )
    why: str = Field(
        description="How it came to that, or how it went, in words; may be empty.",
        examples=["no-answer: waited 12 s; idle for 95 s (then bert 40 s)"],
    )


class EndedCallOut(CallOut):
    """The record of a finished call, and its story."""

    state: Literal["ended"] = Field(description="It is over.", examples=["ended"])
    timeline: list[MomentOut] = Field(description="What happened, in order.")

    @classmethod
    def told(cls, record: CallRecord, moments: list[MomentOut]) -> EndedCallOut:
        return cls(**dict(CallOut.of(record)), state="ended", timeline=moments)


class CallSoFarOut(LiveCallOut):
    """A call that has not ended, and its story so far."""

    dialled: str = Field(description="The number dialled.", examples=["+4951173070"])
    ani: str | None = Field(description="The caller's number; null when withheld.", examples=["+4930230125001"])
    trunk: str = Field(description="Name of the trunk it came in on.", examples=["trunk"])
    trunk_call_id: str = Field(
        description="SIP Call-ID on the trunk: what a carrier asks for.", examples=["1-4711@192.0.2.7"]
    )
    partner: str | None = Field(description="Partner centre that rings or talks; null: none.", examples=["oldenburg"])
    timeline: list[MomentOut] = Field(description="What happened, in order.")

    @classmethod
    def told(cls, story: CallStory, moments: list[MomentOut], at: datetime) -> CallSoFarOut:
        return cls(
            **dict(LiveCallOut.of(story.now, at)),
            dialled=story.dialled,
            ani=story.ani,
            trunk=story.trunk,
            trunk_call_id=story.trunk_call_id,
            partner=story.partner,
            timeline=moments,
        )


class DecisionOut(_Out):
    """A choice that was made for a call, and its reason."""

    at: _Time = Field(description="When.")
    decision: str = Field(
        description="verdict: what becomes of the call at its arrival; rung: what the overflow ladder did; "
        "offer: whose phone is to ring.",
        examples=["offer"],
    )
    chosen: str = Field(
        description="Of a verdict: wait, closed, refused, emergency, failsafe (Asterisk did not get an answer, and "
        "went on alone). Of a rung: the rung. Of an offer: the agent; empty: not told.",
        examples=["anna"],
    )
    why: str = Field(description="The reason, in words.", examples=["waited 12 s; idle for 95 s (then bert 40 s)"])
    result: str | None = Field(
        description="What became of an offer: answered, no-answer, declined, phone-busy, phone-gone, caller-gone, "
        "not-talked, open; null: it was no offer.",
        examples=["no-answer"],
    )


class DecisionsOut(_Out):
    """The decisions made for a call, in order; the last fifty offers and the last twelve rungs."""

    call: str = Field(description="Id of the call, Asterisk's Uniqueid.", examples=["acd1-1767225600.17"])
    decisions: list[DecisionOut] = Field(description="In the order they were made.")


# ---------------------------------------------------------------- resolve


class DormantOut(_Out):
    """The entry that would have come first, but for its dates."""

    entry: str = Field(description="Its number (E.164) or extension.", examples=["+494172"])
    tenant: str = Field(description="Id of the town it belongs to.", examples=["salzhausen"])
    active_from: date | None = Field(
        description="Its first day, from 00:00 in Berlin on; null: it has no beginning.", examples=["2026-07-01"]
    )
    active_to: date | None = Field(
        description="Its last day, to 24:00 in Berlin; null: it has no end.", examples=["2026-12-31"]
    )
    awaited: bool = Field(description="It is still to begin (true), or over (false).", examples=[True])


class StepAnswerOut(_Out):
    """A step of the queue, and who in the directory fulfils it."""

    step: str = Field(description="As the directory has it.", examples=["from 15 s: langenhagen>=2"])
    able: int = Field(description="How many agents fulfil it, signed in or not.", examples=[12])
    agents: list[str] = Field(
        default=[], description="With `why`: ids of those; for one town's token its own agents.", examples=[["anna"]]
    )
    others: dict[str, str] = Field(
        default={},
        description="With `why`: everybody else's id, and what they lack; for one town's token its own agents.",
        examples=[{"bert": "has langenhagen at 1, not 2"}],
    )


class RungAnswerOut(_Out):
    """A rung of the queue's overflow ladder, and whether it is taken."""

    rung: str = Field(description="As the directory has it.", examples=["waited 60 s: partner oldenburg"])
    at_arrival: bool = Field(description="Taken as soon as the caller comes.", examples=[False])
    why: str = Field(
        description="Why it is taken at arrival; else when it would be, or what is in its way.", examples=["after 60 s"]
    )


class ResolveOut(_Out):
    """What would happen to a call, by the directory in force; the words of `dialog-acd route --json`."""

    called: str = Field(description="The number as it was asked.", examples=["0511 7307-0"])
    number: str = Field(description="The number as it was read: E.164, 115, or as it is.", examples=["+4951173070"])
    origin: str | None = Field(
        description="Area code from which 115 was dialled; null: another number, or the trunk does not tell.",
        examples=["511"],
    )
    caller: str | None = Field(description="The caller's number as it was read.", examples=["+4930230125001"])
    diversion: str | None = Field(
        description="Who forwarded the call, as it was read; decides nothing.", examples=["+494105550"]
    )
    diversion_tenant: str | None = Field(
        description="Whose number that is; null: nobody's, or another town's to a token of one town.",
        examples=["langenhagen"],
    )
    at: datetime = Field(
        description="The moment asked about, in Berlin's time.", examples=["2026-10-30T15:30:00+01:00"]
    )
    kind: str = Field(
        description="Why the number exists: main-number, 115, forwarded, partner-inbound, internal, catch-all.",
        examples=["main-number"],
    )
    tenant: str = Field(
        description="Id of the town that gets the call; `unassigned`: an agent will name one of the candidates.",
        examples=["langenhagen"],
    )
    candidates: list[str] = Field(
        description="Towns that share the number; none: it is one town's.", examples=[["hannover", "laatzen"]]
    )
    entry: str = Field(description="The entry's number, or its kind where it has none.", examples=["+495117307"])
    found_by: str = Field(description="How the entry was found.", examples=["block +495117307"])
    active_from: date | None = Field(
        description="The entry's first day, from 00:00 in Berlin on; null: it has no beginning.",
        examples=["2026-04-01"],
    )
    active_to: date | None = Field(
        description="The entry's last day, to 24:00 in Berlin; null: it has no end.", examples=["2026-12-31"]
    )
    dormant: DormantOut | None = Field(
        description="An entry that would have come first but is not active then; null: there is none.",
        examples=[None],
    )
    queue: str = Field(description="Id of the queue.", examples=["langenhagen"])
    priority: int = Field(description="Class of the queue's calls, 0 to 9; a higher one goes first.", examples=[0])
    open: bool = Field(description="Whether the number is served then.", examples=[True])
    closes_at: datetime | None = Field(
        description="Until when it is open, in Berlin's time; null: it never closes, or is closed.",
        examples=["2026-10-30T18:00:00+01:00"],
    )
    opens_at: datetime | None = Field(
        description="When it opens again, in Berlin's time; null: it is open, or not known to open.", examples=[None]
    )
    verdict: str = Field(
        description="What happens if nobody is free: wait, partner, closed, released, emergency.", examples=["wait"]
    )
    reason: str = Field(description="Open or closed, and why.", examples=["open"])
    in_words: str = Field(
        description="The verdict, and what comes before it.",
        examples=["an agent who is free answers at once; if all are busy: wait"],
    )
    assuming: str = Field(
        description="What is taken for granted, as nobody can know it beforehand.",
        examples=["everybody in the directory is signed in and busy, no caller waits yet, no queue is switched over"],
    )
    greeting: str | None = Field(
        description="Prompt the caller hears first while the number is open; null: none.",
        examples=["acd/greeting-langenhagen"],
    )
    announcement: str | None = Field(
        description="Prompt the agent hears before the two are connected; null: none.", examples=["acd/langenhagen"]
    )
    closing_prompt: str = Field(description="Prompt the caller hears while it is closed.", examples=["acd/closed"])
    steps: list[StepAnswerOut] = Field(description="Who may answer, and how that widens with the wait.")
    ladder: list[RungAnswerOut] = Field(description="The queue's overflow ladder, from the top.")
    failsafe: str = Field(
        description="Failsafe profile: where the call goes while this service is away.", examples=["standard"]
    )


# ---------------------------------------------------------------- audit


OF_AGENTS = "agents."
"""So begin the actions that are about an agent."""


class AuditLineOut(_Out):
    """A change through the API, a token made or revoked, an attempt that was refused, a volume used up, or that
    somebody was told of agents by name.
    """

    id: int = Field(description="Rises with every line.", examples=[4711])
    at: _Time = Field(description="When.")
    who: str = Field(
        description="Name of the token; `name (subject)` of a person of the identity provider; `admin` is the first "
        "operator's key, `nobody` had no token in force, `dialog-acd` is the service itself.",
        examples=["leitstelle"],
    )
    role: str = Field(
        description="operator, town-admin, supervisor, auditor, desk, staff-council, agent (also by a code at the "
        "phone); service: what dialog-acd does by itself; empty for nobody and for who has no role here.",
        examples=["supervisor"],
    )
    tenant: str | None = Field(
        description="The one town it concerns, whose administrator may read the line; null: several, or the centre.",
        examples=["langenhagen"],
    )
    action: str = Field(
        description="What was asked for; `api.refuse-more`: further refused attempts, counted in `details`; "
        "`contract.volume`: how far a town's included minutes are used up.",
        examples=["queues.switch-over"],
    )
    about: str = Field(
        description="The queue, agent, call, ... it was about; agents are named to operator, supervisor and staff "
        "council alone.",
        examples=["langenhagen"],
    )
    outcome: str = Field(
        description="done; refused: not authenticated or not allowed; rejected: allowed and not possible; "
        "uncertain: something broke, it may have happened.",
        examples=["done"],
    )
    details: dict[str, Any] = Field(
        description="More, by action; never a secret, nor a caller's number.",
        examples=[{"method": "PUT", "status": 200, "token": "5f0c9a1e", "until": "2026-11-23T15:00:00+00:00"}],
    )

    @classmethod
    def of(cls, line: AuditLine, *, named: bool) -> AuditLineOut:
        """``named``: with the agents it was about."""
        hidden = () if named else ("agent", "agents")
        return cls(
            id=line.id,
            at=line.at,
            who=line.role if line.role == Role.AGENT else line.who,
            role=line.role,
            tenant=line.tenant,
            action=line.action,
            about="" if line.action.startswith(OF_AGENTS) and not named else line.about,
            outcome=line.outcome,
            details={name: value for name, value in line.details.items() if name not in hidden},
        )


class AuditOut(_Out):
    """A page of the audit log, the latest first; for a token of one town the lines that concern that town."""

    lines: list[AuditLineOut] = Field(description="The latest first.")
    next: int | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.", examples=[4711]
    )


# ---------------------------------------------------------------- what comes near a person

_MONTH = "^20[0-9]{2}-(0[1-9]|1[0-2])$"
_Month = Annotated[str, StringConstraints(pattern=_MONTH)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=SOMETHING)]


class ReleaseIn(BaseModel):
    """What two people are to agree on: figures of named agents, or a weaker policy for a town."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["figures", "policy"] = Field(
        description="figures: of `agents` or `team`, about the months; policy: that `tenant` may have `level`.",
        examples=["figures"],
    )
    purpose: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=SOMETHING)] = Field(
        description="What for, as the staff council reads it.", examples=["Einarbeitung, mit Frau Ahrens besprochen"]
    )
    until: Day = Field(
        description="The last day, in Berlin; at most 90 days ahead. Of a policy: by when the directory is edited.",
        examples=["2026-03-31"],
    )
    agents: list[_Id] | None = Field(
        default=None, min_length=1, max_length=MOST_AGENTS, description="Whose figures.", examples=[["anna"]]
    )
    team: _Id | None = Field(default=None, description="Instead: of all who are in this team now.", examples=[None])
    first_month: _Month | None = Field(default=None, description="The first month it is about.", examples=["2026-02"])
    last_month: _Month | None = Field(
        default=None, description="The last; at most a year in all.", examples=["2026-02"]
    )
    tenant: _Id | None = Field(default=None, description="Of which town the policy is weakened.", examples=[None])
    level: Literal["own", "released"] | None = Field(
        default=None, description="What it may become, at the weakest.", examples=[None]
    )


class SignatureOut(_Out):
    """Somebody's word."""

    by: str = Field(description="Name of the token, or of the person.", examples=["leitung"])
    at: _Time = Field(description="When.")


class ReleaseOut(_Out):
    """A release, and how it stands."""

    id: int = Field(description="Its number.", examples=[3])
    kind: str = Field(description="figures or policy.", examples=["figures"])
    state: str = Field(description="asked, in-force, revoked, ended.", examples=["in-force"])
    purpose: str = Field(description="What for.", examples=["Einarbeitung, mit Frau Ahrens besprochen"])
    until: date = Field(description="The last day, in Berlin.", examples=["2026-03-31"])
    agents: list[str] = Field(description="Whose figures; none for a policy.", examples=[["anna"]])
    first_month: str | None = Field(description="The first month it is about.", examples=["2026-02"])
    last_month: str | None = Field(description="The last.", examples=["2026-02"])
    tenant: str | None = Field(description="Of which town the policy may be weakened.", examples=[None])
    level: str | None = Field(description="What it may become: own or released.", examples=[None])
    policy: str | None = Field(
        description="What the town's policy is now. A release that is revoked or over takes nothing back that was "
        "changed while it was in force: whoever edits the directory has to make the policy stricter again.",
        examples=[None],
    )
    asked: SignatureOut = Field(description="Who asked.")
    agreed: SignatureOut | None = Field(description="Who of the staff council agreed; null: nobody yet.")
    revoked: SignatureOut | None = Field(description="Who revoked it; null: nobody.")

    @classmethod
    def of(cls, release: Release, now: datetime, directory: Directory) -> ReleaseOut:
        town = None if release.tenant is None else directory.tenant.get(release.tenant)

        def signed(one: Signature | None) -> SignatureOut | None:
            return None if one is None else SignatureOut(by=one.name, at=one.at)

        return cls(
            id=release.id,
            kind=release.kind.value,
            state=release.state(now).value,
            purpose=release.purpose,
            until=release.until,
            agents=list(release.agents),
            first_month=release.first_month or None,
            last_month=release.last_month or None,
            tenant=release.tenant,
            level=None if release.level is None else release.level.value,
            policy=None if town is None else town.contract.statistics.value,
            asked=SignatureOut(by=release.asked.name, at=release.asked.at),
            agreed=signed(release.agreed),
            revoked=signed(release.revoked),
        )


class ReleasesOut(_Out):
    """A page of releases, the latest first; also those that are over."""

    releases: list[ReleaseOut] = Field(description="The latest first.")
    next: int | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.", examples=[3]
    )


class PolicyOut(_Out):
    """How far figures may come near a person: `groups`, `own` (everybody's own as well), `released` (named ones, too,
    while a release is about them).
    """

    persons: int = Field(description="A figure about staff is about at least so many people.", examples=[5])
    calls: int = Field(description="And at least so many calls.", examples=[20])
    centre: str = Field(
        description="For agents who sit in no town hall: the strictest of all towns.", examples=["groups"]
    )
    towns: dict[str, str] = Field(
        description="By town; for who is of one town or sits there, that one.", examples=[{"langenhagen": "own"}]
    )


class OfOneOut(_Out):
    """One agent's figures of a month, without test calls.

    When somebody signed in or out, was ready or had a pause is kept of nobody by name, and so is in no figure.
    """

    agent: str = Field(description="Id of the agent.", examples=["anna"])
    month: str = Field(description="In Berlin.", examples=["2026-02"])
    policy: str = Field(description="The policy that holds for the agent: own or released.", examples=["released"])
    calls_answered: int = Field(description="Calls the agent answered.", examples=[412])
    talk_seconds: float = Field(
        description="In conversation, in seconds; of transferred calls to the caller's end.",
        examples=[51210.5],
    )
    wrap_up_seconds: float = Field(description="In wrap-up after them, in seconds.", examples=[4120.0])
    offers: int = Field(description="How often the agent's phone was to ring.", examples=[430])
    offers_missed: dict[str, int] = Field(
        description="Of these, those that came to nothing, by their result; caller-gone is nobody's doing here.",
        examples=[{"no-answer": 11, "caller-gone": 7}],
    )
    forgotten_to: _Moment = Field(
        description="Who answered a call is forgotten after some weeks: what came up to then is in none of these "
        "figures. Null: all of the month is."
    )

    @classmethod
    def of(cls, agent: str, month: str, policy: str, found: OfOne) -> OfOneOut:
        return cls(
            agent=agent,
            month=month,
            policy=policy,
            calls_answered=found.answered,
            talk_seconds=found.talk.total_seconds(),
            wrap_up_seconds=found.wrap_up.total_seconds(),
            offers=found.offers,
            offers_missed=dict(sorted(found.missed.items())),
            forgotten_to=found.forgotten_to,
        )


# ---------------------------------------------------------------- health


class LivenessOut(_Out):
    """The engine turns."""

    alive: bool = Field(description="The engine handled a question just now.", examples=[True])


class DependencyOut(_Out):
    """Something the service depends on."""

    ok: bool = Field(description="Fit for calls.", examples=[True])
    detail: str = Field(description="One sentence for a human.", examples=["connected to Asterisk 22.10.1"])


class ReadinessOut(_Out):
    """Calls can be taken."""

    ready: bool = Field(description="Everything it depends on is fit for calls.", examples=[True])
    dependencies: dict[str, DependencyOut] = Field(
        description="By name.", examples=[{"switch": {"ok": True, "detail": "connected to Asterisk 22.10.1"}}]
    )


# ---------------------------------------------------------------- directory


class DirectoryOut(_Out):
    """A version of the directory, in the words of a directory file; seconds are plain numbers, dates ISO 8601."""

    version: int = Field(description="Its number; 0 where no version was ever kept.", examples=[7])
    directory: dict[str, Any] = Field(
        description="Tables by name: tenants, trunks, skills, teams, calendars, partners, failsafe_profiles, queues, "
        "entries, agents. What is as by default is left out.",
        examples=[{"tenants": [{"id": "langenhagen", "name": "Stadt Langenhagen", "label": "Langenhagen"}]}],
    )


class ChangedOut(_Out):
    """What an edit did, or would do."""

    version: int = Field(description="The version in force now.", examples=[8])
    differences: list[str] = Field(
        description="What changes, a sentence each; empty: nothing.",
        examples=[["queue langenhagen: ring_for 20 becomes 25"]],
    )


class EditedOut(ChangedOut):
    """What an edit of one thing did, or would do."""

    remarks: list[str] = Field(
        description="What is probably a mistake now and was not before this edit, a sentence each; it is no hindrance.",
        examples=[["skill laatzen is declared, but no agent has it"]],
    )


class TestCallersOut(_Out):
    """Numbers whose calls are test calls: handled as all others, and in no figure."""

    test_callers: list[str] = Field(description="E.164.", examples=[["+493023125000"]])


class TestCallersIn(BaseModel):
    """Whose calls are test calls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    test_callers: Annotated[list[Annotated[str, StringConstraints(max_length=20)]], Field(max_length=1000)] = Field(
        description="All of them, E.164.", examples=[["+493023125000"]]
    )


class VersionOut(_Out):
    """A version of the directory, and who put it in force."""

    version: int = Field(description="Number; they rise.", examples=[7])
    at: _Time = Field(description="Since when it was in force.")
    by: str = Field(description="Who put it in force.", examples=["admin"])
    why: str = Field(description="In their words.", examples=["Laatzen goes live"])


class VersionsOut(_Out):
    """A page of versions, the latest first."""

    versions: list[VersionOut] = Field(description="The latest first.")
    next: int | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.", examples=[3]
    )


_Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class WhyIn(BaseModel):
    """Why something is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: _Said = Field(
        default="", description="Why, kept with the version.", examples=["the new ladder sent everybody away"]
    )


# ---------------------------------------------------------------- going live


class WaiverOut(_Out):
    """Who lets something pass, and why."""

    by: str = Field(description="Who answers for it.", examples=["A. Muster, Leitung DialogCenter"])
    why: str = Field(description="Why.", examples=["Aufnahme folgt am 15.03."])
    on: date = Field(description="When it was said.", examples=["2022-02-20"])


class FindingOut(_Out):
    """Something that is missing."""

    id: str = Field(description="What a waiver names.", examples=["greeting:+495117307"])
    what: str = Field(
        description="What is missing, and what to do.", examples=["entry +495117307 greets nobody: name a prompt"]
    )
    waiver: WaiverOut | None = Field(description="Null: nobody has answered for it.", examples=[None])


class GateOut(_Out):
    """Whether a town may go live on a day."""

    tenant: str = Field(description="Id of the town.", examples=["langenhagen"])
    on: date = Field(description="The day that was examined.", examples=["2022-03-01"])
    go: bool = Field(description="Nothing is missing, or somebody answers for it.", examples=[False])
    findings: list[FindingOut] = Field(description="What is missing.")
    notes: list[str] = Field(
        description="What keeps nobody from going live, and is better known.",
        examples=[["prompt greeting-langenhagen has no recording yet: a machine speaks it"]],
    )

    @classmethod
    def of(cls, verdict: Verdict) -> GateOut:
        findings = [
            FindingOut(
                id=f.id,
                what=f.what,
                waiver=WaiverOut(by=f.waiver.by, why=f.waiver.why, on=f.waiver.on) if f.waiver is not None else None,
            )
            for f in verdict.findings
        ]
        return cls(tenant=verdict.tenant, on=verdict.on, go=verdict.go, findings=findings, notes=list(verdict.notes))


_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=SOMETHING)]


class WaiverIn(BaseModel):
    """Somebody answers for something that is missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    finding: _Name = Field(description="Id of the finding.", examples=["greeting:+495117307"])
    by: _Name = Field(description="Who answers for it, by name.", examples=["A. Muster, Leitung DialogCenter"])
    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=SOMETHING)] = (
        Field(description="The reason.", examples=["Aufnahme folgt am 15.03."])
    )


class GoLiveIn(BaseModel):
    """The day on which a town is to go live."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: Day = Field(description="The first day, from 00:00 in Berlin on; today: at once.", examples=["2022-03-01"])
    waivers: Annotated[list[WaiverIn], Field(max_length=100)] = Field(
        default=[], description="What is let pass all the same.", examples=[[]]
    )
    why: _Said = Field(default="", description="Why, kept with the version.", examples=["Ratsbeschluss vom 20.01."])


class GoLiveOut(ChangedOut):
    """A town has its day."""

    on: date = Field(description="The day it goes live.", examples=["2022-03-01"])
    gate: GateOut = Field(description="What was examined, and who answers for what.")


# ---------------------------------------------------------------- recordings

_RECORDING = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class RecordingOut(_Out):
    """A recording to be played to callers; levels are of the file that was uploaded."""

    digest: str = Field(
        description="SHA-256 of the uploaded file, in hexadecimal digits: what a prompt names as its `recording`.",
        examples=[_RECORDING],
    )
    name: str | None = Field(
        description="What its bringer calls it; null for another town's.", examples=["Begrüßung Langenhagen, Sommer"]
    )
    tenant: str | None = Field(
        description="Whose it is; null: the centre's, or another town's.", examples=["langenhagen"]
    )
    by: str | None = Field(description="Who brought it; null for another town's.", examples=["rathaus-langenhagen"])
    uploaded_at: _Time = Field(description="When.")
    duration_seconds: float = Field(description="How long callers listen, in seconds.", examples=[7.48])
    peak_dbfs: float = Field(description="Loudest sample, in decibels of full scale.", examples=[-6.2])
    loudness_lufs: float = Field(
        description="Integrated loudness by ITU-R BS.1770-4, in LUFS; -22 is aimed at.", examples=[-27.3]
    )
    gain_db: float = Field(description="What was added for the telephone, in decibels.", examples=[5.2])
    findings: list[str] = Field(
        description="What was done to it, and what somebody should listen for; a sentence each.",
        examples=[["2 channels were mixed to one", "made louder by 5.2 dB, to -22.1 LUFS"]],
    )

    @classmethod
    def of(cls, recording: Recording, town: str | None) -> RecordingOut:
        """As somebody of this ``town`` sees it; ``None``: of all towns."""
        ours = town is None or recording.tenant in (None, town)
        return cls(
            digest=recording.digest,
            name=recording.name if ours else None,
            tenant=recording.tenant if ours else None,
            by=recording.by if ours else None,
            uploaded_at=recording.uploaded_at,
            duration_seconds=recording.duration.total_seconds(),
            peak_dbfs=recording.peak,
            loudness_lufs=recording.loudness,
            gain_db=recording.gain,
            findings=list(recording.findings),
        )


class RecordingsOut(_Out):
    """A page of recordings, the latest first."""

    recordings: list[RecordingOut] = Field(description="Recordings of this page.")
    next: str | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.", examples=[_RECORDING]
    )


class FigureOut(_Out):
    """A number of a report, with what it was made of."""

    value: float | None = Field(description="In its unit, unrounded; per cent are 0 to 100.", examples=[92.0])
    unit: str = Field(description="Anzahl, %, s, EUR or h.", examples=["%"])
    numerator: float | None = Field(description="What stands above the line; null: it is a count.", examples=[920])
    denominator: float | None = Field(description="What stands below it.", examples=[1000])
    missing: str | None = Field(
        description="Why there is no value: `keine Daten`, or `unterdrückt`, as it would be about too few people.",
        examples=["keine Daten"],
    )
    definition: str | None = Field(
        description="Id of its definition; null: a plain count.", examples=["acceptance-network"]
    )


class RowNameOut(_Out):
    """What a row is about."""

    name: str = Field(description="As people call it, in German.", examples=["März 2026"])
    key: str = Field(
        description="What does not change with names: the id of a town or queue, a number, a day, a month, the "
        "beginning of a half hour; empty for the number that takes all that have none.",
        examples=["2026-03"],
    )


class ReportTableOut(_Out):
    """Rows of figures; the first cell of each names the row."""

    id: str = Field(description="Id of the table in its report.", examples=["erreichbarkeit"])
    caption: str = Field(description="What the table is about, in German.", examples=["Erreichbarkeit"])
    columns: list[str] = Field(description="What stands above each column.", examples=[["Kennzahl", "Wert"]])
    rows: list[list[FigureOut | RowNameOut | str]] = Field(
        description="A name, a figure or a text for each column; what sums up all rows is `Gesamt`.",
        examples=[[["Langenhagen", "12 von 15"]]],
    )
    note: str = Field(description="What has to be known besides; may be empty.", examples=[""])


class ReportChapterOut(_Out):
    """A chapter of a report."""

    id: str = Field(description="Id of the chapter in its report.", examples=["anrufzahlen"])
    title: str = Field(description="Its title, in German.", examples=["Anrufzahlen"])
    paragraphs: list[str] = Field(description="What is said before the tables.", examples=[["Alle Anrufe."]])
    tables: list[ReportTableOut] = Field(description="Its tables.")


class ReportDefinitionOut(_Out):
    """What a figure is."""

    id: str = Field(description="What figures name it by.", examples=["acceptance-network"])
    name: str = Field(description="Its German name.", examples=["Annahmequote (Netz)"])
    numerator: str = Field(description="What stands above the line.", examples=["angenommene Anrufe"])
    denominator: str = Field(description="What stands below it; empty: a count.", examples=["angebotene Anrufe"])
    note: str = Field(description="What has to be known besides; may be empty.", examples=[""])
    unit: str = Field(description="What it is told in; empty: a count.", examples=["%"])
    source: str = Field(description="What it is made from.", examples=["Anrufdatensätze"])


class ReportBasisOut(_Out):
    """Something that holds for the whole report."""

    name: str = Field(description="What it is about.", examples=["Rundung"])
    text: str = Field(description="What is so.", examples=["Auf eine Stelle."])


class ReportOut(_Out):
    """A report as data. The same tables are in its CSV, and on its page."""

    id: str = Field(description="calls, evaluation or readiness.", examples=["evaluation"])
    title: str = Field(description="Its German title.", examples=["Evaluationsbericht"])
    subtitle: str = Field(
        description="The range, and whom it is about.", examples=["01.03.2026 bis 31.03.2026, alle Kommunen"]
    )
    as_of: _Time = Field(description="When the figures were taken.")
    basis: list[ReportBasisOut] = Field(description="What the reader has to know of the data.")
    chapters: list[ReportChapterOut] = Field(description="Its chapters, in order.")
    definitions: list[ReportDefinitionOut] = Field(description="Of every figure in it.")


# ---------------------------------------------------------------- shares of cost


class PositionOut(_Out):
    """One price of a town, for the days on which it was in force."""

    element: str = Field(description="flat, per-call, per-minute, per-inhabitant or levy.", examples=["per-minute"])
    begins: date = Field(description="The first day.", examples=["2026-03-01"])
    last: date = Field(description="The last day.", examples=["2026-03-31"])
    quantity: int = Field(
        description="Calls; seconds of handling beyond the included minutes; inhabitants; of a flat sum, the days; of "
        "a levy, what it is shared out by.",
        examples=[3120],
    )
    price: str = Field(
        description="Euros a call, a minute, an inhabitant and year, a month or a year; of a levy, the whole of it.",
        examples=["1.59"],
    )
    amount: str = Field(description="Euros, without tax, rounded half up to the cent.", examples=["82.68"])
    basis: str = Field(
        description="How the amount was found, in German.",
        examples=["3.120 s über 300.000 s hinaus, die enthalten sind, zu 1,59 EUR je Minute"],
    )

    @classmethod
    def of(cls, position: Position) -> PositionOut:
        return cls(
            element=position.element.value,
            begins=position.begins,
            last=position.last,
            quantity=position.quantity,
            price=str(position.price),
            amount=str(position.amount),
            basis=position.basis,
        )


class VolumeOut(_Out):
    """Included minutes of a month or a year, and how far they are used up."""

    begins: date = Field(description="The first day they are for.", examples=["2026-03-01"])
    last: date = Field(description="The last day they are for.", examples=["2026-03-31"])
    included_seconds: int = Field(description="Handling that is included, in seconds.", examples=[300000])
    used_seconds: int = Field(
        description="Handling from the first day to the end of the month, in seconds.", examples=[303120]
    )
    warnings: list[int] = Field(description="Which of 80 and 100 per cent are reached.", examples=[[80, 100]])

    @classmethod
    def of(cls, volume: Volume) -> VolumeOut:
        return cls(
            begins=volume.begins,
            last=volume.last,
            included_seconds=volume.included_s,
            used_seconds=volume.used_s,
            warnings=list(volume.passed),
        )


class CentreUsageOut(_Out):
    """What was used, and what is paid for it."""

    offered: int = Field(description="Calls that wanted a person when the number was served.", examples=[1410])
    accepted: int = Field(description="Of these, answered by the centre's own people.", examples=[1250])
    accepted_by_partner: int = Field(description="Of these, answered at a partner instead.", examples=[40])
    talk_seconds: int = Field(
        description="From the answer to the end of the call, time on hold included, in seconds.", examples=[281120]
    )
    wrap_up_seconds: int = Field(description="Wrap-up after the call, in seconds.", examples=[22000])
    handling_seconds: int = Field(
        description="Both together, in seconds; what is charged by the minute.", examples=[303120]
    )
    amount: str = Field(description="Euros, without tax.", examples=["7999.35"])


def _usage_of(line: Share | Total) -> dict[str, Any]:
    return {
        "offered": line.offered,
        "accepted": line.accepted,
        "accepted_by_partner": line.by_partner,
        "talk_seconds": line.talk_s,
        "wrap_up_seconds": line.wrap_up_s,
        "handling_seconds": line.handling_s,
        "amount": str(line.amount),
    }


class ShareOut(CentreUsageOut):
    """A line of the statement: a town's, or that of calls which are no town's to pay."""

    sort: str = Field(
        description="town; unassigned: nobody has said for which of several towns; partner-inbound: another centre's "
        "overflow; internal: own staff's lines.",
        examples=["town"],
    )
    tenant: str | None = Field(description="Id of the town; null: no town's.", examples=["baden-baden"])
    name: str = Field(description="For people, in German.", examples=["Stadt Baden-Baden"])
    positions: list[PositionOut] = Field(description="What the amount is made of.")
    volumes: list[VolumeOut] = Field(description="Included minutes.")
    notes: list[str] = Field(
        description="What who pays, or sends the bill, should know; in German.",
        examples=[["101 % der Inklusivminuten des Monats sind verbraucht: 84:12:00 von 83:20:00 Stunden."]],
    )

    @classmethod
    def of(cls, share: Share) -> ShareOut:
        return cls(
            **_usage_of(share),
            sort=share.account.sort.value,
            tenant=share.account.tenant or None,
            name=share.name,
            positions=[PositionOut.of(position) for position in share.positions],
            volumes=[VolumeOut.of(volume) for volume in share.volumes],
            notes=list(share.notes),
        )


class IssueOut(_Out):
    """That a statement has gone out."""

    number: int = Field(description="Of the statements issued for this month, from 1.", examples=[1])
    at: _Time = Field(description="When.")
    by: str | None = Field(description="By whom; null for one town.", examples=["kämmerei"])


class DifferenceOut(_Out):
    """A line of a draft that is not as it was issued."""

    sort: str = Field(description="As in `shares`.", examples=["town"])
    tenant: str | None = Field(description="Id of the town; null: no town's.", examples=["baden-baden"])
    name: str = Field(description="For people, in German.", examples=["Stadt Baden-Baden"])
    accepted_issued: int = Field(description="Calls answered by the centre's own people, as issued.", examples=[1250])
    accepted: int = Field(description="... and now.", examples=[1251])
    handling_seconds_issued: int = Field(description="Handling, as issued, in seconds.", examples=[303120])
    handling_seconds: int = Field(description="... and now, in seconds.", examples=[303300])
    amount_issued: str = Field(description="Euros, without tax, as issued.", examples=["7999.35"])
    amount: str = Field(description="... and now, in euros, without tax.", examples=["8004.12"])
    says: str = Field(
        description="For people, in German.",
        examples=["Stadt Baden-Baden: 8.004,12 EUR statt 7.999,35 EUR; 1.251 statt 1.250 angenommene Anrufe"],
    )

    @classmethod
    def of(cls, lines: Beside) -> DifferenceOut:
        issued, now = lines
        return cls(
            sort=now.account.sort.value,
            tenant=now.account.tenant or None,
            name=now.name,
            accepted_issued=issued.accepted,
            accepted=now.accepted,
            handling_seconds_issued=issued.handling_s,
            handling_seconds=now.handling_s,
            amount_issued=str(issued.amount),
            amount=str(now.amount),
            says=difference(lines),
        )


class StatementOut(_Out):
    """A month's shares of cost: lines that add up to the centre's, to the second and to the cent."""

    month: str = Field(description="A month of the calendar in Berlin.", examples=["2026-03"])
    as_of: _Time = Field(description="When it was made; what was said of a call after that is not in it.")
    complete: bool = Field(
        description="The month was settled by then, on the second of the next, 06:00 in Berlin: no call of it can be "
        "named any more. Else it has the days for which that was so, seconds are whole hours, and amounts follow from "
        "these.",
        examples=[True],
    )
    version: int = Field(description="Version of the directory that the prices are from.", examples=[17])
    issued: IssueOut | None = Field(description="That it was issued as it is; null: how it would be now.")
    shares: list[ShareOut] = Field(description="Towns by name, then what is no town's. For one town its own line.")
    total: CentreUsageOut | None = Field(description="The whole centre; null for one town.")
    issued_before: IssueOut | None = Field(
        description="What was issued last for this month, if this is a draft; null: nothing was, or this was issued."
    )
    differences: list[DifferenceOut] = Field(
        description="Lines that are not as they were issued before; empty where all are, or nothing was."
    )

    @classmethod
    def of(cls, settled: Settled, town: str | None = None) -> StatementOut:
        """``town``: as this one sees it."""
        if town is not None:
            settled = settled.of_town(town)
        told = settled.statement

        def out(issue: Issue | None) -> IssueOut | None:
            if issue is None:
                return None
            return IssueOut(number=issue.number, at=issue.at, by=issue.by if town is None else None)

        return cls(
            month=str(told.month),
            as_of=told.as_of,
            complete=told.complete,
            version=told.version,
            issued=out(settled.issue),
            shares=[ShareOut.of(share) for share in told.shares],
            total=None if told.total is None else CentreUsageOut(**_usage_of(told.total)),
            issued_before=out(settled.before),
            differences=[DifferenceOut.of(lines) for lines in settled.differences],
        )
