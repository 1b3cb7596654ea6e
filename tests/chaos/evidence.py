"""The evidence of a run as it was written down, and the verdict on it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ONLY = "default"
"""Of a job whose ledger names no account."""


@dataclass
class Evidence:
    """What was written down, by name."""

    folder: Path
    prefix: str

    def lines(self, name: str) -> list[dict[str, Any]]:
        file = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def whole(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())

    @cached_property
    def ledger(self) -> dict[str, Any]:
        ours: dict[str, Any] = self.whole("ledger")
        return {key.removeprefix(f"{self.prefix}:"): value for key, value in ours.items()}

    @cached_property
    def jobs(self) -> dict[str, dict[str, str]]:
        ours = {key.removeprefix("job:"): value for key, value in self.ledger.items() if key.startswith("job:")}
        return {job: fields for job, fields in ours.items() if not job.startswith("batch:")}  # a batch's own record

    @cached_property
    def accepted(self) -> list[dict[str, Any]]:
        """Jobs whose callers learned that they were accepted: by an answer, or by the end of their batch."""
        return self.lines("accepted") + [line for line in self.batch_lines if line["job"]]

    @cached_property
    def batch_lines(self) -> list[dict[str, Any]]:
        """Every line of every batch, with its job by its idempotency key."""
        return [{**line, "by": "batch", "job": self._job_of(line)} for line in self.lines("lines")]

    def _job_of(self, line: dict[str, Any]) -> str | None:
        found = self.ledger.get(f"key:{line['tenant']}:batch:{line['batch']}:{line['row']}")
        return found.split()[-1] if found else None

    @cached_property
    def acts(self) -> list[dict[str, Any]]:
        return self.lines("acts")

    @cached_property
    def vendor(self) -> dict[str, dict[str, Any]]:
        """The vendor's report of each account, by name."""
        reports: dict[str, dict[str, Any]] = self.whole("vendor")
        return reports

    @cached_property
    def charges(self) -> dict[str, dict[str, list[str]]]:
        """SHA-256 of each picture -> account -> the vendor's ids of the jobs that it was charged for."""
        found: dict[str, dict[str, list[str]]] = defaultdict(dict)
        for account, report in self.vendor.items():
            for image, line in report["images"].items():
                found[image][account] = line["jobs"]
        return dict(found)

    def log(self, job: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger.get(f"log:{job}", [])]


@dataclass
class Verdict:
    """What is wrong, by kind, a sentence each; and what was counted."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=dict)
    recovery: list[float] = field(default_factory=list)
    """Seconds from a kill until each job that was in the killed worker's hands was taken up again."""
    rescued: list[float] = field(default_factory=list)
    """Those of `recovery` where another worker lived, and Redis: what a rescue takes by itself."""
    moved: list[float] = field(default_factory=list)
    """Seconds from a kill until each of them has moved: this has the length of the step itself in it."""
    lives: list[float] = field(default_factory=list)
    """Seconds from acceptance to the end of each job that succeeded."""

    @property
    def clean(self) -> bool:
        return not any(self.wrong.values())

    def number(self, kind: str) -> int:
        return len(self.wrong.get(kind, ()))
