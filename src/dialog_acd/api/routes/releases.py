"""What comes near a person of the staff: the policy, what two people have agreed on, and the figures that lets out.

Who may agree is a role of its own, which may do nothing else: somebody of the staff council. What counts as two people
says ``core/releases.py``; whom a release then names to whom, ``sight.py``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Path, Query

from dialog_acd.api.access import Commander, Concerned, Council, Oneself, Signatory  # noqa: TC001  read at run time
from dialog_acd.api.asking import Limit  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired, Wiring  # noqa: TC001  read at run time
from dialog_acd.api.problems import (
    InRehearsal,
    NoSuchAgent,
    NoSuchRelease,
    NoSuchTenant,
    NotReleased,
    ReleaseOver,
    ReleaseRefused,
    SamePerson,
    fails,
)
from dialog_acd.api.schemas import OfOneOut, PolicyOut, ReleaseIn, ReleaseOut, ReleasesOut
from dialog_acd.api.sight import named_to
from dialog_acd.api.tokens import LEADING, Role
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.disclosure import CALLS, PERSONS
from dialog_acd.core.model import AgentId, Statistics, TenantId
from dialog_acd.core.releases import (
    Kind,
    Release,
    Signature,
    State,
    bounds_of,
    faults_of,
    policy_of,
    policy_of_centre,
)
from dialog_acd.core.retention import Terms

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent

log = structlog.get_logger(__name__)
policy = APIRouter(prefix="/policy", tags=["policy"])
router = APIRouter(prefix="/releases", tags=["releases"])
named = APIRouter(prefix="/agents/{agent}", tags=["agents"], responses=fails(NoSuchAgent, NotReleased))
own = APIRouter(prefix="/me", tags=["me"], responses=fails(NoSuchAgent, NotReleased))
_Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the release.", examples=[3])]
_Month = Annotated[
    str, Query(pattern="^20[0-9]{2}-(0[1-9]|1[0-2])$", description="The month, in Berlin.", examples=["2026-02"])
]


@policy.get("", name="read", summary="How far figures may come near a person")
async def read(wiring: Wired, by: Concerned) -> PolicyOut:
    directory = wiring.live.directory()
    found = _agent(directory, by.agent or "") if by.role is Role.AGENT else None
    place = by.tenant if found is None else found.home
    whole = by.role is not Role.AGENT and by.tenant is None
    return PolicyOut(
        persons=PERSONS,
        calls=CALLS,
        centre=policy_of_centre(directory).value,
        towns={t.id: t.contract.statistics.value for t in directory.tenants if whole or t.id == place},
    )


@router.get("", name="list", summary="Releases, the latest first, also those that are over")
async def page(
    wiring: Wired,
    by: Signatory,  # noqa: ARG001  declares who may
    limit: Limit = 50,
    before: Annotated[
        int | None,
        Query(ge=1, le=2**31 - 1, description="`next` of the page before; absent: the newest.", examples=[3]),
    ] = None,
) -> ReleasesOut:
    # One more than wanted tells whether there is a next page.
    found = await wiring.agreements.page(limit + 1, before)
    now = wiring.now()
    told = [ReleaseOut.of(release, now, wiring.live.directory()) for release in found[:limit]]
    return ReleasesOut(releases=told, next=told[-1].id if len(found) > limit else None)


@router.get("/{release}", name="one", summary="One release", responses=fails(NoSuchRelease))
async def one(wiring: Wired, by: Signatory, release: _Number) -> ReleaseOut:  # noqa: ARG001  declares who may
    return ReleaseOut.of(await _found(wiring, release), wiring.now(), wiring.live.directory())


@router.post(
    "",
    name="ask",
    summary="Ask for a release; it is none before the staff council agrees",
    responses=fails(NoSuchAgent, NoSuchTenant, ReleaseRefused, SamePerson, InRehearsal),
)
async def ask(wiring: Wired, by: Commander, noted: Noted, body: ReleaseIn) -> ReleaseOut:
    if wiring.rehearsal:
        raise InRehearsal
    if Role.STAFF_COUNCIL in by.also:
        raise SamePerson
    wanted = _wanted(wiring.live.directory(), body, Signature(by.name, by.token, wiring.now()))
    faults = faults_of(wanted)
    if not faults and wanted.kind is Kind.FIGURES:
        # Terms can be shortened, and what is gone sooner is told as that with the figures.
        known = wanted.asked.at - timedelta(days=Terms().agents)
        if bounds_of(wanted.last_month)[1] <= known:
            faults.append("last_month: of these months nobody knows any more who answered the calls")
    if faults:
        raise ReleaseRefused(f"This cannot be asked for: {'; '.join(faults)}.", faults=faults)
    kept = await wiring.agreements.ask(wanted)
    _note(noted, kept)
    log.info("api.release-asked", by=by.name, role=by.role, release=kept.id, kind=kept.kind)
    return ReleaseOut.of(kept, wiring.now(), wiring.live.directory())


@router.post(
    "/{release}/agree",
    name="agree",
    summary="Agree, for the staff council: from now on it is in force",
    responses=fails(NoSuchRelease, ReleaseOver, SamePerson, InRehearsal),
)
async def agree(wiring: Wired, by: Council, noted: Noted, release: _Number) -> ReleaseOut:
    if wiring.rehearsal:
        raise InRehearsal
    found = await _found(wiring, release)
    if found.asked.same_person(by.name, by.token) or by.also & LEADING:
        raise SamePerson(release=release)
    signature = Signature(by.name, by.token, wiring.now())
    if found.state(signature.at) is not State.ASKED or not await wiring.agreements.agree(release, signature):
        raise ReleaseOver(release=release, state=found.state(signature.at).value)
    _note(noted, found)
    log.info("api.release-agreed", by=by.name, role=by.role, release=release)
    return ReleaseOut.of(replace(found, agreed=signature), signature.at, wiring.live.directory())


@router.post(
    "/{release}/revoke",
    name="revoke",
    summary="Take a release, or a request for one, back: either side may, at once",
    responses=fails(NoSuchRelease, ReleaseOver),
)
async def revoke(wiring: Wired, by: Signatory, noted: Noted, release: _Number) -> ReleaseOut:
    found = await _found(wiring, release)
    signature = Signature(by.name, by.token, wiring.now())
    over = found.state(signature.at) in (State.REVOKED, State.ENDED)
    if over or not await wiring.agreements.revoke(release, signature):
        raise ReleaseOver(release=release, state=found.state(signature.at).value)
    _note(noted, found)
    log.info("api.release-revoked", by=by.name, role=by.role, release=release)
    return ReleaseOut.of(replace(found, revoked=signature), signature.at, wiring.live.directory())


@named.get(
    "/figures",
    name="figures",
    summary="One agent's figures of a month, to the management, while a release is about them; each reading is noted",
)
async def figures(
    wiring: Wired,
    by: Commander,
    noted: Noted,
    agent: Annotated[str, Path(max_length=100, description="Id of the agent.", examples=["anna"])],
    month: _Month,
) -> OfOneOut:
    found = _agent(wiring.live.directory(), agent)
    noted.details["month"] = month
    noted.concerns(found.home)
    if (why := (await named_to(wiring, by)).why_not(agent, month)) is not None:
        raise NotReleased(why=why, agent=agent, month=month)
    noted.told = True
    return await _figures(wiring, found, month)


@own.get("/figures", name="figures", summary="One's own figures of a month, where the policy is that one may")
async def own_figures(wiring: Wired, by: Oneself, month: _Month) -> OfOneOut:
    found = _agent(wiring.live.directory(), by.agent or "")
    if policy_of(wiring.live.directory(), found) is Statistics.GROUPS:
        raise NotReleased(why="own", agent=found.id, month=month)
    return await _figures(wiring, found, month)


async def _figures(wiring: Wiring, agent: Agent, month: str) -> OfOneOut:
    level = policy_of(wiring.live.directory(), agent).value
    return OfOneOut.of(agent.id, month, level, await wiring.records.of_agent(agent.id, *bounds_of(month)))


def _agent(directory: Directory, agent: str) -> Agent:
    """Raises ``NoSuchAgent``."""
    for found in directory.agents:
        if found.id == agent:
            return found
    raise NoSuchAgent(agent=agent)


async def _found(wiring: Wiring, number: int) -> Release:
    """Raises ``NoSuchRelease``."""
    found = await wiring.agreements.one(number)
    if found is None:
        raise NoSuchRelease(release=number)
    return found


def _wanted(directory: Directory, body: ReleaseIn, asked: Signature) -> Release:
    """Raises ``NoSuchAgent``, ``NoSuchTenant``, ``ReleaseRefused`` for what is not there."""
    if body.team is not None and body.agents is not None:
        raise ReleaseRefused("Say agents or a team, not both.", faults=["agents and team"])
    agents = {_agent(directory, agent).id for agent in body.agents or ()}
    if body.team is not None:
        # Those who are in it now: who joins it later has not been asked about.
        agents = {agent.id for agent in directory.agents if agent.team == body.team}
        if not agents:
            raise ReleaseRefused(f"Nobody is in a team {body.team!r}.", faults=["team"])
    if body.tenant is not None and body.tenant not in directory.tenant:
        raise NoSuchTenant(tenant=body.tenant)
    return Release(
        id=0,
        kind=Kind(body.kind),
        purpose=body.purpose,
        until=body.until,
        asked=asked,
        agents=tuple(sorted(AgentId(agent) for agent in agents)),
        first_month=body.first_month or "",
        last_month=body.last_month or "",
        tenant=None if body.tenant is None else TenantId(body.tenant),
        level=None if body.level is None else Statistics(body.level),
    )


def _note(noted: Noted, release: Release) -> None:
    noted.about = str(release.id)
    noted.concerns(release.tenant)
    noted.details["kind"] = release.kind.value
    noted.details["until"] = release.until.isoformat()
    if release.kind is Kind.FIGURES:
        noted.details["agents"] = list(release.agents)
        noted.details["months"] = f"{release.first_month} to {release.last_month}"
    else:
        noted.details["policy"] = str(release.level)
