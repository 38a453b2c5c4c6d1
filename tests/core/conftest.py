"""How long Hypothesis searches. ``HYPOTHESIS_PROFILE=long`` takes a minute and a half instead of ten seconds."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
_CHECKS = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
settings.register_profile(
    "unit",
    max_examples=300,
    stateful_step_count=60,
    deadline=None,
    report_multiple_bugs=False,
    phases=_PHASES,
    suppress_health_check=_CHECKS,
)
settings.register_profile(
    "long",
    max_examples=3000,
    stateful_step_count=120,
    deadline=None,
    report_multiple_bugs=False,
    phases=_PHASES,
    suppress_health_check=_CHECKS,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))
