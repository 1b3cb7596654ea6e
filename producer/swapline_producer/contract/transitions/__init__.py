"""Every change of a job: each a named function that returns the `Change` to write.

Nothing else builds a `Change`. docs/lifecycle.md is drawn from `TABLE`.
"""

from swapline_producer.contract.transitions.apply import apply, holds_slot
from swapline_producer.contract.transitions.decisions import (
    held_after_restore,
    polled_again,
    renotified,
    resolved,
    restored,
    resubmitted,
    signed,
)
from swapline_producer.contract.transitions.ends import (
    canceled_before_submission,
    canceled_dropped,
    canceled_instead,
    canceled_unsubmitted,
    expired,
    failed,
    succeeded,
    timed_out,
)
from swapline_producer.contract.transitions.notification import notified, postponed
from swapline_producer.contract.transitions.running import (
    awaiting_memory,
    completed,
    no_answer,
    not_stored,
    polled,
    running_again,
)
from swapline_producer.contract.transitions.submission import (
    FORGOTTEN,
    attempted,
    attempted_before,
    held,
    id_shared,
    refused,
    requeued,
    submitted,
)
from swapline_producer.contract.transitions.table import TABLE, Transition, allows

__all__ = [
    "FORGOTTEN",
    "TABLE",
    "Transition",
    "allows",
    "apply",
    "attempted",
    "attempted_before",
    "awaiting_memory",
    "canceled_before_submission",
    "canceled_dropped",
    "canceled_instead",
    "canceled_unsubmitted",
    "completed",
    "expired",
    "failed",
    "held",
    "held_after_restore",
    "holds_slot",
    "id_shared",
    "no_answer",
    "not_stored",
    "notified",
    "polled",
    "polled_again",
    "postponed",
    "refused",
    "renotified",
    "requeued",
    "resolved",
    "restored",
    "resubmitted",
    "running_again",
    "signed",
    "submitted",
    "succeeded",
    "timed_out",
]
