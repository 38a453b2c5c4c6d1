from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rig.root import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

DOCKER = REPOSITORY / "docker"


def compose_says(**settings: str) -> subprocess.CompletedProcess[str]:
    """`docker-compose config` with these settings over those of the example."""
    return subprocess.run(
        ["docker-compose", "--file", str(DOCKER / "compose.yaml"), "--env-file", str(DOCKER / "example.env"), "config"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def site() -> Iterator[Path]:
    """The folder of an installation, as prepare.sh makes it."""
    # Not below pytest's own folder: that is closed to everybody else, and the users of containers are.
    with tempfile.TemporaryDirectory(prefix="acd-site-") as folder:
        made = Path(folder, "dialog-acd")
        made.parent.chmod(0o711)
        prepare(made)
        yield made


def prepare(folder: Path) -> None:
    subprocess.run([DOCKER / "prepare.sh", folder], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def settings(site: Path) -> dict[str, str]:
    """What an operator fills in."""
    return {
        "ACD_SITE": str(site),
        "ACD_ADDRESS": "198.51.100.1",
        "ACD_TRUNK": "192.0.2.9",
        "ACD_HOUSE_NUMBER": "+4951112345",
    }


@pytest.fixture(scope="session")
def compose(settings: dict[str, str]) -> dict[str, Any]:
    said = compose_says(**settings)
    assert (said.returncode, said.stderr) == (0, "")
    return dict(yaml.safe_load(said.stdout))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A story that failed is told with what the boxes have said."""
    report = yield
    whole = getattr(item, "funcargs", {}).get("whole")
    if report.failed and whole is not None:
        report.sections += [(box.name, box.said()[-4000:]) for box in whole.host.boxes]
    return report
