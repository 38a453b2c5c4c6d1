from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.api.tokens import Role
from dialog_acd.core.model import Statistics
from dialog_acd.core.records import Blame, Outcome, Result, field_names
from records import NOON, served

from .conftest import with_policy

if TYPE_CHECKING:
    import httpx

    from .conftest import Centre, Drawer, Folder, Shelf


async def test_a_call_is_told_in_full(operator: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.kept = [served("acd1-1.7")]
    told = (await operator.get("/api/v1/calls/acd1-1.7")).json()
    assert set(told) == {*field_names()} - {"target_ms", "caller_hash", "talk_ms", "wrap_ms"} | {
        "talk_seconds",
        "wrap_up_seconds",
        "target_seconds",
        "waited_seconds",
        "state",
        "timeline",
    }
    assert told["ani"] == "+4930230125001"
    assert told["t_in"] == "2026-03-02T11:58:47.723456Z"
    assert told["waited_seconds"] == 12.4
    assert told["t_leave"] is None
    assert told["outcome"] == {"result": "served", "reason": "talked", "blame": "nobody"}
    assert [(o["agent"], o["result"]) for o in told["offers"]] == [("anna", "no-answer"), ("bert", "answered")]


async def test_pages_lead_through_all_calls_once_also_where_two_came_together(
    operator: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.kept = [served(f"c{n}", ended=NOON + timedelta(seconds=n // 2)) for n in range(7)]
    pages: list[list[str]] = []
    params: dict[str, str | int] = {"limit": 3}
    while True:
        page = (await operator.get("/api/v1/calls", params=params)).json()
        pages.append([call["call"] for call in page["calls"]])
        if page["next"] is None:
            break
        params["before"] = page["next"]
    assert pages == [["c6", "c5", "c4"], ["c3", "c2", "c1"], ["c0"]]


async def test_a_full_last_page_promises_no_further_one(operator: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.kept = [served("c1"), served("c2")]
    page = (await operator.get("/api/v1/calls?limit=2")).json()
    assert len(page["calls"]) == 2
    assert page["next"] is None


async def test_who_must_be_called_back(operator: httpx.AsyncClient, shelf: Shelf) -> None:
    promised = replace(served("c2"), outcome=Outcome(Result.CALLBACK, "promised", Blame.NOBODY), t_callback=NOON)
    shelf.kept = [served("c1"), promised, served("c3")]
    [told] = (await operator.get("/api/v1/calls?result=callback")).json()["calls"]
    assert (told["call"], told["ani"], told["t_callback"]) == ("c2", "+4930230125001", "2026-03-02T12:00:00.123456Z")


async def test_no_calls_yet(operator: httpx.AsyncClient) -> None:
    assert (await operator.get("/api/v1/calls")).json() == {"calls": [], "next": None}


@pytest.mark.parametrize("path", ["/api/v1/calls/c9", "/api/v1/calls?before=c9"])
async def test_an_unknown_call_is_said_to_be_one(operator: httpx.AsyncClient, shelf: Shelf, path: str) -> None:
    shelf.kept = [served("c1")]
    answer = await operator.get(path)
    assert answer.status_code == 404
    assert answer.json()["error_id"] == "no-such-call"


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=many", "before=" + "x" * 151, "result=good"])
async def test_an_odd_page_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    answer = await operator.get(f"/api/v1/calls?{query}")
    assert answer.status_code == 422
    assert answer.json()["details"]["faults"][0]["where"] == f"query.{query.partition('=')[0]}"


# ---------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tenant=hannover", ["c2"]),
        ("queue=115", ["c3"]),
        ("partner=oldenburg", ["c3", "c2"]),
        ("partner=oldenburg&result=served&queue=115", ["c3"]),
        ("agent=anna&from=2026-03-01T00:00:00%2B01:00&to=2026-04-01T00:00:00%2B02:00", ["c1"]),
        ("from=2026-03-02T12:59:50%2B01:00", ["c3", "c2"]),
        ("from=2026-03-02T12:59:50+01:00&to=2026-03-02T12:00:00.0Z", ["c2"]),
        ("to=2026-03-02T11:59:50Z", ["c1"]),
        ("tenant=nowhere", []),
    ],
)
async def test_some_of_the_calls(  # noqa: PLR0917  fixtures
    operator: httpx.AsyncClient, shelf: Shelf, centre: Centre, folder: Folder, query: str, found: list[str]
) -> None:
    centre.towns = with_policy(centre.towns, Statistics.RELEASED)
    folder.release("anna")
    door = datetime(2026, 3, 2, 11, 59, 49, tzinfo=UTC)
    shelf.kept = [
        served("c1", t_in=door, agent="anna"),
        served("c2", t_in=door + timedelta(seconds=1), tenant="hannover", overflow_partner="oldenburg"),
        served("c3", t_in=door + timedelta(seconds=11), queue="115", overflow_partner="oldenburg"),
    ]
    answer = await operator.get(f"/api/v1/calls?{query}")
    assert [call["call"] for call in answer.json()["calls"]] == found


async def test_a_town_filters_its_own_and_another_is_not_there(
    stranger: httpx.AsyncClient, drawer: Drawer, shelf: Shelf
) -> None:
    drawer.give("acd_langenhagens-own-token", Role.TOWN_ADMIN, "langenhagen")
    stranger.headers["Authorization"] = "Bearer acd_langenhagens-own-token"
    shelf.kept = [served("c1"), served("c2", tenant="hannover")]
    assert len((await stranger.get("/api/v1/calls?tenant=langenhagen")).json()["calls"]) == 1
    theirs, nobodys = [await stranger.get(f"/api/v1/calls?tenant={town}") for town in ("hannover", "laatzen")]
    assert (theirs.status_code, theirs.json()["error_id"]) == (404, "no-such-tenant")
    assert theirs.text.replace("hannover", "laatzen") == nobodys.text


@pytest.mark.parametrize(
    "query",
    ["from=yesterday", "from=2026-03-02T12:00:00", "from=1772452800",
     "to=0001-01-01T00:00:00%2B14:00", "to=9999-12-31T23:00:00-10:00",
     "tenant=%00", "queue=", f"agent={'x' * 101}", "before=%00"],
)  # fmt: skip
async def test_an_odd_filter_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    answer = await operator.get(f"/api/v1/calls?{query}")
    assert answer.status_code == 422
    assert answer.json()["details"]["faults"][0]["where"] == f"query.{query.partition('=')[0]}"
