"""Whether Celery's tasks are observed in this process."""

from __future__ import annotations

from typing import Any

from celery import signals
from celery.app import trace

TASK_SIGNALS = (
    signals.task_prerun,
    signals.task_postrun,
    signals.task_success,
    signals.task_retry,
    signals.task_failure,
    signals.task_internal_error,
)

TRACER_FILE = trace.trace_task.__code__.co_filename


def is_observed(task: Any) -> bool:
    """Whether a signal has receivers, or the tracer is wrapped, as by sentry-sdk."""
    return any(signal.receivers for signal in TASK_SIGNALS) or _is_wrapped(task.__trace__)


def _is_wrapped(tracer: Any) -> bool:
    return hasattr(tracer, "__wrapped__") or tracer.__code__.co_filename != TRACER_FILE
