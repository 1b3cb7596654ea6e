"""Upright sRGB JPEGs of everything that telephones, cameras and scanners write. The child process adds its limits."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from support.pictures.photographs import XMP_ON_ITS_SIDE, corner, exif, heif, picture, saved, wide_gamut
from support.pictures.pngs import SIGNATURE, chunk, ihdr
from swapline_producer.contract import Done
from swapline_producer.pictures.decoder import decode
from swapline_producer.pictures.decoder.decode import Made, Unreadable, make_jpeg
from swapline_producer.pictures.kinds import source_kind

ROOMY = 4096, 7_500_000
CORNERS = {
    1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left",
    5: "top left", 6: "top right", 7: "bottom right", 8: "bottom left",
}  # fmt: skip
"""Where the red corner is seen, by EXIF's orientation (CIPA DC-008, 4.6.4)."""


def made(data: bytes, max_side: int = ROOMY[0], max_bytes: int = ROOMY[1]) -> Made:
    return make_jpeg(data, str(source_kind(data)), max_side, max_bytes)


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as found:
        found.load()
        return found


def png_of_two(depth: int, colour_type: int, samples: list[int], transparent: list[int]) -> bytes:
    """Return a PNG of 16 x 8 pixels without alpha: the left half of one colour, the right half of another."""
    each = len(samples) // 2
    row = samples[:each] * 8 + samples[each:] * 8
    bits = "".join(format(sample, f"0{depth}b") for sample in row)
    line = b"\0" + int(bits, 2).to_bytes(len(bits) // 8)
    named = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
    return b"".join(
        [SIGNATURE, ihdr(16, 8, depth, colour_type), named, chunk(b"IDAT", zlib.compress(line * 8)), chunk(b"IEND")]
    )


def pixels(data: bytes) -> list[int]:
    """Return the lightness in the middle of the left and of the right half."""
    grey = opened(data).convert("L")
    return [int(grey.getpixel((x, 4))) for x in (3, 12)]  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", CORNERS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_is_turned_upright(kind: str, orientation: int) -> None:
    result = made(saved(kind, exif=exif(orientation=orientation)))
    assert corner(result.data) == CORNERS[orientation]
    assert result.size == ((96, 64) if orientation < 5 else (64, 96))
    assert sorted(result.source_size) == [64, 96]  # Pillow tells a TIFF's size as it is seen
    assert (Done.UPRIGHT in result.done) == (orientation != 1)


def png_with_xmp(*, behind_the_pixels: bool) -> bytes:
    data, xmp = saved("PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_ON_ITS_SIDE)
    place = data.index(b"IEND" if behind_the_pixels else b"IDAT") - 4
    return data[:place] + xmp + data[place:]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "PNG", "PNG, XMP behind the pixels"])
def test_an_orientation_in_xmp_alone_turns_nothing(kind: str) -> None:
    png = kind.startswith("PNG")
    data = png_with_xmp(behind_the_pixels=kind != "PNG") if png else saved(kind, xmp=XMP_ON_ITS_SIDE)
    assert XMP_ON_ITS_SIDE in data
    result = made(data)
    assert corner(result.data) == CORNERS[1]
    assert (result.size, Done.UPRIGHT in result.done) == ((96, 64), False)


@pytest.mark.parametrize("orientation", CORNERS)
def test_a_heic_is_turned_upright_once(orientation: int) -> None:
    heif()
    result = made(saved("HEIF", picture("RGB", (192, 128)), exif=exif(orientation=orientation).tobytes()))
    assert corner(result.data) == CORNERS[orientation]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_becomes_rgb_of_eight_bits(mode: str) -> None:
    source = (
        picture("L").convert("I").point(lambda value: value * 257).convert("I;16") if mode == "I;16" else picture(mode)
    )
    result = opened(made(saved("PNG", source)).data)
    assert (result.format, result.mode, result.size) == ("JPEG", "RGB", (96, 64))


def test_sixteen_bits_of_grey_keep_their_lightness() -> None:
    dark = Image.new("I;16", (8, 8), 20_000)
    result = made(saved("PNG", dark))
    assert opened(result.data).getpixel((4, 4)) == pytest.approx((78, 78, 78), abs=2)
    assert Done.DEPTH in result.done


def test_cmyk_becomes_the_colours_that_were_meant() -> None:
    result = made(saved("JPEG", picture("CMYK"), quality=95))
    red, green, blue = opened(result.data).getpixel((4, 4))  # type: ignore[misc]
    assert red > 150
    assert max(green, blue) < 90
    assert result.done == [Done.SRGB]


def test_colours_of_another_profile_are_converted() -> None:
    plain = opened(made(saved("TIFF")).data).getpixel((90, 60))
    result = made(saved("TIFF", icc_profile=wide_gamut()))
    assert Done.SRGB in result.done
    red, _, blue = opened(result.data).getpixel((90, 60))  # type: ignore[misc]
    assert red > blue  # the profile says that blue is red
    assert plain[2] > plain[0]  # type: ignore[index]


def test_a_profile_that_is_broken_is_passed_over() -> None:
    assert Done.SRGB not in made(saved("TIFF", icc_profile=b"no profile")).done


def test_what_is_transparent_lies_on_white() -> None:
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    result = made(saved("TIFF", clear))
    assert opened(result.data).getpixel((20, 20)) == (255, 255, 255)
    assert Done.FLATTENED in result.done


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_grey_of_a_png_lies_on_white(depth: int) -> None:
    level = (1 << depth) // 3
    shown, other = pixels(made(png_of_two(depth, 0, [level, 0 if level else 1], [level])).data)
    assert shown == 255
    assert other == pytest.approx(0 if level else 255, abs=3)


@pytest.mark.parametrize(("colour_type", "named"), [(0, [51_200]), (2, [51_200, 25_600, 12_800])])
def test_of_sixteen_bits_no_colour_becomes_transparent(colour_type: int, named: list[int]) -> None:
    black = [0] * len(named)
    result = made(png_of_two(16, colour_type, [*named, *black], named))
    assert pixels(result.data)[1] == pytest.approx(0, abs=3)
    assert Done.FLATTENED not in result.done


def test_no_metadata_is_left() -> None:
    data = saved("TIFF", exif=exif(gps=True), icc_profile=wide_gamut())
    found = opened(made(data).data)
    assert not found.getexif()
    assert not {"exif", "xmp", "icc_profile", "comment"} & found.info.keys()


def test_a_large_picture_is_scaled_to_the_longest_side() -> None:
    result = made(saved("TIFF", picture("RGB", (900, 600))), max_side=300)
    assert (result.size, result.source_size) == ((300, 200), (900, 600))
    assert Done.SCALED in result.done


def test_a_picture_is_made_smaller_until_it_fits() -> None:
    noise = Image.effect_noise((400, 300), 90)
    result = made(saved("PNG", noise), max_bytes=20_000)
    assert len(result.data) <= 20_000
    assert result.size < (400, 300)
    assert Done.SCALED in result.done


def test_a_jpeg_that_is_only_too_large_is_compressed_again() -> None:
    noise = Image.effect_noise((400, 300), 40)
    data = saved("JPEG", noise, quality=100)
    result = made(data, max_bytes=len(data) - 1)
    assert result.done == [Done.COMPRESSED]
    assert result.size == (400, 300)


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_SOURCE_PIXELS", 6000)
    with pytest.raises(Unreadable, match="has 96x64 pixels"):
        made(saved("TIFF"))


@pytest.mark.parametrize("tag", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_a_raw_file_is_not_taken_for_its_thumbnail(tag: dict[int, object]) -> None:
    with pytest.raises(Unreadable, match="raw file"):
        made(saved("TIFF", tiffinfo=tag))


def test_floating_point_is_refused() -> None:
    with pytest.raises(Unreadable, match="floating-point"):
        made(saved("TIFF", picture("F")))


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "HEIF"])
def test_half_a_picture_is_refused(kind: str) -> None:
    data = saved(kind, Image.effect_noise((300, 200), 60).convert("RGB"))
    with pytest.raises((OSError, ValueError, SyntaxError)):
        made(data[: len(data) // 2])
