"""The FastAGI server against a toy Asterisk that reads the answer the way res_agi does, and against worse peers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dialog_acd.switch.agi import AgiBroken, AgiRequest, AgiServer, AgiUnsafe, PortInUse, assignment, parse_request
from patience import soon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from dialog_acd.switch.agi import Reply

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
HOLD = {
    "ACD_CALL": "acd1-1700000000.1",
    "_ACD_ANNOUNCE": "",
    "ACD_SHOW": 'LGH: "Müller", [Söhne) \\',
    "ACD_VERDICT": "hold",
}


# --- reading the question ---------------------------------------------------------------------------------------------


def check(request: AgiRequest) -> None:
    assert request.script == "arrive"
    assert request.arguments == ("+49511168-0", "")
    assert request.fields["calleridname"] == "Bürger: Müller"
    assert request.fields["dnid"] == "051173070"
    assert request.fields["accountcode"] == ""
    assert "arg_1" not in request.fields


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_header_is_read(line_end: bytes) -> None:
    check(parse_request(HEADER.removesuffix(b"\n\n").replace(b"\n", line_end)))


def test_a_latin_1_name_is_read() -> None:
    request = parse_request(b"agi_calleridname: M\xfcller\nagi_dnid: 115")
    assert request.fields == {"calleridname": "Müller", "dnid": "115"}
    assert request.script == ""


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not an AGI header"),
        (b"GET / HTTP/1.1", "not an AGI header"),
        (b"agi_dnid", "not an AGI header"),
        (b"agi_dnid: 115\n\x00\x01\x02", "not an AGI header"),
        (b"agi_dnid: 115\nagi_dnid: 110", "given twice"),
    ],
)
def test_what_is_no_header_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(AgiBroken, match=why):
        parse_request(raw)


# --- saying the answer ------------------------------------------------------------------------------------------------


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


def separate_args(text: str) -> list[str]:
    """How ``ARRAY`` takes names and values apart (main/app.c, __ast_app_separate_args with remove_chars): quotes toggle
    and are removed, a backslash is removed and what follows it not looked at, brackets hold commas together.
    """
    found: list[str] = []
    at = paren = bracket = 0
    quoting = ended_by_comma = False
    while at < len(text) and len(found) < 99:
        found.append("")
        ended_by_comma = False
        while at < len(text):
            char, at = text[at], at + 1
            if char == "(":
                paren += 1
            elif char == ")":
                paren -= paren > 0
            elif char == "[":
                bracket += 1
            elif char == "]":
                bracket -= bracket > 0
            elif char == '"':
                quoting = not quoting
                continue
            elif char == "\\":
                char, at = text[at : at + 1], at + 1
            elif char == "," and not paren and not quoting and not bracket:
                ended_by_comma = True
                break
            found[-1] += char
    if at < len(text) or ended_by_comma:
        found.append(text[at:])
    return found


def variables_set_by(line: str) -> dict[str, str]:
    """What stands on the channel after this command: function ``ARRAY`` of funcs/func_strings.c."""
    command, kind, function, value = parse_args(line)
    assert (command, kind) == ("SET", "VARIABLE")
    assert function.startswith("ARRAY(")
    assert function.endswith(")")
    names, values = separate_args(function[len("ARRAY(") : -1]), separate_args(value)
    return {name: values[n] if n < len(values) else "" for n, name in enumerate(names)}


def said(variables: Mapping[str, str]) -> dict[str, str]:
    line = assignment(variables)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    return variables_set_by(line.decode().removesuffix("\n"))


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,11}", fullmatch=True)
nasty = st.text(st.sampled_from('ab "\\\t,;$(){}[]|&äß\u2028'), max_size=30)
single_lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=60)


@given(st.dictionaries(names, nasty | single_lines, min_size=1, max_size=20))
def test_whatever_is_said_is_what_asterisk_understands(variables: dict[str, str]) -> None:
    """And in the order in which it was said: the verdict comes last."""
    assert list(said(variables).items()) == list(variables.items())


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        ",,",
        '"',
        '""',
        "\\",
        "\\\\",
        '\\"',
        "(",
        ")",
        "[",
        "]",
        "([",
        ")]",
        "a,b",
        '"a',
        "\\,",
        " ",
        "\t",
        "${X}",
    ],
)
def test_no_value_swallows_its_neighbour(value: str) -> None:
    for variables in ({"A": value}, {"A": value, "B": "b"}, {"A": "a", "B": value}, {"A": value, "B": value, "C": ""}):
        assert said(variables) == variables


@pytest.mark.parametrize("value", ["x\nEXEC System reboot", "x\r", "x\0", "\ud800", "x" * 8000, "," * 3000])
def test_no_value_becomes_a_command(value: str) -> None:
    with pytest.raises(AgiUnsafe):
        assignment({"ACD_NAME": value})
    with pytest.raises(AgiUnsafe):
        assignment({"ACD_NAME": "x", "ACD_OTHER": value, "ACD_VERDICT": "hold"})


@pytest.mark.parametrize(
    "name",
    ["", "1A", "A B", 'A"', "A\n", "A=1", "SHELL(rm -rf)", "CALLERID(name)", "${A}", "A,B", "A)", "Ä", "A\\"],
)
def test_no_name_becomes_something_else(name: str) -> None:
    with pytest.raises(AgiUnsafe):
        assignment({name: "x"})


def test_an_answer_is_one_line() -> None:
    assert assignment({"__ACD_CALL": "1"}) == b'SET VARIABLE "ARRAY(__ACD_CALL)" "1"\n'
    assert assignment({"A": 'a"b\\c', "B": "d,e"}) == rb'SET VARIABLE "ARRAY(A,B)" "a\\\"b\\\\c,d\\,e"' + b"\n"


# --- the server -------------------------------------------------------------------------------------------------------


class Desk:
    """Answers questions as the test wants."""

    def __init__(self) -> None:
        self.questions: list[AgiRequest] = []
        self.open: list[Reply] = []
        """Whom to tell the answers of questions that ``keeps`` them open."""
        self.reply: Callable[[AgiRequest, Reply], object] = lambda _, reply: reply(HOLD)

    def answer(self, request: AgiRequest, reply: Reply) -> None:
        self.questions.append(request)
        self.reply(request, reply)

    def keeps(self, _request: AgiRequest, reply: Reply) -> None:
        self.open.append(reply)


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


async def asterisk_asks(port: int, header: bytes = HEADER, *, hangs_up: bool = False) -> dict[str, str]:
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
                variables |= variables_set_by(line.decode())
                writer.write(b"HANGUP\n200 result=1\n" if hangs_up else b"200 result=1\n")
    except ConnectionError:
        return variables  # a reset is an end, too
    finally:
        writer.close()


async def says(server: AgiServer, raw: bytes) -> str:
    """Why the server breaks off with a peer that says this and then nothing more."""
    broken = server.broken
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(raw)
        writer.write_eof()
        await soon(lambda: server.broken > broken)
        writer.close()
    return str(next(line["why"] for line in logs if line["event"] == "agi.broken"))


async def test_a_question_is_answered_in_order_and_closed(desk: Desk) -> None:
    async with serving(desk) as server:
        variables = await asterisk_asks(server.port)
        assert list(variables.items()) == list(HOLD.items())
        check(desk.questions[0])
        await soon(lambda: server.answered == 1)
        await soon(lambda: server.conversations == 0)
        assert (server.asked, server.answered, server.broken) == (1, 1, 0)


async def test_a_header_byte_by_byte(desk: Desk) -> None:
    async with serving(desk) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n in range(len(HEADER)):
            assert desk.questions == []
            writer.write(HEADER[n : n + 1])
            await asyncio.sleep(0)
        await soon(lambda: bool(desk.questions))
        check(desk.questions[0])
        writer.close()


async def test_what_follows_the_header_is_not_part_of_it(desk: Desk) -> None:
    """A caller who hangs up while the question is on its way."""
    async with serving(desk) as server:
        assert await asterisk_asks(server.port, HEADER + b"HANGUP\n") == HOLD
        await soon(lambda: server.answered == 1)
        check(desk.questions[0])


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "closed"),
        (b"agi_network: yes\n", "closed before the header was complete"),
        (b"agi_netw", "closed before the header was complete"),
        (b"GET / HTTP/1.1\r\n\r\n", "not an AGI header"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "not an AGI header"),
        (b"\n\n", "not an AGI header"),
        (b"agi_dnid\n\n", "not an AGI header"),
        (b"agi_dnid: 115\nagi_dnid: 110\n\n", "given twice"),
        (b"agi_calleridname: " + b"x" * 17000 + b"\n\n", "longer than 16384 bytes"),
        (b"agi_calleridname: " + b"x" * 17000, "longer than 16384 bytes"),
        (b"x" * 17000, "longer than 16384 bytes"),
        (b"".join(b"agi_x%d: %s\n" % (n, b"y" * 90) for n in range(200)) + b"\n", "longer than 16384 bytes"),
    ],
)
async def test_who_asks_no_question_is_closed(desk: Desk, raw: bytes, why: str) -> None:
    async with serving(desk) as server:
        assert why in await says(server, raw)
        assert server.asked == 0
        assert await asterisk_asks(server.port) == HOLD


async def test_asterisk_goes_on_before_it_has_replied(desk: Desk) -> None:
    """The end of file comes with the answer: between it and the ringing phone lies no way back to us."""
    async with serving(desk) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEADER)
        async with asyncio.timeout(1):
            assert await reader.read() == assignment(HOLD)
        assert server.answered == 0, "not before Asterisk has said so"
        writer.write(b"200 result=1\n")
        await soon(lambda: server.answered == 1)
        await soon(lambda: server.conversations == 0)
        writer.close()
        assert server.broken == 0


USAGE = (
    b"520-Invalid command syntax.  Proper usage follows:\n Usage: SET VARIABLE\n200 is no reply here\n\n"
    b"520 End of proper usage.\n"
)


@pytest.mark.parametrize(
    "raw",
    [
        b"200 result=1\n",
        b"200 result=1\r\n",
        b"200 result=1 (a (b) c)\n",
        b"100 Trying...\n200 result=0\n",
        b"HANGUP\n200 result=1\n",
        b"HANGUP\nHANGUP\n200 result=1\nHANGUP\n",
        b"200 result=1\nwhatever comes behind it",
    ],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_every_form_of_success_is_one(desk: Desk, raw: bytes, *, in_pieces: bool) -> None:
    async with serving(desk) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEADER)
        await reader.read()
        for piece in (raw[:5], raw[5:]) if in_pieces else (raw,):
            writer.write(piece)
            await asyncio.sleep(0)
        await soon(lambda: server.answered == 1)
        writer.close()
        assert server.broken == 0


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "Asterisk closed the conversation"),
        (b"200 resu", "Asterisk closed the conversation"),
        (b"HANGUP\n", "Asterisk closed the conversation"),
        (b"510 Invalid or unknown command\n", "510"),
        (b"511 Command Not Permitted on a dead channel or intercept routine\n", "511"),
        (USAGE, "520"),
        (b"520 Invalid command syntax.  Proper usage not available.\n", "520"),
        (b"agi_callingpres: 0\n", "not a reply"),
        (b"\n", "not a reply"),
        (b"x" * 70000, "a reply without end"),
        (b"HANGUP\n" * 10000, "a reply without end"),
        (b"100 Trying...\n" * 5000, "a reply without end"),
    ],
)
async def test_what_is_no_success_breaks_off(desk: Desk, raw: bytes, why: str) -> None:
    async with serving(desk) as server:
        assert why in await says(server, HEADER + raw)
        assert (server.asked, server.answered) == (1, 0)
        await soon(lambda: server.conversations == 0)


async def test_what_a_peer_says_before_its_answer_has_an_end(desk: Desk) -> None:
    desk.reply = desk.keeps
    async with serving(desk, answer_within=30) as server:
        with capture_logs() as logs:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(HEADER)
            await soon(lambda: bool(desk.open))
            writer.write(b"HANGUP\n" * 10000)
            await soon(lambda: server.broken == 1)
            writer.close()
        assert [line["why"] for line in logs] == ["a reply without end"]


async def test_a_caller_who_hangs_up_before_the_reply_is_no_fault(desk: Desk) -> None:
    async with serving(desk) as server:
        assert await asterisk_asks(server.port, hangs_up=True) == HOLD
        await soon(lambda: server.answered == 1)
        assert server.broken == 0


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("turns", range(5))
def test_who_is_gone_before_the_answer_gets_none(
    desk: Desk, loop: Callable[[], asyncio.AbstractEventLoop], turns: int, *, reset: bool
) -> None:
    """A caller who hangs up ends AGI() (AGIEXITONHANGUP). What is decided then finds nobody, and that is nobody's
    fault: so many turns of the loop after it, when it is not known yet, half known, or known.
    """

    async def story() -> None:
        desk.reply = desk.keeps
        async with serving(desk) as server:
            asterisk = socket.create_connection(("127.0.0.1", server.port))
            asterisk.sendall(HEADER)
            await soon(lambda: bool(desk.open))
            if reset:
                asterisk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            asterisk.close()
            for _ in range(turns):
                await asyncio.sleep(0)
            desk.open[0](HOLD)
            await soon(lambda: server.conversations == 0)
            assert (server.answered, server.failed, server.timed_out, server.broken) == (0, 0, 0, 1)

    with capture_logs() as logs, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(story())
    assert [line["event"] for line in logs] == ["agi.broken"]


async def test_a_port_scan_stops_nobody(desk: Desk) -> None:
    async with serving(desk) as server:
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.close()
        await soon(lambda: server.broken == 5)
        assert await asterisk_asks(server.port) == HOLD
        await soon(lambda: server.answered == 1)
        assert server.asked == 1


async def test_a_peer_that_stops_in_the_header_is_closed_and_others_go_on(desk: Desk) -> None:
    async with serving(desk, header_within=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEADER[:100])
        assert await asterisk_asks(server.port) == HOLD
        async with asyncio.timeout(1):
            assert await reader.read() == b""
        writer.close()
        assert (server.asked, server.broken) == (1, 1)


async def test_a_dripping_header_is_given_up(desk: Desk) -> None:
    """The seconds are for the whole of it: a byte now and then does not buy more."""
    async with serving(desk, header_within=0.05) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for n in range(len(HEADER) - 1):
            writer.write(HEADER[n : n + 1])
            await asyncio.sleep(0.002)
            if server.broken:
                break
        writer.close()
        assert (server.asked, server.broken) == (0, 1)


async def test_a_peer_that_never_replies_is_closed(desk: Desk) -> None:
    async with serving(desk, reply_within=0.03) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEADER)
        async with asyncio.timeout(1):
            assert await reader.read() == assignment(HOLD)
        await soon(lambda: server.broken == 1)
        await soon(lambda: server.conversations == 0)
        writer.close()
        assert server.answered == 0


async def test_a_late_answer_is_failsafe(desk: Desk) -> None:
    desk.reply = desk.keeps
    async with serving(desk, answer_within=0.02) as server:
        with capture_logs() as logs:
            assert await asterisk_asks(server.port) == FAILSAFE
            desk.open[0](HOLD)  # nobody is there any more
        assert (server.timed_out, server.answered, server.failed, server.broken) == (1, 0, 0, 0)
        assert [line["event"] for line in logs] == ["agi.answer_late"]


async def test_an_answer_may_come_later(desk: Desk) -> None:
    desk.reply = desk.keeps
    async with serving(desk) as server:
        asking = asyncio.ensure_future(asterisk_asks(server.port))
        await soon(lambda: bool(desk.open))
        desk.open[0](HOLD)
        assert await asking == HOLD
        await soon(lambda: server.answered == 1)


@pytest.mark.parametrize(
    "reply",
    [
        lambda _, reply: 1 / 0,
        lambda _, reply: reply(None),
        lambda _, reply: reply({"ACD_VERDICT": "hold", "ACD_NAME": "x\nEXEC System reboot"}),
        lambda _, reply: reply({"ACD_VERDICT": "hold", "A B": "x"}),
        lambda _, reply: reply({"ACD_VERDICT": 7}),
    ],
    ids=["raises", "nothing", "value with a command", "name with a space", "no text"],
)
async def test_a_failed_answer_is_failsafe_and_never_half_an_answer(
    desk: Desk, reply: Callable[[AgiRequest, Reply], object]
) -> None:
    desk.reply = reply
    async with serving(desk) as server:
        with capture_logs():
            assert await asterisk_asks(server.port) == FAILSAFE
        assert (server.failed, server.answered) == (1, 0)
        desk.reply = lambda _, reply: reply(HOLD)
        assert await asterisk_asks(server.port) == HOLD


async def test_the_first_answer_counts(desk: Desk) -> None:
    def twice(_: AgiRequest, reply: Reply) -> None:
        reply(HOLD)
        reply(None)
        raise RuntimeError("after all was said")

    desk.reply = twice
    async with serving(desk) as server:
        with capture_logs():
            assert await asterisk_asks(server.port) == HOLD
        await soon(lambda: server.answered == 1)
        assert (server.failed, server.broken) == (0, 0)


async def test_many_ask_at_once(desk: Desk) -> None:
    async with serving(desk) as server:
        answers = await asyncio.gather(*(asterisk_asks(server.port) for _ in range(50)))
        assert all(answer == HOLD for answer in answers)


async def test_only_known_peers_may_ask(desk: Desk) -> None:
    async with serving(desk, peers=[ipaddress.ip_network("192.0.2.0/24")]) as server:
        with capture_logs():
            assert await asterisk_asks(server.port) == {}
            assert await asterisk_asks(server.port) == {}
        assert (server.refused_peers, server.asked) == (2, 0)
        await soon(lambda: server.conversations == 0)


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
    server = AgiServer(desk.answer, FAILSAFE)
    assert server._may_speak(peer) is allowed
    assert server._may_speak(peer) is allowed, "as it is remembered"


async def test_more_conversations_than_allowed_are_closed_unread(desk: Desk) -> None:
    desk.reply = desk.keeps
    async with serving(desk, conversations_most=2) as server:
        with capture_logs():
            waiting = [asyncio.ensure_future(asterisk_asks(server.port)) for _ in range(2)]
            await soon(lambda: len(desk.open) == 2)
            assert await asterisk_asks(server.port) == {}
        assert server.refused_busy == 1
        for reply in desk.open:
            reply(HOLD)
        assert await asyncio.gather(*waiting) == [HOLD, HOLD]


async def test_a_port_in_use_is_said_in_a_sentence(desk: Desk) -> None:
    async with serving(desk) as server:
        second = AgiServer(desk.answer, FAILSAFE)
        with pytest.raises(PortInUse, match=rf"Port {server.port} on 127\.0\.0\.1.*choose another"):
            await second.start("127.0.0.1", server.port)
        await second.close()


async def test_closing_lets_a_begun_answer_end(desk: Desk) -> None:
    desk.reply = desk.keeps
    async with serving(desk) as server:
        port = server.port
        asking = asyncio.ensure_future(asterisk_asks(port))
        await soon(lambda: len(desk.questions) == 1)
        closing = asyncio.ensure_future(server.close(grace=1))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        desk.open[0](HOLD)
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
