"""How variants are written, and what is made of a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from support.pictures.photographs import corner, exif, picture, saved
from swapline_producer import SwapRequest
from swapline_producer.contract import Variant
from swapline_producer.errors import RequestError
from swapline_producer.pictures.decoder.variants import make_variants

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("print.jpg", Variant("print", "jpg")),
        ("web.webp:1200", Variant("web", "webp", 1200)),
        ("thumb.jpg:320:80:1/1", Variant("thumb", "jpg", 320, 80, (1, 1))),
        ("a_b-1.jpg:99:100:16/9", Variant("a_b-1", "jpg", 99, 100, (16, 9))),
    ],
)
def test_a_variant_is_a_name_and_perhaps_side_quality_and_ratio(text: str, variant: Variant) -> None:
    assert Variant.parse(text) == variant


@pytest.mark.parametrize(
    "text",
    ["", "print", "print.png", "a b.jpg", "../x.jpg", "Print.jpg", "x.jpg:0", "x.jpg:99999", "x.jpg:100:0",
     "x.jpg:100:101", "x.jpg:100:80:1/0", "x.jpg:100:80:1:1", "original.jpg", "receipt.webp", "x" * 33 + ".jpg"],
)  # fmt: skip
def test_any_other_text_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="a variant is written"):
        Variant.parse(text)


def request(variants: object) -> SwapRequest:
    return SwapRequest.model_validate({"image": b"x", "gender": 0, "filter_id": 1, "variants": variants})


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, None),
        ((), ()),
        ("", ()),
        ("a.jpg, b.webp:100", ("a.jpg", "b.webp:100")),
        (["a.jpg"], ("a.jpg",)),
    ],
)
def test_a_request_takes_a_list_or_one_text(given: object, found: Sequence[str] | None) -> None:
    assert request(given).variants == found


@pytest.mark.parametrize("given", [("a.jpg", "a.jpg:5"), "a.gif", [f"v{n}.jpg" for n in range(9)], 5, [None]])
def test_wrong_variants_are_refused_in_a_sentence(given: object) -> None:
    with pytest.raises(RequestError, match=r"^variants: 8 at most, each NAME\.jpg or NAME\.webp"):
        request(given)


def made(data: bytes, *texts: str, kind: str = "image/png") -> list[Image.Image]:
    found = make_variants(data, kind, [Variant.parse(text) for text in texts])
    opened: list[Image.Image] = [Image.open(io.BytesIO(variant)) for variant, _ in found]
    assert [one.size for one in opened] == [size for _, size in found]
    return opened


def test_variants_have_their_type_and_longer_side() -> None:
    data = saved("PNG", picture("RGB", (600, 900)))
    whole, web, thumb = made(data, "print.jpg", "web.webp:300", "thumb.jpg:90:80:1/1")
    assert (whole.format, whole.size) == ("JPEG", (600, 900))
    assert (web.format, web.size) == ("WEBP", (200, 300))
    assert (thumb.format, thumb.size) == ("JPEG", (90, 90))


def test_nothing_is_made_larger() -> None:
    [variant] = made(saved("PNG"), "large.jpg:4000")
    assert variant.size == (96, 64)


@pytest.mark.parametrize(
    ("ratio", "size"), [("1/1", (64, 64)), ("2/1", (96, 48)), ("1/2", (32, 64)), ("99/1", (96, 1))]
)
def test_a_ratio_is_cropped_and_nothing_is_stretched(ratio: str, size: tuple[int, int]) -> None:
    [variant] = made(saved("PNG"), f"x.jpg:5000:85:{ratio}")
    assert variant.size == size


def test_a_crop_of_a_portrait_keeps_what_is_above_its_middle() -> None:
    tall = Image.new("RGB", (90, 270), "blue")
    tall.paste("red", (0, 54, 90, 144))  # what is kept of 180 spare rows: 30 % above
    [variant] = made(saved("PNG", tall), "x.jpg:90:95:1/1")
    red, _, blue = variant.getpixel((45, 45))  # type: ignore[misc]
    assert red > 200 > blue


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_kind_of_pixel_has_variants(mode: str) -> None:
    kind, media_type = ("JPEG", "image/jpeg") if mode == "CMYK" else ("PNG", "image/png")
    jpeg, webp = made(saved(kind, picture(mode)), "a.jpg", "b.webp", kind=media_type)
    assert (jpeg.mode, webp.mode) == ("RGB", "RGB")


def test_variants_are_upright_and_say_nothing_else() -> None:
    data = saved("JPEG", exif=exif(orientation=6, gps=True))
    [(variant, _)] = make_variants(data, "image/jpeg", [Variant.parse("a.jpg")])
    assert corner(variant) == "top right"
    assert b"Exif" not in variant
