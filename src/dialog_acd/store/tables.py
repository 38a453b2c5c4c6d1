"""The schema, and the only place that names a table or a column.

SQLite and PostgreSQL share it. What they do not share is kept in a column type: SQLite has no time zones (it hands
back naive datetimes).

The directory is one row for each version, a text as a whole (``directory_store.py``): it is read and replaced whole,
and nobody asks the database for one queue. So a new field of it needs no migration, and what the text means is said
in one place, by the form its file has.

There are no foreign keys. A record says what was so at the time of the call, and must outlive the tenant, the queue
and the agent it names; so must what a supervisor has ordered, and a token: a directory is replaced whole, and who was
taken out by mistake comes back as they were.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

from dialog_acd.core.retention import SLOTS

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


records = Table(
    "records",
    metadata,
    Column("call", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("dialled", Text, nullable=False),
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
    Column("diversion_reason", Text, nullable=False, server_default=text("''")),
    Column("candidates", JSON(none_as_null=True)),  # NULL: of one town's number
    Column("test", Boolean, nullable=False, server_default=text("false")),
    Column("t_amended", UtcDateTime),
    # Empty or NULL: the row is older than these four.
    Column("entry", Text, nullable=False, server_default=text("''")),
    Column("target_ms", Integer),
    Column("target_share", Double),
    Column("team", Text),
    Column("caller_area", Text),
    Column("caller_hash", Text),
    # Of all conversations together; NULL: there was none, or the row is older.
    Column("talk_ms", Integer),
    Column("wrap_ms", Integer),
    # What a list is filtered by, in the order in which it is shown.
    Index(None, "tenant", "t_in"),
    Index(None, "queue", "t_in"),
    Index(None, "result", "t_in"),
    Index(None, "overflow_partner", "t_in"),
    Index(None, "agent", "t_in"),
    # The caller's side chooses it, and a tree index refuses rows with a key of more than 2.7 kB (54000).
    # It goes from old records, and what all of them have in common would be one endless chain in a hash.
    Index(None, "trunk_call_id", postgresql_using="hash", postgresql_where=text("trunk_call_id <> ''")),
)

# The numbers of calls, and they are nowhere else: one table for each day, used in turn, because a table is emptied
# without a trace and a row is not (``number_store.py``).
caller_numbers = tuple(
    Table(
        f"caller_numbers_{slot}",
        metadata,
        Column("call", Text, primary_key=True),
        # When the call came, in UTC; the same for all rows of a table.
        Column("day", Date, nullable=False),
        Column("ani", Text),
        Column("diversion", Text),
        Column("transferred_to", Text),
        Column("dialled", Text),
    )
    for slot in range(SLOTS)
)

# What hashes a caller's number, of one town and one month. Without it a hash says nothing any more.
caller_keys = Table(
    "caller_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    # As 2026-11, in Berlin.
    Column("month", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    # When the first call came whose number it hashed.
    Column("made_at", UtcDateTime, nullable=False),
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

# All calls of one town on one Berlin day, counted and without persons; kept when the records are gone. What the columns
# mean to each other says ``figures_store.py``.
rollups = Table(
    "rollups",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    # Raised with every record of the day that is written or amended.
    Column("generation", Integer, nullable=False),
    # The generation that was counted; NULL: none yet.
    Column("made_of", Integer),
    Column("form", Integer),
    Column("sealed", Boolean, nullable=False),
    # JSON, packed by zlib: a tenth of one row for each half hour and entry, and read at once.
    Column("cells", LargeBinary),
)

# Every directory there ever was; the youngest is in force.
directory_versions = Table(
    "directory_versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    # JSON, packed by zlib: a version of 500 towns is 1.5 MB, and a tenth of that packed.
    Column("content", LargeBinary, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("about", Text, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("prompt", Text),
    Column("tenant", Text),
)

agent_intents = Table(
    "agent_intents",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("intent", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# What groups of people did in half hours. A service that starts anew within a half hour adds rows of its own, and so
# never overwrites what was written before; together they are the half hour (``attendance_store.py``).
attendance = Table(
    "attendance",
    metadata,
    Column("half_hour", UtcDateTime, primary_key=True),
    # ``-``: agents of no team.
    Column("team", Text, primary_key=True),
    # When the service started.
    Column("run", UtcDateTime, primary_key=True),
    # A thousand people have more milliseconds in half an hour than an integer of four bytes.
    Column("signed_in_ms", BigInteger, nullable=False),
    Column("pause_ms", BigInteger, nullable=False),
    Column("not_ready_ms", BigInteger, nullable=False),
    Column("ringing_ms", BigInteger, nullable=False),
    Column("talking_ms", BigInteger, nullable=False),
    Column("wrap_up_ms", BigInteger, nullable=False),
    Column("elsewhere_ms", BigInteger, nullable=False),
    Column("unreachable_ms", BigInteger, nullable=False),
    # How many different ones. Who, is written nowhere.
    Column("people", Integer, nullable=False),
    Column("working", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
)

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
    Column("agent", Text),  # whose figures its holder may see
)

# What two people have to agree on before figures come near a person (``core/releases.py``). Rows go some time after it
# is over, and their numbers are not given again: the audit log tells of them.
releases = Table(
    "releases",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("until", Date, nullable=False),
    Column("agents", JSON, nullable=False),
    Column("first_month", Text, nullable=False),
    Column("last_month", Text, nullable=False),
    Column("tenant", Text),
    Column("level", Text),
    Column("asked_by", Text, nullable=False),
    Column("asked_token", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("agreed_by", Text),
    Column("agreed_token", Text),
    Column("agreed_at", UtcDateTime),
    Column("revoked_by", Text),
    Column("revoked_token", Text),
    Column("revoked_at", UtcDateTime),
    # Those that can still be in force are read whenever somebody asks for a name.
    Index(None, "until"),
    sqlite_autoincrement=True,
)

# Lines are only ever added: triggers of the migration refuse to change one, or to delete one that is not 30 days older
# than the latest and than now. They are no part of this metadata, and SQLite drops them where a migration copies the
# table; such a one has to make them anew.
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

# A creation that was asked for with a key of the asker's own, so that it is done once however often it is sent.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    # SHA-256 of the request.
    Column("request", Text, nullable=False),
    # Neither of both while it is being done.
    Column("status", Integer),
    Column("answer", JSON),
    Column("at", UtcDateTime, nullable=False, index=True),
)

# What was uploaded to be played, by the SHA-256 of its bytes; rows are only ever added. No foreign key to the tenants,
# as above, and the prompts of a directory name a recording without one: an earlier version must load on its own.
recordings = Table(
    "recordings",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text),
    Column("by", Text, nullable=False),
    Column("uploaded_at", UtcDateTime, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("peak", Double, nullable=False),
    Column("loudness", Double, nullable=False),
    Column("gain", Double, nullable=False),
    Column("findings", JSON, nullable=False),
    # The bytes come last: SQLite reads a row from its beginning, and would walk through megabytes to the rest.
    Column("narrow", LargeBinary, nullable=False),
    Column("wide", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index(None, "uploaded_at", "digest"),
)

# Statements of cost as they went out; rows are only ever added. The whole document: what it says must not change when
# prices, towns or calls do.
statements = Table(
    "statements",
    metadata,
    Column("month", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("content", JSON, nullable=False),
)
