"""`make demo`: citizens call, agents answer, and at the end somebody counts who did not lie.

What was offered and what was answered is SIPp's own account, of the trunk's side and of the phones' side. From our
records come only the things nobody else can know (how long, why, for which town), and they are held against SIPp's
list: a call that was sent and has no record, two of them, or a second, different one, is *lost*.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import random
import shutil
import sys
import time
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dialog_acd.core.kpi import By, figures, grouped
from dialog_acd.store.database import open_database
from dialog_acd.store.record_store import RecordReader
from rig.root import REPOSITORY, RigError
from rig.sipp import Caller, Sipp, Tally, callers
from rig.stack import Keeper, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dialog_acd.core.kpi import Figures
    from dialog_acd.core.records import CallRecord

RUN_DIR = REPOSITORY / ".run" / "demo"
PATIENCE = 180.0  # seconds; what most citizens have
RECORDS_LIMIT = 20.0  # seconds for the last records to be written

# How one number is dialled by different people, and written by different trunks; the share of the calls.
TOWNS: Sequence[tuple[float, Sequence[str]]] = (
    (0.40, ("+495111680", "05111680", "00495111680", "+4951116842345", "051116840123")),
    (0.22, ("+495116160", "05116160", "00495116160", "051161622222")),
    (0.18, ("+4951173070", "051173070", "00495117307", "051173079101")),
    (0.20, ("115", "0511115", "+49511115")),
)
NAMES = ("", "", "", "Erika Mustermann", "Jürgen Größmann", "Max Mustermann", "Ayşe Yılmaz", "Meyer, Dr. Anna")
# Met on real trunks. None of them may do more than look odd on a telephone.
ODD_NAMES = ('Bäckerei "Krümel & Söhne", Inh. O\'Neill', "${EXTEN},1)|System(reboot)", "Żółć-Ñandú ÄÖÜß 测试")


def citizens(calls: int, seed: int = 115) -> list[Caller]:
    """So many callers, the same ones every time. Numbers are those the Bundesnetzagentur keeps free for films."""
    chance = random.Random(seed)  # noqa: S311  guards nothing
    who: list[Caller] = []
    for n in range(calls):
        (dialled,) = chance.choices([formats for _, formats in TOWNS], [share for share, _ in TOWNS])
        number: str | None = f"+493023125{n % 1000:03d}" if chance.random() < 0.7 else f"+4917139200{n % 100:02d}"
        if chance.random() < 0.12:
            number = None
        name = ODD_NAMES[n // 7 % len(ODD_NAMES)] if n % 21 in (4, 11, 18) and number else chance.choice(NAMES)
        patience = chance.uniform(6, 14) if chance.random() < 0.07 else PATIENCE
        who.append(Caller(chance.choice(dialled), number, name, patience))
    return who


# ---------------------------------------------------------------- what is to be said at the end


@dataclass(slots=True)
class Findings:
    """All that is known after the last call."""

    sent: list[str]  # SIP Call-IDs as SIPp logged them
    trunk: Tally
    phones: Tally
    records: list[CallRecord]
    conflicting: set[str]  # Call-IDs with a second, different record

    @property
    def lost(self) -> list[str]:
        having = Counter(record.trunk_call_id for record in self.records)
        never_logged = [f"(call {n}, not logged by SIPp)" for n in range(len(self.sent), self.trunk.created)]
        return [call for call in self.sent if having[call] != 1 or call in self.conflicting] + never_logged

    def doubts(self) -> list[str]:
        """Where SIPp's account and our records differ, in sentences."""
        said: list[str] = []
        ours = figures(self.records)
        if self.trunk.failed:
            said.append(f"SIPp counts {self.trunk.failed} of its calls on the trunk as failed.")
        if self.phones.failed:
            said.append(f"SIPp counts {self.phones.failed} calls to the phones as failed.")
        if self.trunk.created != len(self.records):
            said.append(f"SIPp sent {self.trunk.created} calls; there are records of {len(self.records)}.")
        strangers = {record.trunk_call_id for record in self.records} - set(self.sent)
        if strangers:
            said.append(f"{len(strangers)} records are of calls SIPp has not sent, {min(strangers)!r} among them.")
        if self.phones["answered"] != ours.answered:
            said.append(
                f"Phones were picked up {self.phones['answered']} times, but the records let {ours.answered} callers "
                "get to an agent; a caller who hangs up while the agent hears the announcement, and a phone "
                f"rung in failsafe ({ours.failsafe} calls), make such a difference."
            )
        return said

    def as_json(self) -> dict[str, object]:
        ours = figures(self.records)

        def rounded(value: float | None) -> float | None:
            return None if value is None else round(value, 3)

        return {
            "offered": self.trunk.created,
            "answered": self.phones["answered"],
            "abandoned": ours.abandoned,
            "overflowed": ours.overflowed,
            "failsafe": ours.failsafe,
            "lost": len(self.lost),
            "service_level": rounded(ours.service_level().share()),
            "wait_p50_s": rounded(ours.wait(0.5).seconds),
            "wait_p99_s": rounded(ours.wait(0.99).seconds),
            "records": len(self.records),
            "records_answered": ours.answered,
            "records_conflicting": len(self.conflicting),
            "failed": self.trunk.failed,
        }


def german(value: float | None, unit: str, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f} {unit}".replace(".", ",")


# ---------------------------------------------------------------- what is to be seen meanwhile


@dataclass(slots=True)
class Picture:
    """One look at the service. It may be gone for a moment; then there is the picture before."""

    queues: list[dict[str, Any]] = field(default_factory=list)
    agents: dict[str, int] = field(default_factory=dict)
    abandoned: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    in_time: dict[str, float] = field(default_factory=dict)
    old: bool = False

    def look(self, stack: Stack) -> None:
        self.old = True
        with contextlib.suppress(RigError):
            live = stack.api.get("/api/v1/live")
            counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
            for family in text_string_to_metric_families(stack.api.text("/metrics")):
                for sample in family.samples:
                    counts[sample.name][sample.labels.get("queue", "")] += sample.value
            self.queues, self.agents = live["queues"], live["agents_by_state"]
            self.abandoned = dict(counts["acd_calls_abandoned_total"])
            self.answered = dict(counts["acd_calls_answered_total"])
            self.in_time = dict(counts["acd_calls_answered_in_time_total"])
            self.old = False

    def level(self, queue: str | None = None) -> float | None:
        """Strict, over the calls that are decided: whoever still waits may yet be answered in time."""

        def count(of: dict[str, float]) -> float:
            return sum(of.values()) if queue is None else of.get(queue, 0)

        decided = count(self.answered) + count(self.abandoned)
        return 100 * count(self.in_time) / decided if decided else None

    def table(self) -> Table:
        table = Table(title="dialog-acd", caption=self.agents_line(), expand=False)
        table.add_column("Queue", min_width=26)
        for heading in ("Waiting", "Longest wait", "Talking", "Answered", "Service level"):
            table.add_column(heading, justify="right")
        for queue in self.queues:
            name = queue["id"]
            table.add_row(
                queue["name"],
                str(queue["waiting"]),
                german(queue["longest_wait_seconds"], "s", 0),
                str(queue["talking"]),
                f"{self.answered.get(name, 0):.0f}",
                german(self.level(name), "%", 0),
            )
        return table

    def agents_line(self) -> str:
        agents = "Agents: " + (", ".join(f"{count} {state}" for state, count in self.agents.items()) or "none")
        return agents + (" (as it was: THE SERVICE DOES NOT ANSWER)" if self.old else "")

    def line(self, ended: int, calls: int) -> str:
        waiting = sum(queue["waiting"] for queue in self.queues)
        longest = max((queue["longest_wait_seconds"] for queue in self.queues), default=0)
        talking = sum(queue["talking"] for queue in self.queues)
        return (
            f"calls {ended}/{calls} ended, {waiting} waiting (longest {longest:.0f} s), {talking} talking, "
            f"{sum(self.answered.values()):.0f} answered, service level {german(self.level(), '%', 0)}; "
            f"{self.agents_line()}"
        )


# ---------------------------------------------------------------- the run


def demo(*, calls: int, rate: float, talk: float, agents: int) -> int:
    """Run it and say how it was. Exit status 0 only if no call was lost."""
    began = time.monotonic()
    on_terminal = sys.stdout.isatty()
    out = (
        Console(highlight=False)
        if on_terminal
        else Console(highlight=False, force_terminal=False, color_system=None, width=110)
    )

    def tell(line: str) -> None:
        out.print(line if line.startswith("asterisk:") else f"demo: {line}", markup=False, soft_wrap=True)

    with alone(RUN_DIR):
        shutil.rmtree(RUN_DIR, ignore_errors=True)
        since = datetime.now(UTC)
        with Stack(RUN_DIR, agents=agents, talk=talk, progress=tell) as stack:
            tell(f"ready after {time.monotonic() - began:.1f} s; {calls} citizens call, {rate:g} a second")
            with Keeper(stack.api).on_duty(), callers(stack.asterisk, citizens(calls), rate=rate) as trunk:
                _watch(out, stack, trunk, calls, limit=calls / rate + PATIENCE + 60, live=on_terminal)
                tally = trunk.wait(5, strict=False)
            tell("the last caller has hung up; waiting for the records")
            sent = [line.split(" ")[0] for line in trunk.logged()]
            records, conflicting = asyncio.run(_records(stack.database_url, since, set(sent)))
            phones = stack.phones.stop() if stack.phones is not None else Tally()
            found = Findings(sent, tally, phones, records, conflicting)
            names = _town_names(stack.run_dir / "directory.toml")
            if found.trunk.failed or found.lost:
                tell(f"SIPp on the trunk: {trunk.errors()[:2000] or 'no errors'}")
    _report(out, found, names)
    print(json.dumps(found.as_json() | {"agents": agents, "seconds": round(time.monotonic() - began, 1)}), flush=True)
    return 1 if found.lost else 0


@contextlib.contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with run_dir.with_name(run_dir.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RigError(f"another demo is running in {run_dir}: wait for it, or stop it with Ctrl-C") from None
        yield


def _watch(out: Console, stack: Stack, trunk: Sipp, calls: int, *, limit: float, live: bool) -> None:
    """Show how it goes until the callers are done. Raises RigError when they are not within `limit` seconds."""
    picture, until, next_line = Picture(), time.monotonic() + limit, 0.0
    progress = Progress(TextColumn("calls"), BarColumn(bar_width=50), MofNCompleteColumn(), TimeElapsedColumn())
    task = progress.add_task("calls", total=calls)

    def look() -> int:
        picture.look(stack)
        tally = trunk.tally()
        ended = tally.successful + tally.failed
        progress.update(task, completed=ended)
        return ended

    with Live(console=out, refresh_per_second=4, transient=True) if live else contextlib.nullcontext() as screen:
        while trunk.running:
            ended = look()
            if screen is not None:
                screen.update(Group(picture.table(), progress))
            elif time.monotonic() >= next_line:
                out.print(picture.line(ended, calls), markup=False, soft_wrap=True)
                next_line = time.monotonic() + 2
            if time.monotonic() > until:
                raise RigError(
                    f"the calls were not over after {limit:.0f} s: {trunk.tally()}; the last of the "
                    f"service's log:\n{stack.service_tail()}"
                )
            if not stack.asterisk.running:
                raise RigError("Asterisk is gone: " + str(stack.asterisk.log))
            time.sleep(0.25)


async def _records(url: str, since: datetime, sent: set[str]) -> tuple[list[CallRecord], set[str]]:
    """All records, as soon as every call sent has one; after a while as they are. And whose are contradicted."""
    database = await open_database(url)
    try:
        reader = RecordReader(database)
        until = time.monotonic() + RECORDS_LIMIT
        while True:
            records = await reader.records_since(since)
            if sent <= {record.trunk_call_id for record in records} or time.monotonic() > until:
                break
            await asyncio.sleep(0.1)
        # A second record would come with the same breath as the first, or from a late signal soon after.
        await asyncio.sleep(1.0)
        records = await reader.records_since(since)
        conflicts = await reader.conflicts_since(since)
    finally:
        await database.dispose()
    doubled = {conflict.record.call for conflict in conflicts}
    return records, {record.trunk_call_id for record in records if record.call in doubled} | {
        conflict.record.trunk_call_id for conflict in conflicts
    }


def _town_names(directory: Path) -> dict[str, str]:
    return {t["id"]: t["name"] for t in tomllib.loads(directory.read_text(encoding="utf-8"))["tenants"]}


def _report(out: Console, found: Findings, names: Mapping[str, str]) -> None:
    table = Table(title="What happened, by town")
    table.add_column("Town", min_width=26)
    for heading in ("Offered", "Answered", "Abandoned", "Service level", "Wait p50", "Wait p99"):
        table.add_column(heading, justify="right")

    def row(name: str, of: Figures) -> None:
        counts = (str(of.offered), str(of.answered), str(of.abandoned))
        level = "–" if of.service_level().percent() is None else str(of.service_level())
        table.add_row(name, *counts, level, *(german(of.wait(share).seconds, "s") for share in (0.5, 0.99)))

    towns = {str(tenant): of for (tenant,), of in grouped(found.records, [By.TENANT]).items()}
    for tenant in [*names, *(tenant for tenant in towns if tenant not in names)]:
        row(names.get(tenant, tenant), towns.get(tenant) or figures([]))
    table.add_section()
    row("All", figures(found.records))
    out.print(table)
    out.print(
        f"SIPp's account: {found.trunk.created} calls sent on the trunk, {found.phones['rung']} times a phone "
        f"rang, {found.phones['answered']} times it was picked up.",
        soft_wrap=True,
    )
    for doubt in found.doubts():
        out.print(f"Note: {doubt}", markup=False, soft_wrap=True)
    if found.lost:
        having = Counter(record.trunk_call_id for record in found.records)
        shown = ", ".join(f"{call} ({having[call]} records)" for call in found.lost[:5])
        out.print(f"LOST: {len(found.lost)} calls without exactly one record: {shown}", markup=False, soft_wrap=True)
