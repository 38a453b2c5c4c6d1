"""The schema, and the only place that names a table or a column.

SQLite and PostgreSQL share it. What they do not share is kept in two column types: SQLite has no time zones
(it hands back naive datetimes), and neither has a duration both agree on, so durations are whole milliseconds.

What a queue needs, its ladder and the hours of a calendar are lists of texts, each as an operator writes it
(``core/rules.py``, ``core/calendars.py``): a rule is read and replaced whole, and nobody asks the database for one.

Configuration tables refer to each other by foreign keys. ``records`` refers to nothing: a record says what was
so at the time of the call, and must outlive the tenant, the queue and the agent it names.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect

# Every constraint has a name both databases agree on: SQLite can only change a table by copying it, and a
# constraint without a name is lost on the way.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, to the microsecond, in UTC on both sides. Refuses naive ones: their zone is a guess."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Milliseconds(TypeDecorator[timedelta]):
    """A duration in whole milliseconds. Refuses finer ones instead of rounding them in silence."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        if value is None:
            return None
        whole, rest = divmod(value, timedelta(milliseconds=1))
        if rest:
            raise ValueError(f"{value!r} is not a whole number of milliseconds")
        return whole

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:  # noqa: ARG002
        return None if value is None else timedelta(milliseconds=value)


def _position() -> Column[int]:
    # A directory is ordered: the first trunk is the one an unknown trunk is read like.
    return Column("position", Integer, nullable=False)


tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    _position(),
    Column("name", Text, nullable=False),
    Column("label", Text, nullable=False),
)

trunks = Table(
    "trunks",
    metadata,
    Column("name", Text, primary_key=True),
    _position(),
    Column("number_format", Text, nullable=False),
    Column("area_code", Text, nullable=False),
    Column("country_code", Text, nullable=False),
)

skills = Table(
    "skills",
    metadata,
    Column("id", Text, primary_key=True),
    _position(),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("id", Text, primary_key=True),
    _position(),
    Column("name", Text, nullable=False),
    Column("by_target", Boolean, nullable=False),
    Column("help_debt", Boolean, nullable=False),
)

calendars = Table(
    "calendars",
    metadata,
    Column("id", Text, primary_key=True),
    _position(),
    Column("name", Text, nullable=False),
    Column("hours", JSON, nullable=False),
    Column("land", Text),
    Column("special_days", JSON, nullable=False),
    Column("zone", Text, nullable=False),
)

partners = Table(
    "partners",
    metadata,
    Column("id", Text, primary_key=True),
    _position(),
    Column("name", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("ring_for_ms", Milliseconds, nullable=False),
    Column("calendar", Text, ForeignKey("calendars.id")),
    Column("channels", Integer),
    Column("calls_per_hour", Integer),
    Column("min_gain_ms", Milliseconds, nullable=False),
)

failsafe_profiles = Table(
    "failsafe_profiles",
    metadata,
    Column("name", Text, primary_key=True),
    _position(),
    Column("group", Text, nullable=False),
    Column("partner", Text, ForeignKey("partners.id")),
    Column("hours", JSON, nullable=False),
)

queues = Table(
    "queues",
    metadata,
    Column("id", Text, primary_key=True),
    _position(),
    Column("name", Text, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("agent_order", Text, nullable=False),
    Column("home_first", Boolean, nullable=False),
    Column("to_partners", Boolean, nullable=False),
    Column("ring_for_ms", Milliseconds, nullable=False),
    Column("wrap_up_for_ms", Milliseconds, nullable=False),
    Column("max_wait_ms", Milliseconds, nullable=False),
    Column("target_ms", Milliseconds, nullable=False),
    Column("target_share", Double, nullable=False),
    Column("ladder", JSON, nullable=False),
    Column("music", Text, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    # A number may stand here several times, with dates that do not overlap: a directory sees to that, as to the rest.
    Column("number", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, ForeignKey("tenants.id"), nullable=False),
    Column("queue", Text, ForeignKey("queues.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("failsafe", Text, ForeignKey("failsafe_profiles.name"), nullable=False),
    Column("block", Boolean, nullable=False),
    Column("greeting", Text),
    Column("announcement", Text),
    Column("calendar", Text, ForeignKey("calendars.id")),
    Column("closed", Text, nullable=False),
    Column("at_most", Integer),
    Column("spare", Integer, nullable=False),
    Column("active_from", Date),
    Column("active_to", Date),
)

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    _position(),
    Column("name", Text, nullable=False),
    Column("phone", Text, nullable=False, unique=True),
    Column("team", Text, ForeignKey("teams.id")),
    Column("home", Text, ForeignKey("tenants.id")),
    Column("lines", JSON, nullable=False),
)

agent_skills = Table(
    "agent_skills",
    metadata,
    Column("agent", Text, ForeignKey("agents.id"), primary_key=True),
    Column("skill", Text, ForeignKey("skills.id"), primary_key=True),
    Column("level", Integer, nullable=False),
)

CONFIGURATION = (
    tenants,
    trunks,
    skills,
    teams,
    calendars,
    partners,
    failsafe_profiles,
    queues,
    entries,
    agents,
    agent_skills,
)
"""Referred to before referring: the order to fill them in, and backwards to empty them."""

records = Table(
    "records",
    metadata,
    Column("call", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("dialled", Text, nullable=False),
    Column("ani", Text),
    Column("trunk", Text, nullable=False),
    Column("trunk_call_id", Text, nullable=False),
    Column("t_in", UtcDateTime, nullable=False, index=True),
    Column("t_ann_end", UtcDateTime),
    Column("t_q", UtcDateTime),
    Column("t_ans", UtcDateTime),
    Column("t_end", UtcDateTime, nullable=False),
    Column("t_wrap_end", UtcDateTime),
    Column("t_leave", UtcDateTime),
    Column("t_ovf", UtcDateTime),
    Column("t_ovf_ans", UtcDateTime),
    Column("t_failsafe", UtcDateTime),
    Column("agent", Text),
    Column("partner", Text),
    Column("transferred_to", Text),
    Column("transfer_blind", Boolean),
    Column("failsafe_answered_by", Text),
    Column("hung_up_first", Text, nullable=False),
    Column("cause", Integer, nullable=False),
    Column("result", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("blame", Text, nullable=False),
    Column("in_time", Boolean, nullable=False),
    Column("offers", JSON, nullable=False),
    # Also the answer for records written before there were ladders, and for a version that does not know them.
    Column("overflow_trigger", Text, nullable=False, server_default=text("''")),
    Column("overflow_partner", Text),
    Column("rungs", JSON),  # NULL on records of a version that had no ladder
    Column("t_callback", UtcDateTime),
    Column("diversion", Text),
    Column("diversion_reason", Text, nullable=False, server_default=text("''")),
    # What a list is filtered by, in the order in which it is shown.
    Index(None, "tenant", "t_in"),
    Index(None, "queue", "t_in"),
    Index(None, "result", "t_in"),
    Index(None, "overflow_partner", "t_in"),
    Index(None, "agent", "t_in"),
    # The caller's side chooses it, and a tree index refuses rows with a key of more than 2.7 kB (54000).
    Index(None, "trunk_call_id", postgresql_using="hash"),
)

record_conflicts = Table(
    "record_conflicts",
    metadata,
    Column("call", Text, primary_key=True),
    # SHA-256 of the content: the same second record, replayed after a crash, is the same conflict.
    Column("digest", Text, primary_key=True),
    Column("seen_at", UtcDateTime, nullable=False, index=True),
    Column("content", JSON, nullable=False),
)

# Every directory there ever was, as text that could be loaded again.
directory_versions = Table(
    "directory_versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("content", Text, nullable=False),
)

# Here and below no foreign key: what a supervisor ordered outlives a directory that is replaced whole.
queue_switches = Table(
    "queue_switches",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
)

# No foreign key: a directory is replaced whole, and an agent taken out by mistake comes back as they were.
agent_intents = Table(
    "agent_intents",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("intent", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# No foreign key to the tenants: a directory is replaced whole.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("tenant", Text),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

# Lines are only ever added: triggers of the migration refuse to change or delete one. They are no part of this
# metadata, and SQLite drops them where a migration copies the table; such a one has to make them anew.
audit = Table(
    "audit",
    metadata,
    # On SQLite only a column of exactly this type counts by itself.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("tenant", Text),
    Column("action", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("details", JSON, nullable=False),
    # By the time, not by the id: the command line and the service write down what they do in two sequences.
    Index(None, "at", "id"),
    Index(None, "tenant", "at", "id"),
    Index(None, "who", "at", "id"),
    Index(None, "action", "at", "id"),
)
