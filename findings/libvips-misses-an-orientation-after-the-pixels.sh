#!/usr/bin/env bash
# libvips 8.18.7 (pyvips 3.2.0), Pillow 13.0.0, OpenCV 5.0.0 (Python 3.11, Linux): a PNG of 2 x 1 pixels whose eXIf chunk
# says "rotate by 90 degrees", before and after the pixels (PNG allows both; who adds metadata to a finished file appends).
#
# The guess that was wrong: where the chunk lies makes no difference.
# Seen: libvips reads it before the pixels only; behind them, the picture has no orientation, no other EXIF, and lies on
# its side, in thumbnails as well. OpenCV and Pillow find it in both places.
#
# Output: the size of the picture once it is upright
#   before: libvips 1x2, OpenCV 1x2, Pillow 1x2
#   after: libvips 2x1, OpenCV 1x2, Pillow 1x2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7 opencv-python-headless==5.0.0.93
cat >"$folder/ask.py" <<'PY'
import io
import struct
import zlib

import cv2
import numpy
import pyvips
from PIL import Image, ImageOps

PIXELS = (b"IDAT", zlib.compress(b"\0" + bytes(6)))
EXIF = (b"eXIf", b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    whole = ((b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)), *chunks, (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in whole
    )


for place, data in (("before", png(EXIF, PIXELS)), ("after", png(PIXELS, EXIF))):
    vips = pyvips.Image.new_from_buffer(data, "").autorot()
    height, width = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR).shape[:2]
    pillow = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    print(f"{place}: libvips {vips.width}x{vips.height}, OpenCV {width}x{height}, Pillow {pillow.width}x{pillow.height}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
