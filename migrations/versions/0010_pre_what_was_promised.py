"""What was promised to a caller, the entry they came by and the team that answered, on the record of each call.

A figure is then the same a year later, when the directory of that day is long gone. The version before leaves these
columns out of its rows, and can still read what is there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("entry", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("records", sa.Column("target_ms", sa.Integer(), nullable=True))
    op.add_column("records", sa.Column("target_share", sa.Double(), nullable=True))
    op.add_column("records", sa.Column("team", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("records") as batch:
        for column in ("team", "target_share", "target_ms", "entry"):
            batch.drop_column(column)
