"""The command line: ``serve``, ``migrate``, ``backup``, ``load``, ``directory``, ``asterisk``, ``check``, ``route``,
``report``, ``simulate``, ``statement``, ``token``, ``retention``, ``tenant``.

An operator can ask here, without touching a live call, what the service thinks: whether it could start (``check``)
and where a number leads (``route``).

Every command imports for itself what is slow to load: FastAPI, SQLAlchemy and Alembic take most of a second, and
whoever asks where a number in a file leads, or how an option is spelt, should not wait for them.
"""

# ruff: noqa: PLC0415  the imports of the commands, see above
from __future__ import annotations

import argparse
import asyncio
import gc
import getpass
import json
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dialog_acd
from dialog_acd.api.tokens import FIRST, Role, TokenRefused, digest, fault_of_scope, new_token
from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid
from dialog_acd.core.inquiry import ASSUMING, BERLIN, inquire, moment_of, plainly, require_trunk
from dialog_acd.core.numbers import NumberKind
from dialog_acd.core.rules import written
from dialog_acd.core.shares import Month

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Sized

    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory, Resolution
    from dialog_acd.core.inquiry import Answer
    from dialog_acd.core.model import Entry
    from dialog_acd.core.shares import Share, Statement, Total
    from dialog_acd.settings import Settings
    from dialog_acd.store.figures_store import FiguresStore
    from dialog_acd.store.statement_store import Issue
    from dialog_acd.store.token_store import Token


READER_LEFT = 141
"""Exit status of a program whose reader has gone, as shells count: 128 and SIGPIPE."""


class NoSuchNumber(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Nothing was dialled."""

    error_id = "no-such-number"


class NothingToAsk(DialogAcdError):  # noqa: N818
    """There is no directory in force."""

    error_id = "nothing-to-ask"


def main() -> None:
    """Run one command. Exit status 0: done; 1: one sentence on standard error says what to do; 2: usage."""
    parser = argparse.ArgumentParser(prog="dialog-acd", description=dialog_acd.__doc__)
    parser.add_argument("--version", action="version", version=f"dialog-acd {dialog_acd.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service")
    migrate = commands.add_parser("migrate", help="bring the database to this version's schema")
    migrate.add_argument(
        "--to",
        default="head",
        metavar="SCHEMA",
        help="to an earlier one, as 0007, for an earlier version of dialog-acd",
    )
    backup = commands.add_parser("backup", help="save journal and SQLite database in a new FOLDER, also while serving")
    backup.add_argument("folder", type=Path, metavar="FOLDER")
    backup.add_argument(
        "--without-numbers", action="store_true", help="of callers: may be kept for longer than these may be"
    )
    load = commands.add_parser("load", help="replace the directory by the one in FILE (TOML or YAML)")
    load.add_argument("file", type=Path)
    _add_directory_commands(commands)
    _add_asterisk_commands(commands)
    check = commands.add_parser(
        "check", help="validate settings, secrets, database, directory and AMI login; remark on rules that cannot work"
    )
    check.add_argument("--directory", type=Path, metavar="FILE", help="only this directory file (TOML), offline")
    gate = commands.add_parser("gate", help="say what is missing before a town goes live; exit status 1: no go")
    gate.add_argument("tenant", metavar="TOWN", help="its id")
    gate.add_argument(
        "--on", type=date.fromisoformat, metavar="DATE", help="as 2022-03-01 (default: as planned, or today)"
    )
    gate.add_argument("--json", action="store_true", help="one JSON object instead of text")
    gate.add_argument("--directory", type=Path, metavar="FILE", help="ask this file instead of the database")
    route = commands.add_parser(
        "route",
        help="say what would happen to a call, and why",
        description="Say what would happen to a call, and why. The directory is asked, not the service that runs: who"
        " is signed in there, who waits, and what a supervisor has switched is not known here; the answer says"
        " what it assumes.",
    )
    route.add_argument("--called", required=True, metavar="NUMBER", help="as dialled; spaces and dashes do not matter")
    route.add_argument("--trunk", default="trunk", help="trunk it comes in on (default: trunk)")
    route.add_argument(
        "--caller", metavar="NUMBER", help="the caller's number: decides whether a callback can be offered"
    )
    route.add_argument(
        "--diversion", metavar="NUMBER", help="who forwarded the call, where the trunk tells: is shown, decides nothing"
    )
    route.add_argument("--at", metavar="TIME", help="as 2026-10-30T15:30, in Berlin if no zone is given (default: now)")
    route.add_argument("--why", action="store_true", help="also say who could answer, and who could not for what")
    route.add_argument("--json", action="store_true", help="one JSON object instead of text")
    route.add_argument("--directory", type=Path, metavar="FILE", help="ask this file (TOML) instead of the database")
    _add_report_commands(
        commands.add_parser("report", help="call figures, the evaluation of the pilot, the readiness for 115")
    )
    _add_statement_command(commands)
    simulate = commands.add_parser("simulate", help="play a scenario's days through this very core, in no time")
    simulate.add_argument("file", type=Path, metavar="SCENARIO.yaml")
    simulate.add_argument("--seed", type=int, default=1, help="same seed, same callers (default: 1)")
    simulate.add_argument("--runs", type=int, help="how many days (default: what the scenario says)")
    simulate.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    retention = commands.add_parser("retention", help="take out what may not be kept any more: run")
    retention.add_subparsers(dest="act", required=True, metavar="ACT").add_parser(
        "run", help="now, in the database; the service does it every night, and the files beside it, too"
    )
    tenant = commands.add_parser("tenant", help="a town leaves: export, erase")
    acts = tenant.add_subparsers(dest="act", required=True, metavar="ACT")
    export = acts.add_parser("export", help="write all that is one town's into a new folder, for it to take along")
    export.add_argument("tenant", metavar="TOWN", help="its id")
    export.add_argument("folder", type=Path, metavar="DIR")
    erase = acts.add_parser("erase", help="take out of the database what is left of a town's people, for good")
    erase.add_argument("tenant", metavar="TOWN", help="its id; it must have left the directory a day ago")
    erase.add_argument("--confirm", metavar="NAME", help="the town's name, as the directory had it (default: asks)")
    _add_token_commands(commands.add_parser("token", help="make, list and revoke the tokens of the REST API"))
    asked = parser.parse_args()

    from dialog_acd import log
    from dialog_acd.settings import read_settings

    try:
        settings = read_settings()
        log.set_up(level=settings.log_level)
        status = asyncio.run(_COMMANDS[asked.command](settings, asked))
        sys.stdout.flush()
    except BrokenPipeError:
        if asked.command == "serve":
            raise  # it writes nothing there
        # `| head` has read enough. What is left would be written at exit, and fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(READER_LEFT) from None
    except DialogAcdError as problem:
        print(f"dialog-acd: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    raise SystemExit(status)


def _add_directory_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    directory = commands.add_parser("directory", help="rules as code: export, diff, apply, history, rollback")
    actions = directory.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="print the directory as YAML that can be applied again")
    export.add_argument("--version", type=int, metavar="N", help="an earlier one (default: the one in force)")
    diff = actions.add_parser("diff", help="say in words what FILE would change")
    diff.set_defaults(dry_run=True, expect=None, by="", why="")
    apply = actions.add_parser("apply", help="replace the directory by FILE, all of it or nothing")
    for action in (diff, apply):
        action.add_argument("file", type=Path, metavar="FILE.yaml")
    apply.add_argument("--dry-run", action="store_true", help="change nothing, only say what would change")
    apply.add_argument("--expect", type=int, metavar="N", help="refuse unless version N is still in force")
    actions.add_parser("history", help="who changed the directory, when and why")
    rollback = actions.add_parser("rollback", help="apply an earlier version again")
    rollback.add_argument("version", type=int, metavar="N")
    rollback.set_defaults(dry_run=False)
    for action in (apply, rollback):
        action.add_argument("--why", default="", help="kept with the version")
        action.add_argument("--by", default=getpass.getuser(), help="kept with the version (default: your login)")


def _add_asterisk_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    asterisk = commands.add_parser("asterisk", help="what Asterisk must know of the directory: sync, password")
    acts = asterisk.add_subparsers(dest="act", required=True, metavar="ACT")
    sync = acts.add_parser(
        "sync",
        help="render phones, partners, failsafe groups and prompts into a folder that Asterisk includes",
        description="Render what Asterisk must know (phones, partners, failsafe groups, prompts) into DIR, which it"
        " includes, and run the commands of ACD_ASTERISK__RELOAD. Nothing is touched where nothing has changed.",
    )
    sync.add_argument("folder", type=Path, metavar="DIR")
    where = sync.add_mutually_exclusive_group()
    where.add_argument("--directory", type=Path, metavar="FILE", help="from this file (default: from the database)")
    where.add_argument("--url", help="from the REST API of the service on another host, as https://acd.example")
    sync.add_argument(
        "--token-file", type=Path, metavar="FILE", help="with --url: its first line is the token of an auditor"
    )
    password = acts.add_parser("password", help="print a phone's password, for whoever sets the phone up")
    password.add_argument("phone", metavar="PHONE")
    password.add_argument("folder", type=Path, metavar="DIR")


_REPORT_BY = ("town", "entry", "kind", "queue", "half-hour", "day", "month", "year", "clock", "weekday")


def _add_report_commands(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", required=True, metavar="REPORT")
    calls = acts.add_parser("calls", help="every figure of calls, in groups")
    calls.add_argument(
        "--by",
        default="town",
        metavar="GROUPS",
        help=f"one or more of {', '.join(_REPORT_BY)}, with commas between (default: town)",
    )
    evaluation = acts.add_parser("evaluation", help="the evaluation report of the pilot in its five chapters")
    readiness = acts.add_parser("readiness", help="whether the centre keeps what the 115 network asks for")
    readiness.add_argument("--weeks", type=int, default=12, metavar="N", help="the last N whole weeks (default: 12)")
    for ranged in (calls, evaluation):
        ranged.add_argument(
            "--from", dest="since", type=_day, metavar="DAY", help="as 2026-03-01 (default: last month)"
        )
        ranged.add_argument(
            "--to", dest="until", type=_day, metavar="DAY", help="the last day (default: of that month)"
        )
        ranged.add_argument("--town", metavar="ID", help="about this town alone (default: all)")
    for act in (calls, evaluation, readiness):
        form = act.add_mutually_exclusive_group()
        form.add_argument("--csv", action="store_true", help="for a spreadsheet; the default of calls")
        form.add_argument("--json", action="store_true", help="for a program")
        form.add_argument("--html", action="store_true", help="a page to read or print; the default of the others")
        act.add_argument("-o", "--out", type=Path, metavar="FILE", help="write it there (default: print it)")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2026-03-01") from None


def _month(text: str) -> Month:
    try:
        return Month.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_statement_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    told = commands.add_parser(
        "statement",
        help="say what each town used in a month, and what it pays",
        description="Say what each town used in a month, and what it pays: as it was issued last, or as it would be"
        " now. In German, for finance.",
    )
    told.add_argument("month", type=_month, metavar="MONTH", help="as 2026-03")
    told.add_argument("--town", metavar="ID", help="only this one")
    form = told.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a line for each town, for a spreadsheet")
    form.add_argument("--positions", action="store_true", help="as CSV, a line for each price of each town")
    form.add_argument("--json", action="store_true", help="one JSON object, as the REST API tells it")
    told.add_argument("--number", type=int, metavar="N", help="the one issued under this number (default: the last)")
    told.add_argument("--draft", action="store_true", help="as it would be now, also where one was issued")
    told.add_argument(
        "--version",
        type=int,
        metavar="N",
        help="prices from this version of the directory (default: the one in force when the month ended)",
    )


def _add_token_commands(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    create = acts.add_parser("create", help="make a token and print it, this once")
    create.add_argument("--name", required=True, help="who will hold it; shown in the audit log")
    create.add_argument("--role", required=True, type=Role, choices=list(Role), metavar="ROLE", help=", ".join(Role))
    create.add_argument("--tenant", metavar="ID", help="the one town it is for: a town-admin's, an auditor's if wanted")
    create.add_argument("--agent", metavar="ID", help="of role agent: whose figures its holder sees, their own")
    create.add_argument("--days", type=int, default=90, help="expires after so many (default: 90)")
    acts.add_parser("list", help="all tokens, the youngest first; never the tokens themselves")
    acts.add_parser("revoke", help="end a token; a running service heeds it within seconds").add_argument("id")


async def _serve(settings: Settings, _asked: argparse.Namespace) -> int:
    # What is loaded stays. To look for garbage in it again and again takes a quarter of a second.
    gc.disable()
    from dialog_acd.app import serve

    gc.enable()
    await serve(settings)
    return 0


async def _migrate(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.store.database import migrate

    print(f"schema: {await migrate(settings.store.database_url, asked.to)}")
    return 0


async def _backup(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.store.backup import back_up

    database, files = await back_up(
        settings.store.database_url, settings.store.journal_dir, asked.folder, numbers=not asked.without_numbers
    )
    print(f"{asked.folder}: {'the database and ' if database else ''}{_count(files, 'file')} of the journal")
    if not database:
        print("the database is PostgreSQL: save it with pg_dump now, after the journal")
    return 0


@asynccontextmanager
async def _database(settings: Settings, *, create: bool = True) -> AsyncIterator[AsyncEngine]:
    """The database of the settings, with this version's schema, for one command."""
    from dialog_acd.store.database import open_database, require_current_schema

    database = await open_database(settings.store.database_url, create=create)
    try:
        await require_current_schema(database)
        yield database
    finally:
        await database.dispose()


async def _load(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import Administration
    from dialog_acd.clock import SystemClock
    from dialog_acd.store.directory_file import read_directory
    from dialog_acd.store.directory_store import DirectoryStore

    directory = read_directory(asked.file)
    async with _database(settings) as database:
        administration = Administration(DirectoryStore(database), SystemClock(), in_force=lambda _directory: None)
        await administration.put(directory, getpass.getuser(), f"loaded {asked.file.name}", None)
    print(
        f"loaded {_count(directory.tenants, 'tenant')}, {_count(directory.entries, 'entry', 'entries')}, "
        f"{_count(directory.queues, 'queue')}, {_count(directory.agents, 'agent')}\n"
        "a service that runs takes it with SIGHUP (kill -HUP), without disturbing a call"
    )
    return 0


async def _rules_as_code(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import Administration
    from dialog_acd.clock import SystemClock
    from dialog_acd.store.directory_file import read_directory
    from dialog_acd.store.directory_store import DirectoryStore

    wanted = read_directory(asked.file) if asked.action in ("diff", "apply") else None
    async with _database(settings) as database:
        store = DirectoryStore(database)
        if asked.action == "history":
            for version in await store.versions(limit=1000):
                at = version.edit.at.astimezone(BERLIN)
                print(f"{version.number:5}  {at:%d.%m.%Y %H:%M:%S}  {version.edit.by or '-':12}  {version.edit.why}")
            return 0
        if asked.action == "export":
            print(await store.text_of(asked.version), end="")
            return 0
        # The service that runs is told by a signal.
        administration = Administration(store, SystemClock(), in_force=lambda _directory: None)
        if wanted is None:
            changed = await administration.roll_back(asked.version, asked.by, asked.why, None)
        else:
            why = asked.why or f"applied {asked.file.name}"
            changed = await administration.put(wanted, asked.by, why, asked.expect, dry_run=asked.dry_run)
    print("\n".join(changed.differences) or "nothing changes")
    if changed.differences and not asked.dry_run:
        print(f"version {changed.version} is in force; a service that runs takes it with SIGHUP (kill -HUP)")
    return 0


async def _asterisk(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd import provisioning
    from dialog_acd.clock import SystemClock
    from dialog_acd.settings import read_secret
    from dialog_acd.sound.studio import Studio

    if asked.act == "password":
        print(provisioning.password_of(asked.folder, asked.phone))
        return 0
    if (asked.url is None) != (asked.token_file is None):
        raise provisioning.SyncRefused("--url and --token-file belong together")
    async with AsyncExitStack() as stack:
        source: provisioning.Source
        if asked.directory is not None:
            source = provisioning.FromFile(asked.directory)
        elif asked.url is not None:
            token = read_secret(asked.token_file, "the API token").get_secret_value()
            source = await stack.enter_async_context(provisioning.FromApi(asked.url, token))
        else:
            from dialog_acd.store.directory_store import DirectoryStore
            from dialog_acd.store.recording_store import RecordingStore

            database = await stack.enter_async_context(_database(settings, create=False))
            source = provisioning.FromDatabase(DirectoryStore(database), RecordingStore(database))
        sync = provisioning.Provisioning(asked.folder, source, Studio(), SystemClock(), settings.asterisk)
        done = await sync.sync()
    for note in done.notes:
        print(f"note  {note}", file=sys.stderr)
    told = f"version {done.version}: " if done.version else ""
    asterisk = "Asterisk was reloaded" if done.reloaded else "Asterisk had nothing to reload"
    print(
        f"{told}{_count(done.changed, 'file')} changed, {asterisk}"
        if done.changed or done.reloaded
        else "nothing has changed"
    )
    return 0


def _count(things: Sized | int, one: str, many: str = "") -> str:
    number = things if isinstance(things, int) else len(things)
    return f"1 {one}" if number == 1 else f"{number} {many or one + 's'}"


async def _directory(settings: Settings, file: Path | None) -> Directory:
    """That of the file, or else the one in force. Asking makes no database."""
    if file is not None:
        from dialog_acd.store.directory_file import read_directory

        return read_directory(file)

    from dialog_acd.store.database import DatabaseMissing, SchemaOutdated
    from dialog_acd.store.directory_store import DirectoryEmpty, DirectoryStore

    try:
        async with _database(settings, create=False) as database:
            return await DirectoryStore(database).load()
    except (DatabaseMissing, SchemaOutdated, DirectoryEmpty) as problem:
        raise NothingToAsk(f"{problem} Or ask a file: --directory FILE") from problem


async def _check(settings: Settings, asked: argparse.Namespace) -> int:
    """Everything ``serve`` needs, one line each; all of it is tried even where something fails.

    What is allowed in a directory and is probably a mistake is remarked on, and fails nothing.
    """
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.remarks import remarks
    from dialog_acd.settings import read_secret

    noted: tuple[str, ...] = ()
    towns: set[str] | None = None

    async def secrets() -> str:
        read_secret(settings.ami.secret_file, "the AMI secret")
        read_secret(settings.api.token_file, "the API token")
        return "readable, closed to others"

    async def directory() -> str:
        nonlocal noted, towns
        found = await _directory(settings, asked.directory)
        towns = {tenant.id for tenant in found.tenants}
        noted = remarks(found, SystemClock().now())
        return f"{_count(found.entries, 'entry', 'entries')}, {_count(found.queues, 'queue')}, " + _count(
            found.agents, "agent"
        )

    async def ami() -> str:
        from dialog_acd.switch.ami import AmiAddress, probe

        secret = read_secret(settings.ami.secret_file, "the AMI secret").get_secret_value()
        version = await probe(AmiAddress(settings.ami.host, settings.ami.port, settings.ami.username, secret))
        return f"logged in, Asterisk speaks version {version} of the protocol"

    async def identity_provider() -> str:
        from dialog_acd.api.people import people_of

        nonlocal noted
        oidc = settings.oidc
        people = people_of(oidc.issuer, oidc.audience, oidc.claim, oidc.roles, SystemClock().now, oidc.agent_claim)
        if people is None:
            return "none is set"
        async with people.issuer as issuer:
            noted += tuple(
                f"ACD_OIDC__ROLES: {name!r} is of the town {place.tenant!r}, which the directory does not have"
                for name, place in people.places.items()
                if towns is not None and place.tenant is not None and place.tenant not in towns
            )
            return await issuer.read()

    looks: dict[str, Callable[[], Awaitable[str]]] = {
        "secrets": secrets,
        "database and directory": directory,
        "AMI": ami,
    }
    if settings.oidc.model_fields_set:
        looks["identity provider"] = identity_provider
    if asked.directory:
        looks = {f"directory {asked.directory}": directory}
    wrong = 0
    for name, look in looks.items():
        try:
            print(f"ok    {name}: {await look()}")
        except DialogAcdError as problem:
            wrong += 1
            print(f"FAIL  {name}: {_one_a_line(problem)}")
    for remark in noted:
        print(f"note  {remark}")
    return 1 if wrong else 0


def _one_a_line(problem: DialogAcdError) -> str:
    """The faults of a directory below each other, without its name: the line has it already."""
    from dialog_acd.store.directory_file import DirectoryFileInvalid

    if not isinstance(problem, (DirectoryFileInvalid, DirectoryInvalid)):
        return str(problem)
    if len(problem.faults) == 1:
        return problem.faults[0]
    return "\n      ".join((f"{len(problem.faults)} faults", *problem.faults))


async def _route(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.clock import SystemClock

    if not asked.called.strip():
        raise NoSuchNumber("--called is empty; write the number that was dialled, as 0511 7307-0 or 115")
    at = moment_of(asked.at) if asked.at is not None else SystemClock().now()
    directory = await _directory(settings, asked.directory)
    trunk = require_trunk(directory, asked.trunk)
    answer = inquire(directory, asked.called, trunk, at, asked.caller, diversion=asked.diversion)
    if asked.json:
        print(json.dumps(plainly(answer, why=asked.why), ensure_ascii=False))
    else:
        print(_route_text(directory, answer, why=asked.why))
    return 0


def _local(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(BERLIN).isoformat(timespec="seconds")


def _dates(directory: Directory, found: Resolution) -> list[str]:
    """From when on and until when what was found is so."""
    lines = []
    entry, other = found.entry, found.dormant
    since = f"from {entry.active_from:%a %d.%m.%Y} 00:00" if entry.active_from is not None else ""
    to = f"to {entry.active_to:%a %d.%m.%Y} 24:00" if entry.active_to is not None else ""
    if since or to:
        lines.append("active    " + " ".join(filter(None, (since, to))))
    if other is not None:
        whose = f"{other.number} of {directory.tenant[other.tenant].name}"
        if found.awaited:
            lines.append(f"not yet   {whose}, from {other.active_from:%a %d.%m.%Y} 00:00")
        else:
            lines.append(f"no more   {whose}, to {other.active_to:%a %d.%m.%Y} 24:00")
    return lines


def _towns(directory: Directory, entry: Entry) -> str:
    if not entry.candidates:
        return directory.tenant[entry.tenant].name
    return f"to be named by the agent: {' or '.join(directory.tenant[town].name for town in entry.candidates)}"


def _route_text(directory: Directory, answer: Answer, *, why: bool) -> str:
    entry, opening, caller, diversion = answer.found.entry, answer.opening, answer.caller, answer.diversion
    forwarded = []
    if diversion is not None:
        by = directory.tenant[diversion.entry.tenant].name if diversion.known else diversion.why
        forwarded = [f"diverted  {diversion.number.text} ({by})"]
    lines = [
        f"number    {_number_text(answer)}",
        *([f"caller    {caller}"] if caller else []),
        *forwarded,
        f"tenant    {_towns(directory, entry)}",
        f"entry     {entry.kind.value}",
        *_dates(directory, answer.found),
        f"at        {answer.at.astimezone(BERLIN):%a %d.%m.%Y %H:%M:%S}: {answer.hours}",
    ]
    if opening is not None and opening.open and opening.closes_at is not None:
        lines.append(f"closes    {opening.closes_at.astimezone(BERLIN):%a %d.%m.%Y %H:%M}")
    elif opening is not None and not opening.open and opening.opens_at is not None:
        lines.append(f"opens     {opening.opens_at.astimezone(BERLIN):%a %d.%m.%Y %H:%M}")
    lines.append(f"verdict   {answer.in_words}")
    if answer.open and answer.verdict != "emergency":
        lines.append(f"assuming  {ASSUMING}")
    lines.append(
        f"queue     {answer.queue.name}" + (f", priority {answer.queue.priority}" if answer.queue.priority else "")
    )
    for step in answer.steps:
        lines.append(f"  {written(step.step)}  ({len(step.able)} {'agent' if len(step.able) == 1 else 'agents'} can)")
        if why:
            lines += [f"      {agent.name}" for agent in step.able]
            lines += [f"      not {agent.name}: {reason}" for agent, reason in step.unable]
    lines.append("ladder" if answer.ladder else "ladder    none")
    for rung in answer.ladder:
        lines.append(
            f"  {written(rung.rung)}" + (f"  <- {rung.why}" if rung.at_arrival else f"  ({rung.why})" if why else "")
        )
    if answer.open and entry.greeting is not None:
        lines.append(f"greeting  {entry.greeting}")
    if entry.announcement is not None:
        lines.append(f"announces {entry.announcement} to the agent")
    if answer.verdict == "closed":
        lines.append(f"closed    {entry.closed} is played")
    lines.append(f"failsafe  {entry.failsafe}")
    return "\n".join(lines)


def _number_text(answer: Answer) -> str:
    number, found = answer.found.number, answer.found
    kind = "" if number.kind in (NumberKind.UNKNOWN, NumberKind.SERVICE_115) else number.kind.value
    origin = f"dialled in area {number.origin}" if number.origin else ""
    told = ", ".join(filter(None, (kind, origin)))
    found_by = f"found by {found.why}" if found.known else f"{found.why}, the catch-all takes the call"
    return f"{number.text}{f' ({told})' if told else ''}, {found_by}"


async def _gate(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import NoSuchTenant, planned
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.gate import gate

    directory = await _directory(settings, asked.directory)
    town = directory.tenant.get(asked.tenant)
    if town is None:
        raise NoSuchTenant(f"there is no town {asked.tenant!r}; there are: {', '.join(sorted(directory.tenant))}")
    today = SystemClock().now().astimezone(BERLIN).date()
    verdict = gate(directory, town.id, asked.on or planned(town) or today)
    if asked.json:
        findings = [
            {"id": f.id, "what": f.what, "waived_by": f.waiver.by if f.waiver is not None else None}
            for f in verdict.findings
        ]
        said = {"tenant": town.id, "on": verdict.on.isoformat(), "go": verdict.go, "findings": findings}
        print(json.dumps(said | {"notes": verdict.notes}, ensure_ascii=False))
    else:
        print(
            f"{town.name}, {verdict.on:%a %d.%m.%Y}: "
            + ("GO" if verdict.go else f"NO GO, {len(verdict.missing)} missing")
        )
        for finding in verdict.findings:
            print(f"{'ok   ' if finding.waiver is not None else 'FAIL '} {finding.id}: {finding.what}")
        for note in verdict.notes:
            print(f"note  {note}")
    return 0 if verdict.go else 1


async def _report(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import NoSuchTenant
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.kpi import berlin_day
    from dialog_acd.reports import Form, Reports, grouping, range_of, told
    from dialog_acd.store.attendance_store import AttendanceStore
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.figures_store import FiguresStore

    now = SystemClock().now
    async with _database(settings, create=False) as database:
        directories, figures = DirectoryStore(database), FiguresStore(database, now)
        reports = Reports(figures, AttendanceStore(database), directories, now)
        if asked.act == "readiness":
            document = await reports.readiness(asked.weeks)
        else:
            if asked.town is not None and asked.town not in (known := await _tenants(database)):
                raise NoSuchTenant(f"there is no town {asked.town!r}; there are: {', '.join(sorted(known))}")
            span = range_of(asked.since, asked.until, berlin_day(now()))
            by = grouping(asked.by) if asked.act == "calls" else ()
            await _count_ahead(figures, span.since, span.after, asked.town)
            if asked.act == "evaluation":
                document = await reports.evaluation(span, asked.town)
            else:
                document = await reports.calls(span, by, asked.town)
    usual = Form.CSV if asked.act == "calls" else Form.HTML
    text = told(document, next((form for form in Form if getattr(asked, form)), usual))
    if asked.out is None:
        print(text, end="")
    else:
        try:
            asked.out.write_text(text, encoding="utf-8", newline="")
        except OSError as problem:
            print(f"dialog-acd: {asked.out} cannot be written: {problem.strerror}", file=sys.stderr)
            return 1
        print(f"wrote {asked.out}", file=sys.stderr)
    return 0


async def _count_ahead(figures: FiguresStore, since: date, until: date, town: str | None) -> None:
    """Days that nobody has asked for yet are counted once, which may take a minute a year: whoever waits at a terminal
    sees how far it is.
    """
    if not sys.stderr.isatty():
        return
    from rich.console import Console
    from rich.progress import track

    weeks = range(0, (until - since).days, 7)
    for days in track(weeks, "counting", console=Console(stderr=True), transient=True):
        first = since + timedelta(days=days)
        await figures.make(first, min(until, first + timedelta(days=7)), None if town is None else [town])


async def _statement(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import NoSuchTenant
    from dialog_acd.api.schemas import StatementOut
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.shares import list_csv, positions_csv
    from dialog_acd.settlement import Settlement
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.statement_store import StatementStore
    from dialog_acd.store.usage_store import UsageStore

    async with _database(settings, create=False) as database:
        settlement = Settlement(UsageStore(database), DirectoryStore(database), StatementStore(database), SystemClock())
        settled = await settlement.settled(asked.month, version=asked.version, draft=asked.draft, number=asked.number)
    told = settled.statement
    if asked.town is not None:
        towns = [share.account.tenant for share in told.shares if share.account.tenant]
        if asked.town not in towns:
            raise NoSuchTenant(f"the statement has no town {asked.town!r}; there are: {', '.join(sorted(towns))}")
        told = told.of_town(asked.town)
    if asked.json:
        print(StatementOut.of(settled, asked.town).model_dump_json())
    elif asked.csv or asked.positions:
        print((list_csv if asked.csv else positions_csv)(told), end="")
    else:
        print(_statement_text(told, settled.issue))
    return 0


def _statement_text(told: Statement, issue: Issue | None) -> str:
    from dialog_acd.core.shares import clock, element_name, german

    def usage(name: str, line: Share | Total) -> tuple[str, ...]:
        counts = (line.offered, line.accepted, line.by_partner)
        return name, *map(german, counts), clock(line.talk_s), clock(line.handling_s), german(line.amount)

    as_of = f"Stand {told.as_of.astimezone(BERLIN):%d.%m.%Y %H:%M}"
    if issue is not None:
        state = f"ausgestellt als Nr. {issue.number} am {issue.at.astimezone(BERLIN):%d.%m.%Y %H:%M} von {issue.by}"
    else:
        state = "nicht ausgestellt" if told.complete else "vorläufig, der Monat läuft noch"
    rows: list[tuple[str, ...]] = [("", "Angeboten", "Angenommen", "Beim Partner", "Gespräch", "Bearbeitung", "EUR")]
    rows += [usage(share.name, share) for share in told.shares]
    if told.total is not None:
        rows.append(usage("Summe", told.total))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    why = []
    for share in told.shares:
        lines = [
            f"  {p.begins:%d.%m.}-{p.last:%d.%m.}  {element_name(p.element)}: {p.basis} = {german(p.amount)} EUR"
            for p in share.positions
        ]
        lines += [f"  {note}" for note in share.notes]
        why += ["", share.name, *lines] if lines else []
    head = f"Kostenanteile {told.month}, {as_of}, {state}; Preise aus Fassung {told.version} des Verzeichnisses"
    return "\n".join([head, "", *table, *why])


async def _simulate(_settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.simulation import run_command

    return run_command(asked.file, asked.seed, asked.runs, asked.json)


async def _token(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.clock import SystemClock
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.token_store import TokenStore

    now = SystemClock().now()
    if asked.act == "create":
        _require_sense(asked)
    async with _database(settings) as database:
        tokens = TokenStore(database)
        if asked.act == "list":
            print(_token_table(await tokens.all(), now))
        elif asked.act == "revoke":
            gone = await tokens.revoke(asked.id, now)
            when = "is revoked" if gone.revoked_at is None else f"was revoked {_local(gone.revoked_at)}"
            print(f"token {gone.id} ({gone.name}) {when}")
        else:
            if asked.tenant is not None:
                known = [] if await DirectoryStore(database).is_empty() else await _tenants(database)
                if asked.tenant not in known:
                    raise TokenRefused(
                        f"the directory has no town {asked.tenant!r}; there are: {', '.join(known) or 'none'}"
                    )
            if asked.agent is not None:
                directory = await DirectoryStore(database).load()
                if all(agent.id != asked.agent for agent in directory.agents):
                    raise TokenRefused(f"the directory has no agent {asked.agent!r}")
            token = new_token()
            made = await tokens.create(
                name=asked.name,
                role=asked.role.value,
                tenant=asked.tenant,
                digest=digest(token),
                at=now,
                expires_at=now + timedelta(days=asked.days),
                agent=asked.agent,
            )
            # Alone on standard output, so that a script can take it from there.
            print(token)
            town = f" of {made.tenant}" if made.tenant else f" {made.agent}" if made.agent else ""
            print(
                f"token {made.id}: {made.name}, {made.role}{town}, until {_local(made.expires_at)}; "
                "it is shown this once and kept as a hash",
                file=sys.stderr,
            )
    return 0


def _require_sense(asked: argparse.Namespace) -> None:
    if not 1 <= asked.days <= 3650:
        raise TokenRefused("--days: from 1 to 3650")
    if not 1 <= len(asked.name) <= 60 or not asked.name.isprintable() or asked.name != asked.name.strip():
        raise TokenRefused("--name: 1 to 60 printable characters, no blanks around them")
    if asked.name == FIRST:
        raise TokenRefused(f"--name: {FIRST!r} is the first operator's key in the token file; choose another")
    if (fault := fault_of_scope(asked.role, asked.tenant, asked.agent)) is not None:
        raise TokenRefused(fault)


async def _tenants(database: AsyncEngine) -> list[str]:
    from dialog_acd.store.directory_store import DirectoryStore

    return [tenant.id for tenant in (await DirectoryStore(database).load()).tenants]


def _token_table(tokens: Sequence[Token], now: datetime) -> str:
    def state(token: Token) -> str:
        if token.revoked_at is not None:
            return f"revoked {_local(token.revoked_at)}"
        return "in force" if now < token.expires_at else "expired"

    rows = [("ID", "NAME", "ROLE", "FOR", "EXPIRES", "STATE")] + [
        (t.id, t.name, t.role, t.tenant or t.agent or "all", str(_local(t.expires_at)), state(t)) for t in tokens
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


async def _retention(settings: Settings, _asked: argparse.Namespace) -> int:
    from dialog_acd.clock import SystemClock
    from dialog_acd.retention import Retention
    from dialog_acd.store.audit_store import AuditStore
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.figures_store import FiguresStore
    from dialog_acd.store.retention_store import RetentionStore
    from dialog_acd.store.token_store import COMMAND_LINE

    async with _database(settings, create=False) as database:
        directories = DirectoryStore(database)
        clock = SystemClock(settings.rehearse_at)
        agents = () if await directories.is_empty() else (await directories.load()).agents
        teams: dict[str, str] = {agent.id: agent.team for agent in agents if agent.team is not None}
        retention = Retention(
            RetentionStore(database),
            AuditStore(database),
            clock,
            settings.retention.terms,
            teams=lambda: teams,
            count=FiguresStore(database, clock.now).make,
            by=COMMAND_LINE,
            role="operator",
        )
        done = await retention.carry_out()
    print("done, see the audit log (retention.run)" if done else "not all of it: see the log above, and try again")
    return 0 if done else 1


async def _tenant(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.model import TenantId
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.retention_store import RetentionStore
    from dialog_acd.store.town_store import ErasureRefused, TownStore

    now, journal = SystemClock(settings.rehearse_at).now(), settings.store.journal_dir
    async with _database(settings, create=False) as database:
        store, town = TownStore(database, DirectoryStore(database)), TenantId(asked.tenant)
        if asked.act == "export":
            counts = await store.export(town, asked.folder, now, getpass.getuser())
            print(f"{asked.folder}: " + ", ".join(f"{many} of {name}" for name, many in counts.items()))
            return 0
        await store.require_gone(town, now, journal)
        directory, _ = await store.last_with(town)
        name = directory.tenant[town].name
        said: str | None = asked.confirm
        if said is None:
            said = await asyncio.to_thread(input, f"To erase it for good, write its name ({name}): ")
        if said.strip() != name:
            raise ErasureRefused(f"{said!r} is not its name; nothing was erased")
        gone = await store.erase(town, now, getpass.getuser(), journal)
        await RetentionStore(database).settle()
    print("erased: " + ", ".join(f"{many} of {what}" for what, many in gone.items()))
    return 0


_COMMANDS = {
    "serve": _serve,
    "migrate": _migrate,
    "backup": _backup,
    "load": _load,
    "directory": _rules_as_code,
    "asterisk": _asterisk,
    "check": _check,
    "route": _route,
    "simulate": _simulate,
    "gate": _gate,
    "report": _report,
    "statement": _statement,
    "token": _token,
    "retention": _retention,
    "tenant": _tenant,
}
