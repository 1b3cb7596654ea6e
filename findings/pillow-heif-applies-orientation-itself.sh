#!/usr/bin/env bash
# pillow-heif 1.8.1 and Pillow 13.0.0 (Python 3.11, Linux): who applies the orientation of a HEIC and of an AVIF.
#
# The guess that was wrong: both lie on their side until ImageOps.exif_transpose is called, as a JPEG does, or neither.
# Seen: Pillow gives an AVIF as stored and EXIF that says how to rotate it; pillow-heif gives a HEIC rotated, resets EXIF
# to 1, and leaves what it was in info["original_orientation"].
#
# Output:
#   AVIF: opens as (192, 128), EXIF 6, original_orientation absent
#   HEIF: opens as (128, 192), EXIF 1, original_orientation 6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 pillow-heif==1.8.1
cat >"$folder/ask.py" <<'PY'
import io

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
exif = Image.Exif()
exif[0x0112] = 6  # to be rotated by a quarter
for kind in ("AVIF", "HEIF"):
    out = io.BytesIO()
    Image.new("RGB", (192, 128)).save(out, kind, exif=exif.tobytes())
    opened = Image.open(io.BytesIO(out.getvalue()))
    now = opened.getexif().get(0x0112, 1)
    print(f"{kind}: opens as {opened.size}, EXIF {now}, original_orientation", opened.info.get("original_orientation", "absent"))
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \(AVIF:\|HEIF:\)/\1/p' "$0")
