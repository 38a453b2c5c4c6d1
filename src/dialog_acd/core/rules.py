"""Steps, rungs and targets as an operator writes them: one line each, read aloud without a manual.

A step::

    from 0 s: langenhagen>=4 and tuerkisch>=1
    from 15 s: langenhagen>=2
    from 30 s: any

A rung of the overflow ladder, tried from the top::

    closed by hours for 115: partner oldenburg
    nobody signed in: partner oldenburg
    waited 20 s: widen 2
    queue length 4: widen 1
    expected wait 120 s: queue region
    waited 300 s: announce acd/long-wait
    waited 120 s: callback
    closing soon: callback
    waited 900 s: release

A target of a contract::

    75 % within 30 s
    from 2022-07-01: 80 % within 30 s for 115, forwarded

``parse_step``, ``parse_rung``, ``parse_target`` raise ``RuleInvalid`` saying what was expected; ``written`` gives the
one canonical text back, so what an operator reads anywhere is what could have been typed.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from dialog_acd.core.errors import RuleInvalid
from dialog_acd.core.model import Action, EntryKind, Need, Rung, SkillId, Step, Target, Trigger

_STEP = re.compile(r"from\s+(?P<after>\S+)\s*s\s*:\s*(?P<needs>.+)")
_NEED = re.compile(r"(?P<skill>[0-9a-z][0-9a-z-]{0,29})\s*(?:>=\s*(?P<level>\d+))?")
_RUNG = re.compile(
    r"(?P<when>[a-z ]+?)(?:\s+(?P<amount>[0-9.]+)(?P<unit>\s*s)?)?(?:\s+for\s+(?P<kinds>[^:]+))?\s*:\s*(?P<do>.+)"
)
_PROMISE = re.compile(
    r"(?:from\s+(?P<since>\d{4}-\d\d-\d\d)\s*:\s*)?"
    r"(?P<share>\d{1,3}(?:\.\d{1,2})?)\s*%\s+within\s+(?P<within>[0-9.]+)\s*s"
    r"(?:\s+for\s+(?P<kinds>.+))?"
)
_TARGET = re.compile(r"[0-9A-Za-z][0-9A-Za-z_/-]{0,79}")
_WHEN = {trigger.value.replace("-", " "): trigger for trigger in Trigger}
_IN_SECONDS = frozenset({Trigger.WAITED, Trigger.EXPECTED_WAIT})
_WITH_TARGET = frozenset({Action.WIDEN, Action.QUEUE, Action.PARTNER, Action.ANNOUNCE})
POSITION, EXPECTED_WAIT = "position", "expected-wait"
"""Reserved names of announcements: they are made up from what is known when they are due."""
LONGEST = timedelta(days=1)
ANYBODY = "any"
"""What a step without needs asks for."""


def parse_step(text: str) -> Step:
    """Read ``from 15 s: langenhagen>=2``."""
    found = _STEP.fullmatch(text.strip())
    if found is None:
        raise RuleInvalid(text, "write a step as 'from 15 s: langenhagen>=2 and tuerkisch>=1' or 'from 30 s: any'")
    after = _seconds(found["after"], text)
    if found["needs"].strip() == ANYBODY:
        return Step(after)
    return Step(after, tuple(_need(part, text) for part in found["needs"].split(" and ")))


def parse_rung(text: str) -> Rung:
    """Read ``waited 60 s for 115: partner oldenburg``."""
    found = _RUNG.fullmatch(text.strip())
    trigger = _WHEN.get(found["when"]) if found else None
    if found is None or trigger is None:
        raise RuleInvalid(text, _how_to_begin(text))
    after, length = timedelta(), 0
    if trigger in _IN_SECONDS:
        if found["amount"] is None or found["unit"] is None:
            raise RuleInvalid(text, f"say after how many seconds, as '{found['when']} 60 s: ...'")
        after = _seconds(found["amount"], text)
    elif trigger is Trigger.LENGTH:
        if found["unit"] is not None or not re.fullmatch(r"[1-9]\d{0,3}", found["amount"] or ""):
            raise RuleInvalid(text, "say how many callers already wait, as 'queue length 4: ...'")
        length = int(found["amount"])
    elif found["amount"] is not None:
        raise RuleInvalid(text, f"{found['when']!r} takes no number")
    word, _, target = found["do"].strip().partition(" ")
    target = target.strip()
    if word not in tuple(Action):
        raise RuleInvalid(text, f"end a rung with one of: {', '.join(Action)}")
    action = Action(word)
    if action in _WITH_TARGET and not _TARGET.fullmatch(target):
        say = "say what" if action is Action.ANNOUNCE else "say where to"
        raise RuleInvalid(text, f"{say}, as '{word} {_EXAMPLE[action]}'")
    if action not in _WITH_TARGET and target:
        raise RuleInvalid(text, f"{word!r} stands alone")
    if action is Action.WIDEN and not target.isdecimal():
        raise RuleInvalid(text, "say to which step, as 'widen 1' (the first step is 0)")
    return Rung(trigger, action, after, length, target, _kinds(found["kinds"], text))


def parse_target(text: str) -> Target:
    """Read ``from 2022-07-01: 80 % within 30 s for 115``."""
    found = _PROMISE.fullmatch(text.strip())
    if found is None or not 0 < (share := round(float(found["share"]) / 100, 4)) <= 1:
        raise RuleInvalid(text, "write a target as '75 % within 30 s' or 'from 2022-07-01: 80 % within 30 s for 115'")
    try:
        since = date.fromisoformat(found["since"]) if found["since"] else None
    except ValueError:
        raise RuleInvalid(text, f"{found['since']} is a day the calendar does not have") from None
    return Target(share, _seconds(found["within"], text), since, _kinds(found["kinds"], text))


def _how_to_begin(text: str) -> str:
    """What is wrong with a rung of which not even the trigger can be read."""
    begun = next((when for when in _WHEN if re.match(rf"{when}(?![a-z])", text.strip())), None)
    if begun is None:
        return f"begin a rung with one of: {', '.join(_WHEN)}, and go on ': partner oldenburg'"
    if ":" not in text:
        return f"put a colon between when and what, as '{_SAMPLE.get(_WHEN[begun], begun)}: partner oldenburg'"
    if _WHEN[begun] in _IN_SECONDS:
        return f"say after how many seconds, as '{begun} 60 s: ...'"
    if _WHEN[begun] is Trigger.LENGTH:
        return "say how many callers already wait, as 'queue length 4: ...'"
    return f"after {begun!r} comes a colon, or for whom, as '{begun} for 115: partner oldenburg'"


_SAMPLE = {
    Trigger.WAITED: "waited 60 s",
    Trigger.EXPECTED_WAIT: "expected wait 120 s",
    Trigger.LENGTH: "queue length 4",
}
_EXAMPLE = {
    Action.WIDEN: "1",
    Action.QUEUE: "region",
    Action.PARTNER: "oldenburg",
    Action.ANNOUNCE: "acd/long-wait",
}


def written(rule: Step | Rung | Need | Target) -> str:
    """The canonical text of a rule."""
    if isinstance(rule, Target):
        since = f"from {rule.since.isoformat()}: " if rule.since is not None else ""
        kinds = f" for {', '.join(sorted(rule.kinds))}" if rule.kinds else ""
        share = f"{rule.share * 100:.2f}".rstrip("0").rstrip(".")
        return f"{since}{share} % within {_in_seconds(rule.within)} s{kinds}"
    if isinstance(rule, Need):
        return f"{rule.skill}>={rule.level}"
    if isinstance(rule, Step):
        return f"from {_in_seconds(rule.after)} s: " + (" and ".join(map(written, rule.needs)) or ANYBODY)
    when = rule.trigger.value.replace("-", " ")
    if rule.trigger in _IN_SECONDS:
        when += f" {_in_seconds(rule.after)} s"
    elif rule.trigger is Trigger.LENGTH:
        when += f" {rule.length}"
    if rule.kinds:
        when += f" for {', '.join(sorted(rule.kinds))}"
    return f"{when}: {rule.action} {rule.target}".rstrip()


def _in_seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.3f}".rstrip("0").rstrip(".")


def _seconds(text: str, whole: str) -> timedelta:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) or (length := timedelta(seconds=float(text))) > LONGEST:
        raise RuleInvalid(whole, f"{text!r} is not a number of seconds between 0 and {LONGEST.total_seconds():.0f}")
    return length


def _need(text: str, whole: str) -> Need:
    found = _NEED.fullmatch(text.strip())
    if found is None or not 1 <= (level := int(found["level"] or 1)) <= 5:
        raise RuleInvalid(
            whole,
            f"{text.strip()!r} is not a need: write skill>=level with a level from 1 to 5,"
            " and 'and' between two of them",
        )
    return Need(SkillId(found["skill"]), level)


def _kinds(text: str | None, whole: str) -> frozenset[EntryKind]:
    words = [word.strip() for word in text.split(",")] if text else []
    for word in words:
        if word not in tuple(EntryKind):
            raise RuleInvalid(whole, f"{word!r} is no kind of entry: {', '.join(EntryKind)}")
    return frozenset(EntryKind(word) for word in words)
