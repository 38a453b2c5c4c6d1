"""Who forwarded a call, and why: two columns of the records.

May be applied while the old version runs: they come empty, and who does not know them does not write them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("diversion", sa.Text(), nullable=True))
    op.add_column("records", sa.Column("diversion_reason", sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    with op.batch_alter_table("records") as batch:
        batch.drop_column("diversion_reason")
        batch.drop_column("diversion")
