"""From when to when an entry is active: two columns, and a number that may stand there several times.

May be applied while the old version runs: the dates come empty, and who does not know them writes none. It must not be
given a directory with dates then: it would take every entry for active at all times.

The way back keeps what is active on that day, by the calendar in Berlin, and drops what is over or has yet to begin:
without its dates it would answer at once. (The catch-all has none.)
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_entries = sa.table("entries", sa.column("active_from", sa.Date()), sa.column("active_to", sa.Date()))


def upgrade() -> None:
    with op.batch_alter_table("entries") as batch:
        batch.add_column(sa.Column("active_from", sa.Date(), nullable=True))
        batch.add_column(sa.Column("active_to", sa.Date(), nullable=True))
        batch.drop_constraint("pk_entries", type_="primary")
        batch.create_primary_key("pk_entries", ["number", "position"])


def downgrade() -> None:
    today = _today(op.get_bind())
    op.execute(sa.delete(_entries).where(sa.or_(_entries.c.active_from > today, _entries.c.active_to < today)))
    with op.batch_alter_table("entries") as batch:
        batch.drop_constraint("pk_entries", type_="primary")
        batch.create_primary_key("pk_entries", ["number"])
        batch.drop_column("active_from")
        batch.drop_column("active_to")


def _today(connection: sa.Connection) -> object:
    now = connection.scalar(sa.select(sa.func.current_timestamp(type_=sa.DateTime(timezone=True))))
    if not isinstance(now, datetime):
        raise TypeError(f"the database says it is {now!r}")
    # SQLite's moments are in UTC and do not say so.
    return (now if now.tzinfo is not None else now.replace(tzinfo=UTC)).astimezone(ZoneInfo("Europe/Berlin")).date()
