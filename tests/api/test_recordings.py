"""A town's recording comes in, from the upload to what Asterisk fetches; the store and the conversion are real."""

from __future__ import annotations

import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dialog_acd.api.app import RECORDING_LIMIT
from dialog_acd.api.routes.recordings import PATH
from dialog_acd.api.tokens import Role
from dialog_acd.recordings import Recordings
from dialog_acd.sound.studio import SoundUnavailable, Studio
from dialog_acd.store.database import open_database
from dialog_acd.store.recording_store import RecordingStore
from wavs import heard, sine, wav

from .conftest import Archive
from .test_door import problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from dialog_acd.testing import ManualClock

    from .conftest import Book, Drawer

STEREO = wav(np.tile(sine(1000, level=-30)[:, None], 2), encoding="PCM_24")
WAV = {"Content-Type": "audio/wav"}


@pytest.fixture
async def archive(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path, clock: ManualClock
) -> AsyncIterator[Any]:
    """The real one; in memory for the tests that say so."""
    if "in_memory" in request.fixturenames:
        yield Archive()
        return
    file = shutil.copy(migrated_file, tmp_path / "acd.sqlite")
    database = await open_database(f"sqlite+aiosqlite:///{file}")
    yield Recordings(RecordingStore(database), Studio(), clock)
    await database.dispose()


@pytest.fixture
def in_memory(archive: Archive) -> Archive:
    return archive


async def test_a_recording_comes_in_and_goes_out_as_asterisk_plays_it(
    operator: httpx.AsyncClient, book: Book, clock: ManualClock
) -> None:
    answer = await operator.post(f"{PATH}?name=Begrüßung%20Sommer", content=STEREO, headers=WAV)
    assert answer.status_code == 201
    told = answer.json()
    digest = sha256(STEREO).hexdigest()
    assert told == {
        "digest": digest,
        "name": "Begrüßung Sommer",
        "tenant": None,
        "by": "admin",
        "uploaded_at": "2026-03-02T11:00:00Z",
        "duration_seconds": 2.0,
        "peak_dbfs": -30.0,
        "loudness_lufs": -33.0,
        "gain_db": 11.0,
        "findings": ["2 channels were mixed to one", "made louder by 11.0 dB, to -22.0 LUFS"],
    }
    [line] = book.lines
    assert (line.action, line.about, line.outcome) == ("recordings.bring", digest, "done")
    assert line.details["new"] is True
    assert (await operator.get(f"{PATH}/{digest}")).json() == told
    assert (await operator.get(PATH)).json() == {"recordings": [told], "next": None}
    original = await operator.get(f"{PATH}/{digest}/audio")
    assert original.content == STEREO
    assert original.headers["content-type"] == "audio/wav"
    assert original.headers["content-disposition"] == f'attachment; filename="{digest[:12]}-original.wav"'
    for form, rate in (("8k", 8000), ("16k", 16_000)):
        assert len(heard((await operator.get(f"{PATH}/{digest}/audio?format={form}")).content, rate)) == 2 * rate

    clock.advance(60)
    again = await operator.post(f"{PATH}?name=noch+einmal", content=STEREO, headers=WAV)
    assert (again.status_code, again.json()) == (200, told)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Not kept: this is not a WAV file."),
        (b"ID3\x04" + bytes(5000), "Not kept: this is not a WAV file."),
        (wav(np.zeros(48_000)), "Not kept: nothing to be heard in it: silence."),
        (wav(sine(500, 121, 8000), 8000), "Not kept: it is 121 s long; at most 120 s are played."),
    ],
)
async def test_what_cannot_be_played_is_refused_and_not_kept(
    operator: httpx.AsyncClient, content: bytes, why: str
) -> None:
    told = problem(await operator.post(PATH, content=content, headers=WAV), 422, "recording-refused")
    assert told["message"] == why
    assert (await operator.get(PATH)).json()["recordings"] == []


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a/b"])
@pytest.mark.usefixtures("in_memory")
async def test_a_form_is_no_wav(operator: httpx.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    told = problem(await operator.post(PATH, content=STEREO, headers=headers), 415, "not-audio")
    assert "no form around it" in told["message"]


@pytest.mark.parametrize("kind", ["audio/x-wav", "Audio/WAV; codec=1", "audio/wave", "audio/vnd.wave;codec=1"])
@pytest.mark.usefixtures("in_memory")
async def test_a_wav_has_several_names(operator: httpx.AsyncClient, kind: str) -> None:
    assert (await operator.post(PATH, content=STEREO, headers={"Content-Type": kind})).status_code == 201


async def test_one_that_is_too_large_is_not_read_to_its_end(
    operator: httpx.AsyncClient, in_memory: Archive, book: Book
) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield bytes(1 << 20)

    told = problem(await operator.post(PATH, content=endless(), headers=WAV), 413, "body-too-large")
    assert (told["details"], taken) == ({"limit_bytes": RECORDING_LIMIT}, 21)
    announced = WAV | {"Content-Length": f"{RECORDING_LIMIT + 1}"}
    problem(await operator.post(PATH, content=endless(), headers=announced), 413, "body-too-large")
    assert taken == 21
    assert (await operator.post(PATH, content=bytes(RECORDING_LIMIT), headers=WAV)).status_code == 201
    assert [len(content) for _, content in in_memory.kept.values()] == [RECORDING_LIMIT]
    assert [line.outcome for line in book.lines] == ["rejected", "done"]


@pytest.mark.usefixtures("in_memory")
async def test_who_may_not_bring_anything_is_refused_before_the_first_byte(
    stranger: httpx.AsyncClient, drawer: Drawer
) -> None:
    drawer.give("acd_somebody-who-reads", Role.AUDITOR)

    async def never() -> AsyncIterator[bytes]:
        for _ in range(1):
            pytest.fail("nobody wanted to read it")
        yield b""

    problem(await stranger.post(PATH, content=never(), headers=WAV), 401, "not-authenticated")
    key = {"Authorization": "Bearer acd_somebody-who-reads"}
    problem(await stranger.post(PATH, content=never(), headers=WAV | key), 403, "not-allowed")


async def test_when_many_bring_at_once_some_are_asked_to_come_again(
    operator: httpx.AsyncClient, in_memory: Archive
) -> None:
    in_memory.refusing = SoundUnavailable("others' recordings are being converted; try again in a minute")
    answer = await operator.post(PATH, content=STEREO, headers=WAV)
    told = problem(answer, 503, "sound-unavailable")
    assert told["message"].startswith("Nothing was kept: others' recordings")
    assert answer.headers["retry-after"] == "60"


@pytest.mark.usefixtures("in_memory")
async def test_pages(operator: httpx.AsyncClient) -> None:
    for n in range(5):
        await operator.post(PATH, content=b"RIFF%d" % n, headers=WAV)
    seen: list[str] = []
    step: str | None = ""
    while step is not None:
        page = (await operator.get(f"{PATH}?limit=2{step and f'&before={step}'}")).json()
        seen += [recording["digest"] for recording in page["recordings"]]
        step = page["next"]
    assert seen == [sha256(b"RIFF%d" % n).hexdigest() for n in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("path", ["{}", "{}/audio", "{}/audio?format=8k", "?before={}"])
async def test_one_that_is_not_there(operator: httpx.AsyncClient, path: str) -> None:
    joint = "" if path.startswith("?") else "/"
    problem(await operator.get(f"{PATH}{joint}{path.format('0' * 64)}"), 404, "no-such-recording")
    problem(await operator.get(f"{PATH}{joint}{path.format('0' * 63)}"), 422, "not-valid")


@pytest.mark.usefixtures("in_memory")
async def test_a_town_brings_its_own_and_does_not_look_over_others_shoulders(
    stranger: httpx.AsyncClient, operator: httpx.AsyncClient, drawer: Drawer, book: Book
) -> None:
    for town in ("langenhagen", "gehrden"):
        drawer.give(f"acd_administrator-of-{town}", Role.TOWN_ADMIN, town)
    langenhagen, gehrden = (
        {"Authorization": f"Bearer acd_administrator-of-{town}"} for town in ("langenhagen", "gehrden")
    )
    centres = (await operator.post(f"{PATH}?name=alle", content=b"RIFFc", headers=WAV)).json()
    theirs = (await stranger.post(f"{PATH}?name=geheim", content=b"RIFFg", headers=WAV | gehrden)).json()
    ours = (await stranger.post(PATH, content=b"RIFFl", headers=WAV | langenhagen)).json()
    assert (ours["tenant"], theirs["tenant"], centres["tenant"]) == ("langenhagen", "gehrden", None)
    assert [line.tenant for line in book.lines] == [None, "gehrden", "langenhagen"]

    listed = (await stranger.get(PATH, headers=langenhagen)).json()["recordings"]
    assert listed == [ours, centres]
    # Who knows the digest hears it, as a caller would, and does not learn who made it.
    hidden = theirs | {"name": None, "tenant": None, "by": None}
    assert (await stranger.get(f"{PATH}/{theirs['digest']}", headers=langenhagen)).json() == hidden
    heard_by = await stranger.get(f"{PATH}/{theirs['digest']}/audio", headers=langenhagen)
    assert heard_by.content == b"RIFFg"
    brought = await stranger.post(f"{PATH}?name=auch", content=b"RIFFg", headers=WAV | langenhagen)
    assert (brought.status_code, brought.json()) == (200, hidden)


@pytest.mark.parametrize("name", ["x" * 101, "a%0Ab", "%00", "%7F"])
@pytest.mark.usefixtures("in_memory")
async def test_a_name_is_one_short_line(operator: httpx.AsyncClient, name: str) -> None:
    problem(await operator.post(f"{PATH}?name={name}", content=STEREO, headers=WAV), 422, "not-valid")
