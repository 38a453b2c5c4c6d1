"""``dialog-acd route``: an operator asks what would happen to a call, and no call is needed for it.

A small county by Harburg's hours, in a file: neither a database nor a switch has to be there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from directories import COUNTY

if TYPE_CHECKING:
    from shell import Shell


class Operator:
    """Somebody with a directory file, who asks."""

    def __init__(self, shell: Shell) -> None:
        self.file = shell.folder / "harburg.toml"
        self.file.write_text(COUNTY)
        self._shell = shell

    def runs(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        return self._shell.run("route", "--directory", str(self.file), *arguments)

    def reads(self, called: str, at: str, *more: str) -> list[str]:
        status, out, err = self.runs(f"--called={called}", "--at", at, *more)
        assert (status, err) == (0, "")
        return out.splitlines()

    def json(self, called: str, at: str, *more: str) -> Any:
        (line,) = self.reads(called, at, "--json", *more)
        return json.loads(line)

    def is_refused(self, *arguments: str) -> str:
        return self._shell.refuses("route", "--directory", str(self.file), *arguments)


@pytest.fixture
def operator(shell: Shell) -> Operator:
    return Operator(shell)


# ---------------------------------------------------------------- read by people


def test_friday_afternoon_at_the_main_number(operator: Operator) -> None:
    assert operator.reads("04171 693-0", "2026-03-06T15:00") == [
        "number    +4941716930 (e164), found by block +494171693",
        "tenant    Landkreis Harburg",
        "entry     main-number",
        "at        Fri 06.03.2026 15:00:00: closed by hours",
        "opens     Mon 09.03.2026 07:00",
        "verdict   closed",
        "queue     Servicezentrum, priority 2",
        "  from 0 s: harburg>=4  (1 agent can)",
        "  from 20 s: harburg>=2  (2 agents can)",
        "  from 40.5 s: any  (2 agents can)",
        "ladder",
        "  closed by hours for 115, internal: partner oldenburg",
        "  queue length 4: widen 1",
        "  waited 60 s: partner oldenburg",
        "  all busy: queue dispatch",
        "closed    acd/closed is played",
        "failsafe  standard",
    ]


def test_friday_afternoon_at_115(operator: Operator) -> None:
    read = operator.reads("115", "2026-03-06T15:30")
    assert "verdict   partner" in read
    assert not [line for line in read if line.startswith("assuming")], "who is busy does not matter"
    assert "  closed by hours for 115, internal: partner oldenburg  <- closed by hours" in read


def test_which_town_a_shared_number_is_for_the_agent_says(operator: Operator) -> None:
    two = COUNTY.replace(
        "[[tenants]]", '[[tenants]]\nid = "seevetal"\nname = "Seevetal"\nlabel = "Seevetal"\n\n[[tenants]]', 1
    )
    shared = two.replace('kind = "115"\nfailsafe', 'kind = "115"\ncandidates = ["harburg", "seevetal"]\nfailsafe')
    operator.file.write_text(shared)
    at = "2026-03-06T10:00"
    assert "tenant    to be named by the agent: Landkreis Harburg or Seevetal" in operator.reads("115", at)
    said = operator.json("115", at)
    assert (said["tenant"], said["candidates"]) == ("unassigned", ["harburg", "seevetal"])
    assert (operator.json("04171 693-0", at)["tenant"], operator.json("04171 693-0", at)["candidates"]) == (
        "harburg",
        [],
    )


def test_friday_a_second_before_three(operator: Operator) -> None:
    read = operator.reads("115", "2026-03-06T14:59:59")
    assert "at        Fri 06.03.2026 14:59:59: open" in read
    assert "closes    Fri 06.03.2026 15:00" in read
    assert "verdict   an agent who is free answers at once; if all are busy: wait" in read
    assert [line for line in read if line.startswith("assuming  everybody in the directory is signed in and busy, ")]


def test_on_a_special_day_its_name_is_read(operator: Operator) -> None:
    assert "at        Tue 12.05.2026 10:00:00: closed by day (Betriebsausflug)" in operator.reads(
        "115", "2026-05-12T10:00"
    )


def test_why_names_everybody(operator: Operator) -> None:
    read = operator.reads("04171 693-0", "2026-03-06T10:00", "--why")
    first = read.index("  from 0 s: harburg>=4  (1 agent can)")
    assert read[first + 1 : first + 4] == [
        "      Anna",
        "      not Bert: has harburg at 2, not 4",
        "      not Dora: keeps to dispatch",
    ]
    assert "  closed by hours for 115, internal: partner oldenburg  (not for main-number)" in read
    assert "  waited 60 s: partner oldenburg  (after 60 s)" in read
    assert "  queue length 4: widen 1  (when 4 callers wait already)" in read


def test_without_why_nobody_is_named(operator: Operator) -> None:
    assert not [line for line in operator.reads("04171 693-0", "2026-03-06T10:00") if "Bert" in line or "not" in line]


def test_a_queue_without_a_ladder_says_so(operator: Operator) -> None:
    read = operator.reads("0999 1", "2026-03-08T03:00")
    assert "ladder    none" in read
    assert "at        Sun 08.03.2026 03:00:00: always open: the number has no calendar" in read


def test_the_caller_is_read_as_the_trunk_writes_it(operator: Operator) -> None:
    at = "2026-03-06T10:00"
    assert "caller    +49417155501" in operator.reads("115", at, "--caller", "04171 55501")
    assert "caller    +49417155501" in operator.reads("115", at, "--caller", "55501", "--trunk", "pbx")
    assert not [line for line in operator.reads("115", at) if line.startswith("caller")]


def test_a_number_nobody_owns_is_said_in_a_sentence(operator: Operator) -> None:
    at = "2026-03-06T10:00"
    assert (
        operator.reads("0999 1", at)[0]
        == "number    +499991 (e164), nobody owns this number, the catch-all takes the call"
    )
    assert operator.reads("büro", at)[0] == (
        "number    büro, it is not one number as trunk trunk writes them (national), the catch-all takes the call"
    )
    assert operator.reads("115", at)[0] == "number    115 (dialled in area 4171), found by number 115"


def test_a_centre_without_agents_is_not_said_to_be_busy(operator: Operator) -> None:
    ladder = COUNTY.replace("all busy: queue dispatch", "nobody signed in: partner oldenburg")
    operator.file.write_text(ladder[: ladder.index("[[agents]]")])
    read = operator.reads("04171 693-0", "2026-03-06T10:00")
    assert "verdict   no agent in the directory can answer: partner" in read
    assert "  nobody signed in: partner oldenburg  <- nobody signed in" in read
    operator.file.write_text(ladder)
    read = operator.reads("04171 693-0", "2026-03-06T10:00", "--why")
    assert "  nobody signed in: partner oldenburg  (when nobody signed in can answer)" in read


def test_a_callback_is_offered_to_who_can_be_called_back(operator: Operator) -> None:
    operator.file.write_text(COUNTY.replace("waited 60 s: partner oldenburg", "all busy: callback"))
    at, rung = "2026-03-06T10:00", "  all busy: callback"
    offered = "verdict   an agent who is free answers at once; if all are busy: a callback is offered, then wait"
    for known in ((), ("--caller", "04171 55501")):
        read = operator.reads("115", at, *known)
        assert offered in read
        assert f"{rung}  <- all busy" in read
    for unknown in ("anonymous", "", "04171 693-0"):  # the last is our own switchboard
        read = operator.reads("115", at, "--caller", unknown, "--why")
        assert f"{rung}  (this caller cannot be called back)" in read
        assert offered not in read


def test_closed_with_a_callback_says_both(operator: Operator) -> None:
    operator.file.write_text(
        COUNTY.replace("closed by hours for 115, internal: partner oldenburg", "closed by hours: callback")
    )
    read = operator.reads("115", "2026-03-06T15:30")
    assert "verdict   a callback is offered, then closed" in read
    assert operator.json("115", "2026-03-06T15:30")["verdict"] == "closed"


def test_help_says_what_is_not_looked_at(shell: Shell) -> None:
    _, out, _ = shell.run("route", "--help")
    assert "what a supervisor has switched is not known here" in " ".join(out.split())


def test_where_115_was_dialled_is_told_where_the_trunk_tells(operator: Operator) -> None:
    at = "2026-03-06T10:00"
    assert operator.reads("115", at)[0] == "number    115 (dialled in area 4171), found by number 115"
    assert operator.reads("0511115", at)[0] == "number    115 (dialled in area 511), found by number 115"
    assert operator.reads("+49115", at)[0] == "number    115, found by number 115"


def test_who_forwarded_is_told_and_decides_nothing(operator: Operator) -> None:
    at = "2026-03-06T10:00"
    plainly = operator.reads("115", at)
    for diversion, said in (
        ("+49 4171 693-22", "diverted  +49417169322 (Landkreis Harburg)"),
        ("04105 55-0", "diverted  +494105550 (nobody owns this number)"),
        ("anonymous", "diverted  anonymous (nobody owns this number)"),
    ):
        assert operator.reads("115", at, "--diversion", diversion) == [plainly[0], said, *plainly[1:]]
    told = operator.json("115", at, "--diversion", "693-22", "--trunk", "pbx")
    assert (told["diversion"], told["diversion_tenant"]) == ("+49417169322", "harburg")
    assert operator.json("115", at, "--diversion", "04105 55-0")["diversion_tenant"] is None


@pytest.mark.parametrize("called", ["1680", "buergermeister"])
def test_a_number_that_is_none_says_how_its_trunk_writes_numbers(operator: Operator, called: str) -> None:
    first = operator.reads(called, "2026-03-06T10:00")[0]
    unreadable = "it is not one number as trunk trunk writes them (national)"
    assert first == f"number    {called}, {unreadable}, the catch-all takes the call"


# ---------------------------------------------------------------- read by programs


def test_json_says_all_there_is(operator: Operator) -> None:
    told = operator.json("115", "2026-03-06T15:30", "--caller", "04171 55501")
    assert told.pop("reason").startswith("closed by hours")
    assert told == {
        "called": "115",
        "number": "115",
        "origin": "4171",
        "caller": "+49417155501",
        "diversion": None,
        "diversion_tenant": None,
        "at": "2026-03-06T15:30:00+01:00",
        "kind": "115",
        "tenant": "harburg",
        "candidates": [],
        "entry": "115",
        "found_by": "number 115",
        "active_from": None,
        "active_to": None,
        "dormant": None,
        "queue": "service",
        "priority": 2,
        "open": False,
        "closes_at": None,
        "opens_at": "2026-03-09T07:00:00+01:00",
        "verdict": "partner",
        "in_words": "partner",
        "greeting": None,
        "announcement": None,
        "closing_prompt": "acd/closed",
        "assuming": "everybody in the directory is signed in and busy, no caller waits yet, no supervisor has switched",
        "steps": [
            {"step": "from 0 s: harburg>=4", "able": 1},
            {"step": "from 20 s: harburg>=2", "able": 2},
            {"step": "from 40.5 s: any", "able": 2},
        ],
        "ladder": [
            {
                "rung": "closed by hours for 115, internal: partner oldenburg",
                "at_arrival": True,
                "why": "closed by hours",
            },
            {"rung": "queue length 4: widen 1", "at_arrival": False, "why": "when 4 callers wait already"},
            {"rung": "waited 60 s: partner oldenburg", "at_arrival": False, "why": "after 60 s"},
            {"rung": "all busy: queue dispatch", "at_arrival": False, "why": "closed by hours"},
        ],
        "failsafe": "standard",
    }


@pytest.mark.parametrize("called", ["115", "04171 693-0", "0999 1", "112", "kein Anschluss", "ä" * 300])
def test_json_has_the_same_keys_for_every_number(operator: Operator, called: str) -> None:
    told = operator.json(called, "2026-03-06T10:00")
    keys = {"called", "kind", "tenant", "entry", "queue", "open", "reason", "steps", "ladder"}
    assert keys <= told.keys()
    assert told.keys() == operator.json("115", "2026-03-06T10:00").keys()
    assert told["called"] == called


def test_json_with_why_names_everybody(operator: Operator) -> None:
    assert operator.json("115", "2026-03-06T10:00", "--why")["steps"][0] == {
        "step": "from 0 s: harburg>=4",
        "able": 1,
        "agents": ["anna"],
        "others": {"bert": "has harburg at 2, not 4", "dora": "keeps to dispatch"},
    }


@pytest.mark.parametrize(
    ("at", "read"),
    [
        ("2026-07-03T10:00", "2026-07-03T10:00:00+02:00"),
        ("2026-07-03T10:00Z", "2026-07-03T12:00:00+02:00"),
        ("2026-07-03T10:00-04:00", "2026-07-03T16:00:00+02:00"),
        ("2026-07-03", "2026-07-03T00:00:00+02:00"),
        ("2026-10-25T02:30", "2026-10-25T02:30:00+02:00"),  # there are two: the first
    ],
)
def test_a_time_without_a_zone_is_berlins(operator: Operator, at: str, read: str) -> None:
    assert operator.json("115", at)["at"] == read


def test_without_a_time_it_is_now(operator: Operator) -> None:
    status, out, _ = operator.runs("--called=115", "--json")
    assert status == 0
    assert json.loads(out)["at"] > "2025"


# ---------------------------------------------------------------- asked for a date


@pytest.fixture
def moving(operator: Operator) -> Operator:
    """The county's number is Salzhausen's for the year 2027; 04172 is to come; 115 was to the end of May."""
    town = '[[tenants]]\nid = "salzhausen"\nname = "Salzhausen"\nlabel = "SZ"\n'
    own, rest = COUNTY.split("[[entries]]\n", 1)[1].split("[[entries]]", 1)
    block, before = own.strip(), COUNTY.split("[[entries]]", 1)[0]
    theirs = block.replace('tenant = "harburg"', 'tenant = "salzhausen"')
    operator.file.write_text(
        before
        + town
        + f"[[entries]]\n{block}\nactive_to = 2026-12-31\n"
        + f"[[entries]]\n{theirs}\nactive_from = 2027-01-01\nactive_to = 2027-12-31\n"
        + f"[[entries]]\n{theirs.replace('+494171693', '+494172')}\nactive_from = 2026-07-01\n"
        + "[[entries]]"
        + rest.replace('number = "115"', 'number = "115"\nactive_to = 2026-05-31')
    )
    return operator


def test_a_number_changes_hands_between_two_seconds(moving: Operator) -> None:
    before = moving.reads("04171 693-0", "2026-12-31T23:59:59")
    assert before[1:4] == [
        "tenant    Landkreis Harburg",
        "entry     main-number",
        "active    to Thu 31.12.2026 24:00",
    ]
    after = moving.reads("04171 693-0", "2027-01-01T00:00")
    assert after[1:4] == [
        "tenant    Salzhausen",
        "entry     main-number",
        "active    from Fri 01.01.2027 00:00 to Fri 31.12.2027 24:00",
    ]


def test_a_number_that_is_not_yet_active_says_from_when_on(moving: Operator) -> None:
    read = moving.reads("04172 9099-0", "2026-06-30T23:59")
    assert read[0] == "number    +49417290990 (e164), nobody owns this number yet, the catch-all takes the call"
    assert "entry     catch-all" in read
    assert "not yet   +494172 of Salzhausen, from Wed 01.07.2026 00:00" in read
    assert "active    from Wed 01.07.2026 00:00" in moving.reads("04172 9099-0", "2026-07-01T00:00")


def test_a_number_that_is_over_says_since_when(moving: Operator) -> None:
    read = moving.reads("115", "2026-06-01T00:00")
    assert (
        read[0]
        == "number    115 (dialled in area 4171), nobody owns this number any more, the catch-all takes the call"
    )
    assert "no more   115 of Landkreis Harburg, to Sun 31.05.2026 24:00" in read


def test_programs_read_dates_as_dates(moving: Operator) -> None:
    told = moving.json("04171 693-0", "2027-12-31T23:59")
    assert (told["active_from"], told["active_to"], told["dormant"]) == ("2027-01-01", "2027-12-31", None)
    told = moving.json("04172 9099-0", "2026-06-30T23:59")
    assert (told["kind"], told["active_from"], told["active_to"]) == ("catch-all", None, None)
    assert told["dormant"] == {
        "entry": "+494172",
        "tenant": "salzhausen",
        "active_from": "2026-07-01",
        "active_to": None,
        "awaited": True,
    }


# ---------------------------------------------------------------- asked wrongly


@pytest.mark.parametrize("at", ["tomorrow", "2026-13-01T10:00", "2026-03-06T24:30", "15:00"])
def test_a_text_that_is_no_time(operator: Operator, at: str) -> None:
    assert operator.is_refused("--called=115", f"--at={at}") == (f"{at!r} is not a time; write it as 2026-10-30T15:30")


def test_an_empty_time_is_no_time(operator: Operator) -> None:
    """A script's variable was empty; the answer for now would be believed."""
    assert operator.is_refused("--called=115", "--at=") == "'' is not a time; write it as 2026-10-30T15:30"


def test_a_time_no_clock_in_berlin_ever_shows(operator: Operator) -> None:
    said = operator.is_refused("--called=115", "--at=2026-03-29T02:30")
    assert said == "'2026-03-29T02:30' does not exist in Berlin: that night the clocks are set forward"


@pytest.mark.parametrize("called", ["", " "])
def test_a_number_that_is_empty(operator: Operator, called: str) -> None:
    """A script's variable was empty; the way of the catch-all would be believed."""
    assert operator.is_refused(f"--called={called}") == (
        "--called is empty; write the number that was dialled, as 0511 7307-0 or 115"
    )


def test_a_trunk_nobody_knows(operator: Operator) -> None:
    assert operator.is_refused("--called=115", "--trunk", "fax") == "there is no trunk 'fax'; there are: trunk, pbx"


def test_a_directory_file_that_is_not_there(operator: Operator) -> None:
    operator.file.unlink()
    said = operator.is_refused("--called=115")
    assert str(operator.file) in said
    assert "No such file" in said


def test_a_ladder_that_leads_nowhere_is_refused_with_its_place(operator: Operator) -> None:
    operator.file.write_text(COUNTY.replace("waited 60 s: partner oldenburg", "waited 60 s: partner oldenbourg"))
    said = operator.is_refused("--called=115")
    assert "'oldenbourg', which does not exist, did you mean 'oldenburg'?" in said


def test_a_moment_at_the_end_of_time_is_refused_in_a_sentence(operator: Operator) -> None:
    assert "9999" in operator.is_refused("--called=115", "--at", "9999-12-31T23:59")
