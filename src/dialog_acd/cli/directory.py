"""Commands of the directory: put it in force, keep Asterisk to it, ask what would come of it for a call, for a town's
first day, for a whole day.
"""

# ruff: noqa: PLC0415  see __init__.py
from __future__ import annotations

import getpass
import json
import sys
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from dialog_acd.cli import common
from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.inquiry import ASSUMING, BERLIN, inquire, moment_of, plainly, require_trunk
from dialog_acd.core.numbers import NumberKind
from dialog_acd.core.rules import written

if TYPE_CHECKING:
    import argparse

    from dialog_acd.core.directory import Directory, Resolution
    from dialog_acd.core.inquiry import Answer
    from dialog_acd.core.model import Entry
    from dialog_acd.settings import Settings


class NoSuchNumber(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Nothing was dialled."""

    error_id = "no-such-number"


def add_load(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    load = commands.add_parser("load", help="replace the directory by the one in FILE (TOML or YAML)")
    load.add_argument("file", type=Path)


def add_directory(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def add_asterisk(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def add_gate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    gate = commands.add_parser("gate", help="say what is missing before a town goes live; exit status 1: no go")
    gate.add_argument("tenant", metavar="TOWN", help="its id")
    gate.add_argument(
        "--on", type=date.fromisoformat, metavar="DATE", help="as 2022-03-01 (default: as planned, or today)"
    )
    gate.add_argument("--json", action="store_true", help="one JSON object instead of text")
    gate.add_argument("--directory", type=Path, metavar="FILE", help="ask this file instead of the database")


def add_route(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def add_simulate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    simulate = commands.add_parser("simulate", help="play a scenario's days through this very core, in no time")
    simulate.add_argument("file", type=Path, metavar="SCENARIO.yaml")
    simulate.add_argument("--seed", type=int, default=1, help="same seed, same callers (default: 1)")
    simulate.add_argument("--runs", type=int, help="how many days (default: what the scenario says)")
    simulate.add_argument("--json", action="store_true", help="one JSON object instead of tables")


async def _load(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import Administration
    from dialog_acd.clock import SystemClock
    from dialog_acd.store.directory_file import read_directory
    from dialog_acd.store.directory_store import DirectoryStore

    directory = read_directory(asked.file)
    async with common.opened(settings) as database:
        administration = Administration(DirectoryStore(database), SystemClock(), in_force=lambda _directory: None)
        await administration.put(directory, getpass.getuser(), f"loaded {asked.file.name}", None)
    print(
        f"loaded {common.count(directory.tenants, 'tenant')}, {common.count(directory.entries, 'entry', 'entries')}, "
        f"{common.count(directory.queues, 'queue')}, {common.count(directory.agents, 'agent')}\n"
        "a service that runs takes it with SIGHUP (kill -HUP), without disturbing a call"
    )
    return 0


async def _rules_as_code(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import Administration
    from dialog_acd.clock import SystemClock
    from dialog_acd.store.directory_file import read_directory
    from dialog_acd.store.directory_store import DirectoryStore

    wanted = read_directory(asked.file) if asked.action in ("diff", "apply") else None
    async with common.opened(settings) as database:
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

            database = await stack.enter_async_context(common.opened(settings, create=False))
            source = provisioning.FromDatabase(DirectoryStore(database), RecordingStore(database))
        sync = provisioning.Provisioning(asked.folder, source, Studio(), SystemClock(), settings.asterisk)
        done = await sync.sync()
    for note in done.notes:
        print(f"note  {note}", file=sys.stderr)
    told = f"version {done.version}: " if done.version else ""
    asterisk = "Asterisk was reloaded" if done.reloaded else "Asterisk had nothing to reload"
    print(
        f"{told}{common.count(done.changed, 'file')} changed, {asterisk}"
        if done.changed or done.reloaded
        else "nothing has changed"
    )
    return 0


async def _gate(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import NoSuchTenant, planned
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.gate import gate

    directory = await common.directory(settings, asked.directory)
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


async def _route(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.clock import SystemClock

    if not asked.called.strip():
        raise NoSuchNumber("--called is empty; write the number that was dialled, as 0511 7307-0 or 115")
    at = moment_of(asked.at) if asked.at is not None else SystemClock().now()
    directory = await common.directory(settings, asked.directory)
    trunk = require_trunk(directory, asked.trunk)
    answer = inquire(directory, asked.called, trunk, at, asked.caller, diversion=asked.diversion)
    if asked.json:
        print(json.dumps(plainly(answer, why=asked.why), ensure_ascii=False))
    else:
        print(_route_text(directory, answer, why=asked.why))
    return 0


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


async def _simulate(_settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.simulation import run_command

    return run_command(asked.file, asked.seed, asked.runs, asked.json)


COMMANDS = {
    "load": _load,
    "directory": _rules_as_code,
    "asterisk": _asterisk,
    "gate": _gate,
    "route": _route,
    "simulate": _simulate,
}
