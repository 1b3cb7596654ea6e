"""Requests of the worker in this process, and its stop flag."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery.platforms import EX_FAILURE
from celery.worker import state

if TYPE_CHECKING:
    from collections.abc import Iterable

JOB_ARGUMENTS = 2
"""A job id and a version."""


def active_requests() -> list[Any]:
    """Return the running requests, each the same object while it runs."""
    return snapshot(state.active_requests)


_forgotten: list[tuple[str, int]] = []
"""(job id, version) of messages that were read."""


def keep_reserved() -> None:
    """Remember the reserved messages, before Celery's consumer closes."""
    _forgotten[:] = _jobs(snapshot(state.reserved_requests))


def reserved_jobs() -> list[tuple[str, int]]:
    """Return (job id, version) of messages that were read, perhaps finished."""
    return [*_forgotten, *_jobs(snapshot(state.reserved_requests))]


def active_jobs() -> list[tuple[str, int]]:
    """Return (job id, version) of each running step, also of child processes."""
    return _jobs(active_requests())


def _jobs(requests: Iterable[Any]) -> list[tuple[str, int]]:
    arguments = [tuple(request.args) for request in requests]
    return [(found[0], found[1]) for found in arguments if len(found) == JOB_ARGUMENTS]


def stop_worker() -> None:
    """Stop the worker as a signal does, with exit code 1."""
    state.should_stop = EX_FAILURE  # type: ignore[assignment]  # celery-types knows only the initial value


def snapshot(requests: Iterable[Any]) -> list[Any]:
    """Copy a set to which threads add meanwhile."""
    while True:
        with suppress(RuntimeError):
            return list(requests)
