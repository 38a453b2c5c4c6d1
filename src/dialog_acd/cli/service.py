"""Commands around the running service: its database, its backup, whether it could start, and who may speak to it."""

# ruff: noqa: PLC0415  see __init__.py
from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dialog_acd.api.tokens import FIRST, Role, TokenRefused, digest, fault_of_scope, new_token
from dialog_acd.cli import common
from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from dialog_acd.settings import Settings
    from dialog_acd.store.token_store import Token


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    commands.add_parser("serve", help="run the service")


def add_migrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    migrate = commands.add_parser("migrate", help="bring the database to this version's schema")
    migrate.add_argument(
        "--to",
        default="head",
        metavar="SCHEMA",
        help="to an earlier one, as 0007, for an earlier version of dialog-acd",
    )


def add_backup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = commands.add_parser("backup", help="save journal and SQLite database in a new FOLDER, also while serving")
    backup.add_argument("folder", type=Path, metavar="FOLDER")
    backup.add_argument(
        "--without-numbers", action="store_true", help="of callers: may be kept for longer than these may be"
    )


def add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check", help="validate settings, secrets, database, directory and AMI login; remark on rules that cannot work"
    )
    check.add_argument("--directory", type=Path, metavar="FILE", help="only this directory file (TOML), offline")


def add_token(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("token", help="make, list and revoke the tokens of the REST API")
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
    from dialog_acd.app import serve

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
    print(f"{asked.folder}: {'the database and ' if database else ''}{common.count(files, 'file')} of the journal")
    if not database:
        print("the database is PostgreSQL: save it with pg_dump now, after the journal")
    return 0


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
        found = await common.directory(settings, asked.directory)
        towns = {tenant.id for tenant in found.tenants}
        noted = remarks(found, SystemClock().now())
        return (
            f"{common.count(found.entries, 'entry', 'entries')}, {common.count(found.queues, 'queue')}, "
            + common.count(found.agents, "agent")
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


async def _token(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.clock import SystemClock
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.token_store import TokenStore

    now = SystemClock().now()
    if asked.act == "create":
        _require_sense(asked)
    async with common.opened(settings) as database:
        tokens = TokenStore(database)
        if asked.act == "list":
            print(_token_table(await tokens.all(), now))
        elif asked.act == "revoke":
            gone = await tokens.revoke(asked.id, now)
            when = "is revoked" if gone.revoked_at is None else f"was revoked {common.local(gone.revoked_at)}"
            print(f"token {gone.id} ({gone.name}) {when}")
        else:
            if asked.tenant is not None:
                known = [] if await DirectoryStore(database).is_empty() else await common.tenants(database)
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
                f"token {made.id}: {made.name}, {made.role}{town}, until {common.local(made.expires_at)}; "
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


def _token_table(tokens: Sequence[Token], now: datetime) -> str:
    def state(token: Token) -> str:
        if token.revoked_at is not None:
            return f"revoked {common.local(token.revoked_at)}"
        return "in force" if now < token.expires_at else "expired"

    rows = [("ID", "NAME", "ROLE", "FOR", "EXPIRES", "STATE")] + [
        (t.id, t.name, t.role, t.tenant or t.agent or "all", str(common.local(t.expires_at)), state(t)) for t in tokens
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


COMMANDS = {
    "serve": _serve,
    "migrate": _migrate,
    "backup": _backup,
    "check": _check,
    "token": _token,
}
