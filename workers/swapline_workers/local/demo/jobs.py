"""The jobs of the demo: one for each photograph, with varying options."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING
from uuid import UUID

from swapline_producer.client.inputs.images import Link, read_image
from swapline_producer.contract import ApiVersion, Gender, QualityMode, Ratio, SwapOptions, SwapRequest
from swapline_producer.pictures.prepare import Preparation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIN_JOBS = 3
"""As many as the basic plan runs at once, and one of each ratio."""

OPTIONS = (  # of the samples: a woman, a man, a woman
    SwapOptions(gender=Gender.FEMALE, filter_id=12, ratio=Ratio.PORTRAIT, quality_mode=QualityMode.V6_1),
    SwapOptions(gender=Gender.MALE, filter_id=UUID("5f0c1a52-9d0e-4a3b-8f57-2f1e6f7c9a1d"), ratio=Ratio.LANDSCAPE),
    SwapOptions(gender=Gender.FEMALE, filter_id=6, ratio=Ratio.SQUARE, api_version=ApiVersion.V5),
)


@dataclass(frozen=True)
class DemoJob:
    """A photograph, its title, and its request."""

    title: str
    photograph: bytes
    request: SwapRequest


def read_photographs(paths: Sequence[Path], samples: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """Return names and bytes of the user's photographs, or else the samples. Raises ImageError."""
    pictures = [(path.name, read_image(path, Preparation())) for path in paths]
    own = [(name, picture.data) for name, picture in pictures if not isinstance(picture, Link)]
    return own or [(f"sample {number}", data) for number, data in enumerate(samples, start=1)]


def demo_jobs(photographs: Sequence[tuple[str, bytes]], webhook_url: str) -> list[DemoJob]:
    """Return a job for each photograph; fewer than `MIN_JOBS` are repeated."""
    repeated = islice(cycle(photographs), max(MIN_JOBS, len(photographs)))
    return [
        DemoJob(
            f"{number}. {name}",
            data,
            SwapRequest(
                **options.model_dump(exclude={"webhook_url", "metadata"}),
                image=data,
                webhook_url=webhook_url,
                metadata={"photograph": name},
            ),
        )
        for number, ((name, data), options) in enumerate(zip(repeated, cycle(OPTIONS), strict=False), start=1)
    ]
