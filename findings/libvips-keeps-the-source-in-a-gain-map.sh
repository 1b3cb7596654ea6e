#!/usr/bin/env bash
# libvips 8.18.7 (pyvips 3.2.0, pyvips-binary 8.18.7), Pillow 13.0.0 (Python 3.11, Linux): a JPEG with a gain map (Ultra
# HDR, what telephones write) is opened, every pixel is painted black, and it is saved as a JPEG.
#
# The guess that was wrong: what is saved is what the pixels are; a gain map, if it is read at all, goes with the pixels.
# Seen: since 8.18 the map is read unasked, kept as metadata, and written beside the black picture as it was: the scene can
# be seen in it, and displays with HDR brighten the new picture by the old one. Cropped and rotated pictures keep a map
# that is neither. keep="exif:icc" leaves it away, as do PNG and WebP; libvips' page on UltraHDR leaves changes of the map
# to the program.
#
# Output: the map in the saved file
#   black: 96x64, that of the photograph
#   right half: 96x64, that of the photograph
#   rotated by 90 degrees: 96x64, that of the photograph
#   black, keep="exif:icc": none
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
cat >"$folder/ask.py" <<'PY'
import io

import numpy
import pyvips
from PIL import Image


def map_of(jpeg: bytes) -> bytes | None:
    """Return the pixels of the second picture in the file."""
    with Image.open(io.BytesIO(jpeg)) as opened:
        if getattr(opened, "n_frames", 1) == 1:
            return None
        opened.seek(1)
        return opened.convert("L").resize((96, 64)).tobytes() if opened.size == (96, 64) else b""


light = numpy.full((128, 192, 3), 0.2, numpy.float32)
light[40:90, 110:170] = 4.0  # a bright face
scene = pyvips.Image.new_from_memory(light.tobytes(), 192, 128, 3, "float").copy(interpretation="scrgb")
photograph = scene.uhdrsave_buffer()
opened = pyvips.Image.new_from_buffer(photograph, "")
black = (opened * 0).cast("uchar")
for words, changed, options in (
    ("black", black, {}),
    ("right half", opened.crop(96, 0, 96, 128), {}),
    ("rotated by 90 degrees", opened.rot90(), {}),
    ('black, keep="exif:icc"', black, {"keep": "exif:icc"}),
):
    saved = map_of(changed.write_to_buffer(".jpg", **options))
    same = saved == map_of(photograph)
    print(f"{words}: {'none' if saved is None else '96x64, that of the photograph' if same else 'another one'}")
PY
"$folder/venv/bin/python" "$folder/ask.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
