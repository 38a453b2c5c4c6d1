"""A directory as large as the service is built for: 500 towns, 5,000 entries, 2,000 agents."""

from __future__ import annotations

from datetime import time
from functools import cache

from dialog_acd.core.calendars import Calendar, Hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.model import (
    Agent,
    AgentId,
    CalendarId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Partner,
    PartnerId,
    Phone,
    Queue,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    Tenant,
    TenantId,
    Trunk,
)
from dialog_acd.core.rules import parse_rung, parse_step


@cache
def large_directory(towns: int = 500, entries: int = 5_000, agents: int = 2_000) -> Directory:
    """Each town has its own queue, hours and numbers; each agent knows twenty towns, a tenth sit in a town hall."""
    numbers = range((entries - 1) // towns)
    return Directory(
        tenants=tuple(Tenant(TenantId(f"town-{n}"), f"Gemeinde {n}", f"G{n}") for n in range(towns)),
        queues=tuple(
            Queue(
                QueueId(f"town-{n}"),
                f"Gemeinde {n}",
                (
                    parse_step(f"from 0 s: town-{n}>=4"),
                    parse_step(f"from 15 s: town-{n}>=2"),
                    parse_step("from 30 s: any"),
                ),
                ladder=tuple(
                    map(parse_rung, ("closed by hours for 115: partner oldenburg", "waited 120 s: partner oldenburg"))
                ),
            )
            for n in range(towns)
        ),
        entries=(
            Entry("", TenantId("town-0"), QueueId("town-0"), EntryKind.CATCH_ALL, "standard"),
            *(
                Entry(
                    f"+49511{1000 + n}{number:02}",
                    TenantId(f"town-{n}"),
                    QueueId(f"town-{n}"),
                    EntryKind.MAIN_NUMBER,
                    "standard",
                    block=True,
                    greeting="acd/greeting",
                    calendar=CalendarId(f"town-{n}"),
                )
                for n in range(towns)
                for number in numbers
            ),
        ),
        agents=tuple(
            Agent(
                AgentId(f"agent-{a}"),
                f"Agent {a}",
                Phone(f"phone-{a}"),
                {SkillId(f"town-{(7 * a + 13 * s) % towns}"): 1 + (a + s) % 5 for s in range(20)},
                home=TenantId(f"town-{a % towns}") if a % 10 == 0 else None,
            )
            for a in range(agents)
        ),
        partners=(Partner(PartnerId("oldenburg"), "Oldenburg", ("+494412350",)),),
        failsafe_profiles=(FailsafeProfile("standard", "all"),),
        trunks=(Trunk("trunk"),),
        skills=tuple(Skill(SkillId(f"town-{n}"), f"Gemeinde {n}", SkillKind.TENANT) for n in range(towns)),
        calendars=tuple(
            Calendar(CalendarId(f"town-{n}"), f"Gemeinde {n}", (Hours(frozenset(range(5)), time(8), time(16)),))
            for n in range(towns)
        ),
    )
