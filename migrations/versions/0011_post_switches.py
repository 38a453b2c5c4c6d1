"""One table for all a supervisor can switch: closures and messages beside the queues that are switched over.

Applied when the old version is gone: its own table is taken away here. While it still runs it holds back what
supervisors and agents want, and could not start again; so stop it, ``dialog-acd migrate``, start the new one.

What was switched over stays so. Since when was not kept, so it counts from now on. The way back keeps what the old form
can say: queues that are switched over. Closed entries are open then, and messages silent.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OVERFLOW = "overflow"
_old = sa.table(
    "queue_switches",
    sa.column("queue", sa.Text()),
    sa.column("until", sa.DateTime(timezone=True)),
    sa.column("by", sa.Text()),
)
_new = sa.table(
    "switches",
    sa.column("kind", sa.Text()),
    sa.column("about", sa.Text()),
    sa.column("until", sa.DateTime(timezone=True)),
    sa.column("by", sa.Text()),
    sa.column("at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    op.create_table(
        "switches",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "about", name=op.f("pk_switches")),
    )
    over = sa.select(sa.literal(_OVERFLOW), _old.c.queue, _old.c.until, _old.c.by, sa.func.current_timestamp())
    op.execute(_new.insert().from_select(["kind", "about", "until", "by", "at"], over))
    op.drop_table("queue_switches")


def downgrade() -> None:
    op.create_table(
        "queue_switches",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_switches")),
    )
    over = sa.select(_new.c.about, _new.c.until, _new.c.by).where(_new.c.kind == _OVERFLOW)
    op.execute(_old.insert().from_select(["queue", "until", "by"], over))
    op.drop_table("switches")
