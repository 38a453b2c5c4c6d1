"""What tests, replay and simulation need in place of the world: a clock moved by hand, a switch that does as it
is told, a small directory, and a scenario that reads like a call sheet.

Shipped with the product, because a capture from the field is replayed with the same parts the tests use.

A scenario moves time itself: between two lines of the sheet it stops at every deadline the core has named and
lets it act there, as the engine would. So a test says *when* something happens outside and never has to say
``Tick``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeVar

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.directory import Directory
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import (
    Agent,
    AgentId,
    CallId,
    Entry,
    EntryKind,
    FailsafeProfile,
    OfferId,
    Partner,
    PartnerId,
    Phone,
    Queue,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    Tenant,
    TenantId,
    Trunk,
)
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.core.visits import FROM_OVERFLOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dialog_acd.core.records import CallRecord

    Output = m.Order | m.Notice

MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""Where scenarios begin: an ordinary working Monday, 08:00 UTC."""

_T = TypeVar("_T")


class ManualClock:
    """A clock that stands still until it is moved. Aware UTC; refuses to go back, as no engine may see that."""

    def __init__(self, start: datetime = MONDAY) -> None:
        if start.utcoffset() != timedelta():
            raise ValueError(f"the clock needs an aware UTC time, not {start!r}")
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta | float) -> datetime:
        """Move on by a timedelta or by seconds."""
        return self.set(self._now + (by if isinstance(by, timedelta) else timedelta(seconds=by)))

    def set(self, to: datetime) -> datetime:
        if to < self._now:
            raise ValueError(f"time does not go back: it is {self._now.isoformat()}, not {to.isoformat()}")
        self._now = to
        return to


class SequentialIds:
    """Offer ids 1, 2, 3: a test can write them down beforehand."""

    def __init__(self, first: int = 1) -> None:
        self._next = first

    def offer(self) -> OfferId:
        self._next += 1
        return OfferId(str(self._next - 1))


# ---------------------------------------------------------------- a small directory

LANGENHAGEN = "0511 7307-0"
HANNOVER = "0511 168-0"
REGION = "0511 616-0"
CITIZENS, SERVICE_115 = SkillId("citizens"), SkillId("115")


def demo_agent(name: str, skills: Mapping[str, int] | None = None, phone: str | None = None) -> Agent:
    """Build an agent called ``name``; without ``skills`` one who can do everything at level 3."""
    known = {CITIZENS: 3, SERVICE_115: 3} if skills is None else {SkillId(s): level for s, level in skills.items()}
    return Agent(AgentId(name), name.capitalize(), Phone(phone or f"phone-{name}"), known)


def demo_directory(
    agents: Iterable[str | Agent] = ("anna", "bert"),
    *,
    ring_s: float = 20,
    wrap_up_s: float = 10,
    target_s: float = 30,
    max_wait_s: float = 900,
    overflow_s: float | None = None,
    announcement: str | None = None,
    steps: Sequence[str] = ("from 0 s: citizens>=1",),
    ladder: Sequence[str] = (),
) -> Directory:
    """Langenhagen, Hannover and the Region with a queue each, 115, a catch-all at Hannover; partner Oldenburg.

    ``overflow_s`` gives every queue a rung to Oldenburg after so many seconds; ``steps`` and ``ladder``, as an operator
    writes them, are those of the towns' queues.
    """
    rungs = [*ladder] if overflow_s is None else [*ladder, f"waited {overflow_s:g} s: partner oldenburg"]
    queue = Queue(
        QueueId("none"),
        "none",
        tuple(parse_step(step) for step in steps),
        ring_for=timedelta(seconds=ring_s),
        wrap_up_for=timedelta(seconds=wrap_up_s),
        max_wait=timedelta(seconds=max_wait_s),
        target=timedelta(seconds=target_s),
        ladder=tuple(parse_rung(rung) for rung in rungs),
    )
    towns = (
        ("langenhagen", "Langenhagen", "+495117307"),
        ("hannover", "Hannover", "+49511168"),
        ("region", "Region Hannover", "+49511616"),
    )
    hannover = TenantId("hannover")
    main = tuple(
        Entry(number, TenantId(id_), QueueId(id_), EntryKind.MAIN_NUMBER, "standard", True, announcement=announcement)
        for id_, _, number in towns
    )
    return Directory(
        tenants=tuple(Tenant(TenantId(id_), name, name) for id_, name, _ in towns),
        queues=(
            *(replace(queue, id=QueueId(id_), name=name) for id_, name, _ in towns),
            replace(queue, id=QueueId("115"), name="115", steps=(parse_step("from 0 s: 115>=2"),)),
        ),
        entries=(
            *main,
            Entry("115", hannover, QueueId("115"), EntryKind.SERVICE_115, "standard"),
            Entry("", hannover, QueueId("hannover"), EntryKind.CATCH_ALL, "standard"),
        ),
        agents=tuple(a if isinstance(a, Agent) else demo_agent(a) for a in agents),
        partners=(Partner(PartnerId("oldenburg"), "Oldenburg", ("+494412350",)),),
        failsafe_profiles=(FailsafeProfile("standard", "all"),),
        trunks=(Trunk("trunk"),),
        skills=(Skill(CITIZENS, "Bürgerfragen"), Skill(SERVICE_115, "115", SkillKind.SERVICE_115)),
    )


# ---------------------------------------------------------------- the call sheet


@dataclass
class Scenario:
    """An ``Acd`` under a manual clock, spoken to in the words of a call sheet.

    Names stand for ids (``"c1"``, ``"anna"``); an agent's name in an offer's line means the offer that agent
    has now, or had last. ``expect`` finds an output by kind and by the fields one cares about, and uses it up.
    """

    directory: Directory = field(default_factory=demo_directory)
    ready: tuple[str, ...] | None = None
    """Who is ready at the start; ``None``: everybody, in the directory's order, each a second after the other, so
    the first is the longest idle."""
    found: bool = True
    """Whether the switch has been found, with every phone reachable."""
    calls: Sequence[m.RememberCall] = ()
    """Who was there when the service last ran."""
    stopped_at: datetime | None = None
    """When that was."""

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.ids = SequentialIds()
        self.acd = Acd(self.directory, self.clock.now(), self.ids, calls=self.calls, stopped_at=self.stopped_at)
        self.records: dict[str, CallRecord] = {}
        self.story: list[tuple[datetime, m.Signal, list[Output]]] = []
        self._unread: list[Output] = []
        self._this_moment: list[Output] = []
        self._last_offer: dict[str, m.Offer] = {}
        self._offer_on_channel: dict[str, OfferId] = {}
        if self.found:
            self.switch_found()
        names = [a.id for a in self.directory.agents] if self.ready is None else [AgentId(n) for n in self.ready]
        for name in names:
            self.after(1)
            self.tell(m.AgentReady(name))
        self.after(1)
        self._unread.clear()

    # -- time

    def at(self, clock_time: str) -> Scenario:
        """Go to this time of the scenario's day (``"09:00:00"``, ``"09:00:30.001"``), through every deadline."""
        day = self.clock.now().date()
        return self.until(datetime.combine(day, time.fromisoformat(clock_time), UTC))

    def after(self, seconds: float) -> Scenario:
        return self.until(self.clock.now() + timedelta(seconds=seconds))

    def until(self, moment: datetime) -> Scenario:
        self._this_moment = []
        while (due := self.acd.next_deadline()) is not None and due <= moment:
            self.clock.set(due)
            self.tell(m.Tick())
        self.clock.set(moment)
        return self

    # -- what happens

    def tell(self, *signals: m.Signal) -> Scenario:
        """Any signal, for the rare ones that have no word of their own."""
        for signal in signals:
            out = self.acd.handle(signal, self.clock.now())
            self.story.append((self.clock.now(), signal, out))
            self._unread += out
            self._this_moment += out
            for message in out:
                offer = message.offer if isinstance(message, m.Treat) else message
                if isinstance(offer, m.Offer):
                    self._last_offer[offer.agent] = offer
                    self._offer_on_channel[offer.call] = offer.offer
                elif isinstance(message, m.Divert):
                    self._offer_on_channel[message.call] = FROM_OVERFLOW
                elif isinstance(message, m.SaveRecord):
                    if message.record.call in self.records:
                        raise AssertionError(f"a second record for {message.record.call}{self._told()}")
                    self.records[message.record.call] = message.record
        return self

    def switch_found(self, *calls: m.SwitchCall, audit: bool = False, at: datetime | None = None) -> Scenario:
        """Tell what the link shows: these calls, every phone of the directory reachable."""
        phones = tuple((a.phone, str(PhoneState.REACHABLE)) for a in self.directory.agents)
        return self.tell(m.SwitchFound("pbx", calls, phones, at or self.clock.now(), audit))

    def switch_lost(self) -> Scenario:
        return self.tell(m.SwitchLost("pbx"))

    def arrives(
        self,
        call: str,
        dialled: str = LANGENHAGEN,
        ani: str | None = "+4951123559876",
        *,
        takes_offer: bool = False,
    ) -> Scenario:
        return self.tell(m.CallArrived(CallId(call), dialled, ani, takes_offer=takes_offer))

    def held(self, call: str) -> Scenario:
        """As the dialplan says it: with the offer the channel comes back from, once."""
        return self.tell(m.CallerHeld(CallId(call), after=self._offer_on_channel.pop(call, None)))

    def waits(self, call: str, dialled: str = LANGENHAGEN) -> Scenario:
        """Arrive and be held in one breath."""
        return self.arrives(call, dialled).held(call)

    def offer(self, agent: str) -> m.Offer:
        """Find the offer this agent has now, or had last."""
        return self._last_offer[agent]

    def answers(self, agent: str) -> Scenario:
        """Pick up; the caller may still have to hear nothing while the announcement plays."""
        return self.tell(m.OfferAnswered(self.offer(agent).call, self.offer(agent).offer))

    def talks(self, agent: str) -> Scenario:
        """Pick up, and the two are connected."""
        return self.answers(agent).tell(m.PartiesBridged(self.offer(agent).call, self.offer(agent).offer))

    def offer_failed(self, agent: str, reason: str = "no-answer") -> Scenario:
        offer = self.offer(agent)
        return self.tell(m.OfferFailed(offer.call, offer.offer, m.OfferFailure(reason)))

    def agent_hangs_up(self, agent: str) -> Scenario:
        """The agent ends the conversation; the dialplan then lets the caller go."""
        offer = self.offer(agent)
        return self.tell(m.AgentHungUp(offer.call, offer.offer), m.CallerHungUp(offer.call))

    def caller_hangs_up(self, call: str, cause: int = 16) -> Scenario:
        return self.tell(m.CallerHungUp(CallId(call), cause))

    def transferred(self, call: str, target: str, *, blind: bool = True) -> Scenario:
        return self.tell(m.CallTransferred(CallId(call), target, blind))

    def is_ready(self, agent: str) -> Scenario:
        return self.tell(m.AgentReady(AgentId(agent)))

    def is_not_ready(self, agent: str, why: str = "pause") -> Scenario:
        return self.tell(m.AgentNotReady(AgentId(agent), why))

    def signs_out(self, agent: str) -> Scenario:
        return self.tell(m.AgentSignedOut(AgentId(agent)))

    def phone_is(self, agent: str, state: PhoneState) -> Scenario:
        return self.tell(m.PhoneStateChanged(self.acd_agent(agent).phone, state))

    def refused(self, agent: str, why: str = "channel not in context", *, certain: bool = True) -> Scenario:
        return self.tell(m.OrderFailed(self.offer(agent), why, certain))

    # -- what follows

    def acd_agent(self, agent: str) -> Agent:
        return next(a for a in self.directory.agents if a.id == agent)

    def expect(self, kind: type[_T], /, **wanted: object) -> _T:
        """Find the first unread output of this kind with these fields, and use it up."""
        for message in self._unread:
            if isinstance(message, kind) and _fits(message, wanted):
                self._unread.remove(message)
                return message
        raise AssertionError(f"no {_words(kind, wanted)}{self._told()}")

    def expect_no(self, kind: type[object], /, **unwanted: object) -> None:
        """Nothing of this kind has come out since time last moved (deadlines on the way included)."""
        for message in self._this_moment:
            if isinstance(message, kind) and _fits(message, unwanted):
                raise AssertionError(f"unwanted {message}{self._told()}")

    def record(self, call: str) -> CallRecord:
        if call not in self.records:
            raise AssertionError(f"no record for {call}{self._told()}")
        return self.records[call]

    def state(self, call: str) -> str:
        """State of a call; ``gone`` when it is not alive."""
        return next((str(c.state) for c in self.acd.view().calls if c.id == call), "gone")

    def agent_state(self, agent: str) -> str:
        """Give the one word an operator's board shows for this agent."""
        return next(a.state for a in self.acd.view().agents if a.id == agent)

    def _told(self) -> str:
        """Write the call sheet so far down, for a failing test."""
        lines = ["\n\nthe sheet so far:"]
        for moment, signal, out in self.story:
            lines.append(f"  {moment:%H:%M:%S.%f} {signal}")
            lines += [f"      -> {message}" for message in out]
        return "\n".join(lines)


def _fits(message: object, wanted: Mapping[str, object]) -> bool:
    return all(getattr(message, name) == value for name, value in wanted.items())


def _words(kind: type[object], wanted: Mapping[str, object]) -> str:
    return f"{kind.__name__}({', '.join(f'{k}={v!r}' for k, v in wanted.items())})"
