"""The board's colours, computed: text can be read on every ground it stands on, by day and by night."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from swapline_workers.board.labels import APPEARANCES

CSS = (resources.files("swapline_workers.board") / "static" / "board.css").read_text()
DAY, NIGHT = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\n\s*\}", CSS, re.DOTALL)
)
TONES = sorted({appearance.tone for appearance in APPEARANCES.values()})
TEXT = [("ink", "ground"), ("ink", "card"), ("soft", "ground"), ("soft", "card"), ("link", "ground"), ("link", "card")]
TEXT += [(tone, f"{tone}-ground") for tone in TONES] + [("card", "link")]


def luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [DAY, NIGHT], ids=["day", "night"])
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read(colours: dict[str, str], text: str, ground: str) -> None:
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", [DAY, NIGHT], ids=["day", "night"])
def test_the_focus_can_be_seen(colours: dict[str, str]) -> None:
    assert min(contrast(colours["focus"], colours[ground]) for ground in ("ground", "card")) >= 3


def test_every_tone_of_a_state_has_a_style() -> None:
    assert {tone for tone in TONES if tone != "over" and f".state.{tone} " not in CSS} == set()


def test_nothing_is_loaded_from_anywhere() -> None:
    assert re.findall(r"url\(|@import|http", CSS) == []
