"""What agents want, kept beyond a restart of ours. The last word of each agent counts, so no journal is needed.

A database that is away loses nothing but time: the words wait in memory and are written when it is back. If the
service also dies meanwhile, agents dial one code.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from dialog_acd.core.messages import RememberIntent
from dialog_acd.core.model import AgentId
from dialog_acd.store.database import writing
from dialog_acd.store.tables import agent_intents

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

WRITE_WITHIN = 5.0
RETRY_AFTER = 5.0


class IntentStore:
    """Writes in the background; ``put`` returns at once and never raises."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._pending: dict[AgentId, RememberIntent] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    async def load(self, since: datetime) -> list[RememberIntent]:
        """The last intent of every agent that is not older than ``since``."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(agent_intents).where(agent_intents.c.at >= since))
            return [RememberIntent(AgentId(r.agent), r.intent, r.reason, r.at) for r in rows]

    def put(self, intent: RememberIntent) -> None:
        self._pending[intent.agent] = intent
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
        batch, self._pending = self._pending, {}
        if not batch:
            return True
        try:
            async with asyncio.timeout(WRITE_WITHIN), writing(self._engine).begin() as connection:
                await connection.execute(delete(agent_intents).where(agent_intents.c.agent.in_(batch)))
                rows = [{"agent": i.agent, "intent": i.intent, "reason": i.reason, "at": i.at} for i in batch.values()]
                await connection.execute(insert(agent_intents), rows)
        except (SQLAlchemyError, OSError, TimeoutError) as problem:
            log.warning("intents.not_written", why=str(problem).partition("\n")[0], agents=len(batch))
            self._take_back(batch)
            return False
        except BaseException:
            # Cancelled at the stop of the service, which flushes once more.
            self._take_back(batch)
            raise
        return True

    def _take_back(self, batch: dict[AgentId, RememberIntent]) -> None:
        # What was said meanwhile is younger.
        self._pending = batch | self._pending
        self._wake.set()
