"""Reads a Dockerfile: as much of the language as ours use, and refuses the rest, so that nothing is passed over."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unreadable(Exception):  # noqa: N818  nouns, as in core/errors.py
    """A line we do not know how to carry out."""


@dataclass(frozen=True)
class Run:
    command: str


@dataclass(frozen=True)
class Copy:
    sources: tuple[str, ...]
    target: str
    stage: str | None = None
    """Where from; ``None``: the context."""
    owner: str | None = None


@dataclass
class Stage:
    base: str
    name: str
    steps: list[tuple[Run | Copy, dict[str, str], str]] = field(default_factory=list)
    """Each with the environment and the working directory of its moment."""
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def _instructions(text: str) -> Iterator[str]:
    line = ""
    for part in text.splitlines():
        if part.lstrip().startswith("#") or (not part.strip() and not line):
            continue
        line += part
        if not line.endswith("\\"):
            yield line
            line = ""
        else:
            line = line[:-1]
    if line:
        raise Unreadable(f"the file ends within {line!r}")


def _words(text: str) -> list[str]:
    try:
        words = json.loads(text)
    except ValueError:
        raise Unreadable(f"{text!r} would be run by a shell; write it as a list") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Unreadable(f"{text!r} is no list of words")
    return words


def read(text: str) -> list[Stage]:
    """The stages, the last is the image. Raises ``Unreadable``."""
    stages: list[Stage] = []
    for line in _instructions(text):
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        if name == "FROM":
            made = re.fullmatch(r"(\S+)(?: AS (\S+))?", rest)
            if made is None or "$" in rest:
                raise Unreadable(line)
            before = next((stage for stage in stages if stage.name == made[1]), None)
            stage = Stage(made[1], made[2] or str(len(stages)))
            if before is not None:
                stage.environment, stage.workdir, stage.user = dict(before.environment), before.workdir, before.user
                stage.entrypoint, stage.command = before.entrypoint, before.command
            stages.append(stage)
            continue
        if not stages:
            raise Unreadable(f"{line!r} before FROM")
        _take(stages[-1], name, rest, {stage.name for stage in stages[:-1]})
    return stages


def _take(stage: Stage, name: str, rest: str, known: set[str]) -> None:
    at = dict(stage.environment), stage.workdir
    match name:
        case "RUN":
            if rest.startswith(("[", "--", "<<")):
                raise Unreadable(f"RUN {rest}")
            stage.steps.append((Run(rest), *at))
        case "COPY":
            options, words = {}, rest.split()
            while words and words[0].startswith("--"):
                key, _, value = words.pop(0).partition("=")
                options[key] = value
            if len(words) < 2 or options.keys() - {"--from", "--chown"} or (len(words) > 2 and words[-1][-1] != "/"):
                raise Unreadable(f"COPY {rest}")
            if "--from" in options and options["--from"] not in known:
                raise Unreadable(f"COPY {rest}: there is no such stage")
            copy = Copy(tuple(words[:-1]), words[-1], options.get("--from"), options.get("--chown"))
            stage.steps.append((copy, *at))
        case "ENV":
            for word in shlex.split(rest):
                key, equals, value = word.partition("=")
                if not equals or "$" in value:
                    raise Unreadable(f"ENV {rest}")
                stage.environment[key] = value
        case "WORKDIR":
            if not rest.startswith("/"):
                raise Unreadable(f"WORKDIR {rest}: not a whole path")
            stage.workdir = rest
        case "USER":
            stage.user = rest
        case "ENTRYPOINT":
            stage.entrypoint, stage.command = _words(rest), []
        case "CMD":
            stage.command = _words(rest)
        case _:
            raise Unreadable(f"{name} {rest}")


def left_out(patterns: str, path: str) -> bool:
    """Whether a .dockerignore keeps a file of the context away; its last line that fits counts."""
    out = False
    parents = [path[: m.start()] for m in re.finditer("/", path)] + [path]
    for line in patterns.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        asked, pattern = pattern.startswith("!"), pattern.removeprefix("!").rstrip("/")
        forms = [pattern, pattern.removeprefix("**/")] if pattern.startswith("**/") else [pattern]
        if any(
            fnmatchcase(parent, form) and (form.count("/") == parent.count("/") or pattern.startswith("**/"))
            for parent in parents
            for form in forms
        ):
            out = not asked
    return out
