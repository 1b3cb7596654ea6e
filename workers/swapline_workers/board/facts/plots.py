"""The history as plots: inline SVG, with its texts beside it, where nothing stretches them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract.jobs.history import DAY, HOUR, HistoryPoint, Period
from swapline_workers.board.shape import number, span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 600, 120
"""Units of a plot."""

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


class Bar(NamedTuple):
    """One span of a series, drawn; `title` appears under the pointer."""

    tone: str
    x: float
    y: float
    width: float
    height: float
    title: str


class Line(NamedTuple):
    """A series of a plot as a line: its points, `M x y L x y …`."""

    tone: str
    path: str


class Series(NamedTuple):
    """What is drawn of each point."""

    tone: str
    name: str
    value: Callable[[HistoryPoint], float | None]


class Frame(NamedTuple):
    """What is around a plot. `summary` says in a sentence what it shows."""

    plot_id: str
    title: str
    unit: str
    series: tuple[Series, ...]
    summary: str


class Plot(NamedTuple):
    """One plot. `top` is the value at the upper end; the lower one is 0."""

    frame: Frame
    top: str
    bars: Sequence[Bar] = ()
    lines: Sequence[Line] = ()


class Axis(NamedTuple):
    """The time from left to right, in milliseconds."""

    begins: int
    ends: int

    def x(self, at: int) -> float:
        """Return where a moment is."""
        return round(max(0.0, (at - self.begins) / (self.ends - self.begins)) * WIDTH, 1)


def plots(period: Period, points: Sequence[HistoryPoint], now: int) -> list[Plot]:
    """Draw a period. `now`: UTC milliseconds by the ledger's clock."""
    axis = Axis(now - period.seconds * 1000, now)
    per, unit_ms = ("a minute", MINUTE_MS) if period is HOUR else ("an hour", HOUR_MS)

    def rate(jobs: int, one: HistoryPoint) -> float:
        return jobs * unit_ms / (one.ends - one.begins)

    ended, otherwise = sum(one.succeeded for one in points), sum(one.ended_otherwise for one in points)
    good = Series("good", "succeeded", lambda one: rate(one.succeeded, one))
    bad = Series("bad", "ended without success", lambda one: rate(one.ended_otherwise, one))
    waiting = Series("waiting", "waiting", lambda one: one.waiting)
    used = Series("working", "in use", lambda one: one.used)
    idle = Series("bad", "free while jobs waited", lambda one: one.idle)
    median = Series("working", "half of the jobs", lambda one: one.median)
    slowest = Series("held", "nine of ten", lambda one: one.slowest_tenth)
    jobs = f"jobs {per}"
    throughput = f"{number(ended + otherwise)} jobs ended, {number(otherwise)} of them without success."
    line = f"At most {_short(_most(points, waiting))} jobs waited, and {_short(_last(points, waiting))} at last."
    times = _times(points, median, slowest)
    return [
        _bars(axis, points, Frame("ended", "Throughput", jobs, (good, bad), throughput)),
        _bars(axis, points, Frame("waiting", "Waiting", "jobs in the line, on average", (waiting,), line)),
        _bars(axis, points, Frame("slots", "Slot use", "slots, on average", (used, idle), _slots(points))),
        _lines(axis, points, Frame("result", "Time to result", "of jobs that succeeded", (median, slowest), times)),
        _bars(axis, points, Frame("failures", "Failures", jobs, (bad,), _codes(points))),
    ]


def ticks(period: Period, now: int) -> list[str]:
    """Return the texts under a plot, at equal distances."""
    shown, parts = ("%H:%M", 4) if period in {HOUR, DAY} else ("%a", 7)
    timestamps = [now - period.seconds * 1000 * (parts - part) // parts for part in range(parts)]
    return [*(datetime.fromtimestamp(at / 1000, UTC).strftime(shown) for at in timestamps), "now"]


def _bars(axis: Axis, points: Sequence[HistoryPoint], frame: Frame) -> Plot:
    """Stack the series of each span upon each other."""
    top = _nice(max((sum(one.value(point) or 0 for one in frame.series) for point in points), default=0))
    drawn: list[Bar] = []
    for point in points:
        y, x = float(HEIGHT), axis.x(point.begins)
        for one in frame.series:
            height = (value := one.value(point) or 0) / top * HEIGHT
            y -= height
            if value > 0:
                words = f"{_when(point)}: {_short(value)} {one.name}"
                drawn.append(Bar(one.tone, x, round(y, 1), axis.x(point.ends) - x, round(height, 1), words))
    return Plot(frame, _short(top), bars=drawn)


def _lines(axis: Axis, points: Sequence[HistoryPoint], frame: Frame) -> Plot:
    """Draw each series as steps as wide as their spans, with gaps where values are missing."""
    top = _nice(max((one.value(point) or 0 for one in frame.series for point in points), default=0))
    return Plot(frame, _short_span(top), lines=[Line(one.tone, _path(axis, points, one, top)) for one in frame.series])


def _path(axis: Axis, points: Sequence[HistoryPoint], series: Series, top: float) -> str:
    parts, after = [], None
    for point in points:
        value = series.value(point)
        if value is None:
            after = None
            continue
        y = round(HEIGHT - value / top * HEIGHT, 1)
        start = "L" if after == point.begins else "M"
        parts.append(f"{start}{axis.x(point.begins)} {y}L{axis.x(point.ends)} {y}")
        after = point.ends
    return "".join(parts)


def _nice(most: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below `most`."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most * 0.9999)


def _short(value: float) -> str:
    return number(round(value)) if value >= 10 or value == round(value) else f"{value:.1f}"  # noqa: PLR2004 -- one digit is enough


def _short_span(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else span(seconds * 1000)  # noqa: PLR2004 -- two minutes


def _when(point: HistoryPoint) -> str:
    begins, ends = (datetime.fromtimestamp(at / 1000, UTC) for at in (point.begins, point.ends))
    return f"{begins.day} {begins:%b %H:%M} to {ends:%H:%M}"


def _most(points: Sequence[HistoryPoint], series: Series) -> float:
    return max((series.value(point) or 0 for point in points), default=0)


def _last(points: Sequence[HistoryPoint], series: Series) -> float:
    return (series.value(points[-1]) or 0) if points else 0


def _mean(points: Sequence[HistoryPoint], value: Callable[[HistoryPoint], float]) -> float:
    whole = sum(point.ends - point.begins for point in points)
    return sum(value(point) * (point.ends - point.begins) for point in points) / whole if whole else 0


def _slots(points: Sequence[HistoryPoint]) -> str:
    used, idle = _mean(points, lambda one: one.used), _mean(points, lambda one: one.idle)
    lost = f"{_short(idle)} slots were free while jobs waited" if idle >= 0.05 else "no slot was free while jobs waited"  # noqa: PLR2004 -- shown as 0.1
    return f"On average {_short(used)} slots were in use, and {lost}."


def _times(points: Sequence[HistoryPoint], median: Series, slowest: Series) -> str:
    if not any(point.succeeded for point in points):
        return "No job has succeeded."
    longest = [span(1000 * _most(points, one)) for one in (median, slowest)]
    return f"Half of the jobs took {longest[0]} at most in the slowest span, and nine of ten {longest[1]}."


def _codes(points: Sequence[HistoryPoint]) -> str:
    sums: dict[str, int] = {}
    for point in points:
        for code, jobs in point.codes.items():
            sums[code] = sums.get(code, 0) + jobs
    listed = sorted(sums.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{code} {number(jobs)}" for code, jobs in listed) + "." if listed else "No job has failed."
