"""Every claim of docs/threat-model.md names the test that shows it, and that test is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
ROWS = [row for row in re.findall(r"^\| .* \|$", PAGE, re.MULTILINE) if not row.startswith("| claim")]


def test_every_claim_names_its_test() -> None:
    assert len(ROWS) > 12
    assert [row for row in ROWS if not re.search(r"\| `test_\w+` \|$", row)] == []


def test_every_test_that_a_claim_names_exists() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert {name for name in named if f"def {name}(" not in source} == set()


def test_it_is_one_page() -> None:
    assert len(PAGE.split()) < 1000
