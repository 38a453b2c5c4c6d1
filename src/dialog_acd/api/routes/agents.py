"""Agents: how they are, and what they want.

An agent made ready here and one made ready by the phone's feature code are the same signal; the core decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import structlog
from fastapi import APIRouter, Path, Query

from dialog_acd.api.access import Commander, Reader  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import AgentRefused, EngineSilent, NoSuchAgent, NoSuchQueue, NoSuchTenant, fails
from dialog_acd.api.routes.live import OfQueue, OfTenant  # noqa: TC001  read at run time
from dialog_acd.api.schemas import AgentOut, AgentsOut, NotReadyIn
from dialog_acd.api.sight import names_for, sight, town_of_agent
from dialog_acd.api.telling import ANSWER_WITHIN, tell
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.messages import AgentNotReady, AgentReady, AgentSignedIn, AgentSignedOut
from dialog_acd.core.model import AgentId

if TYPE_CHECKING:
    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Live
    from dialog_acd.api.witness import Attempt
    from dialog_acd.core.messages import Signal
    from dialog_acd.core.view import AgentView

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/agents", tags=["agents"], responses=fails(NoSuchAgent))
commands = APIRouter(
    prefix="/agents/{agent}",
    tags=["agents"],
    responses=fails(NoSuchAgent, AgentRefused, EngineSilent),
)
_Id = Annotated[str, Path(max_length=100, description="Id of the agent.", examples=["anna"])]
AgentWord = Literal[
    "signed-out", "not-ready", "available", "offered", "talking", "wrap-up", "phone-in-use", "phone-unreachable",
    "set-aside",
]  # fmt: skip


@router.get(
    "",
    responses=fails(NoSuchTenant, NoSuchQueue),
    summary="How many agents are in which state, for one town of those in its town hall; to who leads them also who",
)
async def everybody(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Reader,
    noted: Noted,
    tenant: OfTenant = None,
    queue: OfQueue = None,
    state: Annotated[
        list[AgentWord] | None,
        Query(max_length=9, description="Only agents in this state, or in one of several.", examples=[["available"]]),
    ] = None,
) -> AgentsOut:
    seen, names = sight(wiring.live, by, tenant, queue), names_for(by, tenant, queue)
    wiring.watchers.note(by, noted.action, names)
    return AgentsOut.of(seen, names, state)


@router.get("/{agent}", summary="One agent, to who leads them")
async def one(wiring: Wired, by: Commander, noted: Noted, agent: _Id) -> AgentOut:
    found = _find(wiring.live, by, agent)
    wiring.watchers.note(by, noted.action, names_for(by))
    return AgentOut.of(found)


@commands.post("/sign-in", summary="At work, not yet ready; signing in again changes nothing")
async def sign_in(wiring: Wired, by: Commander, noted: Noted, agent: _Id) -> AgentOut:
    return await _tell(wiring.live, by, noted, agent, AgentSignedIn(AgentId(agent)))


@commands.post("/sign-out", summary="Gone home; a conversation in progress goes on")
async def sign_out(wiring: Wired, by: Commander, noted: Noted, agent: _Id) -> AgentOut:
    return await _tell(wiring.live, by, noted, agent, AgentSignedOut(AgentId(agent)))


@commands.post("/ready", summary="Wants calls; signs in on the way")
async def ready(wiring: Wired, by: Commander, noted: Noted, agent: _Id) -> AgentOut:
    return await _tell(wiring.live, by, noted, agent, AgentReady(AgentId(agent)))


@commands.post("/not-ready", summary="At work, takes no calls")
async def not_ready(wiring: Wired, by: Commander, noted: Noted, agent: _Id, body: NotReadyIn | None = None) -> AgentOut:
    why = (body or NotReadyIn()).why
    return await _tell(wiring.live, by, noted, agent, AgentNotReady(AgentId(agent), why))


def _find(live: Live, by: Principal, who: str) -> AgentView:
    for found in sight(live, by).agents:
        if found.id == who:
            return found
    raise NoSuchAgent(agent=who)


async def _tell(live: Live, by: Principal, noted: Attempt, who: str, signal: Signal) -> AgentOut:
    """Tell the core, and answer with the agent as the core sees it afterwards."""
    noted.concerns(town_of_agent(live, who))
    _find(live, by, who)
    refused = await tell(live, signal, ANSWER_WITHIN, agent=who)
    log.debug("api.agent-told", by=by.name, role=by.role, agent=who, signal=type(signal).__name__)
    if refused is not None:
        raise AgentRefused(f"Not possible for this agent now: {refused}.", agent=who, why=refused)
    return AgentOut.of(_find(live, by, who))
