"""Numbers that several towns share, and test calls: three columns of the records.

May be applied while the old version runs: they come empty, and who does not know them does not write them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("candidates", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("records", sa.Column("test", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("records", sa.Column("t_amended", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("records") as batch:
        batch.drop_column("t_amended")
        batch.drop_column("test")
        batch.drop_column("candidates")
