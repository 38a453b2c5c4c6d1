"""What 0014 says today, once more: it said less when the first databases went through it.

PostgreSQL keeps no samples of numbers and keys, and lets go of those it has; the index of carriers' ids leaves out the
empty ones; the audit log gives its lines by its own latest one *and* by the database's clock. Where all of this is so
already, nothing changes.

May be applied while the old version runs. Where the index is made anew, records wait in the journal meanwhile.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_HIDDEN = [
    *(
        (f"caller_numbers_{slot}", name)
        for slot in range(9)
        for name in ("ani", "diversion", "transferred_to", "dialled")
    ),
    ("caller_keys", "key"),
]
_INDEX = "ix_records_trunk_call_id"
_SQLITE = (
    "DROP TRIGGER IF EXISTS audit_no_DELETE",
    """CREATE TRIGGER audit_no_DELETE BEFORE DELETE ON audit
    WHEN OLD.at > datetime(min((SELECT max(at) FROM audit), datetime('now')), '-30 days')
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
)
_POSTGRES = """CREATE OR REPLACE FUNCTION audit_young_stay() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF OLD.at > LEAST((SELECT max(at) FROM audit), now()) - interval '30 days' THEN
            RAISE EXCEPTION 'audit is append-only';
        END IF;
        RETURN OLD;
    END $$"""


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        for statement in _SQLITE:
            op.execute(statement)
        return
    for table, column in _HIDDEN:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
        # Of the same type: no row is touched, but what ANALYZE has kept of the column is thrown away.
        type_ = "bytea" if column == "key" else "text"
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {type_}")
    said = bind.scalar(sa.text("SELECT indexdef FROM pg_indexes WHERE indexname = :name"), {"name": _INDEX})
    if " WHERE " not in (said or ""):
        op.execute(f"DROP INDEX IF EXISTS {_INDEX}")
        where = sa.text("trunk_call_id <> ''")
        op.create_index(_INDEX, "records", ["trunk_call_id"], postgresql_using="hash", postgresql_where=where)
    op.execute(_POSTGRES)


def downgrade() -> None:
    """0014 says the same."""
