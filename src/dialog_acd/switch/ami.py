"""The AMI link: one connection to Asterisk's manager interface that is lost, found again, and never lies.

Below translation: it knows messages, not calls. Three promises carry everything above it.

**Order.** Bytes are split into messages in the reader, messages go into one bounded queue, one pump takes them out
and calls ``hear``. Actions are on the wire before ``post`` returns, so the order of calls is the order of orders.
(A reply wakes its caller directly and may overtake messages still queued before it; what must be in step with the
events has to be learnt from an event.)

**A picture, then the stream.** After login the messages already flow into the queue, but ``hear`` gets none before
``greet`` has returned: there the owner asks Asterisk what is there (Ping, CoreShowChannels, DeviceStateList). The
same is done when the queue ran over: a gap is not repaired, it is replaced by a new picture. What was queued when
the connection breaks is still heard, then ``lost`` is told.

**Nothing twice.** An action whose answer is missing has perhaps been carried out. It fails with ``AmiDown`` or
``TimeoutError``, outcome unknown, and is never sent again: a repeated Redirect would pull a citizen out of the
conversation that the first one began.

Underneath is panoramisk 1.4: its connecting, its action objects and its table of unanswered actions. What we replace
in it, and why (measured on 1.4):

====================================================  ==============================================================
panoramisk alone                                      here
====================================================  ==============================================================
repeats unanswered actions after a reconnect,         fails them; ``send_awaiting_actions`` forgets
Command and AGI even twice
keeps what is sent while down, for minutes            ``AmiDown`` at once
an action may wait for ever, its entry stays          every action has a deadline; the future clears its own entry
never looks at the answers to its pings               two missed answers abort the connection
an exception in a callback closes the connection      logged, counted, next message
one unordered task per event, no bound                one bounded queue, one pump
decodes each TCP read, dropping bad bytes             splits bytes first, decodes whole messages tolerantly
a line break in a value is a second action            ``AmiUnsafe``
``as_list`` and an Error: never resolves              an Error ends a list too
a single ``ChanVariable`` raises                      ``channel_variables`` takes one or many
no connect or login deadline, fixed pause, reconnects  deadlines, growing pause with jitter, ``close`` is final
after ``close``
====================================================  ==============================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.switch import Message, channel_variables, first, to_text, unescape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

__all__ = [
    "AmiAddress",
    "AmiDown",
    "AmiError",
    "AmiLimits",
    "AmiLink",
    "AmiListBroken",
    "AmiLoginRefused",
    "AmiRefused",
    "AmiUnreachable",
    "AmiUnsafe",
    "LinkState",
    "Message",
    "channel_variables",
    "first",
    "probe",
]

log = structlog.get_logger(__name__)


# --- what can go wrong ------------------------------------------------------------------------------------------------


class AmiError(DialogAcdError):
    """Something on the connection to Asterisk went wrong."""

    error_id = "ami"


class AmiDown(AmiError):  # noqa: N818  errors are nouns here, see core.errors
    """Not connected to Asterisk; whether the action was carried out is unknown."""

    error_id = "ami-down"


class AmiUnreachable(AmiError):  # noqa: N818
    """Nobody speaks AMI at that address."""

    error_id = "ami-unreachable"


class AmiLoginRefused(AmiError):  # noqa: N818
    """Asterisk refused the AMI login: check user name and secret."""

    error_id = "ami-login-refused"


class AmiRefused(AmiError):  # noqa: N818
    """Asterisk answered an action with an error.

    :ivar action: name of the action.
    :ivar text: Asterisk's words, such as "Channel does not exist" or "Permission denied".
    """

    error_id = "ami-refused"

    def __init__(self, action: str, text: str) -> None:
        self.action = action
        self.text = text
        super().__init__(f"Asterisk refused {action}: {text or 'no reason given'}")


class AmiListBroken(AmiError):  # noqa: N818
    """A list from Asterisk was not complete, so it proves nothing about what is missing from it."""

    error_id = "ami-list-broken"


class AmiUnsafe(AmiError, ValueError):  # noqa: N818
    """An action that Asterisk would read as something else; it was not sent."""

    error_id = "ami-unsafe"


# --- what it needs to know --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AmiAddress:
    """Where Asterisk's manager interface is, and who we are there (a section of manager.conf)."""

    host: str
    port: int
    username: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class AmiLimits:
    """Every wait has an end. Times in seconds.

    A silent Asterisk is given up after ``ping_every`` + 2 x ``ping_within`` at most.
    """

    connect_within: float = 5.0
    login_within: float = 5.0
    greet_within: float = 30.0
    ping_every: float = 2.0
    ping_within: float = 2.0
    pings_missed: int = 2
    pause_first: float = 0.2
    pause_growth: float = 1.7
    pause_most: float = 10.0
    pause_refused: float = 2.0
    """After a refused login: Asterisk itself sleeps a second, and guessing faster looks like an attack."""
    steady_after: float = 5.0
    """A link must live this long before the pauses start small again."""
    queued_most: int = 20_000
    message_most: int = 1 << 20
    """Bytes without an end of message: not an AMI, or one gone mad."""
    heard_at_once: int = 2000
    """Messages the pump gives to ``hear`` before others get a turn. More than one read of the socket brings (256 KB,
    some 500 messages): else the queue runs over in a burst although the pump has time."""


class LinkState(enum.Enum):
    DOWN = "down"
    GREETING = "greeting"
    """Logged in, actions go through; the picture is being taken and messages wait."""
    UP = "up"


# --- actions ----------------------------------------------------------------------------------------------------------

_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LINE_BREAKS: Final = re.compile("[\r\n\0]")
_LINE_MOST: Final = 1000  # main/manager.c: 1024 with the line's end; longer and the action is dropped
_HEADERS_MOST: Final = 120  # main/manager.h: AST_MAX_MANHEADERS 128


class _Ask(Action):  # type: ignore[misc]  # panoramisk is untyped
    """One action on its way and what came back so far."""

    future: asyncio.Future[Any]

    def __init__(self, headers: Mapping[str, str | list[str]], action_id: str, *, as_list: bool) -> None:
        # Not Action's own ids: they are the same for every link of the process and start anew with it.
        super().__init__({**headers, "ActionID": action_id}, as_list=as_list)
        self.name = str(headers.get("Action", ""))

    def as_bytes(self) -> bytes:
        """The action as it goes on the wire, or AmiUnsafe."""
        lines = 0
        for key, value in self._lines():
            lines += 1
            if not _HEADER_NAME.fullmatch(key):
                raise AmiUnsafe(f"{self.name}: {key!r} is not a header name")
            if _LINE_BREAKS.search(value):
                # A line break ends the header: what follows would be a header, or an action, of its own.
                raise AmiUnsafe(f"{self.name}: line break or NUL in {key}")
            try:
                size = len(key) + 2 + len(value.encode())
            except UnicodeEncodeError:
                raise AmiUnsafe(f"{self.name}: {key} holds something that is not text") from None
            if size > _LINE_MOST:
                raise AmiUnsafe(f"{self.name}: {key} has {size} bytes, more than the {_LINE_MOST} Asterisk reads")
        if lines > _HEADERS_MOST:
            raise AmiUnsafe(f"{self.name}: {lines} headers, more than the {_HEADERS_MOST} Asterisk reads")
        return str(self).encode()

    def _lines(self) -> list[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for key, value in self.items():
            pairs.extend((key, each) for each in (value if isinstance(value, list) else [value]))
        return pairs

    def add_message(self, message: Message) -> None:
        """Take what came back. A refusal ends it always, a list by its last event, anything else by the reply."""
        if "Event" not in message:
            if first(message, "Response").lower() in {"error", "fail", "failure"}:
                self.fail(AmiRefused(self.name, first(message, "Message")))
            elif not self.as_list:
                self._resolve(message)
            return
        ending = first(message, "EventList").lower()
        if ending == "complete":
            promised = first(message, "ListItems")
            if promised.isdigit() and int(promised) != len(self.responses):
                self.fail(AmiListBroken(f"{self.name}: {promised} items announced, {len(self.responses)} came"))
            else:
                self._resolve(self.responses)
        elif ending == "cancelled":
            self.fail(AmiListBroken(f"{self.name}: Asterisk broke the list off"))
        else:
            self.responses.append(message)

    def _resolve(self, result: object) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever posted without waiting must not get a warning for it


# --- the wire ---------------------------------------------------------------------------------------------------------

_BANNER: Final = b"Asterisk Call Manager/"
_ESCAPED_HEADERS: Final = ("CallerIDName", "ConnectedLineName", "ChanVariable")


def parse(raw: bytes | bytearray) -> Message:
    """One message without its ending. Only what Asterisk escapes is unescaped (main/manager_channels.c).

    Only CR LF ends a line: a bare LF in a value belongs to the value.
    """
    message: dict[str, str | list[str]] = {}
    text = to_text(raw)
    for line in text.split("\r\n"):
        key, colon, value = line.partition(": ")
        if not colon or ":" in key:
            key, colon, value = line.partition(":")
            if not colon:
                continue
        if key not in message:
            message[key] = value
        elif isinstance(known := message[key], list):
            known.append(value)
        else:
            message[key] = [known, value]
    if "\\" in text:
        # The text of a UserEvent comes raw, but its channel's headers do not; same names, same treatment.
        for key, value_s in message.items():
            if key.endswith(_ESCAPED_HEADERS) or (key == "Value" and message.get("Event") == "VarSet"):
                message[key] = unescape(value_s) if isinstance(value_s, str) else [unescape(v) for v in value_s]
    return message


class _Protocol(AMIProtocol):  # type: ignore[misc]
    """Bytes in, messages out; actions in, bytes out. One object per connection, never used twice."""

    transport: asyncio.Transport
    responses: dict[str, _Ask]
    version: str | None

    def __init__(self, limits: AmiLimits, deliver: Callable[[Message], None]) -> None:
        self._limits = limits
        self._deliver = deliver
        self._rest = b""
        self._reason: str | None = None
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[str] = loop.create_future()
        """The AMI version, as soon as the banner is there."""
        self.ended: asyncio.Future[str] = loop.create_future()
        """Why this connection ended, as soon as it has."""
        self.strays = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.version = None

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if self.version is None and not self._take_banner():
            return
        *whole, self._rest = self._rest.split(b"\r\n\r\n")
        if len(self._rest) > self._limits.message_most:
            self.abort("it sends no end of message: this is not an Asterisk manager interface")
            return
        for raw in whole:
            self.handle_message(parse(raw))

    def _take_banner(self) -> bool:
        line, end, rest = self._rest.partition(b"\r\n")
        if line[: len(_BANNER)] != _BANNER[: len(line)] or len(line) > 200:
            self.abort("what answers there is not an Asterisk manager interface (AMI)")
            return False
        if not end:
            return False
        self.version, self._rest = to_text(line[len(_BANNER) :]), rest
        if not self.greeted.done():
            self.greeted.set_result(self.version)
        return True

    def handle_message(self, message: Message) -> None:
        action_id = message.get("ActionID")
        ask = self.responses.get(action_id) if isinstance(action_id, str) else None
        # "Response" alone proves nothing: the event OriginateResponse has a header of that name.
        if ask is not None and ("Event" not in message or ask.as_list):
            ask.add_message(message)
        elif "Event" in message and not (isinstance(action_id, str) and _is_list_id(action_id)):
            self._deliver(message)
        else:
            # An answer after its deadline, or the rest of a list nobody waits for any more.
            self.strays += 1

    def send(self, data: _Ask, as_list: bool | None = None) -> asyncio.Future[Any]:
        """Write at once; the entry in the table lives as long as the future is open."""
        raw = data.as_bytes()
        if self.closed or self.transport.is_closing():
            raise AmiDown
        data.as_list = as_list
        self.responses[data.id] = data
        # However it ends (answer, deadline, cancelled by whoever waited): nothing stays behind.
        data.future.add_done_callback(lambda _: self.responses.pop(data.id, None))
        self.transport.write(raw)
        return data.future

    def abort(self, reason: str) -> None:
        """End it now, without waiting for a peer that may be gone."""
        self._end(reason)
        self.transport.abort()

    def close(self) -> None:
        """End it in order: what the peer can still take leaves, but nobody waits for it."""
        self._end("closed by us")
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"connection lost: {exc}" if exc else "Asterisk closed the connection")

    def _end(self, reason: str) -> None:
        if self.ended.done():
            return
        self.closed = True
        self.ended.set_result(reason)
        self.greeted.cancel()
        unanswered, self.responses = list(self.responses.values()), {}
        for ask in unanswered:
            ask.fail(AmiDown(f"{ask.name}: {reason}; whether it was carried out is unknown"))


class _Manager(Manager):  # type: ignore[misc]
    """panoramisk's Manager with everything taken out that acts on its own."""

    protocol: _Protocol | None

    def connection_made(self, f: asyncio.Future[tuple[asyncio.BaseTransport, _Protocol]]) -> None:
        # The original logs in, starts a pinger and, after a failure, tries again by itself.
        if f.cancelled() or f.exception() is not None:
            return
        self.protocol = f.result()[1]

    def ping(self) -> None: ...

    async def send_awaiting_actions(self, *_: object) -> None:
        self.awaiting_actions.clear()


def _is_list_id(action_id: str) -> bool:
    return action_id.startswith("acd") and action_id.endswith("-list")


class _Line:
    """One connection from banner to end: what a link and a probe have in common."""

    def __init__(self, address: AmiAddress, limits: AmiLimits, prefix: str, deliver: Callable[[Message], None]) -> None:
        self._address = address
        self._limits = limits
        self._prefix = prefix
        self._asked = 0
        self._manager = _Manager(
            host=address.host, port=address.port, protocol_factory=lambda: _Protocol(limits, deliver)
        )
        self._clock: tuple[float, float] | None = None
        self.protocol: _Protocol

    async def open(self) -> None:
        """Connect and log in.

        :raises AmiUnreachable: nobody there, or no AMI, or too slow.
        :raises AmiLoginRefused: wrong user, wrong secret, or this host is not permitted.
        """
        where = str(self._address)
        connecting = self._manager.connect()
        try:
            async with asyncio.timeout(self._limits.connect_within):
                self.protocol = await self._connection(connecting)
        except TimeoutError:
            raise AmiUnreachable(
                f"No connection to Asterisk at {where} within {self._limits.connect_within:g} s:"
                " check the address and the firewall between"
            ) from None
        except OSError as error:
            # A name with two addresses gives one error made of two, recognisable by its text alone.
            if f"[Errno {errno.ECONNREFUSED}]" in str(error):
                raise AmiUnreachable(
                    f"Nothing listens at {where}: is Asterisk running, and AMI enabled in manager.conf?"
                ) from None
            raise AmiUnreachable(f"No connection to Asterisk at {where}: {error.strerror or error}") from None
        try:
            async with asyncio.timeout(self._limits.login_within):
                await self._log_in()
        except TimeoutError:
            self.protocol.abort("no answer to the login")
            raise AmiUnreachable(
                f"{where} accepted the connection but did not answer as an Asterisk manager interface"
                f" within {self._limits.login_within:g} s: is this the AMI port?"
            ) from None
        except BaseException:
            self.protocol.abort("not logged in")
            raise

    @staticmethod
    async def _connection(connecting: asyncio.Task[tuple[asyncio.Transport, _Protocol]]) -> _Protocol:
        try:
            return (await connecting)[1]
        except BaseException:
            # Cancelled in the very moment it was connected: then nobody but us knows of the socket.
            if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
                connecting.result()[0].abort()
            raise

    async def _log_in(self) -> None:
        where = str(self._address)
        # The future may be cancelled under us by the end of the connection; wait for either.
        await asyncio.wait({self.protocol.greeted, self.protocol.ended}, return_when=asyncio.FIRST_COMPLETED)
        if self.protocol.version is None:
            raise AmiUnreachable(f"No AMI at {where}: {self.protocol.ended.result()}")
        try:
            await self.post(
                {
                    "Action": "Login",
                    "Username": self._address.username,
                    "Secret": self._address.secret,
                    "Events": "on",
                },
                self._limits.login_within,
            )
        except AmiRefused as refusal:
            raise AmiLoginRefused(
                f"Asterisk at {where} refused the login of {self._address.username!r} ({refusal.text}): check its"
                f" section, secret, deny and permit in manager.conf, and the secret in the file ACD_AMI__SECRET_FILE"
            ) from None
        except AmiDown:
            raise AmiUnreachable(f"{where} ended the connection during the login: too many logins?") from None

    def post(
        self, action: Mapping[str, str | list[str]], timeout: float, *, as_list: bool = False
    ) -> asyncio.Future[Any]:
        if any(key.lower() == "actionid" for key in action):
            raise AmiUnsafe(f"{action.get('Action')}: the ActionID is chosen by the link")
        self._asked += 1
        ask = _Ask(action, f"{self._prefix}-{self._asked}{'-list' if as_list else ''}", as_list=as_list)
        future: asyncio.Future[Any] = self._manager.send_action(ask, as_list=as_list)
        late = TimeoutError(f"{ask.name}: no answer within {timeout:g} s; whether it was carried out is unknown")
        deadline = future.get_loop().call_later(timeout, ask.fail, late)
        future.add_done_callback(lambda done: self._answered(done, deadline))
        return future

    def _answered(self, done: asyncio.Future[Any], deadline: asyncio.TimerHandle) -> None:
        deadline.cancel()
        if done.cancelled() or done.exception() is not None:
            return
        answer = done.result()
        if isinstance(answer, dict) and "Ping" in answer:
            with contextlib.suppress(ValueError):
                self._clock = float(first(answer, "Timestamp")), done.get_loop().time()

    def asterisk_now(self, at: float | None = None) -> float | None:
        """By Asterisk's clock, now or at a moment of the event loop's."""
        if self._clock is None:
            return None
        said, then = self._clock
        return said + (asyncio.get_running_loop().time() if at is None else at) - then

    async def close(self) -> None:
        """Say goodbye and leave; never raises, never waits long."""
        with contextlib.suppress(AmiError):
            self.post({"Action": "Logoff"}, self._limits.login_within)
        self._manager.close()


async def probe(address: AmiAddress, limits: AmiLimits | None = None) -> str:
    """Connect, log in, log off; the AMI version.

    :raises AmiUnreachable: nobody there, no AMI there, or too slow.
    :raises AmiLoginRefused: the login was refused. Both say in one sentence what to look at.
    """
    line = _Line(address, limits or AmiLimits(), "acdprobe", lambda _: None)
    await line.open()
    version = line.protocol.version
    await line.close()
    return str(version)


def _pauses(limits: AmiLimits, random: Callable[[], float]) -> Iterator[float]:
    """Seconds between attempts. The jitter keeps many services from knocking at one Asterisk in step."""
    pause = limits.pause_first
    while True:
        yield pause * (0.5 + random())
        pause = min(pause * limits.pause_growth, limits.pause_most)


# --- the link ---------------------------------------------------------------------------------------------------------


class AmiLink:
    """The connection to one Asterisk, kept up for ever.

    :param greet: called after every login and after every gap: take the picture here, with ``call`` and
        ``call_list``. If it raises, the connection is given up and made anew.
    :param hear: called for every message, in order, by one task. Must not wait. What it raises is logged and counted.
    :param lost: called with one sentence when the link went down, and when an attempt failed for a new reason.
    :param random: numbers from 0 to 1 for the jitter and for the marks of our actions.
    """

    def __init__(
        self,
        address: AmiAddress,
        *,
        greet: Callable[[AmiLink], Awaitable[None]],
        hear: Callable[[Message], None],
        lost: Callable[[str], None],
        random: Callable[[], float],
        limits: AmiLimits | None = None,
    ) -> None:
        self._address = address
        self._greet = greet
        self._hear = hear
        self._lost = lost
        self._random = random
        self._time = time.perf_counter
        self._limits = limits or AmiLimits()
        self._line: _Line | None = None
        self._state = LinkState.DOWN
        self._heard: deque[Message] = deque()
        self._more = asyncio.Event()
        self._gap = False
        self._stop = asyncio.Event()
        self._over = asyncio.Event()
        self._running = False
        self._reported: str | None = None

        self.last_error: AmiError | None = None
        """Why the last attempt or connection ended; None while up."""
        self.connected_at: float | None = None
        """When the present login succeeded, by the event loop's clock."""
        self.logins = 0
        self.messages = 0
        self.hear_failures = 0
        self.overflows = 0
        """How often the queue ran over, each followed by a new picture."""
        self.dropped = 0
        self.queue_peak = 0
        self._stamped: tuple[str, float] | None = None
        """Asterisk's ``Timestamp`` of the last message that had one, and our own clock when it was heard."""
        self._strays = 0

    # --- what others may know

    def __repr__(self) -> str:
        return f"<AmiLink {self._address} {self._state.value}>"

    @property
    def state(self) -> LinkState:
        return self._state

    @property
    def up(self) -> bool:
        """Logged in, picture taken, messages flowing."""
        return self._state is LinkState.UP

    @property
    def reconnects(self) -> int:
        return max(0, self.logins - 1)

    @property
    def queue_depth(self) -> int:
        return len(self._heard)

    @property
    def unanswered(self) -> int:
        """Actions whose answer is awaited."""
        return len(self._line.protocol.responses) if self._line else 0

    @property
    def strays(self) -> int:
        """Answers that came after their deadline."""
        return self._strays + (self._line.protocol.strays if self._line else 0)

    @property
    def event_lag(self) -> float | None:
        """Seconds from Asterisk's ``Timestamp`` of the last message to its hearing; needs ``timestampevents``."""
        if self._stamped is None or self._line is None:
            return None
        stamp, heard_at = self._stamped
        now = self._line.asterisk_now(heard_at)
        with contextlib.suppress(ValueError):
            return None if now is None else now - float(stamp)
        return None

    def asterisk_now(self) -> int | None:
        """Epoch seconds by Asterisk's clock, or None before the first answered Ping of this connection."""
        now = self._line.asterisk_now() if self._line else None
        return None if now is None else int(now)

    # --- actions

    def post(self, action: Mapping[str, str | list[str]], timeout: float = 3.0) -> asyncio.Future[Message]:
        """Write an action at once; its answer comes with the future.

        The future fails with AmiRefused, with AmiDown when the link is lost, and with TimeoutError ``timeout``
        seconds from now. In the last two cases nobody knows whether it was carried out.

        :raises AmiDown: not logged in; nothing was sent and nothing will be.
        :raises AmiUnsafe: Asterisk would read something else than was meant; nothing was sent.
        """
        return self._post(action, timeout, as_list=False)

    async def call(
        self,
        action: Mapping[str, str | list[str]],
        timeout: float = 3.0,  # noqa: ASYNC109  counted from the write
    ) -> Message:
        """``post`` and wait. As a coroutine it is on the wire at its first step: for order among tasks use ``post``.

        :raises AmiRefused, AmiDown, AmiUnsafe, TimeoutError: see ``post``.
        """
        return await self.post(action, timeout)

    async def call_list(
        self,
        action: Mapping[str, str | list[str]],
        timeout: float = 5.0,  # noqa: ASYNC109
    ) -> list[Message]:
        """An action that answers with a list: its items, without the head and the ``...Complete`` at its end.

        :raises AmiListBroken: fewer or more items than announced, or broken off.
        :raises AmiRefused, AmiDown, AmiUnsafe, TimeoutError: see ``post``.
        """
        items: list[Message] = await self._post(action, timeout, as_list=True)
        return items

    def _post(self, action: Mapping[str, str | list[str]], timeout: float, *, as_list: bool) -> asyncio.Future[Any]:
        if self._line is None:
            raise AmiDown(f"{action.get('Action')} not sent: not connected to Asterisk at {self._address}")
        return self._line.post(action, timeout, as_list=as_list)

    # --- life

    async def run(self) -> None:
        """Keep the link up until cancelled or closed. Once per link."""
        if self._running:
            raise RuntimeError("an AmiLink runs once")
        if self._stop.is_set():
            return
        self._running = True
        keeping = asyncio.ensure_future(self._keep_up())
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()  # it ends by itself only by a defect: show it
        finally:
            for task in (keeping, stopping):
                task.cancel()
            await asyncio.gather(keeping, stopping, return_exceptions=True)
            self._over.set()

    async def close(self) -> None:
        """Log off and end ``run``, whatever it is doing; returns when it is over. Nothing connects after that."""
        self._stop.set()
        if self._running:
            await self._over.wait()

    async def _keep_up(self) -> None:
        limits = self._limits
        loop = asyncio.get_running_loop()
        pauses = _pauses(limits, self._random)
        while True:
            began = loop.time()
            was_logged_in = self.logins
            try:
                await self._one_connection()
            except AmiError as error:
                self._report(error, was_up=self.logins > was_logged_in)
            except Exception as error:
                log.exception("ami.defect")  # even so the telephones need us back
                self._report(AmiDown(f"A defect ended the link: {error!r}"), was_up=self.logins > was_logged_in)
            if self.logins > was_logged_in and loop.time() - began >= limits.steady_after:
                pauses = _pauses(limits, self._random)
            refused = isinstance(self.last_error, AmiLoginRefused)
            await asyncio.sleep(max(next(pauses), limits.pause_refused if refused else 0.0))

    async def _one_connection(self) -> None:
        """From connecting to the end; always ends by an exception that says why."""
        mark = f"acd{int(self._random() * 0xFFFFFFFF):08x}"
        line = _Line(self._address, self._limits, mark, self._on_message)
        self._heard.clear()
        self._gap = False
        await line.open()
        self._line = line
        self._state = LinkState.GREETING
        self.logins += 1
        self.connected_at = asyncio.get_running_loop().time()
        log.info("ami.logged_in", address=str(self._address), version=line.protocol.version, logins=self.logins)
        pumping = asyncio.ensure_future(self._pump())
        pinging = asyncio.ensure_future(self._ping(line))
        greeted = False
        ends: list[asyncio.Future[Any]] = [line.protocol.ended, pumping]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            greeted = self._state is LinkState.UP
            ended = line.protocol.ended.result() if line.protocol.ended.done() else None
            # From here on nothing can be sent; who tries is told so.
            self._line, self._state, self.connected_at = None, LinkState.DOWN, None
            await line.close()
            for task in (pumping, pinging):
                task.cancel()
            broken, _ = await asyncio.gather(pumping, pinging, return_exceptions=True)
            self._strays += line.protocol.strays
        if ended is None:
            log.error("ami.greet_failed", exc_info=broken)
            raise AmiDown(f"The picture of Asterisk could not be taken: {broken!r}")
        if greeted:
            # They happened, and in this order; Shutdown is often the last of them.
            while self._heard:
                self._hear_one(self._heard.popleft())
        raise AmiDown(f"The link to Asterisk at {self._address} is lost: {ended}")

    def _report(self, error: AmiError, *, was_up: bool) -> None:
        self.last_error = error
        reason = str(error)
        if not was_up and reason == self._reported:
            return  # said already; an hour of "connection refused" is one fact
        self._reported = reason
        log.warning("ami.lost", address=str(self._address), reason=reason)
        try:
            self._lost(reason)
        except Exception:
            log.exception("ami.lost_failed")

    async def _ping(self, line: _Line) -> None:
        limits = self._limits
        loop = asyncio.get_running_loop()
        missed = 0
        next_at = loop.time() + limits.ping_every
        while True:
            await asyncio.sleep(next_at - loop.time())
            next_at = loop.time() + limits.ping_every
            try:
                await line.post({"Action": "Ping"}, limits.ping_within)
            except TimeoutError:
                missed += 1
                next_at = loop.time()
            except AmiRefused:
                missed = 0  # refused is answered
            else:
                missed = 0
            if missed >= limits.pings_missed:
                line.protocol.abort(f"Asterisk did not answer {missed} pings")
                return

    # --- messages

    def _on_message(self, message: Message) -> None:
        """Called by the reader: put it down and return. Where nothing else waits, it need not wait either."""
        if self._state is LinkState.UP and not self._heard and not self._gap:
            self._hear_one(message)
            return
        if self._gap:
            self.dropped += 1  # the coming picture has it
            return
        if len(self._heard) >= self._limits.queued_most:
            self._gap = True
            self.overflows += 1
            self.dropped += 1
            log.error("ami.overflow", queued=len(self._heard), overflows=self.overflows)
        else:
            self._heard.append(message)
            self.queue_peak = max(self.queue_peak, len(self._heard))
        self._more.set()

    async def _pump(self) -> None:
        """The only consumer. Ends only by a failed greeting."""
        await self._take_picture()
        while True:
            while self._heard:
                for _ in range(min(len(self._heard), self._limits.heard_at_once)):
                    self._hear_one(self._heard.popleft())
                await asyncio.sleep(0)
            if self._gap:
                # Everything before the gap is heard. From now on messages are kept again, so that the new picture
                # and what follows it meet without a hole.
                self._gap = False
                await self._take_picture()
                continue
            self._more.clear()
            await self._more.wait()

    async def _take_picture(self) -> None:
        self._state = LinkState.GREETING
        async with asyncio.timeout(self._limits.greet_within):
            await self._greet(self)
        self._state = LinkState.UP
        self.last_error = None
        self._reported = None

    def _hear_one(self, message: Message) -> None:
        self.messages += 1
        stamp = message.get("Timestamp")
        if isinstance(stamp, str):
            self._stamped = stamp, self._time()
        try:
            self._hear(message)
        except Exception:
            # Ours is the mistake, not the message's, and the next one may be a Hangup.
            self.hear_failures += 1
            log.exception("ami.hear_failed", heard=first(message, "Event"))
