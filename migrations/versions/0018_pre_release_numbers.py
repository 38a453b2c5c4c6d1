"""A release's number is given once: releases that are long over are deleted, and the audit log tells of them by number.

PostgreSQL counts by itself. SQLite gives the number of the last row again once that row is gone, unless the table says
otherwise. May be applied while the old version runs.
"""

from __future__ import annotations

from typing import Any

from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _made_anew(sqlite_autoincrement=True)


def downgrade() -> None:
    _made_anew()


def _made_anew(**said: Any) -> None:
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("releases", recreate="always", table_kwargs=said):
            pass
