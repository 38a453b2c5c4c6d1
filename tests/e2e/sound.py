"""What a telephone says and hears: A-law, RTP, and measures for it.

The other side is judged by sound, not by what it says it plays. Three measures do:

- a *tone* that one side sends is found at the other by Goertzel's algorithm: its share of all energy,
- *music* is energy that lasts,
- a *spoken prompt* is recognised exactly: trunk and phones speak A-law and so do the prompt files, so Asterisk passes
  the bytes of the file on as they are, and a stretch of them is looked for in what arrived.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
from bisect import bisect_left
from collections import deque
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROMPTS = Path(__file__).parents[2] / "dialplans" / "sounds" / "de" / "acd"
FRAME = 160  # samples, and bytes, in 20 ms
RATE = 8000
PCMA = 8
KEYS = 101
"""Payload type of pressed keys (RFC 4733), as our telephones offer it."""
QUIET = 40.0
"""Below this root mean square of 16-bit samples nobody hears anything."""


def _decoded(code: int) -> int:
    """ITU-T G.711, table 1a; ``audioop`` left Python with 3.13."""
    code ^= 0x55
    exponent, mantissa = (code & 0x70) >> 4, code & 0x0F
    size = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return size if code & 0x80 else -size


DECODED = tuple(_decoded(code) for code in range(256))
_SIZES = sorted((size, code) for code, size in enumerate(DECODED))


def encoded(sample: float) -> int:
    place = min(bisect_left(_SIZES, (int(sample), 0)), len(_SIZES) - 1)
    return _SIZES[place][1]


@cache
def tone(hertz: int, loudness: int = 8000) -> bytes:
    """One second of it, which can be repeated without a click."""
    return bytes(encoded(loudness * math.sin(math.tau * hertz * n / RATE)) for n in range(RATE))


def loudness(sound: bytes) -> float:
    """Root mean square of the samples, 0 for no sound at all."""
    return math.sqrt(sum(DECODED[code] ** 2 for code in sound) / len(sound)) if sound else 0.0


def share(sound: bytes, hertz: float) -> float:
    """How much of the energy is at this frequency, 0 to 1 (Goertzel)."""
    samples = [DECODED[code] for code in sound]
    energy = sum(sample * sample for sample in samples)
    if not energy:
        return 0.0
    coefficient = 2 * math.cos(math.tau * hertz / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + coefficient * one - two, one
    return (one * one + two * two - coefficient * one * two) * 2 / len(samples) / energy


def prompt_sound(prompt: str) -> bytes:
    return (PROMPTS / f"{prompt}.alaw").read_bytes()


@cache
def _landmark(prompt: str | bytes) -> bytes:
    """A fifth of a second out of the prompt, the loudest one, whole frames."""
    whole = prompt_sound(prompt) if isinstance(prompt, str) else prompt
    length = 10 * FRAME
    starts = range(0, len(whole) - length, FRAME)
    best = max(starts, key=lambda start: loudness(whole[start : start + length]))
    return whole[best : best + length]


class Pulse:
    """Something that changes; whoever waits for a condition looks again at each beat."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def beat(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None

    async def until(self, holds: Callable[[], bool], limit: float, what: str | Callable[[], str]) -> None:
        """Return as soon as ``holds()``; raises ``AssertionError`` saying ``what`` after ``limit`` seconds."""
        try:
            async with asyncio.timeout(limit):
                while not holds():
                    if self._next is None:
                        self._next = asyncio.get_running_loop().create_future()
                    await asyncio.shield(self._next)
        except TimeoutError:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {limit:.1f} s: {said}") from None


class Media(asyncio.DatagramProtocol):
    """The sound of one call: sends a tone or silence, keeps all it hears."""

    def __init__(self) -> None:
        self.pulse = Pulse()
        self.frames: list[tuple[float, int, bytes]] = []
        """Moment of arrival, sequence number, sound."""
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._sending: asyncio.TimerHandle | None = None
        self._sound = b""
        self._keys: deque[bytes] = deque()
        self._key_since = 0

    @classmethod
    async def open(cls) -> Media:
        _, media = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        return media

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # Python 3.11's own is not a subclass of it
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: object) -> None:
        if len(data) > 12 and data[1] & 0x7F == PCMA:
            self.frames.append((asyncio.get_running_loop().time(), int.from_bytes(data[2:4], "big"), data[12:]))
            self.pulse.beat()

    def error_received(self, exc: Exception) -> None:
        """The other side has closed its port a moment before us."""

    def speak(self, to: tuple[str, int], hertz: int) -> None:
        """Send a tone until the call is over."""
        self.hush()
        self._sound = tone(hertz)
        source, start = random.getrandbits(32), asyncio.get_running_loop().time()
        self._send(to, source, random.getrandbits(15), 0, start)

    def press(self, key: str) -> None:
        """A key, 0 to 9, * or #, held for a tenth of a second, in place of what is being said (RFC 4733)."""
        code = "0123456789*#".index(key)
        # Five packets while it is held, and its end three times, as one of them may be lost.
        self._keys += [struct.pack("!BBH", code, 0x80 | 10 if n > 5 else 10, min(n, 5) * FRAME) for n in range(1, 9)]

    def _send(self, to: tuple[str, int], source: int, first: int, count: int, start: float) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        at = count * FRAME % RATE
        head = struct.pack("!BBHII", 0x80, PCMA, (first + count) & 0xFFFF, count * FRAME, source)
        frame = head + self._sound[at : at + FRAME]
        if self._keys:
            if len(self._keys) % 8 == 0:
                self._key_since = count * FRAME
            first_of_key = 0x80 if self._key_since == count * FRAME else 0
            head = struct.pack("!BBHII", 0x80, KEYS | first_of_key, (first + count) & 0xFFFF, self._key_since, source)
            frame = head + self._keys.popleft()
        self._transport.sendto(frame, to)
        when = start + (count + 1) * 0.02
        self._sending = asyncio.get_running_loop().call_at(when, self._send, to, source, first, count + 1, start)

    def hush(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def close(self) -> None:
        self.hush()
        if self._transport is not None:
            self._transport.close()

    # What is heard

    def mark(self) -> int:
        """A place in what was heard, for ``since``."""
        return len(self.frames)

    def since(self, mark: int) -> bytes:
        return b"".join(sound for _, _, sound in self.frames[mark:])

    async def listen(self, seconds: float, limit: float = 5.0) -> bytes:
        """The next so many seconds of sound."""
        mark, count = self.mark(), round(seconds * RATE / FRAME)
        await self.pulse.until(
            lambda: len(self.frames) >= mark + count,
            limit,
            lambda: f"heard {len(self.frames) - mark} of {count} frames",
        )
        return self.since(mark)

    async def hears_tone(self, hertz: int, limit: float = 5.0) -> None:
        """From now on: two tenths of a second that are that tone and little else."""
        await self.hears_one_of([hertz], limit)

    async def hears_one_of(self, tones: Sequence[int], limit: float = 5.0) -> int:
        """The same for several; which one it was."""
        mark, window = self.mark(), 10
        heard: list[int] = []

        def holds() -> bool:
            if len(self.frames) < mark + window:
                return False
            sound = b"".join(sound for _, _, sound in self.frames[-window:])
            heard[:] = [hertz for hertz in tones if share(sound, hertz) > 0.8] if loudness(sound) > 500 else []
            return bool(heard)

        def what() -> str:
            sound = self.since(mark)[-window * FRAME :]
            shares = ", ".join(f"share of {hertz} Hz {share(sound, hertz):.2f}" for hertz in tones)
            return f"a tone; heard {len(self.frames) - mark} frames, last loudness {loudness(sound):.0f}, {shares}"

        await self.pulse.until(holds, limit, what)
        return heard[0]

    async def hears_no_tone(self, hertz: int, seconds: float = 0.4) -> None:
        """For so long: not that tone."""
        mark, loop = self.mark(), asyncio.get_running_loop()
        end = loop.time() + seconds
        await self.pulse.until(lambda: loop.time() >= end, seconds + 3, "any sound at all")
        heard = self.since(mark)
        assert share(heard, hertz) < 0.2, f"a tone of {hertz} Hz is still heard"

    async def hears_music(self, seconds: float = 0.6, limit: float = 6.0) -> None:
        """From now on: so many seconds in a row, audible in each tenth; none of our prompts, no tone."""
        mark, window = self.mark(), round(seconds * RATE / FRAME)

        def holds() -> bool:
            if len(self.frames) < mark + window:
                return False
            latest = [sound for _, _, sound in self.frames[-window:]]
            tenths = (b"".join(latest[at : at + 5]) for at in range(0, window - 4, 5))
            return all(loudness(tenth) > QUIET for tenth in tenths)

        def what() -> str:
            return f"music; heard {len(self.frames) - mark} frames of loudness {loudness(self.since(mark)):.0f}"

        await self.pulse.until(holds, limit, what)
        heard = self.since(mark)
        assert not any(self.was_said(file.stem, mark) for file in PROMPTS.glob("*.alaw")), "a prompt, not music"
        assert all(share(heard, hertz) < 0.5 for hertz in (425, 440, 700)), "a tone, not music"

    def was_said(self, prompt: str | bytes, mark: int = 0) -> bool:
        return _landmark(prompt) in self.since(mark)

    async def hears_prompt(self, prompt: str | bytes, limit: float = 8.0, *, mark: int | None = None) -> None:
        """The prompt of that name, or that sound, from ``mark`` on (default: from now on)."""
        begin = self.mark() if mark is None else mark

        def what() -> str:
            heard = self.since(begin)
            others = [file.stem for file in PROMPTS.glob("*.alaw") if self.was_said(file.stem, begin)]
            name = prompt if isinstance(prompt, str) else f"of {len(prompt) / RATE:.1f} s"
            return f"the prompt {name}; {len(heard) / RATE:.1f} s of loudness {loudness(heard):.0f}; said: {others}"

        await self.pulse.until(lambda: self.was_said(prompt, begin), limit, what)

    def longest_silence(self, mark: int = 0, until: float | None = None) -> float:
        """Seconds between two moments at which something was audible, the end included."""
        audible = [at for at, _, sound in self.frames[mark:] if loudness(sound) > QUIET]
        if not audible:
            return math.inf
        moments: Sequence[float] = [self.frames[mark][0], *audible, *([until] if until is not None else [])]
        return max(later - earlier for earlier, later in pairwise(moments))
