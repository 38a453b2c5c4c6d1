"""What a queue needs as steps, overflow as a ladder, calendars, declared skills, teams, partners' limits.

Applied when the old version is gone: it reads columns that are taken away here. While it still runs it goes on
writing records and agents' intents, but could not start again nor take a new directory; so stop it, ``dialog-acd
migrate``, start the new one. Asterisk answers meanwhile by itself.

What was there means the same afterwards: one skill and level become one step, overflow after a time becomes the rung
``waited ... s: partner ...``, every skill and every team that is named anywhere is declared. Names are carried over as
they are. Where one is not a word by today's rules the directory is refused until it is corrected, with a sentence
that names it; that is better than calling a skill something nobody has written.

The way back keeps what the old form can say: the first need of the first step, the first rung that waits for a
partner, a partner's first number. Numbers of kinds it does not know become main numbers; extensions are dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Iterable

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Only the columns that are carried over, of both forms.
_skills = sa.table("skills", sa.column("id"), sa.column("position"), sa.column("name"), sa.column("kind"))
_teams = sa.table(
    "teams",
    sa.column("id"),
    sa.column("position"),
    sa.column("name"),
    sa.column("by_target", sa.Boolean()),
    sa.column("help_debt", sa.Boolean()),
)
_partners = sa.table(
    "partners",
    sa.column("id"),
    sa.column("position"),
    sa.column("number"),
    sa.column("numbers", sa.JSON()),
    sa.column("min_gain_ms"),
)
_queues = sa.table(
    "queues",
    sa.column("id"),
    sa.column("position"),
    sa.column("skill"),
    sa.column("level"),
    sa.column("overflow_after_ms"),
    sa.column("overflow_partner"),
    sa.column("steps", sa.JSON()),
    sa.column("priority"),
    sa.column("agent_order"),
    sa.column("home_first", sa.Boolean()),
    sa.column("to_partners", sa.Boolean()),
    sa.column("ladder", sa.JSON()),
)
_entries = sa.table("entries", sa.column("number"), sa.column("kind"), sa.column("closed"), sa.column("spare"))
_agents = sa.table("agents", sa.column("id"), sa.column("position"), sa.column("team"), sa.column("lines", sa.JSON()))
_agent_skills = sa.table("agent_skills", sa.column("agent"), sa.column("skill"))


def upgrade() -> None:
    op.create_table(
        "skills",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_skills"),
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("by_target", sa.Boolean(), nullable=False),
        sa.Column("help_debt", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
    )
    op.create_table(
        "calendars",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("land", sa.Text(), nullable=True),
        sa.Column("special_days", sa.JSON(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendars"),
    )
    op.create_table(
        "queue_switches",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("queue", name="pk_queue_switches"),
    )
    # With their defaults these reach all old records at once: neither database touches a row.
    op.add_column("records", sa.Column("overflow_trigger", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("records", sa.Column("overflow_partner", sa.Text(), nullable=True))
    op.add_column("records", sa.Column("rungs", sa.JSON(), nullable=True))

    # Of the directory's tables each is changed twice: what is new comes empty, is filled, and only then must be there.
    with op.batch_alter_table("partners") as batch:
        batch.add_column(sa.Column("numbers", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("calendar", sa.Text(), nullable=True))
        batch.add_column(sa.Column("channels", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("calls_per_hour", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("min_gain_ms", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("queues") as batch:
        batch.add_column(sa.Column("steps", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("priority", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("agent_order", sa.Text(), nullable=True))
        batch.add_column(sa.Column("home_first", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("to_partners", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("ladder", sa.JSON(), nullable=True))
    with op.batch_alter_table("entries") as batch:
        batch.add_column(sa.Column("calendar", sa.Text(), nullable=True))
        batch.add_column(sa.Column("closed", sa.Text(), nullable=True))
        batch.add_column(sa.Column("at_most", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("spare", sa.Integer(), nullable=True))
    with op.batch_alter_table("agents") as batch:
        batch.add_column(sa.Column("home", sa.Text(), nullable=True))
        batch.add_column(sa.Column("lines", sa.JSON(), nullable=True))
        batch.alter_column("team", existing_type=sa.Text(), nullable=True)

    _carry_over(op.get_bind())

    with op.batch_alter_table("partners") as batch:
        batch.alter_column("numbers", existing_type=sa.JSON(), nullable=False)
        batch.alter_column("min_gain_ms", existing_type=sa.BigInteger(), nullable=False)
        batch.drop_column("number")
        batch.create_foreign_key("fk_partners_calendar_calendars", "calendars", ["calendar"], ["id"])
    with op.batch_alter_table("queues") as batch:
        for name, type_ in _NEW_IN_QUEUES.items():
            batch.alter_column(name, existing_type=type_, nullable=False)
        batch.drop_constraint("fk_queues_overflow_partner_partners", type_="foreignkey")
        for name in ("skill", "level", "overflow_after_ms", "overflow_partner"):
            batch.drop_column(name)
    with op.batch_alter_table("entries") as batch:
        batch.alter_column("closed", existing_type=sa.Text(), nullable=False)
        batch.alter_column("spare", existing_type=sa.Integer(), nullable=False)
        batch.create_foreign_key("fk_entries_calendar_calendars", "calendars", ["calendar"], ["id"])
    with op.batch_alter_table("agents") as batch:
        batch.alter_column("lines", existing_type=sa.JSON(), nullable=False)
        batch.create_foreign_key("fk_agents_team_teams", "teams", ["team"], ["id"])
        batch.create_foreign_key("fk_agents_home_tenants", "tenants", ["home"], ["id"])
    with op.batch_alter_table("agent_skills") as batch:
        batch.create_foreign_key("fk_agent_skills_skill_skills", "skills", ["skill"], ["id"])


_NEW_IN_QUEUES: dict[str, Any] = {
    "steps": sa.JSON(),
    "priority": sa.Integer(),
    "agent_order": sa.Text(),
    "home_first": sa.Boolean(),
    "to_partners": sa.Boolean(),
    "ladder": sa.JSON(),
}


def _carry_over(connection: sa.Connection) -> None:
    for partner in connection.execute(sa.select(_partners.c.id, _partners.c.number)).all():
        row = sa.update(_partners).where(_partners.c.id == partner.id)
        connection.execute(row.values(numbers=[partner.number], min_gain_ms=0))

    old = (_queues.c.id, _queues.c.skill, _queues.c.level, _queues.c.overflow_after_ms, _queues.c.overflow_partner)
    queues = connection.execute(sa.select(*old).order_by(_queues.c.position)).all()
    for queue in queues:
        ladder = []
        if queue.overflow_after_ms is not None and queue.overflow_partner is not None:
            ladder.append(f"waited {_seconds(queue.overflow_after_ms)} s: partner {queue.overflow_partner}")
        connection.execute(
            sa.update(_queues)
            .where(_queues.c.id == queue.id)
            .values(
                steps=[f"from 0 s: {queue.skill}>={queue.level}"],
                priority=0,
                agent_order="longest-idle",
                home_first=False,
                to_partners=True,
                ladder=ladder,
            )
        )
    connection.execute(sa.update(_entries).values(closed="acd/closed", spare=0))
    connection.execute(sa.update(_agents).values(lines=[]))

    had = connection.scalars(sa.select(_agent_skills.c.skill).distinct().order_by(_agent_skills.c.skill))
    _declare(connection, _skills, (*(queue.skill for queue in queues), *had), kind="topic")
    teams = connection.scalars(sa.select(_agents.c.team).where(_agents.c.team != "").order_by(_agents.c.position))
    _declare(connection, _teams, teams, by_target=False, help_debt=False)
    connection.execute(sa.update(_agents).where(_agents.c.team == "").values(team=None))


def _declare(connection: sa.Connection, table: sa.TableClause, names: Iterable[str], **same: object) -> None:
    rows = [
        {"id": name, "position": position, "name": name, **same} for position, name in enumerate(dict.fromkeys(names))
    ]
    if rows:
        connection.execute(sa.insert(table), rows)


def _seconds(milliseconds: int) -> str:
    """As it is written in a rung: 90000 is ``90``, 1500 is ``1.5``."""
    return f"{milliseconds // 1000}.{milliseconds % 1000:03}".rstrip("0").rstrip(".")


def downgrade() -> None:
    with op.batch_alter_table("agent_skills") as batch:
        batch.drop_constraint("fk_agent_skills_skill_skills", type_="foreignkey")
    with op.batch_alter_table("agents") as batch:
        batch.drop_constraint("fk_agents_team_teams", type_="foreignkey")
        batch.drop_constraint("fk_agents_home_tenants", type_="foreignkey")
        batch.drop_column("home")
        batch.drop_column("lines")
    with op.batch_alter_table("entries") as batch:
        batch.drop_constraint("fk_entries_calendar_calendars", type_="foreignkey")
        for name in ("calendar", "closed", "at_most", "spare"):
            batch.drop_column(name)
    with op.batch_alter_table("queues") as batch:
        batch.add_column(sa.Column("skill", sa.Text(), nullable=True))
        batch.add_column(sa.Column("level", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("overflow_after_ms", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("overflow_partner", sa.Text(), nullable=True))
    with op.batch_alter_table("partners") as batch:
        batch.drop_constraint("fk_partners_calendar_calendars", type_="foreignkey")
        batch.add_column(sa.Column("number", sa.Text(), nullable=True))
        for name in ("calendar", "channels", "calls_per_hour", "min_gain_ms"):
            batch.drop_column(name)

    _carry_back(op.get_bind())

    with op.batch_alter_table("agents") as batch:
        batch.alter_column("team", existing_type=sa.Text(), nullable=False)
    with op.batch_alter_table("queues") as batch:
        batch.alter_column("skill", existing_type=sa.Text(), nullable=False)
        batch.alter_column("level", existing_type=sa.Integer(), nullable=False)
        batch.create_foreign_key("fk_queues_overflow_partner_partners", "partners", ["overflow_partner"], ["id"])
        for name in _NEW_IN_QUEUES:
            batch.drop_column(name)
    with op.batch_alter_table("partners") as batch:
        batch.alter_column("number", existing_type=sa.Text(), nullable=False)
        batch.drop_column("numbers")
    with op.batch_alter_table("records") as batch:
        batch.drop_column("overflow_trigger")
        batch.drop_column("overflow_partner")
        batch.drop_column("rungs")
    for table in ("queue_switches", "calendars", "teams", "skills"):
        op.drop_table(table)


def _carry_back(connection: sa.Connection) -> None:
    for partner in connection.execute(sa.select(_partners.c.id, _partners.c.numbers)).all():
        row = sa.update(_partners).where(_partners.c.id == partner.id)
        connection.execute(row.values(number=next(iter(partner.numbers), "")))
    partners = set(connection.scalars(sa.select(_partners.c.id)))
    for queue in connection.execute(sa.select(_queues.c.id, _queues.c.steps, _queues.c.ladder)).all():
        need = re.search(r": ?(\S+)>=(\d+)", next(iter(queue.steps), ""))
        rungs = (re.fullmatch(r"waited (\S+) s: partner (\S+)", rung) for rung in queue.ladder)
        rung = next((r for r in rungs if r is not None and r[2] in partners), None)
        connection.execute(
            sa.update(_queues)
            .where(_queues.c.id == queue.id)
            .values(
                skill=need[1] if need else "any",
                level=int(need[2]) if need else 1,
                overflow_after_ms=round(float(rung[1]) * 1000) if rung else None,
                overflow_partner=rung[2] if rung else None,
            )
        )
    connection.execute(sa.delete(_entries).where(_entries.c.kind == "internal", sa.not_(_entries.c.number.like("+%"))))
    known = ("main-number", "115", "catch-all")
    connection.execute(sa.update(_entries).where(_entries.c.kind.not_in(known)).values(kind="main-number"))
    connection.execute(sa.update(_agents).where(_agents.c.team.is_(None)).values(team=""))
