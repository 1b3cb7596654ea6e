"""What commands print: sentences, facts as JSON, exit codes. `tables.py` loads rich."""

from __future__ import annotations

import json
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from swapline_producer.contract import State
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.errors import RequestError
from swapline_producer.foreign_text import visible, without_query

if TYPE_CHECKING:
    from pathlib import Path

    from swapline_producer.contract import Job
    from swapline_producer.producer import Producer
    from swapline_producer.terminal.console import Terminal

DONE, FAILED, USAGE, NOT_FINISHED = 0, 1, 2, 3

MINUTE, HOUR, DAY = 60, 3600, 86_400
"""Seconds."""

WIDE = 240
"""Columns without terminal: a pipe must find whole ids."""


class Output:
    """Standard output for people."""

    def print(self, *things: object, style: str | None = None) -> None:
        """Print one line; rich is loaded only for styles or tables."""
        if style is None and all(isinstance(thing, str) for thing in things):
            print(*map(visible, things))  # noqa: T201 -- this is the command line
        else:
            self.console.print(*things, style=style)

    @cached_property
    def console(self) -> Terminal:
        """The terminal, or what replaces it."""
        from swapline_producer.terminal.console import Terminal  # noqa: PLC0415 -- see `print`

        return Terminal(soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE)


out = Output()


def complain(error: Exception) -> None:
    """Print an error as sentences on standard error."""
    code = f" ({error.code})" if isinstance(error, RequestError) and error.code else ""
    sentence = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else f"{error}"
    warn(f"swapline: {sentence}{code}", lines=getattr(error, "has_lines", False))


def warn(sentence: str, *, lines: bool = False) -> None:
    """Print a sentence on standard error."""
    print(visible(sentence, lines=lines), file=sys.stderr)  # noqa: T201 -- this is the command line


def print_json(value: object) -> None:
    """Print one JSON value on standard output."""
    print(as_json_text(value))  # noqa: T201 -- this is the command line


def as_json_text(value: object) -> str:
    """Return JSON in ASCII without DEL, the one control that JSON admits."""
    return json.dumps(value, indent=2, default=str).replace("\x7f", "\\u007f")


def exit_code(job: Job) -> int:
    """Return a job's exit code."""
    if not job.state.finished:
        return NOT_FINISHED
    return DONE if job.state is State.SUCCEEDED else FAILED


def wait_and_exit(
    producer: Producer, job_id: str, timeout: float, *, as_json: bool, output: Path | None = None
) -> NoReturn:
    """Wait for a job, show it, exit with its code; write pictures to `output`."""
    try:
        job = producer.wait(job_id, timeout)
    except TimeoutError as error:
        complain(error)
        if output:
            warn(f"swapline: When it has succeeded: swapline jobs download {job_id}")
        sys.exit(NOT_FINISHED)
    if as_json:
        print_json(job_facts(job))
    else:
        from swapline_producer.terminal.tables import print_job  # noqa: PLC0415 -- rich is not loaded for JSON

        print_job(job)
    if output and job.state is State.SUCCEEDED:
        from swapline_producer.client.download import check_has_pictures, picture_files, save_pictures  # noqa: PLC0415 -- beside its use

        check_has_pictures(job)
        save_pictures(producer, job.images, picture_files(output, job.images))
    sys.exit(exit_code(job))


def job_facts(job: Job) -> dict[str, Any]:
    """Return a job for programs."""
    spec = job.spec.model_dump(mode="json", exclude_none=True)
    if job.spec.webhook_url:
        spec["webhook_url"] = without_query(job.spec.webhook_url)
    return {
        "job_id": job.job_id,
        "state": job.state,
        "canceling": job.canceling,
        "failure_code": job.failure_code,
        "failure_detail": job.failure_detail,
        "vendor_job_id": job.vendor_job_id,
        "vendor_status": job.vendor_status,
        "api_version": job.spec.api_version,
        "gender": job.spec.gender.name.lower(),
        "filter_id": spec["filter_id"],
        "ratio": job.spec.ratio,
        "webhook_url": spec.get("webhook_url"),
        "idempotency_key": job.spec.idempotency_key,
        "attempts": job.attempts,
        "polls": job.polls,
        "credits": job.credits,
        "images": [image.model_dump() for image in job.images],
        "notification": job.notification,
        "notify_attempts": job.notify_attempts,
        "created_at": rfc3339(job.created_at),
        "submitted_at": rfc3339(job.submitted_at),
        "terminal_at": rfc3339(job.terminal_at),
        "finished_at": rfc3339(job.finished_at),
        "tenant": job.tenant,
        "batch": job.spec.batch,
        "metadata": job.spec.metadata,
        "version": job.version,
        "request": spec,
    }


def ago(milliseconds: int | None, now: int) -> str:
    """Return a time ago: 12 s, 4 min, 3 h 20 min, 5 d."""
    return "" if milliseconds is None else f"{span((now - milliseconds) / 1000)} ago"


def span(seconds: float) -> str:
    """Return a length of time for people."""
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{max(0.0, seconds):.3g} s" if seconds < 10 else f"{whole} s"  # noqa: PLR2004 -- below it a part of a second matters
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"
