"""The command line: ``serve``, ``migrate``, ``backup``, ``load``, ``directory``, ``asterisk``, ``check``, ``route``,
``report``, ``simulate``, ``statement``, ``token``, ``retention``, ``tenant``.

An operator can ask here, without touching a live call, what the service thinks: whether it could start (``check``)
and where a number leads (``route``).

Every command imports for itself what is slow to load: FastAPI, SQLAlchemy and Alembic take most of a second, and
whoever asks where a number in a file leads, or how an option is spelt, should not wait for them.
"""

# ruff: noqa: PLC0415  the imports of the commands, see above
from __future__ import annotations

import argparse
import asyncio
import os
import sys

import dialog_acd
from dialog_acd.cli import directory, records, service
from dialog_acd.core.errors import DialogAcdError

READER_LEFT = 141
"""Exit status of a program whose reader has gone, as shells count: 128 and SIGPIPE."""
_COMMANDS = {**directory.COMMANDS, **records.COMMANDS, **service.COMMANDS}
_ADDED = (
    service.add_serve,
    service.add_migrate,
    service.add_backup,
    directory.add_load,
    directory.add_directory,
    directory.add_asterisk,
    service.add_check,
    directory.add_gate,
    directory.add_route,
    records.add_report,
    records.add_statement,
    directory.add_simulate,
    records.add_retention,
    records.add_tenant,
    service.add_token,
)
"""In the order in which help tells of them."""


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def main() -> None:
    """Run one command. Exit status 0: done; 1: one sentence on standard error says what to do; 2: usage."""
    parser = argparse.ArgumentParser(prog="dialog-acd", description=dialog_acd.__doc__)
    parser.add_argument("--version", action="version", version=f"dialog-acd {dialog_acd.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _ADDED:
        add(commands)
    asked = parser.parse_args()

    from dialog_acd import log
    from dialog_acd.settings import read_settings

    try:
        settings = read_settings()
        log.set_up(level=settings.log_level)
        with asyncio.Runner(loop_factory=_loop) as runner:
            status = runner.run(_COMMANDS[asked.command](settings, asked))
        sys.stdout.flush()
    except BrokenPipeError:
        if asked.command == "serve":
            raise  # it writes nothing there
        # `| head` has read enough. What is left would be written at exit, and fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(READER_LEFT) from None
    except DialogAcdError as problem:
        print(f"dialog-acd: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    raise SystemExit(status)
