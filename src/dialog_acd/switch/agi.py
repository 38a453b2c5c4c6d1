r"""FastAGI: the dialplan asks one question, gets channel variables for an answer, and goes on.

Own reader, because the one in panoramisk loops without ever yielding when a peer connects and closes: one port scan
would stop the whole service. Everything here is bounded: the header in bytes and seconds, the answer in seconds,
replies in bytes and seconds, conversations in number. Whoever asks is answered; when the answer is late or fails,
with the fallback, and the dialplan finds ``failsafe`` in the variable it looks at.

What a conversation looks like (res/res_agi.c of Asterisk 22)::

    Asterisk:  agi_network: yes\n agi_network_script: arrive\n agi_request: ...\n ... \n\n
    we:        SET VARIABLE "ARRAY(ACD_QUEUE,ACD_VERDICT)" "langenhagen,hold"\n
    Asterisk:  200 result=1\n

**One command, one reply.** The whole answer is one ``SET VARIABLE`` of the function ``ARRAY`` (funcs/func_strings.c):
it is there whole or not at all, and costs one way there and back instead of a dozen. Several commands could not be
written at once either. ``run_agi`` waits with poll() on the socket and then takes *one* line through stdio, which reads
ahead: the second line would lie in stdio's buffer, where poll() does not see it, and Asterisk would stand still.

**HANGUP.** When the caller hangs up, Asterisk puts a line ``HANGUP`` before the next reply. It is not a reply.

A conversation is an ``asyncio.Protocol`` and no task with streams: the same steps, a third of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import structlog

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.switch import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AgiBroken",
    "AgiRequest",
    "AgiServer",
    "AgiUnsafe",
    "PortInUse",
    "assignment",
    "parse_request",
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


def parse_request(header: bytes) -> AgiRequest:
    """A header, without the empty line that ends it.

    :raises AgiBroken: no AGI, or a line given twice.
    """
    fields: dict[str, str] = {}
    for line in to_text(header).split("\n"):
        key, colon, value = line.removesuffix("\r").partition(":")
        if not colon or not key.startswith("agi_"):
            raise AgiBroken("not an AGI header: is something else talking to this port?")
        key = key[4:]
        if key in fields:
            # Asterisk writes each once. Twice means that a line break in a name or number made one up.
            raise AgiBroken(f"header agi_{key} given twice")
        fields[key] = value.removeprefix(" ")
    arguments: list[str] = []
    while (argument := fields.pop(f"arg_{len(arguments) + 1}", None)) is not None:
        arguments.append(argument)
    script = fields.pop("network_script", "").strip("/")
    return AgiRequest(script, fields, tuple(arguments))


# --- saying the answer ------------------------------------------------------------------------------------------------

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE_MOST: Final = 8000  # AGI_BUF_LEN 8192; a longer line is cut and its rest run as the next command
_REPLY: Final = re.compile(r"(\d{3})([ -]?)(.*)", re.DOTALL)
_FORBIDDEN: Final = re.compile("[\r\n\0]")
_SPECIAL: Final = re.compile(r'([\\",()\[\]])')


def assignment(variables: Mapping[str, str]) -> bytes:
    r"""The line that sets all these channel variables, in this order.

    Two readers take it apart: ``parse_args`` (res/res_agi.c), which knows ``\"`` and ``\\`` and nothing else, and after
    it ``ARRAY``, which splits at commas outside of quotes and brackets (main/app.c, ``__ast_app_separate_args``).

    :raises AgiUnsafe: not the name of a variable, or a value that is no single line of text: a line break would begin
        a command of its own, NUL would end the line.
    """
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            raise AgiUnsafe(f"{name!r} is not the name of a channel variable")
    values = ",".join(_SPECIAL.sub(r"\\\1", value) for value in variables.values())
    if _FORBIDDEN.search(values):
        raise AgiUnsafe("line break or NUL in an AGI argument")
    escaped = values.replace("\\", "\\\\").replace('"', '\\"')
    try:
        line = f'SET VARIABLE "ARRAY({",".join(variables)})" "{escaped}"\n'.encode()
    except UnicodeEncodeError:
        raise AgiUnsafe("an AGI argument holds something that is not text") from None
    if len(line) > _LINE_MOST:
        raise AgiUnsafe(f"an AGI command of {len(line)} bytes is more than Asterisk reads")
    return line


# --- answering --------------------------------------------------------------------------------------------------------


Reply = Callable[[Mapping[str, str] | None], None]
"""Takes the channel variables to set, in this order; ``None``: there is no answer. Counts once."""


class AgiServer:
    """Takes questions, gives answers.

    :param answer: gets the question and whom to tell the answer, now or later.
    :param fallback: what to set when ``answer`` raises, has none or is late; ``{"ACD_VERDICT": "failsafe"}``.
    :param answer_within: seconds for ``answer``. The dialplan's own patience must be longer by a second.
    :param header_within: seconds for the whole question, however slowly it drips; ``header_most`` are its bytes.
    :param reply_within: seconds for Asterisk to take the answer; ``reply_most`` bytes for saying so.
    :param peers: networks whose connections are taken; FastAGI knows no other authentication.
    :param conversations_most: more at once are closed unread; the dialplan finds no verdict and goes to failsafe.
    """

    def __init__(
        self,
        answer: Callable[[AgiRequest, Reply], None],
        fallback: Mapping[str, str],
        *,
        answer_within: float = 2.0,
        header_within: float = 5.0,
        header_most: int = 16384,
        reply_within: float = 1.0,
        reply_most: int = 65536,
        peers: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network] = LOOPBACK,
        conversations_most: int = 500,
    ) -> None:
        self.answer = answer
        self.fallback = assignment(fallback)  # better now than at night
        self.answer_within = answer_within
        self.header_within = header_within
        self.header_most = header_most
        self.reply_within = reply_within
        self.reply_most = reply_most
        self._peers = tuple(peers)
        self._most = conversations_most
        self._server: asyncio.Server | None = None
        self._known: dict[str, bool] = {}
        self._open: set[_Conversation] = set()
        self._empty = asyncio.Event()

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
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Conversation(self), host, port, backlog=self._most)
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
        for patience, cut in ((grace, False), (1.0, True)):
            if cut:
                for conversation in tuple(self._open):
                    conversation.cut()
            self._empty.clear()
            if self._open and patience > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._empty.wait()
        await server.wait_closed()

    def admits(self, conversation: _Conversation, peer: tuple[str, int] | None) -> bool:
        """Whether this conversation may begin; it is noted if so."""
        if not self._may_speak(peer):
            self.refused_peers += 1
            log.warning("agi.peer_refused", peer=peer[0] if peer else None)
            return False
        if self._server is None or len(self._open) >= self._most:
            self.refused_busy += 1
            log.warning("agi.busy", conversations=len(self._open))
            return False
        self._open.add(conversation)
        return True

    def over(self, conversation: _Conversation) -> None:
        self._open.discard(conversation)
        if not self._open:
            self._empty.set()

    def _may_speak(self, peer: tuple[str, int] | None) -> bool:
        if not peer:
            return False
        known = self._known.get(peer[0])
        if known is None:
            address = ipaddress.ip_address(peer[0].partition("%")[0])
            mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
            known = any((mapped or address) in network for network in self._peers)
            if known:
                self._known[peer[0]] = True  # those alone: strangers may be many
        return known


class _Conversation(asyncio.Protocol):
    """One question and its answer. Whatever happens: the dialplan goes on only when the socket is closed."""

    def __init__(self, server: AgiServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._said = b""
        """What the other side has said and nobody has read."""
        self._size = 0
        self._asked = False
        self._replying = False
        self._meant = False
        """The answer on its way is the one that was meant, not the fallback."""
        self._over = False
        self._deadline: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admits(self, transport.get_extra_info("peername")):
            self._over = True
            self._transport.abort()
            return
        within = self._server.header_within
        self._wait(within, f"header not complete within {within:g} s")

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._said += data
        if self._replying:
            self._read_reply()
        elif not self._asked:
            self._read_header()
        elif len(self._said) > self._server.reply_most:
            self._break("a reply without end")

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._break(f"connection lost: {exc}")
        elif self._asked:
            self._break("Asterisk closed the conversation")
        else:
            self._break("closed before the header was complete" if self._said else "closed")
        self._server.over(self)

    # ------------------------------------------------------------ question, answer, reply

    def _read_header(self) -> None:
        plain, network = self._said.find(b"\n\n"), self._said.find(b"\r\n\r\n")
        end, length = (plain, 2) if network < 0 or 0 <= plain < network else (network, 4)
        if max(end, 0) > self._server.header_most or (end < 0 and len(self._said) > self._server.header_most):
            self._break(f"header longer than {self._server.header_most} bytes")
            return
        if end < 0:
            if not b"agi_".startswith(self._said[:4]):
                self._break("not an AGI header: is something else talking to this port?")
            return
        header, self._said = self._said[:end], self._said[end + length :]
        try:
            request = parse_request(header)
        except AgiBroken as broken:
            self._break(str(broken))
            return
        self._server.asked += 1
        self._asked, self._script = True, request.script
        self._wait(self._server.answer_within, None)
        try:
            self._server.answer(request, self._answer)
        except Exception:  # whoever calls is to be answered
            log.exception("agi.answer_failed", script=self._script)
            self._answer(None)

    def _answer(self, variables: Mapping[str, str] | None) -> None:
        """All of the answer before the first byte is sent: it is given whole or not at all."""
        if self._over or self._replying:
            return  # too late, or told twice
        if variables is not None:
            try:
                line = assignment(variables)
            except Exception:
                log.exception("agi.answer_failed", script=self._script)
            else:
                self._meant = True
                self._say(line)
                return
        self._server.failed += 1
        self._say(self._server.fallback)

    def _say(self, line: bytes) -> None:
        self._replying = True
        try:
            self._transport.write(line)
            # That was all. Asterisk need not wait until we have read its reply: it goes on when it has taken this.
            self._transport.write_eof()
        except OSError as error:  # reset by a peer that we have not heard of yet
            self._break(f"connection lost: {error.strerror or error}")
            return
        within = self._server.reply_within
        self._wait(within, f"no reply within {within:g} s")
        self._read_reply()

    def _read_reply(self) -> None:
        self._size += len(self._said)
        *lines, self._said = self._said.split(b"\n")
        self._size -= len(self._said)
        if self._size + len(self._said) > self._server.reply_most:
            self._break("a reply without end")
            return
        for raw in lines:
            text = to_text(raw).removesuffix("\r")
            if text == "HANGUP":  # the caller has gone; what we set is taken all the same
                continue
            reply = _REPLY.fullmatch(text)
            if reply is None:
                self._break(f"not a reply: {text[:80]!r}")
            elif reply[1] == "200":
                self._server.answered += self._meant
                self._end()
            elif reply[1].startswith("1"):  # "Trying...", the reply is still to come
                continue
            else:
                self._break(f"Asterisk did not set the variables: {text[:80]}")
            return

    # ------------------------------------------------------------ the end

    def _wait(self, within: float, why: str | None) -> None:
        """Until the next step; ``why`` it is given up then, or ``None`` for the answer, which has a fallback."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            self._loop.call_later(within, self._late)
            if why is None
            else self._loop.call_later(within, self._break, why)
        )

    def _late(self) -> None:
        self._server.timed_out += 1
        log.error("agi.answer_late", script=self._script, within=self._server.answer_within)
        self._say(self._server.fallback)

    def _break(self, why: str) -> None:
        if not self._over:
            self._server.broken += 1
            log.info("agi.broken", why=why)
            self._end()

    def _end(self) -> None:
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._transport.get_write_buffer_size():
            self._deadline = self._loop.call_later(1.0, self._transport.abort)  # a peer that does not take our goodbye
        self._transport.close()

    def cut(self) -> None:
        """End it now."""
        self._break("cut: the service stops")
        self._transport.abort()
