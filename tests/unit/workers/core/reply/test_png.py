"""The strict PNG walk: what is whole passes, and nothing else does."""

from __future__ import annotations

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from support.pictures.pngs import SIGNATURE, chunk, ihdr, noise, png, rows
from swapline_workers.core.reply import png as module
from swapline_workers.core.reply.png import PngError, PngInfo, walk

GOOD = png(40, 30, idats=3)
PIXELS = chunk(b"IDAT", zlib.compress(rows()))
END = chunk(b"IEND")


def _pillow(mode: str) -> bytes:
    """Return a PNG of noise in a mode of Pillow's."""
    picture = Image.frombytes("RGBA", (33, 17), noise(4 * 33 * 17))
    out = io.BytesIO()
    (Image.new(mode, picture.size) if mode == "I;16" else picture.convert(mode)).save(out, "PNG")
    return out.getvalue()


def test_a_whole_png_gives_its_size() -> None:
    assert walk(GOOD) == PngInfo(width=40, height=30)


def test_a_view_into_a_larger_buffer_is_as_good_as_bytes() -> None:
    assert walk(memoryview(b"..." + GOOD + b"...")[3:-3]) == (40, 30)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_colour_type_that_pillow_writes_passes(mode: str) -> None:
    assert walk(_pillow(mode)) == (33, 17)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (8, 8), (9, 1), (33, 17)])
@pytest.mark.parametrize(("depth", "colour", "bits"), [(1, 0, 1), (4, 0, 4), (16, 0, 16), (8, 4, 16), (16, 6, 64)])
def test_interlaced_pictures_have_the_rows_of_seven_passes(
    size: tuple[int, int], depth: int, colour: int, bits: int
) -> None:
    width, height = size
    total = 0
    for top, left, down, across in [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]:  # fmt: skip -- the table of the specification, as seven pairs of ranges
        columns, lines = len(range(left, width, across)), len(range(top, height, down))
        total += lines * (1 + (columns * bits + 7) // 8) if columns else 0
    whole = SIGNATURE + ihdr(width, height, depth, colour, 0, 0, 1) + chunk(b"IDAT", zlib.compress(bytes(total))) + END
    assert walk(whole) == size
    short = SIGNATURE + ihdr(width, height, depth, colour, 0, 0, 1) + chunk(b"IDAT", zlib.compress(bytes(total - 1)))
    with pytest.raises(PngError, match="pixel data"):
        walk(short + END)


def test_an_interlaced_picture_that_pillow_opens_passes() -> None:
    pixels = zlib.compress(bytes(23))  # grey 4x4 in the passes 1x1, 1x1, 2x1, 2x2 and 4x2, and their filter bytes
    data = SIGNATURE + ihdr(4, 4, 8, 0, 0, 0, 1) + chunk(b"IDAT", pixels) + END
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
    assert walk(data) == (4, 4)


INDEXED = chunk(b"IDAT", zlib.compress(bytes(8 * 9)))


def filtered(number: int, *, row: int) -> bytes:
    """A whole picture in which one row names a filter."""
    data = bytearray(rows())
    data[row * 25] = number
    return SIGNATURE + ihdr() + chunk(b"IDAT", zlib.compress(data)) + END


@pytest.mark.parametrize("number", range(5))
def test_every_filter_of_the_specification_passes(number: int) -> None:
    assert walk(filtered(number, row=3)) == (8, 8)


@pytest.mark.parametrize("colours", [1, 2, 256])
def test_a_palette_of_more_colours_than_the_depth_can_name_is_kept_as_viewers_do(colours: int) -> None:
    one_bit = chunk(b"IDAT", zlib.compress(bytes(8 * 2)))
    assert walk(SIGNATURE + ihdr(8, 8, 1, 3) + chunk(b"PLTE", bytes(3 * colours)) + one_bit + END) == (8, 8)


def test_a_proposed_palette_in_a_picture_of_true_colours_passes() -> None:
    assert walk(SIGNATURE + ihdr() + chunk(b"PLTE", bytes(30)) + PIXELS + END) == (8, 8)


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    interlace=st.booleans(),
    data=st.data(),
)
def test_a_wrong_filter_is_found_in_whatever_row_and_block_it_is(
    size: tuple[int, int], interlace: bool, data: st.DataObject
) -> None:
    width, height = size
    sizes = [(width, height)]
    if interlace:
        steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        sizes = [(len(range(x, width, dx)), len(range(y, height, dy))) for x, y, dx, dy in steps]
    lines = [1 + 3 * columns for columns, count in sizes if columns for _ in range(count)]
    wrong = data.draw(st.integers(0, len(lines) - 1))
    pixels = bytearray(b"\xff" * sum(lines))
    for number in range(len(lines)):
        pixels[sum(lines[:number])] = 200 if number == wrong else number % 5
    header = ihdr(width, height, 8, 2, 0, 0, int(interlace))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "OUTPUT_BLOCK", 7)
        with pytest.raises(PngError, match="filter 200"):
            walk(SIGNATURE + header + chunk(b"IDAT", zlib.compress(pixels)) + END)
        pixels[sum(lines[:wrong])] = 4
        assert walk(SIGNATURE + header + chunk(b"IDAT", zlib.compress(pixels)) + END) == size


# The table of damage: name, bytes, words of the sentence, whether the walk alone sees it.
BOMB = zlib.compress(bytes(1_000_000))
HALF = chunk(b"IDAT", zlib.compress(rows(height=4)))
JUNK = chunk(b"IDAT", noise(200))
DAMAGE = {
    "nothing": (b"", "begin", True),
    "a JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(99), "begin", True),
    "a page": (b"<!doctype html><title>502</title>" * 9, "begin", True),
    "the signature alone": (SIGNATURE, "cut short", True),
    "no IEND": (GOOD[:-12], "no IEND", True),
    "a script after IEND": (GOOD + b"<script>alert(1)</script>", "25 bytes follow", True),
    "a second PNG after the first": (GOOD + GOOD, "bytes follow", True),
    "data in IEND": (SIGNATURE + ihdr() + PIXELS + chunk(b"IEND", b"data"), "4 bytes follow", True),
    "cut short in a chunk": (GOOD[:-40], "cut short", True),
    "a bit flip": (GOOD[:100] + bytes([GOOD[100] ^ 1]) + GOOD[101:], "CRC", True),
    "empty IDAT": (SIGNATURE + ihdr() + chunk(b"IDAT") + END, "no pixel data", True),
    "no IDAT": (SIGNATURE + ihdr() + END, "no pixel data", True),
    "two IHDR": (SIGNATURE + ihdr() + ihdr() + PIXELS + END, "more than one IHDR", True),
    "IHDR not first": (SIGNATURE + chunk(b"tEXt", b"a\0b") + ihdr() + PIXELS + END, "IHDR must be", True),
    "an IHDR of 12 bytes": (SIGNATURE + chunk(b"IHDR", bytes(12)) + PIXELS + END, "IHDR must be", True),
    "50000x50000": (SIGNATURE + ihdr(50_000, 50_000) + PIXELS + END, "50 megapixels", True),
    "no width": (SIGNATURE + ihdr(0, 8) + PIXELS + END, "size of 0x8", True),
    "a negative height": (SIGNATURE + ihdr(8, 1 << 31) + PIXELS + END, "not legal", True),
    "colour type 5": (SIGNATURE + ihdr(8, 8, 8, 5) + PIXELS + END, "colour type 5", True),
    "depth 4 in RGB": (SIGNATURE + ihdr(8, 8, 4, 2) + PIXELS + END, "bit depth 4", True),
    "interlace method 2": (SIGNATURE + ihdr(8, 8, 8, 2, 0, 0, 2) + PIXELS + END, "interlace", True),
    "filter method 1": (SIGNATURE + ihdr(8, 8, 8, 2, 0, 1, 0) + PIXELS + END, "filter", True),
    "compression method 1": (SIGNATURE + ihdr(8, 8, 8, 2, 1, 0, 0) + PIXELS + END, "compression", True),
    "IDATs apart": (SIGNATURE + ihdr() + PIXELS + chunk(b"tEXt", b"a\0b") + PIXELS + END, "one row", True),
    "no palette": (SIGNATURE + ihdr(8, 8, 8, 3) + PIXELS + END, "palette", True),
    "a late palette": (SIGNATURE + ihdr(8, 8, 8, 3) + PIXELS + chunk(b"PLTE", bytes(3)) + END, "palette", True),
    "a palette of 4 bytes": (SIGNATURE + ihdr(8, 8, 8, 3) + chunk(b"PLTE", bytes(4)) + INDEXED + END, "4 bytes", True),
    "a palette of 257 colours": (
        SIGNATURE + ihdr(8, 8, 8, 3) + chunk(b"PLTE", bytes(771)) + INDEXED + END,
        "771",
        True,
    ),
    "an empty palette": (SIGNATURE + ihdr(8, 8, 8, 3) + chunk(b"PLTE") + INDEXED + END, "0 bytes", True),
    "a proposed palette of 5 bytes": (SIGNATURE + ihdr() + chunk(b"PLTE", bytes(5)) + PIXELS + END, "5 bytes", True),
    "filter 5 in the first row": (filtered(5, row=0), "filter 5", False),
    "filter 255 in the last row": (filtered(255, row=7), "filter 255", False),
    "an unknown critical chunk": (SIGNATURE + chunk(b"CgBI", bytes(4)) + ihdr() + PIXELS + END, "IHDR must be", True),
    "another one": (SIGNATURE + ihdr() + chunk(b"Evil") + PIXELS + END, "Evil", True),
    "a chunk without a name": (SIGNATURE + ihdr() + chunk(b"\0\0\0\0") + PIXELS + END, "not a chunk", True),
    "half of the rows, CRC right": (SIGNATURE + ihdr() + HALF + END, "100 bytes, not 200", False),
    "IDAT garbage, CRC right": (SIGNATURE + ihdr() + JUNK + END, "damaged", False),
    "a stream without its end": (SIGNATURE + ihdr() + chunk(b"IDAT", zlib.compress(rows())[:-4]) + END, "data", False),
    "a wrong checksum of the rows": (
        SIGNATURE + ihdr() + chunk(b"IDAT", zlib.compress(rows())[:-4] + b"sum!") + END,
        "damaged",
        False,
    ),
    "one row too many": (SIGNATURE + ihdr() + chunk(b"IDAT", zlib.compress(rows(height=9))) + END, "at least", False),
    "a bomb": (SIGNATURE + ihdr() + chunk(b"IDAT", BOMB) + END, "at least 65536", False),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_with_a_sentence(name: str) -> None:
    data, words, _ = DAMAGE[name]
    with pytest.raises(PngError, match=words):
        walk(data)


@pytest.mark.parametrize("name", [name for name, (_, _, seen) in DAMAGE.items() if seen])
def test_the_walk_alone_refuses_what_stands_in_the_chunks(name: str) -> None:
    with pytest.raises(PngError):
        walk(DAMAGE[name][0], inflate=False)


@pytest.mark.parametrize("name", [name for name, (_, _, seen) in DAMAGE.items() if not seen])
def test_the_walk_alone_does_not_see_the_rows(name: str) -> None:
    assert walk(DAMAGE[name][0], inflate=False) == (8, 8)


def test_more_chunks_than_a_picture_needs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHUNKS", 4)
    with pytest.raises(PngError, match="more than 4 chunks"):
        walk(GOOD)


@given(cut=st.integers(0, len(GOOD) - 1))
def test_no_beginning_of_a_png_is_a_png(cut: int) -> None:
    with pytest.raises(PngError):
        walk(GOOD[:cut], inflate=False)


@given(at=st.integers(0, len(GOOD) - 1), flip=st.integers(1, 255))
def test_no_changed_byte_passes(at: int, flip: int) -> None:
    with pytest.raises(PngError):
        walk(GOOD[:at] + bytes([GOOD[at] ^ flip]) + GOOD[at + 1 :], inflate=False)


@given(data=st.binary(max_size=300))
def test_whatever_comes_is_refused_by_the_same_error(data: bytes) -> None:
    for bytes_ in (data, SIGNATURE + data, SIGNATURE + ihdr() + data, SIGNATURE + ihdr() + chunk(b"IDAT", data) + END):
        with pytest.raises(PngError):
            walk(bytes_)
