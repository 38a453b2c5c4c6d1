"""A directory is told so that it can be applied again, and a change so that a colleague understands it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dialog_acd.core.model import NOT_YET, CalendarId
from dialog_acd.directory_form import TABLES, THINGS
from dialog_acd.store.directory_file import (
    DirectoryFileInvalid,
    directory_from_json,
    directory_from_yaml,
    read_directory,
    thing_from_json,
)
from dialog_acd.store.directory_plain import differences, plain, whole
from dialog_acd.store.yaml_text import write_yaml
from directories import COUNTY, DEMO, TOWN

SCENARIOS = Path(__file__).parents[2] / "scenarios"
HERE = Path("x.yaml")


def toml(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "directory.toml"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "file", [DEMO, SCENARIOS / "harburg.toml", SCENARIOS / "hannover.toml"], ids=lambda file: file.stem
)
def test_an_export_applied_again_is_the_same_directory(file: Path) -> None:
    directory = read_directory(file)
    text = write_yaml(plain(directory))
    again = directory_from_yaml(text, HERE)
    assert again == directory
    assert write_yaml(plain(again)) == text
    assert differences(directory, again) == ()


def test_everything_there_is_to_say_comes_back(tmp_path: Path) -> None:
    directory = read_directory(toml(tmp_path, COUNTY))
    assert directory_from_yaml(write_yaml(plain(directory)), HERE) == directory


def test_a_thing_by_itself_says_all_its_fields_and_comes_back(tmp_path: Path) -> None:
    directory = read_directory(toml(tmp_path, COUNTY))
    for section in THINGS:
        for thing in getattr(directory, section):
            said = json.loads(json.dumps(whole(thing)))
            assert set(said) == set(TABLES[section].model_fields)
            assert thing_from_json(section, said) == thing
    assert [set(special) for special in whole(directory.calendar[CalendarId("house")])["special_days"]] == [
        set(TABLES["special_days"].model_fields)
    ] * 2
    contract = whole(directory.tenants[0])["contract"]
    assert set(contract) == set(TABLES["contract"].model_fields)
    assert [set(price) for price in contract["prices"]] == [set(TABLES["prices"].model_fields)] * 2


@pytest.mark.parametrize("day", ["2013-01-25", '"not-yet"', '"2013-01-25"'])
def test_when_a_town_goes_live_comes_back(tmp_path: Path, day: str) -> None:
    directory = read_directory(toml(tmp_path, COUNTY.replace('code = "01"', f"live_from = {day}")))
    assert (directory.tenants[0].live_from == NOT_YET) == ("not-yet" in day)
    text = write_yaml(plain(directory))
    assert f"live_from: {day.strip(chr(34))}\n" in text
    assert directory_from_yaml(text, HERE) == directory
    as_json = json.dumps(plain(directory), default=str).encode()
    assert directory_from_json(as_json, "x") == directory


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('live_from = "soon"', "tenants[0].live_from: must be a date, as 2022-03-01, or 'not-yet' (in the one with id"),
        ("live_from = 3", "tenants[0].live_from: "),
        ("contract = { prices = [{ flat = 7916.67 }] }", "tenants[0].contract.prices[0].flat: write euros in quotes"),
        ('contract = { prices = [{ flat = "1.00 EUR" }] }', "tenants[0].contract.prices[0].flat: write euros in quo"),
        (
            'contract = { target = ["75 % within 30 s"] }',
            "tenants[0].contract.target: unknown field, did you mean 'targ",
        ),
        ('contract = { targets = ["75 within 30"] }', "tenants[0].contract.targets[0]: '75 within 30': write a target"),
    ],
)
def test_what_was_agreed_is_read_strictly(tmp_path: Path, wrong: str, told: str) -> None:
    with pytest.raises(DirectoryFileInvalid) as refused:
        read_directory(toml(tmp_path, TOWN.replace('label = "Stadt"', f'label = "Stadt"\n{wrong}')))
    assert [fault for fault in refused.value.faults if fault.startswith(told)], refused.value.faults


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("ring_for = 12.5", "ring_for = 25", "queue town: ring_for 12.5 becomes 25"),
        ("ring_for = 12.5", "", "queue town: ring_for is no longer 12.5"),
        ('label = "Stadt"', 'label = "LGH"', "tenant town: label Stadt becomes LGH"),
        ("block = true", "", "entry +495117307: block is no longer on"),
        ("{ citizens = 4 }", "{ citizens = 5 }", "agent anna: skills citizens 4 becomes 5"),
        (
            'ladder = ["waited 90 s: partner oldenburg"]',
            'ladder = ["waited 60 s: partner oldenburg", "waited 300 s: release"]',
            (
                "queue town: ladder without 'waited 90 s: partner oldenburg' "
                "and with 'waited 60 s: partner oldenburg', 'waited 300 s: release'"
            ),
        ),
    ],
)
def test_a_change_is_told_in_words(tmp_path: Path, was: str, becomes: str, told: str) -> None:
    assert was in TOWN
    before = read_directory(toml(tmp_path, TOWN))
    assert differences(before, read_directory(toml(tmp_path, TOWN.replace(was, becomes)))) == (told,)


def test_what_comes_and_goes_is_told(tmp_path: Path) -> None:
    before = read_directory(toml(tmp_path, TOWN))
    more = TOWN + '[[agents]]\nid = "bert"\nname = "Bert"\nphone = "phone-bert"\n'
    after = read_directory(toml(tmp_path, more))
    assert differences(before, after) == ("agent bert is new: name Bert, phone phone-bert",)
    assert differences(after, before) == ("agent bert is taken away",)
    assert "tenant town is new: name 'Stadt Langenhagen', label Stadt" in differences(None, before)


def test_the_order_of_trunks_counts_and_is_told(tmp_path: Path) -> None:
    """An unknown trunk is read like the first one."""
    trunks = '[[trunks]]\nname = "one"\n', '[[trunks]]\nname = "two"\n'
    before, after = (read_directory(toml(tmp_path, "".join(order) + TOWN)) for order in (trunks, trunks[::-1]))
    assert differences(before, after) == ("the order of the trunks changes",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tenants: &a []\nqueues: *a\n", "line 2, column 9: an alias (*name) is not taken; write it out"),
        ("tenants: []\ntenants: []\n", "line 2, column 1: 'tenants' is written twice"),
        ("- a\n", "it must be a table with names such as 'tenants', 'queues' and 'entries'"),
        ("tenants: [\n", "it is not YAML: line 2, column 1"),
        ("tenants: 2026-02-30\n", "it is not YAML: day is out of range for month"),
        ("!!python/object/apply:os.system ['true']\n", "it is not YAML: line 1, column 1"),
    ],
)
def test_yaml_that_says_something_else_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(DirectoryFileInvalid) as refused:
        directory_from_yaml(text, HERE)
    assert told in str(refused.value)
