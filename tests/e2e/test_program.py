"""A program that ends, and the one who wants to start it again in the same directory."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

import pytest

from rig.program import start_program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e  # needs root: launch.py gives up rights


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_directory_of_a_program_that_ended_stays(tmp_path: Path, home: Path) -> None:
    """Asterisk is restarted, and its watcher gets no processor before both the end and our closing pipe are there.

    AstDB went with the directory then, and with it all that failsafe knows.
    """
    watcher, pid = start_program(["/bin/sleep", "60"], log=tmp_path / "said", remove=home)
    assert pid is not None
    with watcher:
        ended = os.pidfd_open(pid)
        os.kill(watcher.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, watcher.pid, os.WSTOPPED)
        try:
            os.kill(pid, signal.SIGKILL)
            assert select.select([ended], [], [], 10)[0]
            assert watcher.stdin is not None
            watcher.stdin.close()
        finally:
            os.kill(watcher.pid, signal.SIGCONT)
            os.close(ended)
    assert home.is_dir()


def test_directory_of_a_program_whose_starter_died_goes(tmp_path: Path, home: Path) -> None:
    watcher, _ = start_program(["/bin/sleep", "60"], log=tmp_path / "said", remove=home)
    with watcher:
        assert watcher.stdin is not None
        watcher.stdin.close()
    assert not home.exists()
