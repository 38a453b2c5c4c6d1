"""`make bench`, `make bench-full`."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product

from rich.console import Console

from bench.calls import report
from bench.calls.centre import Centre, Size, Way
from bench.calls.load import Load
from bench.calls.plan import BASE, RATE, TALK, Plan
from bench.calls.reading import Ear, counted, read_per_second
from rig.root import REPOSITORY, RigError

RUN_DIR = REPOSITORY / ".run" / "bench"
PARTS = ("connect", "pickup", "rates", "sizes", "reading")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.calls", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every size with every other (an hour and more)")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be given again")
    asked = parser.parse_args()
    parts = asked.only or PARTS
    out = Console(highlight=False, stderr=True)

    def progress(line: str) -> None:
        out.print(line, markup=False, soft_wrap=True)

    try:
        with Centre(RUN_DIR, progress) as centre:
            load = Load(centre)
            plan = Plan(centre, load, progress)
            if "reading" in parts:
                _read(centre, load, plan)
            if "connect" in parts:
                plan.connect()
            if "pickup" in parts:
                plan.pickup()
            if "sizes" in parts:
                plan.sizes()
                if asked.full:
                    plan.sizes(_product(), (Way.QUEUE, Way.SERVICE, Way.FULL))
            if "rates" in parts:
                plan.rates()
    except RigError as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    said = report.figures(plan.found)
    report.chart(plan.found, said, RUN_DIR / "bench.svg")
    shown = Console(highlight=False, record=True, width=140)
    for table in report.tables(said):
        shown.print(table)
    shown.print(f"{RUN_DIR}/bench.svg, bench.txt, bench.json", markup=False)
    shown.save_text(str(RUN_DIR / "bench.txt"))
    line = json.dumps(said)
    (RUN_DIR / "bench.json").write_text(line + "\n", encoding="utf-8")
    print(line, flush=True)
    return 0


def _product() -> list[Size]:
    return [Size(*each) for each in product((16, 500, 5_000), (1, 50, 500), (0, 200, 1_000))]


def _read(centre: Centre, load: Load, plan: Plan) -> None:
    """One plain call after the other, and what was said of them on AMI."""
    calls = 100
    centre.prepare(Way.SERVICE, BASE)
    asterisk = centre.asterisk
    ear = Ear(asterisk.ports.ami, asterisk.ami_user, asterisk.ami_secret)
    plan.say("listening to what Asterisk says of a hundred calls")
    seen = load.calls(centre.dialled(Way.SERVICE, BASE), count=calls, rate=RATE, talk=TALK)
    said = ear.close()
    plan.found.events_per_call = counted(said) / max(seen.calls, 1)
    plan.found.read_per_second = read_per_second(said)
    plan.say(f"{plan.found.events_per_call:.1f} events a call, {plan.found.read_per_second:,.0f} read a second")


if __name__ == "__main__":
    sys.exit(main())
