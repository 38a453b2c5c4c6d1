"""A toy AMI server on a real socket: says what a test tells it to, remembers what it was told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
SECRET = "tinte-und-feder-und-sand"
Action = dict[str, str]


def event(name: str, *headers: str) -> bytes:
    """One event as bytes: ``event("Hangup", "Uniqueid: 1.1")``."""
    return "\r\n".join([f"Event: {name}", *headers, "", ""]).encode()


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.actions: list[Action] = []

    def say(self, raw: bytes) -> None:
        self.writer.write(raw)

    def reply(self, action: Action, *headers: str, response: str = "Success") -> None:
        self.say("\r\n".join([f"Response: {response}", f"ActionID: {action['ActionID']}", *headers, "", ""]).encode())

    def drop(self) -> None:
        self.writer.transport.abort()


class ToyAmi:
    """``scripts`` maps an action's name to what is done with it; without a script it succeeds.

    ``mute`` names actions that are read and never answered; ``"*"`` means all.
    """

    def __init__(self) -> None:
        self.banner = BANNER
        self.after_login = b""
        self.connections: list[Connection] = []
        self.scripts: dict[str, Callable[[Connection, Action], None]] = {}
        self.mute: set[str] = set()
        self.secret = SECRET
        self.clock = "1700000000.250000"
        self.port = 0
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_connection, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def now(self) -> Connection:
        """The latest connection."""
        return self.connections[-1]

    def received(self, name: str) -> list[Action]:
        """Actions of that name, over all connections."""
        return [a for c in self.connections for a in c.actions if a.get("Action") == name]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that shows in what the server has seen."""
        async with asyncio.timeout(3), self._changed:
            await self._changed.wait_for(condition)

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(Connection(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        self.connections.append(connection)
        connection.say(self.banner)
        await self._notify()
        try:
            while True:
                raw = await connection.reader.readuntil(b"\r\n\r\n")
                action = dict(line.split(": ", 1) for line in raw.decode().strip().split("\r\n"))
                connection.actions.append(action)
                self._answer(connection, action)
                await self._notify()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            connection.writer.close()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _answer(self, connection: Connection, action: Action) -> None:
        name = action["Action"]
        if name in self.mute or "*" in self.mute:
            return
        if name in self.scripts:
            self.scripts[name](connection, action)
        elif name == "Login":
            if action["Secret"] == self.secret:
                connection.reply(action, "Message: Authentication accepted")
                connection.say(self.after_login)
            else:
                connection.reply(action, "Message: Authentication failed", response="Error")
                connection.writer.close()
        elif name == "Ping":
            connection.reply(action, "Ping: Pong", f"Timestamp: {self.clock}")
        elif name == "Logoff":
            connection.reply(action, "Message: Thanks for all the fish.", response="Goodbye")
            connection.writer.close()
        else:
            connection.reply(action)
