"""The command line of the rig: demo, onboarding, plots, up, down. `make` calls it."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rig.root import RigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, as everywhere."""
        self.exit(2, f"{self.prog}: {message}\n")


def _number(kind: type[int | float], least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        what = "a whole number" if kind is int else "a number"
        fault = argparse.ArgumentTypeError(f"{text!r} is not {what} from {least:g} to {most:g}")
        try:
            value = kind(text)
        except ValueError:
            raise fault from None
        if not least <= value <= most:  # NaN is not, either
            raise fault
        return value

    return read


def main() -> int:
    """Exit status: 0 done; 1 it did not work, one sentence says why; 2 usage; 130 interrupted."""
    parser = _Arguments(prog="rig", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="citizens call, agents answer, and a table at the end")
    commands.add_parser("onboarding", help="a town joins the running centre, and a citizen is answered in its name")
    commands.add_parser(
        "plots", help="some minutes of calls, and the dashboards drawn from what Prometheus says of them"
    )
    commands.add_parser("up", help="the same left running without callers")
    commands.add_parser("down", help="end what `up` started")
    keep = commands.add_parser("keep", help="(used by `up`) send agents back to work after a missed call")
    keep.add_argument("url")
    keep.add_argument("token_file", type=Path)
    keep.add_argument("service", type=int, help="process id to live as long as")
    demo.add_argument("--calls", type=_number(int, 1, 20_000), default=60)
    demo.add_argument("--rate", type=_number(float, 0.1, 100), default=2, help="calls a second")
    demo.add_argument("--talk", type=_number(float, 0.1, 3600), default=8, help="seconds")
    demo.add_argument("--agents", type=_number(int, 1, 999), default=16)
    asked = parser.parse_args()

    _interrupt_once()
    try:
        # Imported late: all of the service's libraries come along, and Ctrl-C must find somebody at home meanwhile.
        match asked.command:
            case "demo":
                from rig import demo as demo_run  # noqa: PLC0415

                return demo_run.demo(calls=asked.calls, rate=asked.rate, talk=asked.talk, agents=asked.agents)
            case "onboarding":
                from rig.onboarding import onboarding  # noqa: PLC0415

                return onboarding()
            case "plots":
                from rig import plots  # noqa: PLC0415

                return plots.plots()
            case _:
                from rig import detached  # noqa: PLC0415

                match asked.command:
                    case "up":
                        return detached.up()
                    case "down":
                        return detached.down()
                    case _:
                        return detached.keep(asked.url, asked.token_file, asked.service)
    except RigError as problem:
        print(f"{asked.command}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{asked.command}: interrupted; nothing is left running", file=sys.stderr)
        return 130


def _interrupt_once() -> None:
    """Ctrl-C and SIGTERM end it the orderly way, and a second one does not end the tidying up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in ending:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in ending:
        signal.signal(number, interrupt)


if __name__ == "__main__":
    sys.exit(main())
