"""Docstrings stay short: words per 100 lines of code, over the producer and the workers together."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("producer/swapline_producer", "workers/swapline_workers")
MOST_WORDS = 140
"""Words of docstrings per 100 lines of Python that are no docstring, comment or blank line."""
NAMED = 5
"""Files that a failure names, those with the most words above the limit first."""


def docstrings(tree: ast.Module) -> list[ast.Constant]:
    """Return every text that stands as a statement, those below constants and fields among them."""
    statements = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return [value for value in statements if isinstance(value, ast.Constant) and isinstance(value.value, str)]


def measured(source: str) -> tuple[int, int]:
    """Return a file's words of docstrings, and its lines of code."""
    found = docstrings(ast.parse(source))
    lines = source.splitlines()
    prose = sum((text.end_lineno or text.lineno) - text.lineno + 1 for text in found)
    other = sum(not line.strip() or line.strip().startswith("#") for line in lines)
    return sum(len(str(text.value).split()) for text in found), len(lines) - prose - other


def test_docstrings_are_short_beside_the_code() -> None:
    files = {
        str(file.relative_to(ROOT)): measured(file.read_text())
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
    }
    words, code = (sum(numbers) for numbers in zip(*files.values(), strict=True))
    surplus = {name: count - lines * MOST_WORDS // 100 for name, (count, lines) in files.items()}
    wordy = sorted(surplus, key=lambda name: -surplus[name])[:NAMED]
    assert 100 * words <= MOST_WORDS * code, (
        f"{100 * words / code:.0f} words of docstrings per 100 lines of code, {MOST_WORDS} at most. Delete what a name "
        "or a signature says already, and what docs/decisions tell; keep units, errors and reasons. "
        f"The wordiest files: {', '.join(wordy)}."
    )
