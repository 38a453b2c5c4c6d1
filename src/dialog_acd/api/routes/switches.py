"""The supervisor's switches: what is otherwise for a while, and always ends by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path

from dialog_acd.api.access import Commander, Porter, Reader  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import EngineSilent, NoSuchEntry, NoSuchQueue, SwitchRefused, fails
from dialog_acd.api.schemas import ClosureIn, MessageIn, QueueOut, SwitchedOut, SwitchesOut, SwitchIn
from dialog_acd.api.sight import entry_in_sight, names_for, sight, town_of_queue
from dialog_acd.api.telling import ANSWER_WITHIN, tell
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.messages import SupervisorSwitched
from dialog_acd.core.model import PromptId, SwitchKind

if TYPE_CHECKING:
    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Live, Wiring
    from dialog_acd.api.witness import Attempt
    from dialog_acd.core.view import QueueView

router = APIRouter(prefix="/switches", tags=["switches"])
queues = APIRouter(prefix="/queues/{queue}", tags=["queues"], responses=fails(NoSuchQueue, SwitchRefused, EngineSilent))
entries = APIRouter(
    prefix="/entries/{number}", tags=["entries"], responses=fails(NoSuchEntry, SwitchRefused, EngineSilent)
)
centre = APIRouter(tags=["centre"], responses=fails(SwitchRefused, EngineSilent))
_Queue = Annotated[str, Path(max_length=100, description="Id of the queue.", examples=["langenhagen"])]
_Number = Annotated[
    str,
    Path(
        max_length=40,
        description="Number of the entry as the directory has it, or as one dials it here; of a block its head. "
        "The plus percent-encoded (%2B).",
        examples=["+495117307"],
    ),
]


@router.get("", name="all", summary="What is switched now, by whom and until when; for one town what concerns it")
async def switches(wiring: Wired, by: Reader) -> SwitchesOut:
    return SwitchesOut.of(sight(wiring.live, by))


@queues.put("/switch", summary="Send the queue's calls over (rungs `switched`) until a moment")
async def switch_over(wiring: Wired, by: Commander, noted: Noted, queue: _Queue, body: SwitchIn) -> QueueOut:
    await _switch(wiring, by, noted, (SwitchKind.OVERFLOW, queue), body)
    return QueueOut.of(_find(wiring.live, by, queue), names_for(by))


@queues.delete("/switch", summary="Serve the queue's calls here again")
async def switch_back(wiring: Wired, by: Commander, noted: Noted, queue: _Queue) -> QueueOut:
    await _switch(wiring, by, noted, (SwitchKind.OVERFLOW, queue), None)
    return QueueOut.of(_find(wiring.live, by, queue), names_for(by))


@queues.put("/message", summary="Have each new caller of the queue told something until a moment")
async def tell_callers(wiring: Wired, by: Commander, noted: Noted, queue: _Queue, body: MessageIn) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.QUEUE_MESSAGE, queue), body)


@queues.delete("/message", summary="Tell the queue's new callers nothing any more")
async def tell_callers_no_more(wiring: Wired, by: Commander, noted: Noted, queue: _Queue) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.QUEUE_MESSAGE, queue), None)


@entries.put("/message", summary="Have each new caller of the number told something until a moment")
async def tell_who_dials(wiring: Wired, by: Commander, noted: Noted, number: _Number, body: MessageIn) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.ENTRY_MESSAGE, number), body)


@entries.delete("/message", summary="Tell new callers of the number nothing any more")
async def tell_who_dials_no_more(wiring: Wired, by: Commander, noted: Noted, number: _Number) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.ENTRY_MESSAGE, number), None)


@centre.put("/message", summary="Have each new caller of the whole centre told something until a moment")
async def tell_everybody(wiring: Wired, by: Commander, noted: Noted, body: MessageIn) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.CENTRE_MESSAGE, ""), body)


@centre.delete("/message", summary="Tell new callers of the whole centre nothing any more")
async def tell_everybody_no_more(wiring: Wired, by: Commander, noted: Noted) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.CENTRE_MESSAGE, ""), None)


@entries.put("/closure", summary="Close the number until a moment; whoever waits already is served")
async def close(wiring: Wired, by: Porter, noted: Noted, number: _Number, body: ClosureIn) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.CLOSURE, number), body)


@entries.delete("/closure", summary="Let the number's own hours hold again")
async def reopen(wiring: Wired, by: Porter, noted: Noted, number: _Number) -> SwitchedOut:
    return await _switch(wiring, by, noted, (SwitchKind.CLOSURE, number), None)


def _find(live: Live, by: Principal, which: str) -> QueueView:
    for found in sight(live, by).queues:
        if found.id == which:
            return found
    raise NoSuchQueue(queue=which)


async def _switch(
    wiring: Wiring, by: Principal, noted: Attempt, which: tuple[SwitchKind, str], wanted: SwitchIn | None
) -> SwitchedOut:
    """Switch, or back if nothing is ``wanted``. Raises whatever stands in the way of it."""
    live, (kind, about), until, prompt = wiring.live, which, None, None
    if wanted is not None:
        until, prompt = wanted.until, wanted.named
        noted.details["until"] = until.isoformat()
        if prompt is not None:
            noted.details["prompt"] = prompt
    if kind in (SwitchKind.OVERFLOW, SwitchKind.QUEUE_MESSAGE):
        noted.concerns(town_of_queue(live, about))
        _find(live, by, about)
    elif kind in (SwitchKind.CLOSURE, SwitchKind.ENTRY_MESSAGE):
        entry = entry_in_sight(live, by, about)
        if entry is None:
            raise NoSuchEntry(number=about)
        noted.concerns(entry.tenant)
        about = entry.number
    if by.tenant is not None and prompt is not None:
        found = live.directory().prompt.get(PromptId(prompt))
        if found is not None and found.tenant not in (None, by.tenant):
            why = "prompt-not-theirs"
            raise SwitchRefused(f"Not possible: prompt {prompt} is another town's.", about=about, why=why)
    refused = await tell(live, SupervisorSwitched(kind, about, until, by.name, prompt), ANSWER_WITHIN, about=about)
    if refused is not None:
        raise SwitchRefused(f"Not possible: {refused}.", about=about, why=refused)
    return SwitchedOut.of(sight(live, by), kind, about)
