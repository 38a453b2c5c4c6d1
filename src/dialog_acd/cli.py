"""The command line: ``serve``, ``migrate``, ``load``, ``check``, ``route``.

An operator can ask here, without touching a live call, what the service thinks: whether it could start (``check``)
and where a number leads (``route``).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dialog_acd
from dialog_acd import log
from dialog_acd.app import DirectoryEmpty, serve
from dialog_acd.core.errors import DialogAcdError
from dialog_acd.settings import read_secret, read_settings
from dialog_acd.store.database import migrate, open_database, require_current_schema
from dialog_acd.store.directory_file import read_directory
from dialog_acd.store.directory_store import DirectoryStore
from dialog_acd.switch.ami import AmiAddress, probe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dialog_acd.core.directory import Directory
    from dialog_acd.settings import Settings


def main() -> None:
    """Run one command. Exit status 0: done; 1: one sentence on standard error says what to do; 2: usage."""
    parser = argparse.ArgumentParser(prog="dialog-acd", description=dialog_acd.__doc__)
    parser.add_argument("--version", action="version", version=f"dialog-acd {dialog_acd.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service")
    commands.add_parser("migrate", help="bring the database to this version's schema")
    load = commands.add_parser("load", help="replace the directory by the one in FILE (TOML)")
    load.add_argument("file", type=Path)
    commands.add_parser("check", help="validate settings, secrets, database, directory and AMI login")
    route = commands.add_parser("route", help="say where a dialled number leads")
    route.add_argument("number", nargs="+", help="as dialled; spaces and dashes do not matter")
    route.add_argument("--trunk", default="trunk", help="trunk it came in on (default: trunk)")
    asked = parser.parse_args()
    try:
        settings = read_settings()
        log.set_up(level=settings.log_level)
        raise SystemExit(asyncio.run(_COMMANDS[asked.command](settings, asked)))
    except DialogAcdError as problem:
        print(f"dialog-acd: {problem}", file=sys.stderr)
        raise SystemExit(1) from None


async def _serve(settings: Settings, _asked: argparse.Namespace) -> int:
    await serve(settings)
    return 0


async def _migrate(settings: Settings, _asked: argparse.Namespace) -> int:
    print(f"schema: {await migrate(settings.store.database_url)}")
    return 0


async def _load(settings: Settings, asked: argparse.Namespace) -> int:
    directory = read_directory(asked.file)
    database = await open_database(settings.store.database_url)
    try:
        await require_current_schema(database)
        await DirectoryStore(database).replace(directory)
    finally:
        await database.dispose()
    print(
        f"loaded {len(directory.tenants)} tenants, {len(directory.entries)} entries, "
        f"{len(directory.queues)} queues, {len(directory.agents)} agents\n"
        "a service that runs takes it with SIGHUP (kill -HUP), without disturbing a call"
    )
    return 0


async def _directory(settings: Settings) -> Directory:
    database = await open_database(settings.store.database_url)
    try:
        await require_current_schema(database)
        directories = DirectoryStore(database)
        if await directories.is_empty():
            raise DirectoryEmpty
        return await directories.load()
    finally:
        await database.dispose()


async def _check(settings: Settings, _asked: argparse.Namespace) -> int:
    """Everything ``serve`` needs, one line each; all of it is tried even where something fails."""

    async def secrets() -> str:
        read_secret(settings.ami.secret_file, "the AMI secret")
        read_secret(settings.api.token_file, "the API token")
        return "readable, closed to others"

    async def directory() -> str:
        found = await _directory(settings)
        return f"{len(found.entries)} entries, {len(found.queues)} queues, {len(found.agents)} agents"

    async def ami() -> str:
        secret = read_secret(settings.ami.secret_file, "the AMI secret").get_secret_value()
        return await probe(AmiAddress(settings.ami.host, settings.ami.port, settings.ami.username, secret))

    looks: dict[str, Callable[[], Awaitable[str]]] = {
        "secrets": secrets,
        "database and directory": directory,
        "AMI": ami,
    }
    wrong = 0
    for name, look in looks.items():
        try:
            print(f"ok    {name}: {await look()}")
        except DialogAcdError as problem:
            wrong += 1
            print(f"FAIL  {name}: {problem}")
    return 1 if wrong else 0


async def _route(settings: Settings, asked: argparse.Namespace) -> int:
    directory = await _directory(settings)
    found = directory.entry_for(" ".join(asked.number), asked.trunk)
    queue = directory.queue[found.entry.queue]
    able = sum(agent.skills.get(queue.skill, 0) >= queue.level for agent in directory.agents)
    print(f"number    {found.number.text} ({found.number.kind.value})")
    print(f"because   {found.why}")
    print(f"tenant    {directory.tenant[found.entry.tenant].name}")
    print(f"entry     {found.entry.kind.value}")
    print(f"queue     {queue.name}: skill {queue.skill} >= {queue.level}, {able} agents have it")
    print(f"failsafe  {found.entry.failsafe}")
    return 0


_COMMANDS = {"serve": _serve, "migrate": _migrate, "load": _load, "check": _check, "route": _route}
