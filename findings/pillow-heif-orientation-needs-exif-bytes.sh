#!/usr/bin/env bash
# pillow-heif 1.8.1 with Pillow 13.0.0 (Python 3.11, Linux): how a HEIC lies that is saved with an orientation in EXIF.
#
# The guess that was wrong: exif= takes an Image.Exif as other formats of Pillow do, so its orientation is written.
# Seen: only from bytes is it (as `irot`, by which HEIC is turned); from an Image.Exif the picture is not turned, and
# keeps EXIF that says otherwise, which readers of HEIC must not follow.
#
# Output:
#   Image.Exif: opens as (192, 128), irot written: False
#   bytes: opens as (128, 192), irot written: True
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
exif[0x0112] = 6  # to be turned by a quarter
for name, given in (("Image.Exif", exif), ("bytes", exif.tobytes())):
    out = io.BytesIO()
    Image.new("RGB", (192, 128)).save(out, "HEIF", exif=given)
    size = Image.open(io.BytesIO(out.getvalue())).size
    print(f"{name}: opens as {size}, irot written: {b'irot' in out.getvalue()}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \(Image.Exif:\|bytes:\)/\1/p' "$0")
