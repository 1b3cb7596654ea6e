"""What objects are called: the one place that knows which object lies where.

inputs/{sha256}                                      stored by the producer, once for all jobs that use it
staging/{job}/{n}                                    decoded, not yet a result; n counts from 0
results/{tenant}/{yyyy}/{mm}/{dd}/{job}/{n}.png      the day the job was accepted, UTC
results/{tenant}/{yyyy}/{mm}/{dd}/{job}/receipt.json
owner.json                                           which installation the store belongs to
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_producer.contract import Job

INPUTS, STAGING, RESULTS = "inputs", "staging", "results"
AREAS = (INPUTS, STAGING, RESULTS)
OWNER = "owner.json"
RECEIPT = "receipt.json"


def input_key(sha256: str) -> str:
    """Where an input lies, by the SHA-256 of its bytes in hex."""
    return f"{INPUTS}/{sha256}"


def staging_folder(job_id: str) -> str:
    """Where the pictures of a job lie until they are results."""
    return f"{STAGING}/{job_id}"


def staged_key(job_id: str, number: int) -> str:
    """Where one staged picture lies, counted from 0."""
    return f"{staging_folder(job_id)}/{number}"


def result_folder(job: Job) -> str:
    """Where the results and the receipt of a job lie."""
    day = datetime.fromtimestamp(job.created_at / 1000, UTC)
    return f"{RESULTS}/{job.tenant}/{day:%Y/%m/%d}/{job.job_id}"


def receipt_key(job: Job) -> str:
    """Where the receipt of a job lies."""
    return f"{result_folder(job)}/{RECEIPT}"
