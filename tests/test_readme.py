"""What the README tells an engineer to write or to type, written and typed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from dialog_acd.api import issuer, witness
from dialog_acd.api.people import people_of
from dialog_acd.core.ladder import CIRCUIT_OPEN, ENOUGH, FAILURES, LOOK_AGAIN
from dialog_acd.core.model import Action, EntryKind, Trigger
from dialog_acd.core.remarks import remarks
from dialog_acd.directory_form import QueueTable, TenantTable
from dialog_acd.settings import OidcSettings
from dialog_acd.simulation.figures import LOAD, named_kpis
from dialog_acd.simulation.report import FEWEST
from dialog_acd.store.directory_file import directory_from_plain
from dialog_acd.testing import MONDAY

if TYPE_CHECKING:
    from shell import Shell

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO = ROOT / "asterisk" / "demo-directory.toml"
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("dialog-acd ").split(" --runs ")[0]
    for block in BLOCKS
    for line in block.splitlines()
    if re.match(r"dialog-acd .*(scenarios|asterisk|examples)/|dialog-acd .*asterisk/demo", line)
]


def section(heading: str) -> str:
    """From the heading to the next one of any level."""
    return re.split(r"^#+ ", README.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]


def test_the_example_fits_the_demo_directory_and_draws_no_remark() -> None:
    content = tomllib.loads(DEMO.read_text(encoding="utf-8"))
    tables = [tomllib.loads(block) for block in BLOCKS if block.startswith("[[")]
    assert {name for table in tables for name in table} == {"queues", "calendars", "entries"}
    for table in tables:
        for name, rows in table.items():
            key = "number" if name == "entries" else "id"
            replaced = {row[key] for row in rows}
            content[name] = [row for row in content[name] if row.get(key) not in replaced] + rows
    directory = directory_from_plain(content, Path("README.md"))
    assert len(directory.queue) == len(content["queues"]) == 5
    assert remarks(directory, MONDAY) == ()


def test_the_example_of_a_shared_number_fits_the_demo_directory() -> None:
    content = tomllib.loads(DEMO.read_text(encoding="utf-8"))
    [block] = [tomllib.loads(block) for block in BLOCKS if block.startswith("test_callers")]
    content["entries"] = [e for e in content["entries"] if e.get("number") != "115"] + block["entries"]
    content["tenants"] += block["tenants"]
    directory = directory_from_plain(content | {"test_callers": block["test_callers"]}, Path("README.md"))
    shared = directory.entry_for("115", at=MONDAY).entry
    assert len(shared.candidates) == 4
    assert directory.tenant_coded["5"].id == "laatzen"


FIRST_OF_KIND = set({command.split()[0]: command for command in reversed(COMMANDS)}.values())


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_what_is_to_be_typed_works_in_a_fresh_clone(
    command: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of each kind as a process of its own, as it is typed; to start one more says nothing more."""
    monkeypatch.chdir(ROOT)
    if command in FIRST_OF_KIND:
        program = Path(sys.executable).with_name("dialog-acd")
        done = subprocess.run([program, *command.split()], capture_output=True, text=True, check=False)
        status, said, complained = done.returncode, done.stdout, done.stderr
    else:
        # Six days are enough to judge what a scenario expects, in place of the thirty.
        few = ["--runs", "6"] if command.startswith("simulate ") else []
        status, said, complained = shell.run(*command.split(), *few)
    no_go = command.startswith("gate ")  # as the text says: questions are open
    assert (status, complained) == (int(no_go), "")
    assert said


def test_the_contract_shown_is_one() -> None:
    (block,) = (block for block in BLOCKS if block.startswith("- id: laatzen"))
    (town,) = yaml.safe_load(block)
    read = TenantTable.model_validate(town)
    assert [target.share for target in read.contract.targets] == [0.75, 0.75, 0.8]
    assert read.contract.prices[0].per_minute == Decimal("1.59")


def test_each_kind_of_command_is_shown() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"check", "gate", "route", "simulate"}


def test_every_trigger_action_and_kind_has_its_line() -> None:
    ladder = section("Ladder")
    named = {word for cell in first_cells(ladder) for word in re.findall(r"`([a-z ]+?)(?: [A-Z].*?)?`", cell)}
    assert named == {t.value.replace("-", " ") for t in Trigger} | {a.value for a in Action}
    for kind in EntryKind:
        assert f"`{kind.value}`" in ladder, kind
    seconds = LOOK_AGAIN.total_seconds(), CIRCUIT_OPEN.total_seconds()
    assert (*seconds, FAILURES, ENOUGH, FEWEST) == (10, 60, 3, 0.7, 4), "the README says so in words"


def test_every_field_of_a_queue_has_its_default() -> None:
    rows = [line.split("|") for line in section("Queue").splitlines() if line.startswith("| `")]
    told: dict[str, str] = {}
    for _, names, default, *_ in rows:
        fields = re.findall(r"`(\w+)`", names)
        said = default.strip().split(", ")
        told |= dict(zip(fields, said if len(said) == len(fields) else said * len(fields), strict=True))
    assert set(told) == set(QueueTable.model_fields)
    for name, field in QueueTable.model_fields.items():
        wanted = "must be said" if field.is_required() else field.default
        as_told = told[name].strip('`"')
        assert as_told in (str(wanted), str(wanted).lower()), name


def test_the_settings_of_the_identity_provider_can_be_used() -> None:
    told = dict(
        re.findall(r"^export ACD_OIDC__(\w+)=\"?(.*?)\"?(?: +#.*)?$", section("People who sign in"), re.MULTILINE)
    )
    people = people_of(told["ISSUER"], told["AUDIENCE"], OidcSettings().claim, told["ROLES"], lambda: MONDAY)
    assert people is not None
    assert [(place.role.value, place.tenant) for place in people.places.values()] == [
        ("operator", None),
        ("supervisor", None),
        ("town-admin", "laatzen"),
    ]
    minutes = issuer.FRESH_FOR.total_seconds() / 60, issuer.KEPT_FOR.total_seconds() / 60
    assert (*minutes, witness.LINES_EACH, witness.LINES_IN_ALL) == (5, 60, 10, 30), "the README says so in words"


def test_every_figure_is_defined() -> None:
    defined = " ".join(first_cells(section("Figures")))
    for name in (*named_kpis(["GROUP"]), LOAD):
        if not name.startswith(("Überlaufquote (", "Mittlerer quadratischer Fehler")):
            assert name in defined, name
