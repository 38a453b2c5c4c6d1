from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core.records import Blame, Outcome, Result, field_names
from records import NOON, served

if TYPE_CHECKING:
    import httpx

    from .conftest import Shelf


async def test_a_call_is_told_in_full(operator: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.kept = [served("acd1-1.7")]
    told = (await operator.get("/api/v1/calls/acd1-1.7")).json()
    assert set(told) == {*field_names(), "waited_seconds", "state", "timeline"}
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
