"""Colours of large pictures are converted by a table, and come out as LittleCMS makes them."""

from __future__ import annotations

import io
from itertools import product

import pytest
from PIL import Image, ImageChops, ImageCms

from support.pictures.photographs import extra, saved, wide_gamut
from swapline_producer.contract import Done
from swapline_producer.pictures.decoder import decode
from swapline_producer.pictures.decoder.decode import make_jpeg

LARGE = (2100, 2000)


def transform() -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut()))  # red and blue exchanged: no profile changes more
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")


def furthest(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any band of any pixel, of 255."""
    return max(high for _, high in ImageChops.difference(one, other).getextrema())  # type: ignore[misc]


def all_colours() -> Image.Image:
    """Every 5th value of red, green and blue, both ends included."""
    values = range(0, 256, 5)
    data = bytes(value for colour in product(values, values, values) for value in colour)
    return Image.frombytes("RGB", (len(values) ** 2, len(values)), data)


def test_each_colour_comes_out_as_littlecms_makes_it() -> None:
    extra("numpy")
    from swapline_producer.pictures.decoder.colours import convert_by_table  # noqa: PLC0415 -- an extra

    picture = all_colours()
    exact = ImageCms.applyTransform(picture, transform())
    assert exact
    convert_by_table(picture, transform())
    assert furthest(picture, exact) <= 10


@pytest.mark.parametrize("size", [(1, 1), (7, 40_000), (200_001, 1), (512, 513)])
def test_a_picture_of_any_shape_is_converted_whole(size: tuple[int, int]) -> None:
    extra("numpy")
    from swapline_producer.pictures.decoder.colours import convert_by_table  # noqa: PLC0415 -- an extra

    noise = Image.merge("RGB", [Image.effect_noise(size, sigma) for sigma in (20, 40, 60)])
    exact = ImageCms.applyTransform(noise, transform())
    assert exact
    convert_by_table(noise, transform())
    assert (noise.size, furthest(noise, exact) <= 10) == (size, True)


@pytest.mark.parametrize("kind", ["HEIF", "TIFF", "JPEG"])
def test_a_large_picture_in_wide_colours_becomes_srgb(kind: str) -> None:
    extra("numpy")
    flat = Image.new("RGB", LARGE, (180, 60, 40))
    data = saved(kind, flat, icc_profile=wide_gamut())
    made = make_jpeg(data, f"image/{'heic' if kind == 'HEIF' else kind.lower()}", 4096, 7_500_000)
    exact = ImageCms.applyTransform(flat.crop((0, 0, 64, 64)), transform())
    assert exact
    with Image.open(io.BytesIO(made.data)) as opened:
        assert furthest(opened.crop((0, 0, 64, 64)), exact) <= 12
    assert Done.SRGB in made.done


def test_without_numpy_littlecms_converts_large_pictures_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "find_spec", lambda _name: None)
    data = saved("TIFF", Image.new("RGB", LARGE, (180, 60, 40)), icc_profile=wide_gamut())
    assert Done.SRGB in make_jpeg(data, "image/tiff", 4096, 7_500_000).done
