#!/usr/bin/env bash
# Pillow 13.0.0, and pyvips 3.2.0 with libvips 8.18.7 beside it (Python 3.11, Linux): a PNG without an alpha channel that
# names one colour as transparent (tRNS), with 16, 4 and 2 bits a sample, made RGBA.
#
# The guess that was wrong: as with 8 bits, pixels of that colour become transparent, and no others.
# Seen: pixels are brought to 8 bits, the named colour is not. Of 16 bits, what is transparent stays opaque, and pixels
# whose 8 bits are the lower byte of the named colour become transparent: an opaque black here. Grey of 4 and of 2 bits
# loses its transparency. libvips is right each time.
#
# Output: the alpha of a pixel of the named colour, of a black one, and of a white one
#   8 bits, colour: Pillow 0 255 255, libvips 0 255 255
#   16 bits, colour: Pillow 255 0 255, libvips 0 255 255
#   4 bits, grey: Pillow 255 255 255, libvips 0 255 255
#   2 bits, grey: Pillow 255 255 255, libvips 0 255 255
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7
cat >"$folder/ask.py" <<'PY'
import io
import struct
import zlib

import pyvips
from PIL import Image


def png(depth: int, colour_type: int, pixels: bytes, transparent: tuple[int, ...]) -> bytes:
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 3, 1, depth, colour_type, 0, 0, 0)),
        (b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)),
        (b"IDAT", zlib.compress(b"\0" + pixels)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


PICTURES = {
    "8 bits, colour": png(8, 2, bytes((200, 100, 50, 0, 0, 0, 255, 255, 255)), (200, 100, 50)),
    "16 bits, colour": png(16, 2, struct.pack(">9H", 51200, 25600, 12800, 0, 0, 0, *[65535] * 3), (51200, 25600, 12800)),
    "4 bits, grey": png(4, 0, bytes((0x70, 0xF0)), (7,)),
    "2 bits, grey": png(2, 0, bytes((0b10001100,)), (2,)),
}
for name, data in PICTURES.items():
    opened = Image.open(io.BytesIO(data)).convert("RGBA")
    pillow = " ".join(str(opened.getpixel((x, 0))[3]) for x in range(3))
    vips = pyvips.Image.new_from_buffer(data, "")
    full = 65535 if vips.format == "ushort" else 255
    print(f"{name}: Pillow {pillow}, libvips", *(int(vips(x, 0)[-1] * 255 / full) for x in range(3)))
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
