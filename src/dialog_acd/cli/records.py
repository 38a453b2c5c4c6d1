"""Commands about what is kept of calls: reports and statements are made of it, some of it goes every night, and what is
a town's when the town leaves.
"""

# ruff: noqa: PLC0415  see __init__.py
from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dialog_acd.cli import common
from dialog_acd.core.inquiry import BERLIN
from dialog_acd.core.shares import Month

if TYPE_CHECKING:
    from dialog_acd.core.shares import Share, Statement, Total
    from dialog_acd.settings import Settings
    from dialog_acd.settlement import Settled
    from dialog_acd.store.figures_store import FiguresStore


_REPORT_BY = ("town", "entry", "kind", "queue", "half-hour", "day", "month", "year", "clock", "weekday")


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("report", help="call figures, the evaluation of the pilot, the readiness for 115")
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


def add_statement(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def add_retention(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    retention = commands.add_parser("retention", help="take out what may not be kept any more: run")
    retention.add_subparsers(dest="act", required=True, metavar="ACT").add_parser(
        "run", help="now, in the database; the service does it every night, and the files beside it, too"
    )


def add_tenant(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    tenant = commands.add_parser("tenant", help="a town leaves: export, erase")
    acts = tenant.add_subparsers(dest="act", required=True, metavar="ACT")
    export = acts.add_parser("export", help="write all that is one town's into a new folder, for it to take along")
    export.add_argument("tenant", metavar="TOWN", help="its id")
    export.add_argument("folder", type=Path, metavar="DIR")
    erase = acts.add_parser("erase", help="take out of the database what is left of a town's people, for good")
    erase.add_argument("tenant", metavar="TOWN", help="its id; it must have left the directory a day ago")
    erase.add_argument("--confirm", metavar="NAME", help="the town's name, as the directory had it (default: asks)")


async def _report(settings: Settings, asked: argparse.Namespace) -> int:
    from dialog_acd.administration import NoSuchTenant
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.kpi import berlin_day
    from dialog_acd.reports import Form, Reports, grouping, range_of, told
    from dialog_acd.store.attendance_store import AttendanceStore
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.figures_store import FiguresStore

    now = SystemClock().now
    async with common.opened(settings, create=False) as database:
        directories, figures = DirectoryStore(database), FiguresStore(database, now)
        reports = Reports(figures, AttendanceStore(database), directories, now)
        if asked.act == "readiness":
            document = await reports.readiness(asked.weeks)
        else:
            span = range_of(asked.since, asked.until, berlin_day(now()))
            if asked.town is not None:
                known = {*await common.tenants(database), *await reports.towns(span)}
                if asked.town not in known:
                    raise NoSuchTenant(f"there is no town {asked.town!r}; there are: {', '.join(sorted(known))}")
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

    async with common.opened(settings, create=False) as database:
        settlement = Settlement(UsageStore(database), DirectoryStore(database), StatementStore(database), SystemClock())
        settled = await settlement.settled(asked.month, version=asked.version, draft=asked.draft, number=asked.number)
    if settled.issue is None and (missing := _not_in_it(settings.store.journal_dir)):
        print(f"dialog-acd: {missing}", file=sys.stderr)
    told = settled.statement
    if asked.town is not None:
        towns = [share.account.tenant for share in told.shares if share.account.tenant]
        if asked.town not in towns:
            raise NoSuchTenant(f"the statement has no town {asked.town!r}; there are: {', '.join(sorted(towns))}")
        settled = settled.of_town(asked.town)
        told = settled.statement
    if asked.json:
        print(StatementOut.of(settled, asked.town).model_dump_json())
    elif asked.csv or asked.positions:
        issued = settled.before.statement if settled.before is not None else None
        print(list_csv(told, issued) if asked.csv else positions_csv(told), end="")
    else:
        print(_statement_text(settled))
    return 0


def _days_in(told: Statement) -> str:
    """Which days a month has that is not settled."""
    from dialog_acd.core.kpi import settled_before

    last = settled_before(told.as_of) - timedelta(days=1)
    return f"Tage bis {last:%d.%m.%Y}, in ganzen Stunden" if last >= told.month.begins else "noch kein Tag"


def _not_in_it(journal: Path) -> str:
    """Of calls that are over, what a draft lacks; of those that live only the service knows."""
    from dialog_acd.store.journal import left_in

    waiting = left_in(journal)
    if waiting is None:
        return (
            f"whether calls are missing was not looked at: {journal} (ACD_STORE__JOURNAL_DIR) cannot be read here,"
            " where the service keeps what is not in the database yet"
        )
    if not waiting:
        return ""
    return f"{waiting} records in {journal} wait for the database and are missing here; living calls were not looked at"


def _statement_text(settled: Settled) -> str:
    from dialog_acd.core.shares import clock, difference, element_name, german

    told, issue, before = settled.statement, settled.issue, settled.before

    def usage(name: str, line: Share | Total) -> tuple[str, ...]:
        counts = (line.offered, line.accepted, line.by_partner)
        return name, *map(german, counts), clock(line.talk_s), clock(line.handling_s), german(line.amount)

    as_of = f"Stand {told.as_of.astimezone(BERLIN):%d.%m.%Y %H:%M}"
    if issue is not None:
        state = f"ausgestellt als Nr. {issue.number} am {issue.at.astimezone(BERLIN):%d.%m.%Y %H:%M} von {issue.by}"
    else:
        state = "nicht ausgestellt" if told.complete else f"vorläufig: {_days_in(told)}"
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
    if before is not None:
        found = [f"  {difference(lines)}" for lines in settled.differences] or ["  keine"]
        why += ["", f"Abweichungen von Nr. {before.number} vom {before.at.astimezone(BERLIN):%d.%m.%Y %H:%M}", *found]
    head = f"Kostenanteile {told.month}, {as_of}, {state}; Preise aus Fassung {told.version} des Verzeichnisses"
    return "\n".join([head, "", *table, *why])


async def _retention(settings: Settings, _asked: argparse.Namespace) -> int:
    from dialog_acd.clock import SystemClock
    from dialog_acd.core.releases import matters
    from dialog_acd.retention import Retention
    from dialog_acd.store.audit_store import AuditStore
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.figures_store import FiguresStore
    from dialog_acd.store.retention_store import RetentionStore
    from dialog_acd.store.token_store import COMMAND_LINE

    async with common.opened(settings, create=False) as database:
        directories = DirectoryStore(database)
        clock = SystemClock(settings.rehearse_at)
        directory = None if await directories.is_empty() else await directories.load()
        agents = () if directory is None else directory.agents
        teams: dict[str, str] = {agent.id: agent.team for agent in agents if agent.team is not None}
        retention = Retention(
            RetentionStore(database),
            AuditStore(database),
            clock,
            settings.retention.terms,
            # Without a directory there is no policy that anybody has weakened.
            matters=lambda release: directory is not None and matters(release, directory),
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
    async with common.opened(settings, create=False) as database:
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


COMMANDS = {
    "report": _report,
    "statement": _statement,
    "retention": _retention,
    "tenant": _tenant,
}
