"""The switch as the engine sees it: a toy AMI server on one side, a real AGI client on the other, and in between
nothing that decides.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.model import AgentId, CallId, OfferId, PartnerId, Phone, QueueId
from dialog_acd.engine import Engine
from dialog_acd.switch import asterisk as asterisk_module
from dialog_acd.switch.ami import AmiAddress, AmiLimits, AmiLink, AmiLoginRefused, LinkState
from dialog_acd.switch.asterisk import Asterisk
from dialog_acd.switch.translate import Untranslatable
from dialog_acd.testing import LANGENHAGEN, ManualClock, SequentialIds, demo_directory
from patience import Awaited, Tally
from switch.test_agi import variables_set_by
from switch.toy_ami import SECRET, Action, Connection, ToyAmi, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dialog_acd.core.records import Amendment, CallRecord
    from dialog_acd.engine import Outputs, Then

CALL = CallId("acd-1700000000.12")
CHANNEL = "PJSIP/trunk-0000000c"
RING = timedelta(seconds=20)


class Listener(Awaited):
    """In the engine's place: keeps the signals, answers questions as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.signals: list[m.Signal] = []
        self.answer: Callable[[m.Signal], Outputs | Exception | None] = lambda _: []
        """``None``: none at all."""

    def tell(self, signal: m.Signal, then: Then | None = None) -> None:
        self.signals.append(signal)
        self.moved()
        if then is not None and (answer := self.answer(signal)) is not None:
            then(answer)

    async def hears(self, kind: type[m.Signal], times: int = 1) -> list[Any]:
        """Every signal of this kind, once there are so many."""
        await self.until(lambda: len(self.heard(kind)) >= times)
        return self.heard(kind)

    def heard(self, kind: type[m.Signal]) -> list[m.Signal]:
        return [s for s in self.signals if isinstance(s, kind)]


def as_list(*items: str) -> Callable[[Connection, Action], None]:
    """A script: answer with this list. Each item is its headers, one a line."""

    def script(connection: Connection, action: Action) -> None:
        connection.reply(action, "EventList: start")
        for item in items:
            connection.say(event("Item", f"ActionID: {action['ActionID']}", *item.strip().splitlines()))
        last = ("EventList: Complete", f"ListItems: {len(items)}")
        connection.say(event("ListComplete", f"ActionID: {action['ActionID']}", *last))

    return script


def channel(context: str, extension: str = "s", call: str = CALL, name: str = CHANNEL, **variables: str) -> str:
    """One channel of CoreShowChannels."""
    known = {"ACD_CALL": call, **variables}
    lines = [f"Channel: {name}", f"Uniqueid: {call}", f"Context: {context}", f"Exten: {extension}", "BridgeId: "]
    return "\n".join(lines + [f"ChanVariable: {key}={value}" for key, value in known.items()])


def device(phone: str, state: str = "NOT_INUSE") -> str:
    return f"Device: PJSIP/{phone}\nState: {state}"


@dataclass
class Bench:
    toy: ToyAmi
    core: Listener
    asterisk: Asterisk
    clock: ManualClock
    running: asyncio.Task[None]

    async def ask(self, script: str, *arguments: str, **fields: str) -> dict[str, str]:
        return await agi(self.asterisk.agi.port, script, *arguments, **fields)

    def posts_within(self, seconds: float) -> None:
        """Give Asterisk less patience than the default three seconds."""
        self.asterisk.link.post = partial(self.asterisk.link.post, timeout=seconds)  # type: ignore[method-assign]


async def agi(port: int, script: str, *arguments: str, **fields: str) -> dict[str, str]:
    """Ask as Asterisk does; the channel variables that stood there when we were hung up on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    headers = {"network": "yes", "network_script": script, "channel": CHANNEL, "uniqueid": CALL, **fields}
    headers |= {f"arg_{number}": argument for number, argument in enumerate(arguments, 1)}
    writer.write("".join(f"agi_{key}: {value}\n" for key, value in headers.items()).encode() + b"\n")
    said: dict[str, str] = {}
    try:
        async with asyncio.timeout(3):
            while line := (await reader.readline()).decode():
                said |= variables_set_by(line.removesuffix("\n"))
                writer.write(b"200 result=1\n")
    finally:
        writer.close()
        await writer.wait_closed()
    return said


@asynccontextmanager
async def switch(
    toy: ToyAmi,
    *,
    found: bool = True,
    secret: str = SECRET,
    random: Callable[[], float] = lambda: 0.5,
    limits: AmiLimits | None = None,
    agi_answer_within: float = 2.0,
) -> AsyncIterator[Bench]:
    core, clock, directory = Listener(), ManualClock(), demo_directory()
    address = AmiAddress("127.0.0.1", toy.port, "dialog-acd", secret)
    asterisk = Asterisk(address, core, clock, lambda: directory, random=random, agi_answer_within=agi_answer_within)
    asterisk.link._limits = limits or asterisk.link._limits
    await asterisk.agi.start("127.0.0.1", 0)
    running = asyncio.create_task(asterisk.run())
    try:
        if found:
            await core.hears(m.SwitchFound)
        yield Bench(toy, core, asterisk, clock, running)
    finally:
        await asterisk.agi.close()
        await asterisk.link.close()
        running.cancel()
        await asyncio.wait({running})


@pytest.fixture
async def toy() -> AsyncIterator[ToyAmi]:
    async with ToyAmi() as toy:
        toy.scripts["CoreShowChannels"] = as_list()
        toy.scripts["DeviceStateList"] = as_list(device("phone-anna"), device("phone-bert", "UNAVAILABLE"))
        yield toy


@pytest.fixture
async def bench(toy: ToyAmi) -> AsyncIterator[Bench]:
    """A switch that was found with one caller in the waiting loop."""
    toy.scripts["CoreShowChannels"] = as_list(channel("acd-wait"))
    async with switch(toy) as bench:
        yield bench


def offer(call: str = CALL, number: str = "7") -> m.Offer:
    return m.Offer(CallId(call), OfferId(number), AgentId("anna"), Phone("phone-anna"), RING)


def redirects(toy: ToyAmi) -> list[tuple[str, str, str]]:
    return [(a["Channel"], a["Context"], a["Exten"]) for a in toy.received("Redirect")]


# ---------------------------------------------------------------- the picture


async def test_after_the_login_the_core_gets_the_whole_picture(toy: ToyAmi) -> None:
    toy.scripts["CoreShowChannels"] = as_list(
        channel("acd-wait", ACD_QUEUE="langenhagen", ACD_ENTERED="1772438400000"),
        channel("acd-agents", call="acd-1700000000.13", name="PJSIP/phone-anna-0000000d", ACD_CALL=CALL),
    )
    async with switch(toy) as bench:
        (found,) = await bench.core.hears(m.SwitchFound)
        began = bench.clock.now()
    assert found == m.SwitchFound(
        "asterisk",
        (m.SwitchCall(CALL, "wait", QueueId("langenhagen"), began.replace(hour=8)),),
        ((Phone("phone-anna"), "reachable"), (Phone("phone-bert"), "unreachable")),
        began,
        audit=False,
    )


async def test_what_happens_while_the_picture_is_taken_comes_after_it(toy: ToyAmi) -> None:
    toy.after_login = event("DeviceStateChange", "Device: PJSIP/phone-anna", "State: BUSY")
    async with switch(toy) as bench:
        await bench.core.hears(m.PhoneStateChanged)
        assert [type(s) for s in bench.core.signals] == [m.SwitchFound, m.PhoneStateChanged]


async def test_a_lost_link_is_told_and_a_new_one_brings_a_new_picture(bench: Bench) -> None:
    bench.toy.now.drop()
    await bench.core.hears(m.SwitchLost)
    await bench.core.hears(m.SwitchFound, 2)
    assert [type(s) for s in bench.core.signals] == [m.SwitchFound, m.SwitchLost, m.SwitchFound]


async def test_events_become_signals(bench: Bench) -> None:
    bench.toy.now.say(
        event("UserEvent", "UserEvent: AcdHeld", "Call: c9", "Channel: PJSIP/trunk-00000009", "Queue: hannover")
        + event("DeviceStateChange", "Device: PJSIP/phone-anna", "State: RINGING")
        + event("Newexten", "Channel: x")
        + event("Hangup", "Uniqueid: c9", "Cause: 16")
    )
    await bench.core.hears(m.CallerHungUp)
    assert bench.core.signals[1:] == [
        m.CallerHeld(CallId("c9"), QueueId("hannover"), None),
        m.PhoneStateChanged(Phone("phone-anna"), "in-use"),
        m.CallerHungUp(CallId("c9"), 16),
    ]


async def test_the_audit_compares_and_outlives_a_broken_answer(toy: ToyAmi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal, then a list that breaks off: the audit is missed, the service lives, the next one compares."""
    monkeypatch.setattr(asterisk_module, "AUDIT_EVERY", 0.02)
    whole = toy.scripts["CoreShowChannels"]
    broken = 0

    def breaks(connection: Connection, action: Action) -> None:
        nonlocal broken
        broken += 1
        if broken == 1:
            whole(connection, action)  # the greeting
        elif broken == 2:
            connection.reply(action, "Message: Permission denied", response="Error")
        elif broken == 3:
            connection.reply(action, "EventList: start")
            connection.say(event("X", f"ActionID: {action['ActionID']}", "EventList: cancelled"))
        else:
            as_list(channel("acd-wait"))(connection, action)

    toy.scripts["CoreShowChannels"] = breaks
    with capture_logs() as logs:
        async with switch(toy) as bench:
            found = await bench.core.hears(m.SwitchFound, 2)
            assert not bench.running.done()
    assert [(f.audit, [c.call for c in f.calls]) for f in found[:2]] == [(False, []), (True, [CALL])]
    assert [line["event"] for line in logs].count("switch.audit_failed") == 2


async def test_a_failsafe_plan_is_named_only_when_all_of_it_is_there(
    toy: ToyAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is refused: the plan of before stays in force until an audit has written the new one whole."""
    monkeypatch.setattr(asterisk_module, "AUDIT_EVERY", 0.02)
    refusals = iter([True])

    def written(connection: Connection, action: Action) -> None:
        if action["Variable"].endswith("/default)") and next(refusals, False):
            connection.reply(action, "Message: Permission denied", response="Error")
        else:
            connection.reply(action)

    def rows() -> list[str]:
        named = re.compile(r"PRESENCE_STATE\(CustomPresence:(?:acd-profile/\w+/(default)|acd/(generation))\)")
        found = (named.fullmatch(action["Variable"]) for action in toy.received("Setvar"))
        return [match[1] or match[2] for match in found if match]

    toy.scripts["Setvar"] = written
    async with switch(toy) as bench:
        bench.asterisk.perform(m.KeepFailsafe((), (), "town"))
        await toy.until(lambda: "generation" in rows())
        assert bench.asterisk.orders_failed == 1
        await bench.core.hears(m.SwitchFound, len(bench.core.heard(m.SwitchFound)) + 3)
    assert rows() == ["default", "default", "generation"], "refused; written whole by one audit and by no other"


async def test_a_refused_failsafe_plan_does_not_keep_the_next_one_waiting(toy: ToyAmi) -> None:
    """It was superseded while it was written; the new one goes out at once, and not with an audit a minute later."""
    async with switch(toy) as bench:

        def written(connection: Connection, action: Action) -> None:
            if action["Value"].endswith("old"):
                bench.asterisk.perform(m.KeepFailsafe((), (), "new"))
                connection.reply(action, "Message: Permission denied", response="Error")
            else:
                connection.reply(action)

        toy.scripts["Setvar"] = written
        bench.asterisk.perform(m.KeepFailsafe((), (), "old"))
        await toy.until(lambda: any(a["Variable"].endswith("acd/generation)") for a in toy.received("Setvar")))
    assert [a["Value"][9:] for a in toy.received("Setvar") if a["Variable"].endswith("/default)")] == ["old", "new"]


async def test_while_the_link_is_down_no_audit_is_tried(toy: ToyAmi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asterisk_module, "AUDIT_EVERY", 0.001)
    toy.scripts["DeviceStateList"] = lambda *_: None  # the greeting hangs: logged in, not up
    looks = Tally()

    def up(link: AmiLink) -> bool:
        looks.count()
        return link.state is LinkState.UP

    monkeypatch.setattr(AmiLink, "up", property(up))
    async with switch(toy, found=False):
        await toy.until(lambda: bool(toy.received("DeviceStateList")))
        await looks.more(5)
        assert len(toy.received("CoreShowChannels")) == 1


@pytest.mark.parametrize("audit", [False, True])
async def test_who_arrives_while_the_picture_is_taken_can_be_offered(
    toy: ToyAmi, monkeypatch: pytest.MonkeyPatch, *, audit: bool
) -> None:
    """The list of channels is older than the caller; it must not make us forget where the caller is."""
    whole = toy.scripts["DeviceStateList"]
    waiting: list[Callable[[], None]] = []

    def slow(connection: Connection, action: Action) -> None:
        waiting.append(lambda: whole(connection, action))

    if audit:
        monkeypatch.setattr(asterisk_module, "AUDIT_EVERY", 0.01)
    else:
        toy.scripts["DeviceStateList"] = slow
    async with switch(toy, found=audit) as bench:
        toy.scripts["DeviceStateList"] = slow
        await toy.until(lambda: bool(waiting))
        await bench.ask("arrive", dnid=LANGENHAGEN)
        waiting[0]()
        await bench.core.hears(m.SwitchFound, 2 if audit else 1)
        bench.asterisk.perform(offer())
        await toy.until(lambda: bool(toy.received("Redirect")))
        assert redirects(toy) == [(CHANNEL, "acd-offer", "phone-anna*7")]


async def test_who_has_gone_is_forgotten_by_the_next_picture(bench: Bench) -> None:
    bench.toy.scripts["CoreShowChannels"] = as_list()
    bench.toy.now.drop()
    await bench.core.hears(m.SwitchFound, 2)
    bench.asterisk.perform(offer())
    (failed,) = await bench.core.hears(m.OrderFailed)
    assert failed == m.OrderFailed(offer(), f"call {CALL} is on no channel we know", certain=True)


# ---------------------------------------------------------------- logging in


async def test_a_secret_refused_from_the_start_ends_the_switch(toy: ToyAmi) -> None:
    """Whoever has just started the service is there to read it; trying again repairs no secret."""
    async with switch(toy, found=False, secret="wrong") as bench:
        async with asyncio.timeout(3):
            with pytest.raises(AmiLoginRefused, match=r"refused the login of 'dialog-acd'.*ACD_AMI__SECRET_FILE"):
                await bench.running
        assert len(toy.received("Login")) == 1


async def test_a_secret_refused_later_is_tried_again(toy: ToyAmi) -> None:
    """There are calls now, and somebody may be editing manager.conf: nothing is given up."""

    def refuse(connection: Connection, action: Action) -> None:
        connection.reply(action, "Message: Authentication failed", response="Error")
        connection.writer.close()

    async with switch(toy, limits=AmiLimits(pause_refused=0.01, pause_first=0.01)) as bench:
        toy.scripts["Login"] = refuse
        toy.now.drop()
        await toy.until(lambda: len(toy.received("Login")) == 3)
        assert not bench.running.done()
        del toy.scripts["Login"]
        await bench.core.hears(m.SwitchFound, 2)


async def test_an_asterisk_that_is_down_is_said_once(toy: ToyAmi) -> None:
    await toy.__aexit__()
    dice = Tally()  # thrown at least once for every attempt
    with capture_logs() as logs:
        async with switch(toy, found=False, random=dice.count, limits=AmiLimits(pause_first=0.001)) as bench:
            await bench.core.hears(m.SwitchLost)
            await dice.more(10)
            assert not bench.running.done()
            assert "Nothing listens at" in str(bench.asterisk.link.last_error)
    assert [line["event"] for line in logs] == ["ami.lost"]


# ---------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("order", "context", "extension"),
    [
        (offer(), "acd-offer", "phone-anna*7"),
        (m.Hold(CALL), "acd-wait", "s"),
        (m.Withdraw(CALL, OfferId("7")), "acd-wait", "s"),
        (m.Say(CALL, "emergency"), "acd-say", "emergency"),
        (m.Say(CALL, "acd/callback-offer", callback=True), "acd-callback", "callback-offer"),
        (m.Release(CALL, "acd/callback-noted", again=False), "acd-closed", "callback-noted**bye"),
        (m.Divert(CALL, PartnerId("oldenburg"), "+494412350", RING), "acd-overflow", "oldenburg*494412350*20"),
    ],
    ids=lambda value: (
        type(value).__name__ if isinstance(value, m.Offer | m.Hold | m.Withdraw | m.Say | m.Divert) else ""
    ),
)
async def test_an_order_about_a_call_moves_its_channel(
    bench: Bench, order: m.Order, context: str, extension: str
) -> None:
    bench.asterisk.perform(order)
    await bench.toy.until(lambda: bool(bench.toy.received("Redirect")))
    assert redirects(bench.toy) == [(CHANNEL, context, extension)]
    assert bench.asterisk.orders_failed == 0


@pytest.mark.parametrize(
    ("opens_at", "extension"),
    [(None, "closed*"), (datetime(2026, 11, 2, 6, 0, tzinfo=UTC), "closed*1793599200")],
)
async def test_release_says_when_we_open_again(bench: Bench, opens_at: datetime | None, extension: str) -> None:
    bench.asterisk.perform(m.Release(CALL, "acd/closed", opens_at))
    await bench.toy.until(lambda: bool(bench.toy.received("Redirect")))
    assert redirects(bench.toy) == [(CHANNEL, "acd-closed", extension)]


async def test_the_heartbeat_is_asterisks_own_clock(bench: Bench) -> None:
    bench.asterisk.perform(m.Heartbeat())
    await bench.toy.until(lambda: bool(bench.toy.received("Setvar")))
    (action,) = bench.toy.received("Setvar")
    assert action["Variable"] == "ACD_HEARTBEAT"
    assert abs(int(action["Value"]) - 1700000000) <= 5
    await bench.asterisk.link.call({"Action": "Ping"})  # the answer before this one has been heard
    assert bench.asterisk.heartbeat_age() is not None


async def test_orders_leave_in_the_order_given(bench: Bench) -> None:
    """Even when Asterisk answers none of them yet: an order does not wait for the reply to the one before."""
    bench.toy.mute = {"Redirect"}
    for number in range(100):
        bench.asterisk.perform(offer(number=str(number)))
    await bench.toy.until(lambda: len(bench.toy.received("Redirect")) == 100)
    assert [extension for _, _, extension in redirects(bench.toy)] == [f"phone-anna*{n}" for n in range(100)]


async def test_what_asterisk_refuses_has_certainly_not_happened(bench: Bench) -> None:
    def refuse(connection: Connection, action: Action) -> None:
        connection.reply(action, "Message: Channel does not exist: PJSIP/gone", response="Error")

    bench.toy.scripts["Redirect"] = refuse
    bench.asterisk.perform(offer())
    (failed,) = await bench.core.hears(m.OrderFailed)
    assert (failed.order, failed.certain) == (offer(), True)
    assert "Channel does not exist" in failed.why


async def test_what_asterisk_does_not_answer_may_have_happened(bench: Bench) -> None:
    bench.toy.mute = {"Redirect"}
    bench.posts_within(0.05)
    bench.asterisk.perform(offer())
    (failed,) = await bench.core.hears(m.OrderFailed)
    assert (failed.order, failed.certain) == (offer(), False)


async def test_what_was_on_its_way_when_the_link_broke_may_have_happened(bench: Bench) -> None:
    bench.toy.mute = {"Redirect"}
    bench.asterisk.perform(offer())
    await bench.toy.until(lambda: bool(bench.toy.received("Redirect")))
    bench.toy.now.drop()
    (failed,) = await bench.core.hears(m.OrderFailed)
    assert (failed.order, failed.certain) == (offer(), False)
    await bench.core.hears(m.SwitchFound, 2)
    assert len(bench.toy.received("Redirect")) == 1  # never again


async def test_without_a_link_nothing_is_sent_now_or_later(bench: Bench) -> None:
    bench.toy.now.drop()
    await bench.core.hears(m.SwitchLost)
    bench.asterisk.perform(offer())
    (failed,) = await bench.core.hears(m.OrderFailed)
    assert (failed.order, failed.certain) == (offer(), True)
    await bench.core.hears(m.SwitchFound, 2)
    bench.asterisk.perform(m.Heartbeat())
    await bench.toy.until(lambda: bool(bench.toy.received("Setvar")))
    assert bench.toy.received("Redirect") == []


async def test_an_order_about_nobody_we_know_is_not_sent(bench: Bench) -> None:
    bench.asterisk.perform(offer(call="acd-1700000000.99"))
    (failed,) = await bench.core.hears(m.OrderFailed)
    assert failed.certain
    assert "on no channel we know" in failed.why
    assert bench.toy.received("Redirect") == []


async def test_nothing_can_be_smuggled_into_an_order(bench: Bench) -> None:
    bench.asterisk.perform(m.Say(CALL, "bye\r\n\r\nAction: Command"))
    (failed,) = await bench.core.hears(m.OrderFailed)
    assert failed.certain
    assert bench.toy.received("Command") == []
    assert bench.toy.received("Redirect") == []


async def test_a_heartbeat_that_fails_is_counted_and_no_calls_business(bench: Bench) -> None:
    def refuse(connection: Connection, action: Action) -> None:
        connection.reply(action, "Message: Permission denied", response="Error")

    bench.toy.scripts["Setvar"] = refuse
    bench.asterisk.perform(m.Heartbeat())
    bench.asterisk.perform(m.Hold(CALL))
    await bench.toy.until(lambda: bool(bench.toy.received("Redirect")))
    await bench.asterisk.link.call({"Action": "Ping"})  # every answer before this one has been heard
    assert bench.asterisk.orders_failed == 1
    assert bench.asterisk.heartbeat_age() is None, "what Asterisk refused, it has not heard"
    assert not any(isinstance(s, m.OrderFailed) for s in bench.core.signals)


# ---------------------------------------------------------------- questions


def treat(verdict: m.Verdict = m.Verdict.HOLD, offer: m.Offer | None = None) -> m.Treat:
    now = ManualClock().now()
    return m.Treat(
        CALL,
        verdict,
        queue=QueueId("langenhagen"),
        entered_at=now,
        max_wait_at=now + timedelta(minutes=15),
        ring_for=RING,
        announcement="langenhagen",
        label="Langenhagen",
        caller_name="Meier",
        ani="+4951123559876",
        offer=offer,
    )


async def test_who_arrives_is_told_what_to_do_the_verdict_last(bench: Bench) -> None:
    bench.core.answer = lambda _: [m.Hold(CallId("somebody-else")), treat()]
    said = await bench.ask(
        "arrive", "77@10.0.0.1", dnid=LANGENHAGEN, callerid="+4951123559876", calleridname="Meier", callingpres="0"
    )
    assert bench.core.signals[-1] == m.CallArrived(
        CALL, LANGENHAGEN, "+4951123559876", "Meier", trunk="trunk", trunk_call_id="77@10.0.0.1"
    )
    assert said == {
        "ACD_QUEUE": "langenhagen",
        "ACD_ENTERED": "1772438400000",
        "ACD_PATIENCE": "900",
        "ACD_MAX_WAIT": "1772439300",
        "ACD_RING": "20",
        "ACD_MUSIC": "acd",
        "ACD_GREETING": "",
        "_ACD_ANNOUNCE": "langenhagen",
        "ACD_SHOW": "Langenhagen: Meier",
        "ACD_SHOW_NUMBER": "+4951123559876",
        "ACD_VERDICT": "hold",
    }
    assert list(said)[-1] == "ACD_VERDICT"


async def test_for_whom_somebody_is_free_the_phone_is_in_the_answer(bench: Bench) -> None:
    """Asked for by a dialplan that says it can; all else is told as well, for the day nobody answers that phone."""
    bench.core.answer = lambda _: [treat()]
    held = await bench.ask("arrive", "77@10.0.0.1", "", dnid=LANGENHAGEN)
    bench.core.answer = lambda _: [treat(offer=offer())]
    said = await bench.ask("arrive", "77@10.0.0.1", "", "offer", dnid=LANGENHAGEN)
    assert [s.takes_offer for s in bench.core.signals if isinstance(s, m.CallArrived)] == [False, True]
    assert said == held | {"ACD_VERDICT": "offer:phone-anna*7"}
    assert list(said)[-1] == "ACD_VERDICT"
    assert redirects(bench.toy) == []


@pytest.mark.parametrize("verdict", [m.Verdict.EMERGENCY, m.Verdict.FAILSAFE])
async def test_who_is_not_queued_gets_the_verdict_alone(bench: Bench, verdict: m.Verdict) -> None:
    bench.core.answer = lambda _: [treat(verdict)]
    assert await bench.ask("arrive", dnid="112") == {"ACD_VERDICT": str(verdict)}


async def test_a_slow_engine_means_failsafe(toy: ToyAmi) -> None:
    async with switch(toy, agi_answer_within=0.05) as bench:
        bench.core.answer = lambda _: None
        assert await bench.ask("arrive", dnid=LANGENHAGEN) == {"ACD_VERDICT": "failsafe"}
        assert bench.asterisk.agi.timed_out == 1


async def test_an_engine_that_fails_means_failsafe(bench: Bench) -> None:
    bench.core.answer = lambda _: ZeroDivisionError("a defect")
    assert await bench.ask("arrive", dnid=LANGENHAGEN) == {"ACD_VERDICT": "failsafe"}
    assert await bench.ask("agent", "ready", "phone-anna") == {"ACD_VERDICT": "failsafe"}
    assert bench.asterisk.agi.failed == 2


async def test_an_answer_that_cannot_be_said_means_failsafe(bench: Bench) -> None:
    """Which is for the engine to count as a defect of ours; the caller does not wait for the end of a deadline."""
    here = m.Offer(CALL, OfferId("7"), AgentId("anna"), Phone("phone,anna"), RING)
    broken: list[Exception] = []

    def tell(signal: m.Signal, then: Then | None = None) -> None:
        assert then is not None
        try:
            then([treat(offer=here)])
        except Exception as error:  # noqa: BLE001  as the engine does
            broken.append(error)

    bench.core.tell = tell  # type: ignore[method-assign]
    assert await bench.ask("arrive", dnid=LANGENHAGEN) == {"ACD_VERDICT": "failsafe"}
    assert [type(error) for error in broken] == [Untranslatable]
    assert (bench.asterisk.agi.failed, bench.asterisk.agi.timed_out) == (1, 0)


async def test_an_engine_that_says_nothing_about_the_caller_means_failsafe(bench: Bench) -> None:
    assert await bench.ask("arrive", dnid=LANGENHAGEN) == {"ACD_VERDICT": "failsafe"}


@pytest.mark.parametrize("script", ["", "arrival", "agents", "../arrive"])
async def test_an_unknown_question_is_answered_with_failsafe(bench: Bench, script: str) -> None:
    assert await bench.ask(script) == {"ACD_VERDICT": "failsafe"}
    assert [type(s) for s in bench.core.signals] == [m.SwitchFound]  # nobody was bothered with it


@pytest.mark.parametrize(
    ("code", "signal"),
    [
        ("sign-in", m.AgentSignedIn(AgentId("anna"))),
        ("sign-out", m.AgentSignedOut(AgentId("anna"))),
        ("ready", m.AgentReady(AgentId("anna"))),
        ("not-ready", m.AgentNotReady(AgentId("anna"))),
    ],
)
async def test_a_feature_code_tells_the_core_and_says_so(bench: Bench, code: str, signal: m.Signal) -> None:
    said = await bench.ask("agent", code, "phone-anna")
    assert bench.core.signals[-1] == signal
    assert list(said) == ["ACD_ANSWER"]
    assert said["ACD_ANSWER"] == {"sign-in": "signed-in", "sign-out": "signed-out"}.get(code, code)


async def test_a_feature_code_the_core_ignores_is_answered_with_not_possible(bench: Bench) -> None:
    bench.core.answer = lambda _: [m.Ignored("AgentSignedOut", "in a conversation", "anna")]
    assert await bench.ask("agent", "sign-out", "phone-anna") == {"ACD_ANSWER": "not-possible"}


@pytest.mark.parametrize("arguments", [("ready", "phone-of-nobody"), ("dance", "phone-anna"), ("ready",), ()])
async def test_a_feature_code_of_nobody_reaches_nobody(bench: Bench, arguments: tuple[str, ...]) -> None:
    assert await bench.ask("agent", *arguments) == {"ACD_ANSWER": "not-an-agent"}
    assert [type(s) for s in bench.core.signals] == [m.SwitchFound]


# ---------------------------------------------------------------- with the real engine


class Shelf:
    def __init__(self) -> None:
        self.records: list[CallRecord] = []
        self.amendments: list[Amendment] = []

    def put(self, record: CallRecord) -> None:
        self.records.append(record)

    def amend(self, amendment: Amendment) -> None:
        self.amendments.append(amendment)


@pytest.mark.parametrize("at_once", [False, True], ids=["by way of the waiting loop", "at once"])
async def test_a_call_rings_through(toy: ToyAmi, *, at_once: bool) -> None:
    """From the door to anna's phone, to the record, on real sockets all the way."""
    clock, shelf, directory = ManualClock(), Shelf(), demo_directory(("anna",))
    engine = Engine(Acd(directory, clock.now(), SequentialIds()), clock, shelf, [])
    address = AmiAddress("127.0.0.1", toy.port, "dialog-acd", SECRET)
    asterisk = Asterisk(address, engine, clock, engine.directory, random=lambda: 0.5)
    engine.attach(asterisk)
    await asterisk.agi.start("127.0.0.1", 0)
    tasks = [asyncio.create_task(engine.run()), asyncio.create_task(asterisk.run())]
    carried = (f"ChanVariable: ACD_CALL={CALL}", "ChanVariable: ACD_OFFER=1")
    try:
        await toy.until(lambda: bool(toy.received("Setvar")))  # the picture is in, the heart beats
        port = asterisk.agi.port
        assert await agi(port, "agent", "ready", "phone-anna") == {"ACD_ANSWER": "ready"}
        asked = ("", "", "offer") if at_once else ("", "")
        said = await agi(port, "arrive", *asked, dnid=LANGENHAGEN, callerid="051123559876")
        if at_once:
            assert (said["ACD_VERDICT"], said["ACD_QUEUE"]) == ("offer:phone-anna*1", "langenhagen")
        else:
            assert (said["ACD_VERDICT"], said["ACD_QUEUE"]) == ("hold", "langenhagen")
            toy.now.say(event("UserEvent", "UserEvent: AcdHeld", f"Call: {CALL}", f"Channel: {CHANNEL}"))
            await toy.until(lambda: bool(toy.received("Redirect")))
        assert redirects(toy) == ([] if at_once else [(CHANNEL, "acd-offer", "phone-anna*1")])

        toy.now.say(event("DialEnd", "DialStatus: ANSWER", f"Uniqueid: {CALL}", "Context: acd-offer", *carried))
        bridge = ("BridgeNumChannels: 2", "ChanVariable: ACD_TALKED=1", *carried)
        toy.now.say(event("BridgeEnter", f"Uniqueid: {CALL}", *bridge))
        result = ("UserEvent: AcdOfferResult", f"Call: {CALL}", "Offer: 1", "Talked: 1", "Result: ANSWER")
        toy.now.say(event("UserEvent", *result) + event("Hangup", f"Uniqueid: {CALL}", "Cause: 16", *carried))
        await asterisk.link.call({"Action": "Ping"})
        async with asyncio.timeout(3):
            while not shelf.records:
                await engine.turning()
    finally:
        await asterisk.agi.close()
        await asterisk.link.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    (record,) = shelf.records
    assert (record.call, record.agent, record.outcome.result) == (CALL, "anna", "served")
    assert [(o.agent, o.result) for o in record.offers] == [("anna", "answered")]
    assert record.hung_up_first == "agent"


@pytest.mark.parametrize(
    ("host", "may", "may_not"),
    [
        ("127.0.0.1", "127.0.0.1", "172.31.115.2"),
        ("172.31.115.2", "172.31.115.2", "172.31.115.3"),
        ("fd00::2", "fd00::2", "fd00::3"),
        ("asterisk", "::1", "172.31.115.2"),  # a name is for whoever answers for it to decide
    ],
)
def test_only_this_machine_and_the_asterisk_we_log_in_to_may_ask(host: str, may: str, may_not: str) -> None:
    address = AmiAddress(host, 5038, "dialog-acd", "secret")
    asterisk = Asterisk(address, Listener(), ManualClock(), demo_directory, random=lambda: 0.5)
    assert asterisk.agi._may_speak((may, 4711))
    assert not asterisk.agi._may_speak((may_not, 4711))
