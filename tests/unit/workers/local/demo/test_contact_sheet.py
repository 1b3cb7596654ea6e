"""The contact sheet: complete in itself, and nothing in it is taken for HTML that is not."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import BytesIO

from PIL import Image

from swapline_workers.local.demo.contact_sheet import Card, Picture, contact_sheet

NASTY = """<script>alert("1")</script>' onload='x & y"""


def photograph(width: int, height: int, *, orientation: int = 1, mode: str = "RGB") -> bytes:
    out = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new(mode, (width, height)).save(out, "PNG", exif=exif)
    return out.getvalue()


def sheet(*, before: Picture | None = None, after: Picture | None = None, text: str = "text") -> str:
    card = Card(
        title=text,
        state=text,
        good=after is not None,
        before=before or Picture(photograph(30, 20), text),
        after=after,
        missing=text,
        stages={"queued": 0.5, text: 1.0},
        facts={text: text},
    )
    return contact_sheet(text, text, {text: text}, [card], text)


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_from_outside_stays_text() -> None:
    plain, nasty = (
        Tags(sheet(after=Picture(photograph(20, 30), text, link=text), text=text)) for text in ("plain", NASTY)
    )
    assert nasty.tags == plain.tags
    assert [name for name, _ in nasty.attributes] == [name for name, _ in plain.attributes]
    assert nasty.text.count(NASTY) == plain.text.count("plain")


def test_it_loads_nothing_and_may_load_nothing() -> None:
    page = sheet(after=Picture(photograph(20, 30), "out", link="1.png"))
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    found = [value for name, value in Tags(page).attributes if name in {"src", "href"}]
    assert [value.partition(",")[0] for value in found if value] == [
        "data:image/jpeg;base64",
        "1.png",
        "data:image/jpeg;base64",
    ]
    assert not re.search(r"url\(|@import", page)


def test_a_job_without_a_result_reports_why() -> None:
    page = sheet(text="FAILED: the vendor said no")
    assert '<div class="nothing">FAILED: the vendor said no</div>' in page


def test_pictures_are_reduced_upright_and_keep_their_shape() -> None:
    turned = photograph(3600, 1800, orientation=6)
    page = sheet(before=Picture(turned, "in"))
    assert 'width="450" height="900" alt="in · 1800 × 3600"' in page  # noqa: RUF001 -- the sign for sizes


def test_transparent_pictures_are_shown_on_white() -> None:
    assert sheet(before=Picture(photograph(10, 10, mode="RGBA"), "in")).count("data:image/jpeg") == 1
