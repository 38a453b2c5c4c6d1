"""Callers' numbers leave the records: into tables of a day each that are emptied as a whole, and into hashes.

Applied when the old version is gone: it writes numbers into columns that are taken away here. Stop it, ``dialog-acd
migrate``, start the new one.

Of calls of the last seven days the numbers are kept beside them, of those of the last 35 a hash, of all others nothing;
nor in the conflicts of records. Both databases write the records anew here: PostgreSQL because a column that is dropped
is only hidden there, SQLite because it cannot do otherwise. That takes about a minute for a million records. The way
back returns what is still kept.

The audit log may now lose lines that are 30 days older than its latest one, and than the database's clock says: neither
one line of a wrong time nor a clock that is ahead opens the way to the lines of yesterday, only both together.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import context, op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SLOTS = 9
_NUMBERS, _HASHES = timedelta(days=7), timedelta(days=35)
_BATCH = 1000
_NAMES = ("ani", "diversion", "transferred_to", "dialled")
_moment = sa.DateTime(timezone=True)
_records = sa.table(
    "records",
    *(sa.column(name, sa.Text()) for name in ("call", "tenant", "kind", *_NAMES, "caller_hash")),
    sa.column("t_in", _moment),
)
_conflicts = sa.table(
    "record_conflicts",
    sa.column("call", sa.Text()),
    sa.column("digest", sa.Text()),
    sa.column("seen_at", _moment),
    sa.column("content", sa.JSON()),
)
_keys = sa.table(
    "caller_keys",
    sa.column("tenant", sa.Text()),
    sa.column("month", sa.Text()),
    sa.column("key", sa.LargeBinary()),
    sa.column("made_at", _moment),
)
_slots = [
    sa.table(
        f"caller_numbers_{slot}",
        sa.column("call", sa.Text()),
        sa.column("day", sa.Date()),
        *(sa.column(name, sa.Text()) for name in _NAMES),
    )
    for slot in range(_SLOTS)
]

_SQLITE = "CREATE TRIGGER audit_no_{0} BEFORE {0} ON audit {1} BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
_SQLITE_YOUNG = "WHEN OLD.at > datetime(min((SELECT max(at) FROM audit), datetime('now')), '-30 days')"
_POSTGRES = (
    "DROP TRIGGER audit_append_only ON audit",
    """CREATE TRIGGER audit_append_only BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()""",
    """CREATE FUNCTION audit_young_stay() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF OLD.at > LEAST((SELECT max(at) FROM audit), now()) - interval '30 days' THEN
            RAISE EXCEPTION 'audit is append-only';
        END IF;
        RETURN OLD;
    END $$""",
    "CREATE TRIGGER audit_young_stay BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_young_stay()",
)
_POSTGRES_BACK = (
    "DROP TRIGGER audit_young_stay ON audit",
    "DROP FUNCTION audit_young_stay()",
    "DROP TRIGGER audit_append_only ON audit",
    """CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()""",
)


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    for slot in range(_SLOTS):
        op.create_table(
            f"caller_numbers_{slot}",
            sa.Column("call", sa.Text(), nullable=False),
            sa.Column("day", sa.Date(), nullable=False),
            *(sa.Column(name, sa.Text(), nullable=True) for name in _NAMES),
            sa.PrimaryKeyConstraint("call", name=op.f(f"pk_caller_numbers_{slot}")),
        )
    op.create_table(
        "caller_keys",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "month", name=op.f("pk_caller_keys")),
    )
    if not _sqlite():
        # Or ANALYZE keeps samples of what it found in a table of its own, and nothing empties that.
        hidden = [(slot.name, name) for slot in _slots for name in _NAMES] + [("caller_keys", "key")]
        for table, column in hidden:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
    op.add_column("records", sa.Column("caller_area", sa.Text(), nullable=True))
    op.add_column("records", sa.Column("caller_hash", sa.Text(), nullable=True))
    now = _now()
    _part(now)
    _clean_conflicts()
    if _sqlite():
        with op.batch_alter_table("records") as batch:
            batch.drop_column("diversion")
            batch.drop_column("ani")
        _sqlite_triggers(_SQLITE_YOUNG)
    else:
        op.drop_column("records", "diversion")
        op.drop_column("records", "ani")
        _index_by_trunk(sa.text("trunk_call_id <> ''"))
        # Anything that has to be computed writes the table anew, without what is dropped or was there before.
        op.execute("ALTER TABLE records ALTER COLUMN cause TYPE integer USING cause + 0")
        for statement in _POSTGRES:
            op.execute(statement)


def _index_by_trunk(where: Any) -> None:
    """Old records lose this id, and what all of them have in common would be one endless chain in a hash."""
    name = "ix_records_trunk_call_id"
    op.drop_index(name, "records")
    op.create_index(name, "records", ["trunk_call_id"], postgresql_using="hash", postgresql_where=where)


def _sqlite_triggers(delete_when: str) -> None:
    for change, when in (("UPDATE", ""), ("DELETE", delete_when)):
        op.execute(f"DROP TRIGGER IF EXISTS audit_no_{change}")
        op.execute(_SQLITE.format(change, when))


def _now() -> datetime:
    said: Any = context.config.attributes.get("now") or op.get_bind().scalar(
        sa.select(sa.func.current_timestamp(type_=_moment))
    )
    now: datetime = said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    return now


def _bound(moment: datetime) -> datetime:
    """SQLite's moments have no zone."""
    return moment.replace(tzinfo=None) if _sqlite() else moment


def _part(now: datetime) -> None:
    bind = op.get_bind()
    keys: dict[tuple[str, str], bytes] = {}
    since: dict[tuple[str, str], datetime] = {}
    last = ""
    while True:
        question = sa.select(_records).where(_records.c.call > last).order_by(_records.c.call).limit(_BATCH)
        rows = bind.execute(question).mappings().all()
        if not rows:
            break
        last = rows[-1]["call"]
        for row in rows:
            came = row["t_in"].replace(tzinfo=UTC) if row["t_in"].tzinfo is None else row["t_in"].astimezone(UTC)
            numbers = _numbers(row)
            changes: dict[str, Any] = {name: _what_stays(row, name) for name in numbers if name in _NAMES[2:]}
            ani = row["ani"]
            if ani is not None and _outside(ani) and now - came < _HASHES:
                whose = row["tenant"], f"{came.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m}"
                key = keys.setdefault(whose, secrets.token_bytes(32))
                since[whose] = min(came, since.get(whose, now))
                changes["caller_hash"] = hmac.digest(key, ani.encode(), "sha256").hex()
            if changes:
                bind.execute(_records.update().where(_records.c.call == row["call"]).values(changes))
            if numbers and came.date() > (now - _NUMBERS).date():
                slot = _slots[came.date().toordinal() % _SLOTS]
                bind.execute(slot.insert().values(call=row["call"], day=came.date(), **numbers))
    for whose, key in keys.items():
        made = {"tenant": whose[0], "month": whose[1], "key": key, "made_at": _bound(since[whose])}
        bind.execute(_keys.insert().values(made))


def _numbers(row: Any) -> dict[str, str]:
    """What of a record is somebody's number."""
    found = {name: row[name] for name in ("ani", "diversion") if row[name] is not None}
    if row["transferred_to"] is not None and _outside(row["transferred_to"]):
        found["transferred_to"] = row["transferred_to"]
    dialled = row["dialled"]
    if row["kind"] == "catch-all" and dialled and not (dialled.isascii() and dialled.isalnum() and len(dialled) <= 5):
        found["dialled"] = dialled
    return found


def _what_stays(row: Any, name: str) -> str | None:
    if name != "dialled":
        return None
    digits = row["dialled"].removeprefix("+")
    plain = digits.isascii() and digits.isdigit() and len(digits) > 5
    return row["dialled"][:-3] + "…" if plain else "…"


def _outside(text: str) -> bool:
    return sum(character.isdigit() for character in text) > 5


def _clean_conflicts() -> None:
    bind = op.get_bind()
    found = bind.execute(sa.select(_conflicts)).mappings().all()
    # Rows that are deleted leave their bytes behind there.
    bind.execute(_conflicts.delete() if _sqlite() else sa.text("TRUNCATE record_conflicts"))
    seen = set()
    for row in found:
        content = {"ani": None, "diversion": None, "transferred_to": None, "dialled": ""} | row["content"]
        content |= {name: _what_stays(content, name) for name in _numbers(content)}
        written = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        # The old one was of the number, too, and could be tried out.
        digest = hashlib.sha256(written.encode()).hexdigest()
        if (row["call"], digest) not in seen:
            seen.add((row["call"], digest))
            bind.execute(_conflicts.insert().values(**dict(row) | {"digest": digest, "content": content}))


def downgrade() -> None:
    op.add_column("records", sa.Column("ani", sa.Text(), nullable=True))
    op.add_column("records", sa.Column("diversion", sa.Text(), nullable=True))
    bind = op.get_bind()
    for slot in _slots:
        for row in bind.execute(sa.select(slot)).mappings().all():
            said = {name: row[name] for name in _NAMES if row[name] is not None}
            bind.execute(_records.update().where(_records.c.call == row["call"]).values(said))
    with op.batch_alter_table("records") as batch:
        batch.drop_column("caller_hash")
        batch.drop_column("caller_area")
    op.drop_table("caller_keys")
    for slot in _slots:
        op.drop_table(slot.name)
    if _sqlite():
        _sqlite_triggers("")
    else:
        _index_by_trunk(None)
        for statement in _POSTGRES_BACK:
            op.execute(statement)
