"""Metrics of one worker process: steps, calls of the vendor, threads, memory, CPU. Off without a port."""

from __future__ import annotations

import logging
import re
import time
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector

from swapline_workers.core.outcomes import STALE
from swapline_workers.errors import VendorError
from swapline_workers.telemetry.metrics.serving import check_exposure, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from swapline_producer.contract import ApiVersion, JobSpec, Step
    from swapline_workers.core.outcomes import Outcome
    from swapline_workers.settings import MetricsSettings
    from swapline_workers.steps.ports import StatusReply, Submission, Vendor

log = logging.getLogger(__name__)

NEIGHBOURS = 16
"""Ports tried, for several workers on one host."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""A call of the vendor may last a minute."""


class WorkerMetric(NamedTuple):
    """One family, named as served."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


STEPS = WorkerMetric(
    "swapline_worker_steps_total",
    "counter",
    ("step", "outcome"),
    "Messages that this process has worked on, by what the step decided.",
)
STEP_SECONDS = WorkerMetric(
    "swapline_worker_step_seconds", "histogram", ("step",), "How long a step took, from the message to its last move."
)
CALL_SECONDS = WorkerMetric(
    "swapline_worker_vendor_call_seconds",
    "histogram",
    ("endpoint", "outcome"),
    "Calls of the vendor, from the call to the status of the reply, without the pictures.",
)
BUSY = WorkerMetric(
    "swapline_worker_threads_busy", "gauge", (), "Threads that run a step now, deliveries of webhooks included."
)
THREADS = WorkerMetric("swapline_worker_threads", "gauge", (), "Threads (or children) of this worker.")

WORKER_METRICS = (STEPS, STEP_SECONDS, CALL_SECONDS, BUSY, THREADS)


class Measure:
    """One running step; its outcome is `error` until `decided`."""

    outcome = "error"

    def decided(self, outcome: Outcome) -> None:
        """Set the outcome."""
        self.outcome = "stale" if outcome is STALE else type(outcome).__name__.lower()


class WorkerMeter:
    """The metrics of this process, in a registry of their own. Thread-safe."""

    def __init__(self, settings: MetricsSettings) -> None:
        """Raises SettingsError for an exposed address without a password."""
        self._port = settings.metrics_port
        self._host = settings.metrics_host
        self._secret = settings.metrics_secret
        if self._port is not None:
            check_exposure(self._host, self._secret)
        self._open = ExitStack()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        steps = Counter(*_named(STEPS), registry=self.registry)
        step_seconds = Histogram(*_named(STEP_SECONDS), buckets=SECONDS, registry=self.registry)
        call_seconds = Histogram(*_named(CALL_SECONDS), buckets=SECONDS, registry=self.registry)
        self._busy = Gauge(*_named(BUSY), registry=self.registry)
        self.threads = Gauge(*_named(THREADS), registry=self.registry)
        # Cached: to find a child by its labels takes as long as to count.
        self._number_of = cache(steps.labels)
        self._seconds_of = cache(step_seconds.labels)
        self._seconds_of_call = cache(call_seconds.labels)

    def watch(self, leased_jobs: Callable[[], int]) -> None:
        """`leased_jobs`: how many jobs this process works on."""
        self._busy.set_function(leased_jobs)

    def start(self) -> None:
        """Serve at the set port or the next free one, if any."""
        if self._port is None:
            return
        ports = range(self._port, min(self._port + NEIGHBOURS, 65_536))
        try:
            url = self._open.enter_context(serving(self.registry, self._host, ports, self._secret))
        except Exception as error:  # noqa: BLE001 -- metrics must not stop the work
            log.warning("this worker's own metrics are not served: %s", error)
        else:
            log.info("this worker's own metrics: %s", url)

    def drain(self) -> None:
        """Go on serving."""

    def stop(self) -> None:
        """Serve no more."""
        self._open.close()

    @contextmanager
    def step(self, step: Step) -> Generator[Measure]:
        """Measure one step."""
        measure, began = Measure(), time.perf_counter()
        try:
            yield measure
        finally:
            self._seconds_of(step.value).observe(time.perf_counter() - began)
            self._number_of(step.value, measure.outcome).inc()

    @contextmanager
    def call(self, endpoint: str) -> Generator[None]:
        """Measure one call of the vendor."""
        outcome, began = "error", time.perf_counter()
        try:
            yield
            outcome = "ok"
        except VendorError as error:
            outcome = _snake_case(type(error).__name__)
            raise
        finally:
            self._seconds_of_call(endpoint, outcome).observe(time.perf_counter() - began)


class MeasuredVendor:
    """The port `Vendor`, with each call measured."""

    def __init__(self, vendor: Vendor, meter: WorkerMeter) -> None:
        """Wrap this vendor."""
        self._vendor = vendor
        self._meter = meter

    def submit(self, spec: JobSpec, image: str) -> Submission:
        """See `Vendor.submit`."""
        with self._meter.call("submit"):
            return self._vendor.submit(spec, image)

    def poll(self, vendor_job_id: str, api_version: ApiVersion) -> AbstractContextManager[StatusReply]:
        """See `Vendor.poll`."""
        return _MeasuredStatusReply(self._vendor.poll(vendor_job_id, api_version), self._meter)


class _MeasuredStatusReply:
    """A poll whose call is measured, without the work on its reply."""

    def __init__(self, poll: AbstractContextManager[StatusReply], meter: WorkerMeter) -> None:
        self._poll = poll
        self._meter = meter

    def __enter__(self) -> StatusReply:
        with self._meter.call("status"):
            return self._poll.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._poll.__exit__(kind, error, trace)


def _named(metric: WorkerMetric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.help, metric.labels


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
