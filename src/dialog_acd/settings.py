"""The only reader of the environment. Every adapter gets its own part and nothing else.

``ACD_AMI__HOST=127.0.0.1`` sets ``settings.ami.host``. Secrets come from files, never from variables: an
environment is inherited, listed and logged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from dialog_acd.core.errors import DialogAcdError


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


class StoreSettings(_Part):
    database_url: str = "sqlite+aiosqlite:///dialog-acd.sqlite"
    journal_dir: Path = Path("journal")
    """Where finished calls are written down before the database has them."""


class OidcSettings(_Part):
    """Where people sign in; what these have to be is in ``api/people.py``. Nothing set: nowhere."""

    issuer: str = Field(default="", max_length=500)
    audience: str = Field(default="", max_length=200)
    claim: str = Field(default="groups", max_length=200)
    roles: str = Field(default="", max_length=20_000)


class Settings(BaseSettings):
    """All settings. Raises ``SettingsInvalid`` (through ``read_settings``) with one line per fault."""

    model_config = SettingsConfigDict(env_prefix="ACD_", env_nested_delimiter="__", frozen=True, extra="ignore")

    ami: AmiSettings = AmiSettings()
    agi: AgiSettings = AgiSettings()
    api: ApiSettings = ApiSettings()
    store: StoreSettings = StoreSettings()
    oidc: OidcSettings = OidcSettings()
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
