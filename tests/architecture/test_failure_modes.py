"""Every row of docs/failure-modes.md names the test that shows it, and that test is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failure-modes.md").read_text()
ROWS = [row for row in re.findall(r"^\| .* \|$", PAGE, re.MULTILINE) if not row.startswith("| what fails")]


def test_every_failure_mode_names_its_test() -> None:
    assert len(ROWS) > 25
    assert [row for row in ROWS if not re.search(r"\| `test_\w+` \|$", row)] == []


def test_every_test_that_is_named_exists() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert {name for name in named if f"def {name}(" not in source} == set()
