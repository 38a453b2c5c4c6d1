"""The whole thing on one machine: a private Asterisk, the service beside it, telephones, and agents at them.

    with Stack(Path(".run/demo"), agents=16) as stack:
        callers(stack.asterisk, [Caller("05111680", "+493023125001")]).start().wait(60)
        stack.api.get("/api/v1/live")

All ports are free ones on 127.0.0.1, all secrets are made here and lie in files of mode 600. Whatever a stack starts
dies with the process that made it, even if that is killed, unless it is `detach`ed: then rig.detached knows how
to find and end it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rig.ports import free_port
from rig.private import PrivateAsterisk
from rig.program import start_program
from rig.render import agent_names
from rig.root import REPOSITORY, RigError
from rig.sipp import Sipp, agents_phones, dial_code, registered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DIRECTORY = REPOSITORY / "asterisk" / "demo-directory.toml"
READY_LIMIT = 20.0  # seconds for the service; two are usual
STOP_LIMIT = 15.0  # the service gives its records ten
# The reasons for which the service takes an agent out of the round after an offer came to nothing.
MISSED = ("rona", "declined", "not-talked")


class Refused(RigError):  # noqa: N818  a noun, as in core/errors.py
    """An answer of the service that is not a success."""

    def __init__(self, path: str, status: int, said: str) -> None:
        self.status, self.said = status, said
        super().__init__(f"{path}: {status} {said[:500]}")


class Api:
    """The service's REST API, as an operator's script would use it."""

    def __init__(self, url: str, token: str, *, patience: float = 3.0) -> None:
        self.url, self._token, self._patience = url, token, patience
        # Without this, a proxy of the machine would be asked for 127.0.0.1.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def text(
        self, path: str, *, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """Raises Refused on every answer that is not a success, and RigError when nobody answers."""
        said = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        if body is not None:
            said["Content-Type"] = "application/json"
        request = urllib.request.Request(  # noqa: S310  the address is our own
            self.url + path, method=method, headers=said, data=None if body is None else json.dumps(body).encode()
        )
        try:
            with self._opener.open(request, timeout=self._patience) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise Refused(path, refusal.code, refusal.read().decode(errors="replace")) from None
        except (OSError, ValueError) as silence:
            raise RigError(f"{self.url}{path} does not answer ({silence})") from None

    def get(self, path: str) -> Any:
        return json.loads(self.text(path))

    def post(self, path: str) -> Any:
        return json.loads(self.text(path, method="POST"))

    def send(self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        return json.loads(self.text(path, method=method, body=body, headers=headers))

    def refusal(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """What is said against it. Raises RigError where nothing is."""
        try:
            self.send(method, path, body)
        except Refused as refused:
            return dict(json.loads(refused.said))
        raise RigError(f"{method} {path} was not refused")

    def agents(self) -> list[dict[str, Any]]:
        return list(self.get("/api/v1/agents")["agents"])


class Keeper:
    """Sends agents back to work after a missed offer, some seconds later, as a team leader would.

    A simulated agent cannot press a key by itself, and without this one missed call would end its day. Agents who
    are not ready for any other reason wanted to be.
    """

    def __init__(self, api: Api, *, after: float = 3.0) -> None:
        self._api, self._after = api, after
        self._since: dict[str, float] = {}

    def look(self) -> list[str]:
        """Look round once; says who was sent back. An API that does not answer is nobody's fault here."""
        sent: list[str] = []
        try:
            missed = {a["id"] for a in self._api.agents() if a["intent"] == "not-ready" and a["reason"] in MISSED}
            now = time.monotonic()
            self._since = {agent: self._since.get(agent, now) for agent in missed}
            for agent, since in self._since.items():
                if now - since >= self._after:
                    self._api.post(f"/api/v1/agents/{agent}/ready")
                    sent.append(agent)
        except RigError:
            pass
        return sent

    @contextlib.contextmanager
    def on_duty(self, every: float = 0.5) -> Iterator[Keeper]:
        """Look round again and again, beside whatever else happens."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(every):
                self.look()

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            yield self
        finally:
            over.set()
            watching.join(timeout=5)


class Stack:
    """One installation. Nothing happens before `start()`; `stop()` may be called at any time and any number of times.

    run_dir    gets secrets, database, journal and logs.
    agents     how many; sixteen are those of the demo directory, others are generated.
    directory  another directory file; its agents' phones must be agent01 to the last of `agents`.
    ring, spread   seconds a phone rings, see rig.sipp.agents_phones.
    talk       seconds of conversation. The phone stays off the hook for longer: first the agent hears which town it is.
    phones     False for no telephones at all (then nobody signs in either).
    sign_in    False leaves the agents signed out, with their phones registered.
    messages   has the phones write every SIP message.
    detach     lets everything outlive this process.
    started    is told (what, process id) of each process as soon as it exists.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        agents: int = 16,
        directory: Path | None = None,
        ring: float = 1.0,
        spread: float = 1.0,
        talk: float = 8.0,
        phones: bool = True,
        sign_in: bool = True,
        messages: bool = False,
        detach: bool = False,
        name: str | None = None,
        keep: bool = False,
        extra: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        progress: Callable[[str], None] | None = None,
        started: Callable[[str, int], None] | None = None,
    ) -> None:
        self.run_dir = run_dir.absolute()
        names = agent_names(agents)
        self.asterisk = PrivateAsterisk(
            self.run_dir,
            agents=agents,
            name=name,
            keep=keep,
            detach=detach,
            extra=extra,
            files=files,
            progress=progress,
            # The first is what counts when the service has never said a word: the group of the demo directory.
            failsafe={"demo": (*names[:4], "office01", "office02")},
        )
        self._directory = directory
        self._ring, self._spread, self._talk = ring, spread, talk + announcement_length()
        self._with_phones, self._sign_in, self._messages, self._detach = phones, sign_in, messages, detach
        self._progress, self._started = progress or (lambda _: None), started or (lambda _what, _pid: None)
        self.syncs = False
        """Whether the service keeps what Asterisk knows at what the directory says."""
        self.rehearse_at = ""
        """The moment at which the service's clock begins (ISO 8601 with a zone); empty: now."""
        self.database = self.run_dir / "acd.sqlite"
        self.api_port = 0
        self.phones_port = 0
        self.phones: Sipp | None = None
        self.registrations: Sipp | None = None
        self._service: subprocess.Popen[str] | None = None
        self._service_pid: int | None = None

    # What others need to know

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def api(self) -> Api:
        return Api(self.api_url, self.asterisk.keys.api_token)

    @property
    def token_file(self) -> Path:
        return self.run_dir / "api.token"

    @property
    def service_log(self) -> Path:
        return self.run_dir / "service.log"

    @property
    def database_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.database}"

    @property
    def service_pid(self) -> int:
        if self._service_pid is None:
            raise RigError("the service is not running")
        return self._service_pid

    @property
    def environment(self) -> dict[str, str]:
        """What the service is told; nothing of it is secret."""
        return {
            "ACD_AMI__PORT": str(self.asterisk.ports.ami),
            "ACD_AMI__USERNAME": self.asterisk.ami_user,
            "ACD_AMI__SECRET_FILE": str(self.run_dir / "ami.secret"),
            "ACD_AGI__PORT": str(self.asterisk.ports.agi),
            "ACD_API__PORT": str(self.api_port),
            "ACD_API__TOKEN_FILE": str(self.token_file),
            "ACD_STORE__DATABASE_URL": self.database_url,
            "ACD_STORE__JOURNAL_DIR": str(self.run_dir / "journal"),
            **self.asterisk.sync_settings,
            **({"ACD_ASTERISK__SYNC": str(self.asterisk.synced)} if self.syncs else {}),
            **({"ACD_REHEARSE_AT": self.rehearse_at} if self.rehearse_at else {}),
        }

    # Life

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Returns when every agent can be reached. Raises RigError with a reason; call stop() then all the same."""
        self.start_asterisk()
        self._progress("starting the service")
        self.command("migrate")
        self.command("load", str(self._directory_file()))
        self.start_service()
        if self._with_phones:
            self._progress(f"registering {len(self.asterisk.agents)} telephones")
            self.start_phones()
            if self._sign_in:
                self._progress("agents dial *73: signed in and ready")
                self.make_ready(self.asterisk.agents)
        return self

    def start_asterisk(self) -> None:
        """The switch alone, and all that a service will need to find it."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._progress(f"starting Asterisk {self.asterisk.root.version}")
        self.asterisk.start()
        self._started("asterisk", self.asterisk.pid)
        self.api_port = free_port(set(asdict(self.asterisk.ports).values()))
        self._write_secrets()

    def stop(self) -> None:
        """End everything, whatever there is of it: the service first, so that its records get to the database."""
        self.end_service()
        for run in (self.registrations, self.phones):
            if run is not None:
                run.stop(grace=0.2)
        self.asterisk.stop()

    # The service

    def command(self, *arguments: str, limit: float = 30.0) -> str:
        """Run a command of dialog-acd with this stack's settings. Raises RigError with what it said if it fails."""
        done = subprocess.run(
            [str(_program()), *arguments],
            env=_without_ours(os.environ) | self.environment,
            cwd=self.run_dir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        if done.returncode != 0:
            raise RigError(f"dialog-acd {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout

    def start_service(self, *, ready: bool = True) -> None:
        """Start it, and wait until /health/ready is green unless `ready` is off."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        self._service, self._service_pid = start_program(
            ["/usr/bin/env", *settings, str(_program()), "serve"], log=self.service_log, detach=self._detach
        )
        if self._service_pid is None:
            raise RigError(f"the service could not be started\n{self.service_tail()}")
        self._started("service", self._service_pid)
        if ready:
            self.await_ready()

    def await_ready(self, limit: float = READY_LIMIT) -> None:
        """Until /health/ready is green. Raises RigError with what is missing and the last of the service's log."""
        until = time.monotonic() + limit
        while True:
            try:
                self.api.get("/health/ready")
            except RigError as missing:
                if self._service is None or self._service.poll() is not None:
                    raise RigError(f"the service has ended; the last of its log:\n{self.service_tail()}") from None
                if time.monotonic() > until:
                    raise RigError(
                        f"the service was not ready after {limit:.0f} s: {missing}; the last of its log:\n"
                        f"{self.service_tail()}"
                    ) from None
                time.sleep(0.05)
            else:
                return

    def kill_service(self) -> None:
        """As a power cut would."""
        if self._service is not None and self._service_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._service_pid, signal.SIGKILL)
            self._close_service()

    def stop_service(self) -> None:
        """Let it hang: alive, its ports open, and not a word (SIGSTOP). `continue_service()` wakes it."""
        os.kill(self.service_pid, signal.SIGSTOP)

    def continue_service(self) -> None:
        os.kill(self.service_pid, signal.SIGCONT)

    def end_service(self) -> None:
        """Ask it to stop, and wait until it has; killed if it does not."""
        service, pid = self._service, self._service_pid
        if service is not None and pid is not None and service.poll() is None:
            try:
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)
                service.wait(timeout=STOP_LIMIT)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.kill(pid, signal.SIGKILL)
        self._close_service()

    def service_tail(self, lines: int = 12) -> str:
        said = self.service_log.read_text(errors="replace").splitlines() if self.service_log.exists() else []
        return "\n".join(f"  {line}" for line in said[-lines:]) or "  (it has said nothing)"

    # Telephones and agents

    def start_phones(self) -> None:
        self.phones_port = free_port(set(asdict(self.asterisk.ports).values()) | {self.api_port})
        self.phones = agents_phones(
            self.asterisk,
            self.phones_port,
            ring=self._ring,
            spread=self._spread,
            talk=self._talk,
            messages=self._messages,
            detach=self._detach,
        ).start()
        self._started("phones", self.phones.pid)
        self.registrations = registered(self.asterisk, self.phones_port, self.asterisk.agents, detach=self._detach)
        self._started("registrations", self.registrations.pid)

    def make_ready(self, agents: Sequence[str], limit: float = 20.0) -> None:
        """The agents dial *73 on their phones. Returns when the service says that all can be given a call."""
        dial_code(self.asterisk, "*73", agents, limit=60 + len(agents) / 10)
        until = time.monotonic() + limit
        while lacking := [a for a in self.api.agents() if a["phone"] in set(agents) and not a["available"]]:
            if time.monotonic() > until:
                raise RigError(
                    f"{len(lacking)} of {len(agents)} agents are not available {limit:.0f} s after *73: "
                    + ", ".join(f"{a['id']} is {a['state']}" for a in lacking[:5])
                    + f"; the last of the service's log:\n{self.service_tail()}"
                )
            time.sleep(0.1)

    # Within

    def _write_secrets(self) -> None:
        for file, secret in (
            (self.run_dir / "ami.secret", self.asterisk.ami_secret),
            (self.token_file, self.asterisk.keys.api_token),
        ):
            file.unlink(missing_ok=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(secret + "\n")

    def _directory_file(self) -> Path:
        if self._directory is not None:
            return self._directory
        file = self.run_dir / "directory.toml"
        file.write_text(directory_for(len(self.asterisk.agents)), encoding="utf-8")
        return file

    def _close_service(self) -> None:
        service, self._service, self._service_pid = self._service, None, None
        if service is not None:
            for pipe in (service.stdin, service.stdout):
                if pipe is not None:
                    pipe.close()
            service.wait(timeout=10)


def announcement_length() -> float:
    """Seconds of the longest announcement of a town. An agent who hangs up before its end has talked to nobody."""
    prompts = (REPOSITORY / "dialplans" / "sounds" / "de" / "acd").glob("town-*.alaw")
    return max((prompt.stat().st_size / 8000 for prompt in prompts), default=0.0)


def directory_for(agents: int) -> str:
    """The demo directory with so many agents: its own ones first, then generated ones who can do everything."""
    head, *own = re.split(r"(?m)^(?=\[\[agents\]\])", DIRECTORY.read_text(encoding="utf-8"))
    generated = [
        f'[[agents]]\nid = "{name}"\nname = "Platz {name[5:]}"\nphone = "{name}"\nteam = "centre"\n'
        "skills = { hannover = 3, region = 3, langenhagen = 3, 115 = 3, general = 3 }\n\n"
        for name in agent_names(agents)[len(own) :]
    ]
    return head + "".join([*own[:agents], *generated])


def _program() -> Path:
    """The command line of the service, from the same environment as this."""
    program = Path(sys.executable).with_name("dialog-acd")
    if not program.exists():
        raise RigError(f"{program} is missing: run `make setup`")
    return program


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """A setting left over in somebody's shell must not lead this stack to another Asterisk."""
    return {name: value for name, value in environment.items() if not name.startswith("ACD_")}
