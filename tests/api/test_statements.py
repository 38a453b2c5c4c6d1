"""Finance sends the bill, a town reads its own, and both hear in time that the included minutes run out."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.api.tokens import Role
from dialog_acd.core.model import UNASSIGNED, CallId, Contract, Key, Price, Span, TenantId
from dialog_acd.core.shares import Month
from dialog_acd.settlement import TOLD, CallsMissing, Settlement
from dialog_acd.store.directory_file import DirectoryFileInvalid
from dialog_acd.store.directory_store import Edit
from records import served

from .conftest import NOON, Book, Cabinet, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from dialog_acd.core.directory import Directory
    from dialog_acd.testing import ManualClock

    from .conftest import Centre, Drawer

FEBRUARY = "/api/v1/statements/2026-02"
TOWN_TOKEN = "acd_the-token-of-langenhagen"
PRICE = Price(flat=Decimal(1000), included_minutes=10, per_minute=Decimal("1.59"))


def priced(directory: Directory, **prices: Price) -> Directory:
    return replace(
        directory,
        tenants=tuple(
            replace(t, contract=Contract(prices=(prices[t.id],))) if t.id in prices else t for t in directory.tenants
        ),
    )


@pytest.fixture
def cabinet(centre: Centre) -> Cabinet:
    """The first version is of January, and nobody has a contract in it; the second of the first of February."""
    cabinet = Cabinet(centre.towns, priced(centre.towns, langenhagen=PRICE, hannover=Price(per_call=Decimal(2))))
    days = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    cabinet.kept = [(Edit("setup", day), directory) for day, (_, directory) in zip(days, cabinet.kept, strict=True)]
    return cabinet


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    then = datetime(2026, 2, 10, 9, tzinfo=UTC)
    minutes = {"langenhagen": 12, "hannover": 3, "region": 1, UNASSIGNED: 1}
    for town, talked in minutes.items():
        begun = then + timedelta(minutes=1)
        over = begun + timedelta(minutes=talked)
        times: dict[str, Any] = {"t_in": then, "t_ans": begun, "t_end": over, "t_wrap_end": over}
        ledger.calls.append(served(f"call of {town}", tenant=TenantId(town), **times))
    return ledger


@pytest.fixture
def town(drawer: Drawer) -> dict[str, str]:
    drawer.give(TOWN_TOKEN, Role.TOWN_ADMIN, "langenhagen")
    return {"Authorization": f"Bearer {TOWN_TOKEN}"}


def refused(answer: httpx.Response, status: int, word: str) -> None:
    assert (answer.status_code, answer.json()["error_id"]) == (status, word)


async def told(web: httpx.AsyncClient, path: str = FEBRUARY, **more: Any) -> dict[str, Any]:
    answer = await web.get(path, **more)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


# ---------------------------------------------------------------- the statement


async def test_a_month_of_all_towns_adds_up(operator: httpx.AsyncClient) -> None:
    said = await told(operator)
    assert (said["month"], said["complete"], said["version"], said["issued"]) == ("2026-02", True, 2, None)
    assert said["as_of"] == "2026-03-02T11:00:00Z"
    assert [(s["sort"], s["tenant"], s["accepted"], s["handling_seconds"], s["amount"]) for s in said["shares"]] == [
        ("town", "hannover", 1, 180, "2.00"),
        ("town", "langenhagen", 1, 720, "1003.18"),
        ("town", "region", 1, 60, "0.00"),
        ("unassigned", None, 1, 60, "0.00"),
        ("partner-inbound", None, 0, 0, "0.00"),
        ("internal", None, 0, 0, "0.00"),
    ]
    assert (said["total"]["handling_seconds"], said["total"]["amount"]) == (1020, "1005.18")
    [flat, beyond] = said["shares"][1]["positions"]
    assert (flat["element"], flat["amount"], flat["begins"], flat["last"]) == (
        "flat",
        "1000.00",
        "2026-02-01",
        "2026-02-28",
    )
    assert (beyond["quantity"], beyond["price"], beyond["amount"]) == (120, "1.59", "3.18")
    assert said["shares"][1]["volumes"] == [
        {
            "begins": "2026-02-01",
            "last": "2026-02-28",
            "included_seconds": 600,
            "used_seconds": 720,
            "warnings": [80, 100],
        }
    ]
    assert said["shares"][1]["notes"] == [
        "120 % der Inklusivminuten des Monats sind verbraucht: 0:12:00 von 0:10:00 Stunden."
    ]


async def test_a_town_that_leaves_within_the_month_pays_as_its_contract_says(
    operator: httpx.AsyncClient, cabinet: Cabinet
) -> None:
    """It was taken out on the twentieth, with others between; its share of a levy is not put on those who stay."""
    levy = Price(levy=Decimal(900), levy_by=Key.EQUALLY)
    whole = priced(cabinet.kept[-1][1], langenhagen=levy, hannover=levy)
    less = replace(
        whole,
        tenants=tuple(town for town in whole.tenants if town.id != "langenhagen"),
        entries=tuple(entry for entry in whole.entries if entry.tenant != "langenhagen"),
        agents=(),
    )
    for day, directory in ((10, whole), (20, less), (25, less)):
        cabinet.kept.append((Edit("leitstelle", datetime(2026, 2, day, tzinfo=UTC)), directory))
    shares = {share["tenant"]: share for share in (await told(operator))["shares"] if share["sort"] == "town"}
    assert {town: share["amount"] for town, share in shares.items()} == {
        "hannover": "450.00", "langenhagen": "450.00", "region": "0.00",
    }  # fmt: skip
    assert shares["langenhagen"]["notes"] == ["Nicht mehr im Verzeichnis: berechnet nach dessen Version 3."]
    assert (await operator.post(f"{FEBRUARY}/issue")).status_code == 200
    cabinet.kept.append((Edit("leitstelle", datetime(2026, 3, 1, 12, tzinfo=UTC)), less))
    march = await told(operator, "/api/v1/statements/2026-03")
    assert "langenhagen" not in {share["tenant"] for share in march["shares"]}


async def test_a_town_that_was_there_by_mistake_pays_nothing(
    operator: httpx.AsyncClient, cabinet: Cabinet, ledger: Ledger
) -> None:
    """Its id was mistyped, and right five minutes later."""
    levy = Price(levy=Decimal(900), levy_by=Key.EQUALLY)
    right = priced(cabinet.kept[-1][1], langenhagen=levy, hannover=levy)
    ghost = replace(right.tenant[TenantId("langenhagen")], id=TenantId("langenhgaen"))
    for minute, directory in ((0, replace(right, tenants=(*right.tenants, ghost))), (5, right)):
        at = datetime(2026, 2, 10, 9, minute, tzinfo=UTC)
        cabinet.kept.append((Edit("leitstelle", at), directory))
    for asked in (FEBRUARY, f"{FEBRUARY}?version={len(cabinet.kept)}"):
        shares = {share["tenant"]: share for share in (await told(operator, asked))["shares"]}
        assert "langenhgaen" not in shares
        assert (shares["langenhagen"]["amount"], shares["hannover"]["amount"]) == ("450.00", "450.00")
    # With calls it was none.
    ledger.calls.append(replace(ledger.calls[0], call=CallId("x"), tenant=ghost.id))
    shares = {share["tenant"]: share for share in (await told(operator, FEBRUARY))["shares"]}
    assert shares["langenhgaen"]["amount"] == "300.00"


async def test_a_town_that_joined_later_than_the_version_of_the_prices_has_not_left(
    operator: httpx.AsyncClient, cabinet: Cabinet
) -> None:
    new = replace(cabinet.kept[-1][1].tenants[0], id=TenantId("neustadt"))
    before = len(cabinet.kept)
    more = replace(cabinet.kept[-1][1], tenants=(*cabinet.kept[-1][1].tenants, new))
    cabinet.kept.append((Edit("leitstelle", datetime(2026, 2, 10, 9, tzinfo=UTC)), more))
    assert "neustadt" in {share["tenant"] for share in (await told(operator, FEBRUARY))["shares"]}
    told_before = await told(operator, f"{FEBRUARY}?version={before}")
    assert "neustadt" not in {share["tenant"] for share in told_before["shares"]}


async def test_calls_for_which_nobody_would_pay_are_not_sent_out(operator: httpx.AsyncClient, ledger: Ledger) -> None:
    ledger.calls.append(replace(ledger.calls[0], call=CallId("x"), tenant=TenantId("seelze")))
    [share] = (await told(operator, f"{FEBRUARY}?tenant=seelze"))["shares"]
    assert [note.partition(":")[0] for note in share["notes"]] == ["Verbrauch ohne Preis"]
    answer = await operator.post(f"{FEBRUARY}/issue")
    refused(answer, 409, "usage-without-price")
    assert "seelze" in answer.text


async def test_a_town_reads_its_own_line_and_nothing_of_the_others(
    stranger: httpx.AsyncClient, town: dict[str, str]
) -> None:
    said = await told(stranger, headers=town)
    assert [share["tenant"] for share in said["shares"]] == ["langenhagen"]
    assert said["total"] is None
    assert await told(stranger, f"{FEBRUARY}?tenant=langenhagen", headers=town) == said
    for tenant in ("hannover", "unassigned", "nowhere"):
        refused(await stranger.get(f"{FEBRUARY}?tenant={tenant}", headers=town), 404, "no-such-tenant")
    for form in ("csv", "positions-csv"):
        text = (await stranger.get(f"{FEBRUARY}?format={form}", headers=town)).text
        assert "Hannover" not in text
        assert "Summe" not in text


async def test_an_operator_asks_for_one_town(operator: httpx.AsyncClient) -> None:
    said = await told(operator, f"{FEBRUARY}?tenant=hannover")
    assert ([share["tenant"] for share in said["shares"]], said["total"]) == (["hannover"], None)
    refused(await operator.get(f"{FEBRUARY}?tenant=nowhere"), 404, "no-such-tenant")


async def test_the_list_goes_into_a_spreadsheet(operator: httpx.AsyncClient) -> None:
    answer = await operator.get(f"{FEBRUARY}?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="statement-2026-02.csv"'
    text = answer.content.decode("utf-8-sig")
    head, *rows = csv.reader(text.splitlines(), delimiter=";")
    column = head.index("Betrag (EUR)")
    assert [row[column] for row in rows] == ["2,00", "1003,18", "0,00", "0,00", "0,00", "0,00", "1005,18"]
    answer = await operator.get(f"{FEBRUARY}?format=positions-csv&tenant=langenhagen")
    assert answer.headers["content-disposition"] == 'attachment; filename="statement-2026-02-langenhagen-positions.csv"'
    assert [line.split(";")[9] for line in answer.text.splitlines()] == ["Betrag (EUR)", "1000,00", "3,18"]


@pytest.mark.parametrize("month", ["2026-13", "2026-2", "1999-12", "2100-01", "26-02", "2026-02-01", "%D9%A2026-02"])
async def test_what_is_no_month_is_refused(operator: httpx.AsyncClient, month: str) -> None:
    refused(await operator.get(f"/api/v1/statements/{month}"), 422, "not-valid")


async def test_a_statement_goes_out_when_towns_can_be_named_no_longer(
    operator: httpx.AsyncClient, clock: ManualClock
) -> None:
    """A call of the last evening may still run in the night, and get another town until a day after that."""
    last = datetime(2026, 4, 2, 4, tzinfo=UTC)
    clock.set(last - timedelta(seconds=1))
    refused(await operator.post("/api/v1/statements/2026-03/issue"), 409, "month-not-over")
    clock.set(last)
    assert (await operator.post("/api/v1/statements/2026-03/issue")).status_code == 200


async def test_a_statement_goes_out_when_its_calls_are_in_the_database(
    operator: httpx.AsyncClient, ledger: Ledger, clock: ManualClock
) -> None:
    """The database was away over the end of the month, and so was the link to Asterisk."""
    ledger.depth = 3
    answer = await operator.post(f"{FEBRUARY}/issue")
    refused(answer, 409, "calls-missing")
    assert "3 records" in answer.json()["message"]
    assert "not ended" not in answer.json()["message"]
    began, ended = datetime(2026, 1, 31, 23, tzinfo=UTC), datetime(2026, 2, 28, 23, tzinfo=UTC)
    ledger.depth, ledger.living = 0, [began, ended - timedelta(seconds=1)]
    answer = await operator.post(f"{FEBRUARY}/issue")
    refused(answer, 409, "calls-missing")
    assert "2 calls of 2026-02" in answer.json()["message"]
    assert "records" not in answer.json()["message"]
    assert (await operator.get(FEBRUARY)).status_code == 200
    assert ledger.issues == []
    ledger.living = [began - timedelta(seconds=1), ended]
    assert (await operator.post(f"{FEBRUARY}/issue")).status_code == 200


async def test_what_waits_is_brought_before_it_is_reckoned(
    operator: httpx.AsyncClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ledger.calls.pop()

    async def flush() -> bool:
        ledger.calls.append(late)
        return True

    monkeypatch.setattr(ledger, "flush", flush)
    issued = (await operator.post(f"{FEBRUARY}/issue")).json()
    assert sum(share["accepted"] for share in issued["shares"]) == 4


async def test_a_process_that_does_not_know_what_waits_issues_nothing(
    ledger: Ledger, cabinet: Cabinet, clock: ManualClock
) -> None:
    with pytest.raises(CallsMissing, match="the running service"):
        await Settlement(ledger, cabinet, ledger, clock).issue(Month(2026, 2), "kämmerei")


async def test_a_month_to_come_has_no_statement_and_the_running_one_is_not_complete(
    operator: httpx.AsyncClient,
) -> None:
    refused(await operator.get("/api/v1/statements/2026-04"), 404, "month-not-begun")
    assert not (await told(operator, "/api/v1/statements/2026-03"))["complete"]
    refused(await operator.post("/api/v1/statements/2026-03/issue"), 409, "month-not-over")
    refused(await operator.post("/api/v1/statements/2026-04/issue"), 404, "month-not-begun")


@pytest.mark.parametrize("query", ["", "?version=2", "?draft=true"])
@pytest.mark.parametrize("change", ["another call", "another town", "a test"])
async def test_a_statement_before_and_after_does_not_tell_how_long_a_call_took(
    *, operator: httpx.AsyncClient, ledger: Ledger, clock: ManualClock, query: str, change: str
) -> None:
    """As long as something can be said of a call, no statement has it: March so far, at noon of the fifth."""
    march = "/api/v1/statements/2026-03" + query
    clock.set(NOON + timedelta(days=3))
    for hours in (0, 11, 23, 30, 36 - 1 / 60):  # the last began at the first minute of the fourth
        ledger.calls = [call("a", NOON, 40), one := call("b", clock.now() - timedelta(hours=hours), 40)]
        before = await told(operator, march)
        assert before["total"]["accepted"] == 1
        ledger.calls[1:] = {
            "another call": [one, replace(one, call=CallId("c"))],
            "another town": [replace(one, tenant=TenantId("hannover"))],
            "a test": [replace(one, test=True)],
        }[change]
        assert await told(operator, march) == before


async def test_a_call_that_lasts_past_midnight_is_counted_when_it_cannot_be_named_either(
    operator: httpx.AsyncClient, ledger: Ledger, clock: ManualClock
) -> None:
    ledger.calls = [call("late", datetime(2026, 3, 3, 22, 50, tzinfo=UTC), 40)]
    for minutes, counted in ((-1, 0), (1, 1)):
        clock.set(datetime(2026, 3, 5, 5, tzinfo=UTC) + timedelta(minutes=minutes))
        assert (await told(operator, "/api/v1/statements/2026-03"))["total"]["accepted"] == counted


@pytest.mark.parametrize(
    ("minutes", "hours"),
    [((1, 2, 15, 4), (0, 0, 0, 0)), ((7, 6, 5, 9), (0, 0, 0, 0)), ((20, 20, 20, 25), (0, 1, 1, 1))],
)
async def test_who_looks_every_day_does_not_read_how_long_the_one_call_of_a_day_took(
    *,
    operator: httpx.AsyncClient,
    ledger: Ledger,
    clock: ManualClock,
    town: dict[str, str],
    cabinet: Cabinet,
    minutes: tuple[int, ...],
    hours: tuple[int, ...],
) -> None:
    """Langenhagen has a call a day, paid by the minute; and nothing of one shows but which day it was."""
    price = Price(per_minute=Decimal(1), included_minutes=10)
    cabinet.kept[-1] = (cabinet.kept[-1][0], priced(cabinet.kept[-1][1], langenhagen=price))
    ledger.calls = [call(f"c{n}", NOON + timedelta(days=n), talked) for n, talked in enumerate(minutes)]
    for day, (calls, used) in enumerate(zip((0, 0, 1, 2, 3, 4), (0, 0, *hours), strict=True)):
        clock.set(NOON + timedelta(days=day))
        [line] = (await told(operator, "/api/v1/statements/2026-03", headers=town))["shares"]
        seconds = [line["talk_seconds"], line["handling_seconds"], line["volumes"][0]["used_seconds"]]
        assert (line["accepted"], seconds) == (calls, [3600 * used] * 3), day
        assert line["amount"] == ("50.00" if used else "0.00")


async def test_a_statement_that_is_not_settled_says_so_and_is_exact_once_it_is(
    operator: httpx.AsyncClient, ledger: Ledger, clock: ManualClock
) -> None:
    march = "/api/v1/statements/2026-03"
    ledger.calls = [call(f"c{n}", NOON + timedelta(days=n), minutes) for n, minutes in enumerate((20, 20, 20, 25))]
    clock.set(datetime(2026, 4, 2, 4, tzinfo=UTC) - timedelta(seconds=1))
    said = await told(operator, march)
    assert (said["complete"], said["total"]["handling_seconds"]) == (False, 3600)
    sheets = [(await operator.get(f"{march}?format={form}")).text for form in ("csv", "positions-csv")]
    assert all("2026-03 (vorläufig);" in sheet and "2026-03;" not in sheet for sheet in sheets)
    clock.set(datetime(2026, 4, 2, 4, tzinfo=UTC))
    said = await told(operator, march)
    assert (said["complete"], said["total"]["handling_seconds"]) == (True, 85 * 60)
    assert "2026-03;" in (await operator.get(f"{march}?format=csv")).text


# ---------------------------------------------------------------- a year later


async def test_prices_are_those_that_were_in_force_when_the_month_ended(
    operator: httpx.AsyncClient, cabinet: Cabinet, centre: Centre
) -> None:
    before = await told(operator)
    dearer = priced(centre.towns, langenhagen=replace(PRICE, flat=Decimal(5000)))
    cabinet.kept.append((Edit("kämmerei", datetime(2026, 2, 28, 22, 59, 59, tzinfo=UTC)), dearer))
    cabinet.kept.append((Edit("kämmerei", datetime(2026, 2, 28, 23, tzinfo=UTC)), centre.towns))
    now = await told(operator)
    assert (before["shares"][1]["amount"], now["shares"][1]["amount"]) == ("1003.18", "5003.18")
    assert now["version"] == 3, "the last moment of the month in Berlin"
    assert (await told(operator, "/api/v1/statements/2026-01"))["version"] == 1
    # Before there was any: the first one.
    assert (await told(operator, "/api/v1/statements/2025-12"))["version"] == 1

    corrected = await told(operator, f"{FEBRUARY}?version=2")
    assert (corrected["version"], corrected["shares"]) == (2, before["shares"])
    refused(await operator.get(f"{FEBRUARY}?version=99"), 404, "no-such-version")


async def test_what_was_issued_stays_whatever_is_said_of_a_call_later(
    operator: httpx.AsyncClient, ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    refused(await operator.get(f"{FEBRUARY}?number=1"), 404, "not-issued")
    answer = await operator.post(f"{FEBRUARY}/issue")
    assert (answer.status_code, answer.json()["issued"]["number"]) == (200, 1)
    assert book.lines[-1].action == "statements.issue"
    assert book.lines[-1].details == {"method": "POST", "status": 200, "number": 1, "version": 2, "token": "file"}

    ledger.calls = [replace(call, tenant=TenantId("region")) for call in ledger.calls]
    clock.advance(3600)
    assert await told(operator) == answer.json()
    draft = await told(operator, f"{FEBRUARY}?draft=true")
    assert (draft["issued"], draft["as_of"]) == (None, "2026-03-02T12:00:00Z")
    assert [share["accepted"] for share in draft["shares"]] == [0, 0, 4, 0, 0, 0]

    again = (await operator.post(f"{FEBRUARY}/issue")).json()
    assert (again["issued"]["number"], again["shares"]) == (2, draft["shares"])
    assert (again["issued_before"], again["differences"]) == (None, [])
    assert await told(operator) == again
    assert await told(operator, f"{FEBRUARY}?number=1") == answer.json()


async def test_a_draft_says_where_it_differs_from_what_was_issued_last(
    operator: httpx.AsyncClient, ledger: Ledger, town: dict[str, str]
) -> None:
    """One of Langenhagen's calls was Hannover's; and one that was nobody's is Seelze's, which has no contract here."""
    ledger.calls.append(call("other", datetime(2026, 2, 11, 9, tzinfo=UTC), 2))
    assert (await told(operator, f"{FEBRUARY}?draft=true"))["issued_before"] is None
    await operator.post(f"{FEBRUARY}/issue")
    same = await told(operator, f"{FEBRUARY}?draft=true")
    assert (same["issued_before"]["number"], same["differences"]) == (1, [])

    hannover, seelze = TenantId("hannover"), TenantId("seelze")
    ledger.calls[-1] = replace(ledger.calls[-1], tenant=hannover)
    ledger.calls = [replace(one, tenant=seelze) if one.tenant == UNASSIGNED else one for one in ledger.calls]
    draft = await told(operator, f"{FEBRUARY}?draft=true")
    assert draft["issued_before"] == {"number": 1, "at": "2026-03-02T11:00:00Z", "by": "admin"}
    assert {(d["tenant"] or d["sort"]): d["says"] for d in draft["differences"]} == {
        "hannover": "Hannover: 4,00 EUR statt 2,00 EUR; 2 statt 1 angenommene Anrufe;"
        " 0:05:00 statt 0:03:00 Bearbeitung",
        "langenhagen": "Langenhagen: 1.003,18 EUR statt 1.006,36 EUR; 1 statt 2 angenommene Anrufe;"
        " 0:12:00 statt 0:14:00 Bearbeitung",
        "seelze": "seelze: 0,00 EUR wie zuvor; 1 statt 0 angenommene Anrufe; 0:01:00 statt 0:00:00 Bearbeitung",
        "unassigned": "Nicht zugeordnet: 0,00 EUR wie zuvor; 0 statt 1 angenommene Anrufe;"
        " 0:00:00 statt 0:01:00 Bearbeitung",
    }
    first = draft["differences"][0]
    assert (first["amount_issued"], first["amount"], first["accepted_issued"], first["accepted"]) == (
        "2.00", "4.00", 1, 2,
    )  # fmt: skip
    text = (await operator.get(f"{FEBRUARY}?draft=true&format=csv")).content.decode("utf-8-sig")
    head, *rows = csv.reader(text.splitlines(), delimiter=";")
    assert head[-2:] == ["Betrag (EUR)", "zuletzt ausgestellt (EUR)"]
    assert {row[1]: row[-2:] for row in rows if row[1] in ("hannover", "seelze")} == {
        "hannover": ["4,00", "2,00"], "seelze": ["0,00", "0,00"],
    }  # fmt: skip
    assert rows[-1][-2:] == ["1007,18", "1008,36"]
    assert "ausgestellt" not in (await operator.get(f"{FEBRUARY}?format=csv")).text

    theirs = await told(operator, f"{FEBRUARY}?draft=true", headers=town)
    assert ([d["tenant"] for d in theirs["differences"]], theirs["issued_before"]["by"]) == (["langenhagen"], None)
    # With other prices it is a draft, too; a line of which there is nothing left still is one.
    ledger.calls = [one for one in ledger.calls if one.tenant != seelze]
    await operator.post(f"{FEBRUARY}/issue?version=2")
    cheaper = await told(operator, f"{FEBRUARY}?version=1")
    assert cheaper["issued_before"]["number"] == 2
    assert [(d["tenant"], d["amount_issued"], d["amount"]) for d in cheaper["differences"]] == [
        ("hannover", "4.00", "0.00"), ("langenhagen", "1003.18", "0.00"),
    ]  # fmt: skip


async def test_a_town_does_not_read_who_issued_it(
    operator: httpx.AsyncClient, town: dict[str, str], ledger: Ledger
) -> None:
    await operator.post(f"{FEBRUARY}/issue")
    said = await told(operator, headers=town)
    assert said["issued"] == {"number": 1, "at": "2026-03-02T11:00:00Z", "by": None}


async def test_prices_that_cannot_be_read_any_more_are_told_as_that(
    operator: httpx.AsyncClient, cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def spoilt(number: int) -> Directory:
        raise DirectoryFileInvalid(tmp_path, ("spoilt",))

    monkeypatch.setattr(cabinet, "version", spoilt)
    refused(await operator.get(FEBRUARY), 503, "directory-unreadable")


# ---------------------------------------------------------------- included minutes run out


def call(name: str, at: datetime, minutes: float) -> Any:
    over = at + timedelta(minutes=minutes)
    return served(name, t_in=at, t_ans=at, t_end=over, t_wrap_end=over)


async def test_town_and_operator_hear_once_at_80_and_once_at_100_per_cent(
    *,
    settlement: Settlement,
    ledger: Ledger,
    clock: ManualClock,
    book: Book,
    cabinet: Cabinet,
    operator: httpx.AsyncClient,
    town: dict[str, str],
) -> None:
    ledger.calls = [call("a", NOON, 7.99)]
    for talked, heard in ((0, 0), (0.01, 1), (0, 1), (1.9, 1), (0.1, 2), (50, 2)):
        ledger.calls.append(call("b", NOON, talked))
        await settlement.tell_of_volumes(book)
        await Settlement(ledger, cabinet, ledger, clock).tell_of_volumes(book)  # after a restart
        assert len(book.lines) == heard, talked
    assert [(line.tenant, line.action, line.about) for line in book.lines] == [
        ("langenhagen", TOLD, "langenhagen/2026-03-01")
    ] * 2
    assert [line.details["limit"] for line in book.lines] == [80, 100]
    assert book.lines[0].details == {  # and not by how much: that may have been one call
        "limit": 80,
        "included_seconds": 600,
        "says": "80 % der Inklusivminuten des Monats sind verbraucht (0:10:00 Stunden).",
    }
    seen = (await operator.get(f"/api/v1/audit?action={TOLD}", headers=town)).json()["lines"]
    assert [line["details"]["limit"] for line in seen] == [100, 80]

    clock.set(datetime(2026, 4, 10, tzinfo=UTC))
    await settlement.tell_of_volumes(book)
    assert len(book.lines) == 2, "a new month, a new volume"


async def test_what_was_used_up_in_the_last_hour_of_a_month_is_told_in_the_next(
    settlement: Settlement, ledger: Ledger, clock: ManualClock, book: Book
) -> None:
    midnight = datetime(2026, 3, 31, 22, tzinfo=UTC)
    ledger.calls = [call("late", midnight - timedelta(minutes=10), 11)]
    clock.set(midnight + timedelta(hours=23))  # the database was away meanwhile
    await settlement.tell_of_volumes(book)
    assert [line.about for line in book.lines] == ["langenhagen/2026-03-01"]


async def test_a_volume_of_the_year_is_told_once_a_year(
    settlement: Settlement, ledger: Ledger, clock: ManualClock, book: Book, cabinet: Cabinet
) -> None:
    yearly = replace(PRICE, each=Span.YEAR)
    cabinet.kept[-1] = (cabinet.kept[-1][0], priced(cabinet.kept[-1][1], langenhagen=yearly))
    ledger.calls = [call("a", datetime(2026, 1, 20, tzinfo=UTC), 5), call("b", NOON - timedelta(days=2), 3)]
    for month in range(3, 13):
        clock.set(datetime(2026, month, 15, tzinfo=UTC))
        await settlement.tell_of_volumes(book)
    assert [(line.about, line.at.month) for line in book.lines] == [("langenhagen/2026-01-01", 3)]


async def test_where_nothing_is_included_nothing_is_summed_up(
    clock: ManualClock, book: Book, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger()
    monkeypatch.setattr(ledger, "usage", None)
    await Settlement(ledger, Cabinet(centre.towns), ledger, clock).tell_of_volumes(book)
    assert book.lines == []
