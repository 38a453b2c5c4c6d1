"""The centre at this moment, and as it changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from dialog_acd.api.access import Onlooker  # noqa: TC001  read at run time
from dialog_acd.api.feed import EventStream, Wish
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import ApiProblem, NoSuchQueue, NoSuchTenant, StreamsTaken, TooManyStreams, fails
from dialog_acd.api.schemas import LiveCallsOut, LiveOut
from dialog_acd.api.sight import names_for, part, seen_by, sight
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time

router = APIRouter(tags=["live"], responses=fails(NoSuchTenant, NoSuchQueue))

OfTenant = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Only this town's part: calls to its numbers, queues they lead to, agents in its town hall.",
        examples=["langenhagen"],
    ),
]
OfQueue = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Only what is about this queue: itself, its calls, and the agents who can serve it.",
        examples=["langenhagen"],
    ),
]
CallWord = Literal[
    "arrived", "waiting", "offered", "returning", "connected", "diverting", "diverted", "failsafe", "released"
]


@router.get("/live", name="picture", summary="The whole picture, or one town's part of it")
async def whole_picture(
    wiring: Wired, by: Onlooker, noted: Noted, tenant: OfTenant = None, queue: OfQueue = None
) -> LiveOut:
    seen, names = sight(wiring.live, by, tenant, queue), names_for(by, tenant, queue)
    wiring.watchers.note(by, noted.action, names)
    return LiveOut.of(seen, names)


@router.get("/live/calls", summary="Calls that have not ended, oldest first; `state=waiting`: who waits")
async def calls(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Onlooker,
    noted: Noted,
    tenant: OfTenant = None,
    queue: OfQueue = None,
    state: Annotated[
        list[CallWord] | None,
        Query(max_length=9, description="Only calls in this state, or in one of several.", examples=[["waiting"]]),
    ] = None,
) -> LiveCallsOut:
    seen = sight(wiring.live, by, tenant, queue)
    if state is not None:
        seen = replace(seen, calls=tuple(call for call in seen.calls if call.state.value in state))
    names = names_for(by)
    wiring.watchers.note(by, noted.action, names)
    return LiveCallsOut.of(seen, names)


@router.get(
    "/live/stream",
    summary="The picture as it changes: server-sent events",
    description="The first event, `state`, is what `GET /api/v1/live` answers; each further one, `change`, a "
    "`LiveChangeOut`: what has changed since. The last, `end`, says why: `seconds`, `events`, `stopping`, `token` (it "
    "is not in force any more), `no-such-queue` (the directory has it no longer). A slow reader misses "
    "what came and went in between, and nothing else. After 15 s without an event comes a comment.",
    response_class=Response,
    responses={
        200: {
            "description": "Events until the stream is over.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'retry: 2000\n\nid: 1\nevent: end\ndata: {"why": "seconds"}\n\n',
                }
            },
        },
        **fails(TooManyStreams, StreamsTaken),
    },
)
async def stream(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Onlooker,
    noted: Noted,
    request: Request,
    tenant: OfTenant = None,
    queue: OfQueue = None,
    seconds: Annotated[
        float, Query(gt=0, le=3600, description="After so long the stream ends, in seconds.", examples=[60])
    ] = 60,
    events: Annotated[
        int | None,
        Query(ge=1, le=1_000_000, description="After so many events the stream ends; absent: any.", examples=[1]),
    ] = None,
    per_second: Annotated[
        float,
        Query(
            ge=0.01,
            le=10,
            description="At most so many events a second; what changes more often is put together.",
            examples=[1],
        ),
    ] = 1,
) -> Response:
    directory = wiring.live.directory()
    town = seen_by(by, tenant, directory)
    part(wiring.live.view(), directory, town, queue)
    names = names_for(by, tenant, queue)
    presented = request.headers["authorization"].partition(" ")[2]

    async def still() -> bool:
        try:
            may = await wiring.keys.principal(presented) == by
        except ApiProblem:  # also a person's token that has come to its end
            return False
        if may:
            wiring.watchers.note(by, noted.action, names)
        return may

    wish = Wish(
        tenant=town,
        queue=queue,
        names=names,
        still=still,
        seconds=seconds,
        events=events,
        per_second=per_second,
    )
    listener = wiring.feed.listen(by)
    wiring.watchers.note(by, noted.action, names)
    return EventStream(listener, wish)
