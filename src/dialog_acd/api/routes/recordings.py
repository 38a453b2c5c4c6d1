"""Recordings of greetings and other prompts: a WAV comes in, what Asterisk plays goes out.

Who may bring one: an operator, and a town's administrator. Who may hear them: everybody with a token, for callers hear
them, too. A list shows a town its own and the centre's; another town's can be had by who knows its digest, without
saying whose it is: nobody guesses 256 bits, so they have read it in a directory, or hold the same file.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import structlog
from fastapi import APIRouter, Header, Path, Query, Request, Response

from dialog_acd.api.access import Announcer, Reader  # noqa: TC001  read at run time
from dialog_acd.api.asking import Limit  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import (
    BodyTooLarge,
    BodyTooSlow,
    NoSuchRecording,
    NotAudio,
    RecordingRefused,
    SoundUnavailable,
    fails,
)
from dialog_acd.api.schemas import RecordingOut, RecordingsOut
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.errors import DialogAcdError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/api/v1/recordings"
KINDS = frozenset({"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"})
log = structlog.get_logger(__name__)
router = APIRouter(prefix="/recordings", tags=["recordings"])
_NOT_FOUND = fails(NoSuchRecording)
_DIGEST = "^[0-9a-f]{64}$"
_Digest = Annotated[
    str,
    Path(
        pattern=_DIGEST,
        description="SHA-256 of the uploaded file, in hexadecimal digits.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]


class Format(StrEnum):
    """As it was sent, or as it is played: narrow band, wide band."""

    ORIGINAL = "original"
    NARROW = "8k"
    WIDE = "16k"


_PARTS: dict[Format, Literal["content", "narrow", "wide"]] = {
    Format.ORIGINAL: "content",
    Format.NARROW: "narrow",
    Format.WIDE: "wide",
}


@router.post(
    "",
    status_code=201,
    summary="Bring a recording: a WAV of any rate, width and number of channels",
    responses={
        200: {"model": RecordingOut, "description": "The same content was here already; told as it came then."},
        **fails(NotAudio, RecordingRefused, SoundUnavailable, BodyTooSlow, BodyTooLarge),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}},
            "description": "The file itself, at most 20 MiB and two minutes.",
        }
    },
)
async def bring(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Announcer,
    request: Request,
    response: Response,
    attempt: Noted,
    name: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="What people call it.",
            examples=["Begrüßung Langenhagen, Sommer"],
        ),
    ] = "",
    content_type: Annotated[str, Header(max_length=200, include_in_schema=False)] = "",
) -> RecordingOut:
    if content_type.partition(";")[0].strip().lower() not in KINDS:
        raise NotAudio
    # Only now is the body read: who may not bring anything does not fill our memory.
    content = await request.body()
    with _told():
        taken = await wiring.recordings.take(content, name=name, by=by.name, tenant=by.tenant)
    attempt.about = taken.recording.digest
    attempt.details["new"] = taken.fresh
    if taken.fresh:
        log.info("api.recording", by=by.name, role=by.role, digest=taken.recording.digest)
    else:
        response.status_code = 200
    return RecordingOut.of(taken.recording, by.tenant)


@router.get(
    "",
    name="all",
    summary="Recordings, the latest first; for one town its own and the centre's",
    responses=_NOT_FOUND,
)
async def recordings(
    wiring: Wired,
    by: Reader,
    limit: Limit = 50,
    before: Annotated[
        str | None,
        Query(pattern=_DIGEST, description="`next` of the page before; absent: the newest.", examples=["0" * 64]),
    ] = None,
) -> RecordingsOut:
    with _told():
        # One more than wanted tells whether there is a next page, without counting the table.
        found = await wiring.recordings.page(limit + 1, before, by.tenant)
    page = [RecordingOut.of(recording, by.tenant) for recording in found[:limit]]
    return RecordingsOut(recordings=page, next=page[-1].digest if len(found) > limit else None)


@router.get("/{digest}", name="one", summary="One recording, without its sound", responses=_NOT_FOUND)
async def recording(wiring: Wired, by: Reader, digest: _Digest) -> RecordingOut:
    with _told():
        return RecordingOut.of(await wiring.recordings.one(digest), by.tenant)


@router.get(
    "/{digest}/audio",
    summary="Its sound, as it came or as Asterisk plays it",
    response_class=Response,
    responses={
        200: {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}, "description": "A WAV."},
        **_NOT_FOUND,
    },
)
async def audio(
    wiring: Wired,
    _: Reader,
    digest: _Digest,
    form: Annotated[
        Format,
        Query(
            alias="format",
            description="`original`: the very bytes that were uploaded. `8k`, `16k`: one channel, 16 bits, at 8 or "
            "16 kHz; Asterisk's `wav` and `wav16`.",
            examples=["8k"],
        ),
    ] = Format.ORIGINAL,
) -> Response:
    with _told():
        sound = await wiring.recordings.sound(digest, _PARTS[form])
    headers = {"Content-Disposition": f'attachment; filename="{digest[:12]}-{form.value}.wav"'}
    return Response(sound, media_type="audio/wav", headers=headers)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is refused about a recording, as the API says it."""
    try:
        yield
    except DialogAcdError as problem:
        match problem.error_id:
            case "recording-refused":
                raise RecordingRefused(f"Not kept: {problem}.") from problem
            case "sound-unavailable":
                raise SoundUnavailable(f"Nothing was kept: {problem}.") from problem
            case "no-such-recording":
                raise NoSuchRecording from problem
        raise
