"""Every metric of the system. Tests compare docs, dashboard and alerts.

No label grows with the number of jobs or tenants.
"""

from __future__ import annotations

from swapline_workers.telemetry.metrics.accounts import ACCOUNTS
from swapline_workers.telemetry.metrics.counters import COUNTERS
from swapline_workers.telemetry.metrics.families import Histogram, Metric
from swapline_workers.telemetry.metrics.gauges import GAUGES

HISTOGRAMS = (
    Histogram("swapline_wait_seconds", "From acceptance to a job's first slot.", "wait"),
    Histogram(
        "swapline_handover_seconds",
        "From a slot's being given to a job to the vendor's id: the slot is empty.",
        "handover",
    ),
    Histogram("swapline_service_seconds", "From the vendor's id to the poll that found the job completed.", "service"),
    Histogram(
        "swapline_detection_delay_seconds",
        "How long a completed job had been so when it was found: a guess, half the time since the poll before; 0 "
        "where the vendor held the call until it was done.",
        "detection",
    ),
    Histogram("swapline_storing_seconds", "From the poll that found it completed to stored pictures.", "storing"),
    Histogram("swapline_turnaround_seconds", "From acceptance to SUCCEEDED.", "turnaround"),
    Histogram(
        "swapline_webhook_lag_seconds", "From a job's end to its delivered webhook, replayed ones too.", "webhook_lag"
    ),
    Histogram("swapline_due_lag_seconds", "By how much a due dispatcher was late to claim what was due.", "lag"),
)

UP = "swapline_ledger_up"
UP_HELP = "1 if the ledger answered this scrape; if it is 0, there are no other numbers."

SYSTEM: tuple[Metric | Histogram, ...] = (*GAUGES, *COUNTERS, *ACCOUNTS, *HISTOGRAMS)
