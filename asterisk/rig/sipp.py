"""SIPp: the public on the trunk, and the agents at their phones.

A scenario is a file of `asterisk/sipp/`; its head says which rows, keys and counters it has. Everything a run reads
and writes lies below the instance directory of its Asterisk, because SIPp runs in the same root, as the same
unprivileged user, and goes away with it.

    with agents_phones(asterisk, port, ring=0.2, talk=1), registered(asterisk, port, names):
        tally = callers(asterisk, [Caller("05111680", "+493023125001")]).wait(limit=30)

The figures are SIPp's own (`-trace_stat`). They are what a demo may be judged by: nothing of the service is in them.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rig.ports import free_port
from rig.program import start_program
from rig.root import GID, REPOSITORY, UID, RigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rig.private import PrivateAsterisk

SCENARIOS = REPOSITORY / "asterisk" / "sipp"
HOST = "127.0.0.1"
FOREVER = 86_400.0  # seconds; "as long as it lasts" for a demo
# From the source of SIPp: what its exit status means.
EXITS: Mapping[int, str] = {
    0: "all calls were successful",
    1: "at least one call failed",
    97: "ended by an internal command or a timeout",
    99: "ended normally, without a call",
    253: "a local port could not be opened",
    254: "it could not reach the other side",
    255: "a fatal error, most often in a scenario or an argument",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """SIPp's account of a run, as of its last line of statistics (one a second, and one at the end)."""

    created: int = 0
    successful: int = 0
    failed: int = 0
    current: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, counter: str) -> int:
        """A counter of the scenario; 0 for one that has not counted yet, too."""
        return self.counters.get(counter, 0)


@dataclass(frozen=True, slots=True)
class Caller:
    """One citizen: whom they dial, and what the trunk says about them.

    number    of the caller; None for one who withholds it.
    name      as the telephone sends it, in any state of disorder.
    patience  seconds from the answer until they hang up.
    """

    dialled: str
    number: str | None
    name: str = ""
    patience: float = FOREVER

    def row(self) -> tuple[str, ...]:
        shown = "".join("\\" + c if c in '"\\' else c for c in self.name)
        if self.number is None:
            return (
                self.dialled,
                '"Anonymous" <sip:anonymous@anonymous.invalid>',
                "Privacy: id",
                f"{self.patience * 1000:.0f}",
            )
        who = (f'"{shown}" ' if shown else "") + f"<sip:{self.number}@{HOST}>"
        return (self.dialled, who, f"P-Asserted-Identity: {who}", f"{self.patience * 1000:.0f}")


class Sipp:
    """One run of SIPp. Nothing happens before `start()`; `stop()` may be called any number of times.

    scenario   a name in asterisk/sipp, or the path of a file elsewhere.
    remote     host:port it talks to.
    port       its own UDP port; a free one if none is given.
    keys       what the scenario calls [name].
    rows       one per call, for [field0], [field1], ...
    files      laid beside the scenario, by name: sound for rtp_stream.
    arguments  further ones for SIPp, for instance -m and -r.
    messages   writes every SIP message to `message_file`.
    detach     lets it outlive this process; otherwise it dies with it, even if this process is killed.
    """

    def __init__(
        self,
        asterisk: PrivateAsterisk,
        scenario: str | Path,
        *,
        remote: str,
        port: int | None = None,
        keys: Mapping[str, object] | None = None,
        rows: Iterable[Sequence[str]] | None = None,
        files: Mapping[str, bytes] | None = None,
        arguments: Sequence[str] = (),
        messages: bool = False,
        detach: bool = False,
    ) -> None:
        self.asterisk = asterisk
        self.scenario = Path(scenario) if isinstance(scenario, Path) else SCENARIOS / f"{scenario}.xml"
        self.remote, self.port = remote, port or free_port()
        self.keys, self.arguments = dict(keys or {}), list(arguments)
        self.rows = None if rows is None else [tuple(row) for row in rows]
        self.files = dict(files or {})
        self.messages, self.detach = messages, detach
        place = f"sipp/{self.scenario.stem}-{os.getpid()}-{os.urandom(3).hex()}"
        self.home, self.host_home = f"{asterisk.home}/{place}", asterisk.host_home / place
        self._process: subprocess.Popen[str] | None = None
        self._pid: int | None = None
        self._status: int | None = None

    # Life

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        if self._pid is None:
            raise RigError(f"SIPp ({self.scenario.name}) has not been started")
        return self._pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it, and wait until its port is open. Raises RigError with what it said if it ends before."""
        self._furnish()
        self._process, self._pid = start_program(
            self._command(),
            log=self.host_home / "said",
            root=self.asterisk.root.path,
            uid=UID,
            gid=GID,
            detach=self.detach,
        )
        limit = time.monotonic() + 10
        while not _bound(self.port):
            if self._process.poll() is not None:
                if self._process.returncode == 0:
                    break  # a very short run
                raise RigError(self._complaint(self._process.returncode))
            if time.monotonic() > limit:
                self.stop()
                raise RigError(f"SIPp ({self.scenario.name}) did not open its port {self.port}\n{self._said()}")
            time.sleep(0.01)
        return self

    def wait(self, limit: float, *, strict: bool = True) -> Tally:
        """Until it has ended by itself, `limit` seconds at most. Raises RigError on that.

        A failed call is an error, too, unless `strict` is off; then the tally tells.
        """
        if self._process is None:
            raise RigError(f"SIPp ({self.scenario.name}) has not been started")
        try:
            self._process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            self.stop()
            raise RigError(
                f"SIPp ({self.scenario.name}) was not done after {limit:.0f} s: {self.tally()}\n{self._said()}"
            ) from None
        self._close()
        if self._status not in ({0} if strict else {0, 1}):
            raise RigError(self._complaint(self._status or 0))
        return self.tally()

    def stop(self, grace: float = 2.0) -> Tally:
        """End it and say what it has counted. Calls under way are given `grace` seconds, then they are cut."""
        process = self._process
        if process is not None and process.poll() is None and self._pid is not None:
            # USR1 is "no new calls, finish these, write the statistics, go".
            for number, patience in ((signal.SIGUSR1, grace), (signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0)):
                try:
                    os.kill(self._pid, number)
                    process.wait(timeout=patience)
                except ProcessLookupError:
                    process.wait(timeout=2.0)
                except subprocess.TimeoutExpired:
                    continue
                break
        self._close()
        return self.tally()

    # What it has seen

    def tally(self) -> Tally:
        """The figures so far, at most a second old while it runs (a minute, if it is detached)."""
        try:
            lines = (self.host_home / "stat.csv").read_text(errors="replace").splitlines()
        except OSError:
            return Tally()
        rows = [row for row in csv.reader(lines, delimiter=";") if len(row) > 10]
        if len(rows) < 2:
            return Tally()
        last = dict(zip(rows[0], rows[-1], strict=False))
        counters = {
            name[:-3]: int(value or 0)
            for name, value in last.items()
            if name.endswith("(C)") and re.fullmatch(r"[a-z_]+\(C\)", name)
        }
        return Tally(
            created=int(last["OutgoingCall(C)"]) + int(last["IncomingCall(C)"]),
            successful=int(last["SuccessfulCall(C)"]),
            failed=int(last["FailedCall(C)"]),
            current=int(last["CurrentCall"]),
            counters=counters,
        )

    def logged(self) -> list[str]:
        """The lines of the scenario's <log> actions so far."""
        file = self.host_home / "log"
        return file.read_text(errors="replace").splitlines() if file.exists() else []

    @property
    def message_file(self) -> Path:
        """Every SIP message with its time, if `messages` was asked for."""
        return self.host_home / "messages"

    def errors(self) -> str:
        file = self.host_home / "errors"
        return file.read_text(errors="replace").strip() if file.exists() else ""

    # Within

    def _furnish(self) -> None:
        shutil.rmtree(self.host_home, ignore_errors=True)
        self.host_home.mkdir(parents=True)
        shutil.copyfile(self.scenario, self.host_home / "scenario.xml")
        for name, content in self.files.items():
            (self.host_home / name).write_bytes(content)
        if self.rows is not None:
            for row in self.rows:
                if any(re.search(r"[;\r\n]", value) for value in row):
                    raise RigError(f"a row for SIPp cannot hold a semicolon or an end of line: {row!r}")
            text = "SEQUENTIAL\n" + "".join(";".join(row) + "\n" for row in self.rows)
            rows = self.host_home / "rows.csv"
            with os.fdopen(os.open(rows, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                out.write(text)  # passwords among them
        for path in (self.host_home.parent, self.host_home, *self.host_home.iterdir()):
            os.chown(path, UID, GID)

    def _command(self) -> list[str]:
        program = "/usr/bin/sipp"
        if self.asterisk.root.own:
            program = shutil.which("sipp") or program
        argv = [
            program,
            self.remote,
            "-sf",
            f"{self.home}/scenario.xml",
            "-i",
            HOST,
            "-p",
            str(self.port),
            "-bind_local",
            "-ci",
            HOST,
            "-cp",
            str(free_port({self.port})),
            "-nostdin",
            "-skip_rlimit",
            "-trace_stat",
            "-stf",
            f"{self.home}/stat.csv",
            "-fd",
            "60" if self.detach else "1",
            "-trace_err",
            "-error_file",
            f"{self.home}/errors",
            "-trace_logs",
            "-log_file",
            f"{self.home}/log",
            "-cid_str",
            "%u-%p-" + os.urandom(4).hex() + "@%s",
        ]
        if self.rows is not None:
            argv += ["-inf", f"{self.home}/rows.csv"]
        if self.messages:
            argv += ["-trace_msg", "-message_file", f"{self.home}/messages"]
        for name, value in self.keys.items():
            argv += ["-key", name, str(value)]
        return [*argv, *self.arguments]

    def _close(self) -> None:
        process = self._process
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._status = process.wait(timeout=10)

    def _complaint(self, status: int) -> str:
        meaning = EXITS.get(status, "unknown reason")
        return f"SIPp ({self.scenario.name}) ended with {status}, {meaning}: {self.tally()}\n{self._said()}"

    def _said(self) -> str:
        said = (self.host_home / "said").read_text(errors="replace") if (self.host_home / "said").exists() else ""
        lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).splitlines() if line.strip()][-6:]
        lines = self.errors().splitlines()[:10] or lines
        return "\n".join(f"  {line}" for line in lines) or "  (it has said nothing)"


def _bound(port: int) -> bool:
    """Whether somebody has the UDP port open; asked of the kernel, because a trial bind could get in SIPp's way."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1] == wanted for line in lines)


# ---------------------------------------------------------------- the parts of a scene


def registered(
    asterisk: PrivateAsterisk,
    phones_port: int,
    names: Sequence[str],
    *,
    expires: int = 120,
    again: float | None = None,
    detach: bool = False,
    limit: float = 20.0,
) -> Sipp:
    """Registers the phones `names` at `phones_port`, keeps them registered, and returns when all are.

    expires  seconds a registration lasts.
    again    seconds between two, a third of `expires` unless given.
    Raises RigError when not all are registered within `limit` seconds.
    """
    run = Sipp(
        asterisk,
        "register",
        remote=asterisk.phone_sip,
        detach=detach,
        keys={"phones_port": phones_port, "expires": expires, "again_ms": int((again or expires / 3) * 1000)},
        rows=[(name, asterisk.passwords[name]) for name in names],
        arguments=["-m", str(len(names)), "-r", "50", "-l", str(len(names))],
    )
    run.start()
    try:
        _await_contacts(asterisk, run, names, limit)
    except BaseException:
        run.stop()
        raise
    return run


def agents_phones(
    asterisk: PrivateAsterisk,
    port: int,
    *,
    ring: float = 1.2,
    spread: float = 0.0,
    talk: float = 8.0,
    messages: bool = False,
    detach: bool = False,
) -> Sipp:
    """The phones themselves, at `port`; not started yet. They ring `ring` to `ring + spread` s and talk `talk` s."""
    return Sipp(
        asterisk,
        "phone",
        remote=asterisk.phone_sip,
        port=port,
        messages=messages,
        detach=detach,
        keys={"ring_ms": int(ring * 1000), "spread_ms": int(spread * 1000), "talk_ms": int(talk * 1000)},
    )


def silent_phones(asterisk: PrivateAsterisk, port: int) -> Sipp:
    """Phones nobody picks up, at `port`; not started yet."""
    return Sipp(asterisk, "phone-silent", remote=asterisk.phone_sip, port=port)


def partner_centre(
    asterisk: PrivateAsterisk,
    voice: bytes = b"",
    *,
    after: float = 0.5,
    status: int = 200,
    rings: bool = True,
    talk: float = FOREVER,
) -> Sipp:
    """The partner centre, at the address where Asterisk looks for it; not started yet.

    voice   what callers hear who are answered, A-law, over and over; none: their own words.
    after   seconds until it answers with `status`: 200, or a refusal.
    rings   off: not a word before that.
    talk    seconds until it hangs up.
    """
    keys = {"rings": int(rings), "after_ms": round(after * 1000), "status": status}
    keys |= {"echoes": int(not voice), "talk_ms": round(talk * 1000)}
    first = free_port() // 2 * 2
    return Sipp(
        asterisk,
        "partner",
        remote=asterisk.sip,
        port=asterisk.ports.partner,
        keys=keys,
        files={"voice.alaw": voice or b"\xd5" * 160},
        # A range of its own: SIPp would begin at 6000, whoever is there.
        arguments=["-min_rtp_port", str(first), "-max_rtp_port", str(first + 100)],
    )


def callers(asterisk: PrivateAsterisk, who: Sequence[Caller], *, rate: float = 10.0, messages: bool = False) -> Sipp:
    """Citizens who call one after the other, `rate` a second; not started yet. Ends by itself with the last call."""
    # SIPp wants whole calls in a period of whole milliseconds.
    return Sipp(
        asterisk,
        "caller",
        remote=asterisk.sip,
        rows=[caller.row() for caller in who],
        messages=messages,
        arguments=["-m", str(len(who)), "-l", str(len(who)), "-r", "1", "-rp", str(max(1, round(1000 / rate)))],
    )


def dial_code(asterisk: PrivateAsterisk, code: str, names: Sequence[str], *, limit: float = 60.0) -> Tally:
    """Let the agents at the phones `names` dial a feature code, and wait until each has heard the answer."""
    run = Sipp(
        asterisk,
        "feature-code",
        remote=asterisk.phone_sip,
        keys={"code": code},
        rows=[(name, asterisk.passwords[name]) for name in names],
        arguments=["-m", str(len(names)), "-l", str(len(names)), "-r", "20"],
    )
    with run:
        return run.wait(limit)


def _await_contacts(asterisk: PrivateAsterisk, run: Sipp, names: Sequence[str], limit: float) -> None:
    until = time.monotonic() + limit
    missing = set(names)
    while missing:
        shown = asterisk.console("pjsip show contacts")
        missing = set(names) - set(re.findall(r"Contact:\s+([A-Za-z0-9_-]+)/sip:", shown))
        if missing and not run.running:
            raise RigError(f"the phones did not register\n{run.errors()}")
        if missing and time.monotonic() > until:
            raise RigError(
                f"{len(missing)} of {len(names)} phones did not register, {min(missing)} among them\n{run.errors()}"
            )
        if missing:
            time.sleep(0.1)
