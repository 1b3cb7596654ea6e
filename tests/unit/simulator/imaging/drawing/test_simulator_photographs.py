from __future__ import annotations

from importlib.resources import files
from io import BytesIO

from PIL import Image

from swapline_simulator.imaging.drawing.photographs import SAMPLE, sample_photographs


def test_there_are_jpeg_portraits_of_three_people() -> None:
    photographs = sample_photographs()
    assert len(set(photographs)) == 3
    for photograph in photographs:
        with Image.open(BytesIO(photograph)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (512, 512))


def test_they_are_the_same_bytes_every_time() -> None:
    assert sample_photographs() == sample_photographs()


def test_the_first_is_the_sample_as_it_was_published() -> None:
    assert sample_photographs()[0] == files("swapline_simulator").joinpath(SAMPLE).read_bytes()


def test_the_attribution_lies_beside_the_sample() -> None:
    beside = files("swapline_simulator").joinpath("photos", "README.md").read_text()
    assert all(words in beside for words in ("astronaut.jpg", "NASA", "Eileen Collins", "public domain"))
