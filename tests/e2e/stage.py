"""The stage on which the stories play: a private Asterisk, the real service, and our own telephones.

Asterisk is started once for all stories; starting the service anew, with the directory a story wants, takes a second.
Nothing here looks into the service: it is asked over its API, and Asterisk over its console.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx

from dialog_acd.api.tokens import Role, digest, new_token
from dialog_acd.api.witness import COMPLAINTS
from dialog_acd.store.database import open_database
from dialog_acd.store.token_store import TokenStore
from e2e.phone import Phone
from e2e.sound import tone
from rig.sipp import partner_centre

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from e2e.phone import Call
    from rig.sipp import Sipp
    from rig.stack import Stack

LANGENHAGEN, HANNOVER, UNKNOWN = "051173070", "05111680", "040123456"
DISPATCH = "+4951116855555"
OLDENBURG = "0441115"
TESTER = "+493023125777"
CALLER = "+493023125001"  # BNetzA reserves 030 23125 000 to 999 for films
BEAT = 6
"""ACD_HEARTBEAT_MAX of the stage: what tests wait for is proven with ten seconds as with six."""
AGENTS = 4
GROUPS: Mapping[str, Sequence[str]] = {"demo": ("office01", "office02"), "solo": ("office03",), "nobody": ("agent04",)}
"""The failsafe groups. Nobody registers the last one's telephone."""


def directory(
    *,
    ring_for: float = 4,
    wrap_up_for: float = 0,
    max_wait: float = 900,
    whisper: bool = False,
    greeting: str = "",
    overflow_after: float | None = None,
    partner_rings: float = 4,
    partner: bool = False,
    group: str = "demo",
    hours: Sequence[str] = (),
    profiles: Mapping[str, Mapping[str, object]] | None = None,
    group_115: str | None = None,
    ladder: Sequence[str] = (),
    steps: Sequence[str] = (),
    levels: Sequence[int] = (),
    channels: int | None = None,
    closed: bool = False,
    dispatch: bool = False,
    shared: bool = False,
    promised: Mapping[str, str] | None = None,
    at_home: int = 0,
) -> str:
    """A small centre: two towns and the numbers nobody knows, four agents who can do everything alike.

    ``profiles``: further numbers, each with a failsafe profile of its own (group, partner, hours).
    ``group_115``: there is an entry for 115, and this is the group of its own failsafe profile.
    ``ladder``: rungs of all queues; ``steps``: of Langenhagen's, whose skill the agents have at these ``levels``.
    ``channels``: as many calls Oldenburg takes at once. ``closed``: all towns and 115 have closed within the last
    minute and Oldenburg has not, as on Harburg's Friday at 15:00.
    ``shared``: 115 is Langenhagen's (code 1) or Hannover's (code 22), and calls of TESTER are test calls.
    ``promised``: targets by town. ``at_home``: so many more agents, for whom there are no phones.
    ``dispatch``: a line for the Ordnungsdienst, DISPATCH, served before all others, and never by a partner.
    """
    queue = f"ring_for = {ring_for}\nwrap_up_for = {wrap_up_for}\nmax_wait = {max_wait}\n"
    rungs = [*ladder] if overflow_after is None else [*ladder, f"waited {overflow_after:g} s: partner oldenburg"]
    queue += f"ladder = {json.dumps(rungs)}\n"
    calendar = 'calendar = "shut"\n' if closed else ""
    group_115 = group_115 or ("demo" if shared else None)
    contracts = {town: f'contract = {{ targets = ["{target}"] }}\n' for town, target in (promised or {}).items()}
    codes = ('code = "1"\n', 'code = "22"\n') if shared else ("", "")
    parts = [
        f'test_callers = ["{TESTER}"]\n' if shared else "",
        f'[[tenants]]\nid = "langenhagen"\nname = "Stadt Langenhagen"\nlabel = "Langenhagen"\n{codes[0]}'
        + contracts.get("langenhagen", ""),
        f'[[tenants]]\nid = "hannover"\nname = "Landeshauptstadt Hannover"\nlabel = "LHH Hannover"\n{codes[1]}'
        + contracts.get("hannover", ""),
        '[[tenants]]\nid = "center"\nname = "DialogCenter"\nlabel = "115"\n',
        '[[trunks]]\nname = "trunk"\narea_code = "511"\n',
        f'[[partners]]\nid = "oldenburg"\nname = "Oldenburg"\nnumbers = ["{OLDENBURG}"]\n'
        f"ring_for = {partner_rings}\n"
        + (f"channels = {channels}\n" if channels is not None else "")
        + ('calendar = "oldenburg"\n' if closed else ""),
        f'[[failsafe_profiles]]\nname = "town"\ngroup = "{group}"\nhours = {json.dumps(list(hours))}\n'
        + ('partner = "oldenburg"\n' if partner else ""),
        '[[failsafe_profiles]]\nname = "rest"\ngroup = "demo"\n',
    ]
    for number, profile_ in (profiles or {}).items():
        rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in profile_.items())
        parts.append(f'[[failsafe_profiles]]\nname = "p{number.lstrip("+")}"\n{rows}')
        parts.append(
            f'[[entries]]\nnumber = "{number}"\ntenant = "langenhagen"\nqueue = "langenhagen"\n'
            f'kind = "main-number"\nfailsafe = "p{number.lstrip("+")}"\n'
        )
    if group_115 is not None:
        parts.append(f'[[failsafe_profiles]]\nname = "p115"\ngroup = "{group_115}"\n')
        parts.append(
            '[[entries]]\nnumber = "115"\ntenant = "center"\nqueue = "catchall"\nkind = "115"\nfailsafe = "p115"\n'
            + calendar
            + ('candidates = ["langenhagen", "hannover"]\n' if shared else "")
        )
    if closed:
        now = datetime.now(ZoneInfo("Europe/Berlin"))
        days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        hours_ = [f"{days[(now.weekday() + 1) % 7]} 07:00-18:00"]
        if f"{now:%H:%M}" != "00:00":
            hours_.append(f"{days[now.weekday()]} 00:00-{now:%H:%M}")
        for id_, open_at in (("shut", hours_), ("oldenburg", ["daily 00:00-24:00"])):
            parts.append(f'[[calendars]]\nid = "{id_}"\nname = "{id_}"\nhours = {json.dumps(open_at)}\nland = "none"\n')
    if dispatch:
        parts.append('[[failsafe_profiles]]\nname = "watch"\ngroup = "solo"\n')
        parts.append(
            '[[queues]]\nid = "dispatch"\nname = "Ordnungsdienst"\nsteps = ["from 0 s: general>=1"]\npriority = 5\n'
            f"to_partners = false\nring_for = {ring_for}\nwrap_up_for = 0\nmax_wait = {max_wait}\n"
        )
        parts.append(
            f'[[entries]]\nnumber = "{DISPATCH}"\ntenant = "hannover"\nqueue = "dispatch"\nkind = "main-number"\n'
            'failsafe = "watch"\n'
        )
    for name, skill in (("langenhagen", "langenhagen"), ("hannover", "hannover"), ("catchall", "general")):
        asked = [*steps] if steps and name == "langenhagen" else [f"from 0 s: {skill}>=1"]
        parts.append(f'[[queues]]\nid = "{name}"\nname = "{name}"\nsteps = {json.dumps(asked)}\n{queue}')
    for prefix, tenant, name, kind, profile in (
        ("+495117307", "langenhagen", "langenhagen", "main-number", "town"),
        ("+49511168", "hannover", "hannover", "main-number", "rest"),
        ("", "center", "catchall", "catch-all", "rest"),
    ):
        entry = f'[[entries]]\nnumber = "{prefix}"\ntenant = "{tenant}"\nqueue = "{name}"\nkind = "{kind}"\n'
        entry += f'failsafe = "{profile}"\n' + ("block = true\n" if prefix else "")
        if whisper and prefix:
            entry += f'announcement = "acd/town-{tenant}"\n'
        if prefix:
            entry += calendar
        if greeting and prefix:
            entry += f'greeting = "{greeting}"\n'
        parts.append(entry)
    parts += [f'[[skills]]\nid = "{skill}"\nname = "{skill}"\n' for skill in ("langenhagen", "hannover", "general")]
    for place in range(1, AGENTS + at_home + 1):
        name = f"agent{place:02d}"
        level = levels[place - 1] if place <= len(levels) else 3
        skills = f"{{ langenhagen = {level}, hannover = 3, general = 3 }}"
        parts.append(f'[[agents]]\nid = "{name}"\nname = "{name}"\nphone = "{name}"\nskills = {skills}\n')
    return "\n".join(parts)


class Api:
    """The service's REST API, awaited."""

    def __init__(self, url: str, token: str) -> None:
        self.web = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=4, trust_env=False
        )

    async def get(self, path: str) -> Any:
        return (await self.web.get(path)).raise_for_status().json()

    async def post(self, path: str, body: dict[str, str] | None = None) -> Any:
        return (await self.web.post(path, json=body)).raise_for_status().json()

    async def put(self, path: str, body: dict[str, str] | None = None) -> Any:
        return (await self.web.put(path, json=body)).raise_for_status().json()

    async def agent(self, agent: str) -> dict[str, Any]:
        return dict(await self.get(f"/api/v1/agents/{agent}"))

    async def live_calls(self) -> list[dict[str, Any]]:
        return list((await self.get("/api/v1/live"))["calls"])

    async def records(self) -> list[dict[str, Any]]:
        """As a list tells them: it names no agent, nor how long they talked."""
        return list((await self.get("/api/v1/calls?limit=200"))["calls"])

    async def metrics(self) -> dict[str, float]:
        """Every sample, its name with its labels as they are written."""
        lines = (await self.web.get("/metrics")).raise_for_status().text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


class Oldenburg:
    """The partner centre, played by SIPp. What it says it has seen is SIPp's own account."""

    def __init__(self, run: Sipp) -> None:
        self.run = run

    @property
    def seen(self) -> Counter[str]:
        """How often what has happened, up to now; the words are those of asterisk/sipp/partner.xml."""
        return Counter(line.split()[0] for line in self.run.logged())

    async def sees(self, what: str, count: int = 1, limit: float = 8.0) -> None:
        try:
            async with asyncio.timeout(limit):
                while True:
                    if self.seen[what] >= count:
                        return
                    await asyncio.sleep(0.001)  # stories play with the moment
        except TimeoutError:
            raise AssertionError(f"not within {limit:.1f} s: {count} calls {what} at Oldenburg; {self.seen}") from None

    async def account(self) -> dict[str, int]:
        """It closes: SIPp's statistics of the whole day, without what never happened. All calls ended in good order."""
        tally = await asyncio.to_thread(self.run.stop)
        assert (tally.successful, tally.failed) == (tally.created, 0), f"{tally}\n{self.run.errors()}"
        assert {line.split()[1] for line in self.run.logged()} <= {OLDENBURG}
        return {what: count for what, count in tally.counters.items() if count}

    async def close(self) -> None:
        await asyncio.to_thread(self.run.stop, 0.1)


class Stage:
    """One story's view of it: telephones that are put away afterwards, and an API."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.api = Api(stack.api_url, stack.asterisk.keys.api_token)
        self.phones: list[Phone] = []
        self.partners: list[Oldenburg] = []
        self._operator: Api | None = None
        self._told = 0

    async def put_away(self) -> None:
        """All telephones."""
        await asyncio.gather(*(phone.close() for phone in self.phones))
        await asyncio.gather(*(partner.close() for partner in self.partners))

    async def close(self) -> None:
        await self.put_away()
        await self.api.web.aclose()
        if self._operator is not None:
            await self._operator.web.aclose()

    # Telephones

    async def caller(self) -> Phone:
        """Somebody outside."""
        phone = await Phone.open(CALLER, self.stack.asterisk.sip)
        self.phones.append(phone)
        return phone

    async def dial(self, number: str = LANGENHAGEN, *, tone: int | None = None, **how: Any) -> Call:
        """A new caller, already answered."""
        call = await (await self.caller()).dial(number, **how)
        return await call.answered(tone=tone)

    async def phone(self, name: str) -> Phone:
        """The telephone of an agent or an office, registered."""
        password = self.stack.asterisk.passwords[name]
        phone = await Phone.open(name, self.stack.asterisk.phone_sip, password)
        self.phones.append(phone)
        await phone.register()
        return phone

    async def agent(self, name: str) -> Phone:
        """An agent's telephone, and the agent ready at it."""
        phone = await self.phone(name)
        await self.api.post(f"/api/v1/agents/{name}/ready")
        await self.until(
            lambda: self.api.agent(name),
            # Where somebody waits already, the phone rings before we can look.
            lambda seen: seen["available"] or seen["work"] in ("offered", "talking"),
            5,
            f"{name} is available",
        )
        return phone

    async def partner(self) -> Phone:
        """The partner centre, at the address where Asterisk looks for it."""
        phone = await Phone.open("oldenburg", self.stack.asterisk.sip, port=self.stack.asterisk.ports.partner)
        self.phones.append(phone)
        return phone

    async def oldenburg(
        self,
        *,
        answers_after: float | None = None,
        refuses: int | None = None,
        silent_for: float | None = None,
        voice: int | None = None,
        talk: float = 600,
    ) -> Oldenburg:
        """The same played by SIPp, which rings and rings unless it is told otherwise.

        ``refuses``: with 486 or 503, after half a second. ``silent_for``: not a word for so long, then 480.
        ``voice``: a tone that callers hear; none: they hear themselves. ``talk``: until it hangs up. All seconds.
        """
        how: dict[str, Any] = {"after": 600.0}
        if answers_after is not None:
            how = {"after": answers_after}
        elif refuses is not None:
            how = {"after": 0.5, "status": refuses}
        elif silent_for is not None:
            how = {"after": silent_for, "status": 480, "rings": False}
        run = partner_centre(self.stack.asterisk, b"" if voice is None else tone(voice), talk=talk, **how)
        partner = Oldenburg(run)
        self.partners.append(partner)
        await asyncio.to_thread(run.start)
        return partner

    # What the service says

    async def until(self, look: Callable[[], Any], holds: Callable[[Any], bool], limit: float, what: str) -> Any:
        """Ask again and again, at most ``limit`` seconds long."""
        seen: Any = None
        try:
            async with asyncio.timeout(limit):
                while True:
                    try:
                        seen = await look()
                        if holds(seen):
                            return seen
                    except httpx.TransportError as silence:  # the service is just coming back
                        seen = repr(silence)
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise AssertionError(f"not within {limit:.1f} s: {what}; last seen: {seen}") from None

    async def agent_is(self, name: str, limit: float = 5.0, **wanted: object) -> dict[str, Any]:
        return dict(
            await self.until(
                lambda: self.api.agent(name),
                lambda seen: all(seen[key] == value for key, value in wanted.items()),
                limit,
                f"{name} is {wanted}",
            )
        )

    async def live(self, state: str, count: int = 1, limit: float = 5.0) -> list[dict[str, Any]]:
        """The calls in this state, when there are so many."""

        async def look() -> list[dict[str, Any]]:
            return [call for call in await self.api.live_calls() if call["state"] == state]

        return list(await self.until(look, lambda seen: len(seen) == count, limit, f"{count} calls {state}"))

    async def record(self, call: Call | str, limit: float = 6.0) -> dict[str, Any]:
        """The one record of a caller's call, or of the call with that id of Asterisk's."""

        async def look() -> list[dict[str, Any]]:
            key, value = ("call", call) if isinstance(call, str) else ("trunk_call_id", call.call_id)
            return [record for record in await self.api.records() if record[key] == value]

        found = await self.until(look, bool, limit, "the record of the call")
        assert len(found) == 1, f"{len(found)} records of one call"
        return await self._with_names(found[0]["call"])

    async def _with_names(self, call: str) -> dict[str, Any]:
        """As an operator is told who answers a complaint, of ``COMPLAINTS`` calls a day: each time another one."""
        if self._told % COMPLAINTS == 0:
            if self._operator is not None:
                await self._operator.web.aclose()
            token, now = new_token(), datetime.now(UTC)
            database = await open_database(self.stack.database_url)
            try:
                await TokenStore(database).create(
                    name=f"operator {token[-8:]}",
                    role=Role.OPERATOR.value,
                    tenant=None,
                    digest=digest(token),
                    at=now,
                    expires_at=now + timedelta(days=365),  # also where a story is about another year
                )
            finally:
                await database.dispose()
            self._operator = Api(self.stack.api_url, token)
        self._told += 1
        operator = self._operator
        assert operator is not None
        # Tokens are read twice a second at most.
        answer = await self.until(
            lambda: operator.web.get(f"/api/v1/calls/{call}"), lambda seen: seen.status_code != 401, 3, "a new token"
        )
        return dict(answer.raise_for_status().json())

    async def unknown_numbers(self) -> float:
        return (await self.api.metrics())["acd_unknown_numbers_total"]

    async def nothing_is_left(self) -> None:
        """Every call has ended and no agent is occupied, no record contradicts another."""
        await self.until(self.api.live_calls, lambda calls: not calls, 5, "no call is live")
        agents = (await self.api.get("/api/v1/agents"))["agents"]
        assert not [agent for agent in agents if agent["work"] in ("offered", "talking")]
        assert (await self.api.metrics())["acd_records_conflicting_total"] == 0

    # What Asterisk says

    async def console(self, command: str) -> str:
        return await asyncio.to_thread(self.stack.asterisk.console, command)

    async def spoken(self, digit: str | int) -> bytes:
        """How a word of ``sounds/de/digits`` is spoken here, in A-law, made by Asterisk out of its German prompts.

        They are kept compressed (GSM), and no other program decodes that to the very same bytes.
        """
        asterisk, said = self.stack.asterisk, f"spool/{digit}.alaw"
        await self.console("module load res_convert.so")
        await self.console(f"file convert {asterisk.home}/data/sounds/de/digits/{digit}.gsm {asterisk.home}/{said}")
        return await asyncio.to_thread((asterisk.host_home / said).read_bytes)

    async def set_global(self, name: str, value: str) -> None:
        await self.console(f"dialplan set global {name} {value}")

    async def channels(self) -> int:
        found = re.search(r"(\d+) active channel", await self.console("core show channels count"))
        return int(found[1]) if found else 0
