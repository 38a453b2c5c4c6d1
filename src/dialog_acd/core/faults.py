"""What contradicts itself in a directory: something that could not be carried out, or not as it is written.

A directory with a fault does not come into being; each is told in one sentence that says which thing is meant. Steps
are numbered from 0, as in ``widen 1`` and as in the place in a file. What is allowed and probably a mistake is told by
``remarks``.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from dialog_acd.core import calendars
from dialog_acd.core.errors import RuleInvalid
from dialog_acd.core.model import NOT_YET, QUESTIONS, UNASSIGNED, Action, EntryKind, SkillKind, Transport
from dialog_acd.core.numbers import FORMATS, is_area_code
from dialog_acd.core.rules import ANYBODY, parse_rung, parse_step, parse_target, written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import (
        Agent,
        Entry,
        FailsafeProfile,
        Partner,
        Prompt,
        Queue,
        Rung,
        SkillId,
        Step,
        Tenant,
        Trunk,
    )

LONGEST_TEXT = 2000
"""Characters of a prompt; two minutes and a half, read aloud."""
_WORD = re.compile(r"[0-9a-z][0-9a-z-]{0,29}")
_WORD_FORM = "of the form [0-9a-z-], 1 to 30 characters"
_E164 = re.compile(r"\+[0-9]{3,15}")
EXTENSION = re.compile(r"[0-9]{1,6}")
_CODE = re.compile(r"[0-9]{1,4}")
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[0-9A-Za-z.-]{1,253}))(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?")
_TAKEN = frozenset({"110", "112", "115"})
"""Never an extension: whoever dials these wants what everybody wants who dials them."""
_IN_E164 = frozenset({EntryKind.MAIN_NUMBER, EntryKind.FORWARDED, EntryKind.PARTNER_INBOUND})


def faults(directory: Directory) -> Iterator[str]:
    """What contradicts itself, one sentence each."""
    yield from _twice("tenant", (t.id for t in directory.tenants))
    yield from _twice("queue", (q.id for q in directory.queues))
    yield from _twice("skill", (s.id for s in directory.skills))
    yield from _twice("team", (t.id for t in directory.teams))
    yield from _twice("calendar", (c.id for c in directory.calendars))
    yield from _twice("agent", (a.id for a in directory.agents))
    yield from _twice("phone", (a.phone for a in directory.agents))
    yield from _twice("partner", (p.id for p in directory.partners))
    yield from _twice("prompt", (p.id for p in directory.prompts))
    yield from _twice("code", (t.code for t in directory.tenants if t.code is not None))
    yield from _twice("failsafe profile", (p.name for p in directory.failsafe_profiles))
    yield from _twice("number", (e.number for e in directory.entries if not period_of(e)))
    yield from _overlaps(directory.entries)
    yield from _twice("trunk", (t.name for t in directory.trunks))
    if not directory.trunks:
        yield "there is no trunk profile"
    for trunk in directory.trunks:
        yield from _trunk_faults(trunk)
    if sum(e.kind is EntryKind.CATCH_ALL for e in directory.entries) != 1:
        yield "there must be exactly one catch-all entry, or a caller with an odd number is dropped"
    for skill in directory.skills:
        yield from _malformed("skill", skill.id)
        if skill.id == ANYBODY:
            yield f"skill {ANYBODY!r} cannot be told from 'from 0 s: {ANYBODY}' in a step, call it something else"
    for team in directory.teams:
        yield from _malformed("team", team.id)
    for calendar in directory.calendars:
        yield from calendars.faults(calendar)
        if calendar.tenant is not None:
            yield from _missing(f"calendar {calendar.id} names tenant", calendar.tenant, directory.tenant)
    for tenant in directory.tenants:
        yield from _tenant_faults(tenant)
    for prompt in directory.prompts:
        yield from _prompt_faults(directory, prompt)
    for number in directory.test_callers:
        if not _E164.fullmatch(number):
            yield f"test caller {number!r}: write the number in E.164, as +493023125000"
    profiles = {p.name: p for p in directory.failsafe_profiles}
    for entry in directory.entries:
        yield from _entry_faults(directory, entry, profiles)
    kinds = {s.id: s.kind for s in directory.skills}
    for queue in directory.queues:
        yield from _queue_faults(queue)
        yield from _step_faults(queue, kinds)
        yield from _ladder_faults(directory, queue)
    teams, declared = frozenset(t.id for t in directory.teams), frozenset(kinds)
    for agent in directory.agents:
        yield from _agent_faults(directory, agent, teams, declared)
    for partner in directory.partners:
        yield from _partner_faults(directory, partner)
    # Both are endpoints of the switch, which knows each name once.
    for name in sorted({a.phone for a in directory.agents} & {p.id for p in directory.partners}):
        yield f"{name} is an agent's phone and a partner, call one of them something else"
    for profile in directory.failsafe_profiles:
        yield from _profile_faults(directory, profile)
    yield from _group_faults(directory.failsafe_profiles)


def _entry_faults(directory: Directory, entry: Entry, profiles: Mapping[str, FailsafeProfile]) -> Iterator[str]:
    who = called(entry)
    yield from _missing(f"{who} names tenant", entry.tenant, directory.tenant)
    yield from _missing(f"{who} names queue", entry.queue, directory.queue)
    yield from _missing(f"{who} names failsafe profile", entry.failsafe, profiles)
    if entry.calendar is not None:
        yield from _missing(f"{who} names calendar", entry.calendar, directory.calendar)
    if entry.kind in _IN_E164 and not _E164.fullmatch(entry.number):
        yield f"{who}: write the number in E.164, as +4951173070"
    if entry.kind is EntryKind.INTERNAL:
        if not _E164.fullmatch(entry.number) and not EXTENSION.fullmatch(entry.number):
            yield f"{who}: write the number in E.164, as +4951173070, or as an extension of 1 to 6 digits"
        elif entry.number in _TAKEN:
            yield f"{who}: {entry.number} is no extension, everybody who dials it wants something else"
    if entry.kind is EntryKind.SERVICE_115 and entry.number != "115":
        yield f"{who}: an entry of kind 115 has the number 115"
    if entry.at_most is not None and entry.at_most < 1:
        yield f"{who}: at_most {entry.at_most} would take no call, write at least 1 or leave it out"
    if entry.spare < 0:
        yield f"{who}: spare {entry.spare} is not a number of agents, write 0 or more"
    yield from _date_faults(who, entry)
    for town in entry.candidates:
        yield from _missing(f"{who} names candidate", town, directory.tenant)
    yield from _twice(f"{who}: candidate", entry.candidates)
    queue, profile = directory.queue.get(entry.queue), profiles.get(entry.failsafe)
    if queue and not queue.to_partners and profile and profile.partner is not None:
        yield (
            f"{who}: queue {queue.id} never goes to a partner, but failsafe profile {profile.name!r} does"
            f" ({profile.partner}), name a profile without a partner"
        )


def _tenant_faults(tenant: Tenant) -> Iterator[str]:
    who = f"tenant {tenant.id}"
    if tenant.id == UNASSIGNED:
        yield f"{who}: {UNASSIGNED} says that nobody knows whose call it is, call the town something else"
    if tenant.code is not None and not _CODE.fullmatch(tenant.code):
        yield f"{who}: code {tenant.code!r} is not one to four digits"
    if tenant.live_from is not None and tenant.live_from != NOT_YET:
        yield from _year_faults(f"{who}: live_from", tenant.live_from)
    for question in tenant.answers:
        yield from _missing(f"{who} answers question", question, QUESTIONS)
    for waiver in tenant.waivers:
        if not waiver.by.strip() or not waiver.why.strip():
            yield f"{who}: a waiver of {waiver.finding!r} needs a name and a reason"
    contract = tenant.contract
    if contract.valid_from is not None and contract.valid_to is not None and contract.valid_to < contract.valid_from:
        yield f"{who}: valid_to is the contract's last day, and lies before valid_from, the first"
    for days in (contract.valid_from, contract.valid_to, *(p.since for p in contract.prices)):
        if days is not None:
            yield from _year_faults(f"{who}: contract", days)
    yield from _twice(f"{who}: price from", (str(p.since or "the beginning") for p in contract.prices))
    for target in contract.targets:
        try:
            whole = parse_target(written(target)) == target
        except RuleInvalid:
            whole = False
        if not whole:
            yield f"{who}: target {written(target)!r} cannot be written: a share of 0.01 to 100 %, whole milliseconds"
    for (since, kinds), times in Counter((t.since, t.kinds) for t in contract.targets).items():
        if times > 1:
            yield f"{who}: {times} targets from {since or 'the beginning'} on for {', '.join(sorted(kinds)) or 'all'}"


def _prompt_faults(directory: Directory, prompt: Prompt) -> Iterator[str]:
    yield from _malformed("prompt", prompt.id)
    who = f"prompt {prompt.id}"
    if prompt.recording is not None and not re.fullmatch(r"[0-9a-f]{64}", prompt.recording):
        yield f"{who}: recording {prompt.recording!r} is not the SHA-256 of one, 64 digits from 0 to f"
    if not prompt.text.strip() and prompt.recording is None:
        yield f"{who} has neither a text to be spoken nor a recording"
    if len(prompt.text) > LONGEST_TEXT:
        yield f"{who}: its text has {len(prompt.text)} characters, and at most {LONGEST_TEXT} are spoken"
    if prompt.tenant is not None:
        yield from _missing(f"{who} names tenant", prompt.tenant, directory.tenant)


def _ladder_faults(directory: Directory, queue: Queue) -> Iterator[str]:
    for position, rung in enumerate(queue.ladder):
        who = f"queue {queue.id}: rung {written(rung)!r}"
        wrong = tuple(_target_faults(directory, who, queue, rung))
        yield from wrong
        try:
            # What cannot be written cannot be stored, nor be shown to anybody. Of a wrong target, enough has been
            # said: another takes its place.
            sample = replace(rung, target="1") if wrong else rung
            if parse_rung(written(sample)) != sample:
                yield f"{who} has values that cannot be written: whole milliseconds, and only what its words need"
        except RuleInvalid as error:
            yield f"{who} cannot be written, {error.expected}"
        for earlier in queue.ladder[:position]:
            if earlier.action is Action.RELEASE and _always_before(earlier, rung):
                yield f"{who} can never be reached, {written(earlier)!r} before it has already ended the call"
                break


def _target_faults(directory: Directory, who: str, queue: Queue, rung: Rung) -> Iterator[str]:
    match rung.action:
        case Action.PARTNER:
            yield from _missing(f"{who} names partner", rung.target, directory.partner)
            if not queue.to_partners:
                yield f"{who} goes to a partner, but this queue never does (to_partners is off)"
        case Action.QUEUE if rung.target == queue.id:
            yield f"{who} leads back to the queue itself"
        case Action.QUEUE:
            yield from _missing(f"{who} names queue", rung.target, directory.queue)
        case Action.WIDEN:
            later = [str(position) for position in range(1, len(queue.steps))]
            if rung.target not in later:
                have = f"name one of {', '.join(later)}" if later else "this queue has no later step"
                yield f"{who} widens to a step that is not there, {have}"


def _agent_faults(directory: Directory, agent: Agent, teams: frozenset[str], declared: frozenset[str]) -> Iterator[str]:
    who = f"agent {agent.id}"
    if not _WORD.fullmatch(agent.phone):
        yield f"{who}: phone {agent.phone!r} is not {_WORD_FORM}"
    for skill, level in agent.skills.items():
        if skill not in declared:
            yield f"{who} has skill {skill!r}, which is not declared{meant(skill, declared)}"
        if not 1 <= level <= 5:
            yield f"{who}: level {level} of skill {skill} is not between 1 and 5"
    if agent.team is not None:
        yield from _missing(f"{who} names team", agent.team, teams)
    if agent.home is not None:
        yield from _missing(f"{who} names as home tenant", agent.home, directory.tenant)
    for line in sorted(agent.lines):
        yield from _missing(f"{who} keeps to queue", line, directory.queue)


def _partner_faults(directory: Directory, partner: Partner) -> Iterator[str]:
    yield from _malformed("partner", partner.id)
    who = f"partner {partner.id}"
    if not partner.numbers:
        yield f"{who} has no numbers to dial, name at least one"
    for number in partner.numbers:
        if not re.fullmatch(r"\+?[0-9]{1,20}", number):
            yield f"{who}: number {number!r} is not made of digits"
    if partner.calendar is not None:
        yield from _missing(f"{who} names calendar", partner.calendar, directory.calendar)
    for what, most in (("channels", partner.channels), ("calls_per_hour", partner.calls_per_hour)):
        if most is not None and most < 1:
            yield f"{who}: {what} {most} would send no call, write at least 1 or leave it out"
    if partner.host is None:
        return
    if not _is_host(partner.host):
        yield f"{who}: host {partner.host!r} is not like sip.oldenburg.example:5061, 192.0.2.7 or [2001:db8::7]"
    if partner.srtp and partner.transport is not Transport.TLS:
        yield (
            f"{who}: over {partner.transport} everybody on the way could read the keys of SRTP, write srtp = false, or"
            " transport = 'tls'"
        )


def _is_host(text: str) -> bool:
    """Name or address, with or without a port."""
    found = _HOST.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) < 65536:
        return False
    name = found["name"]
    if name is not None and not re.fullmatch(r"[0-9.]+", name):
        return all(map(_LABEL.fullmatch, name.split(".")))
    try:
        return ipaddress.ip_address(name or found["v6"]).version == (4 if name else 6)
    except ValueError:
        return False


def _profile_faults(directory: Directory, profile: FailsafeProfile) -> Iterator[str]:
    for word in (profile.name, profile.group):
        if not _WORD.fullmatch(word):
            yield f"failsafe profile {profile.name!r}: {word!r} is not {_WORD_FORM}"
    if profile.partner is not None:
        yield from _missing(f"failsafe profile {profile.name} names partner", profile.partner, directory.partner)
    for hours in profile.hours:
        if not re.fullmatch(r"[0-9a-z:*-]+(,[0-9a-z*-]+){3}", hours):
            yield f"failsafe profile {profile.name}: {hours!r} is not like 8:00-18:00,mon-fri,*,*"
    for phone in profile.phones:
        if not _WORD.fullmatch(phone):
            yield f"failsafe profile {profile.name}: phone {phone!r} is not {_WORD_FORM}"
    yield from _twice(f"failsafe profile {profile.name}: phone", profile.phones)
    if profile.team is not None:
        teams = frozenset(team.id for team in directory.teams)
        yield from _missing(f"failsafe profile {profile.name} names team", profile.team, teams)


def _group_faults(profiles: Iterable[FailsafeProfile]) -> Iterator[str]:
    """A group rings the same phones, whichever profile led to it."""
    first: dict[str, FailsafeProfile] = {}
    for profile in profiles:
        if not profile.phones and profile.team is None:
            continue
        other = first.setdefault(profile.group, profile)
        if (other.phones, other.team) != (profile.phones, profile.team):
            yield (
                f"failsafe profile {profile.name}: group {profile.group} has other phones in profile {other.name},"
                " say them in one of the two, or give it a group of its own"
            )


def period_of(entry: Entry) -> str:
    """An entry's dates as they are said: ``from 2026-01-01 to 2026-12-31``; empty: it has none."""
    since = f"from {entry.active_from.isoformat()}" if entry.active_from is not None else ""
    to = f"to {entry.active_to.isoformat()}" if entry.active_to is not None else ""
    return f"{since} {to}".strip()


def called(entry: Entry) -> str:
    """Of several entries of a number, the dates say which."""
    period = period_of(entry)
    return f"entry {entry.number or entry.kind}" + (f" ({period})" if period else "")


def _date_faults(who: str, entry: Entry) -> Iterator[str]:
    for what, day in (("active_from", entry.active_from), ("active_to", entry.active_to)):
        if day is not None:
            yield from _year_faults(f"{who}: {what}", day)
    if entry.active_from is not None and entry.active_to is not None and entry.active_to < entry.active_from:
        yield f"{who}: active_to is the last day, and lies before active_from, the first"
    if entry.kind is EntryKind.CATCH_ALL and period_of(entry):
        yield f"{who}: the catch-all has no dates, or a caller with an odd number is dropped outside them"


def _year_faults(who: str, day: date) -> Iterator[str]:
    # Beyond them no holidays are known either, and a year is typed wrong more easily than any other number.
    if not 2000 <= day.year <= 2099:
        yield f"{who} {day.isoformat()} lies outside the years 2000 to 2099"


def _overlaps(entries: Iterable[Entry]) -> Iterator[str]:
    """Where it could not be said which entry of a number counts. Of two without any dates, enough has been said."""
    by_number: dict[str, list[Entry]] = {}
    for entry in entries:
        by_number.setdefault(entry.number, []).append(entry)
    for number, same in by_number.items():
        if len(same) == 1 or not any(map(period_of, same)):
            continue
        same.sort(key=lambda e: (e.active_from or date.min, e.active_to or date.max))
        longest, *others = same
        for entry in others:
            overlap = longest.active_to is None or entry.active_from is None or entry.active_from <= longest.active_to
            if overlap and (period_of(entry) or period_of(longest)):
                yield (
                    f"number {number!r} has two entries at once: one {period_of(longest) or 'without dates'}, the other"
                    f" {period_of(entry) or 'without dates'}"
                )
            if (entry.active_to or date.max) > (longest.active_to or date.max):
                longest = entry


def _trunk_faults(trunk: Trunk) -> Iterator[str]:
    if trunk.number_format not in FORMATS:
        yield f"trunk {trunk.name}: number format {trunk.number_format!r} is none of {', '.join(FORMATS)}"
    if trunk.country_code == "49" and not is_area_code(trunk.area_code):
        yield f"trunk {trunk.name}: {trunk.area_code} is no German area code, write it without its 0, as 511 or 5130"


def _queue_faults(queue: Queue) -> Iterator[str]:
    if not 0 <= queue.priority <= 9:
        yield f"queue {queue.id}: priority {queue.priority} is not between 0 and 9"
    if queue.ring_for.total_seconds() < 1:
        yield f"queue {queue.id}: a phone must ring for at least one second"


def _step_faults(queue: Queue, kinds: Mapping[SkillId, SkillKind]) -> Iterator[str]:
    if not queue.steps:
        yield f"queue {queue.id} has no steps, write 'from 0 s: SKILL>=LEVEL' or 'from 0 s: any'"
        return
    declared = frozenset(kinds)
    for position, step in enumerate(queue.steps):
        who = f"queue {queue.id}: {named(position, step)}"
        sound = True
        for need in step.needs:
            if need.skill not in declared:
                sound = False
                yield f"{who} asks for skill {need.skill!r}, which is not declared{meant(need.skill, declared)}"
            if not 1 <= need.level <= 5:
                sound = False
                yield f"{who}: level {need.level} of skill {need.skill} is not between 1 and 5"
        # What cannot be written cannot be stored. Of a step that is wrong anyhow, enough has been said.
        if sound and not _readable(step):
            yield f"{who} must begin at a whole number of milliseconds, and within a day"
    if queue.steps[0].after:
        yield f"queue {queue.id}: {named(0, queue.steps[0])} must begin at 0 s, or nobody may answer before"
    for position, (step, later) in enumerate(pairwise(queue.steps)):
        who = f"queue {queue.id}: {named(position + 1, later)}"
        if later.after <= step.after:
            yield f"{who} must begin later than {named(position, step)}"
        if not widens(step, later):
            yield f"{who} contradicts step {position}: who could answer before could not any more"
    last = queue.steps[-1]
    for skill in dict.fromkeys(need.skill for need in last.needs if kinds.get(need.skill) is SkillKind.LANGUAGE):
        yield (
            f"queue {queue.id}: {named(len(queue.steps) - 1, last)} asks for {skill}, but language is preferred,"
            " never a trap: the last step must do without it"
        )


def widens(step: Step, later: Step) -> bool:
    """Whether each need of the later step follows from one of the earlier."""
    return all(any(n.skill == need.skill and n.level >= need.level for n in step.needs) for need in later.needs)


def _readable(step: Step) -> bool:
    try:
        return parse_step(written(step)) == step
    except RuleInvalid:
        return not all(_WORD.fullmatch(need.skill) for need in step.needs)  # its declaration is told


def named(position: int, step: Step) -> str:
    return f"step {position} ({written(step)})"


def covers(one: Rung, other: Rung) -> bool:
    """Whether ``one`` is for all kinds of entry that ``other`` is for."""
    return not one.kinds or (bool(other.kinds) and other.kinds <= one.kinds)


def _always_before(one: Rung, other: Rung) -> bool:
    """Whether ``one``, higher up, matches whenever ``other`` does."""
    return (
        one.trigger is other.trigger and covers(one, other) and one.after <= other.after and one.length <= other.length
    )


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{what} {name!r} appears {times} times"


def _malformed(what: str, name: str) -> Iterator[str]:
    if not _WORD.fullmatch(name):
        yield f"{what} {name!r} is not {_WORD_FORM}"


def _missing(who: str, name: str, known: Collection[str]) -> Iterator[str]:
    if name not in known:
        yield f"{who} {name!r}, which does not exist{meant(name, frozenset(known))}"


@lru_cache(maxsize=256)
def meant(name: str, known: frozenset[str], likeness: float = 0.6) -> str:
    """Of what there is, the closest: a wrong name is nearly always a typing error. Kept, because a skill that was
    forgotten is missing with hundreds of agents.
    """
    found = get_close_matches(name, sorted(known), n=1, cutoff=likeness)
    return f", did you mean {found[0]!r}?" if found else ""
