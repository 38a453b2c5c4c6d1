"""`make onboarding-demo`: a town joins a running centre, and a citizen is answered in its name.

Everything is said to the running service over REST, as an administrator would, and nothing but the last call proves
that it worked: it is dialled by SIPp, picked up by a telephone, and the telephone says whose call it was.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import yaml
from rich.console import Console

from rig.demo import alone
from rig.root import REPOSITORY, RigError
from rig.sipp import Caller, callers
from rig.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

RUN_DIR = REPOSITORY / ".run" / "onboarding"
TOWN_FILE = REPOSITORY / "asterisk" / "onboarding-laatzen.yaml"
TOWN, NUMBER, DIALLED, BY_TRUNK = "laatzen", "+495118205", "0511 8205-0", "051182050"
KNOWING = ("agent01", "agent02", "agent03")
GREETING = {"id": "greeting-laatzen", "name": "Begrüßung Laatzen", "tenant": TOWN}
WORDS = "Willkommen bei der Stadt Laatzen."
ANSWERS = {
    "numbers": "0511 8205 mit drei- und vierstelligen Nebenstellen",
    "hours": "für die Vorführung rund um die Uhr",
    "pbx": "Innovaphone, betreut von der IuK",
    "trunk-format": "+49511 8205... und 0511 8205...",
    "closure-days": "keine",
    "staff-council": "zugestimmt",
}
WAIVER = {"finding": "question:bus", "by": "A. Muster", "why": "die Pflege im BUS endet in diesem Quartal"}
ANSWERED_WITHIN = SPOKEN_WITHIN = 20.0  # seconds


def onboarding() -> int:
    """Tell the story in the terminal. Exit status 0 only if the call was answered in the town's name."""
    began = time.monotonic()
    out = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, color_system=None, width=110)

    def tell(line: str) -> None:
        out.print(line if line.startswith("asterisk:") else f"onboarding: {line}", markup=False, soft_wrap=True)

    with alone(RUN_DIR):
        shutil.rmtree(RUN_DIR, ignore_errors=True)
        stack = Stack(RUN_DIR, agents=16, talk=2.0, messages=True, progress=tell)
        stack.syncs = True
        with stack:
            tell("a centre is at work, for three administrations\n")
            found = _Story(stack, tell).told()
    print(json.dumps(found | {"seconds": round(time.monotonic() - began, 1)}), flush=True)
    return 0 if found["answered"] == 1 and not found["gate_findings_after"] else 1


class _Story:
    def __init__(self, stack: Stack, tell: Callable[[str], None]) -> None:
        self._stack, self._api, self._tell = stack, stack.api, tell

    def told(self) -> dict[str, int]:
        self._tell(f"1. Who is {DIALLED}?")
        self._resolve()

        self._tell("2. The town is added to the directory, as somebody has begun it:")
        self._put(_with_the_town)
        self._resolve()

        self._tell("3. Can it go live?")
        before = self._gaps()
        refused = self._api.refusal("POST", f"/api/v1/tenants/{TOWN}/go-live", {"on": _today()})
        self._tell(f"   POST go-live: {refused['message']}\n")

        self._tell("4. The gaps are closed:")
        self._put(_with_what_was_missing)
        self._gaps()

        self._tell("5. Somebody answers for the last one by name, and the town goes live today:")
        live = self._api.send("POST", f"/api/v1/tenants/{TOWN}/go-live", {"on": _today(), "waivers": [WAIVER]})
        for line in live["differences"]:
            self._tell(f"   {line}")
        after = sum(finding["waiver"] is None for finding in live["gate"]["findings"])
        self._tell("")
        self._resolve()

        self._tell("6. Asterisk is given what it must know; until there is a recording, a machine speaks the greeting:")
        self._greeting()

        self._tell(f"7. A citizen dials {DIALLED}:")
        return {"answered": self._call(), "gate_findings_before": before, "gate_findings_after": after}

    def _resolve(self) -> None:
        said = self._api.get(f"/api/v1/resolve?called={quote(DIALLED)}")
        whose = f"{said['tenant']}, queue {said['queue']}" if said["kind"] != "catch-all" else "unknown"
        self._tell(f"   resolve says: {whose} ({said['found_by']})\n")

    def _put(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        told = self._api.get("/api/v1/directory")
        answer = self._api.send(
            "PUT", "/api/v1/directory", change(told["directory"]), {"If-Match": f'"{told["version"]}"'}
        )
        for line in answer["differences"]:
            self._tell(f"   {line}")
        self._tell("")

    def _gaps(self) -> int:
        said = self._api.get(f"/api/v1/tenants/{TOWN}/gate")
        missing = [finding for finding in said["findings"] if finding["waiver"] is None]
        self._tell("   the gate says: " + ("go" if said["go"] else f"no go, {len(missing)} missing"))
        for finding in missing:
            self._tell(f"   - {finding['what']}")
        self._tell("")
        return len(missing)

    def _greeting(self) -> None:
        """Waits for the draft; where nobody can speak it, the call goes on without a greeting."""
        until = time.monotonic() + SPOKEN_WITHIN
        sounds = self._stack.asterisk.synced / "current" / "sounds"
        while not (files := sorted(sounds.rglob(f"{GREETING['id']}.*"))) and time.monotonic() < until:
            time.sleep(0.1)
        said = ", ".join(file.name for file in files) or "no draft: is espeak-ng installed?"
        self._tell(f"   {said}\n")

    def _call(self) -> int:
        """How many of one call were answered in the town's name, by the telephone's own account."""
        citizen = Caller(BY_TRUNK, "+493023125042", "Erika Mustermann", 60)
        with callers(self._stack.asterisk, [citizen]) as trunk:
            trunk.wait(60, strict=False)
        until = time.monotonic() + ANSWERED_WITHIN
        while not (calls := self._api.get(f"/api/v1/calls?tenant={TOWN}&limit=1")["calls"]):
            if time.monotonic() > until:
                raise RigError(f"the call has no record; the last of the service's log:\n{self._stack.service_tail()}")
            time.sleep(0.1)
        # A list names no agent.
        record = self._api.get(f"/api/v1/calls/{calls[0]['call']}")
        phones = self._stack.phones
        shown = "" if phones is None else phones.message_file.read_text(errors="replace")
        by = next((line for line in shown.splitlines() if line.startswith("From: ") and "Laatzen" in line), "")
        answered = f"{record['agent']} has answered after {record['waited_seconds']:.1f} s"
        self._tell(f"   {answered}; the telephone showed: {by.removeprefix('From: ').partition(';')[0]}")
        return int(bool(by) and record["outcome"]["result"] == "served" and record["tenant"] == TOWN)


def _with_the_town(directory: dict[str, Any]) -> dict[str, Any]:
    for section, things in yaml.safe_load(TOWN_FILE.read_text(encoding="utf-8")).items():
        directory.setdefault(section, []).extend(things)
    return directory


def _with_what_was_missing(directory: dict[str, Any]) -> dict[str, Any]:
    town = next(t for t in directory["tenants"] if t["id"] == TOWN)
    town["answers"] = ANSWERS
    directory.setdefault("prompts", []).append(GREETING | {"text": WORDS})
    next(e for e in directory["entries"] if e.get("number") == NUMBER)["greeting"] = f"acd/{GREETING['id']}"
    for agent in directory["agents"]:
        if agent["id"] in KNOWING:
            agent["skills"][TOWN] = 3
    return directory


def _today() -> str:
    return datetime.now(ZoneInfo("Europe/Berlin")).date().isoformat()
