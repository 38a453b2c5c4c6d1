"""What agents and supervisors want, kept beyond a restart of ours. The last word of each counts: no journal is needed.

A database that is away loses nothing but time: the words wait in memory and are written when it is back. If the
service also dies meanwhile, agents dial one code, and a supervisor switches once more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from dialog_acd.core.messages import RememberIntent, RememberSwitch, Switch
from dialog_acd.core.model import AgentId, SwitchKind, TenantId
from dialog_acd.store.database import writing
from dialog_acd.store.tables import agent_intents
from dialog_acd.store.tables import switches as kept

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

_Which = tuple[SwitchKind, str]
WRITE_WITHIN = 5.0
RETRY_AFTER = 5.0


class IntentStore:
    """Writes in the background; ``put`` returns at once and never raises."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._intents: dict[AgentId, RememberIntent] = {}
        self._switches: dict[_Which, RememberSwitch] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    async def load(self, since: datetime) -> list[RememberIntent]:
        """The last intent of every agent that is not older than ``since``."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(agent_intents).where(agent_intents.c.at >= since))
            return [RememberIntent(AgentId(r.agent), r.intent, r.reason, r.at) for r in rows]

    async def switches(self) -> list[Switch]:
        """What a supervisor has switched; also such as have ended meanwhile, but for kinds we do not know."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(kept).where(kept.c.kind.in_(SwitchKind)))
            return [
                Switch(SwitchKind(r.kind), r.about, r.until, r.by, r.at, r.prompt, r.tenant and TenantId(r.tenant))
                for r in rows
            ]

    def put(self, intent: RememberIntent | RememberSwitch) -> None:
        if isinstance(intent, RememberIntent):
            self._intents[intent.agent] = intent
        else:
            self._switches[intent.kind, intent.about] = intent
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            if not await self.flush():
                await asyncio.sleep(RETRY_AFTER)

    async def flush(self) -> bool:
        """Write what is pending. Says whether that worked; what did not stays pending."""
        async with self._turn:
            return await self._flush()

    async def _flush(self) -> bool:
        self._wake.clear()
        intents, self._intents = self._intents, {}
        switches, self._switches = self._switches, {}
        if not intents and not switches:
            return True
        try:
            async with asyncio.timeout(WRITE_WITHIN), writing(self._engine).begin() as connection:
                await connection.execute(delete(agent_intents).where(agent_intents.c.agent.in_(intents)))
                for kind, about in switches:
                    await connection.execute(delete(kept).where(kept.c.kind == kind, kept.c.about == about))
                wanted = [
                    {"agent": i.agent, "intent": i.intent, "reason": i.reason, "at": i.at} for i in intents.values()
                ]
                on = [_row(s.switch) for s in switches.values() if s.switch is not None]
                for table, rows in ((agent_intents, wanted), (kept, on)):
                    if rows:
                        await connection.execute(insert(table), rows)
        except (SQLAlchemyError, OSError, TimeoutError) as problem:
            why = str(problem).partition("\n")[0]
            log.warning("intents.not_written", why=why, agents=len(intents), queues=len(switches))
            self._take_back(intents, switches)
            return False
        except BaseException:
            # Cancelled at the stop of the service, which flushes once more.
            self._take_back(intents, switches)
            raise
        return True

    def _take_back(self, intents: dict[AgentId, RememberIntent], switches: dict[_Which, RememberSwitch]) -> None:
        # What was said meanwhile is younger.
        self._intents, self._switches = intents | self._intents, switches | self._switches
        self._wake.set()


def _row(switch: Switch) -> dict[str, object]:
    names = ("kind", "about", "until", "by", "at", "prompt", "tenant")
    return {name: getattr(switch, name) for name in names}
