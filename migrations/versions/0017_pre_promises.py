"""By when a caller is to be called back, and when somebody did, on the record of each promise.

Promises that were made before are neither open nor overdue: by when they were due was not settled when they were made.
The version before leaves these columns out of its rows, and can still read what is there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("t_due", sa.DateTime(timezone=True), nullable=True))
    op.add_column("records", sa.Column("t_called_back", sa.DateTime(timezone=True), nullable=True))
    promised = sa.text("t_due IS NOT NULL")
    op.create_index(op.f("ix_records_t_due"), "records", ["t_due"], postgresql_where=promised, sqlite_where=promised)


def downgrade() -> None:
    # First: SQLite copies the table, and would not find the column that its condition is about.
    op.drop_index(op.f("ix_records_t_due"), "records")
    with op.batch_alter_table("records") as batch:
        for column in ("t_called_back", "t_due"):
            batch.drop_column(column)
