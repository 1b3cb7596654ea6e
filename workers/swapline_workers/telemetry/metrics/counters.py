"""Counters since the ledger began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import FINISHED, FailureCode
from swapline_workers.telemetry.metrics.families import IDLE, KINDS, OUTCOMES, Metric, count, counted

if TYPE_CHECKING:
    from swapline_producer.contract.jobs.stats import Figures


def _settled(figures: Figures) -> dict[str, float]:
    """Count paid calls by outcome; some that were submitted had been given up."""
    counts = figures.counts
    late = counts.get("call:resolved", 0) - counts.get("resolved", 0)
    return {
        "accepted": counts.get("submitted", 0) - late,
        **{name: counts.get(f"call:{name}", 0) for name in OUTCOMES if name != "accepted"},
    }


COUNTERS = (
    Metric("swapline_jobs_accepted_total", "counter", "Jobs that were accepted.", count("accepted")),
    Metric(
        "swapline_jobs_finished_total",
        "counter",
        "Jobs that ended, by their last state.",
        counted("finished.", FINISHED),
        "state",
    ),
    Metric(
        "swapline_jobs_failed_total",
        "counter",
        "Jobs that ended without success, by failure code.",
        counted("failed.", FailureCode),
        "code",
    ),
    Metric(
        "swapline_submissions_begun_total",
        "counter",
        "Paid calls, counted in the ledger just before each: never less than what the vendor saw.",
        count("attempts"),
    ),
    Metric(
        "swapline_submissions_total",
        "counter",
        "Paid calls by what became of them: accepted (the vendor's id is written), uncharged (it did not run: 429, "
        "no connection, key, credits), refused (FAILED, not charged), unknown (its reply was lost). Those that are "
        "missing to submissions_begun are under way.",
        _settled,
        "outcome",
    ),
    Metric(
        "swapline_submissions_resolved_total",
        "counter",
        "Calls of unknown outcome whose id became known after all. The vendor accepted `accepted` + `resolved` "
        "calls; how many of the other unknown ones it accepted cannot be known.",
        count("call:resolved"),
    ),
    Metric(
        "swapline_credits_spent_total",
        "counter",
        "Credits that were charged for sure: 2 for each id of the vendor's.",
        count("credits"),
    ),
    Metric(
        "swapline_polls_total",
        "counter",
        "Status calls, counted in the ledger before each: those that the vendor saw, and those that did not get there "
        "(its message was lost or late).",
        count("polls_begun"),
    ),
    Metric(
        "swapline_polls_pending_total",
        "counter",
        "Polls that found the job not done: held by the vendor for a while, or answered at once (instant).",
        lambda f: {name: f.counts.get(f"polls.{name}", 0) for name in ("held", "instant")},
        "pace",
    ),
    Metric(
        "swapline_polls_failed_total",
        "counter",
        "Polls that learned nothing: no answer, an error, a reply that is not understood.",
        count("polls.failed"),
    ),
    Metric(
        "swapline_polls_misdirected_total",
        "counter",
        "Status replies that named another job than the one asked for. They are no news.",
        count("polls.misdirected"),
    ),
    Metric(
        "swapline_unknown_statuses_total",
        "counter",
        "Polls that returned a status that is not on the vendor's page.",
        count("unknown_status"),
    ),
    Metric(
        "swapline_refusals_total",
        "counter",
        "Submissions and polls that were refused for what may be the account's fault, by reason.",
        counted("trips:", KINDS),
        "reason",
    ),
    Metric(
        "swapline_slot_used_seconds_total",
        "counter",
        "Seconds of slots that jobs had, all slots added up.",
        lambda f: f.used_seconds,
    ),
    Metric(
        "swapline_slot_idle_seconds_total",
        "counter",
        "Seconds of slots that were free while jobs waited for them, all slots added up, by what stopped them: breaker "
        "(refused by the vendor), probe (one job goes first after that), store (results cannot be stored), rate "
        "(SWAPLINE_SUBMIT_RATE), credits (SWAPLINE_CREDITS_PER_DAY), tenant_credits, refused (one job alone, which is "
        "tried again), unread (no worker has read the job's first message).",
        lambda f: {reason: f.idle_seconds.get(reason, 0) for reason in IDLE},
        "reason",
    ),
    Metric(
        "swapline_rescues_total",
        "counter",
        "Messages that were sent again because no worker acted on them in time.",
        count("rescues"),
    ),
    Metric(
        "swapline_rescues_postponed_total",
        "counter",
        "Rescues that were put off because the step's queue is long.",
        count("postponed"),
    ),
    Metric(
        "swapline_stale_total",
        "counter",
        "What came too late and was dropped: a message of an old version, a write that another process had made.",
        counted("stale:", ("message", "move")),
        "what",
    ),
    Metric(
        "swapline_webhook_attempts_total",
        "counter",
        "Deliveries that were tried, each try.",
        count("webhook_attempts"),
    ),
    Metric(
        "swapline_webhooks_total",
        "counter",
        "Webhooks that were settled: delivered, or dead after the last try.",
        lambda f: {name: f.counts.get(f"webhook.{name.upper()}", 0) for name in ("delivered", "dead")},
        "outcome",
    ),
    Metric(
        "swapline_storage_retries_total",
        "counter",
        "Pictures that could not be stored, and are tried again.",
        count("store_retries"),
    ),
    Metric(
        "swapline_storage_full_total",
        "counter",
        "Times a job had to wait because a worker's picture memory was full.",
        count("store_full"),
    ),
    Metric(
        "swapline_cancel_requests_total",
        "counter",
        "Cancellations of jobs that the vendor had.",
        count("cancel_requested"),
    ),
    Metric("swapline_replays_total", "counter", "Jobs and webhooks that a person sent again.", count("replayed")),
)
