"""The command line on a bad day: one sentence that says what to do, exit status 1, and never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd import __version__
from dialog_acd.testing import ManualClock
from directories import DEMO, TOWN
from rig.ports import free_ports
from switch.toy_ami import SECRET, ToyAmi
from toy_issuer import ToyIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shell import Shell

ROUTE = ("route", "--called", "115")


class Desk:
    """An operator's place of work: a shell, secrets, ports nobody uses, and as much of a database as is asked for."""

    def __init__(self, shell: Shell, migrated_file: Path) -> None:
        self.folder = shell.folder
        self.set, self.run, self.refuses = shell.set, shell.run, shell.refuses
        self._migrated_file = migrated_file
        for name in ("ami.secret", "api.token"):
            (self.folder / name).write_text(SECRET + "\n")
            (self.folder / name).chmod(0o600)
        ami, agi, api = free_ports(3)
        self.set(
            ACD_AMI__SECRET_FILE=self.folder / "ami.secret",
            ACD_API__TOKEN_FILE=self.folder / "api.token",
            ACD_STORE__DATABASE_URL=f"sqlite+aiosqlite:///{self.folder}/acd.sqlite",
            ACD_STORE__JOURNAL_DIR=self.folder / "journal",
            ACD_AMI__PORT=ami,
            ACD_AGI__PORT=agi,
            ACD_API__PORT=api,
        )

    def has_schema(self) -> None:
        shutil.copy(self._migrated_file, self.folder / "acd.sqlite")

    def has_directory(self) -> None:
        self.has_schema()
        (self.folder / "directory.toml").write_text(TOWN)
        assert self.run("load", str(self.folder / "directory.toml"))[0] == 0


@pytest.fixture
def desk(shell: Shell, migrated_file: Path) -> Desk:
    return Desk(shell, migrated_file)


@contextmanager
def asterisk(secret: str = SECRET) -> Iterator[ToyAmi]:
    """A toy Asterisk in a thread of its own: the commands bring their own event loop."""
    up, over = threading.Event(), threading.Event()
    toy = ToyAmi()
    toy.secret = secret

    async def live() -> None:
        async with toy:
            up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        assert up.wait(3)
        yield toy
    finally:
        over.set()
        thread.join()


# ---------------------------------------------------------------- settings and secrets


@pytest.mark.parametrize("command", [("serve",), ("check",), ("migrate",), ROUTE, ("load", "x.toml")])
def test_an_unknown_value_of_a_setting(desk: Desk, command: tuple[str, ...]) -> None:
    desk.set(ACD_API__PORT="abc")
    assert desk.refuses(*command) == (
        "ACD_API__PORT: Input should be a valid integer, unable to parse string as an integer"
    )


def test_a_setting_given_in_no_form_we_know(desk: Desk) -> None:
    desk.set(ACD_AMI="127.0.0.1")
    assert desk.refuses("serve") == "ACD_AMI: is not JSON; set its parts one by one, as ACD_AMI__..."


@pytest.mark.parametrize(("name", "what"), [("ami.secret", "the AMI secret"), ("api.token", "the API token")])
def test_a_missing_secret_file(desk: Desk, name: str, what: str) -> None:
    path = desk.folder / name
    path.unlink()
    assert desk.refuses("serve") == (
        f"cannot read {what} from {path} (No such file or directory): "
        "create the file, mode 600, with the secret in its first line"
    )


def test_a_secret_file_open_to_others(desk: Desk) -> None:
    path = desk.folder / "ami.secret"
    path.chmod(0o644)
    assert desk.refuses("serve") == f"{path} holds the AMI secret and is open to others: chmod 600 {path}"


def test_a_secret_too_short(desk: Desk) -> None:
    path = desk.folder / "api.token"
    path.write_text("kurz\n")
    assert desk.refuses("serve") == (
        f"the API token in {path} is shorter than 16 characters: put a long random one there"
    )


# ---------------------------------------------------------------- database and directory


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ROUTE])
def test_a_missing_database_folder(desk: Desk, command: tuple[str, ...]) -> None:
    folder = desk.folder / "nowhere"
    desk.set(ACD_STORE__DATABASE_URL=f"sqlite+aiosqlite:///{folder}/acd.sqlite")
    said = desk.refuses(*command)
    assert said.startswith(f"The folder {folder} for the database file acd.sqlite does not exist; create it")
    assert f"mkdir -p {folder}" in said


def test_a_database_of_no_kind_we_know(desk: Desk) -> None:
    desk.set(ACD_STORE__DATABASE_URL="oracle://acd@db/acd")
    assert "'oracle' is not a database dialog-acd speaks" in desk.refuses("serve")


def test_a_file_that_is_no_database(desk: Desk) -> None:
    (desk.folder / "acd.sqlite").write_text("Lieber Kollege, hier war mal eine Datenbank. " * 50)
    assert "cannot be used (file is not a database)" in desk.refuses("serve")


@pytest.mark.parametrize("command", [("serve",), ROUTE, ("load", str(DEMO))])
def test_a_database_without_schema(desk: Desk, command: tuple[str, ...]) -> None:
    (desk.folder / "acd.sqlite").touch()
    said = desk.refuses(*command)
    assert said.startswith("The database has no tables yet")
    assert "run `dialog-acd migrate`" in said


@pytest.mark.parametrize("command", [ROUTE, ("check",)])
def test_asking_makes_nothing(desk: Desk, command: tuple[str, ...]) -> None:
    """Asked in the wrong folder: the next command must not find an empty database there."""
    before = set(desk.folder.iterdir())
    status, out, err = desk.run(*command)
    assert status == 1
    assert (
        f"There is no database yet (file {desk.folder}/acd.sqlite); run `dialog-acd migrate`."
        " Or ask a file: --directory FILE\n"
    ) in out + err
    assert set(desk.folder.iterdir()) == before


@pytest.mark.parametrize(("command", "more"), [(("serve",), ""), (ROUTE, " Or ask a file: --directory FILE")])
def test_an_empty_directory(desk: Desk, command: tuple[str, ...], more: str) -> None:
    desk.has_schema()
    assert desk.refuses(*command) == f"The database holds no directory yet: load one with `dialog-acd load FILE`.{more}"


def test_a_directory_file_that_is_not_there(desk: Desk) -> None:
    path = desk.folder / "none.toml"
    said = desk.refuses("load", str(path))
    assert str(path) in said
    assert "No such file" in said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[tenants]\nid = 1", "line 1"),
        ("tenants = 7", "tenants"),
        (TOWN + "\n[[partners]]\nid = 'p'\n", "partners"),
        (TOWN.replace("steps = ", "step = "), "step"),
        (TOWN.replace('queue = "town"', 'queue = "hannover"', 1), "'hannover', which does not exist"),
        ("\xff\xfe\x00", "directory.toml"),
    ],
)
def test_a_bad_directory_file(desk: Desk, text: str, fault: str) -> None:
    desk.has_schema()
    path = desk.folder / "directory.toml"
    path.write_bytes(text.encode("latin-1"))
    said = desk.refuses("load", str(path))
    assert str(path) in said or "directory" in said
    assert fault in said


def test_a_bad_file_leaves_the_directory_in_force_alone(desk: Desk) -> None:
    desk.has_directory()
    before = desk.run("route", "--called", "0511 7307-0", "--at", "2026-03-02T12:00")
    (desk.folder / "bad.toml").write_text("tenants = 7")
    desk.refuses("load", str(desk.folder / "bad.toml"))
    assert desk.run("route", "--called", "0511 7307-0", "--at", "2026-03-02T12:00") == before


# ---------------------------------------------------------------- ports


@pytest.mark.parametrize("which", ["API", "AGI"])
def test_a_port_in_use(desk: Desk, which: str) -> None:
    desk.has_directory()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        desk.set(**{f"ACD_{which}__PORT": port})
        said = desk.refuses("serve")
    assert f"ort {port} " in said
    assert which in said
    assert f"ACD_{which}__PORT" in said
    assert "in use" in said


@pytest.mark.parametrize("which", ["API", "AGI"])
def test_an_address_that_is_not_ours(desk: Desk, which: str) -> None:
    desk.has_directory()
    desk.set(**{f"ACD_{which}__HOST": "192.0.2.1"})  # for documentation, RFC 5737: nobody's
    said = desk.refuses("serve")
    assert "192.0.2.1" in said
    assert f"ACD_{which}__" in said


# ---------------------------------------------------------------- check


def test_check_looks_at_everything(desk: Desk) -> None:
    desk.has_directory()
    with asterisk() as toy:
        desk.set(ACD_AMI__PORT=toy.port)
        status, out, err = desk.run("check")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "ok    secrets: readable, closed to others",
        "ok    database and directory: 2 entries, 1 queue, 1 agent",
        "ok    AMI: logged in, Asterisk speaks version 11.0.0 of the protocol",
    ]


def test_check_with_a_wrong_ami_secret(desk: Desk) -> None:
    desk.has_directory()
    with asterisk(secret="another-one") as toy:
        desk.set(ACD_AMI__PORT=toy.port)
        status, out, err = desk.run("check")
    assert (status, err) == (1, "")
    assert [line[:4] for line in out.splitlines()] == ["ok  ", "ok  ", "FAIL"]
    assert f"Asterisk at 127.0.0.1:{toy.port} refused the login of 'dialog-acd'" in out
    assert "ACD_AMI__SECRET_FILE" in out


def test_check_without_asterisk(desk: Desk) -> None:
    desk.has_directory()
    status, out, _ = desk.run("check")
    assert status == 1
    assert "is Asterisk running, and AMI enabled in manager.conf?" in out.splitlines()[2]


def test_check_tries_all_even_where_all_fails(desk: Desk) -> None:
    (desk.folder / "ami.secret").unlink()
    status, out, err = desk.run("check")
    assert (status, err) == (1, "")
    assert [re.split("[:(]", line)[0].strip() for line in out.splitlines()] == [
        "FAIL  secrets",
        "FAIL  database and directory",
        "FAIL  AMI",
    ]
    assert "run `dialog-acd migrate`" in out


def test_check_tells_each_fault_of_a_file_on_a_line_and_the_file_once(desk: Desk) -> None:
    path = desk.folder / "directory.toml"
    path.write_text(TOWN.replace("ring_for", "ringfor").replace('label = "Stadt"', "label = 7"))
    status, out, err = desk.run("check", "--directory", str(path))
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        f"FAIL  directory {path}: 2 faults",
        "      tenants[0].label: must be a text in quotes (in the one with id 'town')",
        "      queues[0].ringfor: unknown field, did you mean 'ring_for'? (in the one with id 'town')",
    ]
    path.write_text(TOWN.replace('queue = "town"', 'queue = "twn"', 1))
    _, out, _ = desk.run("check", "--directory", str(path))
    assert out == (
        f"FAIL  directory {path}: entry +495117307 names queue 'twn', which does not exist, did you mean 'town'?\n"
    )


@contextmanager
def identity_provider(port: int = 0) -> Iterator[ToyIssuer]:
    """In a thread of its own, as above."""
    toy = ToyIssuer(ManualClock(), port=port)
    up, over = threading.Event(), threading.Event()

    async def live() -> None:
        async with toy:
            up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        assert up.wait(3)
        yield toy
    finally:
        over.set()
        thread.join()


def sign_in(desk: Desk, issuer: str, roles: str = "acd-operators=operator") -> None:
    desk.set(ACD_OIDC__ISSUER=issuer, ACD_OIDC__AUDIENCE="dialog-acd", ACD_OIDC__ROLES=roles)


def test_check_looks_at_the_identity_provider(desk: Desk) -> None:
    desk.has_directory()
    with identity_provider() as toy:
        sign_in(desk, toy.url, "acd-operators=operator; rathaus=town-admin:town; village=town-admin:village")
        status, out, _ = desk.run("check")
    assert status == 1, "AMI is not there"
    assert f"ok    identity provider: {toy.url} signs with 1 key (RSA)" in out
    assert "note  ACD_OIDC__ROLES: 'village' is of the town 'village', which the directory does not have" in out
    assert "'rathaus'" not in out


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("{}/", "{} calls itself '{}': ACD_OIDC__ISSUER has to be the same to the letter"),
        ("{}/realms/nobody", "/realms/nobody/.well-known/openid-configuration is not a JSON object"),
        ("http://127.0.0.1:1", "cannot be read: All connection attempts failed"),
        ("http://login.region.de", "ACD_OIDC__ISSUER: 'http://login.region.de' has to begin with https://"),
    ],
)
def test_check_says_what_is_wrong_with_the_identity_provider(desk: Desk, at: str, told: str) -> None:
    desk.has_directory()
    with identity_provider() as toy:
        sign_in(desk, at.format(toy.url))
        status, out, err = desk.run("check")
    assert (status, err) == (1, "")
    [line] = [line for line in out.splitlines() if line.startswith("FAIL  identity provider: ")]
    assert told.format(f"{toy.url}/", toy.url) in line


def test_without_an_identity_provider_nobody_looks_for_one(desk: Desk) -> None:
    desk.set(ACD_OIDC__CLAIM="roles")
    assert "ok    identity provider: none is set" in desk.run("check")[1]


def test_settings_of_the_identity_provider_that_cannot_be_used_end_the_start(desk: Desk) -> None:
    desk.has_directory()
    sign_in(desk, "", "acd-operators=emperor")
    assert desk.refuses("serve") == (
        "ACD_OIDC__ISSUER: is missing; ACD_OIDC__ROLES: 'acd-operators=emperor' names no role; "
        "there are: operator, town-admin, supervisor, auditor, desk, agent, staff-council"
    )


def test_check_finds_an_empty_directory(desk: Desk) -> None:
    desk.has_schema()
    assert "FAIL  database and directory: The database holds no directory yet: load one with" in desk.run("check")[1]


# ---------------------------------------------------------------- route


@pytest.mark.parametrize("dialled", ["0511 7307-0", "+4951173074711"])
def test_route_says_where_a_number_leads(desk: Desk, dialled: str) -> None:
    desk.has_directory()
    status, out, err = desk.run("route", "--called", dialled)
    assert (status, err) == (0, "")
    said = dict(line.split(maxsplit=1) for line in out.splitlines() if " " in line)
    assert said["tenant"] == "Stadt Langenhagen"
    assert "found by block +495117307" in said["number"]
    assert said["queue"] == "Langenhagen"
    assert "  from 0 s: citizens>=3  (1 agent can)" in out.splitlines()
    assert said["failsafe"] == "main"


@pytest.mark.parametrize(
    ("dialled", "why"),
    [("0999 1", "nobody owns this number")]
    + [(d, "not one number as trunk trunk writes them (national)") for d in ("kein Anschluss", "+", "ä" * 300)],
)
def test_route_knows_a_way_for_every_number(desk: Desk, dialled: str, why: str) -> None:
    desk.has_directory()
    status, out, _ = desk.run("route", f"--called={dialled}")
    assert status == 0
    assert why in out
    assert "entry     catch-all" in out


# ---------------------------------------------------------------- the rest


def test_migrate_twice_is_once(desk: Desk) -> None:
    first, second = desk.run("migrate"), desk.run("migrate")
    assert first[0] == second[0] == 0
    assert re.search(r"^schema: \w+$", first[1], re.MULTILINE)
    assert first[1].splitlines()[-1] == second[1].splitlines()[-1]


def test_the_demo_directory_loads(desk: Desk) -> None:
    desk.has_schema()
    status, out, err = desk.run("load", str(DEMO))
    assert (status, err) == (0, "")
    assert re.fullmatch(r"loaded \d+ tenants, \d+ entries, \d+ queues, 16 agents\n.*SIGHUP.*\n", out)


def test_the_version(desk: Desk) -> None:
    assert desk.run("--version")[:2] == (0, f"dialog-acd {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("dance",), ("route",), ("load",)])
def test_wrong_usage_is_another_status(desk: Desk, arguments: tuple[str, ...]) -> None:
    status, out, err = desk.run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: dialog-acd")


def test_who_asks_about_a_file_does_not_wait_for_a_service_to_be_loaded(desk: Desk) -> None:
    program = f"""
import sys
from dialog_acd import cli
sys.argv = ["dialog-acd", "route", "--called", "115", "--directory", {str(DEMO)!r}]
try:
    cli.main()
finally:
    loaded = {{"alembic", "fastapi", "panoramisk", "sqlalchemy", "uvicorn"}} & set(sys.modules)
    sys.exit(f"loaded {{loaded}}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("number    115")


@pytest.mark.parametrize("command", ["route --called 115", "check"])
def test_who_has_read_enough_closes_the_pipe_and_nothing_is_said(command: str) -> None:
    """``dialog-acd route ... | head -1``"""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dialog_acd", *command.split(), "--directory", str(DEMO)],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_the_log_stays_off_standard_output(desk: Desk) -> None:
    """Whoever pipes a command's output gets the output."""
    done = subprocess.run(
        [sys.executable, "-m", "dialog_acd", "migrate"],
        env={**os.environ, "ACD_STORE__DATABASE_URL": f"sqlite+aiosqlite:///{desk.folder}/fresh.sqlite"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"schema: \w+\n", done.stdout)
    assert done.stderr
    assert all(json.loads(line)["event"] for line in done.stderr.splitlines())


# ---------------------------------------------------------------- rules as code


def yaml_file(desk: Desk, name: str, text: str) -> str:
    path = desk.folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_directory_is_exported_changed_looked_at_applied_and_rolled_back(desk: Desk) -> None:
    desk.has_schema()
    desk.run("load", yaml_file(desk, "town.toml", TOWN))
    _, exported, _ = desk.run("directory", "export")
    edited = yaml_file(desk, "edited.yaml", exported.replace("ring_for: 12.5", "ring_for: 25"))

    status, said, _ = desk.run("directory", "diff", edited)
    assert (status, said) == (0, "queue town: ring_for 12.5 becomes 25\n")
    assert desk.run("directory", "apply", edited, "--dry-run")[1] == said
    assert desk.run("directory", "export")[1] == exported

    status, said, _ = desk.run("directory", "apply", edited, "--why", "longer", "--by", "anna")
    assert status == 0
    assert "version 2 is in force" in said
    assert desk.run("directory", "diff", edited)[1] == "nothing changes\n"
    history = desk.run("directory", "history")[1].splitlines()
    assert [line.split()[0] for line in history] == ["2", "1"]
    assert history[0].endswith("anna          longer")

    status, said, _ = desk.run("directory", "rollback", "1", "--by", "bert")
    assert "queue town: ring_for 25 becomes 12.5" in said
    assert desk.run("directory", "export")[1] == exported
    assert desk.run("directory", "history")[1].splitlines()[0].endswith("rolled back to version 1")
    assert "ring_for: 25" in desk.run("directory", "export", "--version", "2")[1]


def test_the_first_directory_is_applied_like_any_other(desk: Desk) -> None:
    desk.has_schema()
    (desk.folder / "directory.toml").write_text(TOWN)
    file = str(desk.folder / "directory.toml")
    assert desk.refuses("directory", "export").startswith("The database holds no directory yet: load one with")
    status, looked, _ = desk.run("directory", "diff", file)
    assert (status, looked.splitlines()[0]) == (0, "tenant town is new: name 'Stadt Langenhagen', label Stadt")
    assert desk.run("directory", "history")[1] == ""
    assert desk.run("directory", "apply", file, "--expect", "0")[1].startswith(looked + "version 1 is in force")
    assert desk.run("directory", "history")[1].rstrip().endswith("applied directory.toml")


def test_a_directory_that_cannot_be_read_any_more_is_exported_corrected_and_applied(desk: Desk) -> None:
    """A later version of the program may be stricter, and must not leave the operator with nothing."""
    desk.has_directory()
    database = sqlite3.connect(desk.folder / "acd.sqlite")
    (content,) = database.execute("SELECT content FROM directory_versions").fetchone()
    spoilt = zlib.decompress(content).replace(b"citizens>=3", b"citizens>=9")
    with database:
        database.execute("UPDATE directory_versions SET content = ?", (zlib.compress(spoilt),))
    database.close()
    for command in (ROUTE, ("serve",)):
        said = desk.refuses(*command)
        assert said.startswith("The directory file version 1 cannot be used: queues[0].steps[0]: ")
    _, exported, _ = desk.run("directory", "export")
    corrected = desk.folder / "corrected.yaml"
    corrected.write_text(exported.replace("citizens>=9", "citizens>=3"))
    status, said, _ = desk.run("directory", "apply", str(corrected))
    assert (status, said.splitlines()[0]) == (
        0,
        "version 1, which is in force, cannot be read, and all of it is replaced",
    )
    assert said.splitlines()[-1].startswith("version 2 is in force")
    assert desk.run(*ROUTE)[0] == 0


def test_a_database_is_led_back_to_an_earlier_schema_and_forth_again(desk: Desk) -> None:
    desk.has_directory()
    _, exported, _ = desk.run("directory", "export")
    assert desk.run("migrate", "--to", "0007")[1].endswith("schema: 0007\n")
    assert "has schema 0007, this version needs" in desk.refuses("directory", "export")
    assert desk.run("migrate")[0] == 0
    assert desk.run("directory", "export")[1] == exported
    assert desk.refuses("migrate", "--to", "seven").startswith("There is no schema 'seven'; there are 0001 to ")


def test_an_edit_of_a_directory_that_has_moved_on_is_refused(desk: Desk) -> None:
    desk.has_schema()
    desk.run("load", yaml_file(desk, "town.toml", TOWN))
    _, exported, _ = desk.run("directory", "export")
    edited = yaml_file(desk, "edited.yaml", exported.replace("ring_for: 12.5", "ring_for: 25"))
    assert desk.refuses("directory", "apply", edited, "--expect", "7").startswith(
        "The directory is at version 1 by now, this edit was made from version 7"
    )
    assert desk.run("directory", "export")[1] == exported


def test_a_bad_edit_changes_nothing_and_says_why(desk: Desk) -> None:
    desk.has_schema()
    desk.run("load", yaml_file(desk, "town.toml", TOWN))
    _, exported, _ = desk.run("directory", "export")
    bad = yaml_file(desk, "bad.yaml", exported.replace("citizens>=3", "citizen>=3"))
    assert "asks for skill 'citizen', which is not declared" in desk.refuses("directory", "apply", bad)
    assert desk.run("directory", "export")[1] == exported
    assert desk.refuses("directory", "rollback", "9") == "there is no version 9 of the directory"


# ---------------------------------------------------------------- tokens


def test_a_town_gets_its_token_and_loses_it_again(desk: Desk) -> None:
    desk.has_directory()
    status, out, err = desk.run("token", "create", "--name", "rathaus", "--role", "town-admin", "--tenant", "town")
    assert status == 0
    token = out.strip()
    assert re.fullmatch(r"acd_[\w-]{43}", token)  # alone, for a script to take
    made = re.search(r"^token (\w{8}): rathaus, town-admin of town, until 20", err, re.MULTILINE)
    assert made is not None
    assert token not in err

    status, out, _ = desk.run("token", "list")
    head, row = out.splitlines()
    assert head.split() == ["ID", "NAME", "ROLE", "FOR", "EXPIRES", "STATE"]
    assert row.split()[:4] == [made[1], "rathaus", "town-admin", "town"]
    assert row.endswith("in force")
    assert token not in out
    assert token.encode() not in b"".join(path.read_bytes() for path in desk.folder.glob("acd.sqlite*"))

    assert desk.run("token", "revoke", made[1])[:2] == (0, f"token {made[1]} (rathaus) is revoked\n")
    assert re.search(r"rathaus .* revoked 20", desk.run("token", "list")[1])
    assert re.search(r"\(rathaus\) was revoked 20", desk.run("token", "revoke", made[1])[1])
    assert desk.refuses("token", "revoke", "nobody") == "there is no token 'nobody'; `dialog-acd token list` shows them"


def test_a_token_of_the_centre_needs_no_directory(desk: Desk) -> None:
    desk.has_schema()
    assert desk.run("token", "create", "--name", "leitstelle", "--role", "supervisor", "--days", "1")[0] == 0
    assert desk.run("token", "list")[1].splitlines()[1].split()[1:4] == ["leitstelle", "supervisor", "all"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--role", "town-admin"), "a town-admin needs a town: --tenant"),
        (("--role", "town-admin", "--tenant", "tonw"), "the directory has no town 'tonw'; there are: town"),
        (("--role", "operator", "--tenant", "town"), "the work of a role like operator has no limits"),
        (("--role", "auditor", "--days", "0"), "--days: from 1 to 3650"),
        (("--role", "auditor", "--name", "admin"), "--name: 'admin' is the first operator's key"),
        (("--role", "auditor", "--name", "two\nlines"), "--name: 1 to 60 printable characters"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(desk: Desk, arguments: tuple[str, ...], why: str) -> None:
    desk.has_directory()
    assert desk.refuses("token", "create", "--name", "x", *arguments).startswith(why)
    assert len(desk.run("token", "list")[1].splitlines()) == 1


def test_a_role_nobody_has(desk: Desk) -> None:
    status, out, err = desk.run("token", "create", "--name", "x", "--role", "emperor")
    assert (status, out) == (2, "")
    assert "emperor" in err


# ---------------------------------------------------------------- what Asterisk must know


@pytest.fixture
def synced(desk: Desk) -> Path:
    """A folder, and an Asterisk that takes what is in it."""
    folder = desk.folder / "synced"
    folder.mkdir(mode=0o750)
    desk.set(ACD_ASTERISK__RELOAD="true", ACD_ASTERISK__CHECK=f"cat {folder}/current/pjsip-acd-agents.conf")
    return folder


def test_phones_of_the_directory_are_synced_and_their_passwords_told(desk: Desk, synced: Path) -> None:
    desk.has_directory()
    assert desk.run("asterisk", "sync", str(synced)) == (0, "version 1: 3 files changed, Asterisk was reloaded\n", "")
    assert desk.run("asterisk", "sync", str(synced)) == (0, "nothing has changed\n", "")
    status, password, _ = desk.run("asterisk", "password", "phone-anna", str(synced))
    assert (status, len(password.strip())) == (0, 32)
    rendered = (synced / "current" / "pjsip-acd-agents.conf").read_text()
    assert f"username = phone-anna\npassword = {password}" in rendered


def test_a_file_may_be_synced_before_there_is_a_database(desk: Desk, synced: Path) -> None:
    (desk.folder / "directory.toml").write_text(TOWN)
    status, said, _ = desk.run("asterisk", "sync", str(synced), "--directory", str(desk.folder / "directory.toml"))
    assert (status, said) == (0, "3 files changed, Asterisk was reloaded\n")
    assert not (desk.folder / "acd.sqlite").exists()


def test_a_sync_that_asterisk_does_not_take(desk: Desk, synced: Path) -> None:
    desk.has_directory()
    desk.set(ACD_ASTERISK__RELOAD="false")
    assert desk.refuses("asterisk", "sync", str(synced)).endswith("`false` ended with status 1: it said nothing")


@pytest.mark.parametrize("half", [("--url", "https://acd.example"), ("--token-file", "x")])
def test_an_address_without_a_token_or_a_token_without_an_address(
    desk: Desk, synced: Path, half: tuple[str, str]
) -> None:
    assert desk.refuses("asterisk", "sync", str(synced), *half) == "--url and --token-file belong together"


def test_nobody_makes_a_database_to_sync_from(desk: Desk, synced: Path) -> None:
    assert "acd.sqlite" in desk.refuses("asterisk", "sync", str(synced))
    assert not (desk.folder / "acd.sqlite").exists()


def test_the_password_of_a_phone_nobody_knows(desk: Desk, synced: Path) -> None:
    assert "no password for a phone 'phone-nina'" in desk.refuses("asterisk", "password", "phone-nina", str(synced))


def test_a_file_whose_recording_nobody_has_brought_is_not_loaded_over_what_callers_hear(desk: Desk) -> None:
    desk.has_schema()
    prompt = f"\n[[prompts]]\nid = 'greeting'\nname = 'Gruß'\nrecording = '{'0' * 64}'\n"
    first, other = (desk.folder / name for name in ("first.toml", "other.toml"))
    first.write_text(TOWN + prompt)
    other.write_text(TOWN + prompt.replace("0" * 64, "1" * 64))
    # A centre that moves to another machine begins with its directory: there is no service yet to bring them to.
    assert desk.run("load", str(first))[0] == 0
    assert f"nobody has brought the recording {'1' * 64}" in desk.refuses("load", str(other))
    assert "0" * 64 in desk.run("directory", "export")[1]


# ---------------------------------------------------------------- what is kept of people


def test_what_may_not_be_kept_goes_at_once(desk: Desk) -> None:
    desk.has_directory()
    status, said, _ = desk.run("retention", "run")
    assert status == 0
    assert said.endswith("done, see the audit log (retention.run)\n")
    with sqlite3.connect(desk.folder / "acd.sqlite") as connection:
        lines = connection.execute("SELECT who, action FROM audit").fetchall()
    connection.close()
    assert lines == [("command-line", "retention.run")]


def test_by_hand_a_release_stays_while_what_it_allowed_is_so(desk: Desk) -> None:
    desk.has_directory()
    names = "kind, purpose, until, agents, first_month, last_month, tenant, level, asked_by, asked_token, asked_at"
    said = "'x', '2999-03-31', '[]', '', '', 'town', 'own', 'a', 'a', '2020-01-01', 'b', 'b', '2020-01-01'"

    def tell(*statements: str) -> list[str]:
        with sqlite3.connect(desk.folder / "acd.sqlite") as connection:
            for statement in statements:
                connection.execute(statement)
            kinds = [kind for (kind,) in connection.execute("SELECT kind FROM releases")]
        connection.close()
        return kinds

    row = f"INSERT INTO releases ({names}, agreed_by, agreed_token, agreed_at) VALUES ('%s', {said})"  # noqa: S608
    assert tell(row % "figures", row % "policy") == ["figures", "policy"]
    weaker, stricter = desk.folder / "weaker.toml", desk.folder / "directory.toml"
    weaker.write_text(TOWN.replace('label = "Stadt"', 'label = "Stadt"\ncontract = { statistics = "own" }'))
    assert desk.run("load", str(weaker))[0] == 0
    tell("UPDATE releases SET until = '2020-03-31'")
    for _ in range(2):
        assert desk.run("retention", "run")[0] == 0
        assert tell() == ["policy"], "it says why the policy is as it is"
    assert desk.run("load", str(stricter))[0] == 0
    assert desk.run("retention", "run")[0] == 0
    assert tell() == []


def test_terms_are_not_lengthened(desk: Desk) -> None:
    desk.set(ACD_RETENTION__NUMBERS=14)
    assert desk.refuses("retention", "run").startswith(
        "ACD_RETENTION__NUMBERS: Value error, at most 7 days, it can only be shortened: a caller's number is kept to"
    )


def test_a_town_takes_its_data_along_and_is_erased_a_day_after_it_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.has_directory()
    to = desk.folder / "taken-along"
    status, said, _ = desk.run("tenant", "export", "town", str(to))
    assert status == 0
    assert "0 of records" in said
    assert "Langenhagen" in (to / "directory.yaml").read_text()
    assert desk.refuses("tenant", "export", "atlantis", str(to)).startswith("no directory there ever was has a town")
    refusal = desk.refuses("tenant", "erase", "town", "--confirm", "Stadt Langenhagen")
    assert refusal.startswith("town is in the directory in force")

    (desk.folder / "without.toml").write_text(TOWN.replace('"town"', '"laatzen"'))
    assert desk.run("load", str(desk.folder / "without.toml"))[0] == 0
    assert "less than a day ago" in desk.refuses("tenant", "erase", "town", "--confirm", "Stadt Langenhagen")
    desk.set(ACD_REHEARSE_AT=(datetime.now(UTC) + timedelta(days=2)).isoformat())
    assert desk.refuses("tenant", "erase", "town", "--confirm", "ja").endswith("nothing was erased")
    monkeypatch.setattr("builtins.input", lambda _question: "Stadt Langenhagen")
    status, said, _ = desk.run("tenant", "erase", "town")
    assert (status, "erased: 0 of records" in said) == (0, True)
