"""Log set-up: one JSON object a line, or colours on a terminal; numbers are masked before anything is written.

A log is copied, sent on and kept by others, and who of the agents did what when is kept nowhere else. So agents are
named at DEBUG alone, for as long as somebody looks for a fault; everything above speaks of calls and teams.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import orjson
import structlog

from dialog_acd.core import messages as m
from dialog_acd.core.retention import as_dialled, dialled_of
from dialog_acd.core.switches import OF_ENTRIES

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

log = structlog.get_logger()

_NUMBER = re.compile(r"(?<!\w)(?<!\w\.)(\+?[0-9]{1,5})[0-9]{7,}(?!\w|\.\w)")
_DIGITS = re.compile(r"[0-9]{8}")
"""What each such number has: most words have not, and one look at them is cheaper than the whole."""
_CALLER = re.compile(r"""\b(ani|caller_name|diversion|transferred_to|target)=('[^']*'|"[^"]*")""")
"""In the words for a message or record: names, and numbers however they are written (``0511-123-59``)."""
_OURS = frozenset({"event", "level", "timestamp", "call", "offer", "dialled", "entry"})
"""What is no caller's number, and has to be read as it is. What they dialled is ours and public, and so is an entry;
where it is not (the catch-all), it comes shortened.

Everything else is looked through: a number also comes along in a signal the core choked on, in Asterisk's own words
and in a traceback, where nobody thought of it.
"""


_OF_AGENTS = frozenset(signal.__name__ for signal in get_args(m.Signal) if "agent" in signal.__annotations__)
"""Signals of which ``Ignored`` names the agent."""


_ABOVE_DEBUG = frozenset({
    m.CallEnded, m.NumberUnknown, m.FailsafeEntered, m.OfferMissed, m.CallDiverted, m.CallbackPromised, m.CallAssigned,
    m.TestMarked, m.CallbackMade, m.SwitchTurned, m.PictureDiffered, m.Ignored, m.Unsettled,
})  # fmt: skip


def mask(text: str) -> str:
    """``+49511168230`` to ``+4951***``: enough to recognise a trunk's format, not a person.

    The last seven digits, at least, of every number of eight digits and more are hidden.
    """
    if "=" in text:
        text = _CALLER.sub(r"\1='***'", text)
    return _NUMBER.sub(r"\1***", text) if _DIGITS.search(text) else text


def _masked(words: object) -> object:
    if isinstance(words, str):
        return mask(words)
    if isinstance(words, Mapping):
        return {key: value if key in _OURS else _masked(value) for key, value in words.items()}
    if isinstance(words, list | tuple):
        return [_masked(word) for word in words]
    return words


def _mask_numbers(_logger: WrappedLogger, _method: str, words: EventDict) -> EventDict:
    for key in words.keys() - _OURS:
        words[key] = _masked(words[key])
    return words


def _json(words: EventDict, **_kw: object) -> str:
    try:
        return orjson.dumps(words, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # half a character, which is no UTF-8: said all the same
        return json.dumps(words, default=repr)


def set_up(*, level: str = "INFO") -> None:
    """Send the log to standard error; standard output belongs to whoever called the command."""
    on_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _mask_numbers,
            structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def tells(level: str) -> frozenset[type[m.Notice]] | None:
    """Of which kinds of notices there is anything to say at this level; ``None``: of all."""
    return None if level.upper() == "DEBUG" else _ABOVE_DEBUG


def tell(notice: m.Notice) -> None:
    """One log line for a notice; one canonical line for a call, with its whole story."""
    match notice:
        case m.CallEnded(record=r):
            # Logs are copied, sent on and kept: no number of a person goes there.
            log.info(
                "call.ended",
                call=r.call,
                tenant=r.tenant,
                test=r.test,
                queue=r.queue,
                kind=r.kind.value,
                dialled=dialled_of(r),
                withheld=r.ani is None,
                area=r.caller_area,
                result=r.outcome.result.value,
                reason=r.outcome.reason,
                blame=r.outcome.blame.value,
                waited=round(r.waited.total_seconds(), 3),
                team=r.team,
                offers=[o.result for o in r.offers],
                transferred=r.transferred_to is not None,
                hung_up_first=r.hung_up_first,
                cause=r.cause,
            )
        case m.NumberUnknown(call=call, dialled=dialled):
            log.warning("number.unknown", call=call, dialled=as_dialled(dialled))
        case m.FailsafeEntered(call=call, why=why):
            log.warning("call.failsafe", call=call, why=why)
        case m.AgentChanged(agent=agent, axis=axis, before=before, after=after, why=why):
            log.debug("agent.changed", axis=axis, agent=agent, before=before, after=after, why=why)
        case m.OfferMade(call=call, agent=agent, why=why):
            log.debug("call.offered", call=call, agent=agent, why=why)
        case m.OfferTaken(call=call, agent=agent):
            log.debug("offer.taken", call=call, agent=agent)
        case m.OfferMissed(call=call, reason=reason):
            log.info("offer.missed", call=call, reason=str(reason))
        case m.CallDiverted(call=call, partner=partner, why=why):
            log.info("call.diverted", call=call, partner=partner, why=why)
        case m.CallbackPromised(call=call, tenant=tenant, queue=queue):
            log.info("callback.promised", call=call, tenant=tenant, queue=queue)
        case m.CallAssigned(call=call, before=before, tenant=tenant, by=by, agent=agent):
            log.info("call.assigned", call=call, before=before, tenant=tenant, by=by if agent is None else "agent")
        case m.TestMarked(call=call, test=test, by=by):
            log.info("call.marked", call=call, test=test, by=by)
        case m.CallbackMade(call=call, at=at, due_at=due_at, by=by):
            made = None if at is None else at.isoformat()
            log.info("callback.made", call=call, at=made, due=due_at.isoformat(), by=by)
        case m.SwitchTurned(kind=kind, about=about, until=until, by=by, prompt=prompt, why=why):
            which = {"entry" if kind in OF_ENTRIES else "queue": about}
            end = None if until is None else until.isoformat()
            log.info("switch.turned", kind=str(kind), until=end, by=by, prompt=prompt, why=why, **which)
        case m.PictureDiffered(call=call, what=what):
            log.warning("picture.differed", call=call, what=what)
        case m.Ignored(signal=signal, why=why, about=about):
            level = "debug" if signal in _OF_AGENTS else "info"
            getattr(log, level)("signal.ignored", signal=signal, why=why, about=about)
        case m.Unsettled(signal=signal):
            log.error("core.unsettled", signal=signal, hint="a rule feeds itself; please report this with the log")
        case _:
            log.debug("notice", what=type(notice).__name__)
