"""Five ways to a telephone in one Asterisk, in any size, and the service started for the three that need it.

All telephones are static endpoints at one port of SIPp: nothing registers. There is no music: what would be measured
with it is how quickly Asterisk copies sound, the same for all ways.

The way a call takes is said by what is dialled: ``dial``, ``queueN`` (``app_queue``), or a number of the directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import shutil
import time
import urllib.error
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from dialog_acd.core.messages import RememberIntent
from dialog_acd.core.model import AgentId
from dialog_acd.store.database import open_database
from dialog_acd.store.intent_store import IntentStore
from rig.ports import free_port
from rig.render import agent_names
from rig.root import RigError
from rig.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rig.private import PrivateAsterisk

MOST_AGENTS = 5_000
ELSEWHERE = "bench-nobody"
"""A queue in which people wait and nobody answers; in the directory it is the last number."""
_DIALPLAN = """; Three ways to a telephone that the service does not route. Like it, all of them answer at once.
[acd-in]
exten => dial,1,Answer(,i)
 same => n,Set(GLOBAL(BENCH_NEXT)=$[(0${BENCH_NEXT} + 1) % ${BENCH_AGENTS}])
 same => n,Dial(PJSIP/${SPRINTF(agent%02d,$[${BENCH_NEXT} + 1])},20)
 same => n,Hangup()
exten => ask,1,Answer(,i)
 same => n,AGI(agi://${ACD_AGI}/nothing)
 same => n,Goto(dial,2)
exten => _queue!,1,Answer(,i)
 same => n,Queue(bench-${EXTEN:5})
 same => n,Hangup()
exten => _nobody!,1,Answer(,i)
 same => n,Queue(bench-nobody)
 same => n,Hangup()
"""
_QUEUES = """[general]
persistentmembers = no
autofill = yes
log_membername_as_agent = no

[acd-failsafe](!)
[bench](!)
; The agent who has been idle longest, as the service does.
strategy = leastrecent
ringinuse = no
timeout = 20
retry = 1
wrapuptime = 0
joinempty = yes
leavewhenempty = no
announce-frequency = 0
announce-holdtime = no
announce-position = no

#include queues-failsafe.conf
"""


class Way(enum.StrEnum):
    """How a call gets to a telephone."""

    DIAL = "dial"
    """``Dial()`` from the dialplan: the floor."""
    ASK = "dial-after-agi"
    """The same behind one AGI question that the service answers at once and without a thought: what asking costs."""
    QUEUE = "app_queue"
    """What people use today, with the same members."""
    SERVICE = "service"
    """One queue that asks for no skill, no ladder."""
    FULL = "service-full"
    """Skills in three steps, ladder, hours; metrics are read every second and the wallboard's stream is open."""

    @property
    def served(self) -> bool:
        """Whether the service has to run for it."""
        return self in (Way.ASK, Way.SERVICE, Way.FULL)

    @property
    def ours(self) -> bool:
        """Whether the service routes."""
        return self in (Way.SERVICE, Way.FULL)


@dataclass(frozen=True, slots=True)
class Size:
    agents: int = 16
    queues: int = 1
    waiting: int = 0
    """Callers who wait in a queue of their own, for which nobody is there."""


class Centre:
    """The Asterisk of a whole run, with the service and its directory changed from one measurement to the next."""

    def __init__(self, run_dir: Path, progress: Callable[[str], None]) -> None:
        shutil.rmtree(run_dir, ignore_errors=True)
        self.phones_port = free_port()
        self._progress = progress
        self._stack = Stack(
            run_dir,
            agents=0,
            phones=False,
            extra={"BENCH_AGENTS": "16", "BENCH_NEXT": "0"},
            files={
                "pjsip-phones.conf": "".join(
                    f"[{name}](acd-phone)\naors = {name}\n"
                    f"[{name}](acd-phone-aor)\ncontact = sip:{name}@127.0.0.1:{self.phones_port}\n"
                    for name in agent_names(MOST_AGENTS)
                ),
                "musiconhold.conf": "[general]\n",
                # Nothing is said of music that is not there, once for each caller.
                "logger.conf": "[general]\nqueue_log = no\n[logfiles]\nmessages => error\n",
                "queues.conf": _QUEUES,
                "queues-failsafe.conf": "",
                "dialplans/bench.conf": _DIALPLAN,
            },
        )
        self._made: dict[tuple[Way, Size], Path] = {}
        self._now: tuple[Way, Size] | None = None

    def __enter__(self) -> Self:
        try:
            self._stack.start_asterisk()
            # What is said to who waits would be sound, and the same for all.
            for prompt in (self.asterisk.host_home / "data" / "sounds" / "de" / "acd").glob("please-hold.*"):
                prompt.unlink()
        except BaseException:
            self._stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.stop()

    @property
    def asterisk(self) -> PrivateAsterisk:
        return self._stack.asterisk

    @property
    def service_pid(self) -> int | None:
        """None while the service does not run."""
        return self._stack.service_pid if self._now is not None and self._now[0].served else None

    def look(self) -> None:
        """What an operator's tools do each second: read the metrics, and the live picture."""
        with contextlib.suppress(RigError, urllib.error.URLError):
            self._stack.api.text("/metrics")
            self._stack.api.text("/api/v1/live")

    # ------------------------------------------------------------ one way, one size

    def prepare(self, way: Way, size: Size) -> bool:
        """From now on calls go this way; whether they did not before."""
        size = Size(size.agents, size.queues)  # who waits is a matter of calls
        if self._now == (way, size):
            return False
        self._leave()
        self._set_members(size if way is Way.QUEUE else None)
        self.asterisk.console(f"dialplan set global BENCH_AGENTS {size.agents}")
        if way.served:
            self._start_service(way, size)
        self._now = way, size
        return True

    def clear(self) -> None:
        """Whoever is still there is hung up on."""
        until = time.monotonic() + 20
        while not self.asterisk.console("core show channels count").startswith("0 active channels"):
            if time.monotonic() > until:
                raise RigError("somebody does not hang up")
            self.asterisk.console("channel request hangup all")
            time.sleep(0.2)

    def begin_anew(self) -> None:
        """After more calls than could be carried: nobody is there any more, and what is prepared next begins anew."""
        self.clear()
        self._leave()

    def _leave(self) -> None:
        if self._now is not None and self._now[0].served:
            self._stack.end_service()
        self._now = None

    def dialled(self, way: Way, size: Size) -> list[str]:
        """What callers of this way dial, in turn."""
        if way in (Way.DIAL, Way.ASK):
            return ["dial" if way is Way.DIAL else "ask"]
        return [_dialled(n) if way.ours else f"queue{n}" for n in range(size.queues)]

    def elsewhere(self, way: Way, size: Size) -> str:
        """What those dial for whom nobody is there."""
        return _dialled(size.queues) if way.ours else "nobody"

    def _set_members(self, size: Size | None) -> None:
        text = ""
        if size is not None:
            members = "".join(f"member = PJSIP/{name}\n" for name in agent_names(size.agents))
            text = "".join(f"[bench-{n}](bench)\n{members}" for n in range(size.queues)) + f"[{ELSEWHERE}](bench)\n"
        self.asterisk.put("queues-failsafe.conf", text)
        self.asterisk.console("queue reload all", limit=60)

    def _start_service(self, way: Way, size: Size) -> None:
        made = self._made.get((way, size))
        self._stack.database = self._stack.run_dir / "acd.sqlite"
        for left in self._stack.run_dir.glob("acd.sqlite*"):
            left.unlink()
        shutil.rmtree(self._stack.run_dir / "journal", ignore_errors=True)
        if made is None:
            file = self._stack.run_dir / "directory.toml"
            file.write_text(_directory(size, full=way is Way.FULL), encoding="utf-8")
            self._stack.command("migrate")
            self._stack.command("load", str(file), limit=120)
            asyncio.run(_sign_in(self._stack.database_url, agent_names(size.agents)))
            made = self._stack.run_dir / f"{way}-{size.agents}-{size.queues}.made"
            shutil.copyfile(self._stack.database, made)
            self._made[way, size] = made
        else:
            shutil.copyfile(made, self._stack.database)
        self._stack.start_service()
        until = time.monotonic() + 30
        while (free := sum(agent["available"] for agent in self._stack.api.agents())) < size.agents:
            if time.monotonic() > until:
                raise RigError(f"only {free} of {size.agents} agents can be given a call")
            time.sleep(0.1)


async def _sign_in(database_url: str, agents: list[str]) -> None:
    """As the service remembers who dialled *73: for thousands of agents, dialling would be the benchmark."""
    engine = await open_database(database_url)
    store = IntentStore(engine)
    for name in agents:
        store.put(RememberIntent(AgentId(name), "ready", "", datetime.now(UTC)))
    written = await store.flush()
    await engine.dispose()
    if not written:
        raise RigError("agents could not be signed in")


def _dialled(queue: int) -> str:
    return f"0511900{queue:03d}"


def _directory(size: Size, *, full: bool) -> str:
    """One queue and number for each of `size.queues`, one more that nobody works for; every agent works for all."""
    parts = [
        '[[tenants]]\nid = "town"\nname = "Stadt"\nlabel = "Stadt"\n',
        '[[trunks]]\nname = "trunk"\nnumber_format = "national"\narea_code = "511"\n',
        '[[partners]]\nid = "oldenburg"\nname = "Oldenburg"\nnumbers = ["115"]\n',
        '[[failsafe_profiles]]\nname = "bench"\ngroup = "bench"\n',
        '[[skills]]\nid = "nobody"\nname = "Kann niemand"\n',
        '[[calendars]]\nid = "always"\nname = "Rund um die Uhr"\nhours = ["daily 00:00-24:00"]\nland = "none"\n',
    ]
    for n in range(size.queues):
        if full:
            parts.append(
                f'[[skills]]\nid = "s{n}"\nname = "Skill {n}"\n[[queues]]\nid = "q{n}"\nname = "Queue {n}"\n'
                f'steps = ["from 0 s: s{n}>=3", "from 15 s: s{n}", "from 30 s: any"]\n'
                'ladder = ["nobody signed in: partner oldenburg", "waited 10 s: widen 1",'
                ' "waited 300 s: partner oldenburg"]\nagent_order = "best-level"\nwrap_up_for = 0\n'
            )
        else:
            parts.append(f'[[queues]]\nid = "q{n}"\nname = "Queue {n}"\nsteps = ["from 0 s: any"]\nwrap_up_for = 0\n')
    parts.append(
        '[[queues]]\nid = "nobody"\nname = "Nobody"\nsteps = ["from 0 s: nobody"]\nmax_wait = 3600\nwrap_up_for = 0\n'
    )
    calendar = 'calendar = "always"\n' if full else ""
    for n in range(size.queues + 1):
        queue = "nobody" if n == size.queues else f"q{n}"
        parts.append(
            f'[[entries]]\nnumber = "+49{_dialled(n)[1:]}"\ntenant = "town"\nqueue = "{queue}"\n'
            f'kind = "main-number"\nfailsafe = "bench"\n{calendar}'
        )
    parts.append('[[entries]]\ntenant = "town"\nqueue = "q0"\nkind = "catch-all"\nfailsafe = "bench"\n')
    for index, name in enumerate(agent_names(size.agents)):
        skills = ", ".join(f"s{n} = {3 + (index + n) % 3}" for n in range(size.queues)) if full else ""
        parts.append(f'[[agents]]\nid = "{name}"\nname = "{name}"\nphone = "{name}"\nskills = {{ {skills} }}\n')
    return "\n".join(parts)


def ticks() -> float:
    """Ticks of the processor's clock in a second, the unit of ``/proc/PID/stat``."""
    return float(os.sysconf("SC_CLK_TCK"))
