"""The ledger's figures as Prometheus families, read for each scrape."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import accumulate
from math import isinf
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from swapline_producer.errors import LedgerUnavailable
from swapline_workers.telemetry.metrics.catalog import SYSTEM, UP, UP_HELP
from swapline_workers.telemetry.metrics.families import Histogram, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric as Family

    from swapline_producer.contract.jobs.stats import Figures

log = logging.getLogger(__name__)

KINDS = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


class SystemCollector(Collector):
    """All metrics of the system. For an unavailable ledger `swapline_ledger_up` is 0."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        """`figures` reads the ledger."""
        self._figures = figures
        self._away = False

    def describe(self) -> list[Family]:
        """Return nothing: registering must not read the ledger."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield all families, as they are now."""
        try:
            figures = self._figures()
        except LedgerUnavailable as error:
            if not self._away:
                log.warning("there is nothing to tell until the ledger is back: %s", error)
            self._away = True
            yield GaugeMetricFamily(UP, UP_HELP, value=0)
            return
        self._away = False
        yield GaugeMetricFamily(UP, UP_HELP, value=1)
        for metric in SYSTEM:
            yield _times(metric, figures) if isinstance(metric, Histogram) else _values(metric, figures)


def _values(metric: Metric, figures: Figures) -> GaugeMetricFamily | CounterMetricFamily:
    labels = metric.label.split(",") if metric.label else []
    family: GaugeMetricFamily | CounterMetricFamily = KINDS[metric.kind](metric.name, metric.help, labels=labels)
    value = metric.read(figures)
    if isinstance(value, Mapping):
        for name, one in value.items():
            family.add_metric(list(name) if isinstance(name, tuple) else [str(name)], one)
    else:
        family.add_metric([], value)
    return family


def _times(metric: Histogram, figures: Figures) -> Family:
    times = metric.read(figures)
    sums = accumulate(times.buckets.values())
    buckets = [(_end(end), number) for end, number in zip(times.buckets, sums, strict=True)]
    return HistogramMetricFamily(metric.name, metric.help, buckets=buckets, sum_value=times.total)


def _end(seconds: float) -> str:
    return "+Inf" if isinf(seconds) else f"{seconds:g}"
