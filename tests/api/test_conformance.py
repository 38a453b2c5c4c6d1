"""What the document of the API says is what the API does: asked by everybody, in good words and in bad ones.

schemathesis reads the document and makes up requests: some as it says, some that it forbids. They are sent in every
role, and by nobody, to the whole service but for Asterisk: the real core, the real database. Of every answer the
status, content type, headers, body and error word have to stand in the document; nothing may break (5xx); what the
document forbids has to be refused, and what it allows may be refused for what it means, never for how it looks.

What is made up names nothing that exists, and would come no further than a 404. So every other request is *aimed*:
where the path, ``If-Match``, ... need not be wrong, they are given what is there.

``ACD_CONTRACT=long`` searches longer, and tries the edges of each parameter and field one by one (``make
test-contract``: some minutes).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from requests.adapters import BaseAdapter
from requests.utils import get_encoding_from_headers
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from urllib3 import HTTPHeaderDict, HTTPResponse

from dialog_acd.administration import Administration
from dialog_acd.api.app import create_api
from dialog_acd.api.routes.resources import KINDS
from dialog_acd.api.tokens import Role
from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.model import (
    NOT_YET,
    AgentId,
    CalendarId,
    EntryKind,
    FailsafeProfile,
    PartnerId,
    Phone,
    Prompt,
    PromptId,
    QueueId,
    Skill,
    SkillId,
    Statistics,
    Team,
    TeamId,
    Tenant,
    TenantId,
    Trunk,
)
from dialog_acd.core.releases import Kind, Release, Signature
from dialog_acd.recordings import Recordings
from dialog_acd.reports import Reports, Told
from dialog_acd.settlement import Settlement
from dialog_acd.sound.studio import Sound
from dialog_acd.store.attendance_store import AttendanceStore
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.database import open_database
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.record_store import RecordReader, RecordWriter
from dialog_acd.store.recording_store import RecordingStore
from dialog_acd.store.release_store import ReleaseStore
from dialog_acd.store.repeat_store import RepeatStore
from dialog_acd.store.statement_store import StatementStore
from dialog_acd.store.usage_store import UsageStore
from dialog_acd.testing import Scenario, demo_agent, demo_directory
from records import promised, served

from .conftest import NOON, TOKEN, Drawer, with_policy
from .test_towns import RealCentre

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI
    from schemathesis import Case
    from schemathesis.schemas import APIOperation, BaseSchema

    from dialog_acd.core.directory import Directory
pytestmark = pytest.mark.program
LONG = os.environ.get("ACD_CONTRACT") == "long"
EXAMPLES = dict.fromkeys(GenerationMode, 60 if LONG else 4)
"""For each operation, of each sort: as the document says, and as it forbids."""
if settings().max_examples < 300:
    EXAMPLES[GenerationMode.NEGATIVE] //= 2
URL = "http://acd.test"
TOWN, SPARE = TenantId("langenhagen"), "spare"
WHO: dict[str, tuple[Role, str | None] | None] = {
    "operator": (Role.OPERATOR, None),
    "supervisor": (Role.SUPERVISOR, None),
    "auditor": (Role.AUDITOR, None),
    "auditor-of-a-town": (Role.AUDITOR, TOWN),
    "town-admin": (Role.TOWN_ADMIN, TOWN),
    "desk": (Role.DESK, None),
    "agent": (Role.AGENT, None),
    "staff-council": (Role.STAFF_COUNCIL, None),
    "nobody": None,
}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance]
STREAM = "/api/v1/live/stream"


def spared() -> Directory:
    """One of each kind that nobody needs, and so can be taken away."""
    anna = replace(demo_agent("anna"), home=TOWN)
    made = demo_directory((anna, "bert"), ladder=("switched: partner oldenburg",))
    released = {town.id: town for town in with_policy(made, Statistics.RELEASED).tenants if town.id == TOWN}
    made = replace(made, tenants=tuple(released.get(town.id, town) for town in made.tenants))
    entry = next(e for e in made.entries if e.tenant == TOWN)
    towns = (TenantId("hannover"), TOWN)
    return replace(
        made,
        tenants=(*made.tenants, Tenant(TenantId(SPARE), SPARE, SPARE, live_from=NOT_YET)),
        entries=(
            *(replace(e, candidates=towns) if e.kind is EntryKind.SERVICE_115 else e for e in made.entries),
            replace(entry, number="+49511999"),
        ),
        calendars=(Calendar(CalendarId(SPARE), SPARE, (parse_hours("daily 08:00-18:00"),), tenant=TOWN),),
        prompts=(Prompt(PromptId(SPARE), SPARE, "Guten Tag.", tenant=TOWN),),
        queues=(*made.queues, replace(made.queues[0], id=QueueId(SPARE))),
        agents=(*made.agents, replace(made.agents[0], id=AgentId(SPARE), phone=Phone("phone-spare"))),
        trunks=(*made.trunks, Trunk(SPARE)),
        teams=(Team(TeamId(SPARE), SPARE),),
        skills=(*made.skills, Skill(SkillId(SPARE), SPARE)),
        partners=(*made.partners, replace(made.partners[0], id=PartnerId(SPARE))),
        failsafe_profiles=(*made.failsafe_profiles, FailsafeProfile(SPARE, SPARE)),
    )


class Deaf:
    """A studio that finds every file a good one."""

    async def convert(self, content: bytes) -> Sound:
        return Sound(timedelta(seconds=1), -6.0, -20.0, -2.0, (), b"RIFF", b"RIFF")


@dataclass
class House(BaseAdapter):
    """The service, its loop, and the way to it. What is sent is spoken to the application as a server would."""

    runner: asyncio.Runner
    folder: Path
    centre: RealCentre = field(default_factory=lambda: RealCentre(Scenario(spared())))

    def __post_init__(self) -> None:
        super().__init__()
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", self)
        self.tokens: dict[str, str] = {}
        self.app = self.runner.run(self._open())

    async def _open(self) -> FastAPI:
        self.engine = engine = await open_database(f"sqlite+aiosqlite:///{self.folder / 'acd.sqlite'}")
        clock = self.centre.sheet.at("09:00:00").waits("c1", "115").after(5).talks("anna").after(60).clock
        self.audit = AuditStore(engine)
        drawer = Drawer()
        for name, role in WHO.items():
            if role is not None:
                self.tokens[name] = f"acd_the-token-of-{name}"
                drawer.give(self.tokens[name], *role, until=clock.now() + timedelta(days=90))
        self.directories = directories = DirectoryStore(engine)
        self.made = self.centre.directory()
        self.releases = ReleaseStore(engine)
        await self.anew_release(agreed=True)
        await directories.replace(self.made, Edit("setup", NOON, "the first"))
        writer = RecordWriter(engine, self.folder / "spill", clock.now)
        for number in range(3):
            writer.put(served(f"r{number}", clock.now() - timedelta(minutes=number)))
        writer.put(promised("p1", clock.now() - timedelta(minutes=9)))
        await writer.flush()

        def in_force(changed: Directory) -> None:
            self.centre.sheet.tell(m.DirectoryChanged(changed))

        return create_api(
            self.centre,
            RecordReader(engine),
            Administration(directories, clock, in_force),
            readiness={"database": lambda: (True, "reachable")},
            metrics_registry=CollectorRegistry(),
            token=TOKEN,
            tokens=drawer,
            audit_log=self.audit,
            repeats=RepeatStore(engine),
            agreements=self.releases,
            archive=Recordings(RecordingStore(engine), Deaf(), clock),
            told=Told(
                Reports(FiguresStore(engine, clock.now), AttendanceStore(engine), directories, clock.now), clock.now
            ),
            settlement=Settlement(UsageStore(engine), directories, StatementStore(engine), clock, spool=writer),
            now=clock.now,
        )

    async def anew(self) -> None:
        """The directory as it was at first, whatever somebody has made of it."""
        if (await self.directories.in_force())[1] != self.made:
            await self.directories.replace(self.made, Edit("setup", NOON, "once more"))
            self.centre.sheet.tell(m.DirectoryChanged(self.made))

    async def anew_release(self, *, agreed: bool) -> int:
        """Somebody has asked for anna's figures."""
        now = self.centre.sheet.clock.now()
        by, until = Signature("leitung", "elsewhere", now), now.date() + timedelta(days=80)
        wanted = Release(0, Kind.FIGURES, "a test", until, by, (AgentId("anna"),), "2026-01", "2026-12")
        made: Release = await self.releases.ask(wanted)
        if agreed:
            assert await self.releases.agree(made.id, Signature("personalrat", "there", now))
        return made.id

    async def leave(self) -> None:
        assert await self.audit.flush()
        await self.engine.dispose()

    def ask(self, who: str | None, method: str, path: str, **more: Any) -> requests.Response:
        headers = {**self.card(who), **more.pop("headers", {})}
        return self.session.request(method, URL + path, headers=headers, **more)

    def card(self, who: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}

    # -- requests' side

    def close(self) -> None: ...

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        status, headers, content = self.runner.run(self._asked(request))
        answer = requests.Response()
        answer.status_code = status
        answer.url = str(request.url)
        answer.request = request
        told = HTTPHeaderDict([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
        answer.headers.update(told)
        answer.raw = HTTPResponse(BytesIO(content), told, status, preload_content=False)
        answer.encoding = get_encoding_from_headers(answer.headers)
        return answer

    async def _asked(self, request: requests.PreparedRequest) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        address = urlsplit(str(request.url))
        body: Any = request.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)

        def latin(text: str | bytes) -> bytes:
            return text if isinstance(text, bytes) else text.encode("latin-1")

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(address.path),
            "raw_path": address.path.encode("ascii"),
            "query_string": address.query.encode("ascii"),
            "root_path": "",
            "headers": [(b"host", b"acd.test"), *((latin(n).lower(), latin(v)) for n, v in request.headers.items())],
            "client": ("127.0.0.1", 4711),  # from elsewhere, metrics are refused; test_health.py
            "server": ("acd.test", 80),
        }
        start: dict[str, Any] = {}
        content = bytearray()
        given, enough = False, asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            await enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            content.extend(message.get("body", b""))
            if not message.get("more_body") or b"event: " in content:
                enough.set()  # who listens hears one event, and leaves

        async with asyncio.timeout(10):
            await self.app(scope, receive, send)
        return int(start["status"]), list(start["headers"]), bytes(content)


@pytest.fixture(scope="module")
def house(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "acd.sqlite").write_bytes(migrated_file.read_bytes())
    with asyncio.Runner() as runner:
        house = House(runner, folder)
        yield house
        runner.run(house.leave())


# The only bounds of a moment that its schema cannot say, but its description does.
schemathesis.openapi.format(
    "date-time",
    st.datetimes(datetime(1971, 1, 2), datetime(2999, 12, 30), timezones=st.just(UTC)).map(datetime.isoformat),  # noqa: DTZ001
)


@schemathesis.serializer("audio/wav")
def wav(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def document(house: House) -> BaseSchema:
    schema = schemathesis.openapi.from_dict(deepcopy(house.app.openapi()), config=SchemathesisConfig(seed=1))
    schema.config.base_url = URL
    schema.config.generation.update(deterministic=True, with_security_parameters=False)
    # What an edit was made from is asked before what it says (RFC 9110, 13.2.1: "prior to processing the content").
    schema.config.checks.negative_data_rejection.expected_statuses.append("412")
    return schema


class Asking:
    """Everybody asks, and what was not as documented is noted, each thing once."""

    def __init__(self, house: House, document: BaseSchema) -> None:
        self.house, self.document = house, document
        self.faults: dict[tuple[str, ...], str] = {}
        self.asked: Counter[tuple[str, int]] = Counter()
        self._turn = 0
        self._shut_out: set[str] = set()
        found = house.ask("operator", "POST", "/api/v1/recordings", data=b"RIFF", headers={"Content-Type": "audio/wav"})
        self.named = {
            "agent": "anna",
            "queue": TOWN,
            "tenant": SPARE,
            "number": "+495117307",
            "version": 1,
            "digest": found.json()["digest"],
            "month": "2026-02",  # over, so that it can be issued
        }

    def all(self, mode: GenerationMode) -> None:
        for found in self.document.get_all_operations():
            assert not isinstance(found, Err)
            operation = found.ok()
            if mode.is_negative and not operation.body and not list(operation.iter_parameters()):
                continue  # there is nothing to be said wrongly
            self._shut_out = set()
            self.house.runner.run(self.house.anew())
            if LONG:
                edges = self.document.iter_coverage_cases(
                    operation, generation_modes=[mode], generation_config=self.document.config.generation
                )
                for case in edges:
                    self.one(case)
            self._made_up(operation, mode)
        assert self.house.runner.run(self.house.audit.flush())

    def _made_up(self, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
        @settings(
            max_examples=EXAMPLES[mode],
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def each(case: Case[Any]) -> None:
            self.one(case)

        each()

    def one(self, case: Case[Any]) -> None:
        self._turn += 1
        if self._turn % 2:
            self._aim(case)
        for who in WHO:
            if who in self._shut_out and not LONG:
                continue
            answer = case.call(session=self.house.session, headers=self.house.card(who))
            if answer.status_code in (401, 403):
                self._shut_out.add(who)
            self.asked[case.operation.label, answer.status_code] += 1
            checks = list(CHECKS)
            if case.operation.path != STREAM or answer.status_code != 200:
                # schemathesis holds each event against the schema, which is that of all of them in one text.
                checks.append(response_schema_conformance)
            if case.meta is not None and case.meta.generation.mode.is_negative:
                checks.append(negative_data_rejection)
            where = (case.operation.label, str(answer.status_code))
            try:
                case.validate_response(answer, checks=checks)
            except FailureGroup as group:
                for fault in group.exceptions:
                    self._note(where, type(fault).__name__, who, str(group))
            if answer.status_code >= 400:
                self._look_at_word(case, where, who, answer.json()["error_id"], answer.text)

    def _look_at_word(self, case: Case[Any], where: tuple[str, str], who: str, word: str, text: str) -> None:
        raw = self.document.raw_schema["paths"][case.operation.path].get(case.operation.method.lower(), {})
        told = raw.get("responses", {}).get(where[1])
        if told is not None and word not in told["content"]["application/json"]["examples"]:
            self._note(where, f"{word} is not documented", who, text)
        if word == "not-valid" and case.meta is not None and case.meta.generation.mode.is_positive:
            self._note(where, "what the document allows is not valid", who, f"{text}\n{case.as_curl_command()}")

    def _note(self, where: tuple[str, str], what: str, who: str, more: str) -> None:
        self.faults.setdefault((*where, what), f"{who}: {more[:2000]}")

    def _aim(self, case: Case[Any]) -> None:
        """At what exists, where it need not be wrong."""
        path = case.operation.path
        for name in case.path_parameters if _good(case, ParameterLocation.PATH) else ():
            match name:
                case "id":
                    case.path_parameters[name] = SPARE
                case "release":
                    # Of which either side has said nothing yet.
                    opened = self.house.anew_release(agreed=False)
                    case.path_parameters[name] = self.house.runner.run(opened)
                case "call" if path.endswith("/called-back"):
                    case.path_parameters[name] = "p1"
                case "call":
                    case.path_parameters[name] = ("c1", "r1")[self._turn // 2 % 2]
                case _:
                    case.path_parameters[name] = self.named[name]
        if _good(case, ParameterLocation.QUERY):
            case.query.pop("active_from", None)
            case.query.pop("dry_run", None)
            if path.endswith("{agent}/figures"):
                case.query["month"] = "2026-02"
        if _good(case, ParameterLocation.HEADER) and any(p.name == "if-match" for p in case.operation.headers):
            case.headers["if-match"] = "*"
        if _good(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            if "until" in case.body:
                case.body["until"] = (self.house.centre.sheet.clock.now() + timedelta(hours=1)).isoformat()
            if path.endswith("/town"):
                case.body["tenant"] = TOWN
            if path.endswith("/go-live"):
                missing = self.house.ask("operator", "GET", f"/api/v1/tenants/{SPARE}/gate").json()["findings"]
                case.body["on"] = (self.house.centre.sheet.clock.now() + timedelta(days=1)).date().isoformat()
                case.body["waivers"] = [{"finding": one["id"], "by": "A. Muster", "why": "x"} for one in missing]
            if path.startswith("/api/v1/directory") and case.method in ("PUT", "POST"):
                self._aim_body(case)
            if path == "/api/v1/releases":
                until = (self.house.centre.sheet.clock.now() + timedelta(days=9)).date().isoformat()
                wanted: Any = {"kind": "figures", "agents": ["anna"], "purpose": "x", "until": until}
                case.body = wanted | {"first_month": "2026-01", "last_month": "2026-02"}

    def _aim_body(self, case: Case[Any]) -> None:
        """What is there already, now and then but for one field; under another name where it shall be new."""
        path = quote(case.formatted_path, safe="/%")
        kind = next((k for k in KINDS if path == f"/api/v1/directory/{k.path}"), None)
        if case.method == "POST":
            if kind is None:
                return  # a version
            path += "/%2B49511999" if kind.section == "entries" else f"/{SPARE}"
        body: Any = case.body
        now = self.house.ask("operator", "GET", path).json()
        now = now.get("directory", now)
        said = sorted(body)
        if said and self._turn // 2 % 2:
            one = said[self._turn // 4 % len(said)]
            now[one] = body[one]
        if kind is not None:
            if kind.section == "entries":
                now["number"] = f"+4951188{self._turn}"
            else:
                now["id" if "id" in now else "name"] = f"new-{self._turn}"
            if kind.section == "agents":
                now["phone"] = f"phone-{self._turn}"
                now["home"] = None  # a desk in that town would need a release for who is new
        case.body = now


def _good(case: Case[Any], where: ParameterLocation) -> bool:
    if case.meta is None:
        return False
    component = case.meta.components.get(where)
    return component is None or component.mode.is_positive


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_what_is_answered_is_what_is_documented(house: House, document: BaseSchema, mode: GenerationMode) -> None:
    asking = Asking(house, document)
    asking.all(mode)
    assert not asking.faults, "\n\n".join(f"{' '.join(what)}\n{more}" for what, more in sorted(asking.faults.items()))
    if mode.is_positive:  # or all of it would be about refusals
        done = {label for label, status in asking.asked if status < 300}
        assert sorted({label for label, _ in asking.asked} - done) == []
