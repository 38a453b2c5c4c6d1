"""What goes over the wire, in words. Durations are seconds, times are ISO 8601 in UTC.

Input refuses fields it does not know, so that a misspelt one is an error and not a silent nothing.
Caller numbers are complete: who holds the token may see them.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from dialog_acd.core.switches import PROMPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dialog_acd.api.ports import AuditLine, Recording
    from dialog_acd.core.gate import Verdict
    from dialog_acd.core.messages import Switch
    from dialog_acd.core.records import CallRecord
    from dialog_acd.core.view import AcdView, AgentView, CallView, QueueView

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


class QueueOut(_Out):
    """A queue at this moment."""

    id: str = Field(examples=["langenhagen"])
    name: str = Field(examples=["Stadt Langenhagen"])
    waiting: int = Field(
        description="Callers without a person: waiting, being offered, returning, partner ringing; here and below "
        "without test calls.",
        examples=[3],
    )
    longest_wait_seconds: float = Field(
        description="Wait so far of the longest-waiting caller, in seconds; 0 when nobody waits.", examples=[41.2]
    )
    talking: int = Field(description="Callers in conversation with an agent.", examples=[5])
    agents_able: int = Field(description="Agents signed in with the skill, whatever they are doing.", examples=[8])
    agents_available: int = Field(description="Agents who could take a call this second.", examples=[0])
    switched_until: _Moment = Field(description="A supervisor has switched the queue over until then.")

    @classmethod
    def of(cls, queue: QueueView) -> QueueOut:
        return cls(
            id=queue.id,
            name=queue.name,
            waiting=queue.waiting,
            longest_wait_seconds=queue.longest_wait.total_seconds(),
            talking=queue.talking,
            agents_able=queue.agents_able,
            agents_available=queue.agents_available,
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

    until: Annotated[AwareDatetime, AfterValidator(_in_utc)] = Field(
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

    id: str = Field(examples=["anna"])
    name: str = Field(examples=["Anna Ahrens"])
    phone: str = Field(description="Name of the phone at the agent's place.", examples=["agent-1"])
    team: str = Field(examples=["region"])
    state: str = Field(
        description="signed-out, not-ready, available, offered, talking, wrap-up, phone-in-use, "
        "phone-unreachable: the first thing that keeps calls away.",
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
    name: str = Field(examples=["Stadt Laatzen"])
    code: str | None = Field(description="The digits an agent dials behind *75 to name it; null: none.", examples=["5"])


class LiveCallOut(_Out):
    """A call that has not ended."""

    call: str = Field(description="Id of the call, Asterisk's Uniqueid.", examples=["acd1-1767225600.17"])
    tenant: _Tenant
    candidates: list[CandidateOut] = Field(
        description="Towns that share the number it came by, of which one has to be named; empty: it is one town's."
    )
    test: bool = Field(description="A test call: handled as all others, and in no figure.", examples=[False])
    queue: str = Field(examples=["langenhagen"])
    kind: str = Field(
        description="Why the number exists: main-number, 115, forwarded, partner-inbound, internal, catch-all.",
        examples=["main-number"],
    )
    state: str = Field(
        description="arrived, waiting, offered, returning, connected, diverting, diverted, failsafe, released.",
        examples=["waiting"],
    )
    arrived_at: _Time
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
    queues: list[QueueOut]

    @classmethod
    def of(cls, view: AcdView) -> QueuesOut:
        return cls(at=view.at, queues=[QueueOut.of(queue) for queue in view.queues])


class AgentsOut(_Out):
    """All agents; for a token of one town those who sit in its town hall."""

    at: _Time = Field(description="The moment of the picture.")
    by_state: dict[str, int] = Field(
        description="How many agents are in each state that occurs.", examples=[{"available": 3, "talking": 5}]
    )
    agents: list[AgentOut]

    @classmethod
    def of(cls, view: AcdView) -> AgentsOut:
        return cls(at=view.at, by_state=_by_state(view.agents), agents=[AgentOut.of(agent) for agent in view.agents])


class LiveOut(_Out):
    """The whole picture at one moment; for a token of one town that town's part of it.

    These are the calls to the town's numbers, the queues its numbers lead to (the figures of a queue that several
    towns share count all of them), and the agents in its town hall.
    """

    at: _Time = Field(description="The moment of the picture.")
    switch_up: bool = Field(description="Whether Asterisk is connected; no new offers while not.")
    queues: list[QueueOut]
    agents_by_state: dict[str, int] = Field(
        description="How many agents are in each state that occurs.", examples=[{"available": 3, "talking": 5}]
    )
    agents: list[AgentOut]
    calls: list[LiveCallOut] = Field(description="Calls that have not ended, oldest first.")
    switches: list[SwitchOut] = Field(description="What a supervisor has switched, the latest first.")

    @classmethod
    def of(cls, view: AcdView) -> LiveOut:
        return cls(
            at=view.at,
            switch_up=view.switch_up,
            queues=[QueueOut.of(queue) for queue in view.queues],
            agents_by_state=_by_state(view.agents),
            agents=[AgentOut.of(agent) for agent in view.agents],
            calls=[LiveCallOut.of(call, view.at) for call in view.calls],
            switches=[SwitchOut.of(switch) for switch in view.switches],
        )


def _by_state(agents: Iterable[AgentView]) -> dict[str, int]:
    return dict(sorted(Counter(agent.state for agent in agents).items()))


class NotReadyIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    why: Annotated[
        str,
        # No control characters: the word goes to logs and boards.
        StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$"),
    ] = Field(
        default="pause", description="Why the agent takes no calls, as the board shall show it.", examples=["lunch"]
    )


# ---------------------------------------------------------------- records


class OutcomeOut(_Out):
    result: str = Field(
        description="served, abandoned, overflowed, failsafe, closed, released, refused, failed.", examples=["served"]
    )
    reason: str = Field(description="A short stable word.", examples=["answered"])
    blame: str = Field(
        description="caller, agent, us, switch, partner, nobody, unknown: whose doing it was.", examples=["nobody"]
    )


class OfferOut(_Out):
    """One attempt to have one agent take the call."""

    offer: str = Field(examples=["31"])
    agent: str = Field(examples=["anna"])
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

    at: _Time
    rung: str = Field(description="As the directory has it.", examples=["waited 60 s: partner oldenburg"])
    why: str = Field(examples=["waited 60 s"])


class TownIn(BaseModel):
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
    test: bool = Field(examples=[True])


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
    queue: str = Field(examples=["langenhagen"])
    kind: str = Field(
        description="Why the number exists: main-number, 115, forwarded, partner-inbound, internal, catch-all.",
        examples=["main-number"],
    )
    dialled: str = Field(description="The number dialled, as the record keeps it.", examples=["+4951173070"])
    ani: str | None = Field(description="The caller's number; null when withheld.", examples=["+4930230125001"])
    trunk: str = Field(examples=["trunk"])
    trunk_call_id: str = Field(
        description="SIP Call-ID on the trunk: what a carrier asks for.", examples=["1-4711@192.0.2.7"]
    )
    t_in: _Time = Field(description="First signalling at our door; the wait counts from here.")
    t_ann_end: _Moment = Field(description="End of the mandatory greeting.")
    t_q: _Moment = Field(description="Held in the queue.")
    t_ans: _Moment = Field(description="An agent answered; the wait ends here.")
    t_end: _Time = Field(description="The caller's channel was gone.")
    t_wrap_end: _Moment = Field(description="End of the agent's wrap-up; may lie ahead.")
    t_leave: _Moment = Field(description="The caller hung up while waiting.")
    t_ovf: _Moment = Field(description="Overflow to a partner began.")
    t_ovf_ans: _Moment = Field(description="The partner answered.")
    t_failsafe: _Moment = Field(description="Asterisk went on without us.")
    waited_seconds: float = Field(
        description="From the door to a person, or to the end where none came, in seconds.", examples=[12.4]
    )
    in_time: bool = Field(description="Answered within the queue's target, boundary included.", examples=[True])
    agent: str | None = Field(description="Who answered.", examples=["anna"])
    partner: str | None = Field(description="Partner centre that answered.", examples=["oldenburg"])
    transferred_to: str | None = Field(description="Extension or phone the agent sent the caller to.")
    transfer_blind: bool | None = Field(description="Blind (true) or attended (false); null without transfer.")
    failsafe_answered_by: str | None = Field(description="Phone or partner that answered in failsafe.")
    hung_up_first: str = Field(description="caller, agent or unknown.", examples=["caller"])
    cause: int = Field(description="Q.850 cause of the caller's channel, 0 when unknown.", examples=[16])
    outcome: OutcomeOut
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
            trunk=record.trunk,
            trunk_call_id=record.trunk_call_id,
            t_in=record.t_in,
            t_ann_end=record.t_ann_end,
            t_q=record.t_q,
            t_ans=record.t_ans,
            t_end=record.t_end,
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
        )


class CallsOut(_Out):
    """A page of records, the latest to come in first; for a token of one town that town's alone."""

    calls: list[CallOut]
    next: str | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.",
        examples=["acd1-1767225600.17"],
    )


# ---------------------------------------------------------------- audit


class AuditLineOut(_Out):
    """A change through the API, a token made or revoked, or an attempt that was refused."""

    id: int = Field(description="Rises with every line.", examples=[4711])
    at: _Time
    who: str = Field(
        description="Name of the token; `name (subject)` of a person of the identity provider; `admin` is the first "
        "operator's key, `nobody` had no token in force.",
        examples=["leitstelle"],
    )
    role: str = Field(
        description="operator, town-admin, supervisor, auditor, desk; agent: by a code at the phone; empty for nobody "
        "and for who has no role here.",
        examples=["supervisor"],
    )
    tenant: str | None = Field(
        description="The one town it concerns, whose administrator may read the line; null: several, or the centre.",
        examples=["langenhagen"],
    )
    action: str = Field(
        description="What was asked for; `api.refuse-more`: further refused attempts, counted in `details`.",
        examples=["queues.switch-over"],
    )
    about: str = Field(description="The queue, agent, call, ... it was about.", examples=["langenhagen"])
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
    def of(cls, line: AuditLine) -> AuditLineOut:
        return cls(
            id=line.id,
            at=line.at,
            who=line.who,
            role=line.role,
            tenant=line.tenant,
            action=line.action,
            about=line.about,
            outcome=line.outcome,
            details=dict(line.details),
        )


class AuditOut(_Out):
    """A page of the audit log, the latest first; for a token of one town the lines that concern that town."""

    lines: list[AuditLineOut]
    next: int | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.", examples=[4711]
    )


# ---------------------------------------------------------------- health


class LivenessOut(_Out):
    alive: bool = Field(description="The engine handled a question just now.", examples=[True])


class DependencyOut(_Out):
    ok: bool
    detail: str = Field(description="One sentence for a human.", examples=["connected to Asterisk 22.10.1"])


class ReadinessOut(_Out):
    ready: bool = Field(examples=[True])
    dependencies: dict[str, DependencyOut]


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
    model_config = ConfigDict(extra="forbid", frozen=True)

    test_callers: Annotated[list[Annotated[str, StringConstraints(max_length=20)]], Field(max_length=1000)] = Field(
        description="All of them, E.164.", examples=[["+493023125000"]]
    )


class VersionOut(_Out):
    version: int = Field(description="Number; they rise.", examples=[7])
    at: _Time = Field(description="Since when it was in force.")
    by: str = Field(description="Who put it in force.", examples=["admin"])
    why: str = Field(description="In their words.", examples=["Laatzen goes live"])


class VersionsOut(_Out):
    """A page of versions, the latest first."""

    versions: list[VersionOut]
    next: int | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.", examples=[3]
    )


_Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class WhyIn(BaseModel):
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
    findings: list[FindingOut] = Field(
        description="What is missing.",
        examples=[[{"id": "question:pbx", "what": "not answered yet: Which telephone system ...?", "waiver": None}]],
    )
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


class WaiverIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    finding: Annotated[_Said, StringConstraints(min_length=1, max_length=120)] = Field(
        description="Id of the finding.", examples=["greeting:+495117307"]
    )
    by: Annotated[_Said, StringConstraints(min_length=1, max_length=120)] = Field(
        description="Who answers for it, by name.", examples=["A. Muster, Leitung DialogCenter"]
    )
    why: Annotated[_Said, StringConstraints(min_length=1)] = Field(
        description="The reason.", examples=["Aufnahme folgt am 15.03."]
    )


class GoLiveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    on: date = Field(description="The first day, from 00:00 in Berlin on; today: at once.", examples=["2022-03-01"])
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

    recordings: list[RecordingOut]
    next: str | None = Field(
        description="Give this as 'before' to get the next page; null when this is the last.", examples=[_RECORDING]
    )
