"""What failure codes mean, whether they were charged, what to do. Source of docs/failure-codes.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract.enums import FailureCode

if TYPE_CHECKING:
    from collections.abc import Mapping


class Failure(NamedTuple):
    """One row of the table, in Markdown."""

    meaning: str
    charged: str
    advice: str


POLL_AGAIN = (
    "poll again, which is free: `swapline jobs replay JOB --from poll`; then ask the vendor, with `vendor_job_id`"
)

FAILURES: Mapping[FailureCode, Failure] = {
    FailureCode.FILTER_BLOCKED: Failure(
        "the filter cannot be used in this mode (single or group)", "no", "choose another filter, or another gender"
    ),
    FailureCode.FILTER_NOT_FOUND: Failure(
        "no filter has this integer id", "no", "take an id from the vendor's catalog"
    ),
    FailureCode.WORKFLOW_FETCH_FAILED: Failure(
        "the workflow of a UUID filter could not be loaded", "no", "check the UUID; try again later"
    ),
    FailureCode.INVALID_QUALITY_MODE: Failure("`quality_mode` is neither `v6` nor `v6.1`", "no", "leave it out"),
    FailureCode.INVALID_IMAGE: Failure(
        "the picture is empty, cut short or not a picture", "no", "send a whole JPEG, PNG or WebP"
    ),
    FailureCode.NO_FACE_FOUND: Failure(
        "`require_face` was asked for, and the picture shows no face from the front; refused before it was stored",
        "no",
        "send a picture that shows a face; or leave `require_face` out",
    ),
    FailureCode.VENDOR_FAILED: Failure(
        "the vendor took the job and says that it failed",
        "unknown: ask the vendor",
        "look at the input; enqueue again",
    ),
    FailureCode.VENDOR_REJECTED: Failure(
        "the vendor was sent the request and refused it with a code that its page does not have; or it answered this"
        " job alone with 429 or 404, again and again, while it accepted others",
        "no",
        "read `failure_detail`: it has the vendor's words",
    ),
    FailureCode.UNAUTHORIZED: Failure(
        "the vendor answered this job alone with 401 or 403, five times in a row, while it accepted others; a key that"
        " is refused for every job pauses submitting and fails none",
        "no",
        "read `failure_detail`; ask the vendor, or its firewall's owner, what is wrong with this picture",
    ),
    FailureCode.OUT_OF_CREDITS: Failure(
        "the vendor answered this job alone with 402, five times in a row, while it accepted others; an empty account"
        " pauses submitting and fails no job",
        "no",
        "ask the vendor what this job would cost",
    ),
    FailureCode.OUTPUT_MISSING: Failure("the vendor says COMPLETED, three times, without a picture", "yes", POLL_AGAIN),
    FailureCode.OUTPUT_INVALID: Failure(
        "the vendor's picture was, three times, not a whole picture", "yes", POLL_AGAIN
    ),
    FailureCode.OUTPUT_TOO_MANY: Failure(
        "the vendor sent, three times, more pictures than `SWAPLINE_MAX_PICTURES` admits; none is stored",
        "yes",
        "raise `SWAPLINE_MAX_PICTURES` if all are wanted, then poll again, which is free: `swapline jobs replay JOB"
        " --from poll`",
    ),
    FailureCode.LOST: Failure(
        "the vendor does not know the job any more: three 404 in a row, after `SWAPLINE_LOST_AFTER`", "yes", POLL_AGAIN
    ),
    FailureCode.SUBMIT_UNKNOWN: Failure(
        "the reply to the paid call is unknown; the job is HELD, or FAILED under the policy `fail`",
        "perhaps",
        "look for the job in the vendor's records before sending it again: `swapline jobs resolve JOB`",
    ),
    FailureCode.VENDOR_ID_IN_USE: Failure(
        "the vendor accepted the submission under an id that another job has, or had until a day ago: one of the two"
        " would get the other's picture. The job is HELD, whatever the policy, and the other one too where both"
        " calls were under way together; `failure_detail` names both",
        "probably",
        "look for both in the vendor's records: `swapline jobs resolve JOB` with the right id, or send it again; check"
        " the other job's picture too",
    ),
    FailureCode.VENDOR_ID_INVALID: Failure(
        "the vendor accepted the submission under an id that cannot be polled: longer than 256 characters, unprintable,"
        " `.` or `..`. The job is HELD, whatever the policy",
        "probably",
        "look for the job in the vendor's records: `swapline jobs resolve JOB` with its id, or send it again",
    ),
    FailureCode.STORAGE_FAILED: Failure(
        "the input is gone from object storage; or this one alone could not be read, seven times in a row, while others"
        " could",
        "no",
        "enqueue again, with the picture; where it only could not be read, mend the store and send it again:"
        " `swapline jobs replay JOB --from submit`",
    ),
    FailureCode.STORE_TIMEOUT: Failure(
        "the vendor completed the job, and its pictures could not be stored for `SWAPLINE_STORE_TIMEOUT` (a day)",
        "yes",
        "mend the store; then store them after all, which is free: `swapline jobs replay JOB --from finalize`",
    ),
    FailureCode.QUEUE_TTL: Failure(
        "the job waited longer than its `queue_ttl` for a slot (EXPIRED)", "no", "more slots, or a longer TTL"
    ),
    FailureCode.RUN_TIMEOUT: Failure(
        "the vendor took longer than `run_timeout`, or took COMPLETED back until it was over (TIMED_OUT)",
        "yes",
        "poll again, which is free: `swapline jobs replay JOB --from poll`; a longer `run_timeout` for the next ones",
    ),
    FailureCode.VENDOR_STATUS_INVALID: Failure(
        "`run_timeout` is over (TIMED_OUT), and the vendor's last status was longer than 64 characters or not one"
        " printable line: no news",
        "yes",
        "ask the vendor what its status means; then poll again, which is free: `swapline jobs replay JOB --from poll`",
    ),
    FailureCode.CANCELED: Failure(
        "a person or a program canceled the job; one that the vendor had ended when the vendor had finished it",
        "`credits` says; perhaps, where `failure_detail` says it",
        "nothing",
    ),
}
