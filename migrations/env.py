"""Alembic's entry: runs the migrations on the connection it is handed, inside the transaction already begun.

There is no alembic.ini and no address here: ``dialog-acd migrate`` is the one way in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

from dialog_acd.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

connection: Connection | None = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations run through `dialog-acd migrate`")

context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite can hardly alter a table; alembic copies it instead.
    render_as_batch=True,
    # All or nothing, on both databases.
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
