"""What is missing before a town goes live: a list, and a clear go or no-go.

A town that goes live with a gap is found out by its citizens. So the questions are asked before, of the directory as it
would be on the day: who is greeted how, when is it served, who could answer then, who takes the hours that were
promised and are not our own, can the trunk's numbers be read, and has the town answered what it was asked. Whoever
lets something pass says so by name and with a reason (a waiver), and the reason stays with the town.

Who works when is not known yet: an agent counts for all hours. Nor is there a catalogue of services yet whose most
wanted hundred could be counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dialog_acd.core.faults import called
from dialog_acd.core.matching import may_serve
from dialog_acd.core.model import QUESTIONS, EntryKind, PromptId
from dialog_acd.core.remarks import is_there, promised_hours, prompts_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Entry, Queue, Tenant, TenantId, Waiver

_BERLIN = ZoneInfo("Europe/Berlin")
_PUBLIC = frozenset({EntryKind.MAIN_NUMBER, EntryKind.SERVICE_115, EntryKind.FORWARDED})
"""Kinds of entry that citizens dial."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is missing."""

    id: str
    """What a waiver names: ``greeting:+495117307``."""
    what: str
    """A sentence, and what to do."""
    waiver: Waiver | None = None
    """Who lets it pass, and why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a town may go live on a day, and why not."""

    tenant: TenantId
    on: date
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """What keeps nobody from going live, and is better known."""

    @property
    def go(self) -> bool:
        return not self.missing

    @property
    def missing(self) -> tuple[Finding, ...]:
        """What nobody has answered for."""
        return tuple(finding for finding in self.findings if finding.waiver is None)


def gate(directory: Directory, tenant_id: TenantId, on: date, home: TenantId | None = None) -> Verdict:
    """Examine a town (that the directory knows) as it would go live on a day, from 00:00 in Berlin on.

    ``home``: told to this town, so no other is named, and no agent but those in its hall.
    """
    tenant = directory.tenant[tenant_id]
    begun = replace(
        directory, tenants=tuple(replace(t, live_from=on) if t.id == tenant_id else t for t in directory.tenants)
    )
    waivers = {waiver.finding: waiver for waiver in tenant.waivers}
    findings = dict(_findings(begun, tenant, on, home))
    return Verdict(
        tenant_id,
        on,
        tuple(Finding(id_, what, waivers.get(id_)) for id_, what in findings.items()),
        tuple(dict.fromkeys(_notes(begun, tenant, home))),
    )


def entries_of(directory: Directory, tenant: TenantId) -> tuple[Entry, ...]:
    """Its public numbers: its own, and those whose calls may be for it."""
    return tuple(
        entry for entry in directory.entries if entry.kind in _PUBLIC and tenant in (entry.tenant, *entry.candidates)
    )


def _findings(directory: Directory, tenant: Tenant, on: date, home: TenantId | None) -> Iterator[tuple[str, str]]:
    entries = entries_of(directory, tenant.id)
    if not any(entry.tenant == tenant.id for entry in entries):
        yield "number", f"{tenant.name} has no number of its own: make an entry of kind main-number"
    for entry in entries:
        yield from _entry_findings(directory, tenant, entry, on, home)
    for queue_id in dict.fromkeys(entry.queue for entry in entries):
        yield from _people(directory, directory.queue[queue_id])
    for trunk in directory.trunks:
        if trunk.number_format == "auto-with-warning":
            yield (
                f"trunk-format:{trunk.name}",
                f"nobody knows how trunk {trunk.name} writes numbers: ask its carrier, and say so (number_format)",
            )
    for question, text in QUESTIONS.items():
        if not tenant.answers.get(question, "").strip():
            yield f"question:{question}", f"not answered yet: {text}"
    contract = tenant.contract
    if (contract.valid_from is not None and on < contract.valid_from) or (
        contract.valid_to is not None and on > contract.valid_to
    ):
        yield (
            "contract",
            f"the contract is not in force on {on.isoformat()}: it is"
            + (f" from {contract.valid_from.isoformat()}" if contract.valid_from is not None else "")
            + (f" to {contract.valid_to.isoformat()}" if contract.valid_to is not None else ""),
        )


def _entry_findings(
    directory: Directory, tenant: Tenant, entry: Entry, on: date, home: TenantId | None
) -> Iterator[tuple[str, str]]:
    who = entry.number
    if entry.active_to is not None and entry.active_to < on:
        yield f"over:{who}", f"{called(entry)} is over before that day"
        return
    if entry.greeting is None:
        yield f"greeting:{who}", f"{called(entry)} greets nobody: name a prompt (greeting)"
    for what, name in prompts_of(entry):
        if not is_there(directory, name):
            yield f"prompt:{name.rpartition('/')[2]}", f"{called(entry)}: there is no {what} {name!r}, make that prompt"
    if entry.calendar is None:
        yield f"hours:{who}", f"{called(entry)} has no hours, and would be served day and night: name a calendar"
    if wrong := promised_hours(directory, entry):
        yield f"promised-hours:{who}", wrong
    if entry.tenant != tenant.id:
        return
    begins = max(on, entry.active_from or on)
    found = directory.entry_for(entry.number, at=datetime.combine(begins, time(), _BERLIN).astimezone(UTC))
    if found.entry.tenant != tenant.id:
        where = "another town" if home else f"{directory.tenant[found.entry.tenant].name} ({found.why})"
        yield f"hidden:{who}", f"on {begins.isoformat()} {who} leads to {where}: see to its dates"


def _people(directory: Directory, queue: Queue) -> Iterator[tuple[str, str]]:
    # Who can answer at the first step is whom the town was promised; that "anybody" may in the end is no plan.
    if not any(may_serve(agent, queue, queue.steps[0]) for agent in directory.agents):
        asked = " and ".join(f"{need.skill}>={need.level}" for need in queue.steps[0].needs) or "anything"
        yield f"agents:{queue.id}", f"no agent of queue {queue.id} has what its first step asks for: {asked}"


def _notes(directory: Directory, tenant: Tenant, home: TenantId | None) -> Iterator[str]:
    for entry in entries_of(directory, tenant.id):
        queue = directory.queue[entry.queue]
        able = [agent for agent in directory.agents if may_serve(agent, queue, queue.steps[0])]
        if len(able) == 1:
            who = able[0].name if home in (None, able[0].home) else "one agent"
            yield f"queue {queue.id}: {who} alone has what its first step asks for"
        if entry.announcement is None:
            yield f"{called(entry)}: agents hear no town before the caller (announcement)"
        for _, name in prompts_of(entry):
            prompt = directory.prompt.get(PromptId(name.removeprefix("acd/")))
            if prompt is not None and prompt.recording is None:
                yield f"prompt {prompt.id} has no recording yet: a machine speaks it"
        if entry.candidates and tenant.code is None:
            yield f"{called(entry)} may be for {tenant.name}, which agents cannot name at the phone: give it a code"
    for waiver in tenant.waivers:
        yield f"{waiver.finding} is waived by {waiver.by} ({waiver.on.isoformat()}): {waiver.why}"
