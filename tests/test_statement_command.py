"""Finance at the command line: a month in words, in a spreadsheet, and as JSON."""

from __future__ import annotations

import asyncio
import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from dialog_acd.cli.records import _statement_text
from dialog_acd.core.model import CallId, Contract, Price, TenantId
from dialog_acd.core.records import Amendment
from dialog_acd.core.shares import Month, statement
from dialog_acd.settlement import Settled, Settlement
from dialog_acd.store.database import open_database
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.journal import Journal
from dialog_acd.store.record_store import RecordWriter
from dialog_acd.store.statement_store import StatementStore
from dialog_acd.store.usage_store import UsageStore
from dialog_acd.testing import ManualClock, demo_directory
from records import NOON, served

if TYPE_CHECKING:
    from pathlib import Path

    from shell import Shell

APRIL = datetime(2026, 4, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def database(shell: Shell, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Langenhagen has used three minutes and a half of its two."""
    file = shell.folder / "acd.sqlite"
    file.write_bytes(migrated_file.read_bytes())
    url = f"sqlite+aiosqlite:///{file}"
    monkeypatch.setenv("ACD_STORE__DATABASE_URL", url)
    monkeypatch.setenv("ACD_STORE__JOURNAL_DIR", str(shell.folder / "journal"))

    async def fill() -> None:
        engine = await open_database(url)
        contract = Contract(prices=(Price(flat=Decimal(2500), per_minute=Decimal("1.59"), included_minutes=2),))
        directory = demo_directory()
        towns = tuple(replace(t, contract=contract) if t.id == "langenhagen" else t for t in directory.tenants)
        await DirectoryStore(engine).replace(replace(directory, tenants=towns), Edit("setup", NOON))
        writer = RecordWriter(engine, shell.folder / "journal", lambda: NOON)
        for number in range(3):
            writer.put(served(f"c{number}", NOON + timedelta(minutes=number)))
        await writer.close(5)
        await engine.dispose()

    asyncio.run(fill())
    return url


def test_a_month_in_words(shell: Shell, database: str) -> None:
    status, said, wrong = shell.run("statement", "2026-03")
    assert (status, wrong) == (0, "")
    head, _, columns, *rows = said.splitlines()
    assert head.startswith("Kostenanteile 2026-03, Stand ")
    assert head.endswith(", nicht ausgestellt; Preise aus Fassung 1 des Verzeichnisses")
    assert columns.split() == ["Angeboten", "Angenommen", "Beim", "Partner", "Gespräch", "Bearbeitung", "EUR"]
    assert [row.split() for row in rows if row.startswith(("Langenhagen  ", "Summe"))] == [
        ["Langenhagen", "3", "3", "0", "0:03:00", "0:03:30", "2.502,39"],
        ["Summe", "3", "3", "0", "0:03:00", "0:03:30", "2.502,39"],
    ]
    assert rows[-4:] == [
        "Langenhagen",
        "  01.03.-31.03.  Grundbetrag: 2.500,00 EUR im Monat, 31 von 31 Tagen = 2.500,00 EUR",
        "  01.03.-31.03.  Minuten: 90 s über 120 s hinaus, die enthalten sind, zu 1,59 EUR je Minute = 2,39 EUR",
        "  175 % der Inklusivminuten des Monats sind verbraucht: 0:03:30 von 0:02:00 Stunden.",
    ]


def test_a_month_for_programs(shell: Shell, database: str) -> None:
    _, said, _ = shell.run("statement", "2026-03", "--town", "langenhagen", "--json")
    told = json.loads(said)
    assert ([share["amount"] for share in told["shares"]], told["total"]) == (["2502.39"], None)
    _, said, _ = shell.run("statement", "2026-03", "--csv")
    assert [row[-1] for row in csv.reader(said.splitlines(), delimiter=";")][-1] == "2502,39"
    _, said, _ = shell.run("statement", "2026-03", "--positions", "--town", "langenhagen")
    assert len(said.splitlines()) == 3


def test_one_that_was_issued_is_told_as_that(shell: Shell, database: str) -> None:
    async def issue() -> None:
        engine = await open_database(database)
        clock, spool = ManualClock(APRIL), RecordWriter(engine, shell.folder / "journal", lambda: APRIL)
        stores = UsageStore(engine), DirectoryStore(engine), StatementStore(engine)
        await Settlement(*stores, clock, spool=spool).issue(Month(2026, 3), "kämmerei")
        await spool.close(5)
        await engine.dispose()

    asyncio.run(issue())
    _, said, _ = shell.run("statement", "2026-03")
    assert "Stand 02.04.2026 10:00, ausgestellt als Nr. 1 am 02.04.2026 10:00 von kämmerei; " in said
    _, said, _ = shell.run("statement", "2026-03", "--draft")
    assert "nicht ausgestellt" in said
    assert said.endswith("\n\nAbweichungen von Nr. 1 vom 02.04.2026 10:00\n  keine\n")

    async def amend() -> None:
        engine = await open_database(database)
        writer = RecordWriter(engine, shell.folder / "journal", lambda: APRIL)
        writer.amend(Amendment(CallId("c1"), APRIL, tenant=TenantId("region")))
        await writer.close(5)
        await engine.dispose()

    asyncio.run(amend())
    _, said, _ = shell.run("statement", "2026-03", "--draft")
    assert said.splitlines()[-3:] == [
        "Abweichungen von Nr. 1 vom 02.04.2026 10:00",
        (
            "  Langenhagen: 2.500,53 EUR statt 2.502,39 EUR; 2 statt 3 angenommene Anrufe;"
            " 0:02:20 statt 0:03:30 Bearbeitung"
        ),
        "  Region Hannover: 0,00 EUR wie zuvor; 1 statt 0 angenommene Anrufe; 0:01:10 statt 0:00:00 Bearbeitung",
    ]
    _, said, _ = shell.run("statement", "2026-03", "--draft", "--town", "region", "--csv")
    assert [row[-2:] for row in csv.reader(said.splitlines(), delimiter=";")] == [
        ["Betrag (EUR)", "zuletzt ausgestellt (EUR)"],
        ["0,00", "0,00"],
    ]


def test_a_draft_says_what_it_lacks(shell: Shell, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database was away: two calls are in the service's journal alone, which nobody but the service empties."""
    journal = Journal(shell.folder / "journal", lambda: NOON)
    for name in ("late", "later"):
        journal.append(served(name, NOON))
    status, said, wrong = shell.run("statement", "2026-03", "--json")
    assert (status, json.loads(said)["total"]["accepted"]) == (0, 3)
    assert wrong.startswith(f"dialog-acd: 2 records in {shell.folder / 'journal'} wait for the database")
    assert journal.depth == 2
    journal.close()
    monkeypatch.setenv("ACD_STORE__JOURNAL_DIR", str(shell.folder / "elsewhere"))
    assert "was not looked at" in shell.run("statement", "2026-03")[2]


def test_what_there_is_not_is_told_in_a_sentence(shell: Shell, database: str) -> None:
    status, _, wrong = shell.run("statement", "2026-03", "--town", "seelze")
    assert (status, wrong) == (
        1,
        "dialog-acd: the statement has no town 'seelze'; there are: hannover, langenhagen, region\n",
    )
    assert shell.run("statement", "2026-03", "--number", "7")[::2] == (
        1,
        "dialog-acd: No such statement was issued for this month.\n",
    )
    assert shell.run("statement", "2098-03")[::2] == (1, "dialog-acd: The month has not begun yet.\n")
    status, _, wrong = shell.run("statement", "März")
    assert status == 2
    assert "a month is written as 2026-03" in wrong


@pytest.mark.parametrize(
    ("as_of", "said"),
    [
        (datetime(2026, 3, 3, 4, 59, tzinfo=UTC), "noch kein Tag"),
        (datetime(2026, 3, 3, 5, tzinfo=UTC), "Tage bis 01.03.2026, in ganzen Stunden"),
        (datetime(2026, 4, 1, 12, tzinfo=UTC), "Tage bis 30.03.2026, in ganzen Stunden"),
    ],
)
def test_a_month_that_is_not_settled_says_which_days_it_has(as_of: datetime, said: str) -> None:
    march = statement(Month(2026, 3), [], [], version=1, as_of=as_of)
    head = _statement_text(Settled(march)).splitlines()[0]
    assert f", vorläufig: {said}; Preise" in head
