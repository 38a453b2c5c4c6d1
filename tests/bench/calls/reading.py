"""How many AMI events a second one processor reads and translates.

What is read was written by the real Asterisk for real calls, and is sent again by a process beside this one. All of our
path is in it: socket, parsing, the queue of the link, translation into signals. Whoever would decide only counts.
"""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from dialog_acd.switch.ami import AmiAddress, AmiLink
from dialog_acd.switch.translate import Interpreter
from rig.root import RigError

if TYPE_CHECKING:
    from dialog_acd.switch.ami import Message

EVENTS = 50_000
"""So few that the speaker, which answers nothing, is not yet taken for dead on a slow machine."""
_SPEAKER = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0)); print(listening.getsockname()[1], flush=True)
said = sys.stdin.buffer.read()
times = int(sys.argv[1])
peer, _ = listening.accept(); peer.sendall(b"Asterisk Call Manager/11.0.0\\r\\n")
login = b""
while b"\\r\\n\\r\\n" not in login: login += peer.recv(4096)
mark = login.split(b"ActionID: ")[1].split(b"\\r\\n")[0]
peer.sendall(b"Response: Success\\r\\nActionID: " + mark + b"\\r\\nMessage: Authentication accepted\\r\\n\\r\\n")
for _ in range(times): peer.sendall(said)
peer.sendall(b"Event: TheEnd\\r\\n\\r\\n")
peer.recv(1)
"""


class Ear:
    """Listens on AMI as the service does, with its rights and its filters, and keeps what it hears."""

    def __init__(self, port: int, user: str, secret: str) -> None:
        self._heard = bytearray()
        self._line = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._line.sendall(f"Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\n\r\n".encode())
        self._line.settimeout(None)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        while data := self._line.recv(65536):
            self._heard += data

    def close(self) -> bytes:
        """The events, whole ones, without what was said at login."""
        self._line.shutdown(socket.SHUT_RDWR)
        self._listening.join(timeout=5)
        self._line.close()
        events = [
            e for e in bytes(self._heard).split(b"\r\n\r\n") if e.startswith(b"Event: ") and b"FullyBooted" not in e
        ]
        return b"".join(event + b"\r\n\r\n" for event in events)


def counted(said: bytes) -> int:
    return len(re.findall(rb"(?m)^Event: ", said))


def read_per_second(said: bytes) -> float:
    """Events read and translated in one second of this process's processor time."""
    if not said:
        raise RigError("nothing was said on AMI: nothing to read")
    times = max(1, EVENTS // counted(said))
    speaker = subprocess.Popen(
        [sys.executable, "-c", _SPEAKER, str(times)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        if speaker.stdin is None or speaker.stdout is None:
            raise RigError("the speaker has no pipes")
        port = int(speaker.stdout.readline())
        speaker.stdin.write(said)
        speaker.stdin.close()
        return asyncio.run(_read(port))
    finally:
        speaker.kill()
        speaker.wait()
        if speaker.stdout is not None:
            speaker.stdout.close()


async def _read(port: int) -> float:
    interpreter = Interpreter()
    over = asyncio.Event()
    heard = signals = 0

    def hear(message: Message) -> None:
        nonlocal heard, signals
        heard += 1
        signals += len(interpreter.signals(message))
        if message.get("Event") == "TheEnd":
            over.set()

    async def greet(_: AmiLink) -> None: ...

    link = AmiLink(
        AmiAddress("127.0.0.1", port, "reader", "secret"),
        greet=greet,
        hear=hear,
        lost=lambda _: None,
        random=lambda: 0.5,
    )
    began = time.process_time()
    running = asyncio.create_task(link.run())
    async with asyncio.timeout(120):
        await over.wait()
    took = time.process_time() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    if not signals:
        raise RigError("nothing of what was read meant anything")
    return heard / took
