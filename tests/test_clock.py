"""Time that never steps back, whatever the machine's clock is made to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd import clock as clock_module
from dialog_acd.clock import COMPARE_EVERY, SystemClock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Machine:
    """A machine with a wall clock somebody adjusts and a monotonic one nobody can."""

    def __init__(self) -> None:
        self.wall = NOON
        self.uptime = 1000.0
        self.looked = 0
        """How often the wall clock was read."""

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.uptime += seconds

    def adjusted(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)

    # in place of the modules ``datetime`` and ``time``
    def now(self, zone: object) -> datetime:
        assert zone is UTC
        self.looked += 1
        return self.wall

    def monotonic(self) -> float:
        return self.uptime


def clock_on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> SystemClock:
    monkeypatch.setattr(clock_module, "datetime", machine)
    monkeypatch.setattr(clock_module, "time", machine)
    return SystemClock()


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_is_aware_utc_and_passes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_on(machine, monkeypatch)
    assert clock.now() == NOON
    assert clock.now().utcoffset() == timedelta()
    machine.passes(90.5)
    assert clock.now() == NOON + timedelta(seconds=90.5)


def test_a_wall_clock_put_back_is_not_followed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_on(machine, monkeypatch)
    machine.adjusted(-3600)
    assert clock.now() == NOON
    machine.passes(10)
    assert clock.now() == NOON + timedelta(seconds=10)


def test_a_wall_clock_put_forward_is_followed_for_good(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_on(machine, monkeypatch)
    machine.adjusted(3600)  # the machine slept, or NTP set it
    assert clock.now() == NOON + timedelta(hours=1)
    machine.passes(1)
    assert clock.now() == NOON + timedelta(hours=1, seconds=1)
    machine.adjusted(-3600)
    assert clock.now() == NOON + timedelta(hours=1, seconds=1)


def test_small_corrections_do_not_make_it_jump(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_on(machine, monkeypatch)
    machine.adjusted(0.9)
    assert clock.now() == NOON


steps = st.floats(min_value=-10_000, max_value=10_000, allow_nan=False)
passing = st.floats(min_value=0, max_value=10_000, allow_nan=False)


@given(st.lists(st.tuples(passing, steps), max_size=30))
def test_it_never_steps_back_and_lags_by_more_than_a_second_for_half_a_second_at_most(
    story: list[tuple[float, float]],
) -> None:
    machine = Machine()
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = clock_on(machine, monkeypatch)
        before = clock.now()
        for seconds, jump in story:
            machine.passes(seconds)
            machine.adjusted(jump)
            now = clock.now()
            assert now >= before
            machine.passes(COMPARE_EVERY)
            before, now = now, clock.now()
            assert now >= before
            assert machine.wall - now <= timedelta(seconds=1)
            before = now


def test_who_asks_often_does_not_have_it_look_at_the_wall_as_often(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine asks some ten times a call."""
    clock = clock_on(machine, monkeypatch)
    looked = machine.looked
    for _ in range(100):
        machine.passes(COMPARE_EVERY / 50)
        clock.now()
    assert 2 <= machine.looked - looked <= 4
    assert clock.now() == NOON + timedelta(seconds=2 * COMPARE_EVERY)


def test_the_real_one_runs() -> None:
    clock = SystemClock()
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)
    assert abs(readings[-1] - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_rehearsal_begins_when_it_is_told_to_and_goes_on_like_any_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    monkeypatch.setattr(clock_module, "datetime", machine)
    monkeypatch.setattr(clock_module, "time", machine)
    eve = datetime(2026, 12, 31, 22, 59, 30, tzinfo=UTC)
    clock = SystemClock(eve)
    assert clock.now() == eve
    machine.passes(31)
    assert clock.now() == eve + timedelta(seconds=31)
    machine.adjusted(-600)
    assert clock.now() == eve + timedelta(seconds=31)
    machine.adjusted(3600)
    machine.passes(COMPARE_EVERY)
    assert clock.now() == eve + timedelta(seconds=31 + 3000 + COMPARE_EVERY)
