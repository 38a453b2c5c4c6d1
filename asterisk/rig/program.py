"""Starts a program through `launch.py`: inside a root, as somebody else, and gone when whoever started it is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def start_program(
    argv: Sequence[str],
    *,
    log: Path,
    root: Path = Path("/"),
    uid: int = 0,
    gid: int = 0,
    detach: bool = False,
    remove: Path | None = None,
) -> tuple[subprocess.Popen[str], int | None]:
    """The process we hold, and the id of the program itself; None if it never came to be.

    log     what the program says is appended here.
    detach  lets it outlive this process. Then the process we hold is the program itself, else its watcher.
    remove  this directory goes with the program if this process dies first.
    """
    command = [sys.executable, "-I", str(Path(__file__).with_name("launch.py")), "free" if detach else "watch"]
    command += [str(root), str(uid), str(gid), "-" if remove is None else str(remove), *argv]
    with log.open("ab") as said:
        # A session of its own: Ctrl-C is for whoever started us, who then ends it in good order.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if detach else subprocess.PIPE,
            stdout=said if detach else subprocess.PIPE,
            stderr=said,
            start_new_session=True,
            text=True,
        )
    if detach:
        return process, process.pid
    told = process.stdout.readline() if process.stdout else ""
    return process, int(told or 0) or None
