"""What pictures cost: preparing, looking for a face, variants, marks. CPU of one core, medians; `make bench-pictures`.

Everything is measured in one process, without the pipe to the child (3 ms for 4 MB): what the child does is what costs.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageCms, ImageOps

from swapline_producer.client.inputs.images import AS_IT_IS, read_image
from swapline_producer.contract import Variant
from swapline_producer.pictures.decoder.decode import make_jpeg
from swapline_producer.pictures.decoder.detector import find_faces
from swapline_producer.pictures.decoder.variants import make_variants
from swapline_producer.pictures.prepare import MAX_BYTES, Preparation
from swapline_simulator import sample_photographs
from swapline_workers.pictures.xmp import marked

if TYPE_CHECKING:
    from collections.abc import Callable

DISPLAY_P3 = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
"""Primaries, as XYZ relative to D50."""
VARIANTS = ("print.jpg", "web.webp:1200", "thumb.jpg:320:80:1/1")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    telephone, display = photograph((4032, 3024)), wide_gamut()
    heic, jpeg = saved(telephone, "HEIF", quality=50), saved(telephone, "JPEG", quality=92)
    wide = saved(telephone, "HEIF", quality=50, icc_profile=display)
    two, result = saved(photograph((1155, 1732)), "JPEG"), saved(photograph((1200, 1800)), "PNG", compress_level=1)
    variants = [Variant.parse(text) for text in VARIANTS]
    auto = Preparation()
    lines: list[tuple[str, int, Callable[[], object]]] = [
        ("prepare a 12-megapixel HEIC", len(heic), lambda: make_jpeg(heic, "image/heic", 4096, MAX_BYTES)),
        ("the same in another colour space", len(wide), lambda: make_jpeg(wide, "image/heic", 4096, MAX_BYTES)),
        ("prepare a 12-megapixel JPEG on its side", len(jpeg), lambda: make_jpeg(jpeg, "image/jpeg", 4096, MAX_BYTES)),
        ("read a JPEG that needs nothing, prepare=auto", len(jpeg), lambda: read_image(jpeg, auto)),
        ("read the same, prepare=off", len(jpeg), lambda: read_image(jpeg, AS_IT_IS)),
        ("look for a face in 2 megapixels", len(two), lambda: find_faces(two, "image/jpeg")),
        ("three variants of a 1200x1800 PNG", len(result), lambda: make_variants(result, "image/png", variants)),
        ("XMP into that PNG", len(result), lambda: marked(result, "image/png", "trainedAlgorithmicMedia")),
    ]
    for name, size, work in lines:
        print(f"{name:46} {size / 1e6:4.1f} MB {median(work, rounds) * 1000:7.2f} ms")


def median(work: Callable[[], object], rounds: int) -> float:
    """Return the median of the CPU seconds of some rounds, after one that does not count."""
    work()
    taken = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return statistics.median(taken)


def photograph(size: tuple[int, int]) -> Image.Image:
    """Return the sample portrait in a size, with a camera's noise."""
    with Image.open(io.BytesIO(sample_photographs()[0])) as opened:
        large = ImageOps.fit(opened.convert("RGB"), size, Image.Resampling.LANCZOS, centering=(0.5, 0))
    noise = Image.effect_noise(size, 3)
    return ImageChops.add(large, Image.merge("RGB", [noise] * 3), offset=-128)


def wide_gamut() -> bytes:
    """Return a colour profile like that of telephones' displays: sRGB's with the primaries of Display P3."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    number = int.from_bytes(profile[128:132], "big")
    tags = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 136 + 12 * n for n in range(number)}
    for name, primary in DISPLAY_P3.items():
        at = int.from_bytes(profile[tags[name] : tags[name] + 4], "big") + 8
        profile[at : at + 12] = b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in primary)
    return bytes(profile).replace("sRGB built-in".encode("utf-16-be"), "wide built-in".encode("utf-16-be"))


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Encode a picture."""
    if kind == "HEIF":
        import pillow_heif  # noqa: PLC0415 -- an extra

        pillow_heif.register_heif_opener()
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


if __name__ == "__main__":
    main()
