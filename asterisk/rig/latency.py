"""How long from the trunk's INVITE to the phone's INVITE, and what it costs: two SIPp message traces laid side by side.

Each caller has a number of their own, and the phone is shown it; so one is found in the other's trace. Both traces are
written on one machine with one clock. The figures contain SIPp's own slowness, which is well below a millisecond.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import socket
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from rig.root import REPOSITORY, RigError
from rig.sipp import Caller, callers
from rig.stack import Keeper, Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN_DIR = REPOSITORY / ".run" / "latency"
_MESSAGE = re.compile(
    r"^-{40,} (?P<at>\S+)\n\w+ message (?P<way>sent|received) .*?:\n\nINVITE .*?^From: [^\n]*?sip:(?P<who>\+\d+)@",
    re.MULTILINE | re.DOTALL,
)


class Ear:
    """Listens on AMI with the service's own narrow user, and counts what it is told."""

    def __init__(self, port: int, user: str, secret: str) -> None:
        self.events: Counter[str] = Counter()
        self._line = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._line.sendall(f"Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\n\r\n".encode())
        self._line.settimeout(None)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        with self._line.makefile(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("Event: "):
                    self.events[line[7:].strip()] += 1

    def close(self) -> None:
        self._line.shutdown(socket.SHUT_RDWR)
        self._listening.join(timeout=5)
        self._line.close()


def invites(trace: Path, way: str) -> dict[str, float]:
    """When (seconds) the first INVITE with a caller's number was sent or received, by that number."""
    first: dict[str, float] = {}
    for part in re.split(r"(?m)^(?=-{40,} )", trace.read_text(errors="replace")):
        found = _MESSAGE.match(part)
        if found and found["way"] == way:
            first.setdefault(found["who"], datetime.fromisoformat(found["at"]).timestamp())
    return first


def latency(*, calls: int, rate: float, talk: float, agents: int) -> int:
    """Measure and print. Raises RigError where there is nothing to measure."""
    if calls > 1000:
        raise RigError("at most 1000 calls: each needs a number of its own, and there are no more for films in Berlin")
    out = Console(highlight=False)
    shutil.rmtree(RUN_DIR, ignore_errors=True)
    with Stack(
        RUN_DIR,
        agents=agents,
        talk=talk,
        ring=0.2,
        spread=0.2,
        messages=True,
        progress=lambda line: out.print(line, markup=False),
    ) as stack:
        asterisk = stack.asterisk
        ear = Ear(asterisk.ports.ami, asterisk.ami_user, asterisk.ami_secret)
        before = _resident(stack)
        dialled = ("05111680", "+495116160", "051173070", "115")
        who = [Caller(dialled[n % 4], f"+493023125{n:03d}") for n in range(calls)]
        with Keeper(stack.api).on_duty(), callers(asterisk, who, rate=rate, messages=True) as trunk:
            tally = trunk.wait(calls / rate + 120)
            sent = invites(trunk.message_file, "sent")
        time.sleep(0.5)
        after = _resident(stack)
        ear.close()
        if stack.phones is None:
            raise RigError("there are no phones")
        phones = stack.phones.stop()
        received = invites(stack.phones.message_file, "received")
    took = sorted((received[number] - at) * 1000 for number, at in sent.items() if number in received)
    if not took:
        raise RigError("no call got to a phone: nothing to measure")
    result = {
        "calls": tally.created,
        "at_phones": len(took),
        "answered": phones["answered"],
        "invite_to_invite_p50_ms": _rank(took, 0.5),
        "invite_to_invite_p99_ms": _rank(took, 0.99),
        "invite_to_invite_max_ms": _rank(took, 1.0),
        "ami_events_per_call": round(sum(ear.events.values()) / calls, 2),
        "service_rss_mb": after["service"],
        "asterisk_rss_mb": after["asterisk"],
        "service_rss_before_mb": before["service"],
        "asterisk_rss_before_mb": before["asterisk"],
    }
    table = Table(title=f"{calls} calls, {rate:g} a second, {agents} phones")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in result.items():
        table.add_row(name, str(value))
    for name, count in ear.events.most_common():
        table.add_row(f"AMI {name} per call", f"{count / calls:.2f}")
    out.print(table)
    print(json.dumps(result), flush=True)
    return 0


def _rank(values: Sequence[float], share: float) -> float:
    return round(values[max(0, math.ceil(share * len(values)) - 1)], 2)


def _resident(stack: Stack) -> dict[str, float]:
    """Megabytes of memory in use, by process."""
    found: dict[str, float] = {}
    for what, pid in (("service", stack.service_pid), ("asterisk", stack.asterisk.pid)):
        status = Path(f"/proc/{pid}/status").read_text()
        kilobytes = re.search(r"VmRSS:\s+(\d+)", status)
        found[what] = round(int(kilobytes[1]) / 1024, 1) if kilobytes else 0.0
    return found
