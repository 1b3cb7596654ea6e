#!/usr/bin/env bash
# Pillow 13.0.0 (Python 3.11, Linux): what a PNG of 16 bits a sample opens as.
#
# The guess that was wrong: as grey of 16 bits opens as I;16, colour of 16 bits opens as something that tells its depth.
# Seen: it opens as RGB of 8 bits, the lower bytes are gone, and nothing in mode or info says so; only byte 24 of the
# file does.
#
# Output:
#   grey: mode I;16, first pixel 50001, info {}
#   colour: mode RGB, first pixel (195, 39, 31), info {}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
cat >"$folder/ask.py" <<'PY'
import io
import struct
import zlib

from PIL import Image


def png(colour_type, pixel):
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" + pixel)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


for name, colour_type, samples in (("grey", 0, [50001]), ("colour", 2, [50001, 10001, 8001])):
    opened = Image.open(io.BytesIO(png(colour_type, struct.pack(f">{len(samples)}H", *samples))))
    opened.load()
    print(f"{name}: mode {opened.mode}, first pixel {opened.getpixel((0, 0))}, info {opened.info}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \(grey:\|colour:\)/\1/p' "$0")
