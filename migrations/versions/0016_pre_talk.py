"""How long our own people talked with a caller, and had to do afterwards, on the record of each call.

A call that was transferred and came back has several conversations, and what lies between them is nobody's work. The
version before leaves these columns out of its rows, and can still read what is there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("talk_ms", sa.Integer(), nullable=True))
    op.add_column("records", sa.Column("wrap_ms", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("records") as batch:
        for column in ("wrap_ms", "talk_ms"):
            batch.drop_column(column)
