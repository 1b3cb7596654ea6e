"""A worker's app whose observers come and go: what a step costs in its thread, with them and without.

`BENCH_OBSERVERS` is empty or opentelemetry. Every `SWITCH_INTERVAL_S` all receivers of Celery's signals are taken off
or put on again. Each step is timed in its thread, from its reservation to the end of its bookkeeping. `worker_shutdown`
writes all times into `BENCH_OBSERVED`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import signals

if TYPE_CHECKING:
    from collections.abc import Callable

SWITCH_INTERVAL_S = 0.2
OBSERVED = (
    signals.task_received,
    signals.task_prerun,
    signals.task_postrun,
    signals.task_success,
    signals.task_retry,
    signals.task_failure,
    signals.before_task_publish,
    signals.after_task_publish,
)


def do_nothing(**_: object) -> None:
    """Take a signal."""


def connect_empty_handlers() -> None:
    """Connect an empty handler to each signal around a task."""
    for signal in OBSERVED:
        signal.connect(do_nothing, weak=False)


def instrument() -> None:
    """Record every span; export none."""
    from opentelemetry import trace  # noqa: PLC0415 -- only where it is measured
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    trace.set_tracer_provider(TracerProvider())
    CeleryInstrumentor().instrument()


class Switch(threading.Thread):
    """Takes all receivers off and puts them on again, by turns, and takes the time of steps."""

    def __init__(self) -> None:
        """Begin without receivers."""
        super().__init__(daemon=True)
        self._receivers = [(signal, list(signal.receivers)) for signal in OBSERVED]
        self._thread = threading.local()
        self._times: dict[str, list[float]] = defaultdict(list)
        """Seconds by step and state."""
        self._phase = 0
        """Odd: observed."""
        self._set()

    def run(self) -> None:
        """Switch for ever."""
        while True:
            time.sleep(SWITCH_INTERVAL_S)
            self._phase += 1
            self._set()

    def watch(self, function: Callable[..., Any], step_of: Callable[..., str]) -> Callable[..., Any]:
        """Time a function that works on steps; `step_of` reads the step's name from its arguments."""

        def timed(*arguments: Any) -> Any:
            if getattr(self._thread, "is_inside", False):
                return function(*arguments)
            phase, self._thread.is_inside = self._phase, True
            began = time.thread_time()
            try:
                return function(*arguments)
            finally:
                took = time.thread_time() - began
                self._thread.is_inside = False
                if phase == self._phase:
                    name = f"{step_of(*arguments)} {'observed' if phase % 2 else 'alone'}"
                    self._times[name].append(took)

        return timed

    def write(self, **_: object) -> None:
        """Write all times."""
        Path(os.environ["BENCH_OBSERVED"]).write_text(json.dumps(self._times))

    def _set(self) -> None:
        for signal, receivers in self._receivers:
            signal.receivers[:] = receivers if self._phase % 2 else []  # Celery's tracer knows the list itself
            vars(signal)["sender_receivers_cache"].clear()


{"empty": connect_empty_handlers, "opentelemetry": instrument}[os.environ["BENCH_OBSERVERS"]]()

from celery.worker import request as celery_request  # noqa: E402

from swapline_workers.dispatch.local import dispatcher  # noqa: E402 -- observers start before the app is loaded
from swapline_workers.entry import app  # noqa: E402, F401

switch = Switch()
dispatcher._run = switch.watch(dispatcher._run, lambda request: request.step_message.step.value)  # noqa: SLF001
dispatcher._announce = switch.watch(dispatcher._announce, lambda *_: "announce")  # noqa: SLF001
reserve = switch.watch(dispatcher.LocalDispatcher._reserve, lambda *_: "reserve")  # noqa: SLF001
setattr(dispatcher.LocalDispatcher, "_reserve", reserve)  # noqa: B010 -- a method, for mypy
for tracer in ("fast_trace_task", "trace_task_ret"):
    watched = switch.watch(getattr(celery_request, tracer), lambda task, *_: task.removeprefix("swapline."))
    setattr(celery_request, tracer, watched)
signals.worker_shutdown.connect(switch.write, weak=False)
switch.start()
