"""A small identity provider on loopback: real HTTP, real keys, real signatures, and whatever bad manners a test wants.

``stock`` is what it publishes; ``manners`` says how it answers a path, for those that do worse than that.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from dialog_acd.testing import ManualClock

    Key = RSAKey | ECKey | OKPKey
    Manner = Callable[[asyncio.StreamWriter], Awaitable[None]]

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"


@cache
def rsa(name: str, bits: int = 2048) -> RSAKey:
    """Made once: they take a while."""
    return RSAKey.generate_key(bits, {"kid": name})


@cache
def ec(name: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": name})


@cache
def ed(name: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": name})


def b64(data: bytes | str | dict[str, Any]) -> str:
    if isinstance(data, dict):
        data = json.dumps(data)
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def hmac_token(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Made by hand: no library of ours would help."""
    signed = f"{b64(header)}.{b64(claims)}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


class ToyIssuer:
    def __init__(self, clock: ManualClock, *keys: Key, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.clock = clock
        self.keys: list[Key] = list(keys) or [rsa("monday")]
        self.port = port
        self.asked: list[str] = []
        """Everything that came in, head by head."""
        self.manners: dict[str, Manner] = {}
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_connection, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Nobody listens there any more."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.asked]

    def stock(self) -> dict[str, Any]:
        return {
            DISCOVERY: {"issuer": self.url, "jwks_uri": f"{self.url}{KEYS}"},
            KEYS: {"keys": [key.as_dict(private=False) for key in self.keys]},
        }

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Erika's, for five minutes; what is changed to ``None`` is left out."""
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": self.url,
            "aud": "dialog-acd",
            "sub": "e-1",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "erika.muster",
            "groups": ["acd-operators"],
        }
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def token(
        self, key: Key | None = None, algorithm: str = "", header: dict[str, Any] | None = None, **changed: Any
    ) -> str:
        key = key or self.keys[0]
        algorithm = algorithm or {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}[key.key_type]
        said = {"alg": algorithm, "kid": key.kid} | (header or {})
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, self.claims(**changed), key, algorithms=[algorithm])

    def answers(self, path: str, body: bytes | str | dict[str, Any], status: str = "200 OK", *headers: str) -> None:
        """From now on, at this path."""
        said = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body

        async def answer(writer: asyncio.StreamWriter) -> None:
            head = [f"HTTP/1.1 {status}", f"Content-Length: {len(said)}", "Connection: close", *headers]
            writer.write("\r\n".join([*head, "", ""]).encode() + said)
            await writer.drain()

        self.manners[path] = answer

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            path = head.split(" ")[1]
            if path not in self.manners:
                self.answers(path, self.stock().get(path, "nothing here"))
                answer = self.manners.pop(path)
            else:
                answer = self.manners[path]
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
