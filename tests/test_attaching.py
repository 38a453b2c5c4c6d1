"""What ``attach.sh`` says of an Asterisk that would keep callers' numbers."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from rig.root import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def warnings_of(folder: Path, logger: str) -> str:
    etc, sounds, secret = folder / "etc", folder / "sounds", folder / "ami.secret"
    etc.mkdir()
    sounds.mkdir()
    for name in ("extensions", "manager", "queues", "musiconhold"):
        (etc / f"{name}.conf").write_text("[general]\n")
    (etc / "logger.conf").write_text(f"[general]\nqueue_log = no\n[logfiles]\n{logger}\n")
    done = subprocess.run(
        [str(REPOSITORY / "asterisk" / "attach.sh"), str(etc), str(sounds)],
        env=os.environ | {"ACD_AMI_SECRET_FILE": str(secret)},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return "".join(line for line in done.stdout.splitlines() if "logger.conf" in line)


@pytest.mark.parametrize("line", ["full => notice,verbose(3)", "messages => *", "syslog.local0 = *", "keys => dtmf"])
def test_a_file_that_is_told_callers_numbers_is_warned_of(tmp_path: Path, line: str) -> None:
    assert "tell callers' numbers" in warnings_of(tmp_path, line)


@pytest.mark.parametrize("line", ["messages => notice,warning,error", "messages => error ; never *", ";full => *"])
def test_one_that_is_not_is_not(tmp_path: Path, line: str) -> None:
    assert warnings_of(tmp_path, line) == ""
