"""The secrets of one installation, in one file of mode 600, made when first needed and kept.

No secret has a default, so none can be forgotten in place.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rig.root import RigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Keys:
    ami: str
    api_token: str
    phones: dict[str, str]  # password by endpoint


def keys_in(file: Path, phones: Iterable[str]) -> Keys:
    """Read `file`, adding what is missing (a new phone gets a new password, old ones keep theirs)."""
    known: dict[str, object] = {}
    if file.exists():
        try:
            known = json.loads(file.read_text())
        except ValueError as fault:
            raise RigError(f"{file} is damaged ({fault}): remove it and start again, new secrets are made") from fault
    passwords = known.get("phones")
    old = {str(k): str(v) for k, v in passwords.items()} if isinstance(passwords, dict) else {}
    keys = Keys(
        ami=str(known.get("ami") or secrets.token_urlsafe(32)),
        api_token=str(known.get("api_token") or secrets.token_urlsafe(32)),
        phones=old | {phone: secrets.token_hex(16) for phone in phones if phone not in old},
    )
    if asdict(keys) != known:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(file.name + ".new")
        beside.unlink(missing_ok=True)
        # The mode belongs to the creation: a file that is readable for a moment has been read.
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(asdict(keys), out, indent=1)
        beside.replace(file)
    file.chmod(0o600)
    return keys
