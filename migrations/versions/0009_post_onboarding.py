"""A town comes in: recordings, calls of shared numbers, test calls, a supervisor's switches, creations done once.

Applied when the old version is gone: its table of queues that are switched over is taken away here. While it still runs
it holds back what supervisors and agents want, and could not start again; so stop it, ``dialog-acd migrate``, start the
new one.

What was switched over stays so. Since when was not kept, so it counts from now on. The way back keeps what the old form
can say (queues that are switched over) and forgets the rest: recordings, closed entries, messages.

The indexes are for what lists are filtered by, each together with the time they are ordered by. On a large table of
PostgreSQL they keep writers waiting for as long as an index takes; records wait in the journal meanwhile.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_RECORDS = ("queue", "result", "overflow_partner", "agent")
_AUDIT = ("tenant", "who", "action")
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
    _recordings()
    _towns_and_tests()
    _switches()
    _creations()
    _filters()


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("peak", sa.Double(), nullable=False),
        sa.Column("loudness", sa.Double(), nullable=False),
        sa.Column("gain", sa.Double(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("narrow", sa.LargeBinary(), nullable=False),
        sa.Column("wide", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_recordings")),
    )
    op.create_index(op.f("ix_recordings_uploaded_at_digest"), "recordings", ["uploaded_at", "digest"])


def _towns_and_tests() -> None:
    op.add_column("records", sa.Column("candidates", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("records", sa.Column("test", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("records", sa.Column("t_amended", sa.DateTime(timezone=True), nullable=True))


def _switches() -> None:
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


def _creations() -> None:
    """Keys under which a creation is done once, however often it is sent; a day old at most."""
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_at"), "idempotency_keys", ["at"])


def _filters() -> None:
    for column in _RECORDS:
        op.create_index(op.f(f"ix_records_{column}_t_in"), "records", [column, "t_in"])
    op.create_index(op.f("ix_audit_at_id"), "audit", ["at", "id"])
    for column in _AUDIT:
        op.create_index(op.f(f"ix_audit_{column}_at_id"), "audit", [column, "at", "id"])
    op.drop_index(op.f("ix_audit_tenant_id"), "audit")


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.create_index(op.f("ix_audit_tenant_id"), "audit", ["tenant", "id"])
    for column in _AUDIT:
        op.drop_index(op.f(f"ix_audit_{column}_at_id"), "audit")
    op.drop_index(op.f("ix_audit_at_id"), "audit")
    for column in _RECORDS:
        op.drop_index(op.f(f"ix_records_{column}_t_in"), "records")
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
    with op.batch_alter_table("records") as batch:
        batch.drop_column("t_amended")
        batch.drop_column("test")
        batch.drop_column("candidates")
    op.drop_table("recordings")
