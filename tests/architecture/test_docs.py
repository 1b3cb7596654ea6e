"""The documentation tells the truth about settings, codes, events and the lifecycle."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from swapline_producer.contract import EventType, FailureCode
from swapline_workers.board.settings import BoardSettings
from swapline_workers.core.log_events import LogEvent
from swapline_workers.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_setting_says_what_it_means() -> None:
    fields = {**WorkerSettings.model_fields, **BoardSettings.model_fields}
    page = (ROOT / "docs/settings.md").read_text()
    assert [name for name, field in fields.items() if not field.description] == []
    assert [name for name in fields if f"\n| {name.upper()} |" not in page] == []


def test_every_failure_code_is_documented_and_no_other() -> None:
    table = (ROOT / "docs/failure-codes.md").read_text()
    assert set(re.findall(r"^\| ([A-Z_]+) \|", table, re.MULTILINE)) == set(FailureCode)


def test_every_event_is_documented() -> None:
    guide = (ROOT / "docs/guides/receiving-webhooks.md").read_text()
    swaps = {event for event in EventType if event.startswith("swap.")}
    assert {event for event in swaps if f"`{event}`" not in guide} == set()


def test_every_event_of_the_log_is_documented_and_no_other() -> None:
    guide = (ROOT / "docs/guides/logs-and-traces.md").read_text()
    assert set(re.findall(r"^\| `(\w+_\w+)` \| (?:ERROR|WARNING|INFO)", guide, re.MULTILINE)) == set(LogEvent)


@pytest.mark.parametrize("name", ["lifecycle.md", "metrics.md", "failure-codes.md", "settings.md", "celery.md"])
def test_drawn_pages_are_as_the_code_draws_them(name: str) -> None:
    draw = runpy.run_path(str(ROOT / "docs/draw.py"))["PAGES"][name]
    assert (ROOT / "docs" / name).read_text() == draw()


@pytest.mark.parametrize(
    "page",
    [
        *sorted(
            page for page in ROOT.glob("docs/**/*.md") if page.parent.name != "site"
        ),  # the site's build checks those
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
    ],
    ids=str,
)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_nothing_speaks_of_registries_or_of_a_machine() -> None:
    words = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "/" + "work/"]))
    suffixes = {".py", ".md", ".toml", ".lock", ".yml", ".lua", ".json", ".cfg", ".sh", ""}
    ours = [
        path
        for top in ("producer", "workers", "gateway", "simulator", "tests", "docs", "ops", "bench", ".ci")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts
    ]
    ours += [
        ROOT / name
        for name in (
            "README.md",
            "Makefile",
            "pyproject.toml",
            "requirements.lock",
            "requirements-faces.lock",
            "requirements-dev.lock",
        )
    ]
    assert [str(path) for path in ours if words.search(path.read_text(errors="replace"))] == []


def test_each_guide_stands_in_the_site_as_one_of_four_kinds() -> None:
    config = tomllib.loads((ROOT / "docs/site/zensical.toml").read_text())["project"]
    kinds = {
        kind: [path for page in pages for path in page.values()]
        for entry in config["nav"]
        for kind, pages in entry.items()
        if kind != "Swapline"
    }
    assert list(kinds) == ["Tutorial", "How-to", "Reference", "Explanation"]
    shown = sorted(path for paths in kinds.values() for path in paths)
    pages = {str(page.relative_to(ROOT)) for folder in ("docs", "docs/guides") for page in (ROOT / folder).glob("*.md")}
    assert {path for path in shown if path.startswith("docs/") and "decisions" not in path} == pages
    assert len(shown) == len(set(shown))
