"""The one loop, told as stories: what goes in comes out in order, and no single fault stops the rest."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeAlias, cast

import pytest
from structlog.testing import capture_logs

from dialog_acd import engine as engine_module
from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import AgentId, CallId, OfferId, Phone, QueueId, TenantId
from dialog_acd.core.records import Amendment
from dialog_acd.engine import Engine, Stopped
from dialog_acd.testing import LANGENHAGEN, ManualClock, SequentialIds, demo_directory
from patience import Awaited, soon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from dialog_acd.core.records import CallRecord

Output: TypeAlias = "m.Order | m.Notice"
Observers: TypeAlias = "Callable[[m.Notice], None] | tuple[set[type[m.Notice]], Callable[[m.Notice], None]]"

ANI = "+4951123559876"


class PuppetCore(Awaited):
    """A core on strings: answers as a test says, and writes down what it was given and when."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[m.Signal, datetime]] = []
        self.deadline: datetime | None = None
        self.looked_at = 0
        """How often the deadline was asked for."""
        self.answer: Callable[[m.Signal], list[Output]] = lambda _: []

    def handle(self, signal: m.Signal, now: datetime) -> list[Output]:
        self.moved()
        if isinstance(signal, m.Beat):
            return []  # the timer's business, not the story's
        self.heard.append((signal, now))
        return self.answer(signal)

    def next_deadline(self) -> datetime | None:
        self.looked_at += 1
        self.moved()
        return self.deadline

    @property
    def signals(self) -> list[m.Signal]:
        return [signal for signal, _ in self.heard]


class ObservedAcd(Acd):
    """The real core; a test can wait for what it has handled."""

    awaited: Awaited
    beats = 0

    def handle(self, signal: m.Signal, now: datetime) -> list[Output]:
        outputs = super().handle(signal, now)
        self.beats += isinstance(signal, m.Beat)
        self.awaited.moved()
        return outputs


class Switchboard:
    """Writes down every order; does what a test says while it is given one."""

    def __init__(self) -> None:
        self.orders: list[m.Order] = []
        self.meanwhile: Callable[[m.Order], object] = lambda _: None

    def perform(self, order: m.Order) -> None:
        self.orders.append(order)
        self.meanwhile(order)


class Shelf:
    def __init__(self) -> None:
        self.records: list[CallRecord] = []
        self.amendments: list[Amendment] = []

    def put(self, record: CallRecord) -> None:
        self.records.append(record)

    def amend(self, amendment: Amendment) -> None:
        self.amendments.append(amendment)


class Diary:
    def __init__(self) -> None:
        self.intents: list[m.RememberIntent | m.RememberSwitch] = []

    def put(self, intent: m.RememberIntent | m.RememberSwitch) -> None:
        self.intents.append(intent)


class Bench:
    """An engine with its neighbours; ``core`` is a puppet unless a test brings a real one."""

    def __init__(self, acd: Acd | None = None, *observers: Observers) -> None:
        self.clock = ManualClock()
        self.core = PuppetCore()
        self.switch = Switchboard()
        self.shelf = Shelf()
        self.diary = Diary()
        self.notices: list[m.Notice] = []
        self.took: list[float] = []
        core = acd or cast("Acd", self.core)
        observe = observers or (self.notices.append,)
        self.engine = Engine(core, self.clock, self.shelf, observe, intents=self.diary, took=self.took.append)
        self.engine.attach(self.switch)

    @asynccontextmanager
    async def turning(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.engine.run())
        try:
            async with asyncio.timeout(5):
                yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.fixture
async def centre() -> tuple[Bench, ObservedAcd]:
    """The real core: two agents, three towns, no switch found yet."""
    acd = ObservedAcd(demo_directory(), ManualClock().now(), SequentialIds())
    acd.awaited = Awaited()
    return Bench(acd), acd


def found(bench: Bench) -> m.SwitchFound:
    phones = tuple((Phone(f"phone-{name}"), str(PhoneState.REACHABLE)) for name in ("anna", "bert"))
    return m.SwitchFound("asterisk", (), phones, bench.clock.now())


def hold(call: str) -> m.Hold:
    return m.Hold(CallId(call))


def entered_failsafe(call: str) -> m.FailsafeEntered:
    return m.FailsafeEntered(CallId(call), TenantId("langenhagen"), QueueId("langenhagen"), "heartbeat")


def named(signal: m.Signal) -> str:
    return signal.call if isinstance(signal, m.CallerHeld) else ""


def held(call: str) -> m.CallerHeld:
    return m.CallerHeld(CallId(call))


# ---------------------------------------------------------------- out


async def test_orders_leave_in_the_order_given(bench: Bench) -> None:
    def answer(signal: m.Signal) -> list[Output]:
        call = CallId(named(signal))
        return [hold(f"{call}-1"), m.Say(call, "good-bye"), hold(f"{call}-2")]

    bench.core.answer = answer
    async with bench.turning():
        for number in range(50):
            bench.engine.tell(held(str(number)))
        await bench.engine.ask(held("last"))
    expected: list[m.Order] = []
    for call in [*map(str, range(50)), "last"]:
        expected += [hold(f"{call}-1"), m.Say(CallId(call), "good-bye"), hold(f"{call}-2")]
    assert bench.switch.orders == expected


async def test_a_lone_signal_is_handled_where_it_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one told meanwhile comes after it, whole: nothing is decided in the midst of a decision."""
    monkeypatch.setattr(engine_module, "BEAT_EVERY", 3600)
    monkeypatch.setattr(engine_module, "LONE_AFTER", -1.0)
    bench.core.answer = lambda signal: [hold(f"{named(signal)}-1"), hold(f"{named(signal)}-2")]
    bench.switch.meanwhile = lambda order: bench.engine.tell(held("c2")) if order == hold("c1-1") else None
    async with bench.turning():
        await bench.engine.turning()
        bench.switch.orders.clear()
        bench.engine.tell(held("c1"))
        assert bench.switch.orders == [hold("c1-1"), hold("c1-2")]
        await soon(lambda: len(bench.switch.orders) == 4)
    assert bench.switch.orders[2:] == [hold("c2-1"), hold("c2-2")]


async def test_in_a_burst_a_signal_waits_until_others_had_their_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "LONE_AFTER", 3600.0)
    async with bench.turning():
        await bench.engine.ask(held("c1"))
        bench.engine.tell(held("c2"))
        assert bench.core.signals == [held("c1")]
        await bench.core.until(lambda: bench.core.signals == [held("c1"), held("c2")])


async def test_how_long_each_signal_took_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From when it came: one that waits behind others has waited for them, too."""
    ticks = iter(range(1000))
    monkeypatch.setattr(engine_module, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    monkeypatch.setattr(engine_module, "BEAT_EVERY", 3600)
    bench.engine.tell(held("c1"))  # at 0
    bench.engine.tell(held("c2"))  # at 1
    bench.engine.tell(held("c3"))  # at 2
    async with bench.turning():
        await soon(lambda: len(bench.took) >= 3)
    # The beat comes behind them, or between two readings of the clock.
    assert bench.took[:3] in ([3, 3, 3], [4, 4, 4])


async def test_everything_goes_to_whom_it_concerns(bench: Bench) -> None:
    """Orders to the switch, notices to the observers, the verdict to whoever asked and to nobody else."""
    call = CallId("c1")
    treat, order = m.Treat(call, m.Verdict.HOLD), hold("c1")
    intent = m.RememberIntent(AgentId("anna"), "ready", "", bench.clock.now())
    notice, amend = entered_failsafe("c1"), m.AmendRecord(Amendment(call, bench.clock.now(), test=True))
    bench.core.answer = lambda _: [treat, order, intent, notice, amend]
    async with bench.turning():
        assert await bench.engine.ask(held("c1")) == [treat, order, intent, notice, amend]
    assert bench.switch.orders == [order]
    assert bench.diary.intents == [intent]
    assert bench.notices == [notice]
    assert bench.shelf.records == []
    assert bench.shelf.amendments == [amend.amendment]


async def test_whoever_waits_at_the_door_is_answered_before_anything_else_is_done(bench: Bench) -> None:
    """The caller hears the line until then; orders about others, and what is noted, come after."""
    treat, order, notice = m.Treat(CallId("c1"), m.Verdict.HOLD), hold("c2"), entered_failsafe("c3")
    bench.core.answer = lambda _: [order, notice, treat]
    done: list[object] = []

    def answered(outputs: object) -> None:
        done.append((outputs, list(bench.switch.orders), list(bench.notices)))

    async with bench.turning():
        bench.engine.tell(held("c1"), answered)
        await bench.engine.turning()
    assert done == [([order, notice, treat], [], [])]
    assert (bench.switch.orders[0], bench.notices[0]) == (order, notice)


async def test_an_observer_is_told_what_it_asks_for_and_nothing_else() -> None:
    everything: list[m.Notice] = []
    some: list[m.Notice] = []
    nothing: list[m.Notice] = []
    bench = Bench(None, everything.append, ({m.FailsafeEntered}, some.append), (set(), nothing.append))
    ignored, entered = m.Ignored("CallerHeld", "unknown call", "c1"), entered_failsafe("c1")
    bench.core.answer = lambda _: [ignored, entered, ignored]
    async with bench.turning():
        await bench.engine.ask(held("c1"))
    assert everything == [ignored, entered, ignored]
    assert some == [entered]
    assert nothing == []


async def test_the_moment_of_the_signal_in_hand_is_known_to_who_is_told_of_it() -> None:
    moments: list[datetime] = []
    here = Bench(None, lambda _: moments.append(here.engine.now))
    here.core.answer = lambda _: [entered_failsafe("c1")]
    async with here.turning():
        then = here.clock.advance(5)
        await here.engine.ask(held("c1"))
    assert moments == [then]


async def test_a_finished_call_is_on_the_shelf_before_the_asker_hears_of_it(
    centre: tuple[Bench, ObservedAcd],
) -> None:
    bench, _ = centre
    async with bench.turning():
        await bench.engine.ask(found(bench))
        await bench.engine.ask(m.CallArrived(CallId("c1"), LANGENHAGEN, ANI))
        await bench.engine.ask(held("c1"))
        await bench.engine.ask(m.CallerHungUp(CallId("c1")))
        assert [record.call for record in bench.shelf.records] == ["c1"]


async def test_whoever_asks_gets_exactly_what_the_own_signal_caused(bench: Bench) -> None:
    bench.core.answer = lambda signal: [hold(named(signal))]
    async with bench.turning():
        for number in range(20):
            bench.engine.tell(held(f"told-{number}"))
        answers = await asyncio.gather(*(bench.engine.ask(held(str(number))) for number in range(20)))
    assert answers == [[hold(str(number))] for number in range(20)]


async def test_who_gives_up_asking_has_still_told(bench: Bench) -> None:
    asking = asyncio.create_task(bench.engine.ask(held("impatient")))
    await asyncio.sleep(0)
    assert bench.engine.inbox_depth == 1
    asking.cancel()
    await asyncio.wait({asking})
    async with bench.turning():
        await bench.engine.ask(held("next"))
    assert bench.core.signals == [held("impatient"), held("next")]
    assert bench.engine.failures == 0


async def test_every_signal_is_stamped_once_as_it_leaves_the_inbox(bench: Bench) -> None:
    bench.engine.tell(held("early"))
    put_in = bench.clock.now()
    taken_out = bench.clock.advance(5)
    async with bench.turning():
        await bench.engine.ask(held("late"))
    assert [now for _, now in bench.core.heard] == [taken_out, taken_out]
    assert put_in < taken_out


# ---------------------------------------------------------------- faults


async def test_a_core_that_raises_costs_one_signal_and_no_other(bench: Bench) -> None:
    def answer(signal: m.Signal) -> list[Output]:
        if named(signal) == "poison":
            raise ZeroDivisionError("a defect")
        return [hold(named(signal))]

    bench.core.answer = answer
    with capture_logs() as logs:
        async with bench.turning() as turning:
            for call in ("c1", "poison", "c2"):
                bench.engine.tell(held(call))
            with pytest.raises(ZeroDivisionError, match="a defect"):
                await bench.engine.ask(held("poison"))
            assert await bench.engine.ask(held("c3")) == [hold("c3")]
            assert not turning.done()
    assert bench.switch.orders == [hold("c1"), hold("c2"), hold("c3")]
    assert bench.engine.failures == 2
    assert [entry["log_level"] for entry in logs if entry["event"] == "engine.defect"] == ["error", "error"]


async def test_an_observer_that_raises_costs_nothing() -> None:
    def broken(_: m.Notice) -> None:
        raise RuntimeError("the counter is broken")

    second: list[m.Notice] = []
    bench = Bench(None, broken, second.append)
    notice = entered_failsafe("c1")
    bench.core.answer = lambda _: [notice, hold("c1")]
    with capture_logs() as logs:
        async with bench.turning():
            assert await bench.engine.ask(held("c1")) == [notice, hold("c1")]
    assert second == [notice]
    assert bench.switch.orders == [hold("c1")]
    assert bench.engine.failures == 0
    assert [(entry["event"], entry["notice"]) for entry in logs] == [("notice.lost", "FailsafeEntered")]


async def test_who_asks_and_raises_costs_nobody_an_order(bench: Bench) -> None:
    """Whoever is told the answer breaks their word: what was decided is carried out all the same."""

    def breaks(_: object) -> None:
        raise RuntimeError("the way to the dialplan is broken")

    bench.core.answer = lambda signal: [hold(named(signal))]
    with capture_logs() as logs:
        async with bench.turning():
            bench.engine.tell(held("c1"), breaks)
            assert await bench.engine.ask(held("c2")) == [hold("c2")]
    assert bench.switch.orders == [hold("c1"), hold("c2")]
    assert bench.engine.failures == 1
    assert [entry["event"] for entry in logs] == ["engine.defect"]


async def test_an_order_that_cannot_be_carried_out_costs_no_other_order(bench: Bench) -> None:
    """The switch never raises, it says; should it raise all the same, nobody else's call may stand still."""

    def fails(order: m.Order) -> None:
        if order == hold("poison"):
            raise ZeroDivisionError("a defect")

    bench.switch.meanwhile = fails
    bench.core.answer = lambda signal: [hold("poison"), hold(named(signal))]
    with capture_logs() as logs:
        async with bench.turning() as turning:
            assert await bench.engine.ask(held("c1")) == [hold("poison"), hold("c1")]
            await bench.engine.ask(held("c2"))
            assert not turning.done()
    assert bench.switch.orders == [hold("poison"), hold("c1"), hold("poison"), hold("c2")]
    assert bench.engine.failures == 2
    assert {entry["event"] for entry in logs} == {"engine.defect"}


# ---------------------------------------------------------------- time


async def test_a_deadline_becomes_a_tick(bench: Bench) -> None:
    due = bench.clock.now()
    bench.core.deadline = due

    def answer(_: m.Signal) -> list[Output]:
        bench.core.deadline = None
        return []

    bench.core.answer = answer
    async with bench.turning():
        await bench.core.until(lambda: bool(bench.core.heard))
    assert bench.core.heard == [(m.Tick(), due)]


async def test_before_a_deadline_there_is_no_tick(bench: Bench) -> None:
    bench.core.deadline = bench.clock.now() + timedelta(hours=1)
    async with bench.turning():
        await bench.engine.ask(held("c1"))
        await bench.engine.ask(held("c2"))
    assert bench.core.signals == [held("c1"), held("c2")]


async def test_a_deadline_that_comes_nearer_is_kept(bench: Bench) -> None:
    """Nobody says so but the core, when it is asked after the next signal."""
    bench.core.deadline = bench.clock.now() + timedelta(hours=1)

    def answer(signal: m.Signal) -> list[Output]:
        bench.core.deadline = None if isinstance(signal, m.Tick) else bench.clock.now()
        return []

    async with bench.turning():
        await bench.engine.ask(held("c1"))
        bench.core.answer = answer
        bench.engine.tell(held("c2"))
        await bench.core.until(lambda: m.Tick() in bench.core.signals)
    assert bench.core.signals == [held("c1"), held("c2"), m.Tick()]


async def test_a_deadline_that_is_put_off_is_kept_as_it_is_now(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BEAT_EVERY", 3600)
    begun = bench.clock.now()
    bench.core.deadline = begun + timedelta(seconds=0.01)
    async with bench.turning():
        bench.engine.tell(held("c1"))
        await bench.core.until(lambda: bench.core.signals == [held("c1")])
        bench.core.deadline = begun + timedelta(hours=1)
        looked = bench.core.looked_at
        # The alarm for the first moment rings in vain and is set anew.
        await bench.core.until(lambda: bench.core.looked_at >= looked + 2)
        assert bench.core.signals == [held("c1")]


async def test_an_offer_nobody_answers_is_taken_back_though_nothing_else_happens(
    centre: tuple[Bench, ObservedAcd],
) -> None:
    bench, acd = centre

    def time_passes(order: m.Order) -> None:
        if isinstance(order, m.Offer):
            bench.clock.advance(22.5)  # ring time and grace

    async with bench.turning():
        await bench.engine.ask(found(bench))
        await bench.engine.ask(m.AgentReady(AgentId("anna")))
        await bench.engine.ask(m.CallArrived(CallId("c1"), LANGENHAGEN, ANI))
        bench.switch.meanwhile = time_passes
        bench.engine.tell(held("c1"))
        await acd.awaited.until(lambda: any(isinstance(n, m.OfferMissed) for n in bench.notices))
    orders = [order for order in bench.switch.orders if isinstance(order, m.Offer | m.Hold)]
    assert orders == [
        m.Offer(CallId("c1"), OfferId("1"), AgentId("anna"), Phone("phone-anna"), timedelta(seconds=20)),
        hold("c1"),
    ]


async def test_the_heart_beats_only_while_the_switch_is_there(
    centre: tuple[Bench, ObservedAcd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat tells Asterisk that callers are in good hands; without a picture of it they are not."""
    monkeypatch.setattr(engine_module, "BEAT_EVERY", 0.001)
    bench, acd = centre
    hearts = bench.switch.orders

    async def three_beats() -> None:
        after = acd.beats + 3
        await acd.awaited.until(lambda: acd.beats >= after)

    async with bench.turning():
        await three_beats()
        assert m.Heartbeat() not in hearts

        await bench.engine.ask(found(bench))
        await three_beats()
        assert m.Heartbeat() in hearts

        await bench.engine.ask(m.SwitchLost("asterisk"))
        hearts.clear()
        await three_beats()
        assert m.Heartbeat() not in hearts


async def test_a_flood_of_signals_does_not_keep_others_from_their_turn(bench: Bench) -> None:
    flood = 10_000
    for number in range(flood):
        bench.engine.tell(held(str(number)))
    turns = 0
    async with bench.turning():
        while len(bench.core.heard) < flood:
            await asyncio.sleep(0)
            turns += 1
    assert turns >= flood / engine_module.BREATHE_AFTER


# ---------------------------------------------------------------- stopping


async def test_the_engine_says_whether_it_turns(bench: Bench) -> None:
    async with bench.turning():
        assert await bench.engine.turning()
    async with asyncio.timeout(0.5):  # no need to wait for an answer
        assert not await bench.engine.turning()


async def test_an_engine_that_stands_still_is_found_out_within_a_second(bench: Bench) -> None:
    async with asyncio.timeout(1.5):
        assert not await bench.engine.turning()  # run() was never called


async def test_asking_a_stopped_engine_is_refused_at_once(bench: Bench) -> None:
    async with bench.turning():
        await bench.engine.ask(held("c1"))
    async with asyncio.timeout(1):
        with pytest.raises(Stopped):
            await bench.engine.ask(held("c2"))
    bench.engine.tell(held("c3"))  # costs nobody anything
    told: list[object] = []
    bench.engine.tell(held("c4"), told.append)
    assert [type(answer) for answer in told] == [Stopped]
    assert bench.core.signals == [held("c1")]


async def test_who_still_waits_when_the_engine_stops_is_told(bench: Bench) -> None:
    """Stopped in the middle of a flood: nobody may hang on an answer that will never come."""
    async with bench.turning() as turning:

        def answer(signal: m.Signal) -> list[Output]:
            turning.cancel()
            return [hold(named(signal))]

        bench.core.answer = answer
        calls = [str(number) for number in range(engine_module.BREATHE_AFTER + 5)]
        asking = [asyncio.create_task(bench.engine.ask(held(call))) for call in calls]
        async with asyncio.timeout(3):
            answers = await asyncio.gather(*asking, return_exceptions=True)
    answered = [a for a in answers if isinstance(a, list)]
    told = [a for a in answers if isinstance(a, Stopped)]
    assert answered[0] == [hold("0")]
    assert len(told) >= 5
    assert len(answered) + len(told) == len(answers)
    assert bench.engine.inbox_depth == 0


async def test_what_was_told_before_the_stop_is_still_heard(bench: Bench) -> None:
    """A hang-up among the signals that are left is a record."""
    left = [held(str(number)) for number in range(engine_module.BREATHE_AFTER + 5)]
    async with bench.turning() as turning:

        def answer(_: m.Signal) -> list[Output]:
            turning.cancel()
            return []

        bench.core.answer = answer
        for signal in left:
            bench.engine.tell(signal)
        await asyncio.wait({turning}, timeout=3)
    assert bench.core.signals == left


# ---------------------------------------------------------------- who watches


async def test_who_watches_is_told_after_what_may_have_changed_something_and_after_nothing_else(
    centre: tuple[Bench, ObservedAcd],
) -> None:
    bench, _ = centre
    seen: list[str] = []
    async with bench.turning():
        await bench.engine.ask(found(bench))
        unwatch = bench.engine.watch(lambda: seen.append(str(bench.engine.view().agents[0].intent)))
        await bench.engine.turning()
        assert any(isinstance(order, m.Heartbeat) for order in await bench.engine.ask(m.Beat()))
        assert seen == []
        await bench.engine.ask(m.AgentSignedIn(AgentId("anna")))
        assert seen == ["not-ready"]
        unwatch()
        await bench.engine.ask(m.AgentSignedOut(AgentId("anna")))
        assert seen == ["not-ready"]


async def test_a_beat_that_comes_just_when_something_was_due_is_told(bench: Bench) -> None:
    seen: list[datetime] = []
    bench.engine.watch(lambda: seen.append(bench.clock.now()))
    async with bench.turning():
        await bench.engine.ask(m.Beat())
        assert seen == []
        bench.core.deadline = bench.clock.now() + timedelta(seconds=1)
        await bench.engine.ask(m.Beat())
        assert seen == []
        bench.clock.advance(1)
        await bench.engine.ask(m.Beat())
        assert seen


async def test_who_watches_and_raises_costs_nothing(bench: Bench) -> None:
    def breaks() -> None:
        raise RuntimeError("a watcher that breaks its word")

    seen: list[int] = []
    bench.engine.watch(breaks)
    bench.engine.watch(lambda: seen.append(1))
    async with bench.turning():
        with capture_logs() as lines:
            await bench.engine.ask(held("c1"))
            assert await bench.engine.turning()
    assert [line["event"] for line in lines] == ["engine.defect"]
    assert (seen, bench.engine.failures) == ([1], 1)
