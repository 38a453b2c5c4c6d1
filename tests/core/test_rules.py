"""Steps and rungs as an operator writes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.errors import RuleInvalid
from dialog_acd.core.model import Action, EntryKind, Need, Rung, SkillId, Step, Trigger
from dialog_acd.core.rules import parse_rung, parse_step, written

S = timedelta(seconds=1)
LENGTHS = st.integers(0, 86_400_000).map(lambda ms: timedelta(milliseconds=ms))
WORDS = st.from_regex(r"[0-9a-z][0-9a-z-]{0,29}", fullmatch=True)


def test_what_an_operator_reads_aloud() -> None:
    assert parse_step("from 0 s: langenhagen>=4 and tuerkisch") == Step(
        0 * S, (Need(SkillId("langenhagen"), 4), Need(SkillId("tuerkisch"), 1))
    )
    assert parse_step("  from 30 s: any ") == Step(30 * S)
    assert parse_rung("waited 60 s for 115, main-number: partner oldenburg") == Rung(
        Trigger.WAITED,
        Action.PARTNER,
        60 * S,
        target="oldenburg",
        kinds=frozenset({EntryKind.SERVICE_115, EntryKind.MAIN_NUMBER}),
    )
    assert parse_rung("queue length 4: widen 1") == Rung(Trigger.LENGTH, Action.WIDEN, length=4, target="1")
    assert parse_rung("closing soon: callback") == Rung(Trigger.CLOSING_SOON, Action.CALLBACK)
    assert parse_rung("closed by hours: release") == Rung(Trigger.CLOSED_HOURS, Action.RELEASE)


@given(after=LENGTHS, needs=st.lists(st.tuples(WORDS.filter(lambda w: w != "any"), st.integers(1, 5)), max_size=4))
def test_a_step_written_is_the_step_read(after: timedelta, needs: list[tuple[str, int]]) -> None:
    step = Step(after, tuple(Need(SkillId(skill), level) for skill, level in needs))
    assert parse_step(written(step)) == step


@given(
    trigger=st.sampled_from(Trigger),
    action=st.sampled_from(Action),
    after=LENGTHS,
    length=st.integers(1, 9999),
    word=WORDS,
    kinds=st.frozensets(st.sampled_from(EntryKind)),
)
def test_a_rung_written_is_the_rung_read(  # noqa: PLR0917
    trigger: Trigger, action: Action, after: timedelta, length: int, word: str, kinds: frozenset[EntryKind]
) -> None:
    timed = trigger in (Trigger.WAITED, Trigger.EXPECTED_WAIT)
    rung = Rung(
        trigger,
        action,
        after if timed else timedelta(),
        length if trigger is Trigger.LENGTH else 0,
        "" if action in (Action.RELEASE, Action.CALLBACK) else "2" if action is Action.WIDEN else word,
        kinds,
    )
    assert parse_rung(written(rung)) == rung


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("after 15 s: x>=1", "write a step as 'from 15 s: langenhagen>=2"),
        ("from 15: x>=1", "write a step as"),
        ("from -1 s: x>=1", "'-1' is not a number of seconds between 0 and 86400"),
        ("from 86401 s: any", "is not a number of seconds"),
        ("from 1 s: x>=6", "'x>=6' is not a need: write skill>=level with a level from 1 to 5"),
        ("from 1 s: x and", "is not a need"),
        ("from 1 s: x>=4, y", "'x>=4, y' is not a need: .*, and 'and' between two of them"),
        ("from 1 s: Langen hagen>=2", "is not a need"),
    ],
)
def test_a_step_that_cannot_be_read_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(RuleInvalid, match=expected) as refused:
        parse_step(text)
    assert refused.value.text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("waits 60 s: partner oldenburg", "begin a rung with one of: all busy, waited, expected wait, queue length"),
        ("waited: partner oldenburg", "say after how many seconds, as 'waited 60 s: ...'"),
        ("waited 60: partner oldenburg", "say after how many seconds"),
        ("queue length 4 s: widen 1", "say how many callers already wait, as 'queue length 4: ...'"),
        ("queue length 0: widen 1", "say how many callers already wait"),
        ("all busy 5: widen 1", "'all busy' takes no number"),
        ("all busy: send away", "end a rung with one of: widen, queue, partner, announce, callback, release"),
        ("all busy: partner", "say where to, as 'partner oldenburg'"),
        ("all busy: announce", "say what, as 'announce acd/long-wait'"),
        ("all busy: widen all", "say to which step, as 'widen 1'"),
        ("all busy: release now", "'release' stands alone"),
        ("all busy for 116: release", "'116' is no kind of entry: main-number, 115"),
        ("", "begin a rung with"),
        ("waited -20 s: release", "say after how many seconds, as 'waited 60 s: ...'"),
        ("expected wait 2 min: release", "say after how many seconds, as 'expected wait 60 s: ...'"),
        ("queue length four callers: release", "say how many callers already wait"),
        ("all busy release", "put a colon between when and what, as 'all busy: partner oldenburg'"),
        ("waited 20 s release", "put a colon between when and what, as 'waited 60 s: partner oldenburg'"),
        ("all busy, 115: release", "after 'all busy' comes a colon, or for whom, as 'all busy for 115: "),
    ],
)
def test_a_rung_that_cannot_be_read_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(RuleInvalid, match=expected) as refused:
        parse_rung(text)
    assert refused.value.text == text
