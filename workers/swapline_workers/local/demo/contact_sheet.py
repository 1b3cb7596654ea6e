"""The contact sheet: one HTML page with inputs and results, which loads nothing else."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

from PIL import Image

from swapline_producer.pictures.upright import upright

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MAX_SIDE_PX = 900
"""Sharp on a phone, 60 to 150 kB."""
_JPEG_QUALITY = 84
"""No visible difference from the original at this size."""


@dataclass(frozen=True)
class Picture:
    """A file, its caption, and the original's path."""

    data: bytes
    caption: str
    link: str | None = None


@dataclass(frozen=True)
class Card:
    """One job on the page."""

    title: str
    state: str
    good: bool
    before: Picture
    after: Picture | None
    """None without a result; `missing` is then the reason."""
    missing: str
    stages: Mapping[str, float]
    """Seconds: queued, running, storing."""
    facts: Mapping[str, str]


def contact_sheet(title: str, subtitle: str, sums: Mapping[str, str], cards: Sequence[Card], footer: str) -> str:
    """Return the page as HTML. `sums`: numbers at its top, by label."""
    style = resources.files(__package__).joinpath("contact_sheet.css").read_text()
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p>{escape(subtitle)}</p>
<ul class="sums">
{_lines(f"<li><b>{escape(value)}</b> <span>{escape(name)}</span></li>" for name, value in sums.items())}
</ul>
</header>
<main>
{_lines(_card(card) for card in cards)}
</main>
<footer><p>{escape(footer)}</p></footer>
</body>
</html>
"""


def _card(card: Card) -> str:
    before, left = _figure(card.before)
    after, right = _figure(card.after) if card.after else (_missing(card.missing), left)
    return f"""<article>
<div class="pair" style="--left: {left:.3f}fr; --right: {right:.3f}fr">
{before}
{after}
</div>
<div>
<div class="title"><h2>{escape(card.title)}</h2>
<span class="state {"good" if card.good else "bad"}">{escape(card.state)}</span></div>
{_stages(card.stages)}
<dl>
{_lines(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in card.facts.items())}
</dl>
</div>
</article>"""


def _figure(picture: Picture) -> tuple[str, float]:
    """Return a figure and its aspect ratio: columns of these widths have one height."""
    small, (width, height), (full_width, full_height) = _reduced(picture.data)
    source = "data:image/jpeg;base64," + base64.b64encode(small).decode("ascii")
    caption = escape(f"{picture.caption} · {full_width} × {full_height}")  # noqa: RUF001 -- the sign for sizes
    image = f'<img src="{source}" width="{width}" height="{height}" alt="{caption}">'
    if picture.link is not None:
        image = f'<a href="{escape(quote(picture.link))}" title="open the whole picture">{image}</a>'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>", width / height


def _missing(reason: str) -> str:
    return f'<figure><div class="nothing">{escape(reason)}</div><figcaption>no result</figcaption></figure>'


def _stages(stages: Mapping[str, float]) -> str:
    # The style has a class for each stage; an unknown name is grey.
    bar = "".join(f'<i class="{escape(name)}" style="flex: {max(value, 0):.3f}"></i>' for name, value in stages.items())
    key = "".join(
        f'<span><i class="{escape(name)}"></i>{escape(name)} {value:.2f} s</span>' for name, value in stages.items()
    )
    return f'<p class="bar">{bar}</p><p class="key">{key}</p>'


def _reduced(data: bytes) -> tuple[bytes, tuple[int, int], tuple[int, int]]:
    with Image.open(BytesIO(data)) as opened:
        turned = upright(opened).convert("RGBA")
    full_size = turned.size
    turned.thumbnail((_MAX_SIDE_PX, _MAX_SIDE_PX), Image.Resampling.LANCZOS)
    flat = Image.new("RGB", turned.size, "white")
    flat.paste(turned, mask=turned.getchannel("A"))
    out = BytesIO()
    flat.save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue(), flat.size, full_size


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
