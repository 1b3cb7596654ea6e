"""Metrics of each of several accounts; without values where there is one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from swapline_workers.telemetry.metrics.families import KINDS, Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract.jobs.stats import AccountFigures, Figures


def each(read: Callable[[AccountFigures], float]) -> Callable[[Figures], dict[str, float]]:
    """Read a value of each account."""
    return lambda figures: {one.name: read(one) for one in figures.accounts}


def _breakers(figures: Figures) -> dict[tuple[str, ...], float]:
    return {
        (one.name, kind): float(one.trips > 0 and (one.breaker_kind or "other") == kind)
        for one in figures.accounts
        for kind in KINDS
    }


def _idle(figures: Figures) -> dict[tuple[str, ...], float]:
    return {(one.name, why): seconds for one in figures.accounts for why, seconds in one.idle_seconds.items()}


ACCOUNTS = (
    Metric(
        "swapline_account_slots_used",
        "gauge",
        "Of several accounts, each one's slots that jobs have.",
        each(lambda one: one.slots_used),
        "account",
    ),
    Metric(
        "swapline_account_slots_usable",
        "gauge",
        "Of several accounts, each one's slots that may be used now: fewer after a 429, none while it is drained.",
        each(lambda one: one.slots_cap),
        "account",
    ),
    Metric(
        "swapline_account_slots_limit",
        "gauge",
        "Of several accounts, each one's max_in_flight, or set by hand.",
        each(lambda one: one.slots_limit),
        "account",
    ),
    Metric(
        "swapline_account_breaker_open",
        "gauge",
        "1 while submitting to one of several accounts is paused, by reason; the others go on.",
        _breakers,
        "account,reason",
    ),
    Metric(
        "swapline_account_credits_today",
        "gauge",
        "Of several accounts, each one's credits spent today (UTC).",
        each(lambda one: one.credits_today),
        "account",
    ),
    Metric(
        "swapline_account_credits_daily_limit",
        "gauge",
        "Of several accounts, each one's credits_per_day; +Inf without one.",
        each(lambda one: math.inf if one.credits_per_day is None else one.credits_per_day),
        "account",
    ),
    Metric(
        "swapline_account_slot_used_seconds_total",
        "counter",
        "Of several accounts, seconds of each one's slots that jobs had, added up.",
        each(lambda one: one.used_seconds),
        "account",
    ),
    Metric(
        "swapline_account_slot_idle_seconds_total",
        "counter",
        "Of several accounts, seconds of each one's slots that were free while jobs waited for them, by reason.",
        _idle,
        "account,reason",
    ),
)
