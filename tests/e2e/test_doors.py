"""What comes in from outside: every number, every name, feature codes, and those who claim to be somebody."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from e2e.stage import CALLER, LANGENHAGEN

if TYPE_CHECKING:
    from e2e.conftest import Play, Theatre

pytestmark = pytest.mark.e2e
AGENTS_VOICE = 700

STRANGE = {
    "letters": "buergermeister",
    "foreign": "+4312345",
    "h": "h",
    "t": "t",
    "T": "T",
    "i": "i",
    "s": "s",
    "percent": "%23%2A%3B12",
    "quotes": "%22%27%60",
    "expression": "%24%7BEPOCH%7D",
    "brackets": "%24%5B1%2B1%5D",
    "ampersand": "1%262%2C3",
    "umlaut": "%C3%BC%FC",
    "hundred": "9" * 100,
    "two hundred": "x" * 200,
    "star": "*71",
    "agent": "1001",
    "empty": "",
}


async def test_every_number_is_answered(play: Play, theatre: Theatre) -> None:
    """Unknown ones wait in the queue for those, and are counted; nobody hears 404."""
    stage = await play()
    before = await stage.unknown_numbers()
    host = theatre.stack.asterisk.sip

    calls = {}
    for name, user in STRANGE.items():
        calls[name] = await (await stage.caller()).dial("", uri=f"sip:{user}@{host}" if user else f"sip:{host}")
    statuses = {}
    for name, call in calls.items():
        await call.answered()
        statuses[name] = call.statuses[-1]
    assert set(statuses.values()) == {200}
    await stage.live("waiting", len(calls), limit=8)
    await asyncio.gather(*(call.hang_up() for call in calls.values()))
    records = {name: await stage.record(call) for name, call in calls.items()}
    assert {name for name, record in records.items() if record["kind"] != "catch-all"} == set()
    assert {record["outcome"]["result"] for record in records.values()} == {"abandoned"}
    assert await stage.unknown_numbers() == before + len(calls)
    assert records["expression"]["dialled"] == "EPOCH"
    assert records["ampersand"]["dialled"] == "123"
    assert records["hundred"]["dialled"].startswith("9" * 79)


async def test_who_hangs_up_at_the_door_does_not_call_again(play: Play, theatre: Theatre) -> None:
    """The door is passed within a millisecond; here it has a line that takes longer."""
    stage = await play()
    phone = await stage.agent("agent01")
    before = await stage.unknown_numbers()
    await stage.console("dialplan add extension slow,1,Wait,20 into acd-in")
    try:
        call = await (await stage.caller()).dial("", uri=f"sip:slow@{theatre.stack.asterisk.sip}")
        await stage.until(stage.channels, lambda count: count == 1, 5, "the caller is at the door")
        await call.cancel()
        await stage.until(stage.channels, lambda count: count == 0, 5, "the caller has gone")
    finally:
        await stage.console("dialplan remove extension slow@acd-in")
    later = await stage.dial()
    at_phone = await phone.rings()
    assert len({said.get("Call-ID") for _, _, said in phone.trace if str(said).startswith("INVITE ")}) == 1
    await at_phone.answer(tone=AGENTS_VOICE)
    await later.media.hears_tone(AGENTS_VOICE)
    await later.hang_up()
    await stage.record(later)
    assert await stage.unknown_numbers() == before


@pytest.mark.parametrize(
    "dialled",
    ["+4951173070", "004951173070", "051173070", "+495117307123", "0511-7307-0", "+49051173070", "0049(0)51173070"],
)
async def test_ways_to_write_the_town_halls_number(play: Play, dialled: str) -> None:
    stage = await play()
    before = await stage.unknown_numbers()

    call = await stage.dial(dialled)
    await stage.live("waiting")
    await call.hang_up()
    record = await stage.record(call)
    assert (record["kind"], record["tenant"]) == ("main-number", "langenhagen")
    assert await stage.unknown_numbers() == before


NAMES = {
    "anonymous": ('"Anonymous" <sip:anonymous@anonymous.invalid>', "Langenhagen: Anonym"),
    "no name": (f"<sip:{CALLER}@a.example>", "Langenhagen"),
    "300 characters": (f'"{"Maximiliane " * 25}" <sip:{CALLER}@a.example>', "Langenhagen: Maximiliane Maximiliane Max"),
    "comma": (f'"Muster, Erika, Res: ANSWER" <sip:{CALLER}@a.example>', "Langenhagen: Muster Erika Res: ANSWER"),
    "quote": (f'"O\\"Brien \\\\ \\"" <sip:{CALLER}@a.example>', "Langenhagen: O Brien"),
    "umlauts": (f'"Jürgen Größe" <sip:{CALLER}@a.example>', "Langenhagen: Jürgen Größe"),
    "expression": (f'"${{SHELL(id)}}$[1+1]" <sip:{CALLER}@a.example>', "Langenhagen: SHELL id 1+1"),
    "dial string": (f'"a&PJSIP/office01^b|c" <sip:{CALLER}@a.example>', "Langenhagen: a PJSIP/office01 b c"),
    "header": (f'"x%0d%0aAction: Originate" <sip:{CALLER}@a.example>', None),
    "latin-1": (f'"J\udcfcrgen" <sip:{CALLER}@a.example>', None),
    "controls": (f'"a\tb\x01c\x7f" <sip:{CALLER}@a.example>', None),
    "folded": (f'"x y"\r\n <sip:{CALLER}@a.example>', "Langenhagen: x y"),
}


@pytest.mark.parametrize("kind", NAMES)
async def test_hostile_name_reaches_the_display_harmless(play: Play, theatre: Theatre, kind: str) -> None:
    shown, expected = NAMES[kind]
    stage = await play()
    phone = await stage.agent("agent01")

    call = await (await stage.caller()).dial(LANGENHAGEN, shown=shown)
    at_phone = await phone.rings()
    await call.answered()
    display = at_phone.invite.display
    assert display.startswith("Langenhagen")
    assert len(display) <= 40
    assert not re.search(r'[\x00-\x1f\x7f"\\<>;,&|^$`{}]', display)
    if expected is not None:
        assert display == expected
    assert len(phone.trace[0][2].all("From")) == 1
    assert kind == "anonymous" or at_phone.invite.user == CALLER
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["agent"]) == ("served", "agent01")
    assert record["ani"] == (None if kind == "anonymous" else CALLER)
    assert [offer["result"] for offer in record["offers"]] == ["answered"]
    service, _ = theatre.said()
    assert "signal.ignored" not in service
    assert "ami.malformed" not in service


BREAK = "%0d%0a"
FORGED = f"{CALLER}{BREAK}X-Forged%3a%20y{BREAK}{BREAK}Event%3a%20Hangup{BREAK}Uniqueid%3a%201"


@pytest.mark.parametrize("place", ["From", "P-Asserted-Identity", "Diversion", "Request-URI"])
async def test_line_breaks_in_a_number_forge_nothing(play: Play, theatre: Theatre, place: str) -> None:
    """SIP may write any character as %0d%0a; AMI and AGI would send the line break as it is."""
    stage = await play()
    phone = await stage.agent("agent01")
    who, host = f"<sip:{FORGED}@a.example>", theatre.stack.asterisk.sip
    number = FORGED.replace(CALLER, LANGENHAGEN) if place == "Request-URI" else LANGENHAGEN

    call = await (await stage.caller()).dial(
        LANGENHAGEN,
        uri=f"sip:{number}@{host}",
        shown=who if place == "From" else None,
        headers=[(place, who)] if place in ("P-Asserted-Identity", "Diversion") else [],
    )
    at_phone = await phone.rings()
    await call.answered()
    assert "X-Forged" not in {name for name, _ in at_phone.invite.headers}
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["agent"]) == ("served", "agent01")
    assert not re.search(r"[\r\n]", f"{record['ani']}{record['dialled']}")
    service, _ = theatre.said()
    assert "signal.ignored" not in service


ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
SUPPRESSED: dict[str, tuple[str, list[tuple[str, str]]]] = {
    # The network knows the number (P-Asserted-Identity), its owner does not want it shown (RFC 3323).
    "asserted": (ANONYMOUS, [("Privacy", "id"), ("P-Asserted-Identity", f"<sip:{CALLER}@a.example>")]),
    "critical": (ANONYMOUS, [("Privacy", "id;critical"), ("P-Asserted-Identity", f"<sip:{CALLER}@a.example>")]),
    # Nothing asserted, and Asterisk takes the number of From for allowed.
    "from": (f'"Erika Muster" <sip:{CALLER}@a.example>', [("Privacy", "Header")]),
    "named so": (f'"Anonymous" <sip:{CALLER}@a.example>', []),
}


@pytest.mark.parametrize("how", SUPPRESSED)
async def test_suppressed_number_is_neither_shown_nor_kept(play: Play, how: str) -> None:
    shown, headers = SUPPRESSED[how]
    stage = await play()
    phone = await stage.agent("agent01")

    caller = await stage.caller()
    call = await caller.dial(LANGENHAGEN, shown=shown, headers=headers)
    at_phone = await phone.rings()
    assert CALLER not in str(at_phone.invite)
    assert at_phone.invite.display == "Langenhagen: Anonym"
    await call.answered()
    await call.hang_up()
    assert (await stage.record(call))["ani"] is None


@pytest.mark.parametrize(
    ("header", "diversion", "reason"),
    [
        ("<sip:+494105550@a.example>;reason=no-answer", "+494105550", "no-answer"),
        ("<sip:04105550@a.example>;reason=unconditional;counter=1", "+494105550", "unconditional"),
        ("<sip:+494105550@a.example>;reason=time-of-day;privacy=full", None, "time-of-day"),
        ('"Rathaus" <sip:+494105550@a.example>;Privacy="URI";reason=user-busy', None, "user-busy"),
        ("<sip:+494105550@a.example>;privacy=off;reason=user-busy", "+494105550", "user-busy"),
        ('<sip:+494105550@a.example>;reason="x,y%0d%0aA: b"', "+494105550", ""),
    ],
)
async def test_who_forwarded_stands_on_the_record(play: Play, header: str, diversion: str | None, reason: str) -> None:
    stage = await play()

    call = await (await stage.caller()).dial(LANGENHAGEN, headers=[("Diversion", header)])
    await stage.live("waiting")
    await call.hang_up()
    record = await stage.record(call)
    assert (record["tenant"], record["diversion"], record["diversion_reason"]) == ("langenhagen", diversion, reason)


async def test_privacy_that_asks_for_nothing_hides_nothing(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")

    call = await (await stage.caller()).dial(
        LANGENHAGEN, shown=f"<sip:{CALLER}@a.example>", headers=[("Privacy", "none")]
    )
    at_phone = await phone.rings()
    assert at_phone.invite.user == CALLER
    await call.answered()
    await call.hang_up()
    assert (await stage.record(call))["ani"] == CALLER


async def test_feature_codes_are_spoken_and_obeyed(play: Play) -> None:
    stage = await play()
    phone = await stage.phone("agent01")

    for code, prompt, intent in (
        ("*71", "signed-in", "not-ready"),
        ("*73", "ready", "ready"),
        ("*74", "not-ready", "not-ready"),
        ("*72", "signed-out", "signed-out"),
    ):
        call = await phone.dial(code)
        await call.answered()
        await call.media.hears_prompt(prompt, mark=0)
        await call.is_over()
        await stage.agent_is("agent01", intent=intent)


async def test_agent_made_ready_by_phone_is_called(play: Play) -> None:
    stage = await play()
    phone = await stage.phone("agent01")

    call = await stage.dial()
    code = await phone.dial("*73")
    await code.answered()
    await code.media.hears_prompt("ready", mark=0)
    await code.is_over()
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    assert (await stage.record(call))["agent"] == "agent01"


async def test_feature_code_that_is_not_for_this_phone(play: Play) -> None:
    stage = await play()
    office, agent = await stage.phone("office01"), await stage.phone("agent01")

    call = await office.dial("*73")
    await call.answered()
    await call.media.hears_prompt("not-an-agent", mark=0)
    refused = await agent.dial("*74")
    await refused.answered()
    await refused.media.hears_prompt("not-possible", mark=0)
    unknown = await office.dial("*99")
    await unknown.answered()
    await unknown.media.hears_prompt("unknown-code", mark=0)
    assert (await stage.api.agent("agent01"))["intent"] == "signed-out"


async def test_whoever_claims_to_be_an_agent_on_the_trunk_is_a_caller(play: Play, theatre: Theatre) -> None:
    stage = await play()
    host = theatre.stack.asterisk.sip.partition(":")[0]

    call = await stage.dial("*73", shown=f"<sip:agent01@{host}>")
    await stage.live("waiting")
    assert (await stage.api.agent("agent01"))["intent"] == "signed-out"
    await call.hang_up()
    assert (await stage.record(call))["kind"] == "catch-all"


async def test_phone_with_a_wrong_password_is_turned_away(play: Play, theatre: Theatre) -> None:
    stage = await play()
    phone = await stage.phone("agent01")
    phone.password = "wrong"
    with pytest.raises(AssertionError, match="401"):
        await phone.register()
    call = await phone.dial("*73")
    await call.is_over()
    assert call.statuses[-1] == 401
    phone.password = theatre.stack.asterisk.passwords["agent01"]


async def test_caller_cannot_transfer_itself(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")
    call = await stage.dial()
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)

    assert await call.refer("1002") >= 400
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    assert (await stage.record(call))["transferred_to"] is None
