"""Agents: how they are, and what they want.

An agent made ready here and one made ready by the phone's feature code are the same signal; the core decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Path

from dialog_acd.api.ports import Authorised, Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import AgentRefused, NoSuchAgent
from dialog_acd.api.schemas import AgentOut, AgentsOut, NotReadyIn, ProblemOut
from dialog_acd.api.telling import ANSWER_WITHIN, tell
from dialog_acd.core.messages import AgentNotReady, AgentReady, AgentSignedIn, AgentSignedOut
from dialog_acd.core.model import AgentId

if TYPE_CHECKING:
    from dialog_acd.api.ports import Live, Principal
    from dialog_acd.core.messages import Signal
    from dialog_acd.core.view import AgentView

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/agents", tags=["agents"], responses={404: {"model": ProblemOut}})
commands = APIRouter(
    prefix="/agents/{agent}",
    tags=["agents"],
    responses={404: {"model": ProblemOut}, 409: {"model": ProblemOut}, 503: {"model": ProblemOut}},
)
_Id = Annotated[str, Path(max_length=100, description="Id of the agent.", examples=["anna"])]


@router.get("", summary="All agents, and how many are in which state")
async def everybody(wiring: Wired, _: Authorised) -> AgentsOut:
    return AgentsOut.of(wiring.live.view())


@router.get("/{agent}", summary="One agent")
async def one(wiring: Wired, _: Authorised, agent: _Id) -> AgentOut:
    return AgentOut.of(_find(wiring.live, agent))


@commands.post("/sign-in", summary="At work, not yet ready; signing in again changes nothing")
async def sign_in(wiring: Wired, by: Authorised, agent: _Id) -> AgentOut:
    return await _tell(wiring.live, by, agent, AgentSignedIn(AgentId(agent)))


@commands.post("/sign-out", summary="Gone home; a conversation in progress goes on")
async def sign_out(wiring: Wired, by: Authorised, agent: _Id) -> AgentOut:
    return await _tell(wiring.live, by, agent, AgentSignedOut(AgentId(agent)))


@commands.post("/ready", summary="Wants calls; signs in on the way")
async def ready(wiring: Wired, by: Authorised, agent: _Id) -> AgentOut:
    return await _tell(wiring.live, by, agent, AgentReady(AgentId(agent)))


@commands.post("/not-ready", summary="At work, takes no calls")
async def not_ready(wiring: Wired, by: Authorised, agent: _Id, body: NotReadyIn | None = None) -> AgentOut:
    why = (body or NotReadyIn()).why
    return await _tell(wiring.live, by, agent, AgentNotReady(AgentId(agent), why))


def _find(live: Live, who: str) -> AgentView:
    for found in live.view().agents:
        if found.id == who:
            return found
    raise NoSuchAgent(agent=who)


async def _tell(live: Live, by: Principal, who: str, signal: Signal) -> AgentOut:
    """Tell the core, and answer with the agent as the core sees it afterwards."""
    _find(live, who)
    refused = await tell(live, signal, ANSWER_WITHIN, agent=who)
    log.info("api.agent-told", by=by.name, role=by.role, agent=who, signal=type(signal).__name__)
    if refused is not None:
        raise AgentRefused(f"Not possible for this agent now: {refused}.", agent=who, why=refused)
    return AgentOut.of(_find(live, who))
