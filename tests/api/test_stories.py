"""One call told in order, while it lasts and afterwards, and why this and nothing else was done for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.api.tokens import Role
from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.model import AgentId, CalendarId, CallId, PartnerId, TenantId
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.testing import HANNOVER, Scenario, demo_directory
from records import served

if TYPE_CHECKING:
    import httpx

    from .conftest import Centre, Drawer, Shelf

C1 = CallId("c1")


class Desk:
    """Asks the API about the one call of a call sheet."""

    def __init__(self, client: httpx.AsyncClient, centre: Centre, shelf: Shelf, sheet: Scenario) -> None:
        self._client, self._centre, self._shelf, self._sheet = client, centre, shelf, sheet

    async def call(self) -> Any:
        return await self._asked("/api/v1/calls/c1")

    async def timeline(self) -> list[tuple[float, str, str | None]]:
        return [(said["after_seconds"], said["what"], said["about"]) for said in (await self.call())["timeline"]]

    async def decisions(self) -> list[tuple[str, str, str | None]]:
        told = await self._asked("/api/v1/calls/c1/decisions")
        assert told["call"] == "c1"
        assert all(decision["why"] for decision in told["decisions"])
        return [(d["decision"], d["chosen"], d["result"]) for d in told["decisions"]]

    async def _asked(self, path: str) -> Any:
        story = self._sheet.acd.story(C1)
        self._centre.stories = {} if story is None else {"c1": story}
        self._shelf.kept = list(self._sheet.records.values())
        answer = await self._client.get(path)
        assert answer.status_code == 200
        return answer.json()


async def test_an_afternoon_call_from_the_door_to_the_last_word(
    operator: httpx.AsyncClient, centre: Centre, shelf: Shelf
) -> None:
    sheet = Scenario(demo_directory(ladder=("waited 60 s: announce acd/long-wait",)), ready=())
    desk = Desk(operator, centre, shelf, sheet)
    sheet.arrives("c1").after(2).tell(m.GreetingEnded(C1)).held("c1").after(60).held("c1").after(10)
    assert await desk.timeline() == [
        (0, "arrived", None),
        (2, "greeting-ended", None),
        (2, "queued", "langenhagen"),
        (60, "rung-taken", "waited 60 s: announce acd/long-wait"),
    ]
    told = await desk.call()
    assert (told["state"], told["ani"], told["dialled"]) == ("waiting", "+4951123559876", "0511 7307-0")

    sheet.is_ready("anna")
    assert (await desk.timeline())[-1] == (72, "offered", "anna")
    assert await desk.decisions() == [
        ("verdict", "wait", None),
        ("rung", "waited 60 s: announce acd/long-wait", None),
        ("offer", "anna", "open"),
    ]
    sheet.after(20).offer_failed("anna").held("c1").is_ready("bert").after(3).talks("bert")
    assert (await desk.call())["agent"] == "bert"
    before = await desk.timeline()

    sheet.after(100).agent_hangs_up("bert")
    told = await desk.call()
    assert told["state"] == "ended"
    assert await desk.timeline() == [
        *before,
        (195, "ended", None),
        (205, "wrap-up-ended", "bert"),
    ]
    assert before[-3:] == [(72, "offered", "anna"), (92, "offered", "bert"), (95, "answered", "bert")]
    ended = told["timeline"][-2]
    assert ended["why"] == "served: talked; the agent hung up first"
    assert told["timeline"][4]["why"].startswith("no-answer: waited 72 s; ")
    assert (await desk.decisions())[-2:] == [("offer", "anna", "no-answer"), ("offer", "bert", "answered")]


async def test_a_call_that_went_to_a_partner(operator: httpx.AsyncClient, centre: Centre, shelf: Shelf) -> None:
    sheet = Scenario(demo_directory(overflow_s=30), ready=())
    desk = Desk(operator, centre, shelf, sheet)
    sheet.waits("c1").after(30)
    assert ((await desk.call())["partner"], (await desk.call())["state"]) == ("oldenburg", "diverting")
    sheet.after(5).tell(m.DivertAnswered(C1, PartnerId("oldenburg"))).after(50).caller_hangs_up("c1")
    assert await desk.timeline() == [
        (0, "arrived", None),
        (0, "queued", "langenhagen"),
        (30, "rung-taken", "waited 30 s: partner oldenburg"),
        (30, "overflow-began", None),
        (35, "partner-answered", "oldenburg"),
        (85, "ended", None),
    ]


async def test_a_caller_who_gave_up(operator: httpx.AsyncClient, centre: Centre, shelf: Shelf) -> None:
    sheet = Scenario(ready=())
    sheet.waits("c1").after(7.5).caller_hangs_up("c1")
    assert (await Desk(operator, centre, shelf, sheet).timeline())[-2:] == [(7.5, "left", None), (7.5, "ended", None)]


@pytest.mark.parametrize("over", [False, True])
async def test_what_was_said_at_the_door(operator: httpx.AsyncClient, centre: Centre, shelf: Shelf, over: bool) -> None:
    """The same verdict while the call lasts and afterwards."""
    base = demo_directory()
    closed = Calendar(CalendarId("never"), "never", (), "NI", (SpecialDay(Scenario().clock.now().date(), "Fest"),))
    weekly = replace(closed, hours=(parse_hours("daily 08:00-12:00"),))
    shut = replace(base, calendars=(weekly,), entries=tuple(replace(e, calendar=weekly.id) for e in base.entries))
    for dialled, directory, said in (
        (HANNOVER, base, "wait"),
        ("112", base, "emergency"),
        (HANNOVER, shut, "closed"),
    ):
        sheet = Scenario(directory, ready=())
        sheet.arrives("c1", dialled)
        if over:
            sheet.caller_hangs_up("c1")
        assert await Desk(operator, centre, shelf, sheet).decisions() == [("verdict", said, None)]
    failsafe = Scenario(ready=())
    failsafe.tell(m.CallTakenByFailsafe(C1, HANNOVER, "timeout"))
    if over:
        failsafe.caller_hangs_up("c1")
    assert await Desk(operator, centre, shelf, failsafe).decisions() == [("verdict", "failsafe", None)]


async def test_a_partner_who_sent_too_much_was_refused(operator: httpx.AsyncClient, shelf: Shelf) -> None:
    refused = Outcome(Result.REFUSED, "partner-limit", Blame.US)
    shelf.kept = [served("c1", outcome=refused, t_q=None, t_ans=None, offers=())]
    [told] = (await operator.get("/api/v1/calls/c1/decisions")).json()["decisions"]
    assert (told["chosen"], told["why"]) == ("refused", "partner-limit")


async def test_the_story_tells_everything_the_record_holds_in_order(operator: httpx.AsyncClient, shelf: Shelf) -> None:
    record = served("c1")
    moments = {
        f"t_{name}": record.t_in for name in ("ann_end", "q", "ans", "leave", "ovf", "ovf_ans", "failsafe", "callback")
    }
    shelf.kept = [replace(record, **moments, t_end=record.t_in, agent=AgentId("bert"), transferred_to="4711")]  # type: ignore[arg-type]
    told = (await operator.get("/api/v1/calls/c1")).json()["timeline"]
    assert [said["what"] for said in told] == [
        "arrived", "greeting-ended", "queued", "overflow-began", "answered", "partner-answered", "failsafe-entered",
        "callback-promised", "left", "ended", "offered", "offered", "wrap-up-ended",
    ]  # fmt: skip
    assert told[9]["why"] == "served: talked; transferred to 4711; the caller hung up first"


@pytest.mark.parametrize("path", ["/api/v1/calls/c1", "/api/v1/calls/c1/decisions"])
async def test_another_towns_call_is_not_there_while_it_lasts_either(
    *, stranger: httpx.AsyncClient, drawer: Drawer, centre: Centre, path: str
) -> None:
    drawer.give("acd_langenhagens-own-token", Role.TOWN_ADMIN, "langenhagen")
    stranger.headers["Authorization"] = "Bearer acd_langenhagens-own-token"
    story = Scenario().waits("c1").acd.story(C1)
    assert story is not None
    centre.stories = {"c1": story}
    assert (await stranger.get(path)).status_code == 200
    centre.stories = {"c1": replace(story, now=replace(story.now, tenant=TenantId("hannover")))}
    answer = await stranger.get(path)
    centre.stories = {}
    assert (answer.status_code, answer.text) == (404, (await stranger.get(path)).text)
