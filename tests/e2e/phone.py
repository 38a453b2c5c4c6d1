"""A telephone of our own: as much SIP (RFC 3261, 3515, 3891) over UDP as the stories need, and exact control over it.

    caller = await Phone.open("caller", server=trunk)
    call = await caller.dial("051173070")
    await call.answered()
    await call.media.hears_music()
    await call.hang_up()

``Phone.register`` makes it an agent's phone; ``await phone.rings()`` is the next call that comes in, which then may
``ring()``, ``answer()`` or ``refuse(486)``. Every wait has a limit and says what it waited for. The phone is tolerant
in what nobody tests (retransmissions are answered, unknown requests get 200) and keeps every message in ``trace``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from e2e.sound import KEYS, Media, Pulse

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"
T1 = 0.5  # RFC 3261, 17.1.1.1


@dataclass
class Message:
    start: str
    headers: list[tuple[str, str]]
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Message:
        # Names come in any encoding: surrogates carry foreign bytes through unharmed.
        head, _, body = data.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        pairs = [line.partition(":") for line in lines]
        return cls(start, [(name.strip(), value.strip()) for name, _, value in pairs], body)

    def __str__(self) -> str:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body.encode())}", "", self.body])

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def status(self) -> int:
        """0 for a request."""
        return int(self.start[8:11]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        return self.get("CSeq").split()[-1] if self.status else self.start.split(" ", 1)[0]

    @property
    def number(self) -> int:
        return int(self.get("CSeq").split()[0])

    @property
    def branch(self) -> str:
        found = re.search(r"branch=([^;,\s]+)", self.get("Via"))
        return found[1] if found else ""

    def tag(self, header: str) -> str:
        found = re.search(r";tag=([^;>\s]+)", self.get(header))
        return found[1] if found else ""

    @property
    def display(self) -> str:
        """The name in From, as a display would show it."""
        text = self.get("From")
        found = re.match(r'\s*"((?:[^"\\]|\\.)*)"\s*<', text)
        if found:
            return re.sub(r"\\(.)", r"\1", found[1])
        return text.partition("<")[0].strip()

    @property
    def user(self) -> str:
        """The number in From."""
        found = re.search(r"sips?:([^@>;]*)@", self.get("From"))
        return found[1] if found else ""


@dataclass
class Call:
    """One dialog of a phone, from either side."""

    phone: Phone
    call_id: str
    outgoing: bool
    media: Media
    invite: Message
    local: str
    """Our own From or To header, with tag."""
    remote: str = ""
    target: str = ""
    """Where requests within the dialog go (the other side's Contact)."""
    statuses: list[int] = field(default_factory=list)
    notified: list[str] = field(default_factory=list)
    """What a transfer's NOTIFYs said."""
    acknowledged: bool = False
    ended: bool = False
    ended_by_us: bool = False
    cancelled: bool = False
    ended_at: float = 0.0
    sequence: int = 0
    pulse: Pulse = field(default_factory=Pulse)
    _voice_to: tuple[str, int] | None = None

    # Incoming

    def ring(self) -> None:
        self.phone.respond(self.invite, 180, "Ringing", self)

    async def answer(self, *, tone: int | None = None) -> None:
        """Pick up; done when the other side has acknowledged. ``tone``: speak it from now on."""
        self.phone.respond(self.invite, 200, "OK", self, sdp=True)
        self._heed(self.invite)
        await self.pulse.until(lambda: self.acknowledged or self.ended, 5, "ACK of our 200")
        if tone is not None:
            self.say(tone)

    def refuse(self, status: int, phrase: str = "Refused") -> None:
        self.phone.respond(self.invite, status, phrase, self)
        self._end()

    # Outgoing

    async def answered(self, limit: float = 6.0, *, tone: int | None = None) -> Call:
        await self.pulse.until(
            lambda: self.acknowledged or self.ended, limit, lambda: f"200 to the call; got {self.statuses}"
        )
        assert self.acknowledged, f"the call was not answered: {self.statuses}"
        if tone is not None:
            self.say(tone)
        return self

    async def cancel(self) -> None:
        head = ("Via", self.invite.get("Via"))
        lines = [head, ("From", self.invite.get("From")), ("To", self.invite.get("To")), ("Call-ID", self.call_id)]
        lines += [("CSeq", f"{self.invite.number} CANCEL"), ("Max-Forwards", "70")]
        self.ended_by_us = True
        self.phone.send(Message(f"CANCEL {self.invite.start.split(' ')[1]} SIP/2.0", lines))
        await self.pulse.until(lambda: self.ended, 5, "487 after CANCEL")

    # Both

    def say(self, hertz: int) -> None:
        assert self._voice_to is not None, "nobody to speak to yet"
        self.media.speak(self._voice_to, hertz)

    def press(self, key: str) -> None:
        """While speaking."""
        self.media.press(key)

    async def is_over(self, limit: float = 5.0) -> None:
        """The other side has hung up (or cancelled)."""
        await self.pulse.until(lambda: self.ended, limit, f"the other side's end of call {self.call_id}")

    async def hang_up(self) -> None:
        if self.ended:
            return
        self.ended_by_us = True
        await self.phone.request(self, "BYE")
        self._end()

    async def refer(self, to: str, *, replacing: Call | None = None) -> int:
        """Transfer the other side to ``to``; the status of the answer (202 is yes)."""
        uri = f"sip:{to}@{self.phone.server[0]}:{self.phone.server[1]}"
        if replacing is not None:
            theirs = re.search(r";tag=([^;>\s]+)", replacing.remote)
            ours = re.search(r";tag=([^;>\s]+)", replacing.local)
            assert theirs
            assert ours
            uri += "?Replaces=" + quote(f"{replacing.call_id};to-tag={theirs[1]};from-tag={ours[1]}", safe="")
        refer_to, by = ("Refer-To", f"<{uri}>"), ("Referred-By", f"<sip:{self.phone.name}@{self.phone.server[0]}>")
        return (await self.phone.request(self, "REFER", [refer_to, by])).status

    async def transferred(self, limit: float = 8.0) -> None:
        """The last NOTIFY of a transfer said 200."""
        await self.pulse.until(
            lambda: any("200" in text.splitlines()[0] for text in self.notified if text) or self.ended,
            limit,
            lambda: f"the end of the transfer; notified: {self.notified}",
        )

    async def hold(self, *, on: bool) -> None:
        """A re-INVITE that puts the other side on hold, or takes it back."""
        sdp = self.phone.sdp(self, "sendonly" if on else "sendrecv")
        answer = await self.phone.request(self, "INVITE", body=sdp)
        assert answer.status == 200, answer.start
        self.phone.acknowledge(self, answer)

    def _heed(self, message: Message) -> None:
        """Learn from the other side's SDP where its ear is."""
        port = re.search(r"^m=audio (\d+)", message.body, re.MULTILINE)
        host = re.search(r"^c=IN IP4 (\S+)", message.body, re.MULTILINE)
        if port and host:
            self._voice_to = (host[1], int(port[1]))

    def _end(self) -> None:
        if not self.ended:
            self.ended, self.ended_at = True, asyncio.get_running_loop().time()
        self.media.hush()
        self.pulse.beat()


class Phone(asyncio.DatagramProtocol):
    """One UDP port that speaks SIP. See the head of this file."""

    def __init__(self, name: str, server: tuple[str, int], password: str = "", host: str = HOST) -> None:
        self.name, self.server, self.password, self.host = name, server, password, host
        self.port = 0
        self.calls: dict[str, Call] = {}
        self.incoming: list[Call] = []
        """Calls that came in and that nobody has taken up with ``rings()`` yet."""
        self.pulse = Pulse()
        self.trace: list[tuple[float, str, Message]] = []
        self._responses: dict[tuple[str, str], bytes] = {}
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}
        self._challenge: dict[str, str] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._registered = False
        self._register_id, self._register_count = secrets.token_hex(8), 0

    @classmethod
    async def open(cls, name: str, server: str, password: str = "", *, port: int = 0, host: str = HOST) -> Phone:
        server_host, _, there = server.rpartition(":")
        loop = asyncio.get_running_loop()
        _, phone = await loop.create_datagram_endpoint(
            lambda: cls(name, (server_host, int(there)), password, host), local_addr=(host, port)
        )
        return phone

    async def close(self) -> None:
        """Hang up what is still up, unregister, and be gone. Never raises."""
        for call in list(self.calls.values()):
            try:
                if not call.ended and call.acknowledged:
                    await call.hang_up()
                elif not call.ended and call.outgoing:
                    await call.cancel()
                elif not call.ended:
                    call.refuse(480)
            except AssertionError:
                pass
            call.media.close()
        if self._registered:
            with contextlib.suppress(AssertionError):
                await self.register(expires=0)
        for task in self._opening:
            task.cancel()
        if self._transport is not None:
            self._transport.close()

    # The public side

    async def register(self, expires: int = 300) -> None:
        uri = f"sip:{self.server[0]}:{self.server[1]}"
        me = f"<sip:{self.name}@{self.server[0]}>"
        tag = secrets.token_hex(4)
        authorisation: list[tuple[str, str]] = []
        for _ in range(2):
            self._register_count += 1
            lines = [("Via", self._via()), ("Max-Forwards", "70"), ("From", f"{me};tag={tag}"), ("To", me)]
            lines += [("Call-ID", self._register_id), ("CSeq", f"{self._register_count} REGISTER")]
            lines += [("Contact", self.contact), ("Expires", str(expires)), *authorisation]
            answer = await self._ask(Message(f"REGISTER {uri} SIP/2.0", lines))
            if answer.status != 401:
                break
            authorisation = [self._authorisation(answer, "REGISTER", uri)]
        assert answer.status == 200, f"{self.name} is not registered: {answer.start}"
        self._registered = expires > 0

    async def dial(
        self,
        number: str,
        *,
        shown: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        uri: str | None = None,
    ) -> Call:
        """Send INVITE. ``shown``: the From header as it shall be, without tag. ``uri``: instead of ``number``."""
        uri = uri or f"sip:{number}@{self.server[0]}:{self.server[1]}"
        who = shown if shown is not None else f"<sip:{self.name}@{HOST}>"
        call_id = secrets.token_hex(10)
        media = await Media.open()
        lines = [("Via", self._via()), ("Max-Forwards", "70"), ("From", f"{who};tag={secrets.token_hex(4)}")]
        lines += [("To", f"<{uri}>"), ("Call-ID", call_id), ("CSeq", "1 INVITE"), ("Contact", self.contact)]
        lines += [*headers, ("Content-Type", "application/sdp")]
        invite = Message(f"INVITE {uri} SIP/2.0", lines)
        call = Call(self, call_id, outgoing=True, media=media, invite=invite, local=invite.get("From"), sequence=1)
        invite.body = self.sdp(call)
        call.remote, call.target = invite.get("To"), uri
        self.calls[call_id] = call
        self.send(invite)
        return call

    async def rings(self, limit: float = 5.0, *, ring: bool = True) -> Call:
        """The next call that comes in; it is told that it rings unless ``ring`` is False."""
        await self.pulse.until(lambda: bool(self.incoming), limit, f"a call at {self.name}")
        call = self.incoming.pop(0)
        if ring:
            call.ring()
        return call

    @property
    def contact(self) -> str:
        return f"<sip:{self.name}@{self.host}:{self.port}>"

    # The wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # Python 3.11's own is not a subclass of it
        self.port = transport.get_extra_info("sockname")[1]

    def error_received(self, exc: Exception) -> None:
        """Asterisk is being restarted."""

    def send(self, message: Message) -> None:
        self.trace.append((asyncio.get_running_loop().time(), ">", message))
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(str(message).encode("utf-8", "surrogateescape"), self.server)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not data.strip():
            return
        message = Message.parse(data)
        self.trace.append((asyncio.get_running_loop().time(), "<", message))
        if message.status:
            self._on_response(message)
        else:
            self._on_request(message)
        self.pulse.beat()

    def _via(self) -> str:
        return f"SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{secrets.token_hex(8)};rport"

    def sdp(self, call: Call, direction: str = "sendrecv") -> str:
        return (
            f"v=0\r\no=- {call.media.port} {random.randint(1, 10**8)} IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\n"
            f"t=0 0\r\nm=audio {call.media.port} RTP/AVP 8 {KEYS}\r\na=rtpmap:8 PCMA/8000\r\n"
            f"a=rtpmap:{KEYS} telephone-event/8000\r\na=fmtp:{KEYS} 0-15\r\na=ptime:20\r\na={direction}\r\n"
        )

    def _authorisation(self, challenged: Message, method: str, uri: str) -> tuple[str, str]:
        name = "WWW-Authenticate" if challenged.status == 401 else "Proxy-Authenticate"
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', challenged.get(name)))
        nonce, realm, once = given["nonce"], given["realm"], secrets.token_hex(8)

        def digest(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()  # noqa: S324  that is what digest authentication is

        secret, what = digest(f"{self.name}:{realm}:{self.password}"), digest(f"{method}:{uri}")
        parts = f'Digest username="{self.name}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
        if "qop" in given:
            answer = digest(f"{secret}:{nonce}:00000001:{once}:auth:{what}")
            parts += f', qop=auth, nc=00000001, cnonce="{once}"'
        else:
            answer = digest(f"{secret}:{nonce}:{what}")
        if "opaque" in given:
            parts += f', opaque="{given["opaque"]}"'
        header = "Authorization" if challenged.status == 401 else "Proxy-Authorization"
        return header, f'{parts}, response="{answer}"'

    async def _ask(self, message: Message, limit: float = 6.0) -> Message:
        """Send a request outside INVITE and wait for the final response, retransmitting as RFC 3261 17.1.2 says."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[message.branch, message.method] = answer
        pause = T1
        try:
            async with asyncio.timeout(limit):
                while True:
                    self.send(message)
                    done, _ = await asyncio.wait([answer], timeout=pause)
                    if done:
                        return answer.result()
                    pause *= 2
        except TimeoutError:
            raise AssertionError(f"{self.name}: no answer to {message.start}") from None
        finally:
            del self._waiting[message.branch, message.method]

    async def request(
        self, call: Call, method: str, headers: Sequence[tuple[str, str]] = (), body: str = ""
    ) -> Message:
        """A request within a dialog, with digest authentication where it is asked for."""
        authorisation: list[tuple[str, str]] = []
        while True:
            call.sequence += 1
            lines = [("Via", self._via()), ("Max-Forwards", "70"), ("From", call.local), ("To", call.remote)]
            lines += [("Call-ID", call.call_id), ("CSeq", f"{call.sequence} {method}"), ("Contact", self.contact)]
            lines += [*headers, *authorisation, *([("Content-Type", "application/sdp")] if body else [])]
            answer = await self._ask(Message(f"{method} {call.target} SIP/2.0", lines, body))
            if answer.status not in (401, 407) or authorisation:
                return answer
            authorisation = [self._authorisation(answer, method, call.target)]

    def acknowledge(self, call: Call, answer: Message) -> None:
        lines = [("Via", self._via()), ("Max-Forwards", "70"), ("From", call.local), ("To", answer.get("To"))]
        lines += [("Call-ID", call.call_id), ("CSeq", f"{answer.number} ACK")]
        self.send(Message(f"ACK {call.target} SIP/2.0", lines))

    def _on_response(self, answer: Message) -> None:
        waiting = self._waiting.get((answer.branch, answer.method))
        if waiting is not None:
            if answer.status >= 200 and not waiting.done():
                waiting.set_result(answer)
            return
        call = self.calls.get(answer.get("Call-ID"))
        if call is None or answer.method != "INVITE" or not call.outgoing:
            return
        if answer.number != call.invite.number:
            return
        call.statuses.append(answer.status)
        if answer.status < 200:
            if ";tag=" in answer.get("To"):  # an early dialog; a transfer may name it
                call.remote = answer.get("To")
            call.pulse.beat()
            return
        if answer.status < 300:
            call.remote = answer.get("To")
            contact = re.search(r"<([^>]+)>", answer.get("Contact"))
            call.target = contact[1] if contact else call.target
            call._heed(answer)
            self.acknowledge(call, answer)
            call.acknowledged = True
            call.pulse.beat()
            return
        # The ACK of a refusal belongs to the INVITE's transaction: same branch (RFC 3261, 17.1.1.3).
        lines = [("Via", call.invite.get("Via")), ("Max-Forwards", "70"), ("From", call.invite.get("From"))]
        lines += [("To", answer.get("To")), ("Call-ID", call.call_id), ("CSeq", f"{answer.number} ACK")]
        self.send(Message(f"ACK {call.invite.start.split(' ')[1]} SIP/2.0", lines))
        if answer.status in (401, 407) and call.invite.number == 1 and self.password:
            uri = call.invite.start.split(" ")[1]
            kept = [(n, v) for n, v in call.invite.headers if n not in ("Via", "CSeq")]
            header = self._authorisation(answer, "INVITE", uri)
            call.invite = Message(
                call.invite.start, [("Via", self._via()), *kept, ("CSeq", "2 INVITE"), header], call.invite.body
            )
            call.sequence = 2
            self.send(call.invite)
            return
        call._end()

    def respond(
        self, request: Message, status: int, phrase: str, call: Call | None = None, *, sdp: bool = False
    ) -> None:
        to = request.get("To")
        if call is not None and not call.outgoing and ";tag=" not in to:
            to = call.local
        lines = [*(("Via", via) for via in request.all("Via")), ("From", request.get("From")), ("To", to)]
        lines += [("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq")), ("Contact", self.contact)]
        body = ""
        if sdp and call is not None:
            body = self.sdp(call)
            lines.append(("Content-Type", "application/sdp"))
        answer = Message(f"SIP/2.0 {status} {phrase}", lines, body)
        self._responses[request.branch, request.method] = str(answer).encode("utf-8", "surrogateescape")
        self.send(answer)

    def _on_request(self, request: Message) -> None:
        before = self._responses.get((request.branch, request.method))
        if before is not None and request.method != "ACK":
            if self._transport is not None:
                self._transport.sendto(before, self.server)
            return
        call = self.calls.get(request.get("Call-ID"))
        match request.method:
            case "INVITE" if call is None:
                self.respond(request, 100, "Trying")
                task = asyncio.get_running_loop().create_task(self._open(request))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)
            case "INVITE" if call is not None:
                call._heed(request)
                self.respond(request, 200, "OK", call, sdp=True)
            case "ACK":
                if call is not None and not call.ended:
                    call.acknowledged = True
                    call.pulse.beat()
            case "CANCEL":
                self.respond(request, 200, "OK", call)
                if call is not None and not call.acknowledged and not call.ended:
                    call.cancelled = True
                    self.respond(call.invite, 487, "Request Terminated", call)
                    call._end()
            case "BYE":
                self.respond(request, 200, "OK", call)
                if call is not None:
                    call._end()
            case "NOTIFY":
                self.respond(request, 200, "OK", call)
                if call is not None:
                    call.notified.append(request.body.strip())
                    call.pulse.beat()
            case _:
                self.respond(request, 200, "OK", call)

    async def _open(self, invite: Message) -> None:
        media = await Media.open()
        local = f"{invite.get('To')};tag={secrets.token_hex(4)}"
        call = Call(self, invite.get("Call-ID"), outgoing=False, media=media, invite=invite, local=local)
        call.remote = invite.get("From")
        contact = re.search(r"<([^>]+)>", invite.get("Contact"))
        call.target = contact[1] if contact else ""
        self.calls[call.call_id] = call
        self.incoming.append(call)
        self.pulse.beat()
