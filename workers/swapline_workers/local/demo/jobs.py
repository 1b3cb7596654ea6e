"""What the demo asks for: a wish for each photograph, each wish of another kind."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING
from uuid import UUID

from swapline_producer.client.images import Link, read_image
from swapline_producer.contract import ApiVersion, Gender, QualityMode, Ratio, SwapOptions, SwapRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LEAST = 3
"""Jobs at least: as many as the vendor takes at once, and one of each ratio."""

KINDS = (
    SwapOptions(gender=Gender.FEMALE, filter_id=12, ratio=Ratio.PORTRAIT, quality_mode=QualityMode.V6_1),
    SwapOptions(gender=Gender.FEMALE, filter_id=UUID("5f0c1a52-9d0e-4a3b-8f57-2f1e6f7c9a10"), ratio=Ratio.LANDSCAPE),
    SwapOptions(gender=Gender.FEMALE, filter_id=6, ratio=Ratio.SQUARE, api_version=ApiVersion.V5),
)


@dataclass(frozen=True)
class Photograph:
    """A photograph to put in, and what people call it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class DemoJob:
    """One job to be."""

    photograph: Photograph
    request: SwapRequest


def photographs(paths: Sequence[Path], samples: Sequence[bytes]) -> list[Photograph]:
    """Read the user's photographs, or take the samples where there are none.

    Raises ImageError for a file that is no photograph.
    """
    found = [(path.name, read_image(path)) for path in paths]
    own = [Photograph(name, picture.data) for name, picture in found if not isinstance(picture, Link)]
    return own or [Photograph(f"sample {number}", data) for number, data in enumerate(samples, start=1)]


def demo_jobs(given: Sequence[Photograph], webhook_url: str) -> list[DemoJob]:
    """Give a wish for each photograph; where there are fewer than three, they take turns."""
    in_turn = islice(cycle(given), max(LEAST, len(given)))
    return [
        DemoJob(
            photograph,
            SwapRequest(
                **kind.model_dump(exclude={"webhook_url", "metadata"}),
                image=photograph.data,
                webhook_url=webhook_url,
                metadata={"photograph": photograph.name},
            ),
        )
        for photograph, kind in zip(in_turn, cycle(KINDS), strict=False)  # the kinds never end
    ]
