"""Makes an image the way Docker would, where no Docker is: each stage is a layer over its base, each step is carried
out in it by chroot, as root.

A base is a root of Debian's: `debian:SUITE-slim` is what debuerreotype makes of debootstrap's minbase, less
documentation. mmdebstrap makes the same of the same packages in a seventh of the time, as apt fetches them all at once;
it is kept in .cache. For Asterisk's suite the private Asterisk's root serves, whatever the date: what is
installed there already makes apt's step short, and no other step knows.

All mounts are in a namespace of their own and end with it. What this machine needs to reach a package registry (pip's
settings, its authorities, apt's proxy, resolv.conf) is lent to the steps, and stays in no layer. So is the permission
to take packages from a mirror that stands still, whose lists end one day; debootstrap does not look at that either.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boxes.dockerfile import Copy, Run, Stage, left_out, read
from rig.root import REPOSITORY, provide

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CACHE = REPOSITORY / ".cache"
BOOKWORM = CACHE / "bookworm-root"


def base(name: str) -> Path:
    """The root for `debian:SUITE-slim`."""
    if re.fullmatch(r"debian:forky-\d{8}-slim", name):
        return provide().path
    assert name == "debian:bookworm-slim", f"no root is known for {name}"
    if not BOOKWORM.exists():
        CACHE.mkdir(exist_ok=True)
        making = BOOKWORM.with_suffix(f".{os.getpid()}")
        said = subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", str(making), *_mirror()],
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        try:
            making.rename(BOOKWORM)
        except OSError:  # somebody else was quicker
            shutil.rmtree(making, ignore_errors=True)
    return BOOKWORM


def _mirror() -> list[str]:
    """The machine's owner has decided where packages come from; provide.sh has found out."""
    script = (REPOSITORY / "asterisk" / "provide.sh").read_text(encoding="utf-8")
    function = script[script.index("own_mirror() {") :]
    function = function[: function.index("\n}\n") + 2]
    found = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{function}\nown_mirror"], capture_output=True, text=True, check=True
    )
    return [f"deb {found.stdout.strip()} bookworm main"]


@dataclass(frozen=True)
class Image:
    layers: tuple[Path, ...]
    """The topmost first."""
    stage: Stage

    def find(self, path: str) -> Path:
        """A file of it, seen from outside."""
        return next(found for layer in self.layers if (found := layer / path.lstrip("/")).exists())

    def who(self, user: str) -> tuple[int, int, list[int]]:
        """Number, group and further groups, as Docker reads them: of a name from the image's own files."""
        first, _, second = user.partition(":")
        if first.isdigit():
            return int(first), int(second or 0), []
        rows = [line.split(":") for line in self.find("/etc/passwd").read_text().splitlines()]
        uid, gid = next((int(row[2]), int(row[3])) for row in rows if row[0] == first)
        groups = [line.split(":") for line in self.find("/etc/group").read_text().splitlines()]
        return uid, gid, [int(row[2]) for row in groups if first in row[3].split(",")]


def build(dockerfile: str, workshop: Path) -> Image:
    """Carry out `dockerfile` (a path in the repository), leaving its layers in `workshop`."""
    done: dict[str, Image] = {}
    for stage in read((REPOSITORY / dockerfile).read_text(encoding="utf-8")):
        below = done[stage.base].layers if stage.base in done else (base(stage.base),)
        layer = workshop / stage.name
        for part in ("layer", "work", "root"):
            (layer / part).mkdir(parents=True)
        image = Image((layer / "layer", *below), stage)
        for step, environment, workdir in stage.steps:
            match step:
                case Run(command):
                    _run(image, command, environment, workdir)
                case Copy():
                    _copy(image, step, workdir, done)
        done[stage.name] = image
    return image


# ---------------------------------------------------------------- steps


def mounted(image: Image) -> str:
    """Shell lines after which $ROOT is the image, and what is written there stays in its first layer."""
    top = image.layers[0].parent
    below = ":".join(map(str, image.layers[1:]))
    return f"""
set -eu
ROOT={shlex.quote(str(top / "root"))}
mount -t overlay overlay -o lowerdir={below},upperdir={top}/layer,workdir={top}/work "$ROOT"
"""


def in_namespace(script: str, *, given: bytes | None = None, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
        input=given,
        env={"PATH": os.environ["PATH"], **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-4000:].decode(errors='replace')}"


def _run(image: Image, command: str, environment: Mapping[str, str], workdir: str) -> None:
    lent, files = _lent() if "pip" in command else ({}, [])
    lending = "\n".join(
        f'[ -e "$ROOT{file}" ] || {{ mkdir -p "$ROOT{file.parent}"; '
        f'{"mkdir" if file.is_dir() else "touch"} "$ROOT{file}"; }}; mount --bind {file} "$ROOT{file}"'
        for file in files
    )
    in_namespace(
        f"""{mounted(image)}
mkdir -p "$ROOT{workdir}"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
touch "$ROOT/etc/resolv.conf"
mount --bind /etc/resolv.conf "$ROOT/etc/resolv.conf"
{lending}
lent="$ROOT/etc/apt/apt.conf.d/99lent"
apt-config dump Acquire::http >"$lent"
echo 'Acquire::Check-Valid-Until "false";' >>"$lent"
chroot "$ROOT" /bin/sh -c {shlex.quote(f"cd {workdir} && {command}")}
rm "$lent"
""",
        environment={"PATH": PATH} | lent | dict(environment),
    )


def _lent() -> tuple[dict[str, str], list[Path]]:
    """Where this machine's pip gets its packages from, as environment; and the files that says."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in ("global", "install", ":env:") and (section == ":env:" or "." not in key):
            settings["PIP_" + key.strip(".").upper().replace("-", "_")] = value.strip("'\"")
    files = []
    for value in settings.values():
        for word in value.split():
            # An index of this machine's own names its packages beside itself.
            path = Path(word.removeprefix("file://")).parent if word.startswith("file://") else Path(word)
            files += [path] if path.is_absolute() and path.exists() else []
    return settings, list(dict.fromkeys(files))


def _copy(image: Image, step: Copy, workdir: str, done: Mapping[str, Image]) -> None:
    target = step.target if step.target.startswith("/") else f"{workdir}/{step.target}"
    if step.stage is not None:
        source = done[step.stage]
        assert len(step.sources) == 1
        merged = ":".join(map(str, source.layers))
        in_namespace(
            f"""{mounted(image)}
from=$(mktemp -d)
mount -t overlay overlay -o lowerdir={merged} "$from"
mkdir -p "$ROOT{target}"
cp -a "$from{step.sources[0]}/." "$ROOT{target}"
umount "$from" && rmdir "$from"
"""
        )
        return
    in_namespace(
        f"""{mounted(image)}
mkdir -p "$ROOT{workdir}"
exec chroot "$ROOT" tar --extract --preserve-permissions --file -
""",
        given=_packed(step, target),
    )


def _packed(step: Copy, target: str) -> bytes:
    """What COPY takes of the context: of a folder its content, and of that what .dockerignore lets through."""
    patterns = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8")
    user, _, group = (step.owner or "root:root").partition(":")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for source in step.sources:
            at = REPOSITORY / source
            inner = sorted(at.rglob("*")) if at.is_dir() else [at]
            taken = [path for path in inner if not left_out(patterns, str(path.relative_to(REPOSITORY)))]
            assert taken, f".dockerignore leaves nothing of {source}"
            for path in taken:
                within = str(path.relative_to(at)) if at.is_dir() else path.name if target.endswith("/") else ""
                entry = archive.gettarinfo(path, f"{target.rstrip('/')}/{within}".strip("/"))
                entry.uid = entry.gid = 0
                entry.uname, entry.gname = user, group or user
                if path.is_file():
                    with path.open("rb") as file:
                        archive.addfile(entry, file)
                else:
                    archive.addfile(entry)
    return packed.getvalue()
