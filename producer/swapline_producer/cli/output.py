"""How things are shown: to people as tables and colours, to programs as JSON."""

from __future__ import annotations

import json
import os
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from rich.table import Table
from rich.text import Text

from swapline_producer.cli.terminal import Terminal
from swapline_producer.contract import Job, Notification, State
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.errors import RequestError
from swapline_producer.foreign_text import visible, without_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from swapline_producer.producer import Producer

DONE, FAILED, USAGE, NOT_FINISHED = 0, 1, 2, 3
"""Exit codes."""

COLOURS = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.EXPIRED: "red",
    State.HELD: "yellow",
    State.CANCELED: "dim",
}

MINUTE, HOUR, DAY = 60, 3600, 86_400
"""Seconds."""

WIDE = 240
"""Columns of a table that no terminal bounds: a pipe reads lines, and must find whole ids in them."""

NARROW = 100
"""Columns of a terminal below which a list of jobs shows less of each."""

NO_LINKS: Mapping[str, str] = MappingProxyType({})

out = Terminal(soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE)


def complain(error: Exception) -> None:
    """Print an error as sentences on standard error."""
    code = f" ({error.code})" if isinstance(error, RequestError) and error.code else ""
    said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else f"{error}"
    warn(f"swapline: {said}{code}", lines=getattr(error, "has_lines", False))


def warn(sentence: str, *, lines: bool = False) -> None:
    """Print a sentence on standard error."""
    print(visible(sentence, lines=lines), file=sys.stderr)  # noqa: T201 -- this is the command line


def print_json(value: object) -> None:
    """Print one JSON value on standard output."""
    print(as_json_text(value))  # noqa: T201 -- this is the command line


def as_json_text(value: object) -> str:
    """Write JSON in ASCII, without DEL, the one control that JSON leaves as it is."""
    return json.dumps(value, indent=2, default=str).replace("\x7f", "\\u007f")


def print_rows(table: Table) -> None:
    """Print a table of ids and sentences: on a narrow terminal its lines run on, and no word is cut to pieces."""
    width = out.width
    natural = out.measure(table, options=out.options.update(width=WIDE)).maximum
    try:
        out.width = max(width, natural) if width < NARROW else width
        out.print(table)
    finally:
        out.width = width


def exit_code(job: Job) -> int:
    """What a script should see of a job."""
    if not job.state.finished:
        return NOT_FINISHED
    return DONE if job.state is State.SUCCEEDED else FAILED


def wait_and_exit(
    producer: Producer, job_id: str, timeout: float, *, as_json: bool, output: Path | None = None
) -> NoReturn:
    """Wait for the end of a job, show it, and exit with its code; write the pictures of a success to `output`."""
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
        print_job(job)
    if output and job.state is State.SUCCEEDED:
        from swapline_producer.client.download import check_has_pictures, picture_files, save_pictures  # noqa: PLC0415 -- beside its use

        check_has_pictures(job)
        save_pictures(producer, job.images, picture_files(output, job.images))
    sys.exit(exit_code(job))


def moment(milliseconds: int | None) -> str | None:
    """RFC 3339, UTC."""
    return None if milliseconds is None else rfc3339(milliseconds)


def job_facts(job: Job) -> dict[str, Any]:
    """A job as programs read it."""
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
        "created_at": moment(job.created_at),
        "submitted_at": moment(job.submitted_at),
        "terminal_at": moment(job.terminal_at),
        "finished_at": moment(job.finished_at),
        "tenant": job.tenant,
        "batch": job.spec.batch,
        "metadata": job.spec.metadata,
        "version": job.version,
        "request": spec,
    }


def print_job(job: Job, now: int | None = None, due: int | None = None, links: Mapping[str, str] = NO_LINKS) -> None:
    """Print a job for people; with `now` (milliseconds) its ages, `due`: its next moment, `links`: URLs by key."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")  # a key that is cut is of no use
    for name, value in job_facts(job).items():
        if name == "state":
            table.add_row(name, coloured_state(job))
        elif name == "images":
            for image in job.images:
                table.add_row("image", f"{image.key}  {image.width}x{image.height}  {image.bytes:,} bytes")
                if image.key in links:
                    table.add_row("link", Text(links[image.key]))
        elif value not in (None, {}, []) and name != "request":
            since = f"  {ago(getattr(job, name), now)}" if now and name.endswith("_at") else ""
            table.add_row(name, Text(f"{value}{since}"))
    if now and due:
        table.add_row("next", Text(f"in {span((due - now) / 1000)}" if due > now else "now"))
    out.print(table)


def ago(milliseconds: int | None, now: int) -> str:
    """How long ago something was, in one unit or two: 12 s, 4 min, 3 h 20 min, 5 d."""
    return "" if milliseconds is None else f"{span((now - milliseconds) / 1000)} ago"


def span(seconds: float) -> str:
    """A length of time as people say it."""
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{max(0.0, seconds):.3g} s" if seconds < 10 else f"{whole} s"  # noqa: PLR2004 -- below it a part of a second matters
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def print_jobs(found: Iterable[Job], now: int | None = None, row_of: Callable[[Job], int | None] | None = None) -> None:
    """Several jobs, a line each; with `now` (milliseconds) their age, else the moment they were accepted.

    With `row_of`, the row of a manifest that each came from.
    """
    narrow = out.width < NARROW
    table = Table(box=None, header_style="dim", pad_edge=False)
    if row_of:
        table.add_column("row", no_wrap=True, justify="right")
    table.add_column("job", no_wrap=True, min_width=32)  # a cut id is of no use
    table.add_column("state", no_wrap=True)
    for name in ("code", "tenant", "age" if now else "created", *(() if narrow else ("polls", "credits")), "webhook"):
        table.add_column(name, overflow="fold")
    for job in found:
        numbers = () if narrow else (str(job.polls), str(job.credits))
        table.add_row(
            *((str(row_of(job) or ""),) if row_of else ()),
            job.job_id,
            coloured_state(job),
            job.failure_code or "",
            Text(job.tenant),
            ago(job.created_at, now) if now else moment(job.created_at),
            *numbers,
            "" if job.notification is Notification.NONE else job.notification,
        )
    print_rows(table)


def coloured_state(job: Job) -> Text:
    """The state of a job, and whether it is to be canceled."""
    wanted = job.canceling is not None and not job.state.finished
    return coloured(job.state).append(" (canceling)" if wanted else "", style="dim")


def coloured(state: State) -> Text:
    """A state in its colour."""
    return Text(state, style=COLOURS.get(state, "cyan"))
