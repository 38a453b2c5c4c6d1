"""Makes what Asterisk plays out of any WAV, in a process of its own.

A recording comes from outside, is opened by C libraries, and may be as hostile as somebody likes. So nothing of this
file runs where calls are decided: ``studio.py`` starts it as a program for one recording, with limits on memory and
processor time, and ends it when it takes too long. If libsndfile were made to crash, one upload fails and no call does.
It is also why numpy is loaded here and not at the top of the service.

The telephone
    Asterisk's ``wav`` is 8 kHz, one channel, 16 bits, and nothing else, ``wav16`` the same at 16 kHz (format_wav.c).
    With both beside each other it takes the one that is cheaper for the call: narrow for A-law, wide for G.722.

How loud
    RFC 7874, section 4, after ITU-T G.169 and G.115: active speech at -19 dBm0, which in 16-bit samples is a root mean
    square of 2600, -22 dB below full scale; 6 dB more or less are tolerated. "Active" is what the gate of ITU-R
    BS.1770-4 finds, so -22 LUFS is the target, measured on the narrow sound, the one that nearly all callers hear. The
    prompts that ship are at -22.5 on average (-25.6 to -19.4), so a town's own do not stand out.
    Who is off by more than a decibel is brought there by one gain for the whole recording. There is no compressor and
    no limiter: peaks may keep a recording below the target, and the findings say so. More than 20 dB are not given,
    because the noise of the room comes along.

Loudness is thirty lines of the Recommendation. The filter is applied to the spectrum: its response is that of the
table for 48 kHz at each frequency, so the sampling rate of the sound does not matter.
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import shutil
import struct
import subprocess
import sys
import wave
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

NARROW, WIDE = 8000, 16000
"""Hz."""
LONGEST, SHORTEST = 120.0, 0.5
"""Seconds. Nobody listens longer; loudness is not defined for less than 0.4."""
RATES = range(8000, 192_001)
"""Hz. Below, it is not even telephone sound."""
CHANNELS = 8
ENCODINGS = frozenset({"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"})
"""As libsndfile calls them. The compressed ones are not among them: each is one more decoder, and loses something."""

TARGET = -22.0
"""LUFS."""
NEAR, TOLERATED = 1.0, 6.0
"""dB off the target: left as it is; still fine, says RFC 7874."""
MOST_GAIN = 20.0
"""dB."""
PEAK = -1.0
"""dBFS. Resampling and codecs overshoot a little."""
SILENT = -60.0
"""LUFS. Nothing a caller would hear."""
ABSURD = 24.0
"""dBFS. A float may be above full scale; so far it is no sound any more."""
BELOW_SPEECH = 30.0
"""dB below its loudness there is no speech in a recording."""
LEAD, LEAD_KEPT = 0.7, 0.2
TAIL, TAIL_KEPT = 1.5, 0.3
"""Seconds of silence that are too many at the start and the end, and what is left of them."""

MEMORY = 2 << 30
"""Bytes beyond what the libraries take at the start (by the number of processors); the largest recording needs half."""
CPU = 20
"""Seconds."""
SPOKEN = 1500
"""Characters; the voice needs about two minutes for them."""
VOICE = ("espeak-ng", "-v", "de", "-s", "140", "-g", "2", "-b", "1", "--stdin", "--stdout")
"""As in ``asterisk/speak.sh``, which spoke the prompts that ship. ``-b 1``: the text is UTF-8, do not guess."""

# ITU-R BS.1770-4, annex 1, tables 1 and 2: numerator and denominator at 48 kHz.
_SHELF = (1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)
_HIGH_PASS = (1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)


class Refused(Exception):  # noqa: N818
    """Not to be played to anybody; the argument says why."""


class Unavailable(Exception):  # noqa: N818
    """Something that has to be installed is not."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """``peak`` (dBFS) and ``loudness`` (LUFS) are of what came; ``gain`` (dB) and ``seconds`` of what is played."""

    seconds: float
    peak: float
    loudness: float
    gain: float
    findings: tuple[str, ...]
    narrow: bytes
    wide: bytes


def render(content: bytes) -> Rendered:
    """What Asterisk plays for this WAV. Raises ``Refused``."""
    findings: list[str] = []
    channels, rate = _read(content, findings)
    peak = _decibels(float(np.abs(channels).max()))
    if peak > ABSURD:
        raise Refused(f"samples {peak:.0f} dB above full scale: this is no sound")
    places = _overdriven(channels)
    if places >= 5:
        findings.append(f"overdriven at {places} places: recorded anew with less level it would sound better")
    mono = _centred(_mixed(channels, findings), findings)
    narrow, wide = (soxr.resample(mono, rate, wanted, quality="VHQ") for wanted in (NARROW, WIDE))
    loud = loudness(narrow, NARROW)
    if loud < SILENT:
        raise Refused("nothing to be heard in it: silence")
    start, end = _spoken_part(narrow, loud, findings)
    narrow, wide = narrow[start:end], wide[start * 2 : end * 2]
    # What of a short recording was left may be less than loudness is defined for; the whole of it was not.
    loud = loudness(narrow, NARROW) if len(narrow) >= NARROW * SHORTEST else loud
    gain = _gain(loud, max(np.abs(narrow).max(), np.abs(wide).max()), findings)
    return Rendered(
        seconds=len(narrow) / NARROW,
        peak=round(peak, 1),
        loudness=round(loud, 1),
        gain=round(gain, 1),
        findings=tuple(findings),
        narrow=_wav(narrow, gain, NARROW),
        wide=_wav(wide, gain, WIDE),
    )


def speak(text: str) -> Rendered:
    """The words in a machine's German. Raises ``Refused``, and ``Unavailable`` where there is no voice."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not any(c.isalnum() for c in words):
        raise Refused("there are no words to speak")
    if len(words) > SPOKEN:
        raise Refused(f"the text has {len(words)} characters; at most {SPOKEN} are spoken")
    program = shutil.which(VOICE[0])
    if program is None:
        raise Unavailable("espeak-ng, which speaks drafts, is not installed: apt-get install espeak-ng")
    # [[ begins the voice's own phonetic writing, a parser that no prompt needs.
    said = words.replace("[", "(").replace("]", ")")
    # Its time is the limit of this process, which it inherits; and who started this one ends both.
    done = subprocess.run([program, *VOICE[1:]], input=said.encode(), capture_output=True, check=False)  # noqa: S603
    if done.returncode or not done.stdout:
        why = done.stderr.decode(errors="replace").strip().partition("\n")[0][:200]
        raise Unavailable(f"espeak-ng spoke nothing (status {done.returncode}): {why or 'and said nothing of it'}")
    return render(done.stdout)


def loudness(mono: Samples, rate: int) -> float:
    """Integrated loudness of one channel in LUFS after ITU-R BS.1770-4; minus infinity where all is silence."""
    size = len(mono)
    # Beyond the end is room for the filter to ring out; a spectrum would let it ring into the beginning.
    length = 1 << (size + rate // 2).bit_length()
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(length, 1 / rate) / 48_000)
    response = np.ones_like(z)
    for above, below in (_SHELF, _HIGH_PASS):
        response *= np.polyval(above[::-1], z) / np.polyval(below[::-1], z)
    weighted = np.fft.irfft(np.fft.rfft(mono, length) * response, length)[:size]
    energy = np.concatenate(([0.0], np.cumsum(weighted**2)))
    block = rate * 4 // 10
    starts = np.arange(0, size - block + 1, rate // 10)
    blocks = (energy[starts + block] - energy[starts]) / block
    blocks = blocks[blocks > _power(-70.0)]
    if not blocks.size:
        return -math.inf
    loud = blocks[blocks > blocks.mean() / 10]
    return -0.691 + 10 * math.log10(loud.mean())


def _read(content: bytes, findings: list[str]) -> tuple[Samples, int]:
    """Frames by channels, and Hz."""
    if content[:4] not in (b"RIFF", b"RF64") or content[8:12] != b"WAVE":
        raise Refused("this is not a WAV file")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if file.subtype not in ENCODINGS:
                raise Refused(f"{file.subtype_info} is not converted; save it as plain PCM")
            if file.samplerate not in RATES:
                raise Refused(f"{file.samplerate} Hz is outside {RATES[0]} to {RATES[-1]} Hz")
            if file.channels > CHANNELS:
                raise Refused(f"it has {file.channels} channels; at most {CHANNELS} are converted")
            seconds, rate = file.frames / file.samplerate, file.samplerate
            if seconds > LONGEST:
                raise Refused(f"it is {seconds:.0f} s long; at most {LONGEST:.0f} s are played")
            # Also to a length that a header invented.
            channels = file.read(int(LONGEST * rate), dtype="float64", always_2d=True)
    except soundfile.SoundFileError as problem:
        raise Refused(f"the WAV file cannot be read: {str(problem).rpartition(': ')[2]}") from None
    if len(channels) < SHORTEST * rate:
        raise Refused(f"it is {len(channels) / rate:.2f} s long; less than {SHORTEST} s is no prompt")
    if not np.isfinite(channels).all():
        raise Refused("it has samples that are no numbers")
    promised, there = _data(content)
    if promised > there:
        findings.append(f"the file ends early, with {there} of {promised} bytes of sound: is it complete?")
    return channels, rate


def _data(content: bytes) -> tuple[int, int]:
    """Bytes of sound the header promises, and how many there are; (0, 0) where it makes no promise."""
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name == b"data":
            # Who writes to a pipe does not know the length, and writes a very large one.
            return (0, 0) if size >= 0x7FFF_0000 else (size, len(content) - at - 8)
        at += 8 + size + size % 2
    return 0, 0


def _overdriven(channels: Samples) -> int:
    """At how many places three samples or more in a row are at full scale, in the loudest channel."""
    loudest = np.abs(channels[:, int(np.abs(channels).max(axis=0).argmax())])
    if loudest.max() > 1.001:
        return 0  # floats with room above full scale: nothing was cut
    full = loudest >= 0.9998
    three = full[2:] & full[1:-1] & full[:-2]
    return int(np.count_nonzero(three[1:] & ~three[:-1]) + bool(three.size and three[0]))


def _mixed(channels: Samples, findings: list[str]) -> Samples:
    if channels.shape[1] == 1:
        return np.ascontiguousarray(channels[:, 0])
    mean: Samples = channels.mean(axis=1)
    powers = (channels**2).mean(axis=0)
    loudest = int(powers.argmax())
    # Two channels of opposite sign cancel each other, and one that was not plugged in halves the other. Both are
    # common, and both are over when the better channel is taken alone.
    if (mean**2).mean() < powers[loudest] / 3:
        findings.append(f"of its {channels.shape[1]} channels only number {loudest + 1} was taken")
        return np.ascontiguousarray(channels[:, loudest])
    findings.append(f"{channels.shape[1]} channels were mixed to one")
    return mean


def _centred(mono: Samples, findings: list[str]) -> Samples:
    """Without the constant that poor sound cards add: it clicks at both ends, and takes the room that gain needs."""
    offset = float(mono.mean())
    if abs(offset) >= 0.01:
        findings.append(f"a constant offset of {100 * abs(offset):.0f} % of full scale was taken out")
    return mono - offset


def _spoken_part(narrow: Samples, loud: float, findings: list[str]) -> tuple[int, int]:
    """First and last sample worth playing, on whole milliseconds."""
    frame = NARROW // 100
    frames = narrow[: len(narrow) // frame * frame].reshape(-1, frame)
    heard = np.flatnonzero((frames**2).mean(axis=1) > _power(loud - BELOW_SPEECH))
    start, end = 0, len(narrow)
    if not heard.size:
        return start, end
    before, after = int(heard[0]) * frame, len(narrow) - (int(heard[-1]) + 1) * frame
    if before > LEAD * NARROW:
        start = before - int(LEAD_KEPT * NARROW)
        findings.append(f"{start / NARROW:.1f} s of silence at the start were cut off")
    if after > TAIL * NARROW:
        end = len(narrow) - after + int(TAIL_KEPT * NARROW)
        findings.append(f"{(len(narrow) - end) / NARROW:.1f} s of silence at the end were cut off")
    return start, end


def _gain(loud: float, peak: float, findings: list[str]) -> float:
    """In dB."""
    wanted = TARGET - loud if abs(TARGET - loud) > NEAR else 0.0
    gain = min(wanted, MOST_GAIN, PEAK - _decibels(peak))
    if abs(gain) >= 0.05:
        findings.append(f"made {'louder' if gain > 0 else 'quieter'} by {abs(gain):.1f} dB, to {loud + gain:.1f} LUFS")
    if loud + gain < TARGET - TOLERATED:
        why = "it was recorded very quietly" if gain == MOST_GAIN else "single peaks are far louder than the rest"
        findings.append(f"still quiet beside other prompts ({TARGET:.0f} LUFS): {why}")
    return gain


def _wav(samples: Samples, gain: float, rate: int) -> bytes:
    """The plainest WAV there is, without anything that stood in the original beside the sound."""
    whole = np.rint(samples * (10 ** (gain / 20) * 32768)).clip(-32768, 32767).astype("<i2")
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())
    return made.getvalue()


def _decibels(size: float) -> float:
    return 20 * math.log10(max(size, 1e-9))


def _power(decibels: float) -> float:
    return float(10 ** (decibels / 10))


def main() -> int:
    """``convert`` or ``speak`` what comes in; out goes one line of JSON, then the narrow sound and the wide one.

    Whatever is wrong with what came in is said in the JSON; another exit status than 0 is a defect, here or in a
    library.
    """
    memory = MEMORY + int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    for what, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, CPU), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))
    os.nice(10)
    content = sys.stdin.buffer.read()
    sounds: list[bytes] = []
    told: dict[str, Any]
    try:
        made = speak(content.decode()) if sys.argv[1:] == ["speak"] else render(content)
    except Refused as problem:
        told = {"refused": str(problem)}
    except Unavailable as problem:
        told = {"unavailable": str(problem)}
    else:
        told = asdict(made)
        sounds = [told.pop("narrow"), told.pop("wide")]
        told["sizes"] = [len(sound) for sound in sounds]
    sys.stdout.buffer.write(json.dumps(told, allow_nan=False).encode() + b"\n" + b"".join(sounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
