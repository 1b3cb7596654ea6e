"""Text from elsewhere is shown and not obeyed: on a terminal, in a log, on a page."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from swapline_producer.foreign_text import visible
from swapline_producer.terminal.console import Terminal
from swapline_workers.board.app import templates_of
from swapline_workers.local.follow import LogFollower
from swapline_workers.settings import LogSettings
from swapline_workers.telemetry.logs import formatter

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "begin\x1b[2J\x1b]0;own\x07[/x][red]:x:\r\nFORGED\x9b31m\u202egpj.\u2066\u2028FORGED\u2029FORGED\x85\x7f\tend"


def unsafe(text: str) -> set[str]:
    return {one for one in text if one != "\n" and unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}}


@given(st.text(st.characters(codec=None)))
@example("".join(map(chr, range(0x3000))))
def test_a_text_becomes_one_line_of_the_same_length(text: str) -> None:
    seen = visible(text)
    assert len(seen) == len(text)
    assert len(seen.splitlines()) <= 1
    assert unsafe(seen) == set()


@pytest.mark.parametrize("bidi", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_every_mark_of_direction_is_seen(bidi: str) -> None:
    assert visible(f"a{bidi}b") == "a�b"


@pytest.mark.parametrize(
    "text", ["plain", "Zoë 木村", "a  b", "👩‍👩‍👧 family", "می‌خواهم", "12\u00a0€", "[/x] :x:", "\\x1b"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_lines_are_kept_where_they_are_our_own() -> None:
    assert visible("Traceback:\n  \x1b[2J\r\n", lines=True) == "Traceback:\n  ␛[2J␍\n"
    assert visible("a\nb") == "a␊b"
    assert visible(7) == "7"


def printed(*things: Any, width: int = 80, **options: Any) -> str:
    out = io.StringIO()
    Terminal(file=out, width=width, **options).print(*things)
    return out.getvalue()


def test_a_terminal_knows_no_markup_and_breaks_no_line() -> None:
    assert printed("batch spring[/x] [red]:x:", "a\nFORGED\x1b[2J") == "batch spring[/x] [red]:x: a␊FORGED␛[2J\n"
    assert printed(Text("a\nFORGED\x1b[2J", "red")) == "a␊FORGED␛[2J\n"


def test_styles_of_our_own_stay_where_they_are() -> None:
    shown = printed(Text.assemble("a\n", ("\x1b[2J", "red"), "b"), force_terminal=True, color_system="standard")
    assert shown == "a␊\x1b[31m␛[2J\x1b[0mb\n"


def test_the_cells_of_a_table_are_shown_as_well() -> None:
    table = Table(box=None)
    table.add_column("[/x]\x1b")
    table.add_row("text [/x]\nFORGED\x1b")
    table.add_row(Text("Text [/x]\nFORGED\x1b"))
    lines = [line.rstrip() for line in printed(table).splitlines()]
    assert lines == [" [/x]␛", " text [/x]␊FORGED␛", " Text [/x]␊FORGED␛"]


def fail() -> None:
    raise ValueError(HOSTILE)


def logged(form: str, **extra: Any) -> str:
    settings = LogSettings.model_validate({"log_format": form})
    record = logging.LogRecord("swapline", logging.INFO, __file__, 1, "said %s", (HOSTILE,), None)
    vars(record).update(extra)
    try:
        fail()
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    return formatter(settings, is_terminal=False).format(record)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_of_a_log_can_be_forged(form: str) -> None:
    text = logged(form, job_id=HOSTILE, outcome=HOSTILE, tenant=HOSTILE, wait=HOSTILE)
    assert unsafe(text) == set()
    assert "FORGED" in text
    first, *others = text.split("\n")
    assert "begin␛[2J" in first
    assert all(line.startswith("    ") for line in others)
    if form == "json":
        assert others == []
        assert json.loads(text)["message"].startswith("said begin␛[2J")


def test_a_page_shows_a_text_as_it_is() -> None:
    page = templates_of({}).from_string("<p title='{{ text }}'>{{ text }}</p>\n<b>")
    shown = page.render(text=f"<i>{HOSTILE}")
    assert unsafe(shown) == set()
    assert shown.count("\n") == 1
    assert "&lt;i&gt;begin␛[2J" in shown


def test_a_log_that_is_relayed_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "flower.log"
    log.touch()
    out = io.StringIO()
    follower = LogFollower(Terminal(file=out, width=200), {"flower": log})
    with follower:
        log.write_text(HOSTILE + "\nnext\n")
    assert unsafe(out.getvalue()) == set()
    assert [line.split("│")[0].strip() for line in out.getvalue().splitlines()] == ["flower"] * 3
