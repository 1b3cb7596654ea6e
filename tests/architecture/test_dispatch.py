"""Only `dispatch/` touches the insides of Celery and kombu, and the plain way loads nothing of `dispatch/local/`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = {
    "celery": {"Celery", "bootsteps", "signals"},
    "celery.exceptions": {"Retry"},
    "kombu": {"Connection", "Queue"},
    "kombu.exceptions": {"KombuError"},
}
"""What Celery and kombu document for programs like ours; everything else counts as their insides."""

FILES = [
    path
    for package in ("producer", "workers", "simulator", "gateway", "ops", "bench")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "swapline_workers/dispatch/" not in path.as_posix() and "contenders" not in path.parts
]


def imports(path: Path) -> list[tuple[str, str]]:
    """Every (module, name) that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [(node.module, alias.name) for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_insides_of_celery_are_touched_by_dispatch_only(path: Path) -> None:
    insides = [
        f"{module}.{name}"
        for module, name in imports(path)
        if module.partition(".")[0] in {"celery", "kombu", "billiard"} and name not in PUBLIC.get(module, set())
    ]
    assert insides == []


LOAD = """
import os, sys
os.environ["SWAPLINE_DISPATCH"] = sys.argv[1]
from swapline_workers.entry import app
from swapline_workers.dispatch import consumer, worker, command
app.finalize()
print(*(name for name in sys.modules if name.startswith("swapline_workers.dispatch.local")))
"""


@pytest.mark.parametrize(("dispatch", "loads"), [("celery", False), ("local", True)])
def test_the_plain_way_loads_nothing_of_the_short_one(dispatch: str, *, loads: bool) -> None:
    done = subprocess.run([sys.executable, "-c", LOAD, dispatch], capture_output=True, text=True, check=True)
    assert bool([name for name in done.stdout.split() if name != "swapline_workers.dispatch.local_first"]) is loads
