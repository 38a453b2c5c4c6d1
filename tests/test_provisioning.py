"""A folder that Asterisk includes follows the directory; whatever goes wrong, Asterisk has files it has taken before.

Asterisk is a shell script here: it takes the files when it is told to reload, and says which mark it has.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import stat
import threading
import tomllib
from collections import Counter
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dialog_acd
from dialog_acd import provisioning
from dialog_acd.clock import SystemClock
from dialog_acd.core.model import AgentId, Phone, Prompt, PromptId
from dialog_acd.provisioning import (
    Found,
    FromApi,
    FromFile,
    NoSound,
    NoSuchPhone,
    Provisioning,
    Synced,
    SyncFailed,
    SyncRefused,
    Wavs,
    password_of,
)
from dialog_acd.settings import AsteriskSettings
from dialog_acd.store.directory_file import directory_from_plain
from dialog_acd.store.directory_plain import plain
from directories import COUNTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dialog_acd.core.directory import Directory
    from dialog_acd.provisioning import Sound, Source

COUNTY_ = directory_from_plain(tomllib.loads(COUNTY), Path("county.toml"))
SILENT = replace(COUNTY_, prompts=())
"""Without prompts: most stories are not about them."""
ANNA = COUNTY_.agents[0]

SCRIPT = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >>log
case "$1" in
    reload)
        if [ -e refuses ]; then cat refuses; exit "$(cat status)"; fi
        [ -e deaf ] || cat synced/current/pjsip-acd-agents.conf >taken 2>/dev/null || : >taken ;;
    show) cat taken ;;
    hang) sleep 600 & wait ;;
esac
"""


class Asterisk:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.program = home / "asterisk"
        self.program.write_text(SCRIPT)
        self.program.chmod(0o755)
        (home / "synced").mkdir(mode=0o750)

    @property
    def folder(self) -> Path:
        return self.home / "synced"

    @property
    def said(self) -> list[str]:
        """What it was told, and forgets with that."""
        log = self.home / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def knows(self, phone: str) -> bool:
        """Whether it would let this phone in."""
        taken = self.home / "taken"
        return taken.exists() and f"[{phone}](acd-phone)" in taken.read_text()

    def has_taken_what_is_linked(self) -> bool:
        current = self.folder / "current" / "pjsip-acd-agents.conf"
        taken = self.home / "taken"
        return (current.read_text() if current.exists() else "") == (taken.read_text() if taken.exists() else "")

    def refuses(self, words: str = "", status: int = 1) -> None:
        (self.home / "refuses").write_text(words)
        (self.home / "status").write_text(str(status))

    def obeys(self) -> None:
        for file in ("refuses", "deaf"):
            (self.home / file).unlink(missing_ok=True)

    def settings(self, **other: Any) -> AsteriskSettings:
        said = {"reload": f"{self.program} reload pjsip; {self.program} reload queues", "check": f"{self.program} show"}
        return AsteriskSettings(**{**said, **other})


@dataclass
class Given:
    """A directory, and recordings."""

    held: Directory
    version: int = 1
    tag: str = "1"
    recordings: dict[str, Wavs] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    name: str = "given"

    async def directory(self, known: str) -> Found | None:
        self.asked["directory"] += 1
        if known and known == self.tag:
            return None
        self.asked["whole"] += 1
        return Found(self.held, self.version, self.tag)

    def becomes(self, directory: Directory) -> None:
        self.held, self.version = directory, self.version + 1
        self.tag = str(self.version)

    async def recording(self, digest: str) -> Sound:
        self.asked["recording"] += 1
        try:
            return self.recordings[digest]
        except KeyError:
            raise NoSound("there is no such recording") from None


@dataclass
class Parrot:
    """A voice, unless it has lost it."""

    fit: bool = True
    spoken: list[str] = field(default_factory=list)

    async def speak(self, text: str) -> Sound:
        if not self.fit:
            raise NoSound("espeak-ng is not installed")
        self.spoken.append(text)
        return Wavs(f"narrow {text}".encode(), f"wide {text}".encode())


@pytest.fixture
def asterisk(tmp_path: Path) -> Asterisk:
    return Asterisk(tmp_path)


@pytest.fixture
def voice() -> Parrot:
    return Parrot()


@pytest.fixture
def given() -> Given:
    return Given(SILENT)


@pytest.fixture
def provisioning_(asterisk: Asterisk, given: Given, voice: Parrot) -> Provisioning:
    return made(asterisk, given, voice)


def made(asterisk: Asterisk, source: Source, voice: Parrot | None = None, **settings: Any) -> Provisioning:
    return Provisioning(asterisk.folder, source, voice or Parrot(), SystemClock(), asterisk.settings(**settings))


def with_agent(directory: Directory, phone: str) -> Directory:
    return replace(
        directory, agents=(*directory.agents, replace(ANNA, id=AgentId(phone), phone=Phone(phone), team=None))
    )


def without(directory: Directory, phone: str) -> Directory:
    return replace(directory, agents=tuple(a for a in directory.agents if a.phone != phone))


def tree(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Everything in it, with what a change would change."""
    return {
        str(path.relative_to(folder)): (
            (s := path.lstat()).st_mtime_ns,
            s.st_ino,
            "" if path.is_dir() else path.read_text(),
        )
        for path in folder.rglob("*")
        if not path.is_symlink()
    } | {"current": (0, 0, str((folder / "current").readlink()) if (folder / "current").is_symlink() else "")}


def passwords(asterisk: Asterisk) -> dict[str, str]:
    lines = (asterisk.folder / "passwords").read_text().splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))


# ---------------------------------------------------------------- the ordinary day


async def test_the_first_sync_gives_asterisk_all_there_is(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    done = await provisioning_.sync()
    assert done == Synced(1, ("pjsip-acd-agents.conf", "pjsip-acd-partners.conf", "queues-acd.conf"), reloaded=True)
    assert asterisk.said == ["reload pjsip", "reload queues", "show"]
    assert asterisk.knows("phone-anna")
    current = asterisk.folder / "current"
    assert current.readlink().parts == (current.resolve().name,), "relative: Asterisk may see it under another path"
    told = json.loads((current / "manifest.json").read_text())
    assert told["version"] == 1
    for name, digest in told["files"].items():
        assert hashlib.sha256((current / name).read_bytes()).hexdigest() == digest
    assert {p.name for p in current.iterdir()} == {*told["files"], "manifest.json"}


async def test_nothing_is_touched_where_nothing_has_changed(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning
) -> None:
    await provisioning_.sync()
    before = tree(asterisk.folder)
    assert asterisk.said
    assert await provisioning_.sync() == Synced(None)
    assert given.asked["whole"] == 1, "it is not even read again"
    given.tag = ""  # as a file, of which nobody knows whether it is the same
    assert await provisioning_.sync() == Synced(1)
    given.becomes(replace(SILENT, agents=(replace(ANNA, name="Anna Neu"), *SILENT.agents[1:])))
    assert await provisioning_.sync() == Synced(2), "a name is nothing that Asterisk must know"
    assert asterisk.said == []
    after = tree(asterisk.folder)
    state = before.pop("state.json"), after.pop("state.json")
    assert state[0] != state[1], "which version was looked at"
    assert before == after


async def test_a_new_phone_gets_a_password_and_all_others_keep_theirs(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning
) -> None:
    await provisioning_.sync()
    before = passwords(asterisk)
    assert set(before) == {"phone-anna", "phone-bert", "phone-dora"}
    assert len(set(before.values())) == 3
    assert all(len(password) == 32 for password in before.values())
    given.becomes(with_agent(SILENT, "phone-emil"))
    assert (await provisioning_.sync()).changed == ("pjsip-acd-agents.conf",)
    after = passwords(asterisk)
    assert after.pop("phone-emil") not in before.values()
    assert after == before
    assert asterisk.knows("phone-emil")


async def test_a_removed_phone_is_unknown_and_its_password_gone(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning
) -> None:
    await provisioning_.sync()
    old = passwords(asterisk)["phone-bert"]
    given.becomes(without(SILENT, "phone-bert"))
    await provisioning_.sync()
    assert not asterisk.knows("phone-bert")
    assert "phone-bert" not in passwords(asterisk)
    given.becomes(SILENT)
    await provisioning_.sync()
    assert passwords(asterisk)["phone-bert"] != old, "whoever has the old phone has nothing"


async def test_a_line_taken_out_of_the_passwords_makes_a_new_one(
    asterisk: Asterisk, provisioning_: Provisioning
) -> None:
    await provisioning_.sync()
    before = passwords(asterisk)
    file = asterisk.folder / "passwords"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if "anna" not in line))
    await provisioning_.sync()
    after = passwords(asterisk)
    assert after.pop("phone-anna") != before.pop("phone-anna")
    assert after == before


async def test_the_password_is_told_to_who_may_read_the_folder(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    await provisioning_.sync()
    assert password_of(asterisk.folder, "phone-anna") == passwords(asterisk)["phone-anna"]
    with pytest.raises(NoSuchPhone, match="phone-nina"):
        password_of(asterisk.folder, "phone-nina")


async def test_secrets_are_open_to_owner_and_group_alone(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    before = os.umask(0)
    try:
        await provisioning_.sync()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(p.lstat().st_mode) for p in asterisk.folder.rglob("*") if p.is_file() and not p.is_symlink()}
    assert modes == {0o640}
    assert stat.S_IMODE((asterisk.folder / "current").resolve().stat().st_mode) == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_all_of_it_belongs_to_whom_the_folder_belongs(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    os.chown(asterisk.folder, 61999, 61998)
    await provisioning_.sync()
    (asterisk.folder / "current").resolve()
    owners = {(s.st_uid, s.st_gid) for p in asterisk.folder.rglob("*") if not p.is_symlink() for s in [p.stat()]}
    assert owners == {(61999, 61998)}


async def test_no_secret_is_said_in_the_manifest_the_state_or_the_log(
    asterisk: Asterisk, provisioning_: Provisioning, capsys: pytest.CaptureFixture[str]
) -> None:
    await provisioning_.sync()
    said = "".join(capsys.readouterr())
    for file in ("current/manifest.json", "state.json"):
        said += (asterisk.folder / file).read_text()
    assert not [password for password in passwords(asterisk).values() if password in said]


async def test_the_last_few_folders_are_kept(asterisk: Asterisk, given: Given, provisioning_: Provisioning) -> None:
    for name in "abcdefg":
        given.becomes(with_agent(SILENT, f"phone-{name}"))
        await provisioning_.sync()
    kept = [p.name for p in asterisk.folder.iterdir() if p.is_dir() and not p.is_symlink()]
    assert sorted(int(name.partition("-")[0]) for name in kept) == [5, 6, 7, 8]


async def test_what_the_site_sets_up_itself_is_left_alone(asterisk: Asterisk, given: Given) -> None:
    await made(asterisk, given, by_hand=" phone-a*, oldenburg ").sync()
    assert not asterisk.knows("phone-anna")
    assert asterisk.knows("phone-bert")
    assert set(passwords(asterisk)) == {"phone-bert", "phone-dora"}
    # Taken over from the site, without a change of the directory.
    await made(asterisk, given).sync()
    assert asterisk.knows("phone-anna")


async def test_a_link_that_somebody_has_taken_away_comes_back(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning
) -> None:
    await provisioning_.sync()
    (asterisk.folder / "current").unlink()
    assert (await provisioning_.sync()).reloaded
    assert asterisk.has_taken_what_is_linked()
    assert given.asked["whole"] == 2, "although the directory is the same"


async def test_another_version_of_the_program_may_write_otherwise(
    given: Given, provisioning_: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provisioning_.sync()
    monkeypatch.setattr(dialog_acd, "__version__", "99")
    await provisioning_.sync()
    assert given.asked["whole"] == 2


# ---------------------------------------------------------------- partners' accounts


async def test_a_partners_account_is_taken_from_the_administrators_file(
    asterisk: Asterisk, provisioning_: Provisioning
) -> None:
    await provisioning_.sync()
    file = asterisk.folder / "accounts"
    file.write_text("# partner, user, password\noldenburg\tlangenhagen  pass; phrase \n")
    file.chmod(0o640)
    assert (await provisioning_.sync()).changed == ("pjsip-acd-agents.conf", "pjsip-acd-partners.conf")
    text = (asterisk.folder / "current" / "pjsip-acd-partners.conf").read_text()
    assert "outbound_auth = oldenburg" in text
    assert "username = langenhagen\npassword = pass\\; phrase\n" in text


async def test_accounts_open_to_others_are_refused(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    file = asterisk.folder / "accounts"
    file.write_text("oldenburg a b\n")
    file.chmod(0o644)
    with pytest.raises(SyncRefused, match=r"open to others: chmod 640"):
        await provisioning_.sync()


async def test_a_broken_line_is_named_and_not_repeated(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    file = asterisk.folder / "accounts"
    file.write_text("\noldenburg only-the-password\n")
    file.chmod(0o640)
    with pytest.raises(SyncRefused, match=r"^line 2 of .*accounts is not 3 words: put it right$"):
        await provisioning_.sync()


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (("Unable to connect to remote asterisk", 1), "status 1: Unable to connect"),
        (("No such command 'reload pjsip'", 0), "No such command"),
        (("No such module 'res_pjsip.so'", 0), "No such module"),
        (("The module 'app_queue.so' reported a reload failure", 0), "reported a reload failure"),
        (("", 3), "status 3: it said nothing"),
    ],
)
async def test_a_reload_that_fails_leaves_what_there_was(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning, answer: tuple[str, int], told: str
) -> None:
    await provisioning_.sync()
    before = (asterisk.folder / "current").readlink()
    assert asterisk.said
    given.becomes(without(with_agent(SILENT, "phone-emil"), "phone-anna"))
    asterisk.refuses(*answer)
    with pytest.raises(SyncFailed, match=told):
        await provisioning_.sync()
    assert (asterisk.folder / "current").readlink() == before
    assert asterisk.said == ["reload pjsip", "reload pjsip"], "once for the new files, once for the old ones"
    assert "phone-anna" in passwords(asterisk), "the files that are in force need it"
    asterisk.obeys()
    assert (await provisioning_.sync()).reloaded
    assert asterisk.knows("phone-emil")
    assert "phone-anna" not in passwords(asterisk)


async def test_an_asterisk_that_says_yes_and_takes_nothing_is_noticed(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning
) -> None:
    """`module reload` is successful where a phone stands in two files and none of them was read."""
    await provisioning_.sync()
    before = (asterisk.folder / "current").readlink()
    given.becomes(with_agent(SILENT, "phone-emil"))
    (asterisk.home / "deaf").touch()
    with pytest.raises(SyncFailed, match="has not taken the new files"):
        await provisioning_.sync()
    assert (asterisk.folder / "current").readlink() == before
    assert asterisk.has_taken_what_is_linked()


async def test_files_that_were_never_taken_are_not_linked(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    asterisk.refuses()
    with pytest.raises(SyncFailed):
        await provisioning_.sync()
    assert not (asterisk.folder / "current").is_symlink()


async def test_a_reload_that_hangs_is_ended(asterisk: Asterisk, given: Given) -> None:
    hanging = made(asterisk, given, reload=f"{asterisk.program} hang", within=0.05)
    with pytest.raises(SyncFailed, match=r"was not done within 0\.05 s"):
        await hanging.sync()


async def test_a_program_that_is_not_there_is_named(asterisk: Asterisk, given: Given) -> None:
    with pytest.raises(SyncFailed, match="no-such-asterisk: No such file"):
        await made(asterisk, given, reload="no-such-asterisk -rx 'core reload'").sync()


async def test_one_sync_at_a_time(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    with (asterisk.folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SyncFailed, match="another sync is at work"):
            await provisioning_.sync()
        assert asterisk.said == []
    await provisioning_.sync()


async def test_the_folder_is_made_by_the_administrator(asterisk: Asterisk, given: Given) -> None:
    asterisk.folder.rmdir()
    with pytest.raises(SyncRefused, match="install -d -o USER -g asterisk -m 2750"):
        await made(asterisk, given).sync()


async def test_a_folder_in_which_others_may_write_is_refused(asterisk: Asterisk, provisioning_: Provisioning) -> None:
    asterisk.folder.chmod(0o770)
    with pytest.raises(SyncRefused, match="others may write in it"):
        await provisioning_.sync()


async def test_nobodys_link_is_followed(asterisk: Asterisk, tmp_path: Path, provisioning_: Provisioning) -> None:
    """Asterisk's own user may be able to put something there; root writes."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (asterisk.folder / ".passwords").symlink_to(victim)
    (asterisk.folder / ".current").symlink_to(victim)
    await provisioning_.sync()
    assert victim.read_text() == "mine"
    (asterisk.folder / ".lock").unlink()
    (asterisk.folder / ".lock").symlink_to(victim)
    with pytest.raises(SyncFailed):
        await provisioning_.sync()
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode)) == ("mine", 0o644)


class PowerCut(BaseException):
    """Nobody handles it."""


class Fuse:
    """Cuts the power at the n-th thing that is done to the disk, or to Asterisk."""

    STEPS = ("open", "fsync", "mkdir", "rename", "replace", "symlink", "unlink", "link")

    def __init__(self, asterisk: Asterisk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        for name in self.STEPS:
            real = (lambda _handle: None) if name == "fsync" else getattr(os, name)
            monkeypatch.setattr(os, name, self._guarded(real))
        taken = asterisk.home / "taken"

        async def run(_: Provisioning, command: Sequence[str]) -> tuple[int, str]:
            """What the script does, without a process for each of some hundred times."""
            self.burn()
            if command[1] == "reload":
                shutil.copy(asterisk.folder / "current" / "pjsip-acd-agents.conf", taken)
            self.burn()
            return 0, taken.read_text()

        monkeypatch.setattr(Provisioning, "_run", run)

    def burn(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise PowerCut

    def _guarded(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **how: Any) -> Any:
            self.burn()
            return real(*args, **how)

        return step


async def test_the_power_may_go_at_any_moment(
    asterisk: Asterisk, given: Given, voice: Parrot, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = replace(SILENT, prompts=COUNTY_.prompts[:1])
    given.held = first
    await made(asterisk, given, voice).sync()
    fuse, moment = Fuse(asterisk, monkeypatch), 0
    while True:
        # Back and forth, so that each cut falls into a sync that adds and removes.
        wanted = (
            first if "phone-emil" in passwords(asterisk) else without(with_agent(first, "phone-emil"), "phone-bert")
        )
        given.becomes(wanted)
        fuse.left = moment
        try:
            await made(asterisk, given, voice).sync()
            cut = False
        except PowerCut:
            cut = True
        fuse.left = None
        if not cut:
            break
        moment += 1
        current = asterisk.folder / "current"
        told = json.loads((current / "manifest.json").read_text())
        for name, digest in told["files"].items():
            assert hashlib.sha256((current / name).read_bytes()).hexdigest() == digest, f"half a file at {moment}"
        text, known = (current / "pjsip-acd-agents.conf").read_text(), passwords(asterisk)
        for phone in ("phone-anna", "phone-emil", "phone-bert"):
            assert f"username = {phone}\n" not in text or f"password = {known[phone]}\n" in text
        await made(asterisk, given, voice).sync()
        assert asterisk.has_taken_what_is_linked(), f"Asterisk does not know, after a cut at {moment}"
        assert asterisk.knows("phone-emil") == (wanted is not first)
        assert set(passwords(asterisk)) == {agent.phone for agent in wanted.agents}
        assert not [p.name for p in asterisk.folder.iterdir() if p.name.startswith(".new")]
    assert moment > 30, "the fuse did not hold all of it"
    assert voice.spoken == [first.prompts[0].text], "a sound that is there is shared"


# ---------------------------------------------------------------- prompts


def sounds(asterisk: Asterisk) -> dict[str, str]:
    folder = asterisk.folder / "current" / "sounds" / "de" / "acd"
    return {file.name: file.read_text() for file in folder.iterdir()} if folder.exists() else {}


def prompt(text: str = "", recording: str | None = None) -> Prompt:
    return Prompt(PromptId("storm"), "Sturm", text, recording)


async def test_a_draft_is_spoken_until_there_is_a_recording(
    asterisk: Asterisk, given: Given, voice: Parrot, provisioning_: Provisioning
) -> None:
    given.becomes(replace(SILENT, prompts=(prompt("Es stürmt."),)))
    assert (await provisioning_.sync()).notes == ()
    assert sounds(asterisk) == {"storm.wav": "narrow Es stürmt.", "storm.wav16": "wide Es stürmt."}
    assert asterisk.said
    digest = "0" * 64
    given.recordings[digest] = Wavs(b"N", b"W")
    given.becomes(replace(SILENT, prompts=(prompt("Es stürmt.", digest),)))
    done = await provisioning_.sync()
    assert done == Synced(3, ("sounds/de/acd/storm.wav", "sounds/de/acd/storm.wav16"), reloaded=False)
    assert asterisk.said == [], "a sound is played from where it lies"
    assert sounds(asterisk) == {"storm.wav": "N", "storm.wav16": "W"}
    given.becomes(with_agent(given.held, "phone-emil"))
    await provisioning_.sync()
    assert (given.asked["recording"], voice.spoken) == (1, ["Es stürmt."]), "what is there is not made again"
    given.becomes(SILENT)
    await provisioning_.sync()
    assert sounds(asterisk) == {}


async def test_what_cannot_be_spoken_stays_as_it_was_and_is_tried_again(
    asterisk: Asterisk, given: Given, voice: Parrot, provisioning_: Provisioning
) -> None:
    given.becomes(replace(SILENT, prompts=(prompt("Es stürmt."),)))
    await provisioning_.sync()
    voice.fit = False
    given.becomes(replace(SILENT, prompts=(prompt("Es schneit."),)))
    done = await provisioning_.sync()
    assert done.notes == ("prompt storm: espeak-ng is not installed",)
    assert sounds(asterisk)["storm.wav"] == "narrow Es stürmt."
    voice.fit = True
    assert (await provisioning_.sync()).notes == (), "although the directory is the same"
    assert sounds(asterisk)["storm.wav"] == "narrow Es schneit."


async def test_a_recording_that_is_lost_is_replaced_by_words(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning
) -> None:
    given.becomes(replace(SILENT, prompts=(prompt("Es stürmt.", "1" * 64),)))
    done = await provisioning_.sync()
    assert done.notes == ("prompt storm: there is no such recording",)
    assert sounds(asterisk)["storm.wav"] == "narrow Es stürmt."


async def test_a_prompt_that_nobody_can_have_keeps_no_phone_from_coming(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning
) -> None:
    given.becomes(with_agent(replace(SILENT, prompts=(prompt(recording="1" * 64),)), "phone-emil"))
    assert (await provisioning_.sync()).notes == ("prompt storm: there is no such recording",)
    assert asterisk.knows("phone-emil")
    assert sounds(asterisk) == {}


# ---------------------------------------------------------------- in the service


async def test_the_service_follows_each_change_and_tries_again(
    asterisk: Asterisk, given: Given, provisioning_: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning, "AGAIN", 0.01)
    assert provisioning_.told() == "not synced yet"
    running = asyncio.create_task(provisioning_.run())

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110  stories play with the moment
                await asyncio.sleep(0.005)

    try:
        await until(lambda: provisioning_.told().startswith("synced at "))
        asterisk.refuses("Unable to connect to remote asterisk")
        given.becomes(with_agent(SILENT, "phone-emil"))
        provisioning_.wake()
        await until(lambda: "Unable to connect" in provisioning_.told())
        assert provisioning_.told().startswith("not synced, will be tried again: ")
        asterisk.obeys()
        await until(lambda: asterisk.knows("phone-emil") and provisioning_.told().startswith("synced at "))
        # A defect, which must not end the service.
        given.held = None  # type: ignore[assignment]
        given.tag = "x"
        provisioning_.wake()
        await until(lambda: "a defect" in provisioning_.told())
        given.becomes(SILENT)
        await until(lambda: not asterisk.knows("phone-emil"))
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_who_stops_the_service_does_not_wait_for_a_reload(asterisk: Asterisk, given: Given) -> None:
    slow = made(asterisk, given, reload=f"{asterisk.program} hang")
    running = asyncio.create_task(slow.run())
    log = asterisk.home / "log"  # not ``said``: it would take the file away before the line is in it
    async with asyncio.timeout(10):
        while not log.exists() or "hang" not in log.read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        running.cancel()
        await asyncio.wait([running])
    # What was begun is finished by the next.
    await made(asterisk, given).sync()
    assert asterisk.has_taken_what_is_linked()
    assert asterisk.knows("phone-anna")


async def test_a_directory_file_has_no_version_and_no_recordings(asterisk: Asterisk, tmp_path: Path) -> None:
    file = tmp_path / "county.toml"
    file.write_text(COUNTY, encoding="utf-8")
    done = await made(asterisk, FromFile(file)).sync()
    assert done.version == 0
    assert done.notes == ("prompt storm: a directory file has no recordings, and 001122334455 is one",)
    assert (await made(asterisk, FromFile(file)).sync()).changed == ()


# ---------------------------------------------------------------- over REST


class Desk(BaseHTTPRequestHandler):
    """As much of the REST API as another host asks for."""

    said: Callable[[Desk], tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        status, headers, body = type(self).said(self)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def desk() -> Iterator[type[Desk]]:
    one = type("OneDesk", (Desk,), {"url": "", "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), one)
    one.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield one
    server.shutdown()
    serving.join()
    server.server_close()


def answers(desk: Any, said: Callable[[Any], tuple[int, dict[str, str], bytes]]) -> str:
    desk.said = staticmethod(said)
    return str(desk.url)


def county_as_json(version: int = 7) -> bytes:
    return json.dumps({"version": version, "directory": plain(COUNTY_)}, default=str).encode()


async def test_another_host_asks_with_a_token_and_is_told_when_there_is_nothing_new(
    asterisk: Asterisk, desk: type[Desk]
) -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    def said(request: Desk) -> tuple[int, dict[str, str], bytes]:
        asked.append((request.path, request.headers["Authorization"], request.headers["If-None-Match"]))
        if request.path.startswith("/api/v1/recordings/"):
            return 200, {}, b"RIFF" + request.path.rpartition("=")[2].encode()
        if request.headers["If-None-Match"] == '"7"':
            return 304, {}, b""
        return 200, {"ETag": '"7"'}, county_as_json()

    url = answers(desk, said)
    async with FromApi(url + "/", "acd_token") as source:
        done = await made(asterisk, source).sync()
        assert (done.version, done.notes) == (7, ())
        assert asterisk.knows("phone-anna")
        assert sounds(asterisk)["storm.wav"] == "RIFF8k"
        assert sounds(asterisk)["storm.wav16"] == "RIFF16k"
        assert await made(asterisk, source).sync() == Synced(None)
    digest = COUNTY_.prompts[1].recording
    assert asked == [
        ("/api/v1/directory", "Bearer acd_token", None),
        (f"/api/v1/recordings/{digest}/audio?format=8k", "Bearer acd_token", None),
        (f"/api/v1/recordings/{digest}/audio?format=16k", "Bearer acd_token", None),
        ("/api/v1/directory", "Bearer acd_token", '"7"'),
    ]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, {}, b"{}"), "the token is wrong, revoked or over"),
        ((403, {}, b"{}"), "for one town"),
        ((404, {}, b"{}"), "there is no directory yet"),
        ((500, {}, b""), "answers 500"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "answers 302"),
        ((200, {}, b"<html>"), "does not answer like dialog-acd"),
        ((200, {}, b'{"version": 1}'), "does not answer like dialog-acd"),
        ((200, {}, b'{"version": 1, "directory": {"tenants": []}}'), "cannot be used"),
    ],
)
async def test_an_answer_that_is_none_changes_nothing(
    asterisk: Asterisk, desk: type[Desk], answer: tuple[int, dict[str, str], bytes], told: str
) -> None:
    url = answers(desk, lambda _request: answer)
    async with FromApi(url, "acd_token") as source:
        with pytest.raises(Exception, match=told):
            await made(asterisk, source).sync()
    assert asterisk.said == []
    assert not (asterisk.folder / "current").is_symlink()


async def test_more_than_a_directory_can_be_is_not_read(
    asterisk: Asterisk, desk: type[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning, "MOST", 2**20)
    url = answers(desk, lambda _request: (200, {}, b" " * 2**21))
    async with FromApi(url, "acd_token") as source:
        with pytest.raises(SyncFailed, match="sends more than 1 MiB"):
            await made(asterisk, source).sync()


async def test_another_service_is_not_believed_to_be_the_same(asterisk: Asterisk, given: Given) -> None:
    """Version 1 of the test system is not version 1 of the real one."""
    await made(asterisk, given).sync()
    other = Given(with_agent(SILENT, "phone-emil"), name="https://acd.example")
    await made(asterisk, other).sync()
    assert asterisk.knows("phone-emil")


async def test_nobody_there_is_told(asterisk: Asterisk) -> None:
    async with FromApi("http://127.0.0.1:1", "acd_token") as source:
        with pytest.raises(SyncFailed, match=r"http://127\.0\.0\.1:1 cannot be asked"):
            await made(asterisk, source).sync()


@pytest.mark.parametrize(
    "url",
    [
        "http://acd.example",
        "http://192.0.2.7:8115",
        "ftp://127.0.0.1",
        "acd.example",
        "https://",
        "https://u:p@x",
        "http://[",
        "https://x:99999",
    ],
)
def test_a_token_goes_over_no_network_in_the_clear(url: str) -> None:
    with pytest.raises(SyncRefused, match="--url"):
        FromApi(url, "acd_token")
