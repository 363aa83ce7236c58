from __future__ import annotations

import pytest

from lightship_registry.pages import humanize

# 14:30 on a Saturday.
NOW = 1795271400.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 minute"),
        (1519, "25 minutes"),
        (3600, "1 hour"),
        (3900, "1 hour 5 minutes"),
        (2 * 86400 + 3 * 3600 + 300, "2 days 3 hours"),
        (86400 + 300, "1 day 5 minutes"),
    ],
)
def test_a_span_is_said_in_two_units_at_most(seconds: float, said: str) -> None:
    assert humanize.span(seconds) == said


def test_the_day_is_said_only_when_it_is_another() -> None:
    assert humanize.hour(NOW + 60, NOW) == "14:31 UTC"
    assert humanize.hour(NOW + 86400, NOW) == "22 November, 14:30 UTC"


def test_programs_read_the_same_moment() -> None:
    assert humanize.instant(NOW + 0.9) == "2026-11-21T14:30:00Z"


def test_what_is_ahead_is_rounded_and_what_has_passed_is_near() -> None:
    assert humanize.ahead(NOW + 1499, NOW) == "in 25 minutes"
    assert humanize.ahead(NOW + 59, NOW) == humanize.ahead(NOW - 500, NOW) == "any minute now"
