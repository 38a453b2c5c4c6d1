"""What `make up` leaves for a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from rig import detached
from rig.detached import as_shell

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TOLD = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('ACD_')}))"


def test_a_shell_reads_the_settings_as_they_are_whatever_the_path(tmp_path: Path) -> None:
    settings = {
        "ACD_AMI__PORT": "15038",
        "ACD_AMI__SECRET_FILE": "/home/o'neill/my $HOME `id`/ami.secret",
        "ACD_STORE__DATABASE_URL": "sqlite+aiosqlite:////a b/acd.sqlite",
    }
    (tmp_path / "env").write_text(as_shell(settings))
    said = subprocess.run(
        ["/bin/sh", "-c", f'set -a; . ./env; set +a; "{sys.executable}" -c "$1"', "sh", TOLD],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(said.stdout) == settings


def test_nothing_is_left_to_ask_a_stack_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached, "RUN_DIR", tmp_path)
    left = ("processes", "stack.json", "asterisk.json", "env")
    for name in left:
        (tmp_path / name).write_text("")
    assert detached.end(tmp_path) == []
    assert not [name for name in left if (tmp_path / name).exists()]
