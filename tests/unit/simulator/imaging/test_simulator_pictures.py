from __future__ import annotations

from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from support.pictures.photographs import XMP_ON_ITS_SIDE
from swapline_simulator.enums import ApiVersion, FilterId, Ratio, ResultSize
from swapline_simulator.imaging.drawing.photographs import portrait_of, sample_photographs
from swapline_simulator.imaging.pictures import Recipe, open_picture, render
from swapline_simulator.imaging.styles import PALETTES, STYLES, style_of

FULL, SMALL = ResultSize.FULL, ResultSize.SMALL
FILTERS = range(len(STYLES) * len(PALETTES) // 4)
"""One run through all pairs of a style and a palette: their numbers have the common divisor 4."""


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    return sample_photographs()


def recipe(
    filter_id: FilterId = 12,
    ratio: Ratio = Ratio.PORTRAIT,
    version: ApiVersion = ApiVersion.V6,
    results: ResultSize = SMALL,
) -> Recipe:
    return Recipe(filter_id, ratio, version, results)


def seen(png: bytes) -> Image.Image:
    """What a person makes out from afar: a thumbnail in colours."""
    with Image.open(BytesIO(png)) as picture:
        return picture.convert("RGB").resize((32, 32), Image.Resampling.BOX)


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far apart two pictures are, from 0 to 255, on the average."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / len(one.getbands())


@pytest.mark.parametrize("ratio", list(Ratio))
@pytest.mark.parametrize("results", [FULL, SMALL])
def test_a_result_is_a_png_of_exactly_the_size_of_its_ratio(
    photographs: list[bytes], ratio: Ratio, results: ResultSize
) -> None:
    with Image.open(BytesIO(render(photographs[0], recipe(ratio=ratio, results=results)))) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", ratio.size)


def test_the_sizes_are_those_of_the_page() -> None:
    assert {ratio.value: ratio.size for ratio in Ratio} == {
        "portrait": (1200, 1800),
        "landscape": (1800, 1200),
        "square": (1280, 1280),
    }


def test_full_results_have_megabytes_and_small_ones_kilobytes(photographs: list[bytes]) -> None:
    assert 3e6 < len(render(photographs[0], recipe(results=FULL))) < 6e6
    assert len(render(photographs[0], recipe())) < 100e3


def test_the_same_order_gives_the_same_bytes(photographs: list[bytes]) -> None:
    assert render(photographs[1], recipe(results=FULL)) == render(photographs[1], recipe(results=FULL))


@pytest.mark.parametrize("number", FILTERS)
def test_every_filter_changes_the_photograph_visibly(photographs: list[bytes], number: int) -> None:
    plain = ImageOps.fit(open_picture(photographs[0]), (1200, 1800), centering=(0.5, 0.3)).resize((32, 32))
    assert difference(plain, seen(render(photographs[0], recipe(number)))) > 8


@pytest.mark.parametrize("number", FILTERS)
def test_under_every_filter_two_photographs_stay_different(photographs: list[bytes], number: int) -> None:
    shown = [seen(render(photograph, recipe(number))) for photograph in photographs]
    assert min(difference(one, other) for one, other in ((shown[0], shown[1]), (shown[1], shown[2]))) > 8


def test_no_two_filters_in_a_row_of_24_look_alike(photographs: list[bytes]) -> None:
    shown = [seen(render(photographs[0], recipe(number))) for number in FILTERS]
    pairs = [(one, other) for one in FILTERS for other in FILTERS if one < other]
    assert min(difference(shown[one], shown[other]) for one, other in pairs) > 4


def test_the_drawn_ticket_distinguishes_filters_of_the_same_style(photographs: list[bytes]) -> None:
    assert style_of(12) == style_of(36)
    assert render(photographs[0], recipe(12)) != render(photographs[0], recipe(36))


def test_a_uuid_filter_has_a_style_and_a_short_title() -> None:
    uuid = UUID("3f2a9c1e-0000-4000-8000-000000000006")
    assert (style_of(recipe(uuid).number)[0] in STYLES, recipe(uuid).title) == (True, "FILTER 3F2A9C1E")


def test_the_two_versions_of_the_api_give_different_pictures(photographs: list[bytes]) -> None:
    v6, v5 = (seen(render(photographs[0], recipe(version=version))) for version in ApiVersion)
    assert difference(v6, v5) > 8


def test_a_photograph_lying_on_its_side_is_turned_upright(photographs: list[bytes]) -> None:
    upright = open_picture(photographs[0]).crop((0, 0, 200, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to look at it"
    out = BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(out, "JPEG", exif=exif)
    assert difference(open_picture(out.getvalue()), upright) < 4


def test_an_orientation_in_xmp_alone_turns_no_photograph() -> None:
    out = BytesIO()
    Image.new("RGB", (300, 200)).save(out, "JPEG", xmp=XMP_ON_ITS_SIDE)
    assert open_picture(out.getvalue()).size == (300, 200)


def test_a_photograph_that_is_cut_short_is_no_photograph(photographs: list[bytes]) -> None:
    with pytest.raises(OSError, match="truncated"):
        open_picture(photographs[0][:20_000])


def test_a_transparent_picture_is_a_photograph_too() -> None:
    out = BytesIO()
    Image.new("RGBA", (30, 30), (200, 0, 0, 128)).save(out, "PNG")
    assert render(out.getvalue(), recipe())[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_same_url_stands_for_the_same_face() -> None:
    url, other = "https://example.com/a.jpg", "https://example.com/b.jpg"
    assert portrait_of(url) == portrait_of(url) != portrait_of(other)
    assert open_picture(portrait_of(url)).size == (512, 512)
