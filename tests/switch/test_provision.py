"""What Asterisk must know is written in a language without quotes: nothing may leave the line it was put in."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.model import AgentId, FailsafeProfile, PartnerId, Phone, TeamId, Transport
from dialog_acd.store.directory_file import directory_from_plain
from dialog_acd.switch.provision import AGENTS, MARK, PARTNERS, QUEUES, Account, NotRenderable, phones, render, taken
from directories import COUNTY

DIRECTORY = directory_from_plain(tomllib.loads(COUNTY), Path("county.toml"))
OLDENBURG = DIRECTORY.partners[0]
PASSWORDS = {str(agent.phone): f"secret-of-{agent.phone}" for agent in DIRECTORY.agents}
Section = tuple[str, str, tuple[tuple[str, str], ...]]


def nobody(_name: str) -> bool:
    return False


def read(text: str) -> list[Section]:
    """As asterisk/main/config.c reads it: sections, each with its template, and what is said in them."""
    found: list[tuple[str, str, list[tuple[str, str]]]] = []
    for line in text.split("\n"):
        # The first semicolon without a backslash before it begins a comment; of the others the backslash goes.
        kept = re.split(r"(?<!\\);", line, maxsplit=1)[0].replace("\\;", ";").strip()
        if not kept:
            continue
        if kept.startswith("["):
            head = re.fullmatch(r"\[([^]]+)\]\(([^)]+)\)", kept)
            assert head, line
            found.append((head[1], head[2], []))
        else:
            key, equals, value = kept.partition("=")
            assert equals, line
            assert not kept.startswith("#")
            found[-1][2].append((key.strip(), value.strip()))
    return [(name, template, tuple(said)) for name, template, said in found]


def test_a_phone_has_endpoint_place_and_password_of_one_name() -> None:
    rendered = render(DIRECTORY, PASSWORDS, {}, nobody)
    sections = read(rendered.files[AGENTS])
    assert [s for s in sections if s[0] == "phone-anna"] == [
        ("phone-anna", "acd-phone", (("auth", "phone-anna"), ("aors", "phone-anna"))),
        ("phone-anna", "acd-phone-aor", ()),
        ("phone-anna", "acd-phone-auth", (("username", "phone-anna"), ("password", "secret-of-phone-anna"))),
    ]
    assert {name for name, _, _ in sections} == {*PASSWORDS, MARK}


def test_a_partner_is_reached_and_recognised_at_its_host() -> None:
    (section, aor, identify) = read(render(DIRECTORY, PASSWORDS, {}, nobody).files[PARTNERS])
    assert section == ("oldenburg", "acd-partner-tcp", (("aors", "oldenburg"), ("media_encryption", "no")))
    assert aor == ("oldenburg", "acd-partner-aor", (("contact", "sip:sip.oldenburg.example:5070;transport=tcp"),))
    said = ("endpoint", "oldenburg"), ("match", "sip.oldenburg.example")
    assert identify == ("oldenburg", "acd-partner-identify", said)


@pytest.mark.parametrize(
    ("host", "transport", "contact", "match"),
    [
        ("192.0.2.7", Transport.UDP, "sip:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:5070", Transport.UDP, "sip:192.0.2.7:5070", "192.0.2.7"),
        ("[2001:db8::7]", Transport.TLS, "sip:[2001:db8::7];transport=tls", "2001:db8::7"),
        ("[2001:db8::7]:5061", Transport.TLS, "sip:[2001:db8::7]:5061;transport=tls", "2001:db8::7"),
        ("sip.example", Transport.TLS, "sip:sip.example;transport=tls", "sip.example"),
    ],
)
def test_hosts_of_every_form(host: str, transport: Transport, contact: str, match: str) -> None:
    partner = replace(OLDENBURG, host=host, transport=transport, srtp=transport is Transport.TLS)
    directory = replace(DIRECTORY, partners=(partner,))
    endpoint, aor, identify = read(render(directory, PASSWORDS, {}, nobody).files[PARTNERS])
    assert endpoint[1] == f"acd-partner-{transport}"
    assert dict(endpoint[2])["media_encryption"] == ("sdes" if partner.srtp else "no")
    assert dict(aor[2]) == {"contact": contact}
    assert dict(identify[2])["match"] == match


def test_a_partner_without_a_host_is_the_sites_own() -> None:
    directory = replace(DIRECTORY, partners=(replace(OLDENBURG, host=None),))
    assert read(render(directory, PASSWORDS, {}, nobody).files[PARTNERS]) == []


def test_a_partner_that_asks_who_we_are_is_told() -> None:
    accounts = {"oldenburg": Account("langenhagen", "a;b \\; c")}
    endpoint, _, _, auth = read(render(DIRECTORY, PASSWORDS, accounts, nobody).files[PARTNERS])
    assert ("outbound_auth", "oldenburg") in endpoint[2]
    assert auth == ("oldenburg", "acd-partner-auth", (("username", "langenhagen"), ("password", "a;b \\; c")))


def test_a_group_rings_its_phones_and_those_of_its_team_once_each() -> None:
    (group,) = read(render(DIRECTORY, PASSWORDS, {}, nobody).files[QUEUES])
    assert group[:2] == ("acd-failsafe-all", "acd-failsafe")
    assert [value.split(",")[0] for _, value in group[2]] == [
        "PJSIP/front-desk",
        "PJSIP/phone-bert",
        "PJSIP/phone-anna",
    ]
    assert all(value == f"PJSIP/{(n := value[6:].split(',')[0])},0,{n},PJSIP/{n}" for _, value in group[2])


def test_a_group_of_several_profiles_is_written_once_and_one_of_none_not_at_all() -> None:
    (profile,) = DIRECTORY.failsafe_profiles
    named, same, by_hand = FailsafeProfile("b", "all"), replace(profile, name="c"), FailsafeProfile("d", "own")
    directory = replace(DIRECTORY, failsafe_profiles=(named, profile, same, by_hand))
    text = render(directory, PASSWORDS, {}, nobody).files[QUEUES]
    assert [name for name, _, _ in read(text)] == ["acd-failsafe-all"]
    assert text.count("member = ") == 3


def test_a_team_nobody_is_in_makes_no_group() -> None:
    """A group without phones would keep Asterisk from ringing the site's own."""
    (profile,) = DIRECTORY.failsafe_profiles
    team = replace(DIRECTORY.teams[0], id=TeamId("empty"))
    profiles = (replace(profile, phones=(), team=team.id),)
    directory = replace(DIRECTORY, teams=(*DIRECTORY.teams, team), failsafe_profiles=profiles)
    assert read(render(directory, PASSWORDS, {}, nobody).files[QUEUES]) == []


def test_what_is_set_up_by_hand_is_left_out() -> None:
    def by_hand(name: str) -> bool:
        return name in ("phone-anna", "oldenburg")

    assert phones(DIRECTORY, by_hand) == ["phone-bert", "phone-dora"]
    files = render(DIRECTORY, PASSWORDS, {}, by_hand).files
    assert "[phone-anna]" not in files[AGENTS]
    assert "[phone-bert]" in files[AGENTS]
    assert "oldenburg" not in files[PARTNERS]
    assert "PJSIP/phone-anna" in files[QUEUES], "it rings all the same"


def test_the_mark_tells_which_files_were_taken() -> None:
    before, after = (
        render(DIRECTORY, passwords, {}, nobody) for passwords in (PASSWORDS, {**PASSWORDS, "phone-anna": "x"})
    )
    said = before.files[AGENTS].partition("Nobody's")[2]
    assert taken(said, before.digest)
    assert not taken(said, after.digest)
    # Asterisk reads endpoints and passwords separately: one of the two may be old.
    assert not taken(said.replace(f"username = {before.digest[:16]}", "username = old"), before.digest)


def test_nobody_can_be_the_mark() -> None:
    """Its endpoint is found by an address alone, and has none."""
    ((_, template, said), (_, _, place), _) = [
        s for s in read(render(DIRECTORY, PASSWORDS, {}, nobody).files[AGENTS]) if s[0] == MARK
    ]
    assert template == "acd-phone", "a template that is missing is missed here"
    assert dict(said)["identify_by"] == "ip"
    assert dict(place) == {"max_contacts": "0"}
    assert f"endpoint = {MARK}" not in "".join(render(DIRECTORY, PASSWORDS, {}, nobody).files.values())


@pytest.mark.parametrize("what", ["phone", "partner"])
def test_the_marks_name_is_taken(what: str) -> None:
    agent = replace(DIRECTORY.agents[0], phone=Phone(MARK))
    directory = (
        replace(DIRECTORY, agents=(agent,))
        if what == "phone"
        else replace(DIRECTORY, partners=(*DIRECTORY.partners, replace(OLDENBURG, id=PartnerId(MARK))))
    )
    with pytest.raises(NotRenderable, match="acd-synced is the name"):
        render(directory, {**PASSWORDS, MARK: "x"}, {}, nobody)


HOSTILE = st.text(
    alphabet=st.one_of(st.sampled_from("\n\r;\\[]#=>()-\x85\u2028\x00 \t"), st.characters())
) | st.sampled_from(["a\n[evil](acd-phone)", "a;--b", "\\", "#exec rm", "a\r\n#include x", "\\\n;", "=> x"])


@given(name=HOSTILE, label=HOSTILE, username=HOSTILE, password=HOSTILE)
def test_no_value_adds_a_line_or_a_section(name: str, label: str, username: str, password: str) -> None:
    plain = render(DIRECTORY, PASSWORDS, {"oldenburg": Account("u", "p")}, nobody).files
    directory = replace(
        DIRECTORY,
        tenants=tuple(replace(t, name=name, label=label) for t in DIRECTORY.tenants),
        agents=tuple(replace(a, name=name) for a in DIRECTORY.agents),
        partners=tuple(replace(p, name=name) for p in DIRECTORY.partners),
    )
    files = render(directory, PASSWORDS, {"oldenburg": Account(username, password)}, nobody).files
    assert files[AGENTS].partition(MARK)[0] == plain[AGENTS].partition(MARK)[0], "names are nobody's business"
    assert files[QUEUES] == plain[QUEUES]
    assert files[PARTNERS].count("\n") == plain[PARTNERS].count("\n")
    assert files[PARTNERS].splitlines() == files[PARTNERS].split("\n")[:-1], "no other character ends a line, either"
    before, after = read(plain[PARTNERS]), read(files[PARTNERS])
    assert [(n, t, [k for k, _ in said]) for n, t, said in after] == [
        (n, t, [k for k, _ in said]) for n, t, said in before
    ]
    if password.isprintable() and password == password.strip():
        assert dict(after[-1][2])["password"] == password, "what can be said is said as it is"


@pytest.mark.parametrize("name", ["a b", "a]", "", "Ä", "a;b", "a\n"])
def test_a_name_that_could_not_stand_in_a_directory_is_refused_here_as_well(name: str) -> None:
    """Somebody might relax what a directory allows, and would not think of this."""
    agent = replace(DIRECTORY.agents[0], id=AgentId("x"))
    object.__setattr__(agent, "phone", name)
    directory = replace(DIRECTORY)
    object.__setattr__(directory, "agents", (agent,))
    with pytest.raises(NotRenderable):
        render(directory, {name: "x"}, {}, nobody)
