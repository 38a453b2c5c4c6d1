"""The FastAGI server against a toy Asterisk that reads commands the way res_agi does, and against worse peers."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from dialog_acd.switch.agi import (
    AgiBroken,
    AgiReply,
    AgiRequest,
    AgiServer,
    AgiSession,
    AgiUnsafe,
    PortInUse,
    assignment,
    quoted,
    read_request,
)
from patience import soon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

HEADER = """agi_network: yes
agi_network_script: arrive
agi_request: agi://127.0.0.1:4573/arrive
agi_channel: PJSIP/trunk-00000001
agi_uniqueid: acd1-1700000000.1
agi_callerid: +4951123010230
agi_calleridname: Bürger: Müller
agi_dnid: 051173070
agi_accountcode:
agi_arg_1: +49511168-0
agi_arg_2:

""".encode()
FAILSAFE = {"ACD_VERDICT": "failsafe"}
HOLD = {"ACD_CALL": "acd1-1700000000.1", "CALLERID(name)": 'LGH: "Müller" \\ Söhne', "ACD_VERDICT": "hold"}


def fed(raw: bytes, *, eof: bool = False, limit: int = 16384) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=limit)
    reader.feed_data(raw)
    if eof:
        reader.feed_eof()
    return reader


# --- reading the question ---------------------------------------------------------------------------------------------


def check(request: AgiRequest) -> None:
    assert request.script == "arrive"
    assert request.arguments == ("+49511168-0", "")
    assert request.fields["calleridname"] == "Bürger: Müller"
    assert request.fields["dnid"] == "051173070"
    assert request.fields["accountcode"] == ""
    assert "arg_1" not in request.fields


async def test_a_header_in_one_piece() -> None:
    check(await read_request(fed(HEADER)))


async def test_a_header_byte_by_byte() -> None:
    reader = asyncio.StreamReader()
    reading = asyncio.ensure_future(read_request(reader))
    for n in range(len(HEADER)):
        reader.feed_data(HEADER[n : n + 1])
        await asyncio.sleep(0)
    check(await reading)


async def test_what_follows_the_header_stays_unread() -> None:
    reader = fed(HEADER + b"HANGUP\n")
    check(await read_request(reader))
    assert await reader.readline() == b"HANGUP\n"


async def test_a_header_with_network_line_ends() -> None:
    check(await read_request(fed(HEADER.replace(b"\n", b"\r\n"))))


async def test_a_latin_1_name_is_read() -> None:
    request = await read_request(fed(b"agi_calleridname: M\xfcller\nagi_dnid: 115\n\n"))
    assert request.fields == {"calleridname": "Müller", "dnid": "115"}
    assert request.script == ""


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "closed"),
        (b"agi_network: yes\n", "before the header was complete"),
        (b"agi_netw", "before the header was complete"),
        (b"GET / HTTP/1.1\r\n\r\n", "not an AGI header"),
        (b"agi_dnid\n\n", "not an AGI header"),
        (b"agi_dnid: 115\nagi_dnid: 110\n\n", "given twice"),
        (b"agi_calleridname: " + b"x" * 17000 + b"\n\n", "longer than"),
        (b"x" * 17000, "longer than"),
        (b"".join(b"agi_x%d: %s\n" % (n, b"y" * 90) for n in range(200)) + b"\n", "longer than"),
    ],
)
async def test_what_is_no_header_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(AgiBroken, match=why):
        await read_request(fed(raw, eof=True))


async def test_a_dripping_header_is_given_up() -> None:
    reader = fed(HEADER[:40])
    with pytest.raises(AgiBroken, match="within"):
        await read_request(reader, within=0.02)


# --- writing ----------------------------------------------------------------------------------------------------------


def parse_args(line: str) -> list[str]:
    """How Asterisk reads a command (res/res_agi.c, parse_args), rebuilt to check the quoting against."""
    words: list[str] = []
    quoting = escaped = False
    gap = True
    for char in line:
        if char == '"' and not escaped:
            quoting = not quoting
            if quoting and gap:
                words.append("")
                gap = False
        elif char in " \t" and not quoting and not escaped:
            gap = True
        elif char == "\\" and not escaped:
            escaped = True
        else:
            if gap:
                words.append("")
                gap = False
            words[-1] += char
            escaped = False
    return words


@pytest.mark.parametrize("seed", range(20))
def test_any_value_is_one_word_to_asterisk(seed: int) -> None:
    dice = random.Random(seed)
    value = "".join(dice.choice('ab "\\\t,;$()äß') for _ in range(dice.randrange(40)))
    line = assignment("ACD_NAME", value).decode()
    assert parse_args(line.removesuffix("\n")) == ["SET", "VARIABLE", "ACD_NAME", value]


@pytest.mark.parametrize("value", ["x\nEXEC System reboot", "x\r", "x\0", "\ud800", "x" * 8000])
def test_no_value_becomes_a_command(value: str) -> None:
    with pytest.raises(AgiUnsafe):
        assignment("ACD_NAME", value)


@pytest.mark.parametrize(
    "name", ["", "1A", "A B", 'A"', "A\n", "A=1", "SHELL(rm -rf)", "${A}", "CALLERID(name)\n", "A(B)"]
)
def test_no_name_becomes_something_else(name: str) -> None:
    with pytest.raises(AgiUnsafe):
        assignment(name, "x")


def test_names_of_variables_and_functions_pass() -> None:
    assert assignment("__ACD_CALL", "1") == b'SET VARIABLE "__ACD_CALL" "1"\n'
    assert assignment("CALLERID(name)", 'a"b\\c') == b'SET VARIABLE "CALLERID(name)" "a\\"b\\\\c"\n'
    assert quoted("") == '""'


# --- replies ----------------------------------------------------------------------------------------------------------


class Paper:
    """A writer that only notes what was written."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    async def drain(self) -> None: ...


def talk(raw: bytes, *, eof: bool = True, **limits: Any) -> tuple[AgiSession, Paper]:
    paper = Paper()
    return AgiSession(fed(raw, eof=eof), paper, **limits), paper  # type: ignore[arg-type]


USAGE = (
    b"520-Invalid command syntax.  Proper usage follows:\n Usage: SET VARIABLE\n200 is no reply here\n\n"
    b"520 End of proper usage.\n"
)


@pytest.mark.parametrize(
    ("raw", "code", "result", "data"),
    [
        (b"200 result=1\n", 200, "1", ""),
        (b"200 result=1 (a (b) c)\n", 200, "1", "a (b"),
        (b"200 result=-1\n", 200, "-1", ""),
        (b"200 result= (timeout)\n", 200, "", "timeout"),
        (b"100 Trying...\n200 result=0\n", 200, "0", ""),
        (b"510 Invalid or unknown command\n", 510, "", ""),
        (b"511 Command Not Permitted on a dead channel or intercept routine\n", 511, "", ""),
        (USAGE, 520, "", ""),
        (b"520 Invalid command syntax.  Proper usage not available.\n", 520, "", ""),
    ],
)
async def test_every_form_of_reply_is_one_reply(raw: bytes, code: int, result: str, data: str) -> None:
    channel, paper = talk(raw + b"200 result=77\n")
    reply = await channel.command("GET VARIABLE", "ACD_CALL")
    assert (reply.code, reply.result, reply.data) == (code, result, data)
    assert paper.lines == [b'GET VARIABLE "ACD_CALL"\n']
    assert await channel.command("NOOP") == AgiReply(200, "77", "", "result=77")  # still in step


async def test_a_hangup_line_is_no_reply() -> None:
    channel, _ = talk(b"200 result=1\nHANGUP\n200 result=1\n")
    await channel.set_variable("A", "1")
    assert not channel.hung_up
    await channel.set_variable("B", "2")
    assert channel.hung_up


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "closed"),
        (b"200 resu", "closed"),
        (b"HANGUP\n", "closed"),
        (b"511 Command Not Permitted\n", "511"),
        (USAGE, "520"),
        (b"agi_callingpres: 0\n", "not a reply"),
        (b"x" * 20000, "without end"),
        (b"520-x\n" + b"y" * 1000 * 99, "without end"),
        (b"HANGUP\n" * 10000, "without end"),
    ],
)
async def test_what_is_no_success_breaks_off(raw: bytes, why: str) -> None:
    channel, _ = talk(raw)
    with pytest.raises(AgiBroken, match=why):
        await channel.set_variable("A", "1")


async def test_a_missing_reply_is_not_awaited_for_ever() -> None:
    channel, _ = talk(b"", eof=False, reply_within=0.02)
    with pytest.raises(AgiBroken, match="no reply"):
        await channel.command("NOOP")


async def test_nothing_but_words_is_a_command() -> None:
    channel, paper = talk(b"")
    with pytest.raises(AgiUnsafe):
        await channel.command("NOOP\nEXEC System")
    assert paper.lines == []


# --- the server -------------------------------------------------------------------------------------------------------


class Desk:
    """Answers questions as the test wants."""

    def __init__(self) -> None:
        self.questions: list[AgiRequest] = []
        self.reply: Callable[[AgiRequest], Any] = lambda _: HOLD

    async def answer(self, request: AgiRequest) -> Mapping[str, str]:
        self.questions.append(request)
        result = self.reply(request)
        return (await result) if asyncio.iscoroutine(result) else result  # type: ignore[no-any-return]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@asynccontextmanager
async def serving(desk: Desk, **limits: Any) -> AsyncIterator[AgiServer]:
    server = AgiServer(desk.answer, FAILSAFE, **{"answer_within": 0.5, **limits})
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close(grace=0)


async def asterisk_asks(port: int, header: bytes = HEADER, *, hangs_up_before: str = "") -> dict[str, str]:
    """One AGI() of the dialplan; the variables that stood on the channel when it went on.

    Reads like run_agi: waits until the socket is readable, then takes *one* line through a buffer that reads ahead.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    variables: dict[str, str] = {}
    ahead = b""
    try:
        async with asyncio.timeout(3):
            writer.write(header)
            while True:
                data = await reader.read(4096)  # poll(): only what is new wakes us
                if not data and not ahead:
                    return variables
                line, _, ahead = (ahead + data).partition(b"\n")
                command, kind, name, value = parse_args(line.decode())
                assert (command, kind) == ("SET", "VARIABLE")
                if name == hangs_up_before:
                    writer.write(b"HANGUP\n")
                variables[name] = value
                writer.write(b"200 result=1\n")
    except ConnectionError:
        return variables  # a reset is an end, too
    finally:
        writer.close()


async def test_a_question_is_answered_in_order_and_closed(desk: Desk) -> None:
    async with serving(desk) as server:
        variables = await asterisk_asks(server.port)
        assert list(variables.items()) == list(HOLD.items())
        check(desk.questions[0])
        await soon(lambda: server.conversations == 0)
        assert (server.asked, server.answered, server.broken) == (1, 1, 0)


async def test_a_hangup_between_two_replies_does_not_put_us_out_of_step(desk: Desk) -> None:
    async with serving(desk) as server:
        assert await asterisk_asks(server.port, hangs_up_before="CALLERID(name)") == HOLD
        await soon(lambda: server.answered == 1)


async def test_a_port_scan_stops_nobody(desk: Desk) -> None:
    async with serving(desk) as server:
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.close()
        await soon(lambda: server.broken == 5)
        assert await asterisk_asks(server.port) == HOLD
        assert (server.asked, server.answered) == (1, 1)


async def test_a_peer_that_stops_in_the_header_is_closed_and_others_go_on(desk: Desk) -> None:
    async with serving(desk, header_within=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEADER[:100])
        assert await asterisk_asks(server.port) == HOLD
        async with asyncio.timeout(1):
            assert await reader.read() == b""
        writer.close()
        assert (server.asked, server.broken) == (1, 1)


async def test_a_peer_that_never_replies_is_closed(desk: Desk) -> None:
    async with serving(desk, reply_within=0.03) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEADER)
        async with asyncio.timeout(1):
            assert await reader.read() == assignment("ACD_CALL", HOLD["ACD_CALL"])
        writer.close()
        await soon(lambda: server.broken == 1)
        assert server.answered == 0


async def test_a_late_answer_is_failsafe(desk: Desk) -> None:
    never = asyncio.Event()
    desk.reply = lambda _: never.wait()
    async with serving(desk, answer_within=0.02) as server:
        with capture_logs() as logs:
            assert await asterisk_asks(server.port) == FAILSAFE
        assert (server.timed_out, server.answered, server.failed) == (1, 0, 0)
        assert [line["event"] for line in logs] == ["agi.answer_late"]


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: 1 / 0,
        lambda _: None,
        lambda _: {"ACD_VERDICT": "hold", "ACD_NAME": "x\nEXEC System reboot"},
        lambda _: {"ACD_VERDICT": "hold", "A B": "x"},
        lambda _: {"ACD_VERDICT": 7},
    ],
    ids=["raises", "nothing", "value with a command", "name with a space", "no text"],
)
async def test_a_failed_answer_is_failsafe_and_never_half_an_answer(
    desk: Desk, reply: Callable[[AgiRequest], Any]
) -> None:
    desk.reply = reply
    async with serving(desk) as server:
        with capture_logs():
            assert await asterisk_asks(server.port) == FAILSAFE
        assert (server.failed, server.answered) == (1, 0)
        desk.reply = lambda _: HOLD
        assert await asterisk_asks(server.port) == HOLD


async def test_many_ask_at_once(desk: Desk) -> None:
    async with serving(desk) as server:
        answers = await asyncio.gather(*(asterisk_asks(server.port) for _ in range(50)))
        assert all(answer == HOLD for answer in answers)


async def test_only_known_peers_may_ask(desk: Desk) -> None:
    async with serving(desk, peers=[ipaddress.ip_network("192.0.2.0/24")]) as server:
        with capture_logs():
            assert await asterisk_asks(server.port) == {}
        assert (server.refused_peers, server.asked) == (1, 0)


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        (("127.0.0.1", 1), True),
        (("127.3.2.1", 1), True),
        (("::1", 1), True),
        (("::ffff:127.0.0.1", 1), True),
        (("::ffff:192.0.2.1", 1), False),
        (("fe80::1%eth0", 1), False),
        (("192.0.2.1", 1), False),
        (None, False),
    ],
)
def test_loopback_in_all_its_forms(desk: Desk, peer: tuple[str, int] | None, allowed: bool) -> None:
    assert AgiServer(desk.answer, FAILSAFE)._may_speak(peer) is allowed


async def test_more_conversations_than_allowed_are_closed_unread(desk: Desk) -> None:
    free = asyncio.Event()

    async def wait(_: AgiRequest) -> Mapping[str, str]:
        await free.wait()
        return HOLD

    desk.reply = wait
    async with serving(desk, conversations_most=2) as server:
        with capture_logs():
            waiting = [asyncio.ensure_future(asterisk_asks(server.port)) for _ in range(2)]
            await soon(lambda: len(desk.questions) == 2)
            assert await asterisk_asks(server.port) == {}
        assert server.refused_busy == 1
        free.set()
        assert await asyncio.gather(*waiting) == [HOLD, HOLD]


async def test_a_port_in_use_is_said_in_a_sentence(desk: Desk) -> None:
    async with serving(desk) as server:
        second = AgiServer(desk.answer, FAILSAFE)
        with pytest.raises(PortInUse, match=rf"Port {server.port} on 127\.0\.0\.1.*choose another"):
            await second.start("127.0.0.1", server.port)
        await second.close()


async def test_closing_lets_a_begun_answer_end(desk: Desk) -> None:
    free = asyncio.Event()

    async def wait(_: AgiRequest) -> Mapping[str, str]:
        await free.wait()
        return HOLD

    desk.reply = wait
    async with serving(desk) as server:
        port = server.port
        asking = asyncio.ensure_future(asterisk_asks(port))
        await soon(lambda: len(desk.questions) == 1)
        closing = asyncio.ensure_future(server.close(grace=1))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        free.set()
        await closing
        assert await asking == HOLD


async def test_closing_cuts_who_does_not_end(desk: Desk) -> None:
    async with serving(desk, header_within=30) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await soon(lambda: server.conversations == 1)
        async with asyncio.timeout(1):
            await server.close(grace=0)
            assert await reader.read() == b""
        writer.close()
        assert server.conversations == 0


def test_a_fallback_that_cannot_be_said_is_refused_at_the_start(desk: Desk) -> None:
    with pytest.raises(AgiUnsafe):
        AgiServer(desk.answer, {"ACD_VERDICT": "fail\nsafe"})
