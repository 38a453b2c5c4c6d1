"""An operator's shell: a folder, an environment without settings of ours, and what a command said."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from dialog_acd import cli
from dialog_acd.settings import Settings
from switch.toy_ami import SECRET

if TYPE_CHECKING:
    from pathlib import Path

KNOWN_SETTINGS = {f"ACD_{name}".upper() for name in Settings.model_fields} | {
    f"ACD_{part}__{name}".upper()
    for part, field in Settings.model_fields.items()
    for name in getattr(field.annotation, "model_fields", ())
}


class Shell:
    """Runs commands in this very process, and ends a test in which one shows a traceback or a secret."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def set(self, **variables: object) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, str(value))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["dialog-acd", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = self._capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int)
        assert "Traceback" not in out + err
        assert SECRET not in out + err
        return status, out, err

    def refuses(self, *arguments: str) -> str:
        """The sentence with which the command refuses; anything but one sentence fails the test."""
        status, _, err = self.run(*arguments)
        assert status == 1
        (line,) = err.splitlines()
        assert line.startswith("dialog-acd: ")
        # Whoever follows a sentence that names a setting must not be led into the void.
        assert {name.rstrip("_") for name in re.findall(r"ACD_\w+", line)} <= KNOWN_SETTINGS
        return line.removeprefix("dialog-acd: ")
