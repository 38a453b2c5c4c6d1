"""What Asterisk must know of a directory, in the language of its configuration files; pure, text out.

A site defines templates (``asterisk/etc/acd-pjsip.conf`` is one to start from): which transport a phone comes in on,
its context, its codecs, whether it has to encrypt. Here stands only what the directory knows: which phones there are,
where partners are, who rings when the service is gone.

The language has no quoting. A ``;`` begins a comment unless a backslash stands before it, the end of a line ends a
value, a ``[`` at the start of a line begins a section (asterisk/main/config.c). So no free text of a directory gets in:
neither the names of people (who would also not want them there) nor those of partners. What does get in is a word of a
known form, or goes through ``_value``.

Asterisk takes a file silently that it cannot use: where a name stands twice, or a template is missing, ``module
reload`` says that it was successful, and things stay as they were until a restart, when they are gone. Hence the mark:
an endpoint that nobody can be, made of the same templates, which names the digest of what was rendered. Who asks for it
after a reload knows what Asterisk has really taken.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dialog_acd.core.model import Phone, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Partner

    Named = Callable[[str], bool]

AGENTS, PARTNERS, QUEUES = "pjsip-acd-agents.conf", "pjsip-acd-partners.conf", "queues-acd.conf"
MARK = "acd-synced"
"""Name of the endpoint that says what Asterisk has taken."""
DIGEST = 16
"""Characters of a digest that are written: its console cuts longer words."""
_WORD = re.compile(r"[0-9a-z-]{1,60}")


class NotRenderable(ValueError):  # noqa: N818
    """A name that would not stay where it is put."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a partner asks us to prove who we are with."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """Files by their names, and the digest of all of them, which Asterisk can be asked for."""

    files: Mapping[str, str]
    digest: str


def phones(directory: Directory, by_hand: Named) -> list[Phone]:
    """Those that get an endpoint: the agents', but for what the site sets up itself."""
    return [agent.phone for agent in directory.agents if not by_hand(agent.phone)]


def render(
    directory: Directory, passwords: Mapping[str, str], accounts: Mapping[str, Account], by_hand: Named
) -> Rendered:
    """The files. ``passwords``: one for each of ``phones``; ``by_hand``: whether the site sets up this name itself.

    Raises ``NotRenderable``.
    """
    wanted = phones(directory, by_hand)
    partners = [partner for partner in directory.partners if partner.host is not None and not by_hand(partner.id)]
    if MARK in wanted or any(partner.id == MARK for partner in partners):
        raise NotRenderable(f"{MARK} is the name of an endpoint of ours, call the phone or the partner something else")
    files = {
        AGENTS: _file("the agents' phones", (_phone(phone, passwords[phone]) for phone in wanted)),
        PARTNERS: _file("partners", (_partner(partner, accounts.get(partner.id)) for partner in partners)),
        QUEUES: _file("who rings when the service is gone", _groups(directory)),
    }
    digest = hashlib.sha256("\0".join(files.values()).encode()).hexdigest()
    return Rendered({**files, AGENTS: files[AGENTS] + _mark(digest[:DIGEST])}, digest)


def taken(output: str, digest: str) -> bool:
    """Whether this is what Asterisk says of the mark when it has taken the files of this digest.

    Endpoints and their passwords are read separately, and each may fail alone; it names the digest in both.
    """
    return output.count(digest[:DIGEST]) >= 2


def _file(what: str, sections: Iterator[str]) -> str:
    return "\n".join(
        (f"; dialog-acd: {what}. Written by `dialog-acd asterisk sync`, which overwrites it.\n", *sections)
    )


def _phone(phone: Phone, password: str) -> str:
    """One name for everything, so that `username` finds endpoint, AOR and auth alike."""
    return (
        _section(phone, "acd-phone", auth=phone, aors=phone)
        + _section(phone, "acd-phone-aor")
        + _section(phone, "acd-phone-auth", username=phone, password=password)
    )


def _mark(digest: str) -> str:
    # identify_by = ip and no address to identify it by: no message is ever taken for one of this endpoint's.
    secret = hashlib.sha256(f"mark {digest}".encode()).hexdigest()
    return (
        "\n; Nobody's: the service asks Asterisk for it, to see whether these files have been taken.\n"
        + _section(MARK, "acd-phone", auth=MARK, aors=MARK, identify_by="ip", context="acd-nowhere", accountcode=digest)
        + _section(MARK, "acd-phone-aor", max_contacts="0")
        + _section(MARK, "acd-phone-auth", username=digest, password=secret)
    )


def _partner(partner: Partner, account: Account | None) -> str:
    name, address = partner.id, str(partner.host)
    host = address.rpartition(":")[0] if re.search(r"[^:]:[0-9]+$|\]:[0-9]+$", address) else address
    way = "" if partner.transport is Transport.UDP else f";transport={partner.transport}"
    media = {"media_encryption": "sdes" if partner.srtp else "no"}
    proof = {"outbound_auth": name} if account is not None else {}
    return (
        _section(name, f"acd-partner-{partner.transport}", aors=name, **media, **proof)
        + _section(name, "acd-partner-aor", contact=f"sip:{address}{way}")
        # Asterisk looks a host name up when it loads this: where DNS is slow, an address is better.
        + _section(name, "acd-partner-identify", endpoint=name, match=host.strip("[]"))
        + (
            _section(name, "acd-partner-auth", username=account.username, password=account.password)
            if account is not None
            else ""
        )
    )


def _groups(directory: Directory) -> Iterator[str]:
    """Only those of which a profile says who is in them; the others are the site's own."""
    rendered: set[str] = set()
    for profile in directory.failsafe_profiles:
        team = [agent.phone for agent in directory.agents if profile.team is not None and agent.team == profile.team]
        members = dict.fromkeys((*profile.phones, *team))
        if not members or profile.group in rendered:
            continue
        rendered.add(profile.group)
        # The device whose state counts is named, or a busy phone would be rung.
        yield _section(f"acd-failsafe-{profile.group}", "acd-failsafe") + "".join(
            f"member = PJSIP/{_word(phone)},0,{phone},PJSIP/{phone}\n" for phone in members
        )


def _section(name: str, template: str, **values: str) -> str:
    lines = "".join(f"{key} = {_value(value)}\n" for key, value in values.items())
    return f"[{_word(name)}]({_word(template)})\n{lines}"


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise NotRenderable(f"{text!r} is no name for a section")
    return text


def _value(text: str) -> str:
    """One line, and no comment, whatever came."""
    return "".join(c for c in text if c.isprintable()).strip().replace(";", "\\;")
