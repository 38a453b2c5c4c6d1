"""The directory is edited thing by thing: by two at once, twice by mistake, by a town, badly, and while in use."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from dialog_acd.administration import Administration
from dialog_acd.api.app import create_api
from dialog_acd.api.routes.resources import KINDS, merged
from dialog_acd.api.tokens import Role
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.model import NOT_YET, CalendarId, Prompt, PromptId, TenantId
from dialog_acd.directory_form import TABLES
from dialog_acd.store.directory_file import DirectoryFileInvalid, directory_from_json, read_directory
from dialog_acd.store.directory_plain import differences, plain
from dialog_acd.testing import ManualClock
from directories import DEMO

from .conftest import NOON, TOKEN, Archive, Book, Cabinet, Centre, Drawer, Folder, Press, Shelf, Twice, unsettled

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialog_acd.core.directory import Directory

URL = "/api/v1/directory"
TOWN = TenantId("langenhagen")
OWN, THEIRS = "acd_the-town-hall-of-ours", "acd_the-town-hall-of-others"


def refused(answer: httpx.Response, status: int, error_id: str) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["error_id"]) == (status, error_id)
    details: dict[str, Any] = told["details"]
    return details


async def got(client: httpx.AsyncClient, path: str, **params: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A thing, and the header with which to change it."""
    answer = await client.get(f"{URL}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json(), {"If-Match": answer.headers["etag"]}


# ---------------------------------------------------------------- one thing


async def test_a_queue_is_read_changed_and_read_again(
    operator: httpx.AsyncClient, in_force: list[Directory], cabinet: Cabinet
) -> None:
    queue, match = await got(operator, "queues/langenhagen")
    assert (queue["ring_for"], queue["steps"], queue["ladder"]) == (20, ["from 0 s: citizens>=1"], [])
    answer = await operator.patch(
        f"{URL}/queues/langenhagen", headers=match, json={"ring_for": 25.5, "home_first": True}, params={"why": "slow"}
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "version": 2,
        "differences": ["queue langenhagen: home_first is now on", "queue langenhagen: ring_for is now 25.5"],
        "remarks": [],
    }
    changed, match = await got(operator, "queues/langenhagen")
    assert changed == {**queue, "ring_for": 25.5, "home_first": True}
    assert answer.headers["etag"] == match["If-Match"]
    assert cabinet.kept[-1][0].why == "slow"
    assert in_force == [cabinet.kept[-1][1]]
    back = await operator.patch(f"{URL}/queues/langenhagen", headers=match, json={"ring_for": None, "home_first": None})
    assert back.json()["version"] == 3
    assert (await got(operator, "queues/langenhagen"))[0] == queue


@pytest.mark.parametrize("why", ["a\0b", "a\nb"])
async def test_a_reason_is_one_line_that_every_database_takes(
    operator: httpx.AsyncClient, cabinet: Cabinet, why: str
) -> None:
    for path, body in (("queues/langenhagen", {"name": "x"}), ("test-callers", {"test_callers": []})):
        method = "PATCH" if path.startswith("queues") else "PUT"
        answer = await operator.request(
            method, f"{URL}/{path}", json=body, params={"why": why}, headers={"If-Match": "*"}
        )
        refused(answer, 422, "not-valid")
    refused(await operator.put(URL, json={}, params={"why": why}, headers={"If-Match": "*"}), 422, "not-valid")
    assert await cabinet.current() == 1


async def test_what_changes_nothing_makes_no_version(operator: httpx.AsyncClient, in_force: list[Directory]) -> None:
    for kind, name in (("queues", "hannover"), ("entries", "%2B495117307"), ("agents", "anna"), ("trunks", "trunk")):
        said, match = await got(operator, f"{kind}/{name}")
        answer = await operator.put(f"{URL}/{kind}/{name}", headers=match, json=said)
        assert answer.json() == {"version": 1, "differences": [], "remarks": []}
        assert answer.headers["etag"] == match["If-Match"]
    assert not in_force


async def test_a_look_beforehand_changes_nothing(operator: httpx.AsyncClient, in_force: list[Directory]) -> None:
    _, match = await got(operator, "skills/115")
    path, look = f"{URL}/skills", {"dry_run": "true"}
    changed = await operator.patch(f"{path}/115", headers=match, json={"name": "Behördennummer"}, params=look)
    made = await operator.post(path, json={"id": "laatzen", "name": "Laatzen"}, params=look)
    assert (changed.status_code, changed.json()["version"], made.status_code) == (200, 1, 200)
    assert changed.json()["differences"] == ["skill 115: name 115 becomes Behördennummer"]
    remarks = ["skill laatzen is declared, but no agent has it and no queue asks for it"]
    assert made.json()["remarks"] == remarks
    assert not in_force
    # What was so before is not told again.
    assert (await operator.post(path, json={"id": "laatzen", "name": "Laatzen"})).json()["remarks"] == remarks
    assert (await operator.patch(f"{path}/115", headers=match, json={"name": "x"})).json()["remarks"] == []


async def test_a_town_made_over_rest_waits_until_it_goes_live_and_one_in_a_file_does_not(
    operator: httpx.AsyncClient, cabinet: Cabinet
) -> None:
    town = {"id": "laatzen", "name": "Stadt Laatzen", "label": "LAA"}
    answer = await operator.post(f"{URL}/tenants", json=town)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{URL}/tenants/laatzen"
    assert cabinet.kept[-1][1].tenant[TenantId("laatzen")].live_from == NOT_YET
    said, match = await got(operator, "tenants/laatzen")
    assert said["live_from"] == "not-yet"
    await operator.put(f"{URL}/tenants/laatzen", headers=match, json=town)
    assert cabinet.kept[-1][1].tenant[TenantId("laatzen")].live_from is None
    dated = await operator.post(f"{URL}/tenants", json={**town, "id": "seelze", "live_from": "2027-01-01"})
    assert dated.status_code == 201
    assert cabinet.kept[-1][1].tenant[TenantId("seelze")].live_from == date(2027, 1, 1)


async def test_a_number_changes_hands_and_each_of_its_entries_has_an_address(operator: httpx.AsyncClient) -> None:
    path = f"{URL}/entries/%2B495117307"
    said, match = await got(operator, "entries/%2B495117307")
    ends = await operator.patch(path, headers=match, json={"active_to": "2026-12-31"})
    assert ends.headers["content-location"] == path
    successor = {**said, "tenant": "hannover", "queue": "hannover", "active_from": "2027-01-01"}
    made = await operator.post(f"{URL}/entries", json=successor)
    assert (made.status_code, made.headers["location"]) == (201, f"{path}?active_from=2027-01-01")

    assert refused(await operator.get(path), 409, "several-entries")["active_from"] == ["none", "2027-01-01"]
    assert (await got(operator, "entries/%2B495117307", active_from="none"))[0]["tenant"] == "langenhagen"
    later, match = await got(operator, "entries/+495117307", active_from="2027-01-01")
    assert later["tenant"] == "hannover"
    refused(await operator.get(path, params={"active_from": "2027-01-02"}), 404, "no-such-thing")

    moved = await operator.patch(made.headers["location"], headers=match, json={"active_from": "2027-02-01"})
    assert moved.json()["differences"] == [
        "entry +495117307 from 2027-01-01: active_from 2027-01-01 becomes 2027-02-01"
    ]
    assert moved.headers["content-location"] == f"{path}?active_from=2027-02-01"
    _, match = await got(operator, "entries/%2B495117307", active_from="none")
    overlap = await operator.patch(f"{path}?active_from=none", headers=match, json={"active_to": "2027-02-01"})
    [fault] = refused(overlap, 422, "directory-invalid")["faults"]
    assert "has two entries at once" in fault


async def test_the_catch_all_has_an_address_and_cannot_be_lost(operator: httpx.AsyncClient) -> None:
    said, match = await got(operator, "entries/catch-all")
    assert (said["number"], said["kind"]) == ("", "catch-all")
    path = f"{URL}/entries/catch-all"
    [fault] = refused(await operator.delete(path, headers=match), 422, "directory-invalid")["faults"]
    assert "exactly one catch-all" in fault
    answer = await operator.patch(path, headers=match, json={"kind": "main-number", "number": "+495110"})
    assert "cannot be renamed" in refused(answer, 422, "directory-invalid")["faults"][0]
    assert (await operator.patch(path, headers=match, json={"closed": "acd/odd"})).status_code == 200


async def test_test_callers_are_a_list(operator: httpx.AsyncClient, cabinet: Cabinet, book: Book) -> None:
    said, match = await got(operator, "test-callers")
    assert said == {"test_callers": []}
    path = f"{URL}/test-callers"
    assert (await operator.put(path, headers=match, json={"test_callers": ["+493023125000"]})).json()["version"] == 2
    refused(await operator.put(path, headers=match, json={"test_callers": []}), 412, "thing-moved")
    wrong = await operator.put(path, headers={"If-Match": "*"}, json={"test_callers": ["030 23125"]})
    assert "E.164" in refused(wrong, 422, "directory-invalid")["faults"][0]
    assert cabinet.kept[-1][1].test_callers == ("+493023125000",)
    assert "3023125" not in str(book.lines)


# ---------------------------------------------------------------- two at once


async def test_two_administrators_of_different_towns_do_not_refuse_each_other(
    operator: httpx.AsyncClient, cabinet: Cabinet
) -> None:
    _, ours = await got(operator, "tenants/langenhagen")
    _, theirs = await got(operator, "tenants/hannover")
    answers = await asyncio.gather(
        operator.patch(f"{URL}/tenants/langenhagen", headers=ours, json={"label": "LGH"}),
        operator.patch(f"{URL}/tenants/hannover", headers=theirs, json={"label": "HAN"}),
    )
    assert sorted((a.status_code, a.json()["version"]) for a in answers) == [(200, 2), (200, 3)]
    labels = {t.id: t.label for t in cabinet.kept[-1][1].tenants}
    assert (labels[TOWN], labels[TenantId("hannover")]) == ("LGH", "HAN")


async def test_two_who_edit_the_same_do(operator: httpx.AsyncClient, cabinet: Cabinet) -> None:
    _, match = await got(operator, "tenants/langenhagen")
    path = f"{URL}/tenants/langenhagen"
    first, second = await asyncio.gather(
        operator.patch(path, headers=match, json={"label": "A"}),
        operator.patch(path, headers=match, json={"label": "B"}),
    )
    assert sorted((first.status_code, second.status_code)) == [200, 412]
    lost = first if first.status_code == 412 else second
    won = second if lost is first else first
    assert f'"{refused(lost, 412, "thing-moved")["found"]}"' == won.headers["etag"]
    assert len(cabinet.kept) == 2


@pytest.mark.parametrize(
    ("mark", "status"),
    [(None, 428), ("", 412), ('"abc"', 412), ("*", 200), ('"abc", {}', 200), ("W/{}", 200), ("x" * 501, 422)],
)
async def test_an_edit_says_what_it_was_made_from(operator: httpx.AsyncClient, mark: str | None, status: int) -> None:
    _, match = await got(operator, "queues/hannover")
    headers = {} if mark is None else {"If-Match": mark.format(match["If-Match"])}
    path = f"{URL}/queues/hannover"
    answer = await operator.patch(path, headers=headers, json={"ring_for": 25})
    assert answer.status_code == status
    if status == 428:
        refused(answer, 428, "etag-not-said")
        refused(await operator.delete(path), 428, "etag-not-said")


async def test_the_command_line_in_between_is_no_hindrance_unless_it_edits_the_same(
    operator: httpx.AsyncClient, cabinet: Cabinet
) -> None:
    def beside(change: Callable[[Directory], Directory]) -> Callable[[], None]:
        return lambda: cabinet.kept.append((cabinet.kept[-1][0], change(cabinet.kept[-1][1])))

    def renamed(number: int) -> Callable[[Directory], Directory]:
        return lambda d: replace(
            d, tenants=tuple(replace(t, name="New") if n == number else t for n, t in enumerate(d.tenants))
        )

    _, match = await got(operator, "tenants/langenhagen")
    cabinet.beside = beside(renamed(1))
    path = f"{URL}/tenants/langenhagen"
    answer = await operator.patch(path, headers=match, json={"label": "LGH"})
    assert (answer.status_code, answer.json()["version"]) == (200, 3)
    assert [(t.name, t.label) for t in cabinet.kept[-1][1].tenants][:2] == [("Langenhagen", "LGH"), ("New", "Hannover")]

    _, match = await got(operator, "tenants/langenhagen")
    cabinet.beside = beside(renamed(0))
    refused(await operator.patch(path, headers=match, json={"label": "X"}), 412, "thing-moved")


async def test_who_is_always_outrun_is_told_to_try_again(operator: httpx.AsyncClient, cabinet: Cabinet) -> None:
    def again() -> None:
        cabinet.kept.append(cabinet.kept[-1])
        cabinet.beside = again

    cabinet.beside = again
    answer = await operator.patch(f"{URL}/queues/hannover", headers={"If-Match": "*"}, json={"ring_for": 25})
    refused(answer, 503, "directory-busy")
    assert len(cabinet.kept) == 1 + 5


# ---------------------------------------------------------------- sent twice


TEAM = {"id": "centre", "name": "DialogCenter"}


async def test_a_creation_that_is_sent_again_is_answered_again_and_done_once(
    operator: httpx.AsyncClient, cabinet: Cabinet, book: Book, clock: ManualClock
) -> None:
    key = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
    first = await operator.post(f"{URL}/teams", headers=key, json=TEAM, params={"why": "a"})
    again = await operator.post(f"{URL}/teams", headers=key, json=TEAM, params={"why": "a"})
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (201, first.json())
    assert [again.headers[name] for name in ("etag", "location")] == [first.headers[n] for n in ("etag", "location")]
    assert len(cabinet.kept) == 2
    assert [(line.about, line.details.get("again")) for line in book.lines] == [("centre", None), ("centre", True)]
    # Without a key, it is simply there already.
    refused(await operator.post(f"{URL}/teams", json=TEAM), 409, "thing-exists")


@pytest.mark.parametrize("other", [{"json": {**TEAM, "name": "Other"}}, {"json": TEAM, "params": {"why": "b"}}])
async def test_a_key_is_for_one_request(operator: httpx.AsyncClient, cabinet: Cabinet, other: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "k1"}
    await operator.post(f"{URL}/teams", headers=key, json=TEAM)
    refused(await operator.post(f"{URL}/teams", headers=key, **other), 422, "idempotency-key-reused")
    refused(await operator.post(f"{URL}/skills", headers=key, json=TEAM), 422, "idempotency-key-reused")
    assert len(cabinet.kept) == 2


async def test_while_the_first_is_being_done_the_second_is_told_so(
    operator: httpx.AsyncClient, cabinet: Cabinet
) -> None:
    key = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(operator.post(f"{URL}/teams", headers=key, json=TEAM) for _ in range(3)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409]
    assert {a.json()["error_id"] for a in answers if a.status_code == 409} == {"idempotency-key-running"}
    assert len(cabinet.kept) == 2


async def test_what_was_refused_has_not_used_up_its_key(
    operator: httpx.AsyncClient, cabinet: Cabinet, drawer: Drawer
) -> None:
    key = {"Idempotency-Key": "k1"}
    agent = {"id": "dora", "name": "Dora", "phone": "phone-dora", "team": "centre"}
    refused(await operator.post(f"{URL}/agents", headers=key, json=agent), 422, "directory-invalid")
    await operator.post(f"{URL}/teams", json=TEAM)
    assert (await operator.post(f"{URL}/agents", headers=key, json=agent)).status_code == 201
    # Nor has a look beforehand, nor somebody else who had the same idea for a key.
    other, key = agent | {"id": "emil", "phone": "phone-emil"}, {"Idempotency-Key": "k2"}
    look = await operator.post(f"{URL}/agents", headers=key, json=other, params={"dry_run": "true"})
    assert (look.status_code, len(cabinet.kept)) == (200, 3)
    assert (await operator.post(f"{URL}/agents", headers=key, json=other)).status_code == 201
    drawer.give(THEIRS, Role.OPERATOR)
    headers = key | {"Authorization": f"Bearer {THEIRS}"}
    last = await operator.post(f"{URL}/agents", headers=headers, json=agent | {"id": "fritz", "phone": "phone-fritz"})
    assert last.status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 103, "a b", "ä"])
async def test_an_odd_key_is_refused(operator: httpx.AsyncClient, key: str) -> None:
    answer = await operator.post(f"{URL}/teams", headers={b"Idempotency-Key": key.encode()}, json=TEAM)
    refused(answer, 422, "not-valid")


# ---------------------------------------------------------------- badly


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"ring_for": "20"}, ["ring_for: must be a number, without quotes"]),
        ({"ringfor": 20}, ["ringfor: unknown field, did you mean 'ring_for'?"]),
        (
            {"priority": 11, "ladder": ["waited 60 s: partner oldenbrug"]},
            [
                "queue langenhagen: priority 11 is not between 0 and 9",
                (
                    "queue langenhagen: rung 'waited 60 s: partner oldenbrug' names partner 'oldenbrug', "
                    "which does not exist, did you mean 'oldenburg'?"
                ),
            ],
        ),
        ({"steps": None}, ["steps: is missing"]),
        ({"id": "hannover"}, ["it is called 'langenhagen' and cannot be renamed: others refer to it by its name"]),
    ],
)
async def test_a_bad_edit_changes_nothing_and_says_every_fault(
    *, operator: httpx.AsyncClient, in_force: list[Directory], cabinet: Cabinet, change: Any, faults: list[str]
) -> None:
    _, match = await got(operator, "queues/langenhagen")
    answer = await operator.patch(f"{URL}/queues/langenhagen", headers=match, json=change)
    assert refused(answer, 422, "directory-invalid")["faults"] == faults
    assert (len(cabinet.kept), in_force) == (1, [])


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b'{"ring_for": NaN}', b'{"music": "\\ud800"}', b"[" * 60_000, b"\xff"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_what_is_no_thing_at_all_is_refused(operator: httpx.AsyncClient, method: str, body: bytes) -> None:
    path = f"{URL}/queues" if method == "POST" else f"{URL}/queues/hannover"
    answer = await operator.request(method, path, headers={"If-Match": "*"}, content=body)
    assert refused(answer, 422, "directory-invalid")["faults"]


async def test_a_prompt_waits_for_its_recording(operator: httpx.AsyncClient, cabinet: Cabinet) -> None:
    digest = "00" * 32
    change: dict[str, Any] = {"headers": {"If-Match": "*"}, "json": {"recording": digest}}
    for look in ({"dry_run": "true"}, {}):
        answer = await operator.patch(f"{URL}/prompts/centre", params=look, **change)
        [fault] = refused(answer, 422, "directory-invalid")["faults"]
        assert "nobody has brought the recording" in fault
    cabinet.recordings.add(digest)
    assert (await operator.patch(f"{URL}/prompts/centre", **change)).status_code == 200


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "x" * 101, "a?b"])
async def test_what_has_no_address_is_not_made(operator: httpx.AsyncClient, name: str) -> None:
    agent = {"id": name, "name": "Dora", "phone": "phone-dora"}
    assert (
        "cannot be called so"
        in refused(await operator.post(f"{URL}/agents", json=agent), 422, "directory-invalid")["faults"][0]
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
async def test_what_is_not_there(operator: httpx.AsyncClient, kind: Any) -> None:
    path = f"{URL}/{kind.path}/nobody"
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = await operator.request(method, path, headers={"If-Match": "*"}, json={})
        assert refused(answer, 404, "no-such-thing") == {"section": kind.section, "name": "nobody"}


async def test_what_is_in_use_stays_and_says_who_uses_it(operator: httpx.AsyncClient, cabinet: Cabinet) -> None:
    any_state = {"If-Match": "*"}
    for path, users in {
        "queues/langenhagen": ["entry +495117307 names queue 'langenhagen'"],
        "tenants/region": ["entry +49511616 names tenant 'region'"],
        "failsafe-profiles/standard": [
            f"entry {number} names failsafe profile 'standard'"
            for number in ("+495117307", "+49511168", "+49511616", "115", "catch-all")
        ],
    }.items():
        answer = await operator.delete(f"{URL}/{path}", headers=any_state)
        assert refused(answer, 422, "directory-invalid")["faults"] == users
    assert len(cabinet.kept) == 1
    faults = refused(await operator.delete(f"{URL}/skills/115", headers=any_state), 422, "directory-invalid")["faults"]
    assert "queue 115: step 0 (from 0 s: 115>=2) asks for skill '115'" in faults
    assert "agent anna has skill '115'" in faults

    entry = await operator.delete(f"{URL}/entries/%2B495117307", headers=any_state)
    assert entry.json()["differences"] == ["entry +495117307 is taken away"]
    assert entry.json()["remarks"] == ["queue langenhagen: no number leads to it"]
    assert "etag" not in entry.headers
    assert (await operator.delete(f"{URL}/queues/langenhagen", headers=any_state)).json()["version"] == 3
    refused(await operator.get(f"{URL}/queues/langenhagen"), 404, "no-such-thing")


# ---------------------------------------------------------------- lists


async def test_lists_are_read_in_pages_that_stay_where_they_are(operator: httpx.AsyncClient) -> None:
    first = (await operator.get(f"{URL}/entries", params={"limit": 2})).json()
    assert [e["number"] for e in first["entries"]] == ["+49511168", "+49511616"]
    second = (await operator.get(f"{URL}/entries", params={"limit": 2, "after": first["next"]})).json()
    assert [e["number"] for e in second["entries"]] == ["+495117307", "115"]
    await operator.delete(f"{URL}/entries/%2B49511616", headers={"If-Match": "*"})
    rest = (await operator.get(f"{URL}/entries", params={"after": first["next"]})).json()
    assert ([e["kind"] for e in rest["entries"]], rest["next"]) == (["main-number", "115", "catch-all"], None)
    assert (await operator.get(f"{URL}/entries", params={"after": "zzz"})).json() == {"entries": [], "next": None}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("entries?tenant=hannover", ["+49511168", "115", ""]),
        ("entries?kind=115", ["115"]),
        ("entries?tenant=hannover&kind=main-number", ["+49511168"]),
        ("entries?queue=hannover", ["+49511168", ""]),
        ("entries?q=7307", ["+495117307"]),
        ("agents?tenant=langenhagen", ["anna"]),
        ("agents?skill=115&q=ANN", ["anna"]),
        ("agents?team=centre", []),
        ("queues?skill=115", ["115"]),
        ("queues?q=region hannover", ["region"]),
        ("skills?kind=115", ["115"]),
        ("tenants?q=HANNOVER", ["hannover", "region"]),
    ],
)
async def test_lists_are_searched(operator: httpx.AsyncClient, path: str, names: list[str]) -> None:
    answer = await operator.get(f"{URL}/{path}")
    [things] = [value for name, value in answer.json().items() if name != "next"]
    assert [thing.get("id", thing.get("number")) for thing in things] == names


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "kind=x", f"q={'x' * 101}", f"after={'x' * 201}"])
async def test_an_odd_question_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    refused(await operator.get(f"{URL}/entries?{query}"), 422, "not-valid")


# ---------------------------------------------------------------- a town's administrator


@pytest.fixture
def cabinet(centre: Centre) -> Cabinet:
    """Langenhagen has a calendar and a prompt of its own, Hannover as well, and the centre."""
    hours = (parse_hours("mon-fri 08:00-18:00"),)
    owners = {"ours": TOWN, "theirs": TenantId("hannover"), "centre": None}
    return Cabinet(
        replace(
            centre.towns,
            calendars=tuple(Calendar(CalendarId(n), n, hours, tenant=town) for n, town in owners.items()),
            prompts=tuple(Prompt(PromptId(n), n, "Guten Tag.", tenant=town) for n, town in owners.items()),
        )
    )


@pytest.fixture
def town(stranger: httpx.AsyncClient, drawer: Drawer) -> httpx.AsyncClient:
    drawer.give(OWN, Role.TOWN_ADMIN, TOWN)
    stranger.headers["Authorization"] = f"Bearer {OWN}"
    return stranger


async def test_a_town_sees_its_part(town: httpx.AsyncClient, cabinet: Cabinet) -> None:
    async def names(kind: str) -> list[str]:
        things = (await town.get(f"{URL}/{kind}")).json()[kind]
        return [thing.get("id") or thing["number"] for thing in things]

    assert await names("tenants") == ["langenhagen"]
    assert await names("entries") == ["+495117307"]
    assert await names("queues") == ["langenhagen"]
    assert await names("agents") == ["anna"]
    assert await names("calendars") == ["ours"]
    assert await names("prompts") == ["ours"]
    match = (await got(town, "entries/%2B495117307"))[1]
    change = {"calendar": "centre", "greeting": "acd/centre"}
    assert (await town.patch(f"{URL}/entries/%2B495117307", headers=match, json=change)).status_code == 200
    assert await names("calendars") == ["centre", "ours"]
    assert await names("prompts") == ["centre", "ours"]


@pytest.mark.parametrize("path", ["tenants/{}", "calendars/{}", "prompts/{}"])
async def test_what_is_another_towns_is_not_there_in_the_very_same_words(town: httpx.AsyncClient, path: str) -> None:
    there = "hannover" if path.startswith("tenants") else "theirs"
    for method in ("GET", "PUT", "PATCH"):
        theirs, none = [
            await town.request(method, f"{URL}/{path.format(name)}", headers={"If-Match": "*"}, json={})
            for name in (there, "nobody")
        ]
        assert theirs.status_code == none.status_code == 404
        assert theirs.text.replace(there, "nobody") == none.text


async def test_a_town_looks_after_its_own(town: httpx.AsyncClient, cabinet: Cabinet, book: Book) -> None:
    any_state = {"If-Match": "*"}
    prompt = {"id": "fair", "name": "Kirmes", "text": "Heute ist Kirmes.", "tenant": "langenhagen"}
    assert (await town.post(f"{URL}/prompts", json=prompt)).status_code == 201
    for path, change in (
        ("tenants/langenhagen", {"answers": {"pbx": "Innovaphone"}}),
        ("entries/%2B495117307", {"closed": "acd/fair", "calendar": "ours"}),
        ("calendars/ours", {"special_days": [{"day": "2026-10-05", "name": "Kirmes"}]}),
    ):
        assert (await town.patch(f"{URL}/{path}", headers=any_state, json=change)).status_code == 200
    said = await town.delete(f"{URL}/prompts/ours", headers=any_state)
    assert said.json()["differences"] == ["prompt ours is taken away"]
    assert [(line.action, line.about, line.outcome, line.tenant) for line in book.lines] == [
        ("directory.create-prompt", "fair", "done", TOWN),
        ("directory.change-tenant", "langenhagen", "done", TOWN),
        ("directory.change-entry", "+495117307", "done", TOWN),
        ("directory.change-calendar", "ours", "done", TOWN),
        ("directory.delete-prompt", "ours", "done", TOWN),
    ]
    assert book.lines[2].details["differences"] == [
        "entry +495117307: calendar is now ours",
        "entry +495117307: closed is now acd/fair",
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("PATCH", "tenants/langenhagen", {"live_from": "2026-01-01"}, "live_from is the centre's to change"),
        ("PATCH", "tenants/langenhagen", {"contract": {"inhabitants": 5}}, "contract is the centre's to change"),
        ("PATCH", "entries/%2B495117307", {"queue": "hannover"}, "queue is the centre's to change"),
        ("PATCH", "entries/%2B495117307", {"active_to": "2026-12-31"}, "active_to is the centre's to change"),
        ("PATCH", "entries/%2B495117307", {"calendar": "theirs"}, "calendar theirs is another town's"),
        ("PATCH", "entries/%2B495117307", {"greeting": "acd/theirs"}, "prompt theirs is another town's"),
        ("PATCH", "calendars/ours", {"tenant": "hannover"}, "calendars that are not langenhagen's own"),
        ("PATCH", "calendars/ours", {"tenant": None}, "calendars that are not langenhagen's own"),
        ("POST", "prompts", {"id": "new", "name": "n", "text": "x"}, "prompts that are not langenhagen's own"),
        (
            "POST",
            "prompts",
            {"id": "new", "name": "n", "text": "x", "tenant": "hannover"},
            "prompts that are not langenhagen's own",
        ),
    ],
)
async def test_a_town_is_told_what_is_not_its_own(
    *, town: httpx.AsyncClient, cabinet: Cabinet, book: Book, method: str, path: str, body: Any, sentence: str
) -> None:
    answer = await town.request(method, f"{URL}/{path}", headers={"If-Match": "*"}, json=body)
    assert any(sentence in why for why in refused(answer, 403, "not-theirs")["why"])
    assert sentence in answer.json()["message"]
    assert len(cabinet.kept) == 1
    assert [(line.outcome, line.tenant) for line in book.lines] == [("refused", TOWN)]


async def test_a_town_is_not_told_the_names_of_what_it_does_not_see(town: httpx.AsyncClient) -> None:
    wrong = await town.patch(f"{URL}/entries/%2B495117307", headers={"If-Match": "*"}, json={"calendar": "their"})
    assert refused(wrong, 422, "directory-invalid")["faults"] == [
        "entry +495117307 names calendar 'their', which does not exist"
    ]


async def test_a_town_reads_what_the_operator_changed_of_its_own(
    operator: httpx.AsyncClient, drawer: Drawer, book: Book
) -> None:
    drawer.give(OWN, Role.TOWN_ADMIN, TOWN)
    for path, change in (
        ("entries/%2B495117307", {"spare": 1}),
        ("entries/%2B49511168", {"spare": 1}),
        ("queues/langenhagen", {"ring_for": 30}),
        ("agents/anna", {"home": "hannover"}),
        ("teams", None),
    ):
        if change is None:
            await operator.post(f"{URL}/{path}", json=TEAM)
        else:
            await operator.patch(f"{URL}/{path}", headers={"If-Match": "*"}, json=change)
    assert [line.tenant for line in book.lines] == [TOWN, "hannover", TOWN, None, None]
    page = (await operator.get("/api/v1/audit", headers={"Authorization": f"Bearer {OWN}"})).json()
    assert [line["details"]["differences"] for line in page["lines"]] == [
        ["queue langenhagen: ring_for is now 30"],
        ["entry +495117307: spare is now 1"],
    ]


async def test_an_auditor_of_one_town_reads_its_part(stranger: httpx.AsyncClient, drawer: Drawer) -> None:
    drawer.give(OWN, Role.AUDITOR, TOWN)
    stranger.headers["Authorization"] = f"Bearer {OWN}"
    assert [t["id"] for t in (await stranger.get(f"{URL}/tenants")).json()["tenants"]] == ["langenhagen"]
    for path in ("partners", "skills/115", "test-callers"):
        refused(await stranger.get(f"{URL}/{path}"), 403, "not-allowed")


# ---------------------------------------------------------------- the description


async def test_each_kind_is_described_with_its_own_fields(operator: httpx.AsyncClient) -> None:
    contract = (await operator.get("/openapi.json")).json()
    schemas, named = contract["components"]["schemas"], set(_refs(contract))
    assert {name.removeprefix("#/components/schemas/") for name in named} <= set(schemas)
    for kind in KINDS:
        form = TABLES[kind.section].__name__
        for schema in (form, f"{form}-Input", f"{form}-Patch"):
            assert set(schemas[schema]["properties"]) == set(TABLES[kind.section].model_fields)
            for name, field in schemas[schema]["properties"].items():
                assert field["description"], (schema, name)
                assert field["examples"], (schema, name)
        paths = contract["paths"]
        [item] = [paths[path] for path in paths if path.startswith(f"{URL}/{kind.path}/")]
        assert item["put"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith(f"{form}-Input")
        assert set(item) == {"get", "put", "patch", "delete"}


def _refs(part: Any) -> list[str]:
    if isinstance(part, dict):
        return ([part["$ref"]] if isinstance(part.get("$ref"), str) else []) + _refs(list(part.values()))
    return [ref for one in part for ref in _refs(one)] if isinstance(part, list) else []


# ---------------------------------------------------------------- the same as by file


@pytest.mark.parametrize(
    ("said", "patch", "made"),
    # The table of RFC 7396, appendix A.
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(said: Any, patch: Any, made: Any) -> None:
    assert merged(said, patch) == made


FIELDS: dict[str, dict[str, list[Any]]] = {
    "tenants": {"label": ["A", "B"], "code": ["1", "2", None], "live_from": ["2026-05-01", "not-yet", None]},
    "queues": {"ring_for": [5, 12.5, "x", None], "ladder": [["waited 60 s: partner oldenburg"], ["?"], None]},
    "entries": {"queue": ["langenhagen", "nobody"], "spare": [1, None], "active_to": ["2026-12-31", None]},
    "agents": {"skills": [{"115": 5}, {"115": None}, {}, {"x": 1}, None], "home": ["region", None]},
    "partners": {"numbers": [["115"], []], "channels": [3, 0, None]},
    "trunks": {"area_code": ["5130", "11"], "number_format": ["subscriber", "odd", None]},
}
_KEYS = {"entries": "number", "trunks": "name"}


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, str, int, dict[str, Any]]:
    """A method, a section, which of its things, and fields."""
    section = draw(st.sampled_from(sorted(FIELDS)))
    names = draw(st.lists(st.sampled_from(sorted(FIELDS[section])), min_size=1, unique=True))
    values: list[list[Any]] = [FIELDS[section][name] for name in names]
    change = {name: draw(st.sampled_from(some)) for name, some in zip(names, values, strict=True)}
    return draw(st.sampled_from(["PUT", "PATCH", "PATCH", "DELETE"])), section, draw(st.integers(0, 30)), change


@settings(max_examples=settings().max_examples // 6)
@given(st.lists(edits(), min_size=1, max_size=8))
def test_by_rest_and_by_file_the_same_comes_of_it(steps: list[tuple[str, str, int, dict[str, Any]]]) -> None:
    """The file is edited as a person would: in its text, which is then read whole."""
    asyncio.run(_by_both(steps))


async def _by_both(steps: list[tuple[str, str, int, dict[str, Any]]]) -> None:
    cabinet, clock = Cabinet(read_directory(DEMO)), ManualClock(NOON)
    administration: Any = Administration(cabinet, clock, lambda _: None)  # type: ignore[arg-type]
    api = create_api(
        Centre(),
        Shelf(),
        administration,
        readiness={},
        metrics_registry=CollectorRegistry(),
        token=TOKEN,
        tokens=Drawer(),
        audit_log=Book(),
        repeats=Twice(),
        agreements=Folder(),
        archive=Archive(),
        told=Press(),
        settlement=unsettled(),
        now=clock.now,
    )
    headers = {"Authorization": f"Bearer {TOKEN}", "If-Match": "*"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://acd.test", headers=headers) as c:
        for method, section, which, change in steps:
            before = cabinet.kept[-1][1]
            file = json.loads(json.dumps(plain(before), default=str))
            place = which % len(file[section])
            table = file[section][place]
            name = table.get(_KEYS.get(section, "id"), "catch-all")
            body = {k: v for k, v in (table | change).items() if v is not None} if method == "PUT" else change
            if method == "DELETE":
                del file[section][place]
            else:
                file[section][place] = body if method == "PUT" else merged(table, change)
            answer = await c.request(method, f"{URL}/{section}/{quote(name)}", json=body)
            try:
                wanted = directory_from_json(json.dumps(file).encode(), "the file")
            except (DirectoryFileInvalid, DirectoryInvalid):
                assert answer.status_code == 422, answer.text
                assert cabinet.kept[-1][1] is before
            else:
                assert answer.status_code == 200, answer.text
                assert cabinet.kept[-1][1] == wanted
                assert answer.json()["differences"] == list(differences(before, wanted))


async def test_a_mistyped_field_is_not_taken_away_without_a_word(operator: httpx.AsyncClient) -> None:
    before = (await operator.get(f"{URL}/queues/langenhagen")).json()
    answer = await operator.patch(f"{URL}/queues/langenhagen", headers={"If-Match": "*"}, json={"ringfor": None})
    assert (answer.status_code, answer.json()["details"]["faults"]) == (
        422,
        ["ringfor: unknown field, did you mean 'ring_for'?"],
    )
    assert (await operator.get(f"{URL}/queues/langenhagen")).json() == before
