"""One run of a manifest: check it whole, enqueue it, watch it."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from swapline_producer.cli.batches.view import exit_code, print_view
from swapline_producer.client.batches.manifest import check
from swapline_producer.contract import CREDITS_PER_JOB
from swapline_producer.errors import LedgerUnavailable, NotPossible, StorageError
from swapline_producer.terminal.output import DONE, FAILED, NOT_FINISHED, USAGE, complain, out, print_json, warn
from swapline_producer.terminal.progress import progress
from swapline_producer.webhooks.addresses import check_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swapline_producer.client.batches.manifest import Manifest, Row
    from swapline_producer.contract import Job
    from swapline_producer.producer import Producer

CHUNK = 500


class Place(NamedTuple):
    """What is kept of a row without its picture."""

    number: int
    name: str
    has_own_key: bool


class Run:
    """The steps of `swapline batch run`."""

    def __init__(self, producer: Producer, manifest: Manifest, name: str, *, skip_bad: bool, as_json: bool) -> None:
        """Read nothing yet. `skip_bad`: wrong rows are left out."""
        self._producer = producer
        self._manifest = manifest
        self._name = name
        self._as_json = as_json
        self._settings = producer.settings
        self._rows = 0
        self._tenant = "default"
        self._skip_bad = skip_bad
        self._counts = {"enqueued": 0, "known": 0, "skipped": 0, "refused": 0, "not_downloaded": 0}
        self._under_way: dict[int, Place] = {}
        self._left_out: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def check(self, webhook_url: str | None = None) -> None:
        """Check every row and print its problem; exit for wrong ones, unless left out."""
        tenants = set[str]()
        check_webhook(webhook_url, allow_private=self._settings.webhook_allow_private)
        with progress("checking", None, quiet=self._as_json) as tick:
            for row in self._manifest.rows():
                problem = check(row, self._settings)
                if problem is not None:
                    warn(f"{row.place}: {problem}")
                    self._left_out[row.number] = problem
                else:
                    tenants.add(row.values.get("tenant", "default"))
                self._rows += 1
                tick(1)
        self._counts["skipped"] = wrong = len(self._left_out)
        if not self._rows:
            _give_up("the manifest has no rows")
        if wrong and not (self._skip_bad and tenants):
            _give_up(f"{wrong:,} of {self._rows:,} rows are wrong")
        if len(tenants) > 1:
            some = ", ".join(sorted(tenants)[:3])
            _give_up(
                f"the rows are of {len(tenants):,} tenants ({some}), and a batch is of one: make a manifest of each"
            )
        [self._tenant] = tenants

    def print_cost(self) -> None:
        """Print a run's cost; rows that have a job already cost nothing."""
        known, good = self._known(), self._rows - self._counts["skipped"]
        facts = {
            "batch": self._name,
            "tenant": self._tenant,
            "rows": self._rows,
            "skipped": self._counts["skipped"],
            "known": known,
            "credits": (good - known) * CREDITS_PER_JOB,
        }
        if self._as_json:
            print_json(facts)
            return
        again = f", {known:,} of them enqueued already" if known else ""
        out.print(f"{self._name}: {good:,} rows are good{again}; a run costs {facts['credits']:,} credits")

    def enqueue(self) -> None:
        """Enqueue the rows; an earlier run's are left alone."""
        with progress("enqueuing", self._rows - len(self._left_out), quiet=self._as_json) as tick:
            for result in self._producer.enqueue_many(self._values()):
                row = self._under_way.pop(result.index)
                if isinstance(result.error, LedgerUnavailable):
                    raise result.error  # the others would fare no better; the same command goes on from here
                if result.error is not None:
                    warn(f"{row.name}: {result.error}")
                    self._left_out[row.number] = str(result.error)
                    self._counts["refused"] += 1
                else:
                    self._counts["enqueued" if result.created else "known"] += 1
                    if row.has_own_key and result.job_id:
                        self._numbers[result.job_id] = row.number
                tick(1)

    def seal(self, webhook_url: str) -> None:
        """Seal the batch, unless a row was refused and is still to come."""
        if self._counts["refused"] and not self._skip_bad:
            warn("swapline: some rows were refused, so batch.completed is not sent; mend them and run again.")
            return
        self._producer.seal_batch(self._name, webhook_url, self._tenant)

    def watch(self, timeout: float, folder: Path | None) -> None:
        """Wait for all jobs; write pictures as they come. Raises TimeoutError."""
        ids = self._producer.ledger.batches.job_ids(self._name, self._tenant)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with progress("finished", len(ids), quiet=self._as_json) as tick:
            for job in self._producer.as_completed(ids, timeout):
                if folder is not None:
                    self._download(job, folder)
                tick(1)

    def write_results(self, path: Path, folder: Path | None) -> None:
        """Write the CSV of each row's state."""
        from swapline_producer.client.batches.results import ManifestRows, write_results  # noqa: PLC0415 -- not loaded for --help

        lines = {row.number: row.line for row in self._manifest.rows()}
        rows = ManifestRows(lines, self._numbers, self._left_out)
        write_results(self._producer.ledger, self._name, self._tenant, path, folder, rows)

    def report_end(self, *, watched: bool) -> int:
        """Print the result; return the exit code."""
        from swapline_producer.client.batches.results import outlines, view  # noqa: PLC0415 -- not loaded for --help

        ledger, batch = self._producer.ledger, (self._name, self._tenant)
        found = view(*batch, outlines(ledger, *batch)) if watched else None
        if self._as_json:
            print_json(
                {"batch": self._name, "tenant": self._tenant, "rows": self._rows, **self._counts, **_facts(found)}
            )
        else:
            facts = ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in self._counts.items() if number)
            whose = "" if self._tenant == "default" else f" --tenant {self._tenant}"
            out.print(f"{self._name}: {facts}; `swapline batch show {self._name}{whose}` shows how it stands")
            if found is not None:
                print_view(found)
        refused = self._left_out or self._counts["not_downloaded"]
        code = exit_code(found) if found is not None else DONE
        return FAILED if refused and code != NOT_FINISHED else code

    def _good_rows(self) -> Iterator[Row]:
        return (row for row in self._manifest.rows() if row.number not in self._left_out)

    def _values(self) -> Iterator[dict[str, Any]]:
        """Yield the fields of each good row; note the row until its result comes."""
        for index, row in enumerate(self._good_rows()):
            own = row.values["idempotency_key"] != self._manifest.key(row.number)
            self._under_way[index] = Place(row.number, row.place, has_own_key=own)
            yield row.values

    def _known(self) -> int:
        keys = ((row.values.get("tenant", "default"), row.values["idempotency_key"]) for row in self._good_rows())
        known = 0
        while chunk := list(islice(keys, CHUNK)):
            known += self._producer.ledger.intake.known_keys(chunk)
        return known

    def _download(self, job: Job, folder: Path) -> None:
        from swapline_producer.client.batches.results import download  # noqa: PLC0415 -- not loaded for --help

        try:
            download(self._producer, self._name, job, folder)
        except (StorageError, NotPossible) as error:
            complain(error)
            self._counts["not_downloaded"] += 1


def _give_up(what: str) -> NoReturn:
    warn(f"swapline: {what}; nothing was enqueued.")
    sys.exit(USAGE)


def _facts(found: Any) -> dict[str, Any]:
    return {} if found is None else found.model_dump(mode="json", exclude={"batch", "tenant"})
