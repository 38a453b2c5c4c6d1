"""WAV files as people's machines write them, and measures of what became of them."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]


def sine(hertz: float, seconds: float = 2.0, rate: int = 48_000, level: float = -20.0) -> Samples:
    """``level``: dBFS of its peak."""
    return 10 ** (level / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def silence(seconds: float, rate: int = 48_000) -> Samples:
    return np.zeros(round(seconds * rate))


def wav(samples: Samples, rate: int = 48_000, encoding: str = "PCM_16", form: str = "WAV") -> bytes:
    """``samples``: one channel, or frames by channels."""
    made = io.BytesIO()
    soundfile.write(made, samples, rate, format=form, subtype=encoding)
    return made.getvalue()


def header(
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    sound: bytes = b"",
    says: int | None = None,
) -> bytes:
    """A WAV written by hand, as no library would. ``says``: bytes of sound the header promises."""
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * align % 2**32, align % 2**16, bits)
    data = struct.pack("<4sI", b"data", len(sound) if says is None else says) + sound
    return b"RIFF" + struct.pack("<I", 28 + len(data)) + b"WAVE" + b"fmt " + struct.pack("<I", 16) + form + data


def heard(content: bytes, rate: int) -> Samples:
    """The samples Asterisk would play, who wants a header of exactly this form."""
    assert content[:4] + content[8:16] == b"RIFFWAVEfmt "
    assert struct.unpack_from("<IHHIIHH", content, 16) == (16, 1, 1, rate, 2 * rate, 2, 16)
    assert content[36:40] == b"data"
    assert struct.unpack_from("<I", content, 40)[0] == len(content) - 44 == struct.unpack_from("<I", content, 4)[0] - 36
    return np.frombuffer(content, "<i2", offset=44) / 32768


def level_at(samples: Samples, rate: int, hertz: float) -> float:
    """dBFS (peak) of a sine at this frequency in it, whole seconds only; the window's leakage is far below -100 dB."""
    window = np.blackman(len(samples))
    turning = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / rate)
    return float(20 * np.log10(2 * abs((samples * window * turning).sum()) / window.sum() + 1e-12))
