"""What Asterisk says, understood; what we want, said so that Asterisk cannot misunderstand it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core import messages as m
from dialog_acd.core.directory import Directory
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import (
    Agent,
    AgentId,
    CallId,
    Entry,
    EntryKind,
    FailsafeProfile,
    OfferId,
    Partner,
    PartnerId,
    Phone,
    Queue,
    QueueId,
    Step,
    Tenant,
    TenantId,
)
from dialog_acd.switch import translate
from dialog_acd.switch.translate import SHOWN, Interpreter, Untranslatable, readable

NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CALL = CallId("acd1-1795295666.0")
TRUNK = "PJSIP/anonymous@trunk-00000001"


@pytest.fixture
def asterisk() -> Interpreter:
    interpreter = Interpreter()
    interpreter.arrival({"uniqueid": CALL, "channel": TRUNK, "dnid": "+4951173070"}, ())
    return interpreter


def directory() -> Directory:
    return Directory(
        tenants=(Tenant(TenantId("t"), "Stadt", "Stadt"),),
        queues=(Queue(QueueId("q"), "Stadt", (Step(timedelta()),)),),
        entries=(Entry("", TenantId("t"), QueueId("q"), EntryKind.CATCH_ALL, "f"),),
        agents=(Agent(AgentId("anna"), "Anna", Phone("agent01")),),
        failsafe_profiles=(FailsafeProfile("f", "demo"),),
    )


def treat(**changes: object) -> m.Treat:
    usual: dict[str, object] = {
        "tenant": TenantId("t"), "queue": QueueId("q"), "entered_at": NINE, "max_wait_at": NINE + timedelta(minutes=15),
        "ring_for": timedelta(seconds=15), "label": "Langenhagen",
    }  # fmt: skip
    return m.Treat(CALL, m.Verdict.HOLD, **(usual | changes))  # type: ignore[arg-type]


# ---------------------------------------------------------------- the question at the door


def test_arrival_hands_the_number_on_as_it_was_dialled() -> None:
    fields = {
        "uniqueid": CALL, "channel": TRUNK, "dnid": "+49 (0)511 7307-0", "callerid": "+493023125001",
        "calleridname": "Erika Muster", "callingpres": "0",
    }  # fmt: skip

    arrival = Interpreter().arrival(fields, ("abc@host",))

    assert arrival == m.CallArrived(
        CALL, "+49 (0)511 7307-0", "+493023125001", "Erika Muster", trunk="trunk", trunk_call_id="abc@host"
    )


@pytest.mark.parametrize(
    ("rdnis", "reason", "diversion", "why"),
    [
        ("04105 55-0", ("cfnr",), "04105 55-0", "no-answer"),
        ("+494105550", ("cfu",), "+494105550", "unconditional"),
        ("+494105550", ("unknown",), "+494105550", ""),
        ("unknown", ("",), None, ""),
        ("", (), None, ""),
    ],
)
def test_who_forwarded_is_handed_on(rdnis: str, reason: tuple[str, ...], diversion: str | None, why: str) -> None:
    fields = {"uniqueid": CALL, "channel": TRUNK, "rdnis": rdnis}

    arrival = Interpreter().arrival(fields, ("abc@host", *reason))

    assert (arrival.diversion, arrival.diversion_reason) == (diversion, why)


@pytest.mark.parametrize("presentation", ["32", "35", "0x"])
def test_suppressed_number_is_not_kept(presentation: str) -> None:
    fields = {"uniqueid": CALL, "channel": TRUNK, "callerid": "anonymous", "callingpres": presentation}

    assert Interpreter().arrival(fields, ()).ani is None


@pytest.mark.parametrize(
    ("presentation", "name"), [("35", "Erika Muster"), ("0", "Anonymous"), ("0", "anonymous "), ("0", '"Anonym"')]
)
def test_number_marked_private_is_not_kept_although_the_trunk_sent_it(presentation: str, name: str) -> None:
    """Nor is the name; some networks say "Anonymous" there, and leave the number where it was."""
    caller = {"callerid": "+493023125001", "calleridname": name, "callingpres": presentation}

    arrival = Interpreter().arrival({"uniqueid": CALL, "channel": TRUNK, **caller}, ())

    assert (arrival.ani, arrival.caller_name) == (None, "")


@pytest.mark.parametrize(
    ("arguments", "takes_offer"),
    [
        (("abc@host", "cfnr", "offer"), True),
        (("", "", "offer"), True),
        (("", "", "offer", "whatever-comes-later"), True),
        (("abc@host", "cfnr"), False),
        ((), False),
        (("offer", "offer"), False),  # words of a trunk
        (("abc@host", "cfnr", ""), False),
    ],
)
def test_a_dialplan_says_whether_it_takes_an_offer(arguments: tuple[str, ...], *, takes_offer: bool) -> None:
    arrival = Interpreter().arrival({"uniqueid": CALL, "channel": TRUNK}, arguments)

    assert arrival.takes_offer is takes_offer


def test_a_name_without_a_number_is_still_a_name() -> None:
    fields = {"uniqueid": CALL, "channel": TRUNK, "callerid": "unknown", "calleridname": "Rathaus", "callingpres": "67"}

    assert Interpreter().arrival(fields, ()).caller_name == "Rathaus"


def test_verdict_is_the_last_word(asterisk: Interpreter) -> None:
    """Whatever is cut off before it leaves the caller in failsafe, not in a queue without a ring time."""
    said = asterisk.variables(treat(ani="+493023125001"))

    assert list(said)[-1] == "ACD_VERDICT"
    assert said["ACD_VERDICT"] == "hold"
    assert said["ACD_ENTERED"] == "1795420800000"
    assert said["ACD_RING"] == "15"


def test_phone_shows_the_town_before_the_name(asterisk: Interpreter) -> None:
    assert asterisk.variables(treat(caller_name="Erika", ani="+4930"))["ACD_SHOW"] == "Langenhagen: Erika"
    assert asterisk.variables(treat(ani="+4930"))["ACD_SHOW"] == "Langenhagen"
    assert asterisk.variables(treat())["ACD_SHOW"] == "Langenhagen: Anonym"


@given(st.text(max_size=400))
def test_no_caller_name_carries_anything_but_words(name: str) -> None:
    kept = readable(name)

    assert len(kept) <= SHOWN
    assert not set(kept) & set('"\\<>;,&|^$`{}[]()\r\n\0\t')


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("Jürgen O'Connor", "Çağla Öz-Şen", "Büro 3. Stock/links"):
        assert readable(name) == name


# ---------------------------------------------------------------- facts


Said = dict[str, str | list[str]]


def told(name: str, **headers: str) -> dict[str, str | list[str]]:
    return {"Event": "UserEvent", "UserEvent": name, "Call": CALL, "Channel": TRUNK, "Uniqueid": CALL, **headers}


def test_held_caller_brings_the_place_along(asterisk: Interpreter) -> None:
    heard = asterisk.signals(told("AcdHeld", Queue="langenhagen", Entered="1795420800000"))

    assert heard == [m.CallerHeld(CALL, QueueId("langenhagen"), NINE)]


def test_garbled_place_is_no_reason_to_lose_the_caller(asterisk: Interpreter) -> None:
    assert asterisk.signals(told("AcdHeld", Queue="", Entered="x")) == [m.CallerHeld(CALL, None, None)]


def test_whoever_was_moved_into_a_place_that_was_just_telling_itself_is_not_that_call(asterisk: Interpreter) -> None:
    told_of_another = told("AcdHeld", Queue="hannover", Call="acd1-1795295666.9", Uniqueid=CALL)

    assert asterisk.signals(told_of_another) == []
    assert asterisk.actions(m.Hold(CALL), 1), "who is where they were"
    with pytest.raises(Untranslatable, match="no channel"):
        asterisk.actions(m.Hold(CallId("acd1-1795295666.9")), 1)


@pytest.mark.parametrize(
    ("status", "cause", "reason"),
    [
        ("NOANSWER", "0", m.OfferFailure.NO_ANSWER),
        ("BUSY", "17", m.OfferFailure.DECLINED),
        ("DEVBUSY", "", m.OfferFailure.PHONE_BUSY),
        ("CHANUNAVAIL", "20", m.OfferFailure.PHONE_GONE),
        ("CHANUNAVAIL", "21", m.OfferFailure.DECLINED),
        ("CONGESTION", "34", m.OfferFailure.PHONE_GONE),
        ("CANCEL", "0", m.OfferFailure.CALLER_GONE),
        ("ANSWER", "16", m.OfferFailure.NOT_TALKED),
        ("NEVER-HEARD-OF", "x", m.OfferFailure.PHONE_GONE),
    ],
)
def test_each_way_an_offer_can_fail(asterisk: Interpreter, status: str, cause: str, reason: m.OfferFailure) -> None:
    heard = asterisk.signals(told("AcdOfferResult", Offer="7", Result=status, Talked="0", Cause=cause))

    assert heard == [m.OfferFailed(CALL, OfferId("7"), reason)]


def test_answer_alone_is_no_conversation_but_talked_is(asterisk: Interpreter) -> None:
    heard = asterisk.signals(told("AcdOfferResult", Offer="7", Result="ANSWER", Talked="1", Cause="16"))

    assert heard == [m.AgentHungUp(CALL, OfferId("7"))]


def test_only_the_callers_own_channel_ends_the_call(asterisk: Interpreter) -> None:
    leg: Said = {
        "Event": "Hangup",
        "Uniqueid": "acd1-1795295666.9",
        "ChanVariable": [f"ACD_CALL={CALL}"],
        "Cause": "16",
    }
    own: Said = {"Event": "Hangup", "Uniqueid": CALL, "ChanVariable": f"ACD_CALL={CALL}", "Cause": "16"}

    assert asterisk.signals(leg) == []
    assert asterisk.signals(own) == [m.CallerHungUp(CALL, 16)]


def test_call_that_came_before_us_ends_too() -> None:
    own: Said = {
        "Event": "Hangup",
        "Uniqueid": CALL,
        "ChanVariable": [f"ACD_CALL={CALL}", "ACD_STATE=wait"],
        "Cause": "38",
    }

    assert Interpreter().signals(own) == [m.CallerHungUp(CALL, 38)]


def dial(kind: str, context: str = "acd-offer", **headers: str) -> dict[str, str | list[str]]:
    known = [f"ACD_CALL={CALL}", "ACD_OFFER=7"]
    return {
        "Event": kind, "Channel": TRUNK, "Uniqueid": CALL, "Context": context, "ChanVariable": known,
        "DestChannel": "PJSIP/agent01-00000002", **headers,
    }  # fmt: skip


def test_answered_and_bridged(asterisk: Interpreter) -> None:
    bridged: Said = {
        "Event": "BridgeEnter", "Uniqueid": CALL, "BridgeNumChannels": "2",
        "ChanVariable": [f"ACD_CALL={CALL}", "ACD_OFFER=7", "ACD_TALKED=1"],
    }  # fmt: skip
    for_no_time: Said = bridged | {"ChanVariable": [f"ACD_CALL={CALL}", "ACD_OFFER=7", "ACD_TALKED=0"]}

    assert asterisk.signals(for_no_time) == []
    assert asterisk.signals(dial("DialEnd", DialStatus="ANSWER")) == [m.OfferAnswered(CALL, OfferId("7"))]
    assert asterisk.signals(dial("DialEnd", DialStatus="NOANSWER")) == []
    assert asterisk.signals(bridged) == [m.PartiesBridged(CALL, OfferId("7"))]


def test_office_that_answers_a_transfer_is_no_agent(asterisk: Interpreter) -> None:
    assert asterisk.signals(dial("DialEnd", context="acd-handed-on", DialStatus="ANSWER")) == []


def test_partner_that_answers(asterisk: Interpreter) -> None:
    end = dial("DialEnd", context="acd-overflow", DialStatus="ANSWER") | {"DestChannel": "PJSIP/oldenburg-00000003"}

    assert asterisk.signals(end) == [m.DivertAnswered(CALL, PartnerId("oldenburg"))]


def test_transfers_blind_and_attended(asterisk: Interpreter) -> None:
    blind = {
        "Event": "BlindTransfer", "Result": "Success", "TransfereeUniqueid": CALL, "TransfereeChannel": TRUNK,
        "Extension": "2001",
    }  # fmt: skip
    attended = {
        "Event": "AttendedTransfer", "Result": "Success", "TransfereeUniqueid": CALL, "TransfereeChannel": TRUNK,
        "TransferTargetChannel": "PJSIP/office01-00000005",
    }  # fmt: skip

    assert asterisk.signals(blind) == [m.CallTransferred(CALL, "2001", blind=True)]
    assert asterisk.signals(attended) == [m.CallTransferred(CALL, "office01", blind=False)]
    assert asterisk.signals(blind | {"Result": "Fail"}) == []
    assert asterisk.signals(blind | {"TransfereeUniqueid": "somebody-else"}) == []


@pytest.mark.parametrize(
    ("state", "phone"),
    [
        ("NOT_INUSE", PhoneState.REACHABLE),
        ("INUSE", PhoneState.IN_USE),
        ("RINGING", PhoneState.IN_USE),
        ("BUSY", PhoneState.IN_USE),
        ("ONHOLD", PhoneState.IN_USE),
        ("UNAVAILABLE", PhoneState.UNREACHABLE),
        ("INVALID", PhoneState.UNREACHABLE),
        ("UNKNOWN", PhoneState.UNREACHABLE),
    ],
)
def test_device_states(asterisk: Interpreter, state: str, phone: PhoneState) -> None:
    change = {"Event": "DeviceStateChange", "Device": "PJSIP/agent01", "State": state}

    assert asterisk.signals(change) == [m.PhoneStateChanged(Phone("agent01"), phone.value)]


@given(
    st.dictionaries(
        st.sampled_from(
            ["Event", "UserEvent", "Call", "Uniqueid", "Channel", "Device", "State", "ChanVariable", "Cause"]
        ),
        st.text(max_size=30) | st.lists(st.text(max_size=20), min_size=1, max_size=3),
    )
)
def test_no_message_of_whatever_shape_makes_it_stumble(message: dict[str, str | list[str]]) -> None:
    for kind in ("UserEvent", "Hangup", "DialEnd", "BridgeEnter", "BlindTransfer", "DeviceStateChange", "Rename"):
        Interpreter().signals(message | {"Event": kind})


# ---------------------------------------------------------------- the whole picture


def channel(context: str, exten: str = "s", bridge: str = "", **variables: str) -> dict[str, str | list[str]]:
    known = [f"{name}={value}" for name, value in ({"ACD_CALL": CALL} | variables).items()]
    return {
        "Event": "CoreShowChannel", "Channel": TRUNK, "Uniqueid": CALL, "Context": context, "Exten": exten,
        "BridgeId": bridge, "ChanVariable": known,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "place"),
    [
        (channel("acd-arrive"), "arriving"),
        (channel("acd-wait"), "wait"),
        (channel("acd-say", "please-hold"), "wait"),
        (channel("acd-offer", "agent01*7"), "offer"),
        (channel("acd-offer", "agent01*7", bridge="b1"), "talk"),
        (channel("acd-overflow", "oldenburg*115*30"), "overflow"),
        (channel("acd-failsafe"), "failsafe"),
        (channel("acd-handed-on"), "transfer"),
        (channel("somebody-elses"), "transfer"),
    ],
)
def test_context_says_where_a_caller_is(seen: dict[str, str | list[str]], place: str) -> None:
    picture = Interpreter().picture([seen], [], NINE, audit=False)

    assert [c.place for c in picture.calls] == [place]


def test_picture_of_a_ringing_call_has_all_that_adoption_needs() -> None:
    seen = channel("acd-offer", "agent01*7", ACD_OFFER="7", ACD_QUEUE="langenhagen", ACD_ENTERED="1795420800000")
    devices = [{"Device": "PJSIP/agent01", "State": "RINGING"}, {"Device": "Queue:x", "State": "NOT_INUSE"}]

    picture = Interpreter().picture([seen], devices, NINE, audit=False)

    assert picture.calls == (m.SwitchCall(CALL, "offer", QueueId("langenhagen"), NINE, OfferId("7"), Phone("agent01")),)
    assert picture.phones == ((Phone("agent01"), "in-use"),)


@pytest.mark.parametrize("context", ["acd-offer", "acd-overflow"])
def test_order_that_is_just_arriving_names_nobody_yet(context: str) -> None:
    (call,) = Interpreter().picture([channel(context, "i")], [], NINE, audit=False).calls

    assert (call.offer, call.phone, call.partner) == (None, None, None)


def test_agents_leg_is_no_call_of_its_own() -> None:
    leg = channel("acd-agent") | {"Uniqueid": "acd1-1795295666.9", "Channel": "PJSIP/agent01-00000002"}

    assert Interpreter().picture([leg], [], NINE, audit=False).calls == ()


@pytest.mark.parametrize(("context", "place"), [("acd-wait", "arriving"), ("acd-offer", "transfer")])
def test_a_caller_in_the_place_of_the_agents_own_call_is_still_there(
    asterisk: Interpreter, context: str, place: str
) -> None:
    """For two seconds after an announced transfer into a queue, and for a whole conversation where a colleague's phone
    rang. A picture of then made the caller one who had gone.
    """
    seen = channel(context, "round", ACD_CALL="acd1-1795295666.9", ACD_QUEUE="hannover")

    assert asterisk.picture([seen], [], NINE, audit=True).calls == (m.SwitchCall(CALL, place),)
    (order,) = asterisk.actions(m.Hold(CALL), 1)
    assert order["Channel"] == TRUNK, "and can be led on"


# ---------------------------------------------------------------- orders


def test_an_offer_in_the_answer_leads_where_the_order_would() -> None:
    """And nothing else changes: if nobody answers that phone, the caller waits with what was said here."""
    interpreter, order = Interpreter(), m.Offer(CALL, OfferId("7"), AgentId("anna"), Phone("agent01"), timedelta(0, 15))
    said, held = interpreter.variables(treat(offer=order)), interpreter.variables(treat())

    assert said == held | {"ACD_VERDICT": "offer:agent01*7"}
    assert list(said)[-1] == "ACD_VERDICT"


@pytest.mark.parametrize("phone", ["agent 1", "agent01,100", "agent01\n", "Ägent", "${X}"])
def test_an_odd_phone_never_reaches_an_answer(phone: str) -> None:
    order = m.Offer(CALL, OfferId("7"), AgentId("anna"), Phone(phone), timedelta(seconds=15))

    with pytest.raises(Untranslatable, match="no extension of ours"):
        Interpreter().variables(treat(offer=order))


def test_offer_is_a_redirect_of_the_caller(asterisk: Interpreter) -> None:
    order = m.Offer(CALL, OfferId("7"), AgentId("anna"), Phone("agent01"), timedelta(seconds=15))

    assert asterisk.actions(order, None) == [
        {"Action": "Redirect", "Channel": TRUNK, "Context": "acd-offer", "Exten": "agent01*7", "Priority": "1"}
    ]


def test_divert_names_partner_number_and_ring_time(asterisk: Interpreter) -> None:
    order = m.Divert(CALL, PartnerId("oldenburg"), "+49441115", timedelta(seconds=30))

    assert asterisk.actions(order, None)[0]["Exten"] == "oldenburg*49441115*30"


def test_who_is_to_go_to_failsafe_has_no_time_left_to_wait(asterisk: Interpreter) -> None:
    assert asterisk.actions(m.ToFailsafe(CALL), None) == [
        {"Action": "Setvar", "Channel": TRUNK, "Variable": "ACD_MAX_WAIT", "Value": "1"}
    ]


def test_order_for_a_call_on_no_channel_is_refused() -> None:
    with pytest.raises(Untranslatable, match="no channel"):
        Interpreter().actions(m.Hold(CALL), None)


@pytest.mark.parametrize("name", ["PJSIP/x\r\nAction: Originate", "PJSIP/x y", "", "trunk"])
def test_odd_channel_never_reaches_an_action(name: str) -> None:
    asterisk = Interpreter()
    asterisk.arrival({"uniqueid": CALL, "channel": name}, ())

    with pytest.raises(Untranslatable):
        asterisk.actions(m.Hold(CALL), None)


@pytest.mark.parametrize("prompt", ["../etc/passwd", "-x", "*x"])
def test_prompt_outside_the_alphabet_never_reaches_an_action(asterisk: Interpreter, prompt: str) -> None:
    with pytest.raises(Untranslatable):
        asterisk.actions(m.Say(CALL, prompt), None)


def test_heartbeat_is_asterisks_own_clock(asterisk: Interpreter) -> None:
    beat = {"Action": "Setvar", "Variable": "ACD_HEARTBEAT", "Value": "1795420800"}

    assert asterisk.actions(m.Heartbeat(), 1795420800) == [beat]
    assert asterisk.actions(m.Heartbeat(), None) == []


def test_failsafe_generation_is_named_last_and_changes_with_its_content(asterisk: Interpreter) -> None:
    oldenburg = Partner(PartnerId("oldenburg"), "Oldenburg", ("+49441115",))
    hours = ("8:00-18:00,mon-thu,*,*", "8:00-15:00,fri,*,*")
    open_, never_out = FailsafeProfile("town", "town", oldenburg.id, hours), FailsafeProfile("dispatch", "watch")
    order = m.KeepFailsafe(
        ((open_, oldenburg), (never_out, None)),
        (("+4951173070", False, "town"), ("+495117307", True, "town"), ("115", False, "town")),
        "town",
    )

    rows = {a["Variable"]: a["Value"] for a in asterisk.actions(order, None)}
    generation = rows["PRESENCE_STATE(CustomPresence:acd/generation)"].removeprefix("not_set,,")

    def row(name: str) -> str:
        return rows[f"PRESENCE_STATE(CustomPresence:{name})"].removeprefix("not_set,,")

    assert list(rows)[-1] == "PRESENCE_STATE(CustomPresence:acd/generation)"
    assert row(f"acd-number/{generation}/4951173070") == "town"
    assert row(f"acd-block/{generation}/495117307") == "town"
    assert f"PRESENCE_STATE(CustomPresence:acd-block/{generation}/4951173070)" not in rows
    assert row(f"acd-profile/{generation}/dispatch/partner") == ""
    assert row(f"acd-profile/{generation}/town/number") == "49441115"
    assert (
        row(f"acd-profile/{generation}/town/hours")
        == "8:00-18:00|mon-thu|*|*|Europe/Berlin&8:00-15:00|fri|*|*|Europe/Berlin"
    )
    other = asterisk.actions(m.KeepFailsafe((), (), "town"), None)
    assert other[-1]["Value"] != f"not_set,,{generation}"


def test_rename_follows_the_caller_to_another_channel(asterisk: Interpreter) -> None:
    asterisk.signals({"Event": "Rename", "Uniqueid": CALL, "Newname": "PJSIP/anonymous@trunk-00000007"})

    assert asterisk.actions(m.Hold(CALL), None)[0]["Channel"] == "PJSIP/anonymous@trunk-00000007"


# ---------------------------------------------------------------- feature codes


def test_feature_codes_are_the_agents_intent() -> None:
    asterisk = Interpreter()
    understood = {
        code: getattr(asterisk.intention((code, "agent01"), directory()), "signal", None)
        for code in ("sign-in", "sign-out", "ready", "not-ready")
    }

    assert understood == {
        "sign-in": m.AgentSignedIn(AgentId("anna")),
        "sign-out": m.AgentSignedOut(AgentId("anna")),
        "ready": m.AgentReady(AgentId("anna")),
        "not-ready": m.AgentNotReady(AgentId("anna")),
    }


@pytest.mark.parametrize("arguments", [(), ("ready",), ("ready", "office01"), ("dance", "agent01")])
def test_what_is_no_agents_code_is_said_so(arguments: tuple[str, ...]) -> None:
    asterisk = Interpreter()
    intention = asterisk.intention(arguments, directory())

    assert asterisk.confirmation(intention, [], directory()) == {"ACD_ANSWER": "not-an-agent"}


def towns() -> Directory:
    made = directory()
    spoken = {
        "115": (EntryKind.SERVICE_115, "acd/town-115"),
        "+49511168": (EntryKind.MAIN_NUMBER, None),
        "+495117307": (EntryKind.MAIN_NUMBER, None),
        "": (EntryKind.CATCH_ALL, "acd/town-unknown"),
    }
    entries = (
        Entry(number, TenantId("t"), QueueId("q"), kind, "f", announcement=said)
        for number, (kind, said) in spoken.items()
    )
    return replace(made, tenants=(replace(made.tenants[0], code="7"),), entries=tuple(entries))


@pytest.mark.parametrize("digits", ["7", "12345678901234567890", "1*2", "#", ""])
def test_a_towns_code_is_told_as_it_was_dialled(digits: str) -> None:
    """Which of them names a town is the core's to say; none is cut short into another."""
    intention = Interpreter().intention(("town", "agent01", digits), towns())

    assert intention is not None
    assert intention.signal == m.TownDialled(AgentId("anna"), digits)


def test_a_town_that_was_noted_is_said_by_its_digits_or_its_name() -> None:
    asterisk, directory = Interpreter(), towns()
    intention = asterisk.intention(("town", "agent01", "7"), directory)

    assert asterisk.confirmation(intention, [], directory) == {"ACD_ANSWER": "town-noted", "ACD_TOWN_CODE": "7"}
    spoken = (replace(e, announcement="acd/town-langenhagen") if "7307" in e.number else e for e in directory.entries)
    directory = replace(directory, entries=tuple(spoken))
    assert asterisk.confirmation(intention, [], directory)["ACD_TOWN"] == "acd/town-langenhagen"
    gone = replace(directory, tenants=tuple(replace(t, code=None) for t in directory.tenants))
    assert asterisk.confirmation(intention, [], gone)["ACD_ANSWER"] == "town-noted"


@pytest.mark.parametrize(
    ("why", "prompt"),
    [("no-such-call", "no-call"), ("no-such-town", "no-such-town"), ("not-a-candidate", "no-such-town"),
     ("too-late", "no-call"), ("anything else", "not-possible")],
)  # fmt: skip
def test_why_a_town_was_not_noted_is_said(why: str, prompt: str) -> None:
    asterisk, directory = Interpreter(), towns()
    intention = asterisk.intention(("town", "agent01", "7"), directory)

    refused = [m.Ignored("TownDialled", why, "anna")]
    assert asterisk.confirmation(intention, refused, directory) == {"ACD_ANSWER": prompt}


def test_every_refusal_of_a_town_has_its_words() -> None:
    assert set(translate._REFUSALS) == set(m.NamingFault)
