"""Who was there, by group and half hour: sums of milliseconds and how many people, nobody by name.

A table of its own that the version before does not know, and leaves alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SPENT = ("signed_in", "pause", "not_ready", "ringing", "talking", "wrap_up", "elsewhere", "unreachable")


def upgrade() -> None:
    op.create_table(
        "attendance",
        sa.Column("half_hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("run", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(f"{part}_ms", sa.BigInteger(), nullable=False) for part in _SPENT),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("working", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("half_hour", "team", "run", name=op.f("pk_attendance")),
    )


def downgrade() -> None:
    op.drop_table("attendance")
