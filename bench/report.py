"""Report results of benches: tables, JSON with facts of the machine, percentiles."""

from __future__ import annotations

import json
import os
import platform
import time
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BUSY_CORES = 0.3
"""Cores that other processes use; above it, the numbers are marked as from a busy machine."""


def percentile(values: Sequence[float], share: int) -> float:
    """Return the value below which `share` percent of the values lie."""
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[share - 1]


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows with equal columns as a Markdown table."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([_text(row[name]) for name in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 -- four digits and more
    return f"{value:,}" if isinstance(value, int) else str(value)


def machine() -> dict[str, Any]:
    """Return the machine, the time, and the cores that other processes use: call it before the bench (1 s)."""
    others = psutil.cpu_percent(interval=1) / 100 * (os.cpu_count() or 1)
    return {
        "cores": os.cpu_count(),
        "others_took_cores": round(others, 2),
        "python": platform.python_version(),
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def warn_if_busy(found: Mapping[str, Any]) -> None:
    """Print a warning if the machine is not idle."""
    if found["others_took_cores"] > BUSY_CORES:
        print(f"Others take {found['others_took_cores']} cores of this machine: measure again when it is idle.")


def write_json(path: Path | None, found: Mapping[str, Any]) -> None:
    """Write all numbers as JSON, if a path is given."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n")
