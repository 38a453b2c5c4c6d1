"""An administrator changes the directory while calls go on: whole, from what was seen, and never by accident."""

from __future__ import annotations

import copy
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.administration import Administration
from dialog_acd.api.tokens import Role
from dialog_acd.clock import SystemClock
from dialog_acd.store.database import open_database
from dialog_acd.store.directory_file import read_directory
from dialog_acd.store.directory_store import DirectoryStore, Edit
from directories import DEMO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from dialog_acd.core.directory import Directory

    from .conftest import Book, Drawer

URL = "/api/v1/directory"


@pytest.fixture
async def directories(tmp_path: Path, migrated_file: Path, in_force: list[Directory]) -> AsyncIterator[Administration]:
    """The real store, with the demo's directory as version 1."""
    path = tmp_path / "acd.sqlite"
    shutil.copy(migrated_file, path)
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    store, clock = DirectoryStore(database), SystemClock()
    await store.replace(read_directory(DEMO), Edit("setup", clock.now(), "the demo"))
    yield Administration(store, clock, in_force.append)
    await database.dispose()


async def seen(operator: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    answer = await operator.get(URL)
    assert answer.status_code == 200
    return answer.headers["etag"], answer.json()["directory"]


def renamed(directory: dict[str, Any], name: str) -> dict[str, Any]:
    edited = copy.deepcopy(directory)
    edited["tenants"][0]["name"] = name
    return edited


async def test_an_edit_is_looked_at_made_and_taken_back(operator: httpx.AsyncClient, in_force: list[Directory]) -> None:
    etag, directory = await seen(operator)
    assert etag == '"1"'
    edited, match = renamed(directory, "Stadt Laatzen"), {"If-Match": etag}
    said = f"tenant {directory['tenants'][0]['id']}: name '{directory['tenants'][0]['name']}' becomes 'Stadt Laatzen'"

    looked = await operator.put(URL, params={"dry_run": True}, headers=match, json=edited)
    assert looked.json() == {"version": 1, "differences": [said]}
    assert not in_force

    made = await operator.put(URL, params={"why": "Laatzen goes live"}, headers=match, json=edited)
    assert (made.status_code, made.json(), made.headers["etag"]) == (200, {"version": 2, "differences": [said]}, '"2"')
    assert [d.tenants[0].name for d in in_force] == ["Stadt Laatzen"]
    assert (await seen(operator)) == ('"2"', edited)
    assert (await operator.get(URL, params={"version": 1})).json()["directory"] == directory

    back = await operator.post(f"{URL}/versions/1/rollback", headers={"If-Match": '"2"'}, json={"why": "too early"})
    assert back.json()["version"] == 3
    assert (await seen(operator)) == ('"3"', directory)
    versions = (await operator.get(f"{URL}/versions")).json()["versions"]
    assert [(v["version"], v["by"], v["why"]) for v in versions] == [
        (3, "admin", "too early"),
        (2, "admin", "Laatzen goes live"),
        (1, "setup", "the demo"),
    ]


async def test_two_administrators_cannot_overwrite_each_other(
    operator: httpx.AsyncClient, in_force: list[Directory]
) -> None:
    etag, directory = await seen(operator)
    first = await operator.put(URL, headers={"If-Match": etag}, json=renamed(directory, "A"))
    second = await operator.put(URL, headers={"If-Match": etag}, json=renamed(directory, "B"))
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["error_id"] == "directory-moved"
    assert "is at version 2 by now" in second.json()["message"]
    assert [d.tenants[0].name for d in in_force] == ["A"]


async def test_an_edit_that_does_not_say_what_it_was_made_from_is_refused(operator: httpx.AsyncClient) -> None:
    _, directory = await seen(operator)
    answer = await operator.put(URL, json=renamed(directory, "A"))
    assert (answer.status_code, answer.json()["error_id"]) == (428, "version-not-said")
    answer = await operator.put(URL, headers={"If-Match": '"abc"'}, json=directory)
    assert (answer.status_code, answer.json()["error_id"]) == (412, "directory-moved")


async def test_a_bad_edit_changes_nothing_and_says_every_fault(
    operator: httpx.AsyncClient, in_force: list[Directory]
) -> None:
    etag, directory = await seen(operator)
    bad = copy.deepcopy(directory)
    bad["queues"][0]["ring_for"] = "20"
    bad["queues"][0]["steps"] = ["from now: any"]
    answer = await operator.put(URL, headers={"If-Match": etag}, json=bad)
    assert (answer.status_code, answer.json()["error_id"]) == (422, "directory-invalid")
    faults = answer.json()["details"]["faults"]
    assert [fault.partition(":")[0] for fault in faults] == ["queues[0].steps[0]", "queues[0].ring_for"]
    assert not in_force
    assert await seen(operator) == (etag, directory)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"tenants": 1e999}'])
async def test_what_is_no_directory_is_refused(operator: httpx.AsyncClient, body: bytes) -> None:
    answer = await operator.put(URL, headers={"If-Match": "*"}, content=body)
    assert (answer.status_code, answer.json()["error_id"]) == (422, "directory-invalid")


async def test_a_large_directory_is_taken_where_any_other_body_would_be_too_large(operator: httpx.AsyncClient) -> None:
    etag, directory = await seen(operator)
    more = copy.deepcopy(directory)
    more["tenants"] += [{"id": f"t{n}", "name": f"Gemeinde {n}", "label": f"G{n}"} for n in range(3000)]
    assert len(json.dumps(more)) > 128 * 1024
    answer = await operator.put(URL, headers={"If-Match": etag}, json=more)
    assert answer.json()["version"] == 2


async def test_a_page_of_versions_leads_to_the_next(operator: httpx.AsyncClient) -> None:
    _, directory = await seen(operator)
    for name in "ABC":
        await operator.put(URL, headers={"If-Match": "*"}, json=renamed(directory, name))
    page = (await operator.get(f"{URL}/versions", params={"limit": 3})).json()
    assert ([v["version"] for v in page["versions"]], page["next"]) == ([4, 3, 2], 2)
    page = (await operator.get(f"{URL}/versions", params={"limit": 3, "before": 2})).json()
    assert ([v["version"] for v in page["versions"]], page["next"]) == ([1], None)


async def test_a_version_that_never_was(operator: httpx.AsyncClient) -> None:
    for answer in (
        await operator.get(URL, params={"version": 9}),
        await operator.post(f"{URL}/versions/9/rollback", headers={"If-Match": "*"}),
    ):
        assert (answer.status_code, answer.json()["error_id"]) == (404, "no-such-version")


async def test_an_auditor_of_one_town_does_not_see_the_directory_of_all(
    stranger: httpx.AsyncClient, drawer: Drawer
) -> None:
    drawer.give("auditor-of-one", Role.AUDITOR, "langenhagen")
    stranger.headers["Authorization"] = "Bearer auditor-of-one"
    for path in (URL, f"{URL}/versions"):
        assert (await stranger.get(path)).status_code == 403


# ---------------------------------------------------------------- asked for again and again


async def test_who_has_this_version_already_is_sent_nothing(operator: httpx.AsyncClient) -> None:
    tag, _ = await seen(operator)
    for said in (tag, f"W/{tag}"):
        answer = await operator.get(URL, headers={"If-None-Match": said})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)


async def test_who_has_another_version_is_sent_the_whole(operator: httpx.AsyncClient) -> None:
    tag, directory = await seen(operator)
    for said in ('"0"', "*", tag.strip('"')):
        answer = await operator.get(URL, headers={"If-None-Match": said})
        assert (answer.status_code, answer.json()["directory"]) == (200, directory)
    # An earlier version is asked for by its number, and never stands for the one in force.
    answer = await operator.get(URL, params={"version": 1}, headers={"If-None-Match": tag})
    assert answer.status_code == 200


async def test_the_audit_log_does_not_say_whose_calls_are_tests(
    operator: httpx.AsyncClient, in_force: list[Directory], book: Book
) -> None:
    """They are callers' numbers, however they come into the directory."""
    etag, directory = await seen(operator)
    directory["test_callers"] = ["+493023125001"]
    assert (await operator.put(URL, headers={"If-Match": etag}, json=directory)).status_code == 200
    back = await operator.post(f"{URL}/versions/1/rollback", headers={"If-Match": '"2"'}, json={})
    assert back.status_code == 200
    assert len(in_force) == 2
    assert [line.details["differences"] for line in book.lines] == [["test_callers"]] * 2
    assert "3023125001" not in str(book.lines)


@pytest.mark.parametrize("what", ["%00", "a%0Ab", "%7F"])
async def test_a_reason_is_one_line(operator: httpx.AsyncClient, what: str) -> None:
    """PostgreSQL keeps no NUL."""
    etag, directory = await seen(operator)
    match = {"If-Match": etag}
    assert (await operator.put(f"{URL}?why={what}", headers=match, json=renamed(directory, "Stadt"))).status_code == 422
    assert (await operator.post(f"{URL}/teams?why={what}", json={"id": "x", "name": "X"})).status_code == 422
