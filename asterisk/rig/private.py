"""A private Asterisk: real, unprivileged, on ports of its own, gone when it is no longer needed.

Everything it reads and writes lies in one directory, `/run/dialog-acd/NAME` *inside* the root, under the same name for
Asterisk and (behind the root's path) for us. It cannot lie in the repository: that may be under /root, where the
unprivileged user never gets to. An Asterisk that already runs on the machine shares nothing with it, not even the
control socket.

    with PrivateAsterisk(run_dir=Path(".run"), agents=16) as asterisk:
        asterisk.console("core show channels")
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import wave
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rig import render
from rig.keys import keys_in
from rig.ports import RTP_FIRST, RTP_LAST, Ports
from rig.program import start_program
from rig.root import GID, REPOSITORY, UID, RigError, Root, provide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HOST = "127.0.0.1"
BOOT_LIMIT = 20.0  # seconds; two is usual
STOP_LIMIT = 5.0
HOMES = "/run/dialog-acd"
# Pieces of asterisk-moh-opsound-wav and the seconds of each that are music. Every one of them begins or ends with up to
# 19 s of nothing, and to somebody who waits, silence means that the line is dead. (Operators: cut yours, too.)
MUSIC: Mapping[str, tuple[int, int]] = {
    "macroform-cold_day": (0, 229),
    "macroform-robot_dity": (2, 184),
    "manolo_camp-morning_coffee": (1, 69),
}
FAILSAFE_GROUPS: Mapping[str, Sequence[str]] = {
    "general": render.OFFICES,
    "hannover": ("office01",),
    "region": ("office02",),
    "langenhagen": ("office03",),
}


class PrivateAsterisk:
    """One instance. Nothing happens before `start()`; `stop()` may be called at any time and any number of times.

    run_dir   gets secrets.json (mode 600, kept) and asterisk.json (what `adopt()` needs).
    name      of the instance directory; give one, with keep=True, for an instance whose AstDB shall survive `stop()`.
    agents    how many phones agent01.. there are; three offices and one partner come with them.
    extra     further dialplan globals; they win over ours.
    files     further files of configuration, by their path below etc; they win over ours.
    detach    lets Asterisk outlive this process. Otherwise it dies with it, even if this process is killed.
    qualify   seconds between OPTIONS to registered phones, 0 for never (simulated phones do not answer them).
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        agents: int = 16,
        name: str | None = None,
        dialplans: Path | None = None,
        extra: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        failsafe: Mapping[str, Sequence[str]] = FAILSAFE_GROUPS,
        ports: Ports | None = None,
        keep: bool = False,
        detach: bool = False,
        qualify: int = 0,
        root: Root | None = None,
        cache: Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        if not 0 <= agents < 1000:
            raise RigError("between 0 and 999 agents, please: beyond that the extensions run out")
        self.run_dir = run_dir
        self.name = name or f"{os.getpid()}-{os.urandom(3).hex()}"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", self.name):
            raise RigError(f"not fit for a directory: {self.name!r}")
        self.agents = render.agent_names(agents)
        self.offices = list(render.OFFICES)
        self.dialplans = dialplans or REPOSITORY / "dialplans"
        self.extra, self.files = dict(extra or {}), dict(files or {})
        self.failsafe = dict(failsafe)
        self.keep, self.detach, self.qualify = keep, detach, qualify
        self._ports_given = ports is not None
        self.ports = ports or Ports.pick()
        self.keys = keys_in(run_dir / "secrets.json", [*self.agents, *self.offices])
        self.ami_user = "dialog-acd"
        self._root, self._cache, self._progress = root, cache, progress
        self._process: subprocess.Popen[str] | None = None
        self._pid: int | None = None

    # What others need to know

    @property
    def root(self) -> Root:
        if self._root is None:
            self._root = provide(self._cache, self._progress) if self._progress else provide(self._cache)
        return self._root

    @property
    def home(self) -> str:
        """The instance directory as Asterisk names it."""
        return f"{HOMES}/{self.name}"

    @property
    def host_home(self) -> Path:
        """The same directory seen from outside the root."""
        return self.root.host(self.home)

    @property
    def pid(self) -> int:
        if self._pid is None:
            raise RigError("this Asterisk is not running")
        return self._pid

    @property
    def running(self) -> bool:
        return self._pid is not None and _is_ours(self._pid, self.home)

    @property
    def synced(self) -> Path:
        """What Asterisk includes of the directory; `dialog-acd asterisk sync` writes it."""
        return self.host_home / "synced"

    @property
    def sync_settings(self) -> dict[str, str]:
        """What `dialog-acd asterisk sync` has to know: its commands, and that our own telephones are set up here."""

        def console(command: str) -> str:
            argv = ["asterisk", "-C", f"{self.home}/etc/asterisk.conf", "-rx", command]
            return shlex.join(self.root.command(argv, uid=UID))

        return {
            "ACD_ASTERISK__RELOAD": "; ".join(map(console, ("module reload res_pjsip.so", "queue reload all"))),
            "ACD_ASTERISK__CHECK": console("pjsip show endpoint acd-synced"),
            "ACD_ASTERISK__BY_HAND": ",".join((*self.agents, *self.offices, "oldenburg")),
        }

    @property
    def log(self) -> Path:
        return self.host_home / "log" / "messages"

    @property
    def sip(self) -> str:
        """host:port of the trunk, where the public calls."""
        return f"{HOST}:{self.ports.trunk}"

    @property
    def phone_sip(self) -> str:
        """host:port where phones register and call."""
        return f"{HOST}:{self.ports.phones}"

    @property
    def ami_secret(self) -> str:
        return self.keys.ami

    @property
    def passwords(self) -> dict[str, str]:
        """Password by endpoint; its name is also the name to register and to authenticate with."""
        return {name: self.keys.phones[name] for name in [*self.agents, *self.offices]}

    # Life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start and wait until Asterisk has fully booted. Raises RigError with the last of its log if it does not."""
        if os.geteuid() != 0:
            raise RigError("the private Asterisk needs root to start (it gives it up at once): run this as root")
        if self.running:
            raise RigError(f"this Asterisk already runs, as process {self.pid}")
        for attempt in (1, 2, 3):
            self._furnish()
            process = self._launch()
            try:
                self._await_boot(process)
                break
            except RigError as failure:
                self._end()
                # Between picking a port and taking it, somebody else may have.
                if attempt == 3 or self._ports_given or "Address already in use" not in str(failure):
                    raise
                self.ports = Ports.pick()
            except BaseException:
                self._end()
                raise
        self._ports_given = True  # others know them now: a restart has to come back on the same
        self.run_dir.mkdir(parents=True, exist_ok=True)
        (self.run_dir / "asterisk.json").write_text(
            json.dumps(
                {
                    "root": str(self.root.path),
                    "version": self.root.version,
                    "name": self.name,
                    "pid": self.pid,
                    "agents": len(self.agents),
                    "keep": self.keep,
                    "ports": asdict(self.ports),
                },
                indent=1,
            )
        )
        return self

    def stop(self) -> None:
        """End it, ask first. The instance directory goes too, unless `keep`."""
        self._end()
        (self.run_dir / "asterisk.json").unlink(missing_ok=True)
        if not self.keep and self._root is not None:
            shutil.rmtree(self.host_home, ignore_errors=True)

    def restart(self) -> Self:
        """Stop and start with the same ports, secrets and AstDB: what a reboot of the switch does."""
        self._end()
        return self.start()

    def kill(self) -> None:
        """As a power cut would. AstDB survives; `start()` brings it back."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
        self._end()

    @classmethod
    def adopt(cls, run_dir: Path) -> PrivateAsterisk | None:
        """The detached instance that another process started with this run_dir, or None if none runs."""
        try:
            found = json.loads((run_dir / "asterisk.json").read_text())
            adopted = cls(
                run_dir,
                agents=int(found["agents"]),
                name=found["name"],
                keep=found["keep"],
                detach=True,
                ports=Ports(**found["ports"]),
                root=Root(Path(found["root"]), found["version"]),
            )
            adopted._pid = int(found["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return adopted if adopted.running else None

    # At work

    def console(self, command: str, *, limit: float = 10.0) -> str:
        """What Asterisk's console says to `command`. Raises RigError if it does not answer."""
        done = self._remote(command, limit)
        if done is None or done.returncode != 0:
            raise RigError(f"Asterisk's console did not answer to {command!r}\n{self._log_tail()}")
        return done.stdout

    def put(self, name: str, text: str) -> None:
        """Another file of configuration, by its path below etc; Asterisk takes it at its next reload."""
        self.files[name] = text
        self._put(self.host_home / "etc" / name, text)

    def reload_dialplan(self) -> str:
        """Take the dialplan files as they are now."""
        self._put_dialplans()
        return self.console("dialplan reload")

    def sipp(self, arguments: Sequence[str]) -> list[str]:
        """The command line of SIPp inside the root. Give it paths as seen from inside, for instance in `home`."""
        return self.root.command(["sipp", *arguments])

    # Within

    def _remote(self, command: str, limit: float) -> subprocess.CompletedProcess[str] | None:
        argv = self.root.command(["asterisk", "-C", f"{self.home}/etc/asterisk.conf", "-rx", command], uid=UID)
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None

    def _furnish(self) -> None:
        home = self.host_home
        homes = home.parent
        homes.mkdir(parents=True, exist_ok=True)
        homes.chmod(0o755)
        # Left by one that was killed together with its watcher.
        for left in homes.iterdir():
            owner = re.fullmatch(r"(\d+)-[0-9a-f]{6}", left.name)
            if owner and left != home and not Path("/proc", owner[1]).exists():
                shutil.rmtree(left, ignore_errors=True)
        for part in (
            "",
            "etc",
            "etc/dialplans",
            "db",
            "run",
            "log",
            "spool",
            "data",
            "data/moh",
            "data/sounds",
            "data/sounds/de",
            "data/sounds/de/custom",
            "synced",
        ):
            (home / part).mkdir(exist_ok=True)
        values = {
            "HOME": self.home,
            "MODULES": self._modules(),
            "MOH": f"{self.home}/data/moh",
            "AMI_PORT": self.ports.ami,
            "AMI_SECRET": self.keys.ami,
            "TRUNK_PORT": self.ports.trunk,
            "PHONE_PORT": self.ports.phones,
            "PARTNER_PORT": self.ports.partner,
            "QUALIFY": self.qualify,
            "PHONE_WAY": "transport = phones",
            "PHONE_CONTEXT": "acd-agent",
            "PHONE_CODECS": "alaw,ulaw",
            "TRANSFER_CONTEXT": "acd-transfer",
            "UDP_WAY": "transport = trunk",
            "TCP_WAY": "; there is none here",
            "TLS_WAY": "; there is none here",
            "SYNCED": f"{self.home}/synced",
            "RTP_START": RTP_FIRST,
            "RTP_END": RTP_LAST,
        }
        files = render.templates(values)
        files["pjsip-phones.conf"] = render.phones(self.keys.phones, [*self.agents, *self.offices])
        files["queues-failsafe.conf"] = render.failsafe_groups(self.failsafe)
        files["globals.conf"] = render.global_variables(
            {
                "ACD_AGI": f"{HOST}:{self.ports.agi}",
                "ACD_HEARTBEAT_MAX": "10",
                "ACD_FAILSAFE_GROUP": next(iter(self.failsafe), ""),
                **self.extra,
            }
        )
        for name, text in (files | self.files).items():
            self._put(home / "etc" / name, text)
        self._put_dialplans()
        self._put_sounds()
        self._put_music()
        for directory, _, names in os.walk(home):
            os.chown(directory, UID, GID)
            os.chmod(directory, 0o700)  # noqa: PTH101
            for name in names:
                os.chown(Path(directory, name), UID, GID, follow_symlinks=False)

    def _modules(self) -> str:
        at = next(
            iter(
                sorted(
                    p
                    for lib in ("lib", "lib64", "local/lib")
                    for p in self.root.host(f"/usr/{lib}").glob("**/asterisk/modules/chan_pjsip.so")
                )
            ),
            None,
        )
        if at is None:
            raise RigError(f"no Asterisk modules below {self.root.host('/usr')}: remove it and start again")
        return "/" + str(at.parent.relative_to(self.root.path))

    @staticmethod
    def _put(file: Path, text: str) -> None:
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        os.chown(file, UID, GID)

    def _put_dialplans(self) -> None:
        target = self.host_home / "etc" / "dialplans"
        for old in target.glob("*.conf"):
            old.unlink()
        for source in sorted(self.dialplans.glob("*.conf")):
            self._put(target / source.name, source.read_text(encoding="utf-8"))
        for name, text in self.files.items():
            if name.startswith("dialplans/"):
                self._put(target.parent / name, text)

    def _put_sounds(self) -> None:
        """A data directory of links to the package's, with our prompts as de/acd among the German ones."""
        data, package = self.host_home / "data", Path("/usr/share/asterisk")
        links = {data / "documentation": package / "documentation", data / "sounds" / "en": package / "sounds" / "en"}
        links |= {
            data / "sounds" / "de" / german.name: package / "sounds" / "de" / german.name
            for german in self.root.host(package / "sounds" / "de").iterdir()
            if german.name not in ("acd", "custom")
        }
        links[data / "sounds" / "de" / "custom" / "acd"] = Path(f"{self.home}/synced/current/sounds/de/acd")
        for link, target in links.items():
            if not link.is_symlink():
                link.symlink_to(target)
        ours = data / "sounds" / "de" / "acd"
        shutil.rmtree(ours, ignore_errors=True)
        prompts = REPOSITORY / "dialplans" / "sounds" / "de" / "acd"
        if prompts.is_dir():
            shutil.copytree(prompts, ours)

    def _put_music(self) -> None:
        package = Path("/usr/share/asterisk/moh")
        for name, (first, last) in MUSIC.items():
            source, target = self.root.host(package / f"{name}.wav"), self.host_home / "data" / "moh" / f"{name}.wav"
            if target.exists() or not source.exists():
                continue
            with wave.open(str(source)) as whole, wave.open(str(target), "wb") as cut:
                cut.setparams(whole.getparams())
                whole.setpos(min(first * whole.getframerate(), whole.getnframes()))
                cut.writeframes(whole.readframes((last - first) * whole.getframerate()))
        moh = self.host_home / "data" / "moh"
        if not any(moh.iterdir()):  # another package's music: whole, and better than none
            for source in self.root.host(package).glob("*.wav"):
                (moh / source.name).symlink_to(package / source.name)

    def _launch(self) -> subprocess.Popen[str]:
        asterisk = (
            next(
                (
                    p
                    for p in ("/usr/sbin/asterisk", "/usr/local/sbin/asterisk", "/usr/bin/asterisk")
                    if self.root.host(p).exists()
                ),
                None,
            )
            or shutil.which("asterisk")
            or "/usr/sbin/asterisk"
        )
        (self.host_home / "run" / "asterisk.ctl").unlink(missing_ok=True)  # of one that was killed
        self._process, self._pid = start_program(
            [asterisk, "-f", "-C", f"{self.home}/etc/asterisk.conf"],
            log=self.host_home / "log" / "console",
            root=self.root.path,
            uid=UID,
            gid=GID,
            detach=self.detach,
            remove=None if self.keep else self.host_home,
        )
        return self._process

    def _await_boot(self, process: subprocess.Popen[str]) -> None:
        before = self.log.stat().st_size if self.log.exists() else 0
        limit = time.monotonic() + BOOT_LIMIT
        while time.monotonic() < limit and process.poll() is None:
            if (self.host_home / "run" / "asterisk.ctl").exists():
                done = self._remote("core waitfullybooted", max(0.1, limit - time.monotonic()))
                if done is not None and "fully booted" in done.stdout:
                    self._look_for_errors(before)
                    return
            time.sleep(0.03)
        what = "ended at once" if process.poll() is not None else f"was not ready after {BOOT_LIMIT:.0f} s"
        raise RigError(f"Asterisk {what}; the last of its log:\n{self._log_tail()}")

    def _look_for_errors(self, offset: int) -> None:
        """Asterisk boots happily without the trunk, the dialplan or AMI, and tells only its log."""
        with self.log.open(errors="replace") as log:
            log.seek(offset)
            errors = [line.rstrip() for line in log if re.search(r"^\[[^]]*\] ERROR\[", line)]
        if errors:
            raise RigError("Asterisk started, but not with everything:\n" + "\n".join(f"  {e}" for e in errors[:12]))

    def _log_tail(self) -> str:
        lines: list[str] = []
        for file in (self.log, self.host_home / "log" / "console"):
            if file.exists():
                lines += file.read_text(errors="replace").splitlines()[-12:]
        return "\n".join(f"  {line}" for line in lines) or "  (it has said nothing)"

    def _end(self) -> None:
        pid, process = self._pid, self._process
        self._pid = self._process = None
        if pid is not None and _is_ours(pid, self.home):
            self._remote("core stop now", 2.0)
            if not _gone(pid, self.home, STOP_LIMIT):
                _signal(pid, signal.SIGTERM)
                if not _gone(pid, self.home, 2.0):
                    _signal(pid, signal.SIGKILL)
                    _gone(pid, self.home, 2.0)
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.wait(timeout=10)


def _is_ours(pid: int, home: str) -> bool:
    """Process ids come round again; the command line says whose it is. A zombie has none."""
    try:
        return f"{home}/etc/asterisk.conf" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return False


def _gone(pid: int, home: str, limit: float) -> bool:
    until = time.monotonic() + limit
    while _is_ours(pid, home):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
