"""Turns the templates of asterisk/etc into the configuration of one instance.

A template says @WORD@ where a value belongs; `${...}` is Asterisk's own and stays. A word without a value is an error,
so a template and this file cannot drift apart unnoticed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rig.root import REPOSITORY, RigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEMPLATES = REPOSITORY / "asterisk" / "etc"
OFFICES = ("office01", "office02", "office03")


def agent_names(count: int) -> list[str]:
    """agent01, agent02, ... agent99, agent100, ..."""
    return [f"agent{number:02d}" for number in range(1, count + 1)]


def extension_of(endpoint: str) -> str:
    """What one dials to reach a phone: agent07 is 1007, office02 is 2002."""
    kind, number = re.fullmatch(r"(agent|office)(\d+)", endpoint).groups()  # type: ignore[union-attr]
    return str({"agent": 1000, "office": 2000}[kind] + int(number))


def fill(template: str, values: Mapping[str, object], source: str) -> str:
    def value(found: re.Match[str]) -> str:
        try:
            return str(values[found[1]])
        except KeyError:
            raise RigError(f"{source}: nothing is known for @{found[1]}@") from None

    return re.sub(r"@([A-Z_]{2,})@", value, template)


def templates(values: Mapping[str, object]) -> dict[str, str]:
    return {
        file.name: fill(file.read_text(encoding="utf-8"), values, file.name)
        for file in sorted(TEMPLATES.glob("*.conf"))
    }


def phones(passwords: Mapping[str, str], names: Sequence[str]) -> str:
    """pjsip-phones.conf. One name for everything: endpoint, AOR, auth, so that `username` finds all three."""
    return "\n".join(
        f"[{name}](acd-phone)\nauth = {name}\naors = {name}\n"
        f'callerid = "{name}" <{extension_of(name)}>\n'
        f"[{name}](acd-phone-aor)\n"
        f"[{name}](acd-phone-auth)\nusername = {name}\npassword = {passwords[name]}\n"
        for name in names
    )


def failsafe_groups(groups: Mapping[str, Sequence[str]]) -> str:
    """queues-failsafe.conf. The device state interface is named, or a busy phone would be rung."""
    return "\n".join(
        f"[acd-failsafe-{group}](acd-failsafe)\n"
        + "".join(f"member = PJSIP/{name},0,{name},PJSIP/{name}\n" for name in names)
        for group, names in groups.items()
    )


def global_variables(values: Mapping[str, str]) -> str:
    """globals.conf. ACD_HEARTBEAT must not be here: a reload would set it back, and all calls would go astray."""
    if "ACD_HEARTBEAT" in values:
        raise RigError("ACD_HEARTBEAT belongs to the service; written as a global it would be reset by each reload")
    for name, value in values.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name) or re.search(r"[\r\n;]", value):
            raise RigError(f"not fit for a dialplan global: {name}={value!r}")
    return "[globals]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
