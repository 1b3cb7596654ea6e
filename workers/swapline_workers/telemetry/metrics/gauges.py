"""What there is now."""

from __future__ import annotations

import math

from swapline_workers.telemetry.metrics.families import KINDS, Metric

GAUGES = (
    Metric(
        "swapline_jobs",
        "gauge",
        "Jobs in each state now; those that ended go after SWAPLINE_JOB_TTL.",
        lambda f: {state.value: number for state, number in f.jobs.items()},
        "state",
    ),
    Metric(
        "swapline_jobs_waiting",
        "gauge",
        "Jobs that are QUEUED, by priority.",
        lambda f: {priority.value: number for priority, number in f.waiting.items()},
        "priority",
    ),
    Metric(
        "swapline_oldest_waiting_seconds",
        "gauge",
        "Since when the oldest QUEUED job waits; 0 while none does.",
        lambda f: f.oldest_waiting or 0,
    ),
    Metric(
        "swapline_oldest_held_seconds",
        "gauge",
        "Since when the first of the HELD jobs is held; 0 while none is.",
        lambda f: f.oldest_held or 0,
    ),
    Metric("swapline_slots_used", "gauge", "The vendor's slots that jobs have.", lambda f: f.slots_used),
    Metric(
        "swapline_slots_usable",
        "gauge",
        "Slots that may be used now: fewer than the limit after a 429.",
        lambda f: f.slots_cap,
    ),
    Metric(
        "swapline_slots_limit",
        "gauge",
        "Slots that may be used at most: SWAPLINE_MAX_IN_FLIGHT, or set by hand.",
        lambda f: f.slots_limit,
    ),
    Metric(
        "swapline_breaker_open",
        "gauge",
        "1 while submitting is paused for all jobs, or one job probes, by reason; 0 when nothing waits for it.",
        lambda f: {kind: float(f.trips > 0 and (f.breaker_kind or "other") == kind) for kind in KINDS},
        "reason",
    ),
    Metric("swapline_breaker_trips", "gauge", "Refusals in a row, each of which doubles the pause.", lambda f: f.trips),
    Metric(
        "swapline_breaker_closes_in_seconds",
        "gauge",
        "Until the next submission may be tried; 0 while it may.",
        lambda f: f.breaker_open_for,
    ),
    Metric(
        "swapline_store_breaker_open",
        "gauge",
        "1 while results cannot be stored: nothing new is submitted, or one job goes first.",
        lambda f: float(f.store_failing),
    ),
    Metric(
        "swapline_credits_today",
        "gauge",
        "Credits spent today (UTC); they count from the moment a slot is given.",
        lambda f: f.credits_today,
    ),
    Metric(
        "swapline_credits_daily_limit",
        "gauge",
        "SWAPLINE_CREDITS_PER_DAY; +Inf without one.",
        lambda f: math.inf if f.credits_per_day is None else f.credits_per_day,
    ),
    Metric(
        "swapline_polls_failing_jobs",
        "gauge",
        "Jobs of which a poll brought no news within the last five minutes.",
        lambda f: f.polls_failing_jobs,
    ),
    Metric("swapline_due_jobs", "gauge", "Jobs that have a step to run, now or later.", lambda f: f.due),
    Metric(
        "swapline_due_overdue_seconds",
        "gauge",
        "How late the first of them is; more than a second: no due dispatcher runs.",
        lambda f: f.overdue,
    ),
    Metric(
        "swapline_worker_processes",
        "gauge",
        "Worker processes whose due dispatcher claimed within the last minute.",
        lambda f: f.dispatchers,
    ),
    Metric(
        "swapline_dispatcher_silent_seconds",
        "gauge",
        "Since any worker took what was due; +Inf before the first one.",
        lambda f: math.inf if f.claimed_ago is None else f.claimed_ago,
    ),
    Metric(
        "swapline_webhooks_pending",
        "gauge",
        "Webhooks that are not delivered yet and not given up.",
        lambda f: f.webhooks_pending,
    ),
)
