"""What the command prints where there is little room, and what it prints for absurd ages."""

from __future__ import annotations

import io

import click
import pytest
from rich.table import Table

from swapline_producer.cli.options import AgeType
from swapline_producer.terminal import tables
from swapline_producer.terminal.console import Terminal
from swapline_producer.terminal.output import out

SENTENCE = "The webhook's receiver shop.example answered 500."


def printed(width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    console = Terminal(file=io.StringIO(), width=width, soft_wrap=True)
    monkeypatch.setattr(out, "console", console)
    table = Table(box=None)
    for name in ("job", "why"):
        table.add_column(name, overflow="fold")
    table.add_row("0" * 32, SENTENCE)
    tables.print_rows(table)
    assert console.width == width
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [20, 60, 200])
def test_no_id_and_no_sentence_is_cut_to_pieces(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(width, monkeypatch)
    assert "0" * 32 in text
    assert SENTENCE in text


@pytest.mark.parametrize("age", ["9999999999999999w", "200000d"])
def test_an_age_of_centuries_is_a_mistake(age: str) -> None:
    with pytest.raises(click.BadParameter, match="more than a century"):
        AgeType().convert(age, None, None)


def test_an_age_of_decades_is_none() -> None:
    assert AgeType().convert("99w", None, None).seconds == 99 * 604_800
