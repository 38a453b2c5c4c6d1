"""Free ports on loopback. Never assume that 5060 or 5038 is free: an Asterisk may well live here already."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass

from rig.root import RigError

# Below the ports Linux gives to outgoing connections (32768 and up), so that none of those takes a port of ours while
# Asterisk is restarting; above what is usually served; apart from RTP.
FIRST, LAST = 10_000, 19_999
RTP_FIRST, RTP_LAST = 20_000, 31_999


def _free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_port(taken: frozenset[int] | set[int] = frozenset()) -> int:
    """A port that is free for UDP and TCP and not in `taken`."""
    for _ in range(2000):
        port = FIRST + secrets.randbelow(LAST - FIRST + 1)
        if port not in taken and _free(port):
            return port
    raise RigError(f"no free port between {FIRST} and {LAST} on 127.0.0.1")


def free_ports(many: int) -> list[int]:
    """As ``free_port``, and all different."""
    taken: set[int] = set()
    for _ in range(many):
        taken.add(free_port(taken))
    return list(taken)


@dataclass(frozen=True, slots=True)
class Ports:
    trunk: int  # UDP, where the public calls in
    phones: int  # UDP, where phones register
    partner: int  # UDP, where Asterisk looks for the partner centre; nobody listens until a test does
    ami: int
    agi: int  # reserved for the service; Asterisk only knows it

    @classmethod
    def pick(cls) -> Ports:
        return cls(*free_ports(5))
