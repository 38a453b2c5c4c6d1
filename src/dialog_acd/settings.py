"""The only reader of the environment. Every adapter gets its own part and nothing else.

``ACD_AMI__HOST=127.0.0.1`` sets ``settings.ami.host``. Secrets come from files, never from variables: an
environment is inherited, listed and logged.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.retention import Terms, fault_of


class SettingsInvalid(DialogAcdError):  # noqa: N818
    """The settings cannot be used."""

    error_id = "settings-invalid"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AmiSettings(_Part):
    host: str = "127.0.0.1"
    port: int = Field(default=5038, ge=1, le=65535)
    username: str = "dialog-acd"
    secret_file: Path = Path("/etc/dialog-acd/ami.secret")


class AgiSettings(_Part):
    host: str = "127.0.0.1"
    port: int = Field(default=4573, ge=1, le=65535)
    answer_within: float = Field(default=2.0, gt=0, lt=3, description="seconds; the dialplan waits three")


class ApiSettings(_Part):
    host: str = "127.0.0.1"
    port: int = Field(default=8115, ge=1, le=65535)
    token_file: Path = Path("/etc/dialog-acd/api.token")
    metrics_token_file: Path | None = None
    """What Prometheus has to show. ``None``: nothing, and it has to be on this machine."""


class StoreSettings(_Part):
    database_url: str = "sqlite+aiosqlite:///dialog-acd.sqlite"
    journal_dir: Path = Path("journal")
    """Where finished calls are written down before the database has them."""


class AsteriskSettings(_Part):
    """How Asterisk learns what it must know of the directory."""

    sync: Path | None = None
    """The folder it includes, kept up to date by the service. ``None``: somebody else does (a timer), or nobody."""
    reload: str = "asterisk -rx 'module reload res_pjsip.so'; asterisk -rx 'queue reload all'"
    """Commands, with ``;`` between them, run without a shell."""
    check: str = "asterisk -rx 'pjsip show endpoint acd-synced'"
    """What shows whether the files have been taken. Empty: nobody looks."""
    within: float = Field(default=30.0, gt=0, le=600, description="seconds for each command")
    by_hand: str = ""
    """Phones and partners that the site sets up itself, with ``*`` and ``?``, with commas between them."""

    @field_validator("reload", "check")
    @classmethod
    def _readable(cls, text: str) -> str:
        _commands(text)
        return text

    @property
    def reload_commands(self) -> tuple[tuple[str, ...], ...]:
        return _commands(self.reload)

    @property
    def check_commands(self) -> tuple[tuple[str, ...], ...]:
        return _commands(self.check)

    @property
    def by_hand_names(self) -> tuple[str, ...]:
        return tuple(name for part in self.by_hand.split(",") if (name := part.strip()))


def _commands(text: str) -> tuple[tuple[str, ...], ...]:
    """Words as a shell would read them. Raises ``ValueError`` for an open quote."""
    reader = shlex.shlex(text, posix=True, punctuation_chars=";")
    reader.whitespace_split, reader.commenters = True, ""
    commands: list[list[str]] = [[]]
    for word in reader:
        if word.strip(";"):
            commands[-1].append(word)
        else:
            commands.append([])
    return tuple(tuple(command) for command in commands if command)


class OidcSettings(_Part):
    """Where people sign in; what these have to be is in ``api/people.py``. Nothing set: nowhere."""

    issuer: str = Field(default="", max_length=500)
    audience: str = Field(default="", max_length=200)
    claim: str = Field(default="groups", max_length=200)
    roles: str = Field(default="", max_length=20_000)
    agent_claim: str = Field(default="", max_length=200)


class RetentionSettings(_Part):
    """For how many days something of a call is kept; what, and why not longer, is in ``core/retention.py``."""

    numbers: int = Terms().numbers
    hashes: int = Terms().hashes
    agents: int = Terms().agents
    audit: int = Terms().audit
    releases: int = Terms().releases

    @field_validator("numbers", "hashes", "agents", "audit", "releases")
    @classmethod
    def _shortened(cls, days: int, field: ValidationInfo) -> int:
        if (fault := fault_of(field.field_name or "", days)) is not None:
            raise ValueError(fault)
        return days

    @property
    def terms(self) -> Terms:
        return Terms(**self.model_dump())


class Settings(BaseSettings):
    """All settings. Raises ``SettingsInvalid`` (through ``read_settings``) with one line per fault."""

    model_config = SettingsConfigDict(env_prefix="ACD_", env_nested_delimiter="__", frozen=True, extra="ignore")

    ami: AmiSettings = AmiSettings()
    agi: AgiSettings = AgiSettings()
    api: ApiSettings = ApiSettings()
    store: StoreSettings = StoreSettings()
    asterisk: AsteriskSettings = AsteriskSettings()
    oidc: OidcSettings = OidcSettings()
    retention: RetentionSettings = RetentionSettings()
    rehearse_at: AwareDatetime | None = None
    """For a rehearsal: the moment at which this service's clock begins. Never in a centre that takes calls."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def read_settings() -> Settings:
    """The environment as settings. Raises ``SettingsInvalid``."""
    try:
        return Settings()
    except SettingsError as unreadable:
        # A whole part given at once (ACD_AMI=...) has to be JSON; the part's name is in the library's words alone.
        part = next((name for name in Settings.model_fields if f'"{name}"' in str(unreadable)), "...")
        name = part.upper()
        raise SettingsInvalid(f"ACD_{name}: is not JSON; set its parts one by one, as ACD_{name}__...") from None
    except ValidationError as invalid:
        faults = (f"ACD_{'__'.join(str(p).upper() for p in e['loc'])}: {e['msg']}" for e in invalid.errors())
        raise SettingsInvalid("; ".join(faults)) from None


def read_secret(path: Path, what: str) -> SecretStr:
    """First line of a secret's file. Raises ``SettingsInvalid`` when it is missing, no text, or open to others."""
    try:
        mode = path.stat().st_mode
        raw = path.read_bytes().partition(b"\n")[0].strip()
    except OSError as problem:
        raise SettingsInvalid(
            f"cannot read {what} from {path} ({problem.strerror}): "
            "create the file, mode 600, with the secret in its first line"
        ) from None
    if mode & 0o077:
        raise SettingsInvalid(f"{path} holds {what} and is open to others: chmod 600 {path}")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if not text.isprintable():
        raise SettingsInvalid(f"{what} in {path} is not a line of text: put a long random one there")
    if len(text) < 16:
        raise SettingsInvalid(f"{what} in {path} is shorter than 16 characters: put a long random one there")
    return SecretStr(text)
