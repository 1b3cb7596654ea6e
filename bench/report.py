"""How benches tell what they found: a table for people, JSON with the machine beside it, percentiles."""

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

QUIET = 0.3
"""Cores that others may take; above it, numbers are told to come from a busy machine."""


def percentile(values: Sequence[float], share: int) -> float:
    """Give the value below which so many percent of the values lie."""
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[share - 1]


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Give rows of the same columns as a table, as pages have it."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([_text(row[name]) for name in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 -- four digits and more
    return f"{value:,}" if isinstance(value, int) else str(value)


def machine() -> dict[str, Any]:
    """Say where and when, and how busy others keep the machine, in cores: ask before the bench begins (a second)."""
    others = psutil.cpu_percent(interval=1) / 100 * (os.cpu_count() or 1)
    return {
        "cores": os.cpu_count(),
        "others_took_cores": round(others, 2),
        "python": platform.python_version(),
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def warn_if_busy(found: Mapping[str, Any]) -> None:
    """Say so where the machine is not idle."""
    if found["others_took_cores"] > QUIET:
        print(f"Others take {found['others_took_cores']} cores of this machine: measure again when it is idle.")


def keep(path: Path | None, found: Mapping[str, Any]) -> None:
    """Write all numbers down as JSON, where a path is given."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n")
