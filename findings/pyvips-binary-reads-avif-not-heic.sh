#!/usr/bin/env bash
# pyvips-binary 8.18.7 (pyvips 3.2.0, Python 3.11, Linux): whether it reads a telephone's HEIC.
#
# The guess that was wrong: the operation heifload is there, so HEIC can be read.
# Seen: heifload reads AVIF; the wheel has no decoder of HEVC, and fails on HEIC. pillow-heif has one.
#
# Output:
#   heifload is there: True
#   AVIF: read as 64x64
#   HEIC: not read
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	pillow==13.0.0 pillow-heif==1.8.1 pyvips==3.2.0 pyvips-binary==8.18.7
cat >"$folder/ask.py" <<'PY'
import io

import pillow_heif
import pyvips
from PIL import Image

pillow_heif.register_heif_opener()
print(f"heifload is there: {bool(pyvips.type_find('VipsOperation', 'heifload_buffer'))}")
for name, kind in (("AVIF", "AVIF"), ("HEIC", "HEIF")):
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, kind)
    try:
        found = pyvips.Image.new_from_buffer(out.getvalue(), "")
        found.avg()
        print(f"{name}: read as {found.width}x{found.height}")
    except pyvips.Error:
        print(f"{name}: not read")
PY
"$folder/venv/bin/python" "$folder/ask.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \(heifload\|AVIF:\|HEIC:\)/\1/p' "$0")
