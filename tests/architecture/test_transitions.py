"""A change of a job is built in one package; other code calls the function that is named after it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILT_IN = "contract/transitions/"


def test_no_other_code_builds_a_change() -> None:
    sources = [path for name in ("producer", "workers", "bench") for path in (ROOT / name).rglob("*.py")]
    building = [path for path in sources if re.search(r"\bChange\((?!Frozen)", path.read_text())]
    assert [str(path) for path in building if BUILT_IN not in path.as_posix()] == []
    assert building


def test_canceled_is_written_in_one_place() -> None:
    written = re.compile(r"State\.CANCELED, \{|to=State\.CANCELED")
    sources = list((ROOT / "producer").rglob("*.py")) + list((ROOT / "workers").rglob("*.py"))
    found = [match for path in sources for match in written.findall(path.read_text())]
    assert len(found) == 1
