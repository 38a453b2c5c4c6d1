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


@pytest.mark.parametrize(("context", "lines"), [("acd-offer", 6), ("acd-overflow", 5)])
def test_nobody_who_talks_while_the_dialplan_is_replaced_comes_back_to_the_call_itself(
    context: str, lines: int
) -> None:
    """A conversation from before returns to the number that followed its ``Dial``: no line may come between."""
    text = (REPOSITORY / "dialplans" / "acd.conf").read_text("utf-8")
    body = text.partition(f"\n[{context}]\n")[2].partition("\n[")[0]
    orders = [line.partition(",")[2] for line in body.partition("]!,100,")[2].splitlines()[1:] if "=>" in line]
    assert [order.partition("(")[0] for order in orders].index("Dial") + 1 == lines
