"""Before a town goes live, an administrator asks at the command line what is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from directories import COUNTY

if TYPE_CHECKING:
    from pathlib import Path

    from shell import Shell


def file_of(shell: Shell) -> Path:
    file = shell.folder / "county.toml"
    file.write_text(COUNTY, encoding="utf-8")
    return file


def test_what_is_missing_for_a_town_is_asked_of_a_file(shell: Shell) -> None:
    county = str(file_of(shell))
    status, said, _ = shell.run("gate", "harburg", "--on", "2026-04-01", "--directory", county)
    read = said.splitlines()
    assert status == 1
    assert read[0].startswith("Landkreis Harburg, Wed 01.04.2026: NO GO, ")
    assert "FAIL  greeting:+494171693: entry +494171693 greets nobody: name a prompt (greeting)" in read
    assert "FAIL  question:bus: not answered yet: Are the services in the BUS up to date, with office, contact" in said
    assert "note  question:closure-days is waived by A. Muster (2012-12-20): folgen im Januar" in read

    status, said, _ = shell.run("gate", "harburg", "--json", "--directory", county)
    answer = json.loads(said)
    assert (status, answer["go"], answer["tenant"]) == (1, False, "harburg")
    waived = {finding["id"]: finding["waived_by"] for finding in answer["findings"]}
    assert waived["question:closure-days"] == "A. Muster"


def test_a_town_nobody_knows_has_no_gate(shell: Shell) -> None:
    status, _, wrong = shell.run("gate", "hamburg", "--directory", str(file_of(shell)))
    assert status == 1
    assert "there is no town 'hamburg'; there are: harburg" in wrong
