"""Asterisk learns what it must know of the directory: rendered into a folder it includes, and then told to reload.

It needs no right in AMI and no network of its own: a folder and a list of commands are all there is. On one host the
service does this after each change of the directory; on another a timer does, which reads the directory over REST.

The folder
    ``DIR/current`` is a link to ``DIR/<version>-<digest>``, which is complete before it gets this name and is never
    changed afterwards. So Asterisk, or a power cut, finds the old files or the new ones. Beside it lie ``passwords``
    (of the phones: made here, and nowhere else known), ``accounts`` (of partners: written by the administrator),
    ``state.json`` and the lock. Everything belongs to whom ``DIR`` belongs, and is open to nobody else.

What Asterisk has taken
    The state names the folder that Asterisk has really taken, and is written last. Whatever happens in between, the
    next sync finds that link and state differ, and tells Asterisk again. Files that Asterisk does not take are put
    back: what is on the disk is what it runs with, so a restart of Asterisk at night brings no surprise. Its commands
    end with status 0 whatever they say, so their words count, and it is asked for the mark (``switch/provision.py``).

Prompts
    A recording if there is one, else a draft spoken from the text. What cannot be had stays as it was, is told, and is
    tried again the next time. Playing needs no reload.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import httpx2
import structlog

import dialog_acd
from dialog_acd.core.errors import DialogAcdError
from dialog_acd.store.directory_file import directory_from_json, read_directory
from dialog_acd.switch import provision
from dialog_acd.switch.provision import Account, NotRenderable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from dialog_acd.clock import Clock
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Prompt
    from dialog_acd.settings import AsteriskSettings
    from dialog_acd.store.directory_store import DirectoryStore
    from dialog_acd.store.recording_store import RecordingStore

log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

SOUNDS = "sounds/de/acd"
FORMS = (("narrow", "wav"), ("wide", "wav16"))
"""Of a sound, and how Asterisk calls the file."""
KEPT = 3
"""Folders that stay beside the current one, for whoever wants to see what it was like."""
AGAIN, MISSING_AGAIN = 60.0, 600.0
"""Seconds until the service tries again what did not work (twice as many the next time, up to the second), and until it
looks again for a prompt that could not be had."""
ANSWER_WITHIN = 20.0
MOST = 64 * 1024 * 1024
"""Seconds and bytes of an answer over REST."""
_FOLDER = re.compile(r"[0-9]{1,10}-[0-9a-f]{16}")
_NOT_DONE = re.compile(
    r"^\s*(No such (?:command|module)|The module '.*' (?:reported|was not|does not)|A module reload request is already"
    r"|Unable to connect|.*still starting).*",
    re.MULTILINE,
)
"""What Asterisk's console says of a command that came to nothing; its exit status does not."""


class SyncFailed(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Asterisk goes on with what it had."""

    error_id = "asterisk-sync-failed"


class SyncRefused(SyncFailed):
    """Something has to be put right by hand first."""


class NoSuchPhone(DialogAcdError):  # noqa: N818
    """No password is kept for this phone."""

    error_id = "no-such-phone"


class NoSound(DialogAcdError):  # noqa: N818
    """A prompt cannot be had just now."""

    error_id = "no-sound"


# ---------------------------------------------------------------- where the directory and the voices come from


class Sound(Protocol):
    """WAVs, one channel, 16 bits: at 8 and at 16 kHz."""

    @property
    def narrow(self) -> bytes: ...
    @property
    def wide(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Wavs:
    narrow: bytes
    wide: bytes


class Voice(Protocol):
    """A ``Studio``."""

    async def speak(self, text: str) -> Sound:
        """Raises ``DialogAcdError``."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    directory: Directory
    version: int
    """0 for a file, which has none."""
    tag: str
    """What tells that it is still the same; empty: nothing does."""


class Source(Protocol):
    @property
    def name(self) -> str:
        """Tags of another one say nothing."""
        ...

    async def directory(self, known: str) -> Found | None:
        """``None``: it is still the one with the tag ``known``. Raises ``DialogAcdError``."""
        ...

    async def recording(self, digest: str) -> Sound:
        """Raises ``DialogAcdError``."""
        ...


class FromFile:
    """A directory file. It has no recordings."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def directory(self, known: str) -> Found | None:  # noqa: ARG002
        return Found(await asyncio.to_thread(read_directory, self._path), 0, "")

    async def recording(self, digest: str) -> Sound:
        raise NoSound(f"a directory file has no recordings, and {digest[:12]} is one")


class FromDatabase:
    """The database of the settings, on the same host."""

    name = "database"

    def __init__(self, store: DirectoryStore, recordings: RecordingStore) -> None:
        self._store, self._recordings = store, recordings

    async def directory(self, known: str) -> Found | None:
        if known and str(await self._store.current()) == known:
            return None
        number, directory = await self._store.in_force()
        return Found(directory, number, str(number))

    async def recording(self, digest: str) -> Sound:
        return Wavs(await self._recordings.sound(digest, "narrow"), await self._recordings.sound(digest, "wide"))


class FromApi:
    """The REST API of a service on another host, with the token of an auditor of all towns."""

    def __init__(self, url: str, token: str) -> None:
        """Raises ``SyncRefused`` for an address to which no token may be sent."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.username or not url.isprintable():
            raise SyncRefused(f"--url {url!r} is no address; write it as https://acd.example")
        if parts.scheme != "https" and not (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")):
            raise SyncRefused(
                f"--url {url}: over the network only https:// (a token would be read by everybody on the way);"
                " http:// is for this very machine, or a tunnel that ends on it"
            )
        self.name = url.rstrip("/")
        # Nothing is taken from the environment, and a redirect would take the token elsewhere.
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
            timeout=ANSWER_WITHIN,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def directory(self, known: str) -> Found | None:
        status, body, tag = await self._get("/api/v1/directory", {"If-None-Match": known} if known else {})
        if status == 304:
            return None
        try:
            told = json.loads(body)
            number, content = int(told["version"]), json.dumps(told["directory"]).encode()
        except (ValueError, KeyError, TypeError, RecursionError):
            raise SyncFailed(f"{self.name} does not answer like dialog-acd") from None
        return Found(await asyncio.to_thread(directory_from_json, content, self.name), number, tag)

    async def recording(self, digest: str) -> Sound:
        sounds = []
        for form in ("8k", "16k"):
            status, body, _ = await self._get(f"/api/v1/recordings/{digest}/audio?format={form}", {})
            if status == 304 or body[:4] != b"RIFF":
                raise NoSound(f"{self.name} sent no sound for recording {digest[:12]}")
            sounds.append(body)
        return Wavs(*sounds)

    async def _get(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        """Status (200 or 304), body and ETag. Raises ``SyncFailed``."""
        body = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_WITHIN * 3),
                self._client.stream("GET", self.name + path, headers=dict(headers)) as answer,
            ):
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MOST:
                        raise SyncFailed(f"{self.name}{path} sends more than {MOST // 2**20} MiB")
        except (httpx2.HTTPError, TimeoutError, OSError) as problem:
            said = str(problem) or type(problem).__name__
            raise SyncFailed(f"{self.name} cannot be asked ({said})") from problem
        if answer.status_code in (200, 304):
            return answer.status_code, bytes(body), answer.headers.get("etag", "")
        hint = {
            401: ": the token is wrong, revoked or over (dialog-acd token create --role auditor)",
            403: ": the token is for one town; it takes one for all of them (dialog-acd token create --role auditor)",
            404: ": there is no directory yet, or no such recording",
        }.get(answer.status_code, "")
        raise SyncFailed(f"{self.name}{path} answers {answer.status_code}{hint}")


# ---------------------------------------------------------------- the folder


@dataclass(frozen=True, slots=True)
class State:
    """What the last sync that came to its end has left."""

    folder: str = ""
    """The one that Asterisk has taken."""
    tag: str = ""
    """Of the directory it was made from; empty: to be made anew, something was missing."""
    inputs: str = ""
    """Digest of all else that went into it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a folder."""

    version: int
    at: str
    rendered: str
    """Digest of the configuration: another one, and Asterisk has to reload."""
    files: Mapping[str, str]
    """Each with its SHA-256."""
    prompts: Mapping[str, str]
    """Each with what it was made of."""


class Folder:
    """The disk. All of it blocks, and raises ``SyncRefused`` or ``OSError``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One sync at a time, whoever runs it."""
        try:
            found = self.path.stat()
        except OSError as problem:
            raise SyncRefused(
                f"{self.path} cannot be used ({problem.strerror}): make it, for whoever runs this and for Asterisk:"
                f" install -d -o USER -g asterisk -m 2750 {self.path}"
            ) from None
        if found.st_mode & 0o022:
            raise SyncRefused(f"{self.path} will hold passwords, and others may write in it: chmod 2750 {self.path}")
        self._uid, self._gid = found.st_uid, found.st_gid
        lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SyncFailed(f"another sync is at work in {self.path}; it will do") from None
            self._ours(lock)
            yield
        finally:
            os.close(lock)

    # -- what is there

    @property
    def current(self) -> str:
        """Name of the folder that is linked; empty: none is."""
        try:
            name = str((self.path / "current").readlink())
        except OSError:
            return ""
        return name if _FOLDER.fullmatch(name) and (self.path / name).is_dir() else ""

    def look(self) -> tuple[State, str, dict[str, str], dict[str, Account], Manifest | None]:
        """State, the current folder, passwords, accounts, and what is in the current folder."""
        current = self.current
        manifest = self.manifest(current) if current else None
        return self.state(), current, self.passwords(), self.accounts(), manifest

    def manifest(self, name: str) -> Manifest | None:
        try:
            said = json.loads((self.path / name / "manifest.json").read_bytes())
            return Manifest(**said)
        except (OSError, ValueError, TypeError):
            return None

    def state(self) -> State:
        try:
            return State(**json.loads((self.path / "state.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return State()

    def passwords(self) -> dict[str, str]:
        return {phone: password for phone, password in self._lines("passwords", 2)}  # noqa: C416  checks the length

    def accounts(self) -> dict[str, Account]:
        found = self.path / "accounts"
        try:
            mode = found.stat().st_mode
        except OSError:
            return {}
        if mode & 0o007:
            raise SyncRefused(f"{found} holds passwords and is open to others: chmod 640 {found}")
        return {partner: Account(name, password) for partner, name, password in self._lines("accounts", 3)}

    def _lines(self, name: str, words: int) -> Iterator[list[str]]:
        """Lines of so many words, of which the last may hold blanks; ``#`` begins a comment."""
        try:
            text = (self.path / name).read_bytes().decode()
        except FileNotFoundError:
            return
        except UnicodeDecodeError:
            raise SyncRefused(f"{self.path / name} is no text: write it as UTF-8") from None
        for number, line in enumerate(text.split("\n"), 1):
            row = line.strip().split(None, words - 1)
            if not row or row[0].startswith("#"):
                continue
            if len(row) != words or not line.strip().replace("\t", " ").isprintable():
                # The line itself is not said: it may be a password.
                raise SyncRefused(f"line {number} of {self.path / name} is not {words} words: put it right")
            yield row

    # -- what is done

    def put_passwords(self, passwords: Mapping[str, str]) -> None:
        if passwords == self.passwords() and (self.path / "passwords").exists():
            return
        lines = "".join(f"{phone} {password}\n" for phone, password in sorted(passwords.items()))
        self._put("passwords", ("# phone, password: made by dialog-acd, for whoever sets up the phones\n" + lines))

    def put_state(self, state: State) -> None:
        if state != self.state():
            self._put("state.json", json.dumps(asdict(state), indent=1) + "\n")

    def add(self, name: str, files: Mapping[str, bytes | Path]) -> None:
        """A folder with these files, complete or not there at all. A path is a file of another folder: it is shared."""
        new = self.path / ".new"
        self._clear(new, self.path / name)
        new.mkdir(0o700)
        folders = {new}
        for inside, content in files.items():
            file = new / inside
            for folder in reversed(file.relative_to(new).parents[:-1]):
                (new / folder).mkdir(0o700, exist_ok=True)
                folders.add(new / folder)
            if isinstance(content, Path):
                try:
                    os.link(content, file, follow_symlinks=False)
                except PermissionError:  # somebody else's file, says fs.protected_hardlinks
                    self._write(file, content.read_bytes())
            else:
                self._write(file, content)
        for folder in sorted(folders, reverse=True):
            self._close(folder)
        new.rename(self.path / name)
        self._flush()

    def link(self, name: str) -> None:
        """``current`` is this folder from now on; empty: none is."""
        current = self.path / "current"
        if not name:
            current.unlink(missing_ok=True)
        else:
            beside = self.path / ".current"
            beside.unlink(missing_ok=True)
            beside.symlink_to(name)
            beside.replace(current)
        self._flush()

    def prune(self) -> None:
        """The oldest go."""
        found = [f for f in self.path.iterdir() if _FOLDER.fullmatch(f.name) and f.name != self.current]
        found.sort(key=lambda folder: folder.stat().st_mtime_ns)
        self._clear(*found[: max(0, len(found) - KEPT)])

    @staticmethod
    def _clear(*folders: Path) -> None:
        for folder in folders:
            if folder.is_symlink() or folder.exists():
                shutil.rmtree(folder)

    def _put(self, name: str, text: str) -> None:
        """Another content for a file beside the folders, whole or not at all."""
        beside = self.path / f".{name}"
        beside.unlink(missing_ok=True)
        self._write(beside, text.encode())
        beside.replace(self.path / name)
        self._flush()

    def _write(self, file: Path, content: bytes) -> None:
        # O_EXCL: nobody's link is followed. The mode belongs to the creation: what is open for a moment has been read.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb", closefd=False) as out:
                out.write(content)
            self._ours(handle)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _ours(self, handle: int, mode: int = 0o640) -> None:
        """To whom the folder belongs belongs what is in it, and its group may read: that is Asterisk."""
        found = os.fstat(handle)
        uid = self._uid if os.geteuid() == 0 else found.st_uid
        if (found.st_uid, found.st_gid) != (uid, self._gid):
            try:
                os.fchown(handle, uid, self._gid)
            except PermissionError:
                raise SyncRefused(
                    f"what is written in {self.path} cannot be given to its group, and Asterisk could not read it:"
                    f" chmod 2750 {self.path}, or make this user a member of the group"
                ) from None
        os.fchmod(handle, mode)

    def _close(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._ours(handle, 0o750)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _flush(self) -> None:
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def password_of(path: Path, phone: str) -> str:
    """For whoever sets the phone up. Raises ``NoSuchPhone``, ``SyncRefused``."""
    try:
        known = Folder(path).passwords()
    except OSError as problem:
        raise SyncRefused(f"the passwords in {path} cannot be read ({problem.strerror})") from None
    if phone not in known:
        raise NoSuchPhone(f"{path} has no password for a phone {phone!r}: is it an agent's, and has a sync been run?")
    return known[phone]


# ---------------------------------------------------------------- the sync


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync has done."""

    version: int | None
    """Of the directory; ``None``: it is the one of the last time, and was not looked at."""
    changed: tuple[str, ...] = ()
    """Files that are new, other or gone."""
    reloaded: bool = False
    notes: tuple[str, ...] = field(default=())
    """What is missing, a sentence each."""


class Provisioning:
    """Keeps a folder and Asterisk at what the directory says."""

    def __init__(self, path: Path, source: Source, voice: Voice, clock: Clock, settings: AsteriskSettings) -> None:
        self._folder, self._source, self._voice, self._clock = Folder(path), source, voice, clock
        self._settings = settings
        self._wanted = asyncio.Event()
        self._last: Synced | None = None
        self._done_at: datetime | None = None
        self._trouble = ""

    # -- for a service that lives

    def wake(self) -> None:
        """The directory has changed. Returns at once."""
        self._wanted.set()

    async def run(self) -> None:
        """Sync now, and whenever it is wanted; what did not work is tried again. Ends by being cancelled."""
        patience = AGAIN
        while True:
            self._wanted.clear()
            again: float | None
            trouble, before = "", self._last
            try:
                self._last, self._done_at = await self.sync(), self._clock.now()
            except DialogAcdError as problem:
                trouble, again = str(problem), patience
            except Exception:  # calls go on, whatever is wrong with this
                trouble, again = "a defect; see the log", patience
                log.exception("asterisk.not-synced")
            else:
                told = self._last
                again = MISSING_AGAIN if told.notes else None
                if told.changed or told.notes != (before.notes if before else ()):
                    log.info("asterisk.synced", version=told.version, changed=len(told.changed), notes=told.notes)
            if trouble and trouble != self._trouble:
                log.warning("asterisk.not-synced", why=trouble)
            self._trouble = trouble
            patience = min(patience * 2, MISSING_AGAIN) if trouble else AGAIN
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), again)

    def told(self) -> str:
        """One sentence for a human."""
        if self._trouble:
            return f"not synced, will be tried again: {self._trouble}"
        if self._last is None or self._done_at is None:
            return "not synced yet"
        notes = f"; {'; '.join(self._last.notes)}" if self._last.notes else ""
        return f"synced at {self._done_at:%H:%M:%S} UTC{notes}"

    # -- once

    async def sync(self) -> Synced:
        """Bring folder and Asterisk to what the directory says; nothing is touched where both are there already.

        Raises ``SyncFailed``, and what the source raises: nothing has changed for Asterisk then.
        """
        try:
            with self._folder.locked():
                return await self._sync()
        except NotRenderable as problem:
            raise SyncFailed(str(problem)) from problem
        except OSError as problem:
            where = f" ({problem.filename})" if problem.filename else ""
            raise SyncFailed(f"{problem.strerror or problem}{where}") from problem

    async def _sync(self) -> Synced:
        folder = self._folder
        # Whatever waits for a disk does so in a thread: calls are routed meanwhile.
        state, current, before, accounts, manifest = await _disk(folder.look)
        same = current == state.folder and self._inputs(before, accounts) == state.inputs
        found = await self._source.directory(state.tag if same else "")
        if found is None:
            return Synced(None)
        passwords = {
            str(phone): before.get(phone) or secrets.token_hex(16)
            for phone in provision.phones(found.directory, self._by_hand)
        }
        rendered = await _disk(provision.render, found.directory, passwords, accounts, self._by_hand)
        sounds, prompts, notes = await self._sounds(found.directory.prompts, manifest, current)
        files = {**{name: text.encode() for name, text in rendered.files.items()}, **sounds}
        digests = await _disk(_digests, files, manifest.files if manifest is not None else {})
        end = State("", "" if notes else found.tag, self._inputs(passwords, accounts))
        if manifest is not None and (manifest.files, manifest.prompts) == (digests, prompts):
            name = current
        else:
            name = f"{found.version}-{_digest(json.dumps([digests, prompts]).encode())[:16]}"
            told = Manifest(found.version, self._clock.now().isoformat(), rendered.digest, digests, prompts)
            files["manifest.json"] = json.dumps(asdict(told), indent=1).encode()
            # Passwords come before whoever uses them, and go after.
            await _disk(folder.put_passwords, {**before, **passwords})
            await _disk(folder.add, name, files)
            await _disk(folder.link, name)
        was = await _disk(folder.manifest, state.folder) if state.folder else None
        # After a sync that did not come to its end, nobody knows what Asterisk has been told.
        reload = was is None or was.rendered != rendered.digest or current != state.folder
        if reload:
            await self._tell_asterisk(rendered.digest, state.folder if was is not None else "")
        await _disk(folder.put_passwords, passwords)
        await _disk(folder.put_state, State(name, end.tag, end.inputs))
        await _disk(folder.prune)
        old = was.files if was is not None else {}
        changed = sorted(n for n in {*old, *digests} if old.get(n) != digests.get(n))
        return Synced(found.version, tuple(changed), reload, notes)

    def _by_hand(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._settings.by_hand_names)

    def _inputs(self, passwords: Mapping[str, str], accounts: Mapping[str, Account]) -> str:
        """Digest of what goes in beside the directory, this program included: another version may render otherwise."""
        rows = [f"{name} {a.username} {a.password}" for name, a in sorted(accounts.items())]
        what = [dialog_acd.__version__, self._source.name, *self._settings.by_hand_names, *rows]
        return _digest(json.dumps([what, sorted(passwords.items())]).encode())

    # -- prompts

    async def _sounds(
        self, prompts: Sequence[Prompt], manifest: Manifest | None, current: str
    ) -> tuple[dict[str, bytes | Path], dict[str, str], tuple[str, ...]]:
        """Files, what each prompt was made of, and what is missing."""
        files: dict[str, bytes | Path] = {}
        made_of: dict[str, str] = {}
        notes: list[str] = []
        there = manifest.prompts if manifest is not None else {}
        for prompt in prompts:
            names = {form: f"{SOUNDS}/{prompt.id}.{ending}" for form, ending in FORMS}
            kept = {name: self._folder.path / current / name for name in names.values()}
            is_there = prompt.id in there and all(map(Path.is_file, kept.values()))
            for way, source in _ways(prompt):
                if is_there and there[prompt.id] == source:
                    files |= kept
                    made_of[prompt.id] = source
                    break
                try:
                    if way == "recording":
                        sound = await self._source.recording(str(prompt.recording))
                    else:
                        sound = await self._voice.speak(prompt.text)
                except DialogAcdError as problem:
                    notes.append(f"prompt {prompt.id}: {problem}")
                    if is_there:
                        files |= kept
                        made_of[prompt.id] = there[prompt.id]
                        break
                else:
                    files |= {name: getattr(sound, form) for form, name in names.items()}
                    made_of[prompt.id] = source
                    break
        return files, made_of, tuple(notes)

    # -- Asterisk

    async def _tell_asterisk(self, digest: str, before: str) -> None:
        """Raises ``SyncFailed``, and all is as it was (``before``: the folder it had taken)."""
        try:
            await self._reload()
            await self._ask(digest)
        except SyncFailed as problem:
            await _disk(self._folder.link, before)
            with contextlib.suppress(SyncFailed):
                await self._reload()
            log.warning("asterisk.put-back", folder=before, why=str(problem))
            raise

    async def _reload(self) -> None:
        for command in self._settings.reload_commands:
            status, said = await self._run(command)
            if status != 0 or (wrong := _NOT_DONE.search(said)):
                why = said if status != 0 else wrong[0]  # type: ignore[index]
                raise SyncFailed(
                    f"Asterisk was not reloaded, and its files are the old ones again: `{_written(command)}` ended"
                    f" with status {status}: {' '.join(why.split())[:300] or 'it said nothing'}"
                )

    async def _ask(self, digest: str) -> None:
        for command in self._settings.check_commands:
            _, said = await self._run(command)
            if not provision.taken(said, digest):
                raise SyncFailed(
                    "Asterisk has not taken the new files, and they are the old ones again. Its log says why; most"
                    " often a phone or partner stands in pjsip.conf as well (then name it in ACD_ASTERISK__BY_HAND), or"
                    " pjsip.conf does not include the files, or a template acd-... is missing"
                )

    async def _run(self, command: Sequence[str]) -> tuple[int, str]:
        """Exit status and output; no shell."""
        limit = self._settings.within
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # what it starts itself ends with it
            )
        except OSError as problem:
            return 127, f"{command[0]}: {problem.strerror}"
        try:
            async with asyncio.timeout(limit):
                said, _ = await process.communicate()
        except TimeoutError:
            return 124, f"it was not done within {limit:g} s"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.communicate()  # reads the pipe to its end, or it would stay open
        return process.returncode or 0, said.decode(errors="replace")


async def _disk(work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """In a thread. Who is cancelled waits for its end, or the lock would be given away before."""
    doing = asyncio.ensure_future(asyncio.to_thread(work, *args, **more))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with contextlib.suppress(asyncio.CancelledError):  # who is told twice waits all the same
                await asyncio.wait([doing])
        raise


def _ways(prompt: Prompt) -> list[tuple[str, str]]:
    """How a prompt may be had, the best first, each with what it would be made of."""
    ways = [("recording", f"recording {prompt.recording}")] if prompt.recording is not None else []
    return [*ways, ("draft", f"draft {_digest(prompt.text.encode())}")] if prompt.text.strip() else ways


def _digests(files: Mapping[str, bytes | Path], known: Mapping[str, str]) -> dict[str, str]:
    """Of a file that another folder has as well, its manifest has it."""
    return {name: known[name] if isinstance(c, Path) else _digest(c) for name, c in sorted(files.items())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _written(command: Sequence[str]) -> str:
    return " ".join(command)
