"""What can go wrong for somebody who asks, and the one shape in which it is told.

Every answer that is not a success, whoever made it, is ``{error_id, message, details}``: ``error_id`` is stable
and for programs, ``message`` is a sentence for people, ``details`` is an object. What the asker sent is repeated
only where it helps, and shortened.
"""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dialog_acd.api.schemas import ProblemOut
from dialog_acd.core.errors import DialogAcdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    from dialog_acd.api.ports import Address

_ERROR_IDS = {
    HTTPStatus.BAD_REQUEST: "bad-request",
    HTTPStatus.NOT_FOUND: "no-such-path",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
}


ELSEWHERE = {
    400: ("bad-request", "The body cannot be read."),
    422: ("not-valid", "The request is not as the API describes it."),
}
"""Problems of requests that no route has seen."""


class ApiProblem(DialogAcdError):  # noqa: N818  nouns, as in core/errors.py
    """The request could not be served."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class NotAuthenticated(ApiProblem):
    """Send a token that is in force as 'Authorization: Bearer ...'."""

    error_id = "not-authenticated"
    status = HTTPStatus.UNAUTHORIZED
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}

    def __init__(self, why: str = "") -> None:
        """``why``: for the audit log. Whoever presents a token that is not good is told no more than that."""
        super().__init__()
        self.why = why


class NotAllowed(ApiProblem):
    """The role of this token may not do that."""

    error_id = "not-allowed"
    status = HTTPStatus.FORBIDDEN


class NoRole(ApiProblem):
    """The identity provider knows you, but no group it says you are in has a role here: ask the operator."""

    error_id = "no-role"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, who: str, claim: str) -> None:
        super().__init__(claim=claim)
        self.who = who


class MetricsForThisMachine(ApiProblem):
    """Only this machine may read metrics, until ACD_API__METRICS_TOKEN_FILE says what a scraper has to show."""

    error_id = "metrics-for-this-machine"
    status = HTTPStatus.FORBIDDEN


class KeysUnavailable(ApiProblem):
    """Whether this token is in force cannot be said now: the database does not answer."""

    error_id = "keys-unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class DatabaseAway(ApiProblem):
    """The database does not answer. Whether a change was made cannot be said: look before you try again."""

    error_id = "database-away"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "10"}


class NoSuchAgent(ApiProblem):
    """There is no agent with this id."""

    error_id = "no-such-agent"
    status = HTTPStatus.NOT_FOUND


class NoSuchQueue(ApiProblem):
    """There is no queue with this id."""

    error_id = "no-such-queue"
    status = HTTPStatus.NOT_FOUND


class NoSuchEntry(ApiProblem):
    """There is no entry with this number, or it is not active now; of a block name its head."""

    error_id = "no-such-entry"
    status = HTTPStatus.NOT_FOUND


class NoSuchTenant(ApiProblem):
    """There is no town with this id."""

    error_id = "no-such-tenant"
    status = HTTPStatus.NOT_FOUND


class NoSuchLine(ApiProblem):
    """There is no line of the audit log with this id."""

    error_id = "no-such-line"
    status = HTTPStatus.NOT_FOUND


class NoSuchTrunk(ApiProblem):
    """There is no trunk of this name."""

    error_id = "no-such-trunk"
    status = HTTPStatus.NOT_FOUND


class NoSuchMoment(ApiProblem):
    """What was sent is no time."""

    error_id = "no-such-moment"
    status = HTTPStatus(422)


class NotYourNumber(ApiProblem):
    """At that moment this is no number of your town."""

    error_id = "not-your-number"
    status = HTTPStatus.NOT_FOUND


class SwitchRefused(ApiProblem):
    """The centre does not switch this."""

    error_id = "switch-refused"
    status = HTTPStatus.CONFLICT


class NoSuchCall(ApiProblem):
    """There is no such call: it is not going on, and there is no record of it (yet)."""

    error_id = "no-such-call"
    status = HTTPStatus.NOT_FOUND


class NoSuchTown(ApiProblem):
    """There is no town with this id."""

    error_id = "no-such-town"
    status = HTTPStatus(422)


class TownRefused(ApiProblem):
    """A call like this cannot be this town's."""

    error_id = "town-refused"
    status = HTTPStatus.CONFLICT


class MarkRefused(ApiProblem):
    """The call ended more than a day ago: whether it was a test cannot be said any more."""

    error_id = "mark-refused"
    status = HTTPStatus.CONFLICT


class AgentRefused(ApiProblem):
    """The centre did not accept this for the agent now."""

    error_id = "agent-refused"
    status = HTTPStatus.CONFLICT


class DirectoryRefused(ApiProblem):
    """The directory is as it was: what was sent cannot be used."""

    error_id = "directory-invalid"
    status = HTTPStatus(422)


class DirectoryMoved(ApiProblem):
    """Somebody else has changed the directory since."""

    error_id = "directory-moved"
    status = HTTPStatus.PRECONDITION_FAILED


class VersionNotSaid(ApiProblem):
    """Say which version the edit was made from, as 'If-Match: "7"': the ETag of GET /api/v1/directory."""

    error_id = "version-not-said"
    status = HTTPStatus(428)


class NoSuchVersion(ApiProblem):
    """There is no version of the directory with this number."""

    error_id = "no-such-version"
    status = HTTPStatus.NOT_FOUND


class NoSuchThing(ApiProblem):
    """There is nothing of this name in the directory."""

    error_id = "no-such-thing"
    status = HTTPStatus.NOT_FOUND


class SeveralEntries(ApiProblem):
    """Several entries have this number, one after the other: say which with `active_from`."""

    error_id = "several-entries"
    status = HTTPStatus.CONFLICT


class ThingExists(ApiProblem):
    """There is one of this name already."""

    error_id = "thing-exists"
    status = HTTPStatus.CONFLICT


class ThingMoved(ApiProblem):
    """Somebody else has changed this since: look at it again, and make the edit anew."""

    error_id = "thing-moved"
    status = HTTPStatus.PRECONDITION_FAILED


class MarkNotSaid(ApiProblem):
    """Say from what the edit was made, as 'If-Match: "9f86d081884c7d65"': the ETag that GET gave with it."""

    error_id = "etag-not-said"
    status = HTTPStatus(428)


class NotTheirs(ApiProblem):
    """A town's administrator may change what is the town's alone."""

    error_id = "not-theirs"
    status = HTTPStatus.FORBIDDEN


class NotReleased(ApiProblem):
    """Figures of a named agent are told only while a release is about them."""

    error_id = "named-figures-not-released"
    status = HTTPStatus.FORBIDDEN

    _WORDS: ClassVar[Mapping[str, str]] = {
        "release": "no release in force names this agent and month. Ask for one (POST /api/v1/releases), and have the "
        "staff council agree to it.",
        "policy": "the policy that holds for this agent does not allow it (GET /api/v1/policy): it can become "
        "'released' after a release of kind policy.",
        "months": "say from and to, and stay within the months of a release.",
        "own": "the policy that holds for you is that of groups alone (GET /api/v1/policy).",
        "rehearsal": "this service rehearses, by a clock of another time: it names nobody, whatever is released.",
    }

    def __init__(self, message: str | None = None, *, why: str = "release", **details: Any) -> None:
        """``why``: what is in the way, a word of ``core/releases.py`` and ``sight.py``."""
        super().__init__(message or f"Not told: {self._WORDS[why]}", why=why, **details)


class NoSuchRelease(ApiProblem):
    """There is no release with this number."""

    error_id = "no-such-release"
    status = HTTPStatus.NOT_FOUND


class ReleaseRefused(ApiProblem):
    """Such a release cannot be asked for."""

    error_id = "release-refused"
    status = HTTPStatus(422)


class ReleaseOver(ApiProblem):
    """The release is agreed to, revoked or ended already; its state says which."""

    error_id = "release-not-open"
    status = HTTPStatus.CONFLICT


class SamePerson(ApiProblem):
    """Who asks does not agree, and nobody does who is of both sides: it takes two people."""

    error_id = "same-person"
    status = HTTPStatus.CONFLICT


class InRehearsal(ApiProblem):
    """By a clock of another time (ACD_REHEARSE_AT) nobody asks for a release, nor agrees to one."""

    error_id = "rehearsal"
    status = HTTPStatus.CONFLICT


class PolicyNotReleased(ApiProblem):
    """Nobody weakens a town's policy for figures about staff alone: it takes a release the staff council agrees to."""

    error_id = "policy-not-released"
    status = HTTPStatus.CONFLICT


class DirectoryBusy(ApiProblem):
    """Others keep changing the directory; nothing was changed, try again."""

    error_id = "directory-busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class DirectoryUnreadable(ApiProblem):
    """The directory in the database cannot be read by this version of the program."""

    error_id = "directory-unreadable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class RangeRefused(ApiProblem):
    """No report can be made of this range, or in these groups: the message says which can."""

    error_id = "range-refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NoDirectory(ApiProblem):
    """Nobody has said yet which towns there are."""

    error_id = "no-directory"
    status = HTTPStatus.CONFLICT


class MonthNotBegun(ApiProblem):
    """The month has not begun yet."""

    error_id = "month-not-begun"
    status = HTTPStatus.NOT_FOUND


class NotIssued(ApiProblem):
    """No such statement was issued for this month."""

    error_id = "not-issued"
    status = HTTPStatus.NOT_FOUND


class UsageWithoutPrice(ApiProblem):
    """Calls are of a town that no version of the directory had in that month: nobody would pay for them."""

    error_id = "usage-without-price"
    status = HTTPStatus.CONFLICT


class MonthNotOver(ApiProblem):
    """The month is not over yet, or towns may still be named for its last calls (to the second of the next month,
    06:00): its statement can be looked at, and not be issued.
    """

    error_id = "month-not-over"
    status = HTTPStatus.CONFLICT


class CallsMissing(ApiProblem):
    """Calls of that month are not in the database yet: the message says which wait for what. Its statement can be
    looked at, and not be issued.
    """

    error_id = "calls-missing"
    status = HTTPStatus.CONFLICT


class IssuedMeanwhile(ApiProblem):
    """Others issue this very statement: look at theirs first."""

    error_id = "issued-meanwhile"
    status = HTTPStatus.CONFLICT


class KeyReused(ApiProblem):
    """Another request has come with this Idempotency-Key before: take a new one."""

    error_id = "idempotency-key-reused"
    status = HTTPStatus(422)


class StillRunning(ApiProblem):
    """The request that came first with this Idempotency-Key is still being done: ask again in a moment."""

    error_id = "idempotency-key-running"
    status = HTTPStatus.CONFLICT


class TooManyStreams(ApiProblem):
    """With this token somebody listens to the live state often enough already; end one of the streams first."""

    error_id = "too-many-streams"
    status = HTTPStatus.TOO_MANY_REQUESTS


class StreamsTaken(ApiProblem):
    """So many listen to the live state that nobody else can now; GET /api/v1/live answers all the same."""

    error_id = "streams-taken"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "10"}


class NotReadyForCitizens(ApiProblem):
    """The town cannot go live: something is missing."""

    error_id = "not-ready-to-go-live"
    status = HTTPStatus.CONFLICT


class DayRefused(ApiProblem):
    """The town cannot go live on this day."""

    error_id = "day-refused"
    status = HTTPStatus.CONFLICT


class NotAudio(ApiProblem):
    """Send the WAV file itself as the body, with 'Content-Type: audio/wav'; no form around it."""

    error_id = "not-audio"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class RecordingRefused(ApiProblem):
    """The recording was not kept: it cannot be played to callers."""

    error_id = "recording-refused"
    status = HTTPStatus(422)


class NoSuchRecording(ApiProblem):
    """There is no recording with this digest."""

    error_id = "no-such-recording"
    status = HTTPStatus.NOT_FOUND


class SoundUnavailable(ApiProblem):
    """No recording can be converted just now."""

    error_id = "sound-unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "60"}


class BodyTooSlow(ApiProblem):
    """The request's body did not arrive in time."""

    error_id = "body-too-slow"
    status = HTTPStatus.REQUEST_TIMEOUT


class BodyTooLarge(ApiProblem):
    """The request's body is too large."""

    error_id = "body-too-large"
    # By number: Python 3.13 renamed the constant.
    status = HTTPStatus(413)


class EngineSilent(ApiProblem):
    """The engine did not answer in time. What was asked of it may still happen."""

    error_id = "engine-silent"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class NotReady(ApiProblem):
    """Something this service depends on is not fit for calls."""

    error_id = "not-ready"
    status = HTTPStatus.SERVICE_UNAVAILABLE


def fails(*kinds: type[ApiProblem]) -> dict[int | str, dict[str, Any]]:
    """For the ``responses`` of a route or router: what else can go wrong there."""
    words: dict[int | str, list[str]] = {}
    for kind in kinds:
        words.setdefault(int(kind.status), []).append(f"`{kind.error_id}`")
    return {status: {"model": ProblemOut, "description": ", ".join(said)} for status, said in words.items()}


@contextlib.contextmanager
def directory_told(address: Address | None = None) -> Iterator[None]:
    """What the directory refuses, as the API says it. ``address``: what was asked for."""
    asked = {} if address is None else {"section": address.section, "name": address.name}
    try:
        yield
    except DialogAcdError as problem:
        match problem.error_id:
            case "directory-file-invalid" | "directory-invalid":
                faults = list(getattr(problem, "faults", ()))
                raise DirectoryRefused(None, faults=faults) from problem
            case "directory-moved":
                raise DirectoryMoved(str(problem), found=getattr(problem, "found", None)) from problem
            case "no-such-version" | "directory-empty":
                raise NoSuchVersion(str(problem)) from problem
            case "no-such-tenant":
                raise NoSuchTenant(str(problem)) from problem
            case "day-refused":
                raise DayRefused(str(problem)) from problem
            case "no-such-thing":
                raise NoSuchThing(**asked) from problem
            case "several-entries":
                raise SeveralEntries(**asked, active_from=list(getattr(problem, "since", ()))) from problem
            case "thing-exists":
                raise ThingExists(str(problem)) from problem
            case "thing-moved":
                raise ThingMoved(**asked, found=getattr(problem, "found", None)) from problem
            case "not-theirs":
                raise NotTheirs(str(problem), why=list(getattr(problem, "why", ()))) from problem
            case "policy-not-released":
                change = getattr(problem, "change", None)
                about = {} if change is None else {"tenant": change.tenant, "policy": change.after}
                raise PolicyNotReleased(str(problem), **about) from problem
            case "directory-busy":
                raise DirectoryBusy from problem
            case "directory-unreadable":
                raise DirectoryUnreadable(str(problem)) from problem
        raise


def error_response(
    status: int,
    error_id: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = {"error_id": error_id, "message": message, "details": dict(details or {})}
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


def of_problem(problem: ApiProblem) -> JSONResponse:
    return error_response(problem.status, problem.error_id, str(problem), problem.details, problem.headers)


def is_of_database(problem: Exception) -> bool:
    """Whether the database was away, or too busy, and nothing of ours is wrong.

    Drivers let their own errors, and those of the network, through while they connect.
    """
    match problem:
        case OperationalError() | InterfaceError() | PoolTimeout() | ConnectionError() | TimeoutError():
            return True
        case DBAPIError():
            return problem.connection_invalidated
    return type(problem).__module__.partition(".")[0] == "asyncpg"


def internal() -> JSONResponse:
    """Answer to our own defect: nothing of the inside leaves, the log has it."""
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something in dialog-acd went wrong.")


async def on_problem(_: Request, problem: ApiProblem) -> JSONResponse:
    return of_problem(problem)


async def on_http_exception(_: Request, exc: HTTPException) -> JSONResponse:
    """What the framework refuses by itself: unknown paths, wrong methods, unreadable JSON."""
    error_id = _ERROR_IDS.get(HTTPStatus(exc.status_code), f"http-{exc.status_code}")
    return error_response(exc.status_code, error_id, str(exc.detail), headers=exc.headers)


async def on_invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
    """Say where and what, not the rejected value: it may be a secret sent to the wrong field."""
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"])[:200], "what": fault["msg"][:200]}
        for fault in exc.errors()[:20]
    ]
    return error_response(
        HTTPStatus(422), "not-valid", "The request is not as the API describes it.", {"faults": faults}
    )
