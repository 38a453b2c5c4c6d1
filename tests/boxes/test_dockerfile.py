"""The reader of Dockerfiles takes what ours use, and stumbles over everything else."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from boxes.dockerfile import Copy, Run, Unreadable, left_out, read
from rig.root import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

TWO = """\
# a remark
FROM debian:bookworm-slim AS build
ENV A=1 B="two words"
RUN one \\
    # a remark within
    && two
WORKDIR /build
COPY a b ./
FROM build
COPY --from=build /opt /opt
COPY --chown=anna:staff x /y
USER anna
ENTRYPOINT ["program"]
CMD ["serve"]
"""


def test_stages_steps_and_what_holds_at_each() -> None:
    build, image = read(TWO)
    assert (build.base, build.name, image.base, image.name) == ("debian:bookworm-slim", "build", "build", "1")
    surroundings = {"A": "1", "B": "two words"}
    assert build.steps == [
        (Run("one     && two"), surroundings, "/"),
        (Copy(("a", "b"), "./"), surroundings, "/build"),
    ]
    assert [step for step, _, _ in image.steps] == [
        Copy(("/opt",), "/opt", stage="build"),
        Copy(("x",), "/y", owner="anna:staff"),
    ]
    assert (image.environment, image.workdir, image.user) == (surroundings, "/build", "anna")
    assert (image.entrypoint, image.command) == (["program"], ["serve"])


@pytest.mark.parametrize(
    "line",
    [
        "ADD x /y", "ARG A", "VOLUME /x", "HEALTHCHECK CMD true", 'SHELL ["sh"]', "ONBUILD RUN x", "EXPOSE 1",
        "RUN --mount=type=cache x", 'RUN ["x"]', "COPY --link a b", "COPY --from=nobody a b", "COPY a b c", "COPY a",
        "ENV A", "ENV PATH=/x:$PATH", "WORKDIR x", "CMD serve", "ENTRYPOINT serve", "CMD [1]", "run x",
        "FROM a b", "FROM $BASE", "RUN x \\",
    ],
)  # fmt: skip
def test_what_it_does_not_know_it_does_not_pass_over(line: str) -> None:
    with pytest.raises(Unreadable):
        read(f"FROM debian:bookworm-slim\n{line}\n")


def test_nothing_comes_before_a_base() -> None:
    with pytest.raises(Unreadable, match="before FROM"):
        read("RUN x\n")


@pytest.mark.parametrize("name", ["service", "asterisk"])
def test_ours_ends_as_a_user_who_is_not_root(name: str) -> None:
    stages = read((REPOSITORY / "docker" / name / "Dockerfile").read_text(encoding="utf-8"))
    assert stages[-1].user not in ("root", "0")
    assert stages[0].base.startswith("debian:")


@pytest.mark.parametrize("name", ["service", "asterisk"])
def test_what_is_copied_can_be_read_by_who_is_not_root(name: str) -> None:
    """A checkout under umask 077 has files for their owner alone, and COPY keeps that."""
    steps = [step for step, *_ in read((REPOSITORY / "docker" / name / "Dockerfile").read_text("utf-8"))[-1].steps]
    last = steps[-1]
    assert isinstance(last, Run)
    assert last.command.startswith("chmod -R a+rX ")
    opened = last.command.split()[3:]
    copied = [step.target.rstrip("/") for step in steps if isinstance(step, Copy) and step.owner is step.stage is None]
    assert copied
    assert all(any(f"{target}/".startswith(f"{folder}/") for folder in opened) for target in copied)


def test_an_asterisk_of_another_day_is_the_same_asterisk() -> None:
    """Debian's testing is another one each day; the image has the date of its packages, and looks at what it got."""
    [stage] = read((REPOSITORY / "docker" / "asterisk" / "Dockerfile").read_text(encoding="utf-8"))
    steps = [step.command for step, _, _ in stage.steps if isinstance(step, Run)]
    assert re.fullmatch(r"debian:forky-20\d{6}-slim", stage.base)
    [asked] = [step for step in steps if step.startswith("asterisk -V")]
    for version, good in (
        ("22.6.0", True), ("22.10.1~dfsg+~cs6.16", True), ("22.5.2", False), ("22.1.0", False), ("23.1.0", False),
        ("20.22.6", False),
    ):  # fmt: skip
        said = subprocess.run(["bash", "-c", f"asterisk() {{ echo 'Asterisk {version}'; }}; {asked}"], check=False)
        assert (said.returncode == 0) is good, version


def test_packages_are_of_the_images_own_date(tmp_path: Path) -> None:
    [stage] = read((REPOSITORY / "docker" / "asterisk" / "Dockerfile").read_text(encoding="utf-8"))
    first = stage.steps[0][0]
    assert isinstance(first, Run)
    sources = tmp_path / "debian.sources"
    sources.write_text(
        "Types: deb\n# http://snapshot.debian.org/archive/debian/20260824T000000Z\n"
        "URIs: http://deb.debian.org/debian\nSuites: forky forky-updates\nComponents: main\n"
    )
    command = first.command.replace("/etc/apt/sources.list.d", str(tmp_path))
    subprocess.run(["sh", "-ec", command.replace("/etc/apt/apt.conf.d", str(tmp_path))], check=True)
    assert sources.read_text().splitlines() == [
        "Types: deb", "URIs: http://snapshot.debian.org/archive/debian/20260824T000000Z",
        "Suites: forky forky-updates", "Components: main",
    ]  # fmt: skip
    assert "Check-Valid-Until" in (tmp_path / "snapshot").read_text()


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("src/dialog_acd/app.py", False), ("migrations/env.py", False), ("pyproject.toml", False),
        ("docker/asterisk/start", False), ("dialplans/sounds/de/acd/closed.alaw", False),
        (".git/config", True), (".cache/x", True), (".venv/bin/python", True), (".run/api.token", True),
        ("tests/conftest.py", True), ("docker/.env", True), ("docker/site/secrets/ami", True),
        ("src/dialog_acd/__pycache__/app.pyc", True), ("dialog-acd.sqlite", True), ("sub/pyproject.toml", True),
    ],
)  # fmt: skip
def test_only_what_images_are_made_of_reaches_the_builder(path: str, out: bool) -> None:
    assert left_out((REPOSITORY / ".dockerignore").read_text(encoding="utf-8"), path) is out
