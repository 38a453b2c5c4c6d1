"""Asterisk's words to ours and back; pure, and the only file that knows them.

Three kinds of traffic cross this seam (the contract with ``dialplans/``): AGI carries *questions*, UserEvent
carries *facts*, AMI carries *orders* (Redirect, and one Setvar). Names of contexts, ``ACD_*`` variables and ``Acd*``
events are the constants below; ``tests/switch/test_dialplan_contract.py`` compares them with the dialplan.

The ``Interpreter`` remembers one thing: which channel a call's caller is on. The core knows calls, never
channels; Redirect knows channels, never calls.

What a caller can influence (names, numbers) is cleaned here before it goes anywhere near the dialplan, and
whatever becomes part of an AMI action is checked against a whitelist by type.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import AgentId, CallId, EntryKind, OfferId, PartnerId, Phone, QueueId
from dialog_acd.core.numbers import is_anonymous

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dialog_acd.core.directory import Directory

    Message = Mapping[str, str | list[str]]

ARRIVE, WAIT, SAY, CALLBACK, OFFER, OVERFLOW, FAILSAFE, CLOSED = (
    "acd-arrive", "acd-wait", "acd-say", "acd-callback", "acd-offer", "acd-overflow", "acd-failsafe", "acd-closed",
)  # fmt: skip
HANDED_ON = "acd-handed-on"
IN = "acd-in"

# Where a caller's channel can be, to the place a picture of the switch speaks of.
_PLACES = {
    IN: "arriving",
    ARRIVE: "arriving",
    WAIT: "wait",
    SAY: "wait",
    CALLBACK: "wait",
    CLOSED: "closed",
    FAILSAFE: "failsafe",
    HANDED_ON: "transfer",
}

# Device states of chan_pjsip (asterisk/main/devicestate.c) to what matters for routing.
_PHONE_STATES = {
    "NOT_INUSE": PhoneState.REACHABLE,
    "INUSE": PhoneState.IN_USE,
    "BUSY": PhoneState.IN_USE,
    "RINGING": PhoneState.IN_USE,
    "RINGINUSE": PhoneState.IN_USE,
    "ONHOLD": PhoneState.IN_USE,
}

_CALL_REJECTED = "21"  # Q.850
# DIALSTATUS (asterisk/apps/app_dial.c), and DEVBUSY of our own dialplan.
_FAILURES = {
    "NOANSWER": m.OfferFailure.NO_ANSWER,
    "BUSY": m.OfferFailure.DECLINED,
    "DEVBUSY": m.OfferFailure.PHONE_BUSY,
    "CANCEL": m.OfferFailure.CALLER_GONE,
    "ANSWER": m.OfferFailure.NOT_TALKED,
}

# Asterisk's names of redirecting reasons (asterisk/main/callerid.c) to those of RFC 5806. "unknown" says nothing.
_DIVERSIONS = {
    "cfb": "user-busy",
    "cfnr": "no-answer",
    "cfu": "unconditional",
    "unavailable": "unavailable",
    "time_of_day": "time-of-day",
    "dnd": "do-not-disturb",
    "deflection": "deflection",
    "follow_me": "follow-me",
    "out_of_order": "out-of-service",
    "away": "away",
}

# Why a town cannot be noted, to what the agent hears.
_REFUSALS: Mapping[str, str] = {
    m.NamingFault.NO_CALL: "no-call",
    m.NamingFault.NO_TOWN: "no-such-town",
    m.NamingFault.NOT_A_CANDIDATE: "no-such-town",
    m.NamingFault.TOO_LATE: "no-call",
}

_OWN_NUMBERS = frozenset({EntryKind.MAIN_NUMBER, EntryKind.FORWARDED})
"""What is announced to the agent for their calls is the town's name, and not that of 115 or of an unknown number."""

_CHANNEL = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9._;@+-]{1,150}")
_EXTENSION = re.compile(r"[0-9a-z][0-9a-z*-]{0,59}")
"""What the patterns of the dialplan match; one that begins otherwise would go round and round in `i`."""
_PRESENCE = "not_set,,"
"""State and subtype of the presence that carries a failsafe row; the dialplan cuts these nine characters off."""
_PRESENTATION_RESTRICTED = 0x20  # asterisk/include/asterisk/callerid.h, AST_PRES_RESTRICTED
SHOWN = 40
"""Longest caller name sent to an agent's phone, town included, in characters."""


NO_VERDICT = {"ACD_VERDICT": "failsafe"}
"""What the dialplan is told when nobody could be asked in time."""


class Untranslatable(ValueError):  # noqa: N818
    """An order that cannot be said to Asterisk: the call has no channel, or a name is not of its form."""


@dataclass(frozen=True, slots=True)
class Intention:
    """What an agent asked for on the phone: which signal that is, and which prompt confirms it."""

    signal: m.AgentSignedIn | m.AgentSignedOut | m.AgentReady | m.AgentNotReady | m.TownDialled
    prompt: str


class Interpreter:
    """Translates between AMI/AGI text and the core's messages. See the head of this file."""

    def __init__(self, phone_technology: str = "PJSIP") -> None:
        self._technology = phone_technology
        self._channels: dict[CallId, str] = {}

    # ------------------------------------------------------------ AGI: questions

    def arrival(self, fields: Mapping[str, str], arguments: Sequence[str]) -> m.CallArrived:
        """The question asked at the door. Raises ``KeyError`` if Asterisk did not say which channel it is."""
        call = CallId(fields["uniqueid"])
        self._channels[call] = fields["channel"]
        dialled = fields.get("dnid", "")
        ani, name = _caller(fields)
        diversion = fields.get("rdnis", "")[:80]
        return m.CallArrived(
            call,
            dialled="" if dialled == "unknown" else dialled,
            ani=ani,
            caller_name=name,
            trunk=_endpoint(fields["channel"]),
            trunk_call_id=arguments[0] if arguments else "",
            diversion=None if diversion in ("", "unknown") else diversion,
            diversion_reason=_DIVERSIONS.get(arguments[1], "") if len(arguments) > 1 else "",
            takes_offer="offer" in arguments[2:],
        )

    def intention(self, arguments: Sequence[str], directory: Directory) -> Intention | None:
        """What an agent dialled a feature code for; ``None`` when the phone belongs to nobody."""
        code, phone, digits = (*arguments, "", "", "")[:3]
        known = directory.agent_at.get(Phone(phone))
        if known is None:
            return None
        agent = AgentId(known.id)
        return {
            "sign-in": Intention(m.AgentSignedIn(agent), "signed-in"),
            "sign-out": Intention(m.AgentSignedOut(agent), "signed-out"),
            "ready": Intention(m.AgentReady(agent), "ready"),
            "not-ready": Intention(m.AgentNotReady(agent), "not-ready"),
            "town": Intention(m.TownDialled(agent, digits), "town-noted"),
        }.get(code)

    def confirmation(
        self, intention: Intention | None, outputs: Sequence[m.Order | m.Notice], directory: Directory
    ) -> dict[str, str]:
        """The prompt that answers a feature code. A town that was named is said as well: by what agents hear before
        its own calls or, where there is nothing, by the digits.
        """
        if intention is None:
            return {"ACD_ANSWER": "not-an-agent"}
        refused = next((output.why for output in outputs if isinstance(output, m.Ignored)), None)
        if refused is not None:
            return {"ACD_ANSWER": _REFUSALS.get(refused, "not-possible")}
        said = {"ACD_ANSWER": intention.prompt}
        if isinstance(intention.signal, m.TownDialled):
            code = intention.signal.code
            town = directory.tenant_coded.get(code)  # gone with another directory, this very moment
            own = (e.announcement for e in directory.entries if town and e.tenant == town.id and e.kind in _OWN_NUMBERS)
            spoken = next(filter(None, own), None)
            said |= {"ACD_TOWN": spoken} if spoken else {"ACD_TOWN_CODE": code}
        return said

    def variables(self, treat: m.Treat) -> dict[str, str]:
        """A treatment as channel variables. The verdict comes last: without it the dialplan goes to failsafe.

        Raises ``Untranslatable``.
        """
        said: dict[str, str] = {}
        verdict = str(treat.verdict)
        if treat.verdict is m.Verdict.HOLD and treat.entered_at and treat.max_wait_at and treat.ring_for:
            shown = treat.caller_name or ("" if treat.ani else "Anonym")
            said = {
                "ACD_QUEUE": treat.queue or "",
                "ACD_ENTERED": str(_epoch_ms(treat.entered_at)),
                "ACD_PATIENCE": str(round(treat.patience.total_seconds())),
                "ACD_MAX_WAIT": str(_epoch_ms(treat.max_wait_at) // 1000),
                "ACD_RING": str(max(1, round(treat.ring_for.total_seconds()))),
                "ACD_MUSIC": treat.music,
                # Playback plays what is joined like this one after the other, and passes over what is not there.
                "ACD_GREETING": "&".join((*filter(None, (treat.greeting,)), *treat.messages)),
                # One underscore: inherited by the agent's leg, where the announcement is played.
                "_ACD_ANNOUNCE": treat.announcement or "",
                "ACD_SHOW": f"{treat.label}: {shown}".removesuffix(": ")[:SHOWN],
                "ACD_SHOW_NUMBER": treat.ani or "",
            }
            if treat.offer is not None:
                verdict = f"offer:{_extension(f'{treat.offer.phone}*{treat.offer.offer}')}"
        elif treat.verdict is m.Verdict.CLOSED:
            said = {"ACD_CLOSED": _prompt(treat.closed), "ACD_OPENS": _epoch(treat.opens_at)}
        return said | {"ACD_VERDICT": verdict}

    # ------------------------------------------------------------ AMI: facts

    def signals(self, message: Message) -> list[m.Signal]:
        """What one AMI event means to the core; most mean nothing."""
        kind = _text(message, "Event")
        if kind == "UserEvent":
            return self._told(message)
        if kind == "DeviceStateChange":
            phone = self._phone(_text(message, "Device"))
            return [m.PhoneStateChanged(phone, _phone_state(_text(message, "State")))] if phone else []
        if kind == "Hangup":
            return self._hung_up(message)
        if kind == "DialEnd":
            return self._dialled(message)
        if kind == "BridgeEnter":
            return self._bridged(message)
        if kind in ("BlindTransfer", "AttendedTransfer"):
            return self._transferred(kind, message)
        if kind == "Rename":
            self._renamed(message)
        return []

    def _told(self, message: Message) -> list[m.Signal]:
        """A UserEvent of our own dialplan."""
        call = CallId(_text(message, "Call"))
        name = _text(message, "UserEvent")
        if not call:
            return []
        if name == "AcdHeld":
            if _text(message, "Uniqueid") not in ("", call):
                # Moved into another call's place between the two lines that tell it; [acd-wait] tells it once more.
                return []
            self._channels[call] = _text(message, "Channel")
            queue, entered = _text(message, "Queue"), _moment(_text(message, "Entered"))
            after = _text(message, "After")
            return [m.CallerHeld(call, QueueId(queue) if queue else None, entered, OfferId(after) if after else None)]
        if name == "AcdGreetingEnded":
            return [m.GreetingEnded(call)]
        if name == "AcdCallbackAsked":
            return [m.CallbackAsked(call)]
        if name == "AcdOfferResult":
            offer = OfferId(_text(message, "Offer"))
            if _text(message, "Talked") not in ("", "0"):
                return [m.AgentHungUp(call, offer)]
            return [m.OfferFailed(call, offer, _failure(_text(message, "Result"), _text(message, "Cause")))]
        if name == "AcdOverflowResult":
            partner, result = PartnerId(_text(message, "Partner")), _text(message, "Result")
            # An answered call at a partner ends with the caller's Hangup, which says the same.
            return [] if result == "ANSWER" else [m.DivertFailed(call, partner, result.lower())]
        if name == "AcdFailsafe":
            self._channels[call] = _text(message, "Channel")
            return [m.CallTakenByFailsafe(call, _text(message, "Why") or "dialplan", _text(message, "Dialled"))]
        if name == "AcdTerminal" and (by := _text(message, "Answered")):
            return [m.FailsafeAnswered(call, by)]
        return []

    def _hung_up(self, message: Message) -> list[m.Signal]:
        call = CallId(_text(message, "Uniqueid"))
        # Only the caller's own channel carries the call's id as its Uniqueid; legs merely inherit ACD_CALL.
        if call not in self._channels and _variables(message, "").get("ACD_CALL") != call:
            return []
        self._channels.pop(call, None)
        return [m.CallerHungUp(call, _number(_text(message, "Cause")))]

    def _dialled(self, message: Message) -> list[m.Signal]:
        known = _variables(message, "")
        call, context = CallId(known.get("ACD_CALL", "")), _text(message, "Context")
        if not call or call != _text(message, "Uniqueid"):
            return []
        if _text(message, "DialStatus") != "ANSWER":
            # Any other status comes again, with the dialplan's own word on it, as its result.
            return []
        if context == OFFER and (offer := OfferId(known.get("ACD_OFFER", ""))):
            return [m.OfferAnswered(call, offer)]
        if context == OVERFLOW:
            return [m.DivertAnswered(call, PartnerId(_endpoint(_text(message, "DestChannel"))))]
        return []

    def _bridged(self, message: Message) -> list[m.Signal]:
        known = _variables(message, "")
        call, offer = CallId(known.get("ACD_CALL", "")), OfferId(known.get("ACD_OFFER", ""))
        # The agent's leg enters first, the caller's second; then both are in.
        if not offer or call != _text(message, "Uniqueid") or _number(_text(message, "BridgeNumChannels")) < 2:
            return []
        # An agent who hangs up during the announcement is bridged all the same, for no time at all; only the last
        # line of [acd-announce] proves that two people are about to talk.
        if known.get("ACD_TALKED", "0") in ("", "0"):
            return []
        return [m.PartiesBridged(call, offer)]

    def _transferred(self, kind: str, message: Message) -> list[m.Signal]:
        if _text(message, "Result") != "Success":
            return []
        blind = kind == "BlindTransfer"
        target = _text(message, "Extension") if blind else _endpoint(_text(message, "TransferTargetChannel"))
        for party in ("Transferee", "TransferTarget"):
            call = CallId(_text(message, f"{party}Uniqueid"))
            if call in self._channels:
                self._channels[call] = _text(message, f"{party}Channel")
                return [m.CallTransferred(call, target or "unknown", blind)]
        return []

    def _renamed(self, message: Message) -> None:
        # A masquerade (attended transfer into a call that still waits) gives a channel another's name.
        call = CallId(_text(message, "Uniqueid"))
        if call in self._channels:
            self._channels[call] = _text(message, "Newname")

    def _phone(self, device: str) -> Phone | None:
        technology, _, name = device.partition("/")
        return Phone(name) if technology == self._technology and name else None

    # ------------------------------------------------------------ AMI: the whole picture

    def calls_known(self) -> frozenset[CallId]:
        """Calls whose channel we know. To be asked before a picture is taken; see ``picture``."""
        return frozenset(self._channels)

    def picture(
        self,
        channels: Sequence[Message],
        devices: Sequence[Message],
        at: datetime,
        *,
        audit: bool,
        known_before: frozenset[CallId] | None = None,
    ) -> m.SwitchFound:
        """``CoreShowChannels`` and ``DeviceStateList`` as one picture. Context is the authority, not ACD_STATE.

        A channel that is not in it is forgotten if its call was known before the picture was taken. Who came to
        the door meanwhile is younger than the list, and stays known. Without ``known_before`` nobody came.
        """
        calls = []
        callers: dict[CallId, str] = {}
        for channel in channels:
            known = _variables(channel, "")
            call = CallId(_text(channel, "Uniqueid"))
            if known.get("ACD_CALL") != call:
                if call in self._channels:
                    # An announced transfer into a call that is not answered yet puts the caller in its place, with
                    # its variables. They are here all the same. In [acd-wait] it lasts two seconds, and AcdHeld tells
                    # of it; elsewhere, until somebody who answers there hangs up.
                    callers[call] = _text(channel, "Channel")
                    calls.append(m.SwitchCall(call, "arriving" if _text(channel, "Context") == WAIT else "transfer"))
                continue
            callers[call] = _text(channel, "Channel")
            context, bridged = _text(channel, "Context"), _text(channel, "BridgeId") != ""
            offer = known.get("ACD_OFFER", "")
            # Without a star it is `i`: the order has arrived, and its first line not begun.
            other_end, star, _ = _text(channel, "Exten").partition("*")
            talked = known.get("ACD_TALKED", "")
            place = {OFFER: "talk" if bridged else "offer", OVERFLOW: "partner" if bridged else "overflow"}.get(context)
            calls.append(
                m.SwitchCall(
                    call,
                    place or _PLACES.get(context, "transfer"),
                    queue=QueueId(known["ACD_QUEUE"]) if known.get("ACD_QUEUE") else None,
                    entered_at=_moment(known.get("ACD_ENTERED", "")),
                    offer=OfferId(offer) if offer and context == OFFER else None,
                    phone=Phone(other_end) if star and context == OFFER else None,
                    partner=PartnerId(other_end) if star and context == OVERFLOW else None,
                    talked_at=_moment(f"{talked}000") if talked else None,
                )
            )
        younger = self._channels.keys() - (self._channels.keys() if known_before is None else known_before)
        self._channels = {call: self._channels[call] for call in younger} | callers
        phones = tuple(
            (phone, _phone_state(_text(device, "State")))
            for device in devices
            if (phone := self._phone(_text(device, "Device"))) is not None
        )
        return m.SwitchFound("asterisk", tuple(calls), phones, at, audit=audit)

    # ------------------------------------------------------------ AMI: orders

    def actions(self, order: m.Order, asterisk_now: int | None) -> list[dict[str, str]]:
        """An order as AMI actions, to be sent in this sequence. Raises ``Untranslatable``."""
        match order:
            case m.Offer():
                return [self._redirect(order.call, OFFER, f"{order.phone}*{order.offer}")]
            case m.Hold() | m.Withdraw():
                return [self._redirect(order.call, WAIT, "s")]
            case m.Divert():
                ring = max(1, round(order.ring_for.total_seconds()))
                number = order.number.lstrip("+")
                return [self._redirect(order.call, OVERFLOW, f"{order.partner}*{number}*{ring}")]
            case m.Say():
                number = "" if order.number is None else f"*{order.number}"
                return [self._redirect(order.call, CALLBACK if order.callback else SAY, _prompt(order.prompt) + number)]
            case m.Release():
                end = "" if order.again else "*bye"
                return [self._redirect(order.call, CLOSED, f"{_prompt(order.prompt)}*{_epoch(order.opens_at)}{end}")]
            case m.ToFailsafe():
                # The loop looks at the caller's limit before each turn; so no Redirect is needed that leads out of it.
                return [_set("ACD_MAX_WAIT", "1") | {"Channel": self._channel(order.call)}]
            case m.Heartbeat():
                # Asterisk's own clock, so that two hosts need not agree on the time.
                return [] if asterisk_now is None else [_set("ACD_HEARTBEAT", str(asterisk_now))]
            case m.KeepFailsafe():
                return _failsafe(order)
            case (
                m.Treat()
                | m.SaveRecord()
                | m.AmendRecord()
                | m.RememberIntent()
                | m.RememberSwitch()
                | m.RememberCall()
            ):
                raise Untranslatable(f"{type(order).__name__} is not for AMI")

    def _channel(self, call: CallId) -> str:
        channel = self._channels.get(call, "")
        if not _CHANNEL.fullmatch(channel):
            raise Untranslatable(f"call {call} is on no channel we know")
        return channel

    def _redirect(self, call: CallId, context: str, extension: str) -> dict[str, str]:
        return {
            "Action": "Redirect",
            "Channel": self._channel(call),
            "Context": context,
            "Exten": _extension(extension),
            # There is none: every order goes by way of `i` ("how an order arrives", dialplans/acd.conf).
            "Priority": "1",
        }


def _extension(text: str) -> str:
    if not _EXTENSION.fullmatch(text):
        raise Untranslatable(f"{text!r} is no extension of ours")
    return text


def _failsafe(order: m.KeepFailsafe) -> list[dict[str, str]]:
    """Profiles as rows of AstDB (layout: dialplans/acd-failsafe.conf). The generation is named last.

    The way in is narrow. ``DBPut`` needs the class *system*; writing ``DB()`` over AMI is blocked as dangerous unless
    the whole Asterisk is made ``live_dangerously``. A custom presence state is neither, takes a text of our own, and
    is kept in AstDB under ``CustomPresence`` (asterisk/funcs/func_presencestate.c). A comma would begin the next
    field of a presence state, so time specifications travel with ``|`` in its place.
    """
    generation = f"{zlib.crc32(repr(order).encode()):08x}"
    rows: list[tuple[str, str]] = []
    for number, block, profile in order.numbers:
        digits = number.lstrip("+")
        rows.append((f"acd-number/{generation}/{digits}", profile))
        if block:
            rows.append((f"acd-block/{generation}/{digits}", profile))
    for profile_, partner in order.profiles:
        base = f"acd-profile/{generation}/{profile_.name}"
        rows += [
            (f"{base}/group", profile_.group),
            (f"{base}/partner", partner.id if partner else ""),
            (f"{base}/number", partner.numbers[0].lstrip("+") if partner else ""),
            # IFTIME takes a time zone of its own: Asterisk's may be anything.
            (f"{base}/hours", "&".join(f"{hours},Europe/Berlin" for hours in profile_.hours).replace(",", "|")),
        ]
    rows += [(f"acd-profile/{generation}/default", order.default), ("acd/generation", generation)]
    return [_set(f"PRESENCE_STATE(CustomPresence:{key})", f"{_PRESENCE}{value}") for key, value in rows]


def _prompt(name: str) -> str:
    """A prompt as the dialplan's extension has it: without the folder, which it adds itself."""
    return name.removeprefix("acd/")


def _epoch(moment: datetime | None) -> str:
    return "" if moment is None else str(round(moment.timestamp()))


def _set(variable: str, value: str) -> dict[str, str]:
    return {"Action": "Setvar", "Variable": variable, "Value": value}


# ---------------------------------------------------------------- words


def readable(name: str) -> str:
    """A caller's name, fit for a phone's display: no control characters, no quoting, no markup, one line.

    Asterisk's own word for "no name" is dropped too.
    """
    if name == "unknown":
        return ""
    kept = "".join(c if not unicodedata.category(c).startswith("C") else " " for c in name)
    return re.sub(r"\s+", " ", re.sub(r'["\\<>;,&|^$`{}\[\]()]', " ", kept)).strip()[:SHOWN]


def _caller(fields: Mapping[str, str]) -> tuple[str | None, str]:
    """The caller's number and name; neither where their owner does not want them known (CLIR), whoever else told us.

    Some networks say so in the display name alone and leave the number where it is.
    """
    name = fields.get("calleridname", "")
    if _number(fields.get("callingpres", "0")) & _PRESENTATION_RESTRICTED or is_anonymous(name):
        return None, ""
    number = re.sub(r"[\s\-/().]", "", fields.get("callerid", ""))
    return number if re.fullmatch(r"\+?[0-9]{2,20}", number) else None, readable(name)


def _endpoint(channel: str) -> str:
    """``PJSIP/trunk-0000001a`` to ``trunk``, and ``PJSIP/anonymous@trunk-0000001a`` too."""
    return channel.partition("/")[2].rpartition("-")[0].rpartition("@")[2]


def _failure(status: str, cause: str) -> m.OfferFailure:
    if status in ("CHANUNAVAIL", "CONGESTION") and cause == _CALL_REJECTED:
        return m.OfferFailure.DECLINED
    return _FAILURES.get(status, m.OfferFailure.PHONE_GONE)


def _phone_state(state: str) -> str:
    return _PHONE_STATES.get(state, PhoneState.UNREACHABLE).value


def _text(message: Message, header: str) -> str:
    value = message.get(header, "")
    return value if isinstance(value, str) else value[0]


def _variables(message: Message, role: str) -> dict[str, str]:
    """Channel variables that manager.conf's ``channelvars`` adds to an event, by role prefix."""
    value = message.get(f"{role}ChanVariable", [])
    pairs = (line.partition("=") for line in ([value] if isinstance(value, str) else value))
    return {name: text for name, _, text in pairs}


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _moment(epoch_ms: str) -> datetime | None:
    return datetime.fromtimestamp(int(epoch_ms) / 1000, UTC) if re.fullmatch(r"[0-9]{12,14}", epoch_ms) else None


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
