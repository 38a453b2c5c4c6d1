"""Reports at the command line."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.cli import common
from dialog_acd.core.model import TenantId
from dialog_acd.report.sheet import MARK
from dialog_acd.store.database import open_database
from dialog_acd.store.record_store import RecordWriter
from directories import COUNTY
from records import served

if TYPE_CHECKING:
    from shell import Shell


@pytest.fixture
def county(shell: Shell) -> Shell:
    """A county of which two calls are known, in March 2026."""
    shell.set(ACD_STORE__DATABASE_URL=f"sqlite:///{shell.folder}/acd.sqlite")
    file = shell.folder / "county.toml"
    # A policy that is weaker than the usual one takes two people, also in the first directory.
    file.write_text(COUNTY.replace('statistics = "own"\n', ""), encoding="utf-8")
    assert shell.run("migrate")[0] == 0
    assert shell.run("load", str(file))[0] == 0

    async def call() -> None:
        engine = await open_database(f"sqlite:///{shell.folder}/acd.sqlite")
        came = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        writer = RecordWriter(engine, shell.folder / "journal", lambda: came + timedelta(days=60), linger=0)
        for n in range(2):
            ended = came + timedelta(seconds=72)
            writer.put(served(f"c{n}", tenant=TenantId("harburg"), t_in=came, t_q=came, t_end=ended))
        await writer.close(5)
        await engine.dispose()

    asyncio.run(call())
    return shell


MARCH = ("--from", "2026-03-01", "--to", "2026-03-31")


def test_a_month_is_piped_into_a_spreadsheet_with_no_line_of_the_log_in_it(county: Shell) -> None:
    url = f"sqlite:///{county.folder}/acd.sqlite"
    command = [sys.executable, "-m", "dialog_acd", "report", "calls", *MARCH]
    ran = subprocess.run(
        [*command, "--by", "town,day"],
        env=os.environ | {"ACD_STORE__DATABASE_URL": url},
        capture_output=True,
        check=True,
    )
    said = ran.stdout.decode("utf-8")
    assert b"figures.rolled-up" in ran.stderr
    rows = list(csv.DictReader(io.StringIO(said.removeprefix(MARK)), delimiter=";"))
    assert said.startswith(MARK)
    assert [(row["Kommune"], row["Tag"], row["Angeboten"]) for row in rows] == [
        ("Landkreis Harburg", "02.03.2026", "2"),
        ("Gesamt", "", "2"),
    ]
    _, said, _ = county.run("report", "calls", "--json", *MARCH)
    assert json.loads(said)["subtitle"] == "01.03.2026 bis 31.03.2026, alle Kommunen"


@pytest.mark.parametrize("report", [("evaluation", *MARCH, "--town", "harburg"), ("readiness", "--weeks", "2")])
def test_a_report_is_written_where_it_is_wanted(county: Shell, report: tuple[str, ...]) -> None:
    file = county.folder / "bericht.html"
    status, said, told = county.run("report", *report, "-o", str(file))
    assert (status, "doctype" in said) == (0, False)
    assert f"wrote {file}" in told
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("calls", "--town", "hamburg"), "there is no town 'hamburg'; there are: harburg"),
        (("calls", "--by", "agent"), "not by 'agent'"),
        (("evaluation", "--from", "2026-03-02", "--to", "2026-03-01"), "before it begins"),
        (("calls", "--by", "half-hour", "--from", "2026-01-01", "--to", "2026-12-31"), "31 days"),
        (("readiness", "--weeks", "1000"), "1 to 104 weeks"),
        (("evaluation", *MARCH, "-o", "/nowhere/at/all.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(county: Shell, words: tuple[str, ...], wrong: str) -> None:
    status, said, told = county.run("report", *words)
    assert (status, "Zähler" in said, "doctype" in said) == (1, False, False)
    assert wrong in told.splitlines()[-1]


def test_without_a_directory_there_is_nothing_to_report_on(shell: Shell) -> None:
    shell.set(ACD_STORE__DATABASE_URL=f"sqlite:///{shell.folder}/acd.sqlite")
    assert shell.run("migrate")[0] == 0
    status, said, told = shell.run("report", "evaluation", *MARCH)
    assert (status, said) == (1, "")
    assert "directory" in told.splitlines()[-1]


def test_a_town_that_has_left_is_reported_of_the_time_when_it_was_there(
    county: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def others(database: object) -> list[str]:
        return ["seelze"]

    monkeypatch.setattr(common, "tenants", others)
    status, said, _ = county.run("report", "calls", *MARCH, "--town", "harburg")
    assert (status, "Harburg;2;" in said) == (0, True)
    _, _, wrong = county.run("report", "calls", *MARCH, "--town", "hamburg")
    assert "there is no town 'hamburg'; there are: harburg, seelze" in wrong
