"""The whole service as an operator runs it: a process of its own, a SQLite file, a toy Asterisk beside it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from dialog_acd.api.tokens import digest, new_token
from dialog_acd.app import PortTaken, finish, serve
from dialog_acd.clock import SystemClock
from dialog_acd.core.model import AgentId, CallId, Statistics, Team, TeamId, TenantId
from dialog_acd.core.releases import Kind, Release, Signature
from dialog_acd.settings import AgiSettings, AmiSettings, ApiSettings, Settings, StoreSettings
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.database import open_database
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.journal import JournalUnavailable
from dialog_acd.store.record_store import RecordReader, RecordWriter
from dialog_acd.store.release_store import ReleaseStore
from dialog_acd.store.token_store import TokenStore
from dialog_acd.switch.agi import AgiServer, PortInUse
from dialog_acd.switch.ami import AmiAddress, AmiLoginRefused, probe
from dialog_acd.testing import LANGENHAGEN, MONDAY, demo_directory
from records import served
from rig.ports import free_port, free_ports
from switch.test_agi import variables_set_by
from switch.toy_ami import SECRET, Action, Connection, ToyAmi, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.program
CALL = "acd-1700000000.12"
CHANNEL = "PJSIP/trunk-0000000c"
TOKEN = "ein-sehr-langes-wort"
PATIENCE = 60
"""Seconds for a start, an answer and an end, where the machine is busy with something else."""


class LateAmi(ToyAmi):
    """A toy Asterisk on a port given, so that it can come after the service."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.scripts["CoreShowChannels"] = self.scripts["DeviceStateList"] = empty_list

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_connection, "127.0.0.1", self.port)
        return self

    def has_heartbeat(self) -> bool:
        return any(action["Variable"] == "ACD_HEARTBEAT" for action in self.received("Setvar"))


def empty_list(connection: Connection, action: Action) -> None:
    connection.reply(action, "EventList: start")
    connection.say(event("Done", f"ActionID: {action['ActionID']}", "EventList: Complete", "ListItems: 0"))


@dataclass(frozen=True)
class Site:
    """One installation: a folder with secrets and a database, and three ports."""

    folder: Path
    ami: int
    agi: int
    api: int

    def environment(self, **changed: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}
        return {
            **inherited,
            "ACD_AMI__PORT": str(self.ami),
            "ACD_AMI__SECRET_FILE": str(self.folder / "ami.secret"),
            "ACD_AGI__PORT": str(self.agi),
            "ACD_API__PORT": str(self.api),
            "ACD_API__TOKEN_FILE": str(self.folder / "api.token"),
            "ACD_STORE__DATABASE_URL": f"sqlite+aiosqlite:///{self.database}",
            "ACD_STORE__JOURNAL_DIR": str(self.folder / "journal"),
            "ACD_SEED": "115",
            **changed,
        }

    def settings(self, *, agi: int, journal: Path | None = None) -> Settings:
        """For a start in this very process."""
        return Settings(
            ami=AmiSettings(port=self.ami, secret_file=self.folder / "ami.secret"),
            agi=AgiSettings(port=agi),
            api=ApiSettings(port=self.api, token_file=self.folder / "api.token"),
            store=StoreSettings(
                database_url=f"sqlite+aiosqlite:///{self.database}", journal_dir=journal or self.folder / "journal"
            ),
        )

    @property
    def database(self) -> Path:
        return self.folder / "acd.sqlite"

    def asterisk(self) -> LateAmi:
        return LateAmi(self.ami)

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        address = f"http://127.0.0.1:{self.api}"
        return httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=PATIENCE)


@pytest.fixture
async def site(tmp_path: Path, migrated_file: Path) -> Site:
    site = Site(tmp_path, *free_ports(3))
    shutil.copy(migrated_file, site.database)
    database = await open_database(f"sqlite+aiosqlite:///{site.database}")
    await DirectoryStore(database).replace(demo_directory(), Edit("test", MONDAY))
    await database.dispose()
    for name, secret in (("ami.secret", SECRET), ("api.token", TOKEN)):
        path = tmp_path / name
        path.write_text(secret + "\n")
        path.chmod(0o600)
    return site


class Service:
    """A running process and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def says(self, what: str) -> dict[str, Any]:
        """The next log line that tells of this event; everything before is kept in ``lines``."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stderr.readline()).decode():
                self.lines.append(line.rstrip("\n"))
                if what in line and (words := dict(json.loads(line)))["event"] == what:
                    return words
        raise AssertionError(f"it ended without {what}:\n" + "\n".join(self.lines))

    async def ends(self) -> int:
        """Its exit status; the rest of what it says is in ``lines``."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            self.lines += (await self.process.stderr.read()).decode().splitlines()
            return await self.process.wait()

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.lines if line.startswith("{")]


@asynccontextmanager
async def service(site: Site, **changed: str) -> AsyncIterator[Service]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialog_acd", "serve"),
        env=site.environment(**changed),
        cwd=site.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Service(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ends()


async def agi(port: int, script: str, *arguments: str, **fields: str) -> dict[str, str]:
    """Ask as Asterisk does; the channel variables that were set until we were hung up on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    headers = {"network_script": script, "channel": CHANNEL, "uniqueid": CALL, **fields}
    headers |= {f"arg_{number}": argument for number, argument in enumerate(arguments, 1)}
    writer.write("".join(f"agi_{key}: {value}\n" for key, value in headers.items()).encode() + b"\n")
    said: dict[str, str] = {}
    async with asyncio.timeout(5):
        while line := (await reader.readline()).decode():
            said |= variables_set_by(line.removesuffix("\n"))
            writer.write(b"200 result=1\n")
    writer.close()
    await writer.wait_closed()
    return said


def records(site: Site) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(site.database)) as database:
        return database.execute("SELECT call, result FROM records").fetchall()


async def test_who_listens_hears_of_a_change_at_once_and_does_not_hold_up_the_stop(site: Site) -> None:
    async with site.asterisk() as asterisk, service(site) as running, site.client() as api:
        await running.says("service.started")
        await asterisk.until(asterisk.has_heartbeat)
        async with asyncio.timeout(10), api.stream("GET", "/api/v1/live/stream?per_second=10") as stream:
            assert stream.status_code == 200
            lines = stream.aiter_lines()

            async def heard(event: str) -> dict[str, Any]:
                while await anext(lines) != f"event: {event}":
                    pass
                return dict(json.loads((await anext(lines)).removeprefix("data: ")))

            assert {agent["state"] for agent in (await heard("state"))["agents"]} == {"signed-out"}
            await agi(site.agi, "agent", "sign-in", "phone-anna")
            [anna] = (await heard("change"))["agents"]
            assert (anna["id"], anna["state"]) == ("anna", "not-ready")
            running.process.send_signal(signal.SIGTERM)
            assert await heard("end") == {"why": "stopping"}
            assert [line async for line in lines] == [""]
            assert await running.ends() == 0
        assert "Traceback" not in "\n".join(running.lines)
        assert "ERROR" not in "\n".join(running.lines).upper()


def promtool_says(scrape: str) -> str:
    """Nothing, where all names, units and types are as is the custom; or where it is not installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return ""
    said = subprocess.run([promtool, "check", "metrics"], input=scrape, text=True, capture_output=True, check=False)
    return said.stdout + said.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
async def test_a_proxy_on_this_machine_does_not_open_metrics_to_all_whom_it_serves(site: Site, host: str) -> None:
    """It says for whom it asks; also where the port is open on IPv6, and 127.0.0.1 has another name there."""
    async with site.asterisk(), service(site, ACD_API__HOST=host) as running, site.client() as api:
        await running.says("service.started")
        assert (await api.get("/metrics")).status_code == 200
        assert (await api.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})).status_code == 403
        assert (await api.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.7"})).status_code == 403


STUCK = """
import asyncio, threading
from dialog_acd.app import end_when_stuck

async def main():
    {first}
    end = end_when_stuck(asyncio.get_running_loop(), every=0.02, patience=5)
    {then}
    end()

asyncio.run(main())
"""


def stuck(first: str, then: str) -> subprocess.CompletedProcess[str]:
    script = STUCK.format(first=first, then=then)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)


def test_a_service_that_hangs_ends_and_says_where_it_stood() -> None:
    said = stuck("await asyncio.sleep(0)", "threading.Event().wait()")
    assert said.returncode == 70
    told = json.loads(said.stderr)
    assert (told["event"], told["level"]) == ("service.stuck", "critical")
    assert any('File "<string>", line 8, in main' in stack for stack in told["stood"])


def test_also_when_nobody_takes_what_it_writes() -> None:
    full = "import os, sys; r, w = os.pipe(); os.set_blocking(w, False); os.dup2(w, 2)"
    fill = (
        "\n    try:\n        while True: os.write(2, b'x' * 4096)\n    except BlockingIOError: os.set_blocking(2, True)"
    )
    assert stuck(full + fill, "os.write(2, b'more')").returncode == 70


def test_also_when_no_thread_has_its_turn_any_more() -> None:
    said = stuck("import re", "re.match(r'(a+)+$', 'a' * 60 + 'b')")
    assert said.returncode == 1
    assert 'File "<string>", line 8 in main' in said.stderr


def test_one_that_is_busy_goes_on() -> None:
    assert stuck("pass", "await asyncio.sleep(0.4)").returncode == 0


async def test_a_day_at_the_centre(site: Site) -> None:
    """Start, ready, anna signs in, a citizen calls and gives up, and at once the service is told to stop."""
    async with site.asterisk() as asterisk, service(site) as running, site.client() as api:
        await running.says("service.started")
        await asterisk.until(asterisk.has_heartbeat)
        ready = await api.get("/health/ready")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert (await api.get("/health/live")).status_code == 200

        assert await agi(site.agi, "agent", "sign-in", "phone-anna") == {"ACD_ANSWER": "signed-in"}
        said = await agi(site.agi, "arrive", "77@trunk", dnid=LANGENHAGEN, callerid="051123559876")
        assert (said["ACD_VERDICT"], said["ACD_QUEUE"]) == ("hold", "langenhagen")
        live = await api.get("/api/v1/live")
        assert live.status_code == 200
        scrape = (await api.get("/metrics")).text
        assert "acd_ami_link_up 1.0" in scrape
        assert 'acd_calls_waiting{queue="langenhagen"} 1' in scrape
        assert promtool_says(scrape) == ""

        asterisk.now.say(event("UserEvent", "UserEvent: AcdHeld", f"Call: {CALL}", f"Channel: {CHANNEL}"))
        asterisk.now.say(event("Hangup", f"Uniqueid: {CALL}", "Cause: 16"))
        ended = await running.says("call.ended")
        assert (ended["call"], ended["result"], ended["withheld"], ended["area"]) == (CALL, "abandoned", False, "511")

        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await running.ends() == 0
        assert asterisk.received("Logoff")
        assert records(site) == [(CALL, "abandoned")]
        assert "Traceback" not in "\n".join(running.lines)
        assert all(line.startswith("{") for line in running.lines)
        assert "51123559876" not in "\n".join(running.lines)

    # The next morning: anna is still signed in, because nobody said otherwise.
    async with site.asterisk(), service(site) as running, site.client() as api:
        await running.says("service.started")
        agents = (await api.get("/api/v1/agents")).json()
        states = {agent["id"]: agent["intent"] for agent in agents["agents"]}
        assert states == {"anna": "not-ready", "bert": "signed-out"}
        # It knows that no call of that month is missing.
        assert (await api.post("/api/v1/statements/2024-02/issue")).status_code == 200
        anna_in_a_team = replace(
            demo_directory(),
            agents=tuple(replace(a, team=TeamId("office")) for a in demo_directory().agents),
            teams=(Team(TeamId("office"), "Bürgerbüro"),),
        )
        database = await open_database(f"sqlite+aiosqlite:///{site.database}")
        await DirectoryStore(database).replace(anna_in_a_team, Edit("test", MONDAY))
        await database.dispose()
        running.process.send_signal(signal.SIGHUP)
        await running.says("directory.changed")
        running.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(5):
            assert await running.ends() == 0

    # Each start has counted for itself that one person was there and never became ready.
    with closing(sqlite3.connect(site.database)) as left:
        rows = left.execute(
            "SELECT run, team, max(people), sum(signed_in_ms) > 0, sum(signed_in_ms - not_ready_ms)"
            " FROM attendance GROUP BY run, team ORDER BY run, team"
        ).fetchall()
    assert [row[1:] for row in rows] == [("-", 1, 1, 0), ("-", 1, 1, 0), ("office", 1, 1, 0)]
    assert rows[0][0] < rows[1][0] == rows[2][0]


async def test_a_start_by_a_doubtful_clock_strips_nothing_of_what_has_waited(site: Site) -> None:
    """It has not been away for 20 days: the clock is ahead."""
    database = await open_database(f"sqlite+aiosqlite:///{site.database}")
    before = datetime.now(UTC) - timedelta(days=20)
    audit = AuditStore(database)
    done = {"agents_before": (before - timedelta(days=35)).isoformat()}
    audit.put(
        at=before,
        who="dialog-acd",
        role="service",
        tenant=None,
        action="retention.run",
        about="",
        outcome="done",
        details=done,
    )
    assert await audit.flush()
    writer = RecordWriter(database, site.folder / "journal", lambda: before)
    writer.put(served("waited", before, ani="+493023125771"))
    assert await writer.close(0) == 1
    async with site.asterisk(), service(site) as running:
        await running.says("service.started")
        if "retention.clock-doubted" not in running.events:
            await running.says("retention.clock-doubted")
        async with asyncio.timeout(10):
            while not records(site):  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(0.05)
    record = await RecordReader(database).by_call(CallId("waited"))
    await database.dispose()
    assert record is not None
    assert record.ani == "+493023125771"


async def test_an_asterisk_that_is_down_is_waited_for(site: Site) -> None:
    """Machines boot in any order: say so once, be not ready, and go on when it is there."""
    async with service(site) as running, site.client() as api:
        await running.says("service.started")
        await running.says("ami.lost")
        down = await api.get("/health/ready")
        assert down.status_code == 503
        assert "Nothing listens at" in down.json()["details"]["dependencies"]["switch"]["detail"]
        assert (await api.get("/health/live")).status_code == 200
        async with site.asterisk() as asterisk:
            await running.says("switch.found")
            await asterisk.until(asterisk.has_heartbeat)
            assert (await api.get("/health/ready")).status_code == 200
            running.process.send_signal(signal.SIGTERM)
            assert await running.ends() == 0
    assert running.events.count("ami.lost") == 1


async def test_who_rehearses_last_year_finds_no_release_of_last_year(site: Site) -> None:
    """Nor a policy that was released then: the clock is the one thing about a release that one person can turn back."""
    database, asked = await open_database(f"sqlite+aiosqlite:///{site.database}"), Signature("leitung", "id-1", MONDAY)
    for release in (
        Release(0, Kind.FIGURES, "damals", MONDAY.date(), asked, (AgentId("anna"),), "2026-03", "2026-03"),
        Release(0, Kind.POLICY, "damals", MONDAY.date(), asked, tenant=TenantId("region"), level=Statistics.RELEASED),
    ):
        made = await ReleaseStore(database).ask(release)
        assert await ReleaseStore(database).agree(made.id, Signature("personalrat", "id-2", MONDAY))
    await database.dispose()
    async with service(site, ACD_REHEARSE_AT=MONDAY.isoformat()) as running, site.client() as api:
        await running.says("service.started")
        assert {r["state"] for r in (await api.get("/api/v1/releases")).json()["releases"]} == {"in-force"}
        figures = await api.get("/api/v1/agents/anna/figures", params={"month": "2026-03"})
        assert (figures.status_code, figures.json()["details"]["why"]) == (403, "rehearsal")
        headers = {"If-Match": "*", "Content-Type": "application/merge-patch+json"}
        weaker = {"contract": {"statistics": "released"}}
        edit = await api.patch("/api/v1/directory/tenants/region", json=weaker, headers=headers)
        assert (edit.status_code, edit.json()["error_id"]) == (409, "policy-not-released")


async def test_a_supervisor_is_given_a_token_while_the_service_runs(site: Site) -> None:
    """Good at once; what is done with it is in the audit log, in the database too when the service has stopped."""
    token, now = new_token(), SystemClock().now()
    async with site.asterisk(), service(site) as running, site.client() as api:
        await running.says("service.started")
        database = await open_database(f"sqlite+aiosqlite:///{site.database}")
        await TokenStore(database).create(
            name="leitstelle",
            role="supervisor",
            tenant=None,
            digest=digest(token),
            at=now,
            expires_at=now + timedelta(days=1),
        )
        await database.dispose()
        hers = {"Authorization": f"Bearer {token}"}
        assert (await api.post("/api/v1/agents/anna/ready", headers=hers)).status_code == 200
        refusal = (await api.get("/openapi.json")).json()["paths"]["/api/v1/audit"]["get"]["responses"]["403"]
        assert "not-allowed" in refusal["content"]["application/json"]["examples"], "the whole document, also here"
        assert (await api.get("/api/v1/audit", headers=hers)).status_code == 403
        lines = (await api.get("/api/v1/audit")).json()["lines"]
        # A new service looks at once for what may not be kept any more.
        lines = [line for line in lines if line["who"] != "dialog-acd"]
        assert [(line["who"], line["action"], line["outcome"]) for line in lines] == [
            ("leitstelle", "audit.lines", "refused"),
            ("leitstelle", "agents.ready", "done"),
            ("command-line", "tokens.create", "done"),
        ]
        assert (await api.get("/api/v1/live", headers={"Authorization": "Bearer acd_nobody-knows"})).status_code == 401
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
    with closing(sqlite3.connect(site.database)) as left:
        assert left.execute("SELECT who, role, outcome FROM audit ORDER BY id DESC LIMIT 1").fetchall() == [
            ("nobody", "", "refused")
        ]
    assert token not in "".join(running.lines)


async def test_whoever_takes_the_end_for_an_error_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialog_acd.app.CANCEL_EVERY", 0.01)
    errors: list[str] = []

    async def lives_through_errors() -> None:
        while len(errors) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                errors.append("no connection")
        await asyncio.Event().wait()

    task = asyncio.create_task(lives_through_errors())
    await asyncio.sleep(0)
    await finish(task)
    assert task.cancelled()
    assert len(errors) == 3


async def test_what_a_task_ended_with_is_seen() -> None:
    async def fails() -> None:
        raise ValueError("a defect")

    failing = asyncio.create_task(fails())
    await asyncio.wait({failing})
    with pytest.raises(ValueError, match="a defect"):
        await finish(failing)


@asynccontextmanager
async def identity_provider(port: int, *people: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A provider nobody here has written, as a process of its own."""
    told = [word for person in people for word in ("--user-claims", json.dumps(person))]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *told),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            async with asyncio.timeout(15):
                while True:
                    try:
                        await client.get("/")
                        break
                    except httpx.ConnectError:
                        await asyncio.sleep(0.05)
            yield client
    finally:
        process.kill()
        await process.wait()


async def signed_in(provider: httpx.AsyncClient, subject: str, client: str = "dialog-acd") -> dict[str, str]:
    """What a browser does: the authorization code flow. The header to be sent from then on."""
    desk = "http://127.0.0.1:1/desk"
    asked = {"client_id": client, "redirect_uri": desk, "response_type": "code", "scope": "openid profile email"}
    sent_back = await provider.post("/oauth2/authorize", params=asked, data={"sub": subject})
    code = httpx.URL(sent_back.headers["location"]).params["code"]
    answer = await provider.post(
        "/oauth2/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": desk},
        auth=(client, "any-secret"),
    )
    return {"Authorization": f"Bearer {answer.json()['id_token']}"}


async def test_people_sign_in_at_their_identity_provider(site: Site) -> None:
    port = free_port()
    erika = {"sub": "e-1", "preferred_username": "erika.muster", "groups": ["acd-leitstelle"]}
    karl = {"sub": "k-2", "email": "karl@langenhagen.de", "groups": ["rathaus-langenhagen"]}
    settings = {
        "ACD_OIDC__ISSUER": f"http://127.0.0.1:{port}",
        "ACD_OIDC__AUDIENCE": "dialog-acd",
        "ACD_OIDC__ROLES": "acd-leitstelle=supervisor; rathaus-langenhagen=town-admin:langenhagen",
    }
    async with (
        identity_provider(port, erika, karl) as provider,
        site.asterisk(),
        service(site, **settings) as running,
        site.client() as api,
    ):
        await running.says("service.started")
        if "issuer.read" not in running.events:  # by itself, whether or not anybody has asked yet
            await running.says("issuer.read")
        hers, his = await signed_in(provider, "e-1"), await signed_in(provider, "k-2")
        elsewhere = await signed_in(provider, "e-1", client="another-service")
        ready = "/api/v1/agents/anna/ready"
        assert (await api.post(ready, headers=hers)).status_code == 200
        assert (await api.post(ready, headers=his)).json()["error_id"] == "not-allowed"
        assert (await api.get("/api/v1/audit", headers=his)).status_code == 200
        assert (await api.get("/api/v1/live", headers=elsewhere)).status_code == 401
        await provider.put("/users/e-1", json={**erika, "groups": ["former-staff"]})
        answer = await api.post(ready, headers=await signed_in(provider, "e-1"))
        assert (answer.status_code, answer.json()["error_id"]) == (403, "no-role")
        lines = (await api.get("/api/v1/audit")).json()["lines"]
        told = [(line["who"], line["role"], line["outcome"]) for line in reversed(lines)]
        assert told[-4:] == [
            ("erika.muster (e-1)", "supervisor", "done"),
            ("karl@langenhagen.de (k-2)", "town-admin", "refused"),
            ("nobody", "", "refused"),
            ("erika.muster (e-1)", "", "refused"),
        ]
        for _ in range(12):
            assert (await api.get("/api/v1/live", headers={"Authorization": "Bearer a.b.c"})).status_code == 401
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
    with closing(sqlite3.connect(site.database)) as left:
        [[action]] = left.execute("SELECT action FROM audit ORDER BY id DESC LIMIT 1").fetchall()
    assert action == "api.refuse-more"
    assert hers["Authorization"].split(".")[-1] not in "".join(running.lines)
    assert "Traceback" not in "".join(running.lines)


async def test_a_wrong_ami_secret_ends_the_start_with_a_sentence(site: Site) -> None:
    """Asked once and not again: it may lock us out."""
    (site.folder / "ami.secret").write_text("not-what-manager.conf-says\n")
    async with site.asterisk() as asterisk, asyncio.timeout(5):
        with pytest.raises(AmiLoginRefused) as refused:
            await serve(site.settings(agi=site.agi))
        assert len(asterisk.received("Login")) == 1
    assert str(refused.value) == (
        f"Asterisk at 127.0.0.1:{site.ami} refused the login of 'dialog-acd' (Authentication failed): "
        "check its section, secret, deny and permit in manager.conf, and the secret in the file ACD_AMI__SECRET_FILE"
    )


async def test_a_second_start_by_mistake_says_so_and_disturbs_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must notice before it has a word with Asterisk: two services would pull at the same callers."""
    elsewhere = site.folder / "other"
    async with site.asterisk() as asterisk, service(site) as first:
        await first.says("switch.found")

        with pytest.raises(PortInUse, match=rf"^Port {site.agi} .*wanted for AGI, is in use"):
            await serve(site.settings(agi=site.agi, journal=elsewhere))

        # However long its ports take: a whole conversation with this Asterisk would fit in between.
        start_agi = AgiServer.start

        async def start_slowly(agi: AgiServer, host: str, port: int) -> None:
            await probe(AmiAddress("127.0.0.1", site.ami, "bystander", SECRET))
            await start_agi(agi, host, port)

        monkeypatch.setattr(AgiServer, "start", start_slowly)
        with pytest.raises(PortTaken, match=rf"^port {site.api} for the API .*ACD_API__PORT"):
            await serve(site.settings(agi=free_port(), journal=elsewhere))
        with pytest.raises(JournalUnavailable, match="in use by another dialog-acd; stop that one"):
            await serve(site.settings(agi=free_port()))

        assert [login["Username"] for login in asterisk.received("Login")] == ["dialog-acd", "bystander"]
        first.process.send_signal(signal.SIGTERM)
        assert await first.ends() == 0
