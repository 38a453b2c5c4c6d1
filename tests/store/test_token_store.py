"""Tokens are kept as hashes, end when they are told to, and whoever makes or ends one is in the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dialog_acd.api.tokens import digest, new_token
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.token_store import NoSuchToken, Token, TokenStore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


async def make(store: TokenStore, name: str, token: str, tenant: str | None = None) -> Token:
    return await store.create(
        name=name,
        role="town-admin" if tenant else "supervisor",
        tenant=tenant,
        digest=digest(token),
        at=NINE,
        expires_at=NINE + timedelta(days=90),
    )


async def test_what_is_kept_is_not_the_token(engine: AsyncEngine) -> None:
    store, token = TokenStore(engine), new_token()
    made = await make(store, "rathaus", token, "langenhagen")
    assert await store.all() == await store.live() == [made]
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM tokens"))).all()
    assert digest(token) in str(rows)
    assert token not in str(rows)


async def test_a_revoked_token_is_listed_and_no_longer_live(engine: AsyncEngine) -> None:
    store = TokenStore(engine)
    gone, stays = await make(store, "gone", new_token()), await make(store, "stays", new_token())
    assert (await store.revoke(gone.id, NINE + timedelta(hours=1))).revoked_at is None
    assert [t.id for t in await store.live()] == [stays.id]
    again = await store.revoke(gone.id, NINE + timedelta(hours=2))
    assert again.revoked_at == NINE + timedelta(hours=1)
    assert {t.id: t.revoked_at for t in await store.all()} == {gone.id: again.revoked_at, stays.id: None}


async def test_nobody_revokes_what_is_not_there(engine: AsyncEngine) -> None:
    with pytest.raises(NoSuchToken, match="no token 'x'; `dialog-acd token list` shows them"):
        await TokenStore(engine).revoke("x", NINE)


async def test_two_tokens_are_never_the_same(engine: AsyncEngine) -> None:
    store, token = TokenStore(engine), new_token()
    await make(store, "one", token)
    with pytest.raises(IntegrityError):
        await make(store, "two", token)
    assert len(await AuditStore(engine).page(10, None, None)) == 1


async def test_a_town_reads_that_somebody_was_given_a_key_to_it(engine: AsyncEngine) -> None:
    store = TokenStore(engine)
    ours = await make(store, "rathaus", new_token(), "langenhagen")
    await make(store, "leitstelle", new_token())
    await store.revoke(ours.id, NINE + timedelta(days=1))
    await store.revoke(ours.id, NINE + timedelta(days=2))
    lines = await AuditStore(engine).page(10, None, "langenhagen")
    assert [(line.at, line.who, line.action, line.about) for line in lines] == [
        (NINE + timedelta(days=1), "command-line", "tokens.revoke", ours.id),
        (NINE, "command-line", "tokens.create", ours.id),
    ]
    assert lines[1].details == {"name": "rathaus", "role": "town-admin", "expires_at": "2027-02-21T08:00:00+00:00"}
