#!/usr/bin/env bash
# Pillow 13.0.0, libvips 8.18.7 (pyvips 3.2.0) and OpenCV 5.0.0 (Python 3.11, Linux): a picture of 96 x 64 pixels without
# EXIF, whose XMP has tiff:Orientation 6, as editors copy it from a photograph that they have turned upright.
#
# The guess that was wrong: exif_transpose goes by EXIF, as its name says, and agrees with other readers.
# Seen: where EXIF has no orientation, getexif() looks into the XMP for one, as text, and reports it as EXIF's; Pillow turns
# the picture in all four formats. libvips and OpenCV leave it as it lies.
#
# Output: the size of the picture once it is upright
#   JPEG: Pillow 64x96, libvips 96x64, OpenCV 96x64
#   PNG: Pillow 64x96, libvips 96x64, OpenCV 96x64
#   WEBP: Pillow 64x96, libvips 96x64, OpenCV 96x64
#   AVIF: Pillow 64x96, libvips 96x64, OpenCV 96x64
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7 opencv-python-headless==5.0.0.93
cat >"$folder/ask.py" <<'PY'
import io

import cv2
import numpy
import pyvips
from PIL import Image, ImageOps, PngImagePlugin

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>"""

text = PngImagePlugin.PngInfo()
text.add_itxt("XML:com.adobe.xmp", XMP)
for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
    saved = io.BytesIO()
    Image.new("RGB", (96, 64)).save(saved, kind, **({"pnginfo": text} if kind == "PNG" else {"xmp": XMP.encode()}))
    data = saved.getvalue()
    pillow = ImageOps.exif_transpose(Image.open(saved))
    vips = pyvips.Image.new_from_buffer(data, "").autorot()
    height, width = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR).shape[:2]
    print(f"{kind}: Pillow {pillow.width}x{pillow.height}, libvips {vips.width}x{vips.height}, OpenCV {width}x{height}")
PY
"$folder/venv/bin/python" "$folder/ask.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
