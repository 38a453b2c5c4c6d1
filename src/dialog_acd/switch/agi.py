r"""FastAGI: the dialplan asks one question, gets channel variables for an answer, and goes on.

Own reader, because the one in panoramisk loops without ever yielding when a peer connects and closes: one port scan
would stop the whole service. Everything here is bounded: the header in bytes and seconds, the answer in seconds,
replies in bytes and seconds, conversations in number. Whoever asks is answered; when the answer is late or fails,
with the fallback, and the dialplan finds ``failsafe`` in the variable it looks at.

What a conversation looks like (res/res_agi.c of Asterisk 22)::

    Asterisk:  agi_network: yes\n agi_network_script: arrive\n agi_request: ...\n ... \n\n
    we:        SET VARIABLE ACD_VERDICT "hold"\n
    Asterisk:  200 result=1\n

**One command at a time.** Writing all commands at once would spare round trips, but Asterisk would stand still:
``run_agi`` waits with poll() on the socket and then takes *one* line through stdio, which reads ahead. The second
line lies in stdio's buffer, where poll() does not see it, and nothing wakes the channel until we write again or
close. So: one line out, its reply in, then the next (under 100 us each on loopback).

**HANGUP.** When the caller hangs up, Asterisk puts a line ``HANGUP`` before the next reply. It is not a reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.switch import to_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

__all__ = [
    "AgiBroken",
    "AgiReply",
    "AgiRequest",
    "AgiServer",
    "AgiSession",
    "AgiUnsafe",
    "PortInUse",
    "assignment",
    "read_request",
]

log = structlog.get_logger(__name__)

LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class AgiBroken(DialogAcdError):  # noqa: N818  errors are nouns here, see core.errors
    """The AGI conversation broke off."""

    error_id = "agi-broken"


class AgiUnsafe(DialogAcdError, ValueError):  # noqa: N818
    """A command that Asterisk would read as something else; it was not sent."""

    error_id = "agi-unsafe"


class PortInUse(DialogAcdError):  # noqa: N818
    """The port for AGI is taken by another program, or not ours to open."""

    error_id = "port-in-use"


# --- reading the question ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AgiRequest:
    """What the dialplan says about the channel that asks."""

    script: str
    """The path of the agi:// address without its leading slash: which question it is."""
    fields: Mapping[str, str]
    """The ``agi_*`` headers without that prefix. Written by the caller in part: data, never to be trusted."""
    arguments: tuple[str, ...] = ()


async def read_request(reader: asyncio.StreamReader, *, limit: int = 16384, within: float = 5.0) -> AgiRequest:
    """Read the header and not a byte more.

    :param limit: most bytes of the whole header.
    :param within: seconds for the whole header, however slowly it drips.
    :raises AgiBroken: closed, too slow, too long, no AGI, or a header given twice.
    """
    fields: dict[str, str] = {}
    size = 0
    try:
        async with asyncio.timeout(within):
            while True:
                line = await reader.readuntil(b"\n")
                size += len(line)
                if size > limit:
                    raise AgiBroken(f"header longer than {limit} bytes")
                text = to_text(line).removesuffix("\n").removesuffix("\r")
                if not text:
                    break
                key, colon, value = text.partition(":")
                if not colon or not key.startswith("agi_"):
                    raise AgiBroken("not an AGI header: is something else talking to this port?")
                if key in fields:
                    # Asterisk writes each once. Twice means that a line break in a name or number made one up.
                    raise AgiBroken(f"header {key} given twice")
                fields[key] = value.removeprefix(" ")
    except TimeoutError:
        raise AgiBroken(f"header not complete within {within:g} s") from None
    except asyncio.IncompleteReadError as error:
        raise AgiBroken("closed before the header was complete" if size or error.partial else "closed") from None
    except asyncio.LimitOverrunError:
        raise AgiBroken(f"header longer than {limit} bytes") from None
    except OSError as error:
        raise AgiBroken(f"connection lost: {error.strerror or error}") from None

    arguments: list[str] = []
    while (argument := fields.pop(f"agi_arg_{len(arguments) + 1}", None)) is not None:
        arguments.append(argument)
    script = fields.pop("agi_network_script", "").strip("/")
    return AgiRequest(script, {key.removeprefix("agi_"): v for key, v in fields.items()}, tuple(arguments))


# --- speaking ---------------------------------------------------------------------------------------------------------

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\([a-z]+\))?")
_COMMAND: Final = re.compile(r"[A-Za-z]+( [A-Za-z]+)*")
_LINE_MOST: Final = 8000  # AGI_BUF_LEN 8192; a longer line is cut and its rest run as the next command
_REPLY: Final = re.compile(r"(\d{3})([ -]?)(.*)", re.DOTALL)
_RESULT: Final = re.compile(r"result=(\S*)(?: \((.*?)\))?")


@dataclass(frozen=True)
class AgiReply:
    """``200 result=1 (timeout) endpos=0``: code 200, result "1", data "timeout"."""

    code: int
    result: str
    data: str
    text: str


def quoted(value: str) -> str:
    r"""As one word for ``parse_args``, which knows ``\"`` and ``\\`` and nothing else.

    :raises AgiUnsafe: a line break would begin a command of its own; NUL would end the line.
    """
    if re.search("[\r\n\0]", value):
        raise AgiUnsafe("line break or NUL in an AGI argument")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _line(command: str, arguments: Iterable[str]) -> bytes:
    if not _COMMAND.fullmatch(command):
        raise AgiUnsafe(f"{command!r} is not an AGI command")
    try:
        line = " ".join([command, *(quoted(argument) for argument in arguments)]).encode() + b"\n"
    except UnicodeEncodeError:
        raise AgiUnsafe("an AGI argument holds something that is not text") from None
    if len(line) > _LINE_MOST:
        raise AgiUnsafe(f"an AGI command of {len(line)} bytes is more than Asterisk reads")
    return line


def assignment(name: str, value: str) -> bytes:
    """The line that sets one channel variable.

    :raises AgiUnsafe: not the name of a variable, or a value that is no single line.
    """
    if not _VARIABLE.fullmatch(name):
        raise AgiUnsafe(f"{name!r} is not the name of a channel variable")
    return _line("SET VARIABLE", (name, value))


class AgiSession:
    """Commands to the channel that asked."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        reply_within: float = 1.0,
        reply_most: int = 65536,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._reply_within = reply_within
        self._reply_most = reply_most
        self.hung_up = False
        """The caller has gone; Asterisk may still take commands that a dead channel allows."""

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable.

        :raises AgiUnsafe: nothing was sent. :raises AgiBroken: no reply, or another than success.
        """
        await self.send_assignment(assignment(name, value))

    async def send_assignment(self, line: bytes) -> None:
        """``set_variable`` for a line that ``assignment`` made."""
        reply = await self._converse(line)
        if reply.code != 200:
            raise AgiBroken(f"Asterisk did not set the variable: {reply.code} {reply.text[:80]}")

    async def command(self, command: str, *arguments: str) -> AgiReply:
        """Any command, such as ``command("GET VARIABLE", "ACD_CALL")``; its reply, whatever it says.

        :raises AgiUnsafe: nothing was sent. :raises AgiBroken: no reply in time, or closed.
        """
        return await self._converse(_line(command, arguments))

    async def _converse(self, line: bytes) -> AgiReply:
        try:
            async with asyncio.timeout(self._reply_within):
                self._writer.write(line)
                await self._writer.drain()
                return await self._read_reply()
        except TimeoutError:
            raise AgiBroken(f"no reply within {self._reply_within:g} s") from None
        except asyncio.IncompleteReadError:
            raise AgiBroken("Asterisk closed the conversation") from None
        except asyncio.LimitOverrunError:
            raise AgiBroken("a reply without end") from None
        except OSError as error:
            raise AgiBroken(f"connection lost: {error.strerror or error}") from None

    async def _read_reply(self) -> AgiReply:
        size = 0
        usage: list[str] = []
        while True:
            raw = await self._reader.readuntil(b"\n")
            size += len(raw)
            if size > self._reply_most:
                raise AgiBroken("a reply without end")
            text = to_text(raw).rstrip("\r\n")
            if text == "HANGUP":
                self.hung_up = True
                continue
            match = _REPLY.fullmatch(text)
            if usage:
                # Between "520-" and "520 " stands the command's manual page, in any form.
                usage.append(text)
                if match is None or match[1] != "520" or match[2] == "-":
                    continue
                return AgiReply(520, "", "", "\n".join(usage))
            if match is None:
                raise AgiBroken(f"not a reply: {text[:80]!r}")
            code, mark, rest = int(match[1]), match[2], match[3]
            if mark == "-":
                usage.append(text)
            elif code >= 200:
                result = _RESULT.match(rest)
                return AgiReply(code, result[1] if result else "", (result[2] or "") if result else "", rest)
            # 1xx: "Trying...", the reply is still to come


# --- answering --------------------------------------------------------------------------------------------------------


class AgiServer:
    """Takes questions, gives answers.

    :param answer: gets the question, returns the channel variables to set, in this order.
    :param fallback: what to set when ``answer`` raises or is late; ``{"ACD_VERDICT": "failsafe"}``.
    :param answer_within: seconds for ``answer``. The dialplan's own patience must be longer by a second.
    :param peers: networks whose connections are taken; FastAGI knows no other authentication.
    :param conversations_most: more at once are closed unread; the dialplan finds no verdict and goes to failsafe.
    """

    def __init__(
        self,
        answer: Callable[[AgiRequest], Awaitable[Mapping[str, str]]],
        fallback: Mapping[str, str],
        *,
        answer_within: float = 2.0,
        header_within: float = 5.0,
        header_most: int = 16384,
        reply_within: float = 1.0,
        peers: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network] = LOOPBACK,
        conversations_most: int = 500,
    ) -> None:
        self._answer = answer
        self._fallback = [assignment(name, value) for name, value in fallback.items()]  # better now than at night
        self._answer_within = answer_within
        self._header_within = header_within
        self._header_most = header_most
        self._reply_within = reply_within
        self._peers = tuple(peers)
        self._most = conversations_most
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

        self.asked = 0
        """Questions read."""
        self.answered = 0
        """Questions answered as ``answer`` said, down to the last variable."""
        self.timed_out = 0
        """Answers that came too late: fallback."""
        self.failed = 0
        """Answers that raised or could not be said: fallback."""
        self.broken = 0
        """Conversations that broke off, on either side of the question."""
        self.refused_peers = 0
        self.refused_busy = 0

    @property
    def port(self) -> int:
        """The port listened on; of use when 0 was asked for."""
        if self._server is None:
            raise RuntimeError("not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def conversations(self) -> int:
        return len(self._open)

    async def start(self, host: str, port: int) -> None:
        """Listen.

        :raises PortInUse: says which port, and what to do.
        """
        try:
            self._server = await asyncio.start_server(
                self._on_connection, host, port, limit=self._header_most, backlog=self._most
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    f"Port {port} on {host}, wanted for AGI, is in use by another program:"
                    f" stop that program or choose another port for AGI (ACD_AGI__PORT)"
                ) from None
            # Privileged port, address of another machine, a name nobody knows.
            raise PortInUse(
                f"Port {port} on {host}, wanted for AGI, cannot be opened ({error.strerror or error}):"
                f" correct ACD_AGI__HOST or ACD_AGI__PORT"
            ) from None

    async def close(self, grace: float = 2.0) -> None:
        """Take no more questions, let begun conversations end for ``grace`` seconds, then cut them."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        if self._open:
            await asyncio.wait(self._open, timeout=grace)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await server.wait_closed()

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: asyncio would keep the task to itself, and close() could not end it.
        peer = writer.get_extra_info("peername")
        if not self._may_speak(peer):
            self.refused_peers += 1
            log.warning("agi.peer_refused", peer=peer[0] if peer else None)
            writer.transport.abort()
        elif self._server is None or len(self._open) >= self._most:
            self.refused_busy += 1
            log.warning("agi.busy", conversations=len(self._open))
            writer.transport.abort()
        else:
            task = asyncio.ensure_future(self._converse(reader, writer))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    def _may_speak(self, peer: tuple[str, int] | None) -> bool:
        if not peer:
            return False
        address = ipaddress.ip_address(peer[0].partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._peers)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader, limit=self._header_most, within=self._header_within)
            self.asked += 1
            lines, meant = await self._lines_for(request)
            channel = AgiSession(reader, writer, reply_within=self._reply_within)
            for line in lines:
                await channel.send_assignment(line)
            if meant:
                self.answered += 1
        except AgiBroken as broken:
            self.broken += 1
            log.info("agi.broken", why=str(broken))
        except Exception:
            self.broken += 1
            log.exception("agi.defect")
        finally:
            # Whatever happened: the dialplan goes on only when the socket is closed.
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()
            writer.transport.abort()  # no effect but on a peer that does not even take our goodbye

    async def _lines_for(self, request: AgiRequest) -> tuple[list[bytes], bool]:
        """All lines of the answer before the first is sent: an answer is given whole or not at all."""
        try:
            async with asyncio.timeout(self._answer_within):
                variables = await self._answer(request)
            return [assignment(name, value) for name, value in variables.items()], True
        except TimeoutError:
            self.timed_out += 1
            log.error("agi.answer_late", script=request.script, within=self._answer_within)  # noqa: TRY400
        except Exception:
            self.failed += 1
            log.exception("agi.answer_failed", script=request.script)
        return self._fallback, False
