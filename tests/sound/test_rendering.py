"""What a caller hears of what a town has recorded, whatever it was recorded with."""

from __future__ import annotations

import math
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialog_acd.sound import rendering
from dialog_acd.sound.rendering import NARROW, TARGET, WIDE, Refused, Unavailable, loudness, render, speak
from wavs import header, heard, level_at, silence, sine, wav

if TYPE_CHECKING:
    from wavs import Samples

needs_voice = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng (make tools)")

FORMS = [
    *((encoding, 8000, 1) for encoding in ("PCM_U8", "PCM_16", "ULAW", "ALAW")),
    *((encoding, 44_100, 2) for encoding in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
    *(("PCM_16", rate, 1) for rate in (11_025, 16_000, 22_050, 32_000, 96_000, 192_000)),
    ("PCM_24", 48_000, 6),
]


def noise(seconds: float, level: float, rate: int = 48_000) -> Samples:
    return np.random.default_rng(115).normal(0, 10 ** (level / 20), round(seconds * rate))


def refused(content: bytes) -> str:
    with pytest.raises(Refused) as caught:
        render(content)
    return str(caught.value)


# ---------------------------------------------------------------- form


@pytest.mark.parametrize(("encoding", "rate", "channels"), FORMS)
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_a_tone_stays_the_tone_whatever_recorded_it(encoding: str, rate: int, channels: int, form: str) -> None:
    tone = np.tile(sine(1000, 3, rate)[:, None], channels)
    made = render(wav(tone, rate, encoding, form))
    assert made.seconds == 3.0
    assert made.peak == pytest.approx(-20, abs=0.3)
    for sound, wanted in ((made.narrow, NARROW), (made.wide, WIDE)):
        samples = heard(sound, wanted)
        assert len(samples) == 3 * wanted
        middle = samples[wanted:-wanted]
        # A sine of -20 dBFS is one of -23 LUFS.
        assert level_at(middle, wanted, 1000) == pytest.approx(-20 + made.gain, abs=0.15)
        # Nothing else: what is left when the tone is taken away is the coarseness of eight bits.
        rest = 10 * math.log10((middle**2).mean() - 10 ** (level_at(middle, wanted, 1000) / 10) / 2 + 1e-9)
        assert rest < (-48 if encoding in {"PCM_U8", "ULAW", "ALAW"} else -75)


def test_what_the_telephone_does_not_carry_does_not_come_back_as_another_tone() -> None:
    tones = sine(1000) + sine(5000) + sine(6000) + sine(11_000)
    made = render(wav(tones, encoding="PCM_24"))
    narrow, wide = heard(made.narrow, NARROW)[4000:12_000], heard(made.wide, WIDE)[8000:24_000]
    kept = level_at(narrow, NARROW, 1000)
    # 5 kHz would be folded to 3 kHz, 6 kHz to 2 kHz, and 11 kHz to 3 or 5 kHz.
    for folded in (2000, 3000):
        assert level_at(narrow, NARROW, folded) < kept - 70
    assert level_at(wide, WIDE, 5000) == pytest.approx(kept, abs=0.2)
    assert level_at(wide, WIDE, 6000) == pytest.approx(kept, abs=0.2)
    assert level_at(wide, WIDE, 3000) < kept - 70


def test_speech_above_three_kilohertz_is_left_in() -> None:
    made = render(wav(sine(1000) + sine(3300)))
    narrow = heard(made.narrow, NARROW)[4000:12_000]
    assert level_at(narrow, NARROW, 3300) == pytest.approx(level_at(narrow, NARROW, 1000), abs=0.2)


def test_nothing_but_the_sound_leaves() -> None:
    content = wav(sine(440))
    noted = b"LIST" + (26).to_bytes(4, "little") + b"INFOIART" + (14).to_bytes(4, "little") + b"Erika Muster\0\0"
    made = render(content[:4] + (len(content) - 8 + len(noted)).to_bytes(4, "little") + content[8:] + noted)
    assert made == render(content)
    assert b"Erika" not in made.narrow + made.wide


def test_the_same_file_gives_the_same_bytes() -> None:
    content = wav(noise(1, -20))
    assert render(content) == render(content)


# ---------------------------------------------------------------- channels


def test_two_channels_are_one_and_the_level_of_each_is_kept() -> None:
    made = render(wav(np.stack([sine(500), sine(1500)], axis=1)))
    narrow = heard(made.narrow, NARROW)[4000:12_000]
    assert level_at(narrow, NARROW, 500) == pytest.approx(level_at(narrow, NARROW, 1500), abs=0.1)
    assert made.findings[0] == "2 channels were mixed to one"


@pytest.mark.parametrize("other", [-sine(1000), silence(2)], ids=["of opposite sign", "not plugged in"])
def test_a_second_channel_does_not_silence_the_first(other: Samples) -> None:
    alone = render(wav(sine(1000)))
    made = render(wav(np.stack([other, 1.01 * sine(1000)], axis=1)))
    assert made.loudness == pytest.approx(alone.loudness, abs=0.2)
    assert made.findings[0] == "of its 2 channels only number 2 was taken"


# ---------------------------------------------------------------- level


def passages(*parts: tuple[float, float]) -> Samples:
    """(Seconds, dBFS) of 1 kHz, one after the other, at 8 kHz."""
    return np.concatenate([sine(1000, seconds, 8000, level) for seconds, level in parts])


# EBU Tech 3341, table 1, cases 1 to 5. Its sines stand in both channels of a stereo signal, which makes 3 dB.
@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([(20, -23)], -23),
        ([(20, -33)], -33),
        ([(10, -36), (60, -23), (10, -36)], -23),
        ([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23),
        ([(20, -26), (20.1, -20), (20, -26)], -23),
    ],
)
def test_loudness_is_what_the_broadcasting_union_says_it_is(parts: list[tuple[float, float]], wanted: float) -> None:
    sound = passages(*((seconds, level + 3.01) for seconds, level in parts))
    assert loudness(sound, 8000) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize(("hertz", "weight"), [(100, -1.82), (500, -0.65), (1000, 0), (2000, 2.38), (3500, 3.22)])
def test_the_ear_is_weighted_alike_at_any_sampling_rate(hertz: float, weight: float) -> None:
    found = [loudness(sine(hertz, 5, rate), rate) + 23.01 for rate in (8000, 16_000, 44_100, 48_000)]
    assert found == [pytest.approx(weight, abs=0.1)] * 4
    assert max(found) - min(found) < 0.02


@pytest.mark.parametrize("level", [-45, -40, -30, -21, -18, -12, -3])
def test_recordings_of_all_levels_sound_alike(level: float) -> None:
    made = render(wav(sine(1000, level=level), encoding="PCM_24"))
    assert loudness(heard(made.narrow, NARROW), NARROW) == pytest.approx(
        TARGET, abs=1.0 if made.gain == 0 else 0.1
    ) or (made.gain == 20 and level < -39)
    assert made.loudness == pytest.approx(level - 3, abs=0.2)
    assert (made.gain == 0) == (abs(level - 3 - TARGET) <= 1)
    assert bool(made.findings) == (made.gain != 0)
    difference = heard(made.wide, WIDE)[::2] - heard(made.narrow, NARROW)
    assert np.abs(difference).max() < 0.01, "both have the same gain"


def test_noise_is_not_raised_without_end() -> None:
    made = render(wav(sine(1000, level=-52), encoding="PCM_24"))
    assert made.gain == 20
    assert made.findings == (
        "made louder by 20.0 dB, to -35.0 LUFS",
        "still quiet beside other prompts (-22 LUFS): it was recorded very quietly",
    )


def test_a_peak_is_not_cut_off_for_the_sake_of_loudness() -> None:
    quiet = sine(1000, 4, level=-40)
    quiet[90_000:90_480] += sine(1000, 0.01, level=-8)
    made = render(wav(quiet, encoding="PCM_24"))
    assert made.gain == pytest.approx(7, abs=0.5)
    assert np.abs(heard(made.wide, WIDE)).max() == pytest.approx(10 ** (-1 / 20), abs=0.01)
    assert "single peaks are far louder" in made.findings[-1]


def test_a_constant_in_the_samples_is_not_sound_and_takes_no_room() -> None:
    made = render(wav(sine(1000, level=-30) + 0.4))
    assert np.abs(heard(made.narrow, NARROW).mean()) < 0.001
    assert made.gain == pytest.approx(11, abs=0.2)
    assert made.findings[0] == "a constant offset of 40 % of full scale was taken out"


def test_floats_above_full_scale_are_brought_down_whole() -> None:
    made = render(wav(sine(1000, level=6), encoding="FLOAT"))
    assert made.peak == 6.0
    narrow = heard(made.narrow, NARROW)[4000:12_000]
    assert level_at(narrow, NARROW, 3000) < level_at(narrow, NARROW, 1000) - 70, "no overtone: nothing was cut"
    assert not any("overdriven" in finding for finding in made.findings)


def test_who_was_too_near_the_microphone_is_told() -> None:
    made = render(wav(np.clip(sine(300, level=8), -1, 1)))
    [finding] = [finding for finding in made.findings if "overdriven" in finding]
    assert finding.startswith("overdriven at 1200 places")
    fine = render(wav(sine(300, level=-0.2)))
    assert not any("overdriven" in finding for finding in fine.findings)


def test_silence_before_the_first_word_is_cut_and_told() -> None:
    made = render(wav(np.concatenate([noise(2.0, -75), sine(1000, 3), noise(4.0, -75)])))
    assert made.findings[:2] == (
        "1.8 s of silence at the start were cut off",
        "3.7 s of silence at the end were cut off",
    )
    assert made.seconds == pytest.approx(3.5, abs=0.02)
    samples = heard(made.narrow, NARROW)
    assert np.abs(samples[: NARROW // 6]).max() < 0.01
    assert np.abs(samples[NARROW // 4 : NARROW // 2]).max() > 0.05
    assert len(heard(made.wide, WIDE)) == 2 * len(samples)


def test_a_breath_before_the_first_word_is_left() -> None:
    made = render(wav(np.concatenate([silence(0.6), sine(1000, 3), silence(1.4)])))
    assert made.seconds == 5.0
    made = render(wav(np.concatenate([sine(1000, 1), silence(3), sine(1000, 1)])))
    assert made.seconds == 5.0


# ---------------------------------------------------------------- what is not played to anybody


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "this is not a WAV file"),
        (b"RIFF", "this is not a WAV file"),
        (b"OggS" + bytes(100), "this is not a WAV file"),
        (b"RIFF\0\0\0\0AVI " + bytes(100), "this is not a WAV file"),
        (b"RIFF\x24\0\0\0WAVE" + bytes(36), "cannot be read"),
        (header(), "0.00 s long; less than 0.5 s"),
        (header(sound=bytes(7998)), "0.50 s long; less than 0.5 s"),
        (header(sound=bytes(20_000)), "silence"),
        (header(rate=0, sound=bytes(20_000)), ""),
        (header(rate=1, sound=bytes(200)), "1 Hz is outside 8000 to 192000 Hz"),
        (header(rate=2**31 - 1, sound=bytes(200)), "Hz is outside"),
        (header(channels=0, sound=bytes(200)), ""),
        (header(channels=9, sound=bytes(200_000)), "9 channels; at most 8"),
        (header(channels=65_535, sound=bytes(200_000)), ""),
        (header(bits=0, sound=bytes(200)), ""),
        (header(bits=12, sound=bytes(200)), ""),
        (header(tag=0x55, sound=bytes(20_000)), ""),
        (header(tag=0xBEEF, sound=bytes(20_000)), ""),
        (wav(sine(500, 2, 8000), 8000, "IMA_ADPCM"), "is not converted; save it as plain PCM"),
        (wav(sine(500, 2, 8000), 8000, "GSM610"), "is not converted; save it as plain PCM"),
        (wav(sine(500, 121, 8000), 8000, "ULAW"), "it is 121 s long; at most 120 s"),
        (wav(sine(500, level=-70), encoding="FLOAT"), "silence"),
        (wav(sine(500, level=30), encoding="FLOAT"), "30 dB above full scale"),
        (wav(np.full(48_000, 1e300), encoding="DOUBLE"), "6000 dB above full scale"),
        (wav(np.where(np.arange(48_000) == 4711, np.nan, 0.1), encoding="FLOAT"), "no numbers"),
        (wav(np.where(np.arange(48_000) == 4711, np.inf, 0.1), encoding="DOUBLE"), "no numbers"),
        (wav(np.full(48_000, 0.5)), "silence"),  # a stuck converter: direct current is nothing to hear
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(content: bytes, why: str) -> None:
    assert why in refused(content)


def test_two_minutes_are_still_listened_to() -> None:
    assert render(wav(sine(500, 120, 8000), 8000, "ULAW")).seconds == 120


@pytest.mark.parametrize("says", [0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FFF_F000])
def test_who_writes_to_a_pipe_does_not_know_the_length(says: int) -> None:
    sound = (sine(1000, 2, 8000) * 32767).astype("<i2").tobytes()
    made = render(header(sound=sound, says=says))
    assert made.seconds == 2.0
    assert not any("ends early" in finding for finding in made.findings)


def test_an_upload_that_broke_off_is_told() -> None:
    content = wav(sine(1000, 2, 8000), 8000)
    made = render(content[:20_044])
    assert made.findings[0] == "the file ends early, with 20000 of 32000 bytes of sound: is it complete?"
    assert made.seconds == 1.25


_SEED = wav(np.tile(sine(1000, 0.6, 8000)[:, None], 2), 8000, "FLOAT", "WAVEX")


@given(
    changes=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=8),
    words=st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1])),
        max_size=3,
    ),
    end=st.integers(0, len(_SEED)) | st.just(len(_SEED)),
)
@example(changes=[], words=[], end=len(_SEED))
def test_whatever_is_done_to_a_file_it_is_played_or_refused(
    changes: list[tuple[int, int]], words: list[tuple[int, int]], end: int
) -> None:
    content = bytearray(_SEED)
    for at, byte in changes:
        content[at] = byte
    for at, word in words:
        content[4 * at : 4 * at + 4] = word.to_bytes(4, "little")
    _played_or_refused(bytes(content[:end]))


@given(st.binary(max_size=2000))
def test_whatever_comes_after_the_first_letters_it_is_played_or_refused(rest: bytes) -> None:
    _played_or_refused(b"RIFF\xff\xff\0\0WAVE" + rest)


@given(
    st.lists(st.floats(width=32), min_size=1, max_size=50),
    st.sampled_from(["FLOAT", "DOUBLE"]),
)
def test_whatever_numbers_are_in_it_it_is_played_or_refused(values: list[float], encoding: str) -> None:
    samples = np.resize(np.array(values), 8000)
    _played_or_refused(wav(samples, 8000, encoding))


def _played_or_refused(content: bytes) -> None:
    try:
        made = render(content)
    except Refused as problem:
        said = str(problem)
        assert said.isprintable()
        assert 10 < len(said) < 200
        return
    narrow, wide = heard(made.narrow, NARROW), heard(made.wide, WIDE)
    assert len(narrow) == made.seconds * NARROW > 0
    assert abs(len(wide) - 2 * len(narrow)) <= 2
    assert all(map(math.isfinite, (made.peak, made.loudness, made.gain)))
    assert np.abs(wide).max() <= 10 ** (rendering.PEAK / 20) + 1e-3


# ---------------------------------------------------------------- drafts


@needs_voice
def test_a_draft_is_spoken_in_german_at_the_level_of_the_others() -> None:
    made = speak("Guten Tag!\nSie sind mit der Stadt Langenhagen verbunden. Bitte haben Sie einen Moment Geduld.")
    assert 4 < made.seconds < 10
    samples = heard(made.narrow, NARROW)
    assert loudness(samples, NARROW) == pytest.approx(TARGET, abs=2)
    assert np.abs(samples).max() < 0.9
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    voice = spectrum[: len(spectrum) // 2].sum() / spectrum.sum()
    assert voice > 0.8, "most of a voice is below 2 kHz"
    assert made == speak(
        "Guten Tag! Sie sind mit der Stadt Langenhagen verbunden. Bitte haben Sie einen Moment Geduld."
    )


@needs_voice
def test_umlauts_are_letters_and_what_looks_like_an_option_is_words() -> None:
    assert speak("Überörtliche Bürgerämter").seconds != speak("berrtliche Brgermter").seconds
    assert speak("-v en --version").seconds > 1
    assert speak("Guten Tag [[ha?l'o:]]").seconds > 1


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "no words"), (" \n\t", "no words"), ("...\0!", "no words"), ("ja " * 501, "1502 characters; at most 1500")],
)
def test_what_is_no_text_is_not_spoken(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        speak(text)


def test_without_a_voice_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="apt-get install espeak-ng"):
        speak("Guten Tag")


def test_a_voice_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 1, b"", b"Error: no voice de\nmore")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(Unavailable, match=r"status 1\): Error: no voice de$"):
        speak("Guten Tag")
