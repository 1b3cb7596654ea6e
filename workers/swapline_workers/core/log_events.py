"""The values of `event` in log lines. Documented in docs/guides/logs-and-traces.md."""

from __future__ import annotations

from enum import StrEnum


class LogEvent(StrEnum):
    """The event of a log line."""

    JOB_FAILED = "job_failed"
    JOB_EXPIRED = "job_expired"
    JOB_TIMED_OUT = "job_timed_out"
    JOB_HELD = "job_held"
    SUBMISSION_REFUSED = "submission_refused"
    SUBMISSION_UNKNOWN = "submission_unknown"
    POLL_REFUSED = "poll_refused"
    WEBHOOK_DEAD = "webhook_dead"
    VENDOR_ID_LATE = "vendor_id_late"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    LEDGER_AVAILABLE = "ledger_available"
    LEDGER_BEHIND = "ledger_behind"
    STORE_UNAVAILABLE = "store_unavailable"
    STORE_AVAILABLE = "store_available"
    WORKER_STARTED = "worker_started"
    WORKER_REFUSED = "worker_refused"
    LIMIT_CHANGED = "limit_changed"
    LIMIT_DIFFERS = "limit_differs"
    ACCOUNTS_READ = "accounts_read"
    ACCOUNTS_KEPT = "accounts_kept"
    ACCOUNT_KEY_CHANGED = "account_key_changed"
