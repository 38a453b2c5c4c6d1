"""AmiLink against a toy AMI on a real socket: what a telephone system must never do, and what it must survive.

The numbers in brackets are panoramisk's defects as its users know them: replay [1, 2], keeping [3], waiting for
ever [4], half-open links [5], callbacks [6, 7], bytes [8], injection [9], lists [10], one variable [13], life [15].
"""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import asynccontextmanager
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dialog_acd.switch import ami
from dialog_acd.switch.ami import (
    AmiAddress,
    AmiDown,
    AmiLimits,
    AmiLink,
    AmiListBroken,
    AmiLoginRefused,
    AmiRefused,
    AmiUnreachable,
    AmiUnsafe,
    LinkState,
    Message,
    channel_variables,
    first,
    probe,
)
from patience import Awaited, Tally, soon
from switch.toy_ami import BANNER, SECRET, Action, Connection, ToyAmi, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

FAST: dict[str, Any] = {
    "connect_within": 0.5,
    "login_within": 0.5,
    "greet_within": 1.0,
    "ping_every": 30.0,
    "pause_first": 0.01,
    "pause_most": 0.02,
    "pause_refused": 0.02,
}


class Owner(Awaited):
    """Stands above the link: greets, hears, is told of losses, and can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Message] = []
        self.losses: list[str] = []
        self.greetings = 0
        self.greeting: Callable[[AmiLink], Awaitable[object]] | None = None
        self.trouble: Callable[[Message], None] | None = None

    async def greet(self, link: AmiLink) -> None:
        self.greetings += 1
        self.moved()
        if self.greeting is not None:
            await self.greeting(link)

    def hear(self, message: Message) -> None:
        self.heard.append(message)
        self.moved()
        if self.trouble is not None:
            self.trouble(message)

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self.moved()

    def numbers(self) -> list[int]:
        return [int(first(message, "N")) for message in self.heard if "N" in message]


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
async def toy() -> AsyncIterator[ToyAmi]:
    async with ToyAmi() as toy:
        yield toy


def link_for(
    port: int,
    owner: Owner,
    secret: str = SECRET,
    dice: Callable[[], float] | None = None,
    **limits: Any,
) -> AmiLink:
    return AmiLink(
        AmiAddress("127.0.0.1", port, "dialog-acd", secret),
        greet=owner.greet,
        hear=owner.hear,
        lost=owner.lost,
        random=dice or random.Random(7).random,
        limits=AmiLimits(**{**FAST, **limits}),
    )


@asynccontextmanager
async def running(link: AmiLink) -> AsyncIterator[AmiLink]:
    task = asyncio.ensure_future(link.run())
    try:
        yield link
    finally:
        async with asyncio.timeout(3):
            await link.close()
            await task


@asynccontextmanager
async def up(toy: ToyAmi, owner: Owner, **limits: Any) -> AsyncIterator[AmiLink]:
    async with running(link_for(toy.port, owner, **limits)) as link:
        await is_up(link, owner, 1)
        yield link


async def is_up(link: AmiLink, owner: Owner, greetings: int) -> None:
    await owner.until(lambda: owner.greetings >= greetings)
    await soon(lambda: link.up)


def say(toy: ToyAmi, *messages: bytes) -> None:
    toy.now.say(b"".join(messages))


def numbered(n: int) -> bytes:
    return event("Tick", f"N: {n}")


# --- nothing twice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Redirect", "Command", "AGI", "Setvar"])
async def test_an_unanswered_action_is_not_repeated_by_the_next_connection(
    toy: ToyAmi, owner: Owner, name: str
) -> None:  # [1] [2]
    toy.mute = {name}
    async with up(toy, owner) as link:
        action = {"Action": name, "Command": "core show channels"} if name in {"Command", "AGI"} else {"Action": name}
        answer = link.post(action)
        await toy.until(lambda: len(toy.received(name)) == 1)
        toy.now.drop()
        with pytest.raises(AmiDown):
            await answer
        toy.after_login = event("FullyBooted", "Uptime: 1")  # panoramisk's cue to send again
        await is_up(link, owner, 2)
        await owner.until(lambda: bool(owner.heard))
        await link.call({"Action": "Marker"})
        assert len(toy.received(name)) == 1
        assert link.reconnects == 1


async def test_what_is_sent_while_down_fails_at_once_and_is_never_sent(toy: ToyAmi, owner: Owner) -> None:  # [3] [15]
    link = link_for(toy.port, owner)
    with pytest.raises(AmiDown):
        link.post({"Action": "Early"})
    async with running(link):
        await is_up(link, owner, 1)
        toy.now.drop()
        await owner.until(lambda: bool(owner.losses))
        with pytest.raises(AmiDown):
            await link.call({"Action": "Between"})
        await is_up(link, owner, 2)
        await link.call({"Action": "Marker"})
        assert toy.received("Early") == []
        assert toy.received("Between") == []


async def test_actions_reach_the_wire_in_the_order_of_the_calls(toy: ToyAmi, owner: Owner) -> None:
    async with up(toy, owner) as link:
        answers = [link.post({"Action": "Redirect", "N": str(n)}) for n in range(50)]
        await asyncio.gather(*answers)
        assert [int(action["N"]) for action in toy.received("Redirect")] == list(range(50))


# --- nothing for ever -------------------------------------------------------------------------------------------------


async def test_a_hundred_deadlines_leave_nothing_behind(toy: ToyAmi, owner: Owner) -> None:  # [4]
    toy.mute = {"Getvar"}
    async with up(toy, owner) as link:
        answers = [link.call({"Action": "Getvar"}, timeout=0.02) for _ in range(100)]
        results = await asyncio.gather(*answers, return_exceptions=True)
        assert {type(result) for result in results} == {TimeoutError}
        assert link.unanswered == 0


async def test_who_stops_waiting_leaves_nothing_behind(toy: ToyAmi, owner: Owner) -> None:  # [4]
    toy.mute = {"Getvar"}
    async with up(toy, owner) as link:
        waiting = asyncio.ensure_future(link.call({"Action": "Getvar"}))
        await toy.until(lambda: bool(toy.received("Getvar")))
        assert link.unanswered == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert link.unanswered == 0


async def test_a_lost_connection_fails_everything_that_waits(toy: ToyAmi, owner: Owner) -> None:  # [4]
    toy.mute = {"Redirect", "CoreShowChannels"}
    async with up(toy, owner) as link:
        waiting = [
            asyncio.ensure_future(link.call({"Action": "Redirect"}, timeout=30)),
            asyncio.ensure_future(link.call_list({"Action": "CoreShowChannels"}, timeout=30)),
        ]
        await toy.until(lambda: bool(toy.received("CoreShowChannels")))
        toy.now.drop()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [AmiDown, AmiDown]
        assert "unknown" in str(results[0])


async def test_an_answer_after_its_deadline_is_no_event(toy: ToyAmi, owner: Owner) -> None:
    late: list[Action] = []
    toy.scripts["DeviceStateList"] = lambda _, action: late.append(action)
    async with up(toy, owner) as link:
        with pytest.raises(TimeoutError):
            await link.call_list({"Action": "DeviceStateList"}, timeout=0.02)
        toy.now.reply(late[0], "EventList: start")
        say(toy, event("DeviceStateChange", f"ActionID: {late[0]['ActionID']}", "Device: PJSIP/1001"), numbered(1))
        await owner.until(lambda: bool(owner.heard))
        assert owner.numbers() == [1]
        assert len(owner.heard) == 1
        assert link.strays == 2


async def test_a_mute_asterisk_is_noticed_and_left(toy: ToyAmi, owner: Owner) -> None:  # [5]
    async with up(toy, owner, ping_every=0.02, ping_within=0.03) as link:
        toy.mute = {"Ping"}
        await owner.until(lambda: bool(owner.losses))
        assert "2 pings" in owner.losses[0]
        toy.mute = set()
        await is_up(link, owner, 2)


async def test_one_missed_ping_is_forgiven(toy: ToyAmi, owner: Owner) -> None:  # [5]
    def every_second(connection: Connection, action: Action) -> None:
        if len(toy.received("Ping")) % 2:
            connection.reply(action, "Ping: Pong", f"Timestamp: {toy.clock}")

    toy.scripts["Ping"] = every_second
    async with up(toy, owner, ping_every=0.01, ping_within=0.04):
        await toy.until(lambda: len(toy.received("Ping")) >= 6)
        assert owner.losses == []


# --- order, bytes, callbacks ------------------------------------------------------------------------------------------


async def test_thousands_of_messages_in_any_pieces_keep_their_order(toy: ToyAmi, owner: Owner) -> None:  # [7]
    stream = b"".join(numbered(n) for n in range(4000))
    dice = random.Random(115)
    cuts = sorted(dice.sample(range(len(stream)), 300))
    async with up(toy, owner):
        for begin, end in pairwise([0, *cuts, len(stream)]):
            toy.now.say(stream[begin:end])
            await toy.now.writer.drain()
            await asyncio.sleep(0)
        await owner.until(lambda: len(owner.heard) >= 4000)
        assert owner.numbers() == list(range(4000))


async def test_a_burst_does_not_outrun_the_pump(toy: ToyAmi, owner: Owner) -> None:
    async with up(toy, owner, queued_most=2500) as link:
        say(toy, *(event("Tick", f"N: {n}", "Padding: " + "x" * 470) for n in range(10_000)))
        await owner.until(lambda: len(owner.heard) >= 10_000 or bool(link.overflows))
        assert owner.numbers() == list(range(10_000))
        assert link.overflows == 0


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.text(st.characters(blacklist_characters="\r\n\\", blacklist_categories=["Cs"])), max_size=6),
    data=st.data(),
)
def test_any_text_cut_anywhere_arrives_whole(names: list[str], data: st.DataObject) -> None:  # [8]
    stream = BANNER + b"".join(event("NewCallerid", f"CallerIDName: {name}") for name in names)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    heard: list[Message] = []

    async def feed() -> None:
        protocol = ami._Protocol(AmiLimits(), heard.append)
        protocol.connection_made(FakeTransport())
        for begin, end in pairwise([0, *cuts, len(stream)]):
            protocol.data_received(stream[begin:end])

    asyncio.run(feed())
    assert [message["CallerIDName"] for message in heard] == names


async def test_an_umlaut_split_over_two_reads_is_an_umlaut(toy: ToyAmi, owner: Owner) -> None:  # [8]
    raw = event("NewCallerid", "CallerIDName: Müller")
    middle = raw.index("ü".encode()) + 1
    async with up(toy, owner) as link:
        say(toy, raw[:middle])
        line = link._line
        assert line is not None
        await soon(lambda: bool(line.protocol._rest))  # the first half has been read
        say(toy, raw[middle:])
        await owner.until(lambda: bool(owner.heard))
        assert owner.heard[0]["CallerIDName"] == "Müller"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"M\xfcller", "Müller"),  # Latin-1
        ("Müller".encode() + b"\xc3", "MüllerÃ"),  # UTF-8, cut by Asterisk inside a character
        (b"a\x85b", "a\ufffdb"),  # would be a line break in Latin-1
    ],
)
async def test_a_bad_byte_costs_nothing_else(toy: ToyAmi, owner: Owner, sent: bytes, read: str) -> None:  # [8]
    async with up(toy, owner):
        say(toy, b"Event: NewCallerid\r\nCallerIDName: " + sent + b"\r\nExten: 115\r\n\r\n", numbered(1))
        await owner.until(lambda: len(owner.heard) == 2)
        assert owner.heard[0] == {"Event": "NewCallerid", "CallerIDName": read, "Exten": "115"}


async def test_a_raising_callback_loses_nothing(toy: ToyAmi, owner: Owner) -> None:  # [6]
    def trouble(message: Message) -> None:
        if int(first(message, "N")) % 2:
            raise ZeroDivisionError

    owner.trouble = trouble
    async with up(toy, owner) as link:
        with capture_logs() as logs:
            say(toy, *(numbered(n) for n in range(6)))
            await owner.until(lambda: len(owner.heard) >= 6)
        assert owner.numbers() == [0, 1, 2, 3, 4, 5]
        assert link.hear_failures == 3
        assert link.logins == 1
        assert [line["event"] for line in logs] == ["ami.hear_failed"] * 3


async def test_what_came_before_the_end_is_heard_before_the_loss(toy: ToyAmi, owner: Owner) -> None:
    async with up(toy, owner, heard_at_once=1) as link:
        order: list[str] = []
        owner.trouble = lambda message: order.append(first(message, "Event"))
        link._lost = order.append
        say(toy, *(numbered(n) for n in range(20)), event("Shutdown", "Shutdown: Cleanly"))
        toy.now.writer.close()
        await is_up(link, owner, 2)
        assert order[:21] == ["Tick"] * 20 + ["Shutdown"]
        assert "Asterisk closed" in order[21]
        assert len(order) == 22


# --- injection --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Value": "x\r\nAction: Originate"},
        {"Value": "x\nApplication: System"},
        {"Value": "x\ry"},
        {"Value": "x\0y"},
        {"Variable": ["A=1", "B=2\r\n\r\nAction: Originate"]},
        {"Value\r\nAction": "Originate"},
        {"Value: x": "y"},
        {"": "y"},
        {"Value": "x" * 1001},
        {"Value": "ü" * 500},
        {"Value": "\ud800"},
        {"Variable": [f"V{n}=1" for n in range(120)]},
        {"ActionID": "mine"},
        {"actionid": "mine"},
    ],
)
async def test_no_value_becomes_another_header_or_action(
    toy: ToyAmi, owner: Owner, headers: dict[str, str | list[str]]
) -> None:  # [9]
    async with up(toy, owner) as link:
        with pytest.raises(AmiUnsafe):
            link.post({"Action": "Setvar", **headers})
        await link.call({"Action": "Marker"})
        assert [action["Action"] for action in toy.now.actions] == ["Login", "Marker"]
        assert link.unanswered == 0


async def test_ordinary_german_values_pass_unchanged(toy: ToyAmi, owner: Owner) -> None:
    async with up(toy, owner) as link:
        await link.call({"Action": "Setvar", "Variable": "CALLERID(name)", "Value": 'Langenhagen: "Bürgerbüro"; 100 %'})
        assert toy.received("Setvar")[0]["Value"] == 'Langenhagen: "Bürgerbüro"; 100 %'


# --- replies and lists ------------------------------------------------------------------------------------------------


async def test_a_refusal_carries_asterisks_words(toy: ToyAmi, owner: Owner) -> None:
    toy.scripts["Redirect"] = lambda c, a: c.reply(a, "Message: Channel does not exist", response="Error")
    async with up(toy, owner) as link:
        with pytest.raises(AmiRefused) as refusal:
            await link.call({"Action": "Redirect"})
        assert (refusal.value.action, refusal.value.text) == ("Redirect", "Channel does not exist")
        assert link.unanswered == 0


async def test_a_refused_list_ends_at_once(toy: ToyAmi, owner: Owner) -> None:  # [10]
    toy.scripts["BridgeInfo"] = lambda c, a: c.reply(a, "Message: Bridge not found", response="Error")
    async with up(toy, owner) as link:
        async with asyncio.timeout(1):
            with pytest.raises(AmiRefused, match="Bridge not found"):
                await link.call_list({"Action": "BridgeInfo"}, timeout=30)
        assert link.unanswered == 0


def channel_list(count: int, ending: str = "Complete") -> Callable[[Connection, Action], None]:
    def script(connection: Connection, action: Action) -> None:
        mark = f"ActionID: {action['ActionID']}"
        connection.reply(action, "EventList: start", "Message: Channels will follow")
        connection.say(numbered(1))  # other events come in between
        for n in range(2):
            connection.say(event("CoreShowChannel", mark, f"Uniqueid: {n}", r"CallerIDName: O\'Brien"))
        connection.say(event("CoreShowChannelsComplete", mark, f"EventList: {ending}", f"ListItems: {count}"))

    return script


async def test_a_list_is_its_items_and_nothing_else_hears_them(toy: ToyAmi, owner: Owner) -> None:
    toy.scripts["CoreShowChannels"] = channel_list(2)
    async with up(toy, owner) as link:
        items = await link.call_list({"Action": "CoreShowChannels"})
        assert [(first(i, "Uniqueid"), first(i, "CallerIDName")) for i in items] == [("0", "O'Brien"), ("1", "O'Brien")]
        await owner.until(lambda: bool(owner.heard))
        assert owner.numbers() == [1]
        assert len(owner.heard) == 1
        assert link.unanswered == 0


@pytest.mark.parametrize(("count", "ending"), [(3, "Complete"), (1, "Complete"), (2, "cancelled")])
async def test_an_incomplete_list_is_no_list(toy: ToyAmi, owner: Owner, count: int, ending: str) -> None:
    toy.scripts["CoreShowChannels"] = channel_list(count, ending)
    async with up(toy, owner) as link:
        with pytest.raises(AmiListBroken):
            await link.call_list({"Action": "CoreShowChannels"})


async def test_the_outcome_of_an_originate_is_heard(toy: ToyAmi, owner: Owner) -> None:
    # It carries the action's id and even a header "Response"; it may overtake the reply.
    def script(connection: Connection, action: Action) -> None:
        connection.say(event("OriginateResponse", f"ActionID: {action['ActionID']}", "Response: Failure", "N: 1"))
        connection.reply(action, "Message: Originate successfully queued")

    toy.scripts["Originate"] = script
    async with up(toy, owner) as link:
        answer = await link.call({"Action": "Originate", "Async": "true"})
        assert first(answer, "Message") == "Originate successfully queued"
        await owner.until(lambda: owner.numbers() == [1])


# --- content ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "prefix", "expected"),
    [
        ({}, "", {}),
        ({"ChanVariable": "ACD_CALL=1.1"}, "", {"ACD_CALL": "1.1"}),  # [13]
        ({"ChanVariable": ["ACD_CALL=1.1", "ACD_STATE="]}, "", {"ACD_CALL": "1.1", "ACD_STATE": ""}),
        ({"ChanVariable": "A=1", "DestChanVariable": "A=2"}, "Dest", {"A": "2"}),
        ({"ChanVariable": "A=b=c"}, "", {"A": "b=c"}),
    ],
)
def test_channel_variables_one_many_or_none(message: Message, prefix: str, expected: dict[str, str]) -> None:
    assert channel_variables(message, prefix) == expected


def test_only_what_asterisk_escapes_is_unescaped() -> None:
    dial = ami.parse(
        rb"Event: DialBegin"
        b"\r\n"
        rb"CallerIDName: O\'Brien \"x\" C:\\neu"
        b"\r\n"
        rb"DestConnectedLineName: a\?\tb\qc"
        b"\r\n"
        rb"TransfereeChanVariable: A=\'1\'"
        b"\r\n"
        rb"TransfereeChanVariable: B=\\"
        b"\r\n"
        rb"Value: \'raw\'"
        b"\r\n"
        rb"Channel: PJSIP/a\'b"
    )
    assert dial == {
        "Event": "DialBegin",
        "CallerIDName": 'O\'Brien "x" C:\\neu',
        "DestConnectedLineName": "a?\tb\\qc",
        "TransfereeChanVariable": ["A='1'", "B=\\"],
        "Value": r"\'raw\'",
        "Channel": r"PJSIP/a\'b",
    }
    assert ami.parse(b"Event: VarSet\r\nValue: O\\'Brien")["Value"] == "O'Brien"


def test_of_a_doubled_header_the_first_counts() -> None:
    message = ami.parse(b"Event: UserEvent\r\nUniqueid: 1.1\r\nName: x\r\nUniqueid: 6.6")
    assert message["Uniqueid"] == ["1.1", "6.6"]
    assert first(message, "Uniqueid") == "1.1"
    assert first(message, "Missing", "none") == "none"


@pytest.mark.parametrize(
    ("line", "parsed"),
    [(b"Exten: ", {"Exten": ""}), (b"Exten:", {"Exten": ""}), (b"Exten:a: b", {"Exten": "a: b"}), (b"noise", {})],
)
def test_odd_lines_are_read_as_asterisk_means_them(line: bytes, parsed: Message) -> None:
    assert ami.parse(line) == parsed


async def test_asterisks_clock_comes_from_any_ping(toy: ToyAmi, owner: Owner) -> None:
    async with up(toy, owner) as link:
        assert link.asterisk_now() is None
        await link.call({"Action": "Ping"})
        assert link.asterisk_now() in {1700000000, 1700000001}
        say(toy, event("Hangup", "Timestamp: 1699999998.250000"))
        await owner.until(lambda: bool(owner.heard))
        assert link.event_lag is not None
        assert 2.0 <= link.event_lag < 4.0


# --- the picture and the stream ---------------------------------------------------------------------------------------


async def test_messages_wait_until_the_picture_is_taken(toy: ToyAmi, owner: Owner) -> None:
    taken = asyncio.Event()
    states: list[LinkState] = []

    async def greeting(link: AmiLink) -> None:
        states.append(link.state)
        await link.call({"Action": "Ping"})
        await taken.wait()

    owner.greeting = greeting
    toy.after_login = b"".join(numbered(n) for n in range(5))
    async with running(link_for(toy.port, owner)) as link:
        await toy.until(lambda: bool(toy.received("Ping")))
        say(toy, numbered(5))
        await soon(lambda: link.queue_depth == 6)
        assert owner.heard == []
        assert states == [LinkState.GREETING]
        assert not link.up
        taken.set()
        await owner.until(lambda: len(owner.heard) == 6)
        assert owner.numbers() == [0, 1, 2, 3, 4, 5]
        assert link.up


async def test_what_comes_while_others_still_wait_is_heard_after_them(toy: ToyAmi, owner: Owner) -> None:
    """Where nobody waits a message is heard as it is read; behind what came during the picture it has its turn."""
    free = asyncio.Event()
    owner.greeting = lambda _: free.wait()
    waiting = 500

    def more_comes(message: Message) -> None:
        if message["N"] == "0":
            say(toy, numbered(waiting))

    owner.trouble = more_comes
    async with running(link_for(toy.port, owner, heard_at_once=1)) as link:
        await owner.until(lambda: owner.greetings == 1)
        say(toy, *(numbered(n) for n in range(waiting)))
        await soon(lambda: link.queue_depth == waiting)
        free.set()
        await soon(lambda: len(owner.heard) == waiting + 1)
        assert owner.numbers() == list(range(waiting + 1))
        say(toy, numbered(waiting + 1))
        await owner.until(lambda: len(owner.heard) == waiting + 2)
        assert (link.queue_depth, link.queue_peak) == (0, waiting), "the last one did not have to wait"


async def test_a_queue_that_runs_over_gives_a_new_picture_not_a_gap(toy: ToyAmi, owner: Owner) -> None:
    free = asyncio.Event()
    owner.greeting = lambda _: free.wait()
    async with running(link_for(toy.port, owner, queued_most=10)) as link:
        await owner.until(lambda: owner.greetings == 1)
        say(toy, *(numbered(n) for n in range(100)))
        await soon(lambda: link.dropped == 90)
        assert (await link.call({"Action": "Marker"}))["Response"] == "Success"  # the reader reads on
        second = asyncio.Event()

        async def second_greeting(_: AmiLink) -> None:
            assert owner.numbers() == list(range(10))  # in order, up to the gap, before the new picture
            say(toy, numbered(100))
            await second.wait()

        owner.greeting = second_greeting
        free.set()
        await owner.until(lambda: owner.greetings == 2)
        await soon(lambda: link.queue_depth == 1)
        second.set()
        await owner.until(lambda: len(owner.heard) == 11)
        assert owner.numbers() == [*range(10), 100]
        assert (link.overflows, link.dropped, link.logins, link.queue_peak) == (1, 90, 1, 10)


async def test_a_picture_that_cannot_be_taken_ends_the_connection(toy: ToyAmi, owner: Owner) -> None:
    async def fails_once(link: AmiLink) -> None:
        if owner.greetings == 1:
            await link.call_list({"Action": "CoreShowChannels"})

    toy.scripts["CoreShowChannels"] = channel_list(7)
    owner.greeting = fails_once
    async with running(link_for(toy.port, owner)) as link:
        await is_up(link, owner, 2)
        assert "picture" in owner.losses[0]
        assert owner.numbers() == []  # what belonged to no picture is not heard
        assert link.last_error is None


async def test_what_came_without_a_picture_is_not_heard_when_the_link_breaks(toy: ToyAmi, owner: Owner) -> None:
    never = asyncio.Event()
    owner.greeting = lambda _: never.wait()
    toy.after_login = numbered(1)
    async with running(link_for(toy.port, owner)) as link:
        await soon(lambda: link.queue_depth == 1)
        toy.now.drop()
        await owner.until(lambda: bool(owner.losses))
        assert owner.heard == []


async def test_a_picture_that_takes_for_ever_ends_the_connection(toy: ToyAmi, owner: Owner) -> None:
    never = asyncio.Event()
    owner.greeting = lambda _: never.wait()
    async with running(link_for(toy.port, owner, greet_within=0.03)) as link:
        await owner.until(lambda: owner.greetings == 2)
        assert not link.up


# --- coming and going -------------------------------------------------------------------------------------------------


async def test_close_while_up_logs_off_and_is_final(toy: ToyAmi, owner: Owner) -> None:  # [15]
    async with up(toy, owner) as link:
        await link.close()
        await toy.until(lambda: bool(toy.received("Logoff")))
        assert link.state is LinkState.DOWN
        with pytest.raises(AmiDown):
            link.post({"Action": "Redirect"})
        assert owner.losses == []  # it was no loss


async def test_close_during_the_pause_really_stops(owner: Owner) -> None:  # [15]
    async with ToyAmi() as toy:
        port = toy.port
    link = link_for(port, owner, pause_first=30.0, pause_most=30.0)
    task = asyncio.ensure_future(link.run())
    await owner.until(lambda: bool(owner.losses))
    async with asyncio.timeout(1):
        await link.close()
        await task
    assert "Nothing listens" in owner.losses[0]
    assert {t for t in asyncio.all_tasks() if t is not asyncio.current_task()} == set()


async def test_a_link_closed_before_it_ran_never_connects(toy: ToyAmi, owner: Owner) -> None:
    link = link_for(toy.port, owner)
    await link.close()
    await link.run()
    await probe(where(toy.port), AmiLimits(**FAST))
    assert len(toy.connections) == 1  # the visitor just now


async def test_cancelling_run_leaves_no_task_behind(toy: ToyAmi, owner: Owner) -> None:
    before = asyncio.all_tasks()
    link = link_for(toy.port, owner)
    task = asyncio.ensure_future(link.run())
    await is_up(link, owner, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await toy.until(lambda: bool(toy.received("Logoff")))
    left = {t for t in asyncio.all_tasks() - before if "ToyAmi" not in repr(t)}
    assert left == set()


async def test_a_greeting_cannot_outlive_the_link(toy: ToyAmi, owner: Owner) -> None:
    never = asyncio.Event()
    owner.greeting = lambda _: never.wait()
    link = link_for(toy.port, owner)
    task = asyncio.ensure_future(link.run())
    await owner.until(lambda: owner.greetings == 1)
    async with asyncio.timeout(1):
        await link.close()
        await task


async def test_one_fact_is_told_once(owner: Owner) -> None:
    async with ToyAmi() as toy:
        port = toy.port
    dice = Tally()  # thrown once for every attempt that failed
    link = link_for(port, owner, dice=dice.count, pause_first=0.001, pause_most=0.001)
    async with running(link):
        await dice.more(10)
        assert len(owner.losses) == 1
        assert isinstance(link.last_error, AmiUnreachable)


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of new connections is full: connecting to it waits."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        stuffing = [socket.socket() for _ in range(4)]
        for each in stuffing:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        yield port
        for each in stuffing:
            each.close()


async def test_connecting_has_a_deadline(full_port: int, owner: Owner) -> None:  # [15]
    async with running(link_for(full_port, owner, connect_within=0.05)):
        await owner.until(lambda: bool(owner.losses))
        assert "within 0.05 s" in owner.losses[0]


async def test_a_wrong_secret_is_said_in_a_sentence_and_not_hammered(toy: ToyAmi, owner: Owner) -> None:
    with capture_logs() as logs:
        async with running(link_for(toy.port, owner, secret="falsch-geheim", pause_refused=0.2)) as link:
            loop = asyncio.get_running_loop()
            await toy.until(lambda: len(toy.connections) == 1)
            began = loop.time()
            await toy.until(lambda: len(toy.connections) == 2)
            assert loop.time() - began >= 0.19
            assert isinstance(link.last_error, AmiLoginRefused)
            assert owner.greetings == 0
            assert len(owner.losses) == 1
            assert "manager.conf" in owner.losses[0]
            with pytest.raises(AmiDown):
                link.post({"Action": "Redirect"})
            told = repr([logs, owner.losses, link, link._address, link.last_error])
            assert "falsch-geheim" not in told


def test_pauses_grow_to_a_limit_with_jitter_on_both_sides() -> None:
    limits = AmiLimits()
    assert [round(p, 3) for p in islice(ami._pauses(limits, lambda: 0.5), 9)] == [
        0.2, 0.34, 0.578, 0.983, 1.67, 2.84, 4.828, 8.207, 10.0,
    ]  # fmt: skip
    assert next(ami._pauses(limits, lambda: 0.0)) == pytest.approx(0.1)
    assert next(ami._pauses(limits, lambda: 1.0)) == pytest.approx(0.3)
    assert max(islice(ami._pauses(limits, lambda: 1.0), 5000)) == pytest.approx(15.0)


# --- probing ----------------------------------------------------------------------------------------------------------


def where(port: int, secret: str = SECRET) -> AmiAddress:
    return AmiAddress("127.0.0.1", port, "dialog-acd", secret)


async def test_a_probe_logs_in_and_off(toy: ToyAmi) -> None:
    assert await probe(where(toy.port), AmiLimits(**FAST)) == "11.0.0"
    await toy.until(lambda: [a["Action"] for a in toy.now.actions] == ["Login", "Logoff"])


async def test_a_probe_says_that_nothing_listens() -> None:
    async with ToyAmi() as toy:
        port = toy.port
    with pytest.raises(AmiUnreachable, match="Nothing listens"):
        await probe(where(port), AmiLimits(**FAST))


async def test_a_probe_says_that_the_login_is_refused(toy: ToyAmi) -> None:
    with pytest.raises(AmiLoginRefused, match=r"secret.*manager\.conf"):
        await probe(where(toy.port, "falsch"), AmiLimits(**FAST))


@pytest.mark.parametrize(
    "banner",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"Asterisk Call Monster/1\r\n", b"A" * 300, b"Asterisk Call Manager/" + b"1" * 300],
)
async def test_a_probe_says_that_it_is_no_ami(toy: ToyAmi, banner: bytes) -> None:
    toy.banner = banner
    with pytest.raises(AmiUnreachable, match="not an Asterisk manager"):
        await probe(where(toy.port), AmiLimits(**FAST))


@pytest.mark.parametrize("banner", [b"", BANNER])
async def test_a_probe_says_that_nobody_answers(toy: ToyAmi, banner: bytes) -> None:
    toy.banner = banner
    toy.mute = {"*"}
    with pytest.raises(AmiUnreachable, match="did not answer"):
        await probe(where(toy.port), AmiLimits(**{**FAST, "login_within": 0.03}))


async def test_a_peer_that_closes_at_once_is_survived(toy: ToyAmi, owner: Owner) -> None:  # [15]
    toy.scripts["Login"] = lambda connection, _: connection.drop()
    with pytest.raises(AmiUnreachable, match="during the login"):
        await probe(where(toy.port), AmiLimits(**FAST))
    async with running(link_for(toy.port, owner)) as link:
        await owner.until(lambda: bool(owner.losses))
        toy.scripts.clear()
        await is_up(link, owner, 1)


async def test_a_message_without_end_is_not_collected_for_ever(toy: ToyAmi, owner: Owner) -> None:
    async with up(toy, owner, message_most=1000):
        say(toy, b"Event: x" * 1000)
        await owner.until(lambda: bool(owner.losses))
        assert "no end of message" in owner.losses[0]
