from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from swapline_producer.contract.jobs.history import (
    DAY,
    HOUR,
    PERIODS,
    WEEK,
    HistoryPoint,
    Period,
    Row,
    points,
    quantile,
)
from swapline_workers.board.facts.plots import HEIGHT, WIDTH, plots, ticks

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_800_000_000_000
MINUTE = 60_000
NOTHING = HistoryPoint(0, 0, 0, 0, 0, {}, 0, 0, 0, None, None)


def hour(*changes: Mapping[str, object]) -> list[HistoryPoint]:
    """The last minutes of an hour, each with these fields."""
    begins = NOW - len(changes) * MINUTE
    return [
        NOTHING._replace(begins=begins + n * MINUTE, ends=begins + (n + 1) * MINUTE, **fields)  # type: ignore[arg-type]  # as the test says
        for n, fields in enumerate(changes)
    ]


@pytest.mark.parametrize("period", PERIODS.values(), ids=str)
def test_without_any_counts_every_plot_is_empty_and_reports_that(period: Period) -> None:
    drawn = plots(period, [], NOW)
    assert [one.frame.title for one in drawn] == ["Throughput", "Waiting", "Slot use", "Time to result", "Failures"]
    assert all(not one.bars and not any(line.path for line in one.lines) for one in drawn)
    assert drawn[3].frame.summary == "No job has succeeded."


def test_bars_stand_at_their_time_and_stack() -> None:
    throughput, *_ = plots(HOUR, hour({"succeeded": 3, "ended_otherwise": 1}, {}), NOW)
    good, bad = throughput.bars
    assert (throughput.top, throughput.frame.summary) == ("5", "4 jobs ended, 1 of them without success.")
    assert good.x == bad.x == pytest.approx(WIDTH * 58 / 60, abs=0.1)
    assert good.width == pytest.approx(WIDTH / 60, abs=0.1)
    assert (good.y + good.height, bad.y + bad.height) == (HEIGHT, good.y)
    assert good.title.endswith(": 3 succeeded")


def test_what_was_before_the_period_is_not_drawn_left_of_it() -> None:
    [long] = [NOTHING._replace(begins=NOW - 7_200_000, ends=NOW, succeeded=120)]
    throughput, *_ = plots(HOUR, [long], NOW)
    assert (throughput.bars[0].x, throughput.bars[0].width, throughput.top) == (0, WIDTH, "1")


def test_a_line_has_a_gap_where_nothing_succeeded() -> None:
    there = {"succeeded": 1, "median": 10.0, "slowest_tenth": 40.0}
    result = plots(HOUR, hour(there, there, {}, there), NOW)[3]
    assert result.top == "50 s"
    assert [len(re.findall("M", line.path)) for line in result.lines] == [2, 2]


def test_failures_are_named_by_code_the_most_frequent_first() -> None:
    failures = plots(DAY, hour({"codes": {"LOST": 1, "FILTER_BLOCKED": 2}}, {"codes": {"LOST": 3}}), NOW)[4]
    assert failures.frame.summary == "LOST 4, FILTER_BLOCKED 2."


def test_the_times_under_a_plot_are_few_and_end_now() -> None:
    assert [len(ticks(period, NOW)) for period in (HOUR, DAY, WEEK)] == [5, 5, 8]
    assert ticks(HOUR, NOW)[-1] == "now"


def test_a_quantile_lies_within_its_bucket() -> None:
    assert quantile({1000: 0, 2000: 10, float("inf"): 0}, 0.5) == 1.5
    assert quantile({1000: 5, 2000: 0, float("inf"): 5}, 0.9) == 2.0  # beyond the last bound: its end
    assert quantile({1000: 0}, 0.5) is None


def test_counts_that_have_shrunk_are_no_negative_jobs() -> None:
    before = Row(0, 100, 100, 100, {"accepted": 5}, {1000.0: 5})
    [point] = points([before, Row(1000, 0, 0, 0, {"accepted": 1}, {1000.0: 1})], -1)
    assert point == NOTHING._replace(begins=0, ends=1000)
