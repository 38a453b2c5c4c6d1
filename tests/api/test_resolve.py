"""What would happen to a call, asked of the running service: the command line's answers, and a town's own alone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dialog_acd.api.tokens import Role
from dialog_acd.core import inquiry
from dialog_acd.core.model import EntryKind, TenantId
from dialog_acd.store.directory_file import read_directory
from dialog_acd.testing import demo_agent, demo_directory
from directories import COUNTY
from large import large_directory

from .conftest import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

    from shell import Shell

    from .conftest import Centre, Drawer

URL = "/api/v1/resolve"
FRIDAY = datetime(2026, 3, 6, 10, tzinfo=UTC)


@pytest.fixture
def county(tmp_path: Path) -> Path:
    """With a prompt of each kind, and one entry that is still to come."""
    later = COUNTY.replace('number = "4711"', 'number = "4711"\nactive_from = 2026-07-01\ngreeting = "acd/it"')
    file = tmp_path / "harburg.toml"
    file.write_text(later.replace('kind = "115"\n', 'kind = "115"\nannouncement = "acd/eins-eins-fuenf"\n'))
    return file


QUESTIONS: list[dict[str, str]] = [
    {"called": called, "at": at, **more}
    for called in ("115", "04171 693-0", "+49 4171 693-22", "0999 1", "112", "4711", "kein Anschluss", "ä" * 100)
    for at in ("2026-03-06T10:00", "2026-03-06T15:30", "2026-12-24T13:00:30.5+01:00", "2026-07-01")
    for more in ({}, {"caller": ""}, {"caller": "04171 55501", "diversion": "04171 693-1", "trunk": "pbx"})
]


@pytest.mark.parametrize("why", [False, True])
def test_the_service_and_the_command_line_give_one_answer(
    *, shell: Shell, api: FastAPI, centre: Centre, county: Path, why: bool
) -> None:
    centre.towns = read_directory(county)
    told = []
    for question in QUESTIONS:
        words = [f"--{name}={value}" for name, value in question.items()]
        status, out, _ = shell.run("route", "--directory", str(county), "--json", *words, *["--why"] * why)
        assert status == 0
        told.append(json.loads(out))

    async def asked() -> list[Any]:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://acd.test")
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        async with client:
            return [(await client.get(URL, params=question | {"why": str(why)})).json() for question in QUESTIONS]

    assert asyncio.run(asked()) == told
    assert ("agents" in told[0]["steps"][0]) is why


async def test_the_prompts_and_the_hours_are_told(operator: httpx.AsyncClient, centre: Centre, county: Path) -> None:
    centre.towns = read_directory(county)
    told = (await operator.get(URL, params={"called": "4711", "at": "2026-07-01T08:00"})).json()
    assert (told["greeting"], told["announcement"], told["closing_prompt"]) == ("acd/it", None, "acd/it-closed")
    assert (told["open"], told["closes_at"], told["opens_at"]) == (True, "2026-07-01T18:00:00+02:00", None)
    assert told["verdict"] == "wait"


async def test_without_a_time_it_is_the_services_now(operator: httpx.AsyncClient) -> None:
    assert (await operator.get(URL, params={"called": "115"})).json()["at"] == "2026-03-02T12:00:00+01:00"


async def test_the_directory_in_force_is_asked(operator: httpx.AsyncClient, centre: Centre) -> None:
    assert (await operator.get(URL, params={"called": "115"})).json()["tenant"] == "hannover"
    region = [replace(e, tenant=TenantId("region")) if e.number == "115" else e for e in centre.towns.entries]
    centre.towns = replace(centre.towns, entries=tuple(region))
    assert (await operator.get(URL, params={"called": "115"})).json()["tenant"] == "region"


async def test_a_plus_written_as_people_write_it_in_an_address_is_a_plus(operator: httpx.AsyncClient) -> None:
    rightly = (await operator.get(f"{URL}?called=%2B4951173070&caller=%2B493012345&at=2026-03-06T10:00%2B01:00")).json()
    assert rightly["number"] == "+4951173070"
    carelessly = (await operator.get(f"{URL}?called=+4951173070&caller=+493012345&at=2026-03-06T10:00+01:00")).json()
    assert {**carelessly, "called": ""} == {**rightly, "called": ""}
    seconds = f"{URL}?called=115&at=2026-03-06T10:00:00.5+01:00"
    assert (await operator.get(seconds)).json()["at"] == "2026-03-06T10:00:00+01:00"
    blank = f"{URL}?called=115&at=2026-03-06 10:00"
    assert (await operator.get(blank)).json()["at"] == "2026-03-06T10:00:00+01:00"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("tomorrow", "'tomorrow' is not a time; write it as 2026-10-30T15:30."),
        ("1999-12-31T10:00", "'1999-12-31T10:00' lies outside the years 2000 to 2099."),
        ("2026-03-29T02:30", "'2026-03-29T02:30' does not exist in Berlin: that night the clocks are set forward."),
    ],
)
async def test_a_time_that_is_none(operator: httpx.AsyncClient, at: str, said: str) -> None:
    answer = await operator.get(URL, params={"called": "115", "at": at})
    assert (answer.status_code, answer.json()["error_id"], answer.json()["message"]) == (422, "no-such-moment", said)


async def test_a_trunk_that_is_not_there(operator: httpx.AsyncClient) -> None:
    answer = await operator.get(URL, params={"called": "115", "trunk": "tronk"})
    assert (answer.status_code, answer.json()["error_id"]) == (404, "no-such-trunk")
    assert answer.json()["message"] == "there is no trunk 'tronk'; there are: trunk."


@pytest.mark.parametrize(
    "query",
    ["", "called=", "called=%20%20", "called=1%0A2", "called=1%00", f"called={'1' * 101}", "called=1&why=perhaps",
     f"called=1&caller={'1' * 101}", "called=1&caller=%0A", "called=1&diversion=%00", f"called=1&at={'2' * 41}"],
)  # fmt: skip
async def test_an_odd_question_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    answer = await operator.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["error_id"]) == (422, "not-valid")


# ---------------------------------------------------------------- one town


@pytest.fixture
def town(stranger: httpx.AsyncClient, drawer: Drawer) -> httpx.AsyncClient:
    drawer.give("acd_langenhagens-own-token", Role.TOWN_ADMIN, "langenhagen")
    stranger.headers["Authorization"] = "Bearer acd_langenhagens-own-token"
    return stranger


async def test_a_town_asks_about_its_own_number(town: httpx.AsyncClient) -> None:
    told = (await town.get(URL, params={"called": "0511 7307-9101"})).json()
    assert (told["tenant"], told["queue"], told["steps"][0]["able"]) == ("langenhagen", "langenhagen", 3)


async def test_a_number_that_towns_share_is_each_ones_own_and_no_others(
    town: httpx.AsyncClient, centre: Centre, drawer: Drawer
) -> None:
    shared = TenantId("langenhagen"), TenantId("region")
    entries = [replace(e, candidates=shared) if e.number == "115" else e for e in centre.towns.entries]
    centre.towns = replace(centre.towns, entries=tuple(entries))
    drawer.give("acd_hannovers-own-token", Role.TOWN_ADMIN, "hannover")
    asked = {"called": "115"}
    for token in (TOKEN, "acd_langenhagens-own-token"):
        told = (await town.get(URL, params=asked, headers={"Authorization": f"Bearer {token}"})).json()
        assert (told["tenant"], told["candidates"]) == ("unassigned", ["langenhagen", "region"])
    answer = await town.get(URL, params=asked, headers={"Authorization": "Bearer acd_hannovers-own-token"})
    assert answer.json()["error_id"] == "not-your-number"


async def test_who_sits_in_the_centre_is_counted_and_not_named(town: httpx.AsyncClient, centre: Centre) -> None:
    cem = replace(demo_agent("cem", {"115": 1}), home=TenantId("langenhagen"))
    centre.towns = replace(centre.towns, agents=(*centre.towns.agents[:2], cem, demo_agent("dora", {"115": 1})))
    step = (await town.get(URL, params={"called": "0511 7307-9101", "why": True})).json()["steps"][0]
    assert (step["able"], step["agents"], step["others"]) == (2, ["anna"], {"cem": "no citizens>=1"})


async def test_another_towns_number_and_one_that_nobody_owns_are_the_same_to_it(
    town: httpx.AsyncClient, centre: Centre
) -> None:
    hannover = next(e for e in centre.towns.entries if e.tenant == "hannover" and e.block)
    coming = replace(hannover, number="+49511999", active_from=date(2027, 1, 1))
    centre.towns = replace(centre.towns, entries=(*centre.towns.entries, coming))
    answers = {
        number: await town.get(URL, params={"called": number, "why": True})
        for number in ("0511 168-0", "0511 999-0", "0511 4711", "115", "112", "anonymous", "büro")
    }
    for number, answer in answers.items():
        assert (answer.status_code, answer.json()["error_id"]) == (404, "not-your-number")
        assert answer.text.replace(number, "") == answers["112"].text.replace("112", "")


async def test_its_number_is_its_own_before_it_goes_live_and_not_after_it_has_left(
    town: httpx.AsyncClient, centre: Centre
) -> None:
    own = next(e for e in centre.towns.entries if e.tenant == "langenhagen")
    coming = replace(own, number="+49511999", active_from=date(2026, 7, 1), active_to=date(2026, 12, 31))
    theirs = replace(coming, tenant=TenantId("hannover"), active_from=date(2027, 1, 1), active_to=None)
    centre.towns = replace(centre.towns, entries=(*centre.towns.entries, coming, theirs))

    async def asked(at: str) -> Any:
        return (await town.get(URL, params={"called": "0511 999-0", "at": at})).json()

    before = await asked("2026-06-30T23:59")
    assert (before["kind"], before["dormant"]["tenant"], before["dormant"]["awaited"]) == (
        EntryKind.CATCH_ALL,
        "langenhagen",
        True,
    )
    assert (await asked("2026-07-01"))["tenant"] == "langenhagen"
    assert (await asked("2027-01-01"))["error_id"] == "not-your-number"


async def test_of_others_it_learns_nothing_by_the_way(town: httpx.AsyncClient, centre: Centre) -> None:
    """Neither whose number forwarded, nor who calls from a number of ours, nor whose number it once was."""
    centre.towns = replace(
        demo_directory(ladder=("all busy: callback",)),
        entries=(
            *centre.towns.entries,
            replace(centre.towns.entries[1], number="+4951173079", active_to=date(2026, 1, 1)),
        ),
    )
    asked = {"called": "0511 7307-9101", "at": FRIDAY.isoformat(), "diversion": "0511 168-0"}
    told = (await town.get(URL, params=asked | {"caller": "0511 168-0"})).json()
    unknown = (await town.get(URL, params=asked | {"caller": "0511 4711"})).json()
    assert (told["tenant"], told["diversion"], told["diversion_tenant"]) == ("langenhagen", "+495111680", None)
    assert told["ladder"] == unknown["ladder"] == [
        {"rung": "all busy: callback", "at_arrival": True, "why": "all busy"}
    ]  # fmt: skip
    assert told["dormant"] is None
    own = (await town.get(URL, params=asked | {"caller": "0511 7307-0", "diversion": "0511 7307-1"})).json()
    assert own["ladder"][0]["why"] == "this caller cannot be called back"
    assert own["diversion_tenant"] == "langenhagen"


async def test_a_town_is_not_told_which_trunks_there_are(town: httpx.AsyncClient) -> None:
    answer = await town.get(URL, params={"called": "0511 7307-0", "trunk": "tronk"})
    assert answer.json()["message"] == "There is no trunk of this name."


# ---------------------------------------------------------------- large


async def test_only_who_asks_why_has_a_sentence_made_for_everybody(
    operator: httpx.AsyncClient, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes time in a large centre is counted, not timed."""
    centre.towns = large_directory(50, 200, 500)
    said: list[object] = []

    def why_not(*asked: object) -> str:
        said.append(asked)
        return "no"

    monkeypatch.setattr(inquiry, "_why_not", why_not)
    asked = {"called": "0511 1007-01"}
    steps = (await operator.get(URL, params=asked)).json()["steps"]
    assert (steps[-1]["able"], said) == (500, [])
    steps = (await operator.get(URL, params=asked | {"why": True})).json()["steps"]
    assert len(said) == sum(len(step["others"]) for step in steps) == 1500 - sum(step["able"] for step in steps)
