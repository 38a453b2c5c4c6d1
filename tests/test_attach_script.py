"""What ``asterisk/attach.sh`` says to whom it is given a folder that is not as it should be. That it works, and twice
alike, is told in a real Asterisk.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "asterisk" / "attach.sh"


def attach(home: Path, version: str) -> str:
    """``version``: what the machine's Asterisk says of itself; nothing, where there is none."""
    etc, sounds, programs = home / "etc", home / "sounds", home / "bin"
    for folder in (etc, sounds, programs):
        folder.mkdir()
    for name in ("extensions.conf", "manager.conf", "queues.conf", "musiconhold.conf"):
        (etc / name).touch()
    asterisk = programs / "asterisk"
    asterisk.write_text(f"#!/bin/sh\n{f'echo {version}' if version else 'exit 127'}\n")
    asterisk.chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "ACD_AMI_SECRET_FILE": str(home / "secret")}
    done = subprocess.run([SCRIPT, etc, sounds], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("'Asterisk 22.5.2~dfsg+~cs6'", True), ("'Asterisk 20.11.0'", True), ("'Asterisk 22.6.0'", False),
        ("'Asterisk 22.10.1~dfsg+~cs6.16'", False), ("'Asterisk 23.0.0'", False), ("", False),
        ("'Asterisk GIT-master-1a2b3c'", False),
    ],
)  # fmt: skip
def test_an_asterisk_that_loses_orders_is_warned_of(tmp_path: Path, version: str, *, old: bool) -> None:
    said = attach(tmp_path, version)
    assert bool(re.search(r"^WARNING  Asterisk .* loses orders", said, re.MULTILINE)) is old
    assert "Left to do by hand" in said
