"""What has been counted of a town's day is kept, so that a report of months need not read every record.

Nothing is counted here: a day is when somebody asks for it. The version before goes on writing records without saying
so; days it writes of while they are kept already (late records, calls that get another town) stay as they were counted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollups",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("made_of", sa.Integer(), nullable=True),
        sa.Column("form", sa.Integer(), nullable=True),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("cells", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "day", name="pk_rollups"),
    )


def downgrade() -> None:
    op.drop_table("rollups")
