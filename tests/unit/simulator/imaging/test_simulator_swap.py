"""The simulator swaps the face of a photograph into a filter's picture, so that a result shows what is paid for."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageStat

from support.pictures.photographs import extra
from swapline_simulator.enums import ApiVersion, Ratio, ResultSize
from swapline_simulator.imaging import faces
from swapline_simulator.imaging.drawing.costumes import COSTUMES, SIDE, filter_picture
from swapline_simulator.imaging.drawing.photographs import jpeg, sample_photographs
from swapline_simulator.imaging.faces import drawn_eyes, find_eyes
from swapline_simulator.imaging.pictures import Recipe, open_picture, render
from swapline_simulator.imaging.styles import STYLES
from swapline_simulator.imaging.swap import Eyes, swap_face

if TYPE_CHECKING:
    from swapline_simulator.imaging.drawing.brush import Point

SAMPLES = sample_photographs()
TARGET = drawn_eyes(SIDE)


def eyes_of(number: int) -> Eyes:
    found = find_eyes(SAMPLES[number], open_picture(SAMPLES[number]))
    assert found
    return found


def swapped(number: int, costume: int = 0) -> Image.Image:
    return swap_face(open_picture(SAMPLES[number]), eyes_of(number), filter_picture(costume), TARGET)


def region(picture: Image.Image, middle: Point, radius: float) -> Image.Image:
    x, y = middle
    return picture.crop((round(x - radius), round(y - radius), round(x + radius), round(y + radius)))


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far apart two pictures are, from 0 to 255, on the average."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / len(one.getbands())


def full(number: int, photograph: bytes, ratio: Ratio = Ratio.SQUARE) -> bytes:
    return render(photograph, Recipe(number, ratio, ApiVersion.V6, ResultSize.FULL))


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("costume", range(len(COSTUMES)))
def test_the_eyes_of_the_photograph_come_where_the_filters_were(number: int, costume: int) -> None:
    result, distance = swapped(number, costume), TARGET.right[0] - TARGET.left[0]
    for eye in TARGET:  # a pupil is the darkest thing around it, in every portrait
        around = region(result, eye, distance * 0.2).convert("L")
        pupil = region(around, (around.width / 2, around.height / 2), distance * 0.07)
        assert ImageStat.Stat(pupil).extrema[0][0] < ImageStat.Stat(around).mean[0] * 0.75


@pytest.mark.parametrize("number", range(3))
def test_nothing_but_the_face_of_the_filter_changes(number: int) -> None:
    box = ImageChops.difference(swapped(number), filter_picture(0)).getbbox()
    assert box
    left, top, right, bottom = (side / SIDE * 100 for side in box)
    assert (left > 27, top > 22, right < 73, bottom < 76) == (True, True, True, True)


def test_the_faces_of_three_people_stay_different_and_everything_else_is_the_same() -> None:
    results = [swapped(number) for number in range(3)]
    middle = (SIDE / 2, SIDE * 0.5)
    seen = [region(result, middle, SIDE * 0.16).resize((32, 32)) for result in results]
    assert min(difference(seen[one], seen[other]) for one, other in ((0, 1), (1, 2), (0, 2))) > 8
    for result in results[1:]:
        assert difference(result.crop((0, 0, SIDE, SIDE // 6)), results[0].crop((0, 0, SIDE, SIDE // 6))) == 0


def test_a_face_takes_the_colours_of_the_skin_that_it_comes_to() -> None:
    cheeks = (SIDE / 2, SIDE * 0.5)
    for costume in range(len(COSTUMES)):
        wanted = ImageStat.Stat(region(filter_picture(costume), cheeks, SIDE * 0.05)).mean
        for number in range(3):
            found = ImageStat.Stat(region(swapped(number, costume), cheeks, SIDE * 0.05)).mean
            assert max(abs(one - other) for one, other in zip(found, wanted, strict=True)) < 35


def test_a_face_on_its_side_and_a_large_one_are_laid_eyes_on_eyes() -> None:
    photograph, eyes = open_picture(SAMPLES[0]), eyes_of(0)
    turned = photograph.transpose(Image.Transpose.ROTATE_90)
    left, right = ((y, photograph.width - x) for x, y in eyes)
    large = photograph.resize((4096, 4096), Image.Resampling.BICUBIC)
    eight = Eyes(*((x * 8, y * 8) for x, y in eyes))
    plain = swapped(0).resize((256, 256))
    for other, places in ((turned, Eyes(left, right)), (large, eight)):
        assert difference(swap_face(other, places, filter_picture(0), TARGET).resize((256, 256)), plain) < 1


def test_the_same_photograph_and_filter_give_the_same_bytes() -> None:
    assert full(17, SAMPLES[2]) == full(17, SAMPLES[2])


def test_each_style_comes_with_each_costume() -> None:
    pairs = {(number % len(STYLES), id(filter_picture(number))) for number in range(32)}
    assert len(pairs) == len(STYLES) * len(COSTUMES)


def test_a_photograph_whose_face_is_not_found_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "find_spec", lambda _name: None)
    unknown = jpeg(open_picture(SAMPLES[0]).resize((400, 400)))
    assert find_eyes(unknown, open_picture(unknown)) is None
    with Image.open(BytesIO(full(9, unknown))) as opened:
        whole = opened.convert("RGB").resize((32, 32))
    with Image.open(BytesIO(full(9, SAMPLES[0]))) as opened:
        swap = opened.convert("RGB").resize((32, 32))
    photograph = open_picture(unknown).resize((32, 32))
    assert difference(whole, photograph) < difference(swap, photograph) - 8


@pytest.mark.parametrize("side", [500, 900, 3000])
@pytest.mark.parametrize("number", range(3))
def test_the_detector_finds_the_faces_of_other_photographs(number: int, side: int) -> None:
    extra("dlib")
    known = open_picture(SAMPLES[number])
    large = Image.new("RGB", (side * 4 // 3, side), "grey")
    large.paste(known.resize((side, side), Image.Resampling.BICUBIC), (side // 6, 0))
    found = find_eyes(b"another file", large)
    assert found
    scale = side / known.width
    expected = [(x * scale + side // 6, y * scale) for x, y in eyes_of(number)]
    distance = expected[1][0] - expected[0][0]
    for eye, place in zip(found, expected, strict=True):
        assert abs(complex(*eye) - complex(*place)) < distance * 0.25


def test_no_face_is_found_where_there_is_none() -> None:
    extra("dlib")
    assert find_eyes(b"", Image.effect_noise((900, 600), 60).convert("RGB")) is None
