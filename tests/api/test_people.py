"""People who sign in at an identity provider: who gets in, who does not, and what an issuer's bad day costs."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import ssl
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec as curves
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey
from structlog.testing import capture_logs

from dialog_acd.api import issuer as issuer_module
from dialog_acd.api.issuer import Issuer, IssuerUnreadable
from dialog_acd.api.people import PeopleMisconfigured, people_of
from dialog_acd.api.problems import KeysUnavailable, NoRole, NotAuthenticated
from dialog_acd.api.tokens import Role, new_token
from dialog_acd.core.model import TenantId
from patience import soon
from records import served
from toy_issuer import DISCOVERY, KEYS, ToyIssuer, b64, ec, ed, hmac_token, rsa

from .conftest import NOON, TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import httpx

    from dialog_acd.api.people import People
    from dialog_acd.testing import ManualClock

    from .conftest import Book, Centre, Drawer, Shelf

ROLES = """
    acd-operators=operator; acd-leitstelle = supervisor; rathaus-langenhagen=town-admin:langenhagen;
    CN=Revision,OU=Gruppen,DC=region,DC=de=auditor
"""


@pytest.fixture
async def issuer(clock: ManualClock) -> AsyncIterator[ToyIssuer]:
    async with ToyIssuer(clock) as toy:
        yield toy


@pytest.fixture
async def people(issuer: ToyIssuer, clock: ManualClock) -> AsyncIterator[People]:
    people = people_of(issuer.url, "dialog-acd", "groups", ROLES, clock.now)
    assert people is not None
    yield people
    await people.issuer.close()


@pytest.fixture
def ask(stranger: httpx.AsyncClient) -> Ask:
    return Ask(stranger)


class Ask:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, token: str, path: str = "/api/v1/live", method: str = "GET") -> httpx.Response:
        with capture_logs():
            return await self._client.request(method, path, headers={"Authorization": f"Bearer {token}"})

    async def status(self, token: str, path: str = "/api/v1/live") -> int:
        return (await self(token, path)).status_code


# ---------------------------------------------------------------- who gets in


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [(rsa, "RS256"), (rsa, "RS512"), (rsa, "PS256"), (ec, "ES256"), (ed, "Ed25519")],
)
async def test_an_operator_signs_in(
    issuer: ToyIssuer, ask: Ask, book: Book, make: Callable[[str], Any], algorithm: str
) -> None:
    issuer.keys = [make("monday")]
    token = issuer.token(algorithm=algorithm)
    assert await ask.status(token, "/api/v1/directory") == 200
    assert (await ask(token, "/api/v1/agents/anna/ready", "POST")).status_code == 200
    [line] = book.lines
    assert (line.who, line.role, line.tenant, line.outcome) == ("erika.muster (e-1)", "operator", "langenhagen", "done")
    assert line.details == {"method": "POST", "status": 200, "token": "oidc:e-1"}


async def test_the_old_name_of_ed25519_is_a_name_too(issuer: ToyIssuer, ask: Ask) -> None:
    issuer.keys = [ed("monday")]
    with pytest.warns(SecurityWarning, match="deprecated"):
        token = issuer.token(algorithm="EdDSA")
    assert await ask.status(token) == 200  # and without a warning of ours: those are errors here


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "application/at+jwt", "AT+JWT", None])
async def test_id_tokens_and_access_tokens_are_both_good(issuer: ToyIssuer, ask: Ask, kind: str | None) -> None:
    said = {"typ": kind} if kind else {}
    token = issuer.token(header=said, aud=["account", "dialog-acd"], typ="Bearer", azp="desk", scope="openid")
    assert await ask.status(token) == 200


@pytest.mark.parametrize(
    ("group", "role"),
    [
        ("acd-operators", "operator"),
        ("acd-leitstelle", "supervisor"),
        ("rathaus-langenhagen", "town-admin"),
        ("CN=Revision,OU=Gruppen,DC=region,DC=de", "auditor"),
    ],
)
async def test_a_group_is_what_the_settings_say(people: People, issuer: ToyIssuer, group: str, role: str) -> None:
    found = await people.principal(issuer.token(groups=["everybody", group]))
    assert (found.role, found.tenant) == (role, "langenhagen" if role == "town-admin" else None)


async def test_a_towns_administrator_sees_the_own_town_only(
    issuer: ToyIssuer, ask: Ask, shelf: Shelf, book: Book
) -> None:
    shelf.kept = [replace(served(f"c{n}"), tenant=TenantId("langenhagen" if n % 2 else "hannover")) for n in range(4)]
    token = issuer.token(groups=["rathaus-langenhagen"], preferred_username="karl")
    assert [c["call"] for c in (await ask(token, "/api/v1/calls")).json()["calls"]] == ["c3", "c1"]
    assert await ask.status(token, "/api/v1/calls/c2") == 404
    answer = await ask(token, "/api/v1/agents/anna/ready", "POST")
    assert (answer.status_code, answer.json()["error_id"]) == (403, "not-allowed")
    [line] = book.lines
    assert (line.who, line.tenant, line.outcome) == ("karl (e-1)", "langenhagen", "refused")


async def test_of_several_groups_the_one_the_settings_say_first_counts(people: People, issuer: ToyIssuer) -> None:
    for groups in (["rathaus-langenhagen", "acd-leitstelle"], ["acd-leitstelle", "rathaus-langenhagen"]):
        assert (await people.principal(issuer.token(groups=groups))).role is Role.SUPERVISOR


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["offline", "acd-operators"]}}),
        ("https://region.de/groups", {"https://region.de/groups": ["acd-operators"]}),
        ("a.b.c", {"a": {"b": {"c": "acd-operators"}}}),
    ],
)
async def test_the_claim_may_lie_deeper(
    issuer: ToyIssuer, clock: ManualClock, claim: str, claims: dict[str, Any]
) -> None:
    people = people_of(issuer.url, "dialog-acd", claim, ROLES, clock.now)
    assert people is not None
    async with people.issuer:
        assert (await people.principal(issuer.token(groups=None, **claims))).role is Role.OPERATOR
        with pytest.raises(NoRole):  # and nowhere else
            await people.principal(issuer.token())


# ---------------------------------------------------------------- known there, nobody here


@pytest.mark.parametrize(
    "groups",
    [None, [], ["everybody"], "acd-operator", ["ACD-OPERATORS"], {"acd-operators": True}, 7, [["acd-operators"]]],
)
async def test_who_has_no_role_here_is_told_so_and_written_down(
    issuer: ToyIssuer, ask: Ask, book: Book, centre: Centre, groups: Any
) -> None:
    answer = await ask(issuer.token(groups=groups), "/api/v1/agents/anna/ready", "POST")
    assert (answer.status_code, answer.json()["error_id"]) == (403, "no-role")
    assert answer.json()["details"] == {"claim": "groups"}
    assert "ask the operator" in answer.json()["message"]
    assert centre.told == []
    [line] = book.lines
    assert (line.who, line.role, line.tenant, line.outcome) == ("erika.muster (e-1)", "", None, "refused")


async def test_who_has_no_role_and_insists_hides_nobody_else(issuer: ToyIssuer, ask: Ask, book: Book) -> None:
    for who in ["erika"] * 15 + ["karl"]:
        assert await ask.status(issuer.token(groups=[], preferred_username=who)) == 403
    assert [line.who for line in book.lines] == ["erika (e-1)"] * 10 + ["karl (e-1)"]


async def test_a_group_that_was_taken_away_ends_with_the_token(issuer: ToyIssuer, ask: Ask, clock: ManualClock) -> None:
    before = issuer.token()
    assert await ask.status(before) == 200
    clock.advance(200)
    after = issuer.token(groups=[])
    assert (await ask.status(after), await ask.status(before)) == (403, 200)
    clock.advance(130)
    assert await ask.status(before) == 401


@pytest.mark.parametrize(
    ("claims", "who"),
    [
        ({"preferred_username": "admin"}, "admin (e-1)"),  # the first operator's name alone is "admin"
        ({"preferred_username": None, "email": "e@rathaus.de"}, "e@rathaus.de (e-1)"),
        ({"preferred_username": "  "}, "somebody (e-1)"),
        ({"preferred_username": ["x"], "email": 7}, "somebody (e-1)"),
        ({"preferred_username": "a\nb\x00c\u202ed"}, "a\ufffdb\ufffdc\ufffdd (e-1)"),
        ({"preferred_username": "x" * 5000}, f"{'x' * 60} (e-1)"),
        ({"sub": "a\nb"}, "erika.muster (a\ufffdb)"),
        ({"preferred_username": "acd_the-token-of-somebody"}, "acd_*** (e-1)"),
    ],
)
async def test_a_name_is_readable_and_nobody_elses(
    issuer: ToyIssuer, ask: Ask, book: Book, claims: dict[str, Any], who: str
) -> None:
    assert (await ask(issuer.token(**claims), "/api/v1/agents/anna/ready", "POST")).status_code == 200
    assert book.lines[0].who == who


# ---------------------------------------------------------------- tokens that are not in force


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "another-service"}, "aud"),
        ({"aud": ["account", "another-service"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": {"dialog-acd": True}}, "aud"),
        ({"iss": "https://login.another-town.de"}, "iss"),
        ({"iss": None}, "iss"),
        ({"iss": ["x"]}, "iss"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"exp": 0}, "exp"),
        ({"nbf": NOON.timestamp() + 31}, "not yet valid"),
        ({"iat": NOON.timestamp() + 31}, "in the future"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "x" * 256}, "subject"),
    ],
)
async def test_a_token_that_is_not_for_us_or_not_for_now(
    issuer: ToyIssuer, ask: Ask, book: Book, claims: dict[str, Any], why: str
) -> None:
    answer = await ask(issuer.token(**claims), "/api/v1/agents/anna/ready", "POST")
    # In the very words everybody gets who brings a wrong token; the reason is the operator's.
    assert answer.text == (await ask("acd_somebody-elses")).text
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    line = book.lines[0]
    assert (line.who, line.role, line.outcome) == ("nobody", "", "refused")
    assert why in line.details["why"]


async def test_clocks_may_differ_by_half_a_minute(issuer: ToyIssuer, ask: Ask, clock: ManualClock) -> None:
    token = issuer.token(nbf=int(NOON.timestamp()) + 30, iat=int(NOON.timestamp()) + 30)
    assert await ask.status(token) == 200
    clock.advance(329)
    assert await ask.status(token) == 200
    clock.advance(1)
    assert await ask.status(token) == 401


# ---------------------------------------------------------------- forgeries


def unsigned(issuer: ToyIssuer, name: str) -> str:
    return f"{b64({'alg': name, 'kid': 'monday'})}.{b64(issuer.claims())}."


def by_public_key(issuer: ToyIssuer, secret: bytes) -> str:
    return hmac_token({"alg": "HS256", "kid": "monday"}, issuer.claims(), secret)


FORGERIES: dict[str, Callable[[ToyIssuer], str]] = {
    "alg none": lambda toy: unsigned(toy, "none"),
    "alg None": lambda toy: unsigned(toy, "None"),
    "alg NONE": lambda toy: unsigned(toy, "NONE"),
    "alg empty": lambda toy: unsigned(toy, ""),
    "no signature": lambda toy: unsigned(toy, "RS256"),
    "HMAC by the public key, PEM": lambda toy: by_public_key(toy, rsa("monday").as_pem(private=False)),
    "HMAC by the public key, PEM without its last line break": lambda toy: by_public_key(
        toy, rsa("monday").as_pem(private=False).strip()
    ),
    "HMAC by the public key, DER": lambda toy: by_public_key(toy, rsa("monday").as_der(private=False)),
    "HMAC by the public key, JSON": lambda toy: by_public_key(
        toy, json.dumps(rsa("monday").as_dict(private=False)).encode()
    ),
    "HMAC by nothing": lambda toy: by_public_key(toy, b""),
    "another's key under the same name": lambda toy: toy.token(rsa("thief"), header={"kid": "monday"}),
    "another's key and no name": lambda toy: toy.token(rsa("thief"), header={"kid": None}),
    "brings its own key": lambda toy: toy.token(
        rsa("thief"), header={"kid": None, "jwk": rsa("thief").as_dict(private=False)}
    ),
    "says where its key lies": lambda toy: toy.token(rsa("thief"), header={"kid": "thief", "jku": f"{toy.url}/thief"}),
    "an algorithm the key is not for": lambda toy: toy.token(ec("thief"), header={"kid": "monday"}),
    "a key that is published to encrypt": lambda toy: toy.token(rsa("vault")),
    "a key too short": lambda toy: toy.token(rsa("short", 1024)),
    "a secret that was published": lambda toy: hmac_token(
        {"alg": "HS256", "kid": "secret"}, toy.claims(), b"a-secret-of-some-length-for-hmac"
    ),
    "a private key that was published": lambda toy: toy.token(ec("leaked")),
    "a key pinned to another algorithm": lambda toy: toy.token(rsa("pinned"), "PS256"),
    "a logout token": lambda toy: toy.token(header={"typ": "logout+jwt"}),
    "a type that is no text": lambda toy: f"{b64({'alg': 'RS256', 'typ': ['JWT']})}.{b64(toy.claims())}.AAAA",
    "an extension nobody knows": lambda toy: forged_header(toy, {"crit": ["exp2"], "exp2": 1}),
    "an extension that changes how it is signed": lambda toy: forged_header(toy, {"crit": ["b64"], "b64": False}),
    "a key's name that is no text": lambda toy: f"{b64({'alg': 'RS256', 'kid': ['monday']})}.{b64(toy.claims())}.AAAA",
    "an algorithm that is no text": lambda toy: f"{b64({'alg': ['RS256']})}.{b64(toy.claims())}.AAAA",
    "a header that is a list": lambda toy: f"{b64('[]')}.{b64(toy.claims())}.AAAA",
    "a header like a well": lambda toy: f"{b64('[' * 3000)}.{b64(toy.claims())}.AAAA",
    "nothing in it": lambda _: "a..",
    "claims changed afterwards": lambda toy: changed(toy.token(groups=[]), toy.claims()),
}


def forged_header(toy: ToyIssuer, said: dict[str, Any]) -> str:
    """Signed by hand with the issuer's own key: a header the library would not sign."""
    key = rsa("monday").private_key
    assert key is not None
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    signed = f"{b64({'alg': 'RS256', 'kid': 'monday'} | said)}.{b64(toy.claims())}"
    return f"{signed}.{b64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def changed(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{b64(claims)}.{signature}"


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_what_the_issuer_has_not_signed_opens_nothing(
    issuer: ToyIssuer, ask: Ask, centre: Centre, forgery: str
) -> None:
    keys = issuer.stock()
    keys[KEYS]["keys"] += [
        rsa("vault").as_dict(private=False) | {"use": "enc"},
        rsa("short", 1024).as_dict(private=False),
        rsa("pinned").as_dict(private=False) | {"alg": "RS256"},
        OctKey.import_key("a-secret-of-some-length-for-hmac", {"kid": "secret"}).as_dict(private=True),
        ec("leaked").as_dict(private=True),
        {"kty": "AKP", "kid": "of-tomorrow", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": 7},
        "no key",
    ]
    issuer.answers(KEYS, keys[KEYS])
    assert await ask.status(issuer.token()) == 200
    assert await ask.status(issuer.token(rsa("pinned"))) == 200
    answer = await ask(FORGERIES[forgery](issuer), "/api/v1/agents/anna/ready", "POST")
    assert (answer.status_code, answer.json()["error_id"]) == (401, "not-authenticated")
    assert centre.told == []
    assert {path for path in issuer.paths if path != DISCOVERY} == {KEYS}


@pytest.mark.parametrize("forgery", [name for name in FORGERIES if name.startswith(("alg", "HMAC"))])
async def test_what_anybody_could_have_signed_is_refused_before_a_key_is_looked_for(
    issuer: ToyIssuer, ask: Ask, book: Book, forgery: str
) -> None:
    assert await ask.status(FORGERIES[forgery](issuer)) == 401
    assert book.lines[0].details["why"].endswith("none of ours")
    assert issuer.asked == []


async def test_a_key_counts_under_its_own_name(issuer: ToyIssuer, ask: Ask) -> None:
    assert await ask.status(issuer.token(header={"kid": "another"})) == 401
    assert await ask.status(issuer.token()) == 200


async def test_the_hand_that_forges_headers_could_sign(issuer: ToyIssuer, ask: Ask) -> None:
    """Or the two forgeries above would be refused for a poor signature."""
    assert await ask.status(forged_header(issuer, {"x5t": "AAAA", "of-somebody": "harmless"})) == 200


async def test_another_issuers_people_are_not_ours(
    issuer: ToyIssuer, ask: Ask, clock: ManualClock, stranger: httpx.AsyncClient
) -> None:
    """Neither under its own name nor under ours, though key, person, group and audience bear the same names."""
    async with ToyIssuer(clock, rsa("monday-elsewhere")) as other:
        theirs = other.token(header={"kid": "monday"})
        passed_off = other.token(header={"kid": "monday"}, iss=issuer.url)
        assert (await ask.status(theirs), await ask.status(passed_off)) == (401, 401)
        assert await ask.status(issuer.token(iss=other.url)) == 401
        assert other.asked == []
        # It cannot say either that ours is its own: the document has to bear the name it was asked under.
        other.answers(DISCOVERY, issuer.stock()[DISCOVERY])
        with pytest.raises(IssuerUnreadable, match="calls itself"):
            async with Issuer(other.url, "dialog-acd", clock.now) as reader:
                await reader.read()


async def test_a_token_without_end_is_not_looked_at(
    issuer: ToyIssuer, ask: Ask, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, huge = issuer.token(), issuer.token(filler="x" * 40_000)
    monkeypatch.setattr(issuer_module, "LONGEST", len(token))
    assert await ask.status(huge) == 401
    assert await ask.status(f"{token}A") == 401
    assert [line.details["why"] for line in book.lines] == [f"longer than {len(token)} characters"] * 2
    assert issuer.asked == []
    assert await ask.status(token) == 200


async def test_two_hundred_groups_fit(issuer: ToyIssuer, ask: Ask) -> None:
    groups = [f"6f1c2a0e-0000-4000-8000-{n:012}" for n in range(200)]
    assert await ask.status(issuer.token(groups=[*groups, "acd-operators"])) == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "groups", "preferred_username", "email"])
FEW = settings(
    max_examples=settings().max_examples // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FEW
@given(odd=st.dictionaries(NAMES, JSON, max_size=3))
async def test_whatever_the_issuer_signs_somebody_is_let_in_or_not(
    people: People, issuer: ToyIssuer, odd: dict[str, Any]
) -> None:
    try:
        found = await people.principal(issuer.token(**odd))
    except (NotAuthenticated, NoRole):
        return
    assert found.role is Role.OPERATOR
    assert found.name.isprintable()


@FEW
@given(header=JSON | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), JSON), claims=JSON)
async def test_whatever_a_stranger_writes_is_refused(people: People, header: Any, claims: Any) -> None:
    for algorithm in ({}, {"alg": "RS256"}):
        told = header | algorithm if isinstance(header, dict) else header
        token = f"{b64(json.dumps(told))}.{b64(json.dumps(claims))}.{b64('signed by me')}"
        with pytest.raises(NotAuthenticated):
            await people.principal(token)


# ---------------------------------------------------------------- keys come and go


async def test_a_new_key_is_found_when_it_is_first_named(issuer: ToyIssuer, ask: Ask, clock: ManualClock) -> None:
    assert await ask.status(issuer.token()) == 200
    issuer.keys = [rsa("tuesday"), rsa("monday")]
    clock.advance(10)
    assert await ask.status(issuer.token()) == 200
    assert await ask.status(issuer.token(rsa("monday"))) == 200  # still announced
    assert issuer.paths == [DISCOVERY, KEYS] * 2


async def test_a_withdrawn_key_ends_within_minutes_and_nobody_waits_for_that(
    issuer: ToyIssuer, ask: Ask, clock: ManualClock, people: People
) -> None:
    token = issuer.token(exp=NOON.timestamp() + 3600)
    assert await ask.status(token) == 200
    issuer.keys = [rsa("tuesday")]
    clock.advance(299)
    assert await ask.status(token) == 200
    assert len(issuer.asked) == 2
    clock.advance(1)
    assert await ask.status(token) == 200  # this one has set off the reading
    await reading(people)
    assert len(issuer.asked) == 4
    assert await ask.status(token) == 401


def reading(people: People) -> asyncio.Task[None]:
    assert people.issuer._reading is not None
    return people.issuer._reading


async def test_a_token_that_names_no_key_is_good_where_there_is_one(issuer: ToyIssuer, ask: Ask) -> None:
    bare = {"kid": None}
    assert await ask.status(issuer.token(header=bare)) == 200
    issuer.keys = [rsa("monday"), ec("monday-2")]
    assert await ask.status(issuer.token(header=bare)) == 200


async def test_where_there_are_several_a_token_has_to_name_its_own(issuer: ToyIssuer, ask: Ask) -> None:
    issuer.keys = [rsa("monday"), rsa("tuesday")]
    assert await ask.status(issuer.token(header={"kid": None})) == 401
    assert await ask.status(issuer.token()) == 200


async def test_an_issuer_that_names_no_keys_may_change_them_too(
    issuer: ToyIssuer, ask: Ask, clock: ManualClock
) -> None:
    bare = {"kid": None}
    assert await ask.status(issuer.token(header=bare)) == 200
    issuer.keys = [rsa("tuesday")]
    clock.advance(10)
    assert await ask.status(issuer.token(header=bare)) == 200


async def test_strangers_who_invent_keys_do_not_make_us_a_nuisance(
    issuer: ToyIssuer, ask: Ask, clock: ManualClock, drawer: Drawer
) -> None:
    assert await ask.status(issuer.token()) == 200
    for n in range(300):
        clock.advance(0.1)
        assert await ask.status(issuer.token(rsa("thief"), header={"kid": f"key-{n}"})) == 401
    assert len(issuer.asked) <= 2 * (1 + 30 / 10)
    assert drawer.looked == 0
    assert await ask.status(issuer.token()) == 200


async def test_many_at_once_cause_one_reading(issuer: ToyIssuer, people: People) -> None:
    found = await asyncio.gather(*(people.principal(issuer.token(sub=f"e-{n}")) for n in range(30)))
    assert {who.name for who in found} == {f"erika.muster (e-{n})" for n in range(30)}
    assert issuer.paths == [DISCOVERY, KEYS]


async def test_who_leaves_takes_nobody_elses_answer_along(issuer: ToyIssuer, people: People) -> None:
    go_on = asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        issuer.manners.pop(DISCOVERY)
        issuer.answers("now", issuer.stock()[DISCOVERY])
        await issuer.manners["now"](writer)

    issuer.manners[DISCOVERY] = slowly
    first, second = (asyncio.create_task(people.principal(issuer.token(sub=name))) for name in ("a", "b"))
    await soon(lambda: bool(issuer.asked), pause=0.01)
    first.cancel()
    await asyncio.wait({first})
    go_on.set()
    assert (await second).name == "erika.muster (b)"
    assert issuer.paths == [DISCOVERY, KEYS]


# ---------------------------------------------------------------- the issuer's bad days


async def test_an_issuer_that_is_away_locks_out_only_whom_it_alone_knows(
    issuer: ToyIssuer, ask: Ask, drawer: Drawer, clock: ManualClock, book: Book
) -> None:
    drawer.give("acd_of-the-supervisor", Role.SUPERVISOR)
    token = issuer.token(exp=NOON.timestamp() + 9000)
    await issuer.leave()
    answer = await ask(token, "/api/v1/agents/anna/ready", "POST")
    assert (answer.status_code, answer.json()["error_id"]) == (503, "keys-unavailable")
    assert "identity provider" in answer.json()["message"]
    assert book.lines[0].outcome == "refused"
    assert (await ask.status("acd_of-the-supervisor"), await ask.status(TOKEN)) == (200, 200)
    async with issuer:
        assert await ask.status(token) == 503  # not asked again so soon
        clock.advance(10)
        assert await ask.status(token) == 200


async def test_known_keys_go_on_for_an_hour(issuer: ToyIssuer, ask: Ask, clock: ManualClock) -> None:
    token = issuer.token(exp=NOON.timestamp() + 9000)
    assert await ask.status(token) == 200
    await issuer.leave()
    clock.advance(3599)
    assert await ask.status(token) == 200
    # Who names a key we do not know may be right, and cannot be told now.
    assert await ask.status(issuer.token(rsa("tuesday"), exp=NOON.timestamp() + 9000)) == 503
    assert await ask.status(changed(token, issuer.claims(sub="thief"))) == 401
    clock.advance(1)
    assert await ask.status(token) == 503


async def test_a_clock_set_back_makes_no_key_young(issuer: ToyIssuer) -> None:
    now = [NOON]
    people = people_of(issuer.url, "dialog-acd", "groups", ROLES, lambda: now[0])
    assert people is not None
    async with people.issuer:
        await people.principal(issuer.token())
        now[0] -= timedelta(hours=5)
        await issuer.leave()
        with capture_logs(), pytest.raises(KeysUnavailable):
            await people.principal(issuer.token(iat=None))


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        await writer.drain()


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.rathaus.de ESMTP\r\n")
    await writer.drain()


BAD_DAYS: dict[str, tuple[Callable[[ToyIssuer], None], str]] = {
    "silent": (lambda toy: toy.manners.update({DISCOVERY: silent}), "has not answered within"),
    "silent about its keys": (lambda toy: toy.manners.update({KEYS: silent}), "has not answered within"),
    "drips": (lambda toy: toy.manners.update({KEYS: dripping}), "has not answered within"),
    "never ends": (lambda toy: toy.manners.update({KEYS: endless}), "answers more than 262144 bytes"),
    "speaks something else": (lambda toy: toy.manners.update({DISCOVERY: no_http}), "cannot be read"),
    "broken": (lambda toy: toy.answers(DISCOVERY, "sorry", "500 Oops"), "answers 500"),
    "moved": (
        lambda toy: toy.answers(DISCOVERY, "", "302 Found", f"Location: {toy.url}/elsewhere"),
        "answers 302; 200 is needed, and no redirect",
    ),
    "moved its keys": (lambda toy: toy.answers(KEYS, "", "307 T", f"Location: {toy.url}/elsewhere"), "answers 307"),
    "compressed": (
        lambda toy: toy.answers(KEYS, gzip.compress(b" " * 10**7), "200 OK", "Content-Encoding: gzip"),
        "encoding nobody asked for",
    ),
    "no JSON": (lambda toy: toy.answers(DISCOVERY, "<html>Sign in</html>"), "is not a JSON object"),
    "a list": (lambda toy: toy.answers(DISCOVERY, "[]"), "is not a JSON object"),
    "a well": (lambda toy: toy.answers(KEYS, "[" * 100_000), "is not a JSON object"),
    "no text": (lambda toy: toy.answers(KEYS, b"\xff\xfe\x00"), "is not a JSON object"),
    "another name": (
        lambda toy: toy.answers(DISCOVERY, toy.stock()[DISCOVERY] | {"issuer": f"{toy.url}/"}),
        "to the letter, a slash at the end included",
    ),
    "no name": (lambda toy: toy.answers(DISCOVERY, {"jwks_uri": f"{toy.url}{KEYS}"}), "calls itself None"),
    "no place": (lambda toy: toy.answers(DISCOVERY, {"issuer": toy.url}), "jwks_uri .* is no text"),
    "an open place": (
        lambda toy: toy.answers(DISCOVERY, toy.stock()[DISCOVERY] | {"jwks_uri": "http://10.0.0.1/keys"}),
        "jwks_uri .* has to begin with https://",
    ),
    "a file": (
        lambda toy: toy.answers(DISCOVERY, toy.stock()[DISCOVERY] | {"jwks_uri": "file:///etc/passwd"}),
        "jwks_uri .* is no address",
    ),
    "a place with a password": (
        lambda toy: toy.answers(DISCOVERY, toy.stock()[DISCOVERY] | {"jwks_uri": "https://me:pw@127.0.0.1/keys"}),
        "jwks_uri .* has a name or a password in it",
    ),
    "no keys": (lambda toy: toy.answers(KEYS, {"keys": []}), "no public key that could sign"),
    "keys that are no list": (lambda toy: toy.answers(KEYS, {"keys": {"a": 1}}), "no public key that could sign"),
    "keys for something else": (
        lambda toy: toy.answers(KEYS, {"keys": [rsa("vault").as_dict(private=False) | {"use": "enc"}]}),
        "no public key that could sign",
    ),
}


@pytest.mark.parametrize("day", BAD_DAYS)
async def test_whatever_the_issuer_does_it_is_503_and_the_operator_is_told_why(
    issuer: ToyIssuer, people: People, ask: Ask, monkeypatch: pytest.MonkeyPatch, day: str
) -> None:
    monkeypatch.setattr(issuer_module, "READ_WITHIN", 0.15)
    spoil, why = BAD_DAYS[day]
    spoil(issuer)
    with pytest.raises(IssuerUnreadable, match=why):
        await people.issuer.read()
    assert await ask.status(issuer.token()) == 503
    assert (await ask.status(TOKEN), await ask.status(new_token())) == (200, 401)
    assert "/elsewhere" not in issuer.paths


async def test_a_bad_answer_does_not_undo_a_good_one(
    issuer: ToyIssuer, people: People, ask: Ask, clock: ManualClock
) -> None:
    token = issuer.token(exp=NOON.timestamp() + 9000)
    assert await ask.status(token) == 200
    issuer.answers(KEYS, {"keys": []})
    clock.advance(301)
    assert await ask.status(token) == 200
    with capture_logs():
        await reading(people)
    assert len(issuer.asked) == 4
    assert await ask.status(token) == 200


async def test_it_says_once_that_the_issuer_is_away_and_once_that_it_is_back(
    issuer: ToyIssuer, people: People, clock: ManualClock
) -> None:
    with capture_logs() as lines:
        await issuer.leave()
        for _ in range(3):
            with pytest.raises(KeysUnavailable):
                await people.principal(issuer.token())
            clock.advance(10)
        async with issuer:
            for _ in range(3):
                await people.principal(issuer.token())
                await soon(reading(people).done, pause=0.01)
                clock.advance(301)
            assert len(issuer.asked) == 6
    assert [line["event"] for line in lines] == ["issuer.not_read", "issuer.read"]


async def test_a_service_that_stops_does_not_wait_for_the_issuer(issuer: ToyIssuer, people: People) -> None:
    issuer.manners[DISCOVERY] = silent
    people.issuer.look()
    await soon(lambda: bool(issuer.asked), pause=0.01)
    async with asyncio.timeout(1):
        await people.issuer.close()


# ---------------------------------------------------------------- beside our own tokens


async def test_our_own_tokens_are_never_told_to_the_issuer_and_theirs_never_to_our_database(
    issuer: ToyIssuer, ask: Ask, drawer: Drawer
) -> None:
    ours = new_token()
    drawer.give(ours, Role.SUPERVISOR)
    assert [await ask.status(token) for token in (ours, TOKEN, new_token(), "acd_x.y", "a.b.c.d")] == [200, 200] + [
        401
    ] * 3
    assert issuer.asked == []
    looked, token = drawer.looked, issuer.token()
    assert await ask.status(token) == 200
    assert drawer.looked == looked
    # What is read there is public, and asked for without a word about anybody.
    assert issuer.paths == [DISCOVERY, KEYS]
    told = "".join(issuer.asked).lower()
    assert not any(word in told for word in (ours, token[:20].lower(), "authorization", "cookie", "erika"))


@pytest.mark.parametrize("people", [None])
async def test_without_an_identity_provider_its_tokens_open_nothing(people: None, clock: ManualClock, ask: Ask) -> None:
    async with ToyIssuer(clock) as toy:
        assert await ask.status(toy.token()) == 401
        assert toy.asked == []


async def test_the_contract_names_both_kinds_of_token(operator: httpx.AsyncClient) -> None:
    [scheme] = (await operator.get("/openapi.json")).json()["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert "dialog-acd token create" in scheme["description"]
    assert "identity provider" in scheme["description"]


# ---------------------------------------------------------------- TLS


def certificate(folder: Path) -> Path:
    """A town's own authority, which is its server too."""
    key = curves.generate_private_key(curves.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stadt Langenhagen")])
    now = dt.datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "town.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("trusted", [True, False])
async def test_the_authorities_the_machine_trusts_count_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock, *, trusted: bool
) -> None:
    path = certificate(tmp_path)
    if trusted:
        here = ssl.get_default_verify_paths()._replace(openssl_cafile=str(path))
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: here)
    monkeypatch.setattr(issuer_module, "trusted", issuer_module.trusted.__wrapped__)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(path)
    async with ToyIssuer(clock, tls=tls) as toy:
        url = f"https://localhost:{toy.port}"
        toy.answers(DISCOVERY, {"issuer": url, "jwks_uri": f"{url}{KEYS}"})
        async with Issuer(url, "dialog-acd", clock.now) as reader:
            if trusted:
                assert await reader.read() == f"{url} signs with 1 key (RSA)"
            else:
                with pytest.raises(IssuerUnreadable, match="CERTIFICATE_VERIFY_FAILED"):
                    await reader.read()


# ---------------------------------------------------------------- settings


def configured(**changed: str) -> People | None:
    said = {"issuer": "https://login.region.de", "audience": "dialog-acd", "claim": "groups", "roles": "a=operator"}
    return people_of(**(said | changed), now=lambda: NOON)


async def test_the_settings_are_read_line_by_line() -> None:
    people = configured(roles=ROLES)
    assert people is not None
    assert {name: (place.role, place.tenant) for name, place in people.places.items()} == {
        "acd-operators": ("operator", None),
        "acd-leitstelle": ("supervisor", None),
        "rathaus-langenhagen": ("town-admin", "langenhagen"),
        "CN=Revision,OU=Gruppen,DC=region,DC=de": ("auditor", None),
    }


def test_nothing_set_is_nobody() -> None:
    assert configured(issuer="", audience="", roles="") is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"issuer": ""}, "ACD_OIDC__ISSUER: is missing"),
        ({"audience": " "}, "ACD_OIDC__AUDIENCE: is missing"),
        ({"claim": ""}, "ACD_OIDC__CLAIM: is missing"),
        ({"roles": ""}, "ACD_OIDC__ROLES: is missing"),
        ({"issuer": "login.region.de"}, "'login.region.de' is no address"),
        ({"issuer": "http://login.region.de"}, "has to begin with https://"),
        ({"issuer": "http://127.0.0.1.region.de"}, "has to begin with https://"),
        ({"issuer": "ftp://127.0.0.1"}, "has to begin with https://"),
        ({"issuer": "https://me:pw@login.region.de"}, "has a name or a password in it"),
        ({"issuer": "https://login.region.de?realm=x"}, "ends in a question"),
        ({"issuer": "https://login.region.de\n"}, "is no address"),
        ({"issuer": "https:// login.region.de"}, "is no address"),
        ({"roles": "acd-operators"}, "'acd-operators' is not GROUP=ROLE or GROUP=ROLE:TOWN"),
        ({"roles": "=operator"}, "is not GROUP=ROLE"),
        ({"roles": "a="}, "is not GROUP=ROLE"),
        ({"roles": "a=emperor"}, "names no role; there are: operator, town-admin, supervisor, auditor, desk"),
        ({"roles": "a=town-admin"}, "a town-admin needs a town"),
        ({"roles": "a=town-admin:"}, "names no town after the colon"),
        ({"roles": "a=operator:laatzen"}, "has no limits at a town's border"),
        ({"roles": "a=operator, b=auditor"}, "is more than one: they are separated by a semicolon"),
        ({"roles": "a=auditor:laatzen,b=auditor"}, "is more than one"),
        ({"roles": "a=operator; a=auditor"}, "'a' is there twice"),
    ],
)
def test_settings_that_cannot_be_used_are_named(changed: dict[str, str], told: str) -> None:
    with pytest.raises(PeopleMisconfigured) as caught:
        configured(**changed)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(PeopleMisconfigured) as caught:
        configured(issuer="", audience="", roles="a=x; b=y")
    assert str(caught.value).count("ACD_OIDC__") == 4


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8080", "http://localhost/realms/x", "http://[::1]:1"])
def test_on_this_very_machine_no_tls_is_needed(issuer: str) -> None:
    assert configured(issuer=issuer) is not None


# ---------------------------------------------------------------- agents, and people of two sides


async def test_an_agent_is_who_the_claim_says(issuer: ToyIssuer, clock: ManualClock) -> None:
    roles = "acd-agents=agent; personalrat=staff-council; acd-leitstelle=supervisor"
    people = people_of(issuer.url, "dialog-acd", "groups", roles, clock.now, "acd_agent")
    assert people is not None
    found = await people.principal(issuer.token(groups=["acd-agents"], acd_agent="anna"))
    assert (found.role, found.tenant, found.agent) == (Role.AGENT, None, "anna")
    for nobody in ({}, {"acd_agent": ["anna", "bert"]}, {"acd_agent": 7}):
        with pytest.raises(NoRole):
            await people.principal(issuer.token(groups=["acd-agents"], **nobody))
    both = await people.principal(issuer.token(groups=["acd-leitstelle", "personalrat"], acd_agent="anna"))
    assert (both.role, both.also, both.agent) == (Role.STAFF_COUNCIL, frozenset({Role.SUPERVISOR}), None)
    roles = "personalrat=staff-council; acd-agents=agent"
    council = people_of(issuer.url, "dialog-acd", "groups", roles, clock.now, "acd_agent")
    assert council is not None
    for claims, agent in (({"acd_agent": "anna"}, "anna"), ({}, None), ({"acd_agent": ["anna", "bert"]}, None)):
        told = await council.principal(issuer.token(groups=["acd-agents", "personalrat"], **claims))
        assert (told.role, told.also, told.agent) == (Role.STAFF_COUNCIL, frozenset({Role.AGENT}), agent)
    await council.issuer.close()
    await people.issuer.close()


def test_agents_cannot_sign_in_without_that_claim() -> None:
    with pytest.raises(PeopleMisconfigured, match="ACD_OIDC__AGENT_CLAIM"):
        people_of("https://login.example", "dialog-acd", "groups", "acd-agents=agent", lambda: NOON)
