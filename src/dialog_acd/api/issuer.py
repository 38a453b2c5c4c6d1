"""The identity provider: which keys it signs with, and whether one of them has signed this token.

People sign in there (OpenID Connect), not here. What they present is a JWT (RFC 7519), and whoever has the issuer's
public keys can tell a true one from a forged one without asking anybody: no request of ours ever carries a token.
The keys are where the issuer's discovery document says (OpenID Connect Discovery 1.0, section 4).

Four things make this less simple than it sounds:

* Keys change, announced by nothing but a token that names one we do not know. So that makes us read again, but not
  more often than ``AGAIN_AFTER``: naming a key costs a stranger nothing, and the issuer would take us for the attacker.
* A key that was withdrawn must end here too, so they are read every ``FRESH_FOR`` all the same; aside, nobody waits.
* The issuer may be away. What it has said goes on counting for ``KEPT_FOR``; after that nobody can say whether a
  token is true, which is told as such (503) and not as the token's fault.
* Everything in a token is a stranger's word until its signature is checked. Its header may choose a key of the
  issuer's and an algorithm that this key is for, and nothing else (RFC 8725, sections 3.1 and 3.2): only signatures by
  a private key count, so neither "none" nor an HMAC made with the public key is one, and keys and addresses that a
  token brings along are not looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import warnings
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import httpx2
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from dialog_acd.api.problems import KeysUnavailable, NotAuthenticated
from dialog_acd.core.errors import DialogAcdError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    PublicKey = RSAKey | ECKey | OKPKey

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("EdDSA", "Ed25519"),
)
"""RFC 7518, 8037 and 9864: those where only the issuer can sign."""
_TYPES = frozenset({"", "jwt", "at+jwt"})
"""Header ``typ`` of an ID token and of an access token (RFC 9068). A logout token, say, is signed by the same keys."""

FRESH_FOR = timedelta(minutes=5)
AGAIN_AFTER = timedelta(seconds=10)
KEPT_FOR = timedelta(hours=1)
READ_WITHIN = 5.0
"""Seconds for both documents together."""
LEEWAY = 30
"""Seconds by which the issuer's clock and ours may differ."""
LONGEST = 16_384
"""Characters of a token. One with two hundred groups has some ten thousand."""
DOCUMENT_LIMIT = 256 * 1024
"""Bytes."""
KEYS_AT_MOST = 100
RSA_LEAST = 2048
"""Bits; RFC 7518, section 3.3."""

log = structlog.get_logger(__name__)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class IssuerUnreadable(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The identity provider's documents are not there, or not as they have to be."""

    error_id = "issuer-unreadable"


class Issuer:
    """Remembers an identity provider's keys. To be closed, or used as a context."""

    def __init__(self, url: str, audience: str, now: Callable[[], datetime]) -> None:
        """``url``: as its tokens say it, to the letter; ``audience``: as they say whom they are for."""
        self._url, self._audience, self._now = url, audience, now
        self._keys: tuple[PublicKey, ...] = ()
        self._read_at = self._tried_at = _NEVER
        self._failing = ""
        self._reading: asyncio.Task[None] | None = None
        self._registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        self._registry.max_header_length = 4096  # some issuers send a chain of certificates along
        # No proxy and nothing else is taken from the environment. Each reading has its own connections, as there are
        # minutes between two.
        self._client = httpx2.AsyncClient(
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            verify=trusted(),
            trust_env=False,
            timeout=READ_WITHIN,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await self._client.aclose()

    async def claims(self, token: str) -> dict[str, Any]:
        """What the issuer says about who holds this token.

        Raises ``NotAuthenticated`` for a token that is not the issuer's, not for us or not in force, and
        ``KeysUnavailable`` when nobody can tell.
        """
        if len(token) > LONGEST:
            raise NotAuthenticated(f"longer than {LONGEST} characters")
        # Any exception, not the library's own alone: a stranger wrote this, and what chokes on it has not verified it.
        try:
            header = jws.extract_compact(token.encode(), None, self._registry).headers()
            algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
        except Exception:  # noqa: BLE001
            raise NotAuthenticated("not a signed JWT") from None
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise NotAuthenticated(f"signed by {algorithm!r:.40}, which is none of ours")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise NotAuthenticated(f"a token of the type {kind!r:.40}")
        if not (kid is None or isinstance(kid, str)):
            raise NotAuthenticated("names its key by something that is no text")
        claims = await self._verified(token, algorithm, kid)
        self._require_in_force(claims)
        return claims

    async def read(self) -> str:
        """Read the keys now, whatever is known. Says what was found; raises ``IssuerUnreadable``."""
        keys = await self._fetch()
        kinds = sorted({key.alg or key.key_type for key in keys})
        return f"{self._url} signs with {len(keys)} {'key' if len(keys) == 1 else 'keys'} ({', '.join(kinds)})"

    def look(self) -> None:
        """Read the keys aside, if that is due."""
        if not self._younger_than(FRESH_FOR, self._read_at):
            self._begin()

    async def _verified(self, token: str, algorithm: str, kid: str | None) -> dict[str, Any]:
        self.look()
        if (claims := self._check(token, algorithm, kid)) is not None:
            return claims
        if kid is not None and self._count() and any(key.kid == kid for key in self._keys):
            raise NotAuthenticated("not signed by the key it names")
        # The key is none we know. There may be new ones.
        if (reading := self._begin()) is not None:
            await asyncio.shield(reading)  # it is not only this asker's, who may leave
            if (claims := self._check(token, algorithm, kid)) is not None:
                return claims
        if self._failing or not self._count():
            raise KeysUnavailable("Whether this token is true cannot be said now: the identity provider is away.")
        raise NotAuthenticated("signed by no key of the issuer")

    def _check(self, token: str, algorithm: str, kid: str | None) -> dict[str, Any] | None:
        """The claims, if a known key has signed them."""
        for key in self._candidates(algorithm, kid) if self._count() else ():
            try:
                with warnings.catch_warnings():
                    # It calls EdDSA deprecated: RFC 9864 has a better name for the same thing.
                    warnings.simplefilter("ignore", SecurityWarning)
                    return jwt.decode(token, key, registry=self._registry).claims
            except Exception as problem:  # noqa: BLE001  as above
                log.debug("issuer.not_verified", kind=type(problem).__name__)
        return None

    def _candidates(self, algorithm: str, kid: str | None) -> list[PublicKey]:
        fit = [key for key in self._keys if (kid is None or key.kid == kid) and _suits(key, algorithm)]
        # Trying all keys on a token that names none would be dear, and asked for by a stranger. One is the rule
        # of OpenID Connect Core 1.0, section 10.1: where there are several, a token has to name its key.
        return fit if kid is not None or len(fit) == 1 else []

    def _require_in_force(self, claims: dict[str, Any]) -> None:
        rules = jwt.JWTClaimsRegistry(
            now=int(self._now().timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self._url},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            rules.validate(claims)
        except JoseError as fault:
            raise NotAuthenticated(str(fault)[:100]) from None
        except Exception:  # noqa: BLE001  signed, and odd all the same
            raise NotAuthenticated("claims that are not as they have to be") from None

    def _count(self) -> bool:
        """Whether the keys known still count."""
        return self._younger_than(KEPT_FOR, self._read_at)

    def _younger_than(self, age: timedelta, moment: datetime) -> bool:
        # A clock that was set back must not make old keys young.
        return timedelta() <= self._now() - moment < age

    def _begin(self) -> asyncio.Task[None] | None:
        """The reading under way, or a new one if it is time for one."""
        if self._reading is None or self._reading.done():
            if self._younger_than(AGAIN_AFTER, self._tried_at):
                return None
            self._reading = asyncio.create_task(self._read(), name="issuer")
        return self._reading

    async def _read(self) -> None:
        try:
            keys = await self._fetch()
        except Exception as problem:  # noqa: BLE001  whatever it is: the keys known go on, for a while
            why = _said(problem)
            if why != self._failing:
                log.warning("issuer.not_read", why=why)
            self._failing = why
        else:
            if self._failing or keys != self._keys:
                log.info("issuer.read", issuer=self._url, keys=[str(key.kid)[:80] for key in keys])
            self._keys, self._failing = keys, ""
            self._read_at = self._now()
        self._tried_at = self._now()

    async def _fetch(self) -> tuple[PublicKey, ...]:
        """Raises ``IssuerUnreadable``."""
        try:
            async with asyncio.timeout(READ_WITHIN):
                return await self._documents()
        except TimeoutError:
            raise IssuerUnreadable(f"{self._url} has not answered within {READ_WITHIN:.0f} seconds") from None

    async def _documents(self) -> tuple[PublicKey, ...]:
        # Section 4.1: a slash at the end of the issuer is not doubled.
        about = await self._document(f"{self._url.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != self._url:
            # Section 4.3. Else one issuer could pass off another's tokens as its own.
            raise IssuerUnreadable(
                f"{self._url} calls itself {about.get('issuer')!r:.200}: "
                "ACD_OIDC__ISSUER has to be the same to the letter, a slash at the end included"
            )
        place = about.get("jwks_uri")
        if not isinstance(place, str) or (fault := fault_of_url(place)) is not None:
            why = fault if isinstance(place, str) else "is no text"
            raise IssuerUnreadable(f"the jwks_uri of {self._url} {why}")
        listed = (await self._document(place)).get("keys")
        keys = tuple(key for data in listed[:KEYS_AT_MOST] if (key := _key(data))) if isinstance(listed, list) else ()
        if not keys:
            raise IssuerUnreadable(f"{place} has no public key that could sign a token")
        return keys

    async def _document(self, url: str) -> dict[str, Any]:
        content = bytearray()
        try:
            async with self._client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    raise IssuerUnreadable(f"{url} answers {answer.status_code}; 200 is needed, and no redirect")
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise IssuerUnreadable(f"{url} answers in an encoding nobody asked for")
                async for piece in answer.aiter_raw():
                    content += piece
                    if len(content) > DOCUMENT_LIMIT:
                        raise IssuerUnreadable(f"{url} answers more than {DOCUMENT_LIMIT} bytes")
        except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
            raise IssuerUnreadable(f"{url} cannot be read: {_said(problem)}") from None
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise IssuerUnreadable(f"{url} is not a JSON object")
        return document


@cache
def trusted() -> ssl.SSLContext:
    """Whom the machine trusts, a town's own authority included where an administrator has put it there.

    Made once and at the start: it reads some hundred certificates, for which no call should wait.
    """
    return httpx2.create_ssl_context(trust_env=False)


def fault_of_url(url: str) -> str | None:
    """Why nothing that counts may be read from this address; ``None``: it may."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        return "is no address"
    if not url.isprintable() or " " in url or not parsed.host:
        return "is no address"
    if parsed.userinfo:
        return "has a name or a password in it"
    if parsed.scheme != "https" and not (parsed.scheme == "http" and _is_loopback(parsed.host)):
        return "has to begin with https:// (http:// is for this very machine alone)"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key(data: Any) -> PublicKey | None:
    """A key that may sign tokens; ``None`` for everything else an issuer may list beside it."""
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(data)
        strong = not isinstance(key, RSAKey) or key.public_key.key_size >= RSA_LEAST
    except Exception:  # noqa: BLE001  kinds of keys we do not know, and nonsense
        return None
    # A key that signs and verifies alike is nobody's signature; a private one that lies about is everybody's.
    return key if isinstance(key, RSAKey | ECKey | OKPKey) and not key.is_private and strong else None


def _suits(key: PublicKey, algorithm: str) -> bool:
    try:
        jws.JWSRegistry.algorithms[algorithm].check_key(key)
    except JoseError:
        return False
    return True


def _said(problem: BaseException) -> str:
    if isinstance(problem, TimeoutError | httpx2.TimeoutException):
        return "no answer in time"
    return (str(problem) or type(problem).__name__).partition("\n")[0][:300]
