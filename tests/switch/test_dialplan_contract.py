"""The seam between the dialplan and the service: neither side may use a name the other does not know."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.model import AgentId, CallId, OfferId, Phone, QueueId
from dialog_acd.switch import translate
from dialog_acd.testing import demo_directory

ROOT = Path(__file__).parents[2]
DIALPLANS = sorted((ROOT / "dialplans").glob("*.conf"))
TRANSLATE = Path(translate.__file__).read_text(encoding="utf-8")
TEXT = "\n".join(
    line for file in DIALPLANS for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith(";")
)
CONTEXTS = set(re.findall(r"^\[([a-z-]+)\]", TEXT, re.MULTILINE))

# Set and read by the dialplan alone.
DIALPLANS_OWN = {
    "ACD_AFTER", "ACD_AGI", "ACD_CODE", "ACD_DIALLED", "ACD_FAILSAFE_FOR", "ACD_FAILSAFE_GROUP",
    "ACD_FAILSAFE_NUMBER", "ACD_FAILSAFE_OPEN", "ACD_FAILSAFE_PARTNER", "ACD_FAILSAFE_RING", "ACD_FAILSAFE_RUNG",
    "ACD_FAILSAFE_TAKEN", "ACD_FAILSAFE_WAIT", "ACD_HEARTBEAT_MAX", "ACD_IN_FAILSAFE", "ACD_KEY", "ACD_NUMBER",
    "ACD_OPENS_HOUR", "ACD_PARTNER", "ACD_PHONE", "ACD_PRIVACY", "ACD_SAID", "ACD_STATE", "ACD_TARGET", "ACD_TICK",
    "ACD_WHY",
}  # fmt: skip


# Where a Redirect leads to, and so where another may find the caller.
ORDERED = (
    translate.WAIT, translate.SAY, translate.CALLBACK, translate.OFFER, translate.OVERFLOW, translate.CLOSED,
)  # fmt: skip


def lines_of(context: str) -> list[str]:
    return TEXT.split(f"\n[{context}]\n")[1].split("\n[")[0].splitlines()


def names(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, text))


def test_every_context_the_service_redirects_to_exists() -> None:
    assert set(ORDERED) <= CONTEXTS
    assert len({*ORDERED}) == len(re.findall(r"_redirect\(order.call, |CALLBACK if", TRANSLATE))


@pytest.mark.parametrize("context", ORDERED)
def test_no_order_leads_to_a_line_that_exists(context: str) -> None:
    """Where it does, an order that comes between two lines now and then hangs up on the caller."""
    lines = lines_of(context)
    led = [line for line in lines if re.match(r"exten => i,1,Goto(If)?\(.*(,100|enter,1)\)$", line)]
    lands = "exten => enter,1," if context == translate.WAIT else "exten => _[0-9a-z]!,100,"

    assert len(led) == 1
    assert [line for line in lines if line.startswith(lands)]
    assert not [line for line in lines if re.match(r"exten => (s|_[^,]*),1,", line)]
    assert context == translate.WAIT or "exten => h,1,NoOp()" in lines, "the pattern would match each hang-up"


def test_no_caller_is_lost_for_a_sound_that_is_missing() -> None:
    """Playback() goes on without it; Asterisk's words for numbers and times end the call."""
    said = [line for line in TEXT.splitlines() if re.search(r"\bSay[A-Z]\w+\(", line) and "ACD_TOWN_CODE" not in line]
    assert said
    assert all("TryExec(Say" in line for line in said)


@pytest.mark.parametrize("context", sorted(CONTEXTS))
def test_no_pattern_takes_a_hang_up_for_a_call(context: str) -> None:
    """Asterisk goes to ``h`` when somebody hangs up, and for each next line to whatever has one of that number."""
    lines = lines_of(context)
    patterns = [line for line in lines if re.match(r"exten => _(!|\[[^\]]*a-z[^\]]*\]!)", line)]
    if not patterns:
        return
    at = next((number for number, line in enumerate(lines) if line.startswith("exten => h,1,")), None)
    assert at is not None, "the pattern would match each hang-up"
    ends = "Hangup()" in lines[at] or (lines[at + 1].startswith(" same => n,Hangup()"))
    assert ends or all(",100," in pattern for pattern in patterns), "the pattern's second line would follow"


@pytest.mark.parametrize(
    ("context", "dialled"), [(translate.OFFER, "ACD_PHONE*ACD_OFFER"), (translate.OVERFLOW, "ACD_PARTNER*ACD_NUMBER")]
)
def test_who_talked_while_the_dialplan_was_reloaded_is_not_rung_again(context: str, dialled: str) -> None:
    """Dial() comes back to a line that is gone, and so to ``i``, as an order does: with what it has dialled already."""
    lines = lines_of(context)
    (led,) = [line for line in lines if line.startswith("exten => i,1,")]
    there = "${FILTER(0-9a-z-*,${INVALID_EXTEN})}"
    dial, over = ([number for number, line in enumerate(lines) if word in line] for word in ("n,Dial(", "(over),"))

    assert led.endswith(f"?{there},over:{there},100)")
    assert re.sub(r"[${}]", "", led.split(" = ")[1].split('"]')[0]).endswith(dialled)
    assert len(over) == 1
    assert dial < over, "the line that tells the result, behind Dial()"
    assert set(lines[dial[0] + 1 : over[0]]) <= {" same => n,Goto(over)"}
    if context == translate.OFFER:
        assert lines[over[0]].startswith(" same => 111(over)"), "an older file had Dial() at 110"
    assert "UserEvent(" in lines[over[0]]


@pytest.mark.parametrize("context", ORDERED)
def test_where_an_order_may_find_a_caller_nothing_returns(context: str) -> None:
    """Return() forgets a Redirect that has come since it began; macros and While are made of such things."""
    assert not [line for line in lines_of(context) if re.search(r"\b(Gosub(If)?|Return|(End|Exit)?While)\(", line)]


def test_the_question_at_the_door_says_that_the_answer_may_be_an_offer() -> None:
    """By its third argument: the first two are a trunk's words, and a service from before that looks no further."""
    (asked,) = [line for line in lines_of(translate.ARRIVE) if "/arrive," in line]
    arguments = (
        re.sub(r"\$\{[^$]*\$\{[^}]*\}\)\}", "theirs", asked.partition("/arrive,")[2]).removesuffix(")").split(",")
    )

    assert arguments == ["theirs", "theirs", "offer"]
    assert translate.Interpreter().arrival({"uniqueid": "c", "channel": "PJSIP/t-1"}, arguments).takes_offer
    assert not translate.Interpreter().arrival({"uniqueid": "c", "channel": "PJSIP/t-1"}, arguments[:2]).takes_offer


def test_the_phone_in_the_answer_rings_where_an_order_would_ring_it() -> None:
    call, phone = CallId("acd-1700000000.1"), Phone("agent-01")
    order = m.Offer(call, OfferId("4711"), AgentId("anna"), phone, timedelta(seconds=20))
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    treat = m.Treat(
        call, m.Verdict.HOLD, queue=QueueId("q"), entered_at=now, max_wait_at=now, ring_for=order.ring_for, offer=order
    )
    interpreter = translate.Interpreter()
    interpreter.arrival({"uniqueid": call, "channel": "PJSIP/trunk-00000001"}, ())
    verdict = interpreter.variables(treat)["ACD_VERDICT"]
    (action,) = interpreter.actions(order, None)

    lines = lines_of(translate.ARRIVE)
    (rings,) = [number for number, line in enumerate(lines) if "ACD_VERDICT:0" in line]
    how = re.fullmatch(
        r' same => n,GotoIf\(\$\["\$\{ACD_VERDICT:0:(\d+)\}" = "([a-z]+:)"\]'
        r"\?([a-z-]+),\$\{FILTER\(([^,]+),\$\{ACD_VERDICT:(\d+)\}\)\},100\)",
        lines[rings],
    )
    assert how is not None, lines[rings]
    prefix, extension = verdict[: int(how[1])], verdict[int(how[5]) :]
    assert prefix == how[2]
    assert re.fullmatch(f"[{how[4]}]+", extension), "a filter would make another phone of it"
    assert (how[3], extension) == (action["Context"], action["Exten"])
    (asked,) = [number for number, line in enumerate(lines) if "n,AGI(" in line]
    assert asked < rings < min(n for n, line in enumerate(lines) if '"${ACD_VERDICT}" = ' in line)


def test_who_asks_again_has_forgotten_the_answer_of_before() -> None:
    """Where nobody answered this time, a phone of then would ring."""
    lines = lines_of(translate.ARRIVE)
    (again,) = [line for line in lines if "ACD_VERDICT=" in line]
    way = lines[: next(number for number, line in enumerate(lines) if "n,AGI(" in line)]

    assert again in way
    assert re.search(r"MSet\(.*\bACD_VERDICT=(,|\))", again)
    assert [line for line in way if re.search(r'GotoIf\(\$\["\$\{ACD_CALL\}" = ""\]\?new\)', line)], (
        "unless they are new"
    )


def test_every_way_leads_to_a_line_that_exists() -> None:
    """Asterisk says nothing of a Goto to nowhere, and hangs up."""
    entered = set(re.findall(r"(?:Goto\(|[?:])(acd-[a-z-]+),([^,()]+),(\d+)\)", TEXT))

    assert {(context, priority) for context, _, priority in entered if context in ORDERED} == {
        (translate.WAIT, "1"),
        (translate.CLOSED, "100"),
    }
    assert {exten for context, exten, _ in entered if context == translate.WAIT} == {"enter"}


def test_every_context_a_picture_is_read_by_exists() -> None:
    known = {translate.IN, translate.ARRIVE, translate.FAILSAFE, translate.HANDED_ON, *translate._PLACES}

    assert known <= CONTEXTS


def test_every_context_a_caller_can_be_in_has_a_place_in_a_picture() -> None:
    visited = {context for context in CONTEXTS if re.search(rf"\[{context}\][^\[]*ACD_STATE=", TEXT)}

    assert visited <= {translate.OFFER, translate.OVERFLOW, *translate._PLACES}


def test_dialplan_jumps_only_to_contexts_that_exist() -> None:
    targets = names(r"(?:Goto|Gosub|U)\((acd-[a-z-]+)", TEXT) | names(r"\?(acd-[a-z-]+),", TEXT)

    assert targets <= CONTEXTS


def test_variables_the_service_sets_are_used_by_the_dialplan() -> None:
    said = names(r'"_?(ACD_[A-Z_]+)"', TRANSLATE)

    assert said - names(r"\b(ACD_[A-Z_]+)", TEXT) == set()


def test_variables_the_dialplan_waits_for_come_from_the_service() -> None:
    used = names(r"\$\{(ACD_[A-Z_]+)", TEXT)

    assert used - DIALPLANS_OWN - names(r'"_?(ACD_[A-Z_]+)"', TRANSLATE) == set()


def test_each_fact_told_is_understood_and_each_understood_fact_is_told() -> None:
    assert names(r"UserEvent\((Acd[A-Za-z]+)", TEXT) == names(r'"(Acd[A-Z][A-Za-z]+)"', TRANSLATE)


def test_facts_carry_the_headers_the_service_reads() -> None:
    told = names(r"[(,]([A-Z][A-Za-z]+): ", TEXT)
    body = TRANSLATE.split("def _told")[1].split("def _hung_up")[0]

    # And what Asterisk itself says of the channel.
    assert names(r'_text\(message, "([A-Za-z]+)"\)', body) - {"UserEvent", "Channel", "Uniqueid"} <= told


def test_every_code_an_agent_can_dial_is_understood() -> None:
    words = names(r"Goto\(acd-agent-code,([a-z-]+),1\)", TEXT)
    directory = demo_directory(["anna"])

    assert words == {"sign-in", "sign-out", "ready", "not-ready", "town"}
    assert all(translate.Interpreter().intention((word, "phone-anna"), directory) for word in words)


def test_what_an_agent_dials_behind_a_code_is_handed_on_whole() -> None:
    """Cut short, or without its stars, it would be another town's code."""
    assert "Set(ACD_CODE=${FILTER(0-9*#,${EXTEN:3})})" in TEXT
    assert "${FILTER(0-9*#,${ACD_CODE})})" in TEXT.split("[acd-agent-code]")[1].split("\n[")[0]


@pytest.mark.parametrize("file", DIALPLANS, ids=lambda file: str(file.name))
def test_what_a_caller_sent_is_used_only_through_a_filter(file: Path) -> None:
    """A comma in a UserEvent adds a header; an ampersand in Dial adds a destination; a quote ends an expression."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(";"):
            continue
        for hostile in ("${EXTEN", "${INVALID_EXTEN", "${CALLERID", "${ACD_DIALLED", "call-id)", "${PJSIP_HEADER"):
            for place in re.finditer(re.escape(hostile), line):
                before = line[: place.start()]
                harmless = (
                    line[place.end() :].startswith("(pres)")  # Asterisk's own word
                    or re.search(r"FILTER\([^,$]*,$", before)
                    or re.search(r"FILTER\([^()]*,\$\{CHANNEL\(pjsip,$", before)
                    # A numeric pattern has already checked every character.
                    or re.match(r"exten => (_[0-9+\[\]X!]+|115),", line)
                )
                assert harmless, line


def test_a_filter_lets_through_what_it_names() -> None:
    """A hyphen behind a single character begins a range, also where nothing follows: it must stand behind a range."""
    for allowed in names(r"FILTER\(([^,$]+),", TEXT):
        rest = re.sub(r"[0-9A-Za-z]-[0-9A-Za-z]", "", allowed)
        assert "-" not in rest[1:], allowed


def test_callers_numbers_are_cleaned_before_anything_is_told_of_the_channel() -> None:
    """A number may hold line breaks (%0d%0a in SIP), and AMI and AGI send them on as they are."""
    first = TEXT.split("[acd-in]")[1].split("\n[")[0].strip().splitlines()

    assert re.findall(r"Set\((.+?)=\$\{FILTER", "\n".join(first)) == [
        "CALLERID(num)",
        "CALLERID(dnid)",
        "REDIRECTING(from-num,i)",
        "ACD_DIALLED",
    ]
    assert not re.search(r"UserEvent|AGI\(", "\n".join(first))


def test_a_private_number_is_erased_before_anybody_is_asked_or_told() -> None:
    first = TEXT.split("[acd-in]")[1].split("\n[")[0]
    erased = first.index("Set(CALLERID(all)=)")

    assert first.index("PJSIP_HEADER(read,Privacy)") < erased < first.index("Goto(acd-arrive")


def test_neither_recording_nor_listening_in_can_be_reached() -> None:
    assert names(r"\b(MixMonitor|Monitor|ChanSpy|ExtenSpy|Record)\(", TEXT) == set()


def test_heartbeat_is_no_global_of_the_configuration() -> None:
    """A dialplan reload sets [globals] anew; the heartbeat would be gone and every waiting caller in failsafe."""
    for file in (*DIALPLANS, *(ROOT / "asterisk" / "etc").glob("*.conf")):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^\s*ACD_HEARTBEAT\s*=", text, re.MULTILINE), file


def test_every_prompt_that_can_be_played_lies_in_the_tree() -> None:
    sounds = ROOT / "dialplans" / "sounds"
    lines = (sounds / "texts-de.txt").read_text("utf-8").splitlines()
    texts = dict(line.split("\t", 1) for line in lines if "\t" in line)
    played = names(r"Playback\(acd/([a-z0-9-]+)\)", TEXT) | names(r"ACD_ANSWER=([a-z-]+)", TEXT)
    played |= {"signed-in", "signed-out", "ready", "not-ready", "not-an-agent", "not-possible", "town-noted"}
    played |= set(translate._REFUSALS.values())

    assert played <= set(texts)
    for name in texts:
        assert (sounds / "de" / "acd" / f"{name}.alaw").stat().st_size > 4000, f"{name} is shorter than half a second"


def test_local_variables_live_only_inside_a_gosub() -> None:
    """Outside of one, Set(LOCAL(x)=...) sets nothing and says nothing."""
    called = names(r"Gosub\((acd-[a-z-]+)", TEXT)
    using = {context for context in CONTEXTS if re.search(rf"\[{context}\]\n[^\[]*?Set\(LOCAL\(", TEXT)}

    assert using <= called
