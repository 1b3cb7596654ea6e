#!/usr/bin/env bash
# pillow-heif 1.8.1 and pillow-jxl-plugin 1.3.8 with Pillow 13.0.0 (Python 3.11, Linux): a photograph with its place in EXIF
# and in XMP is opened, turned upright, scaled, and saved without a word about metadata.
#
# The guess that was wrong: what save() is not given is not written; so it is with the formats that Pillow has itself.
# Seen: HEIC and JPEG XL carry EXIF with the place, HEIC the XMP as well: the plugins take them from info and getexif(),
# which each changed copy of the picture inherits. Written for a customer, such a file says where the other was at home.
#
# Output: where the saved file still has the place
#   JPEG: nowhere
#   PNG: nowhere
#   WEBP: nowhere
#   AVIF: nowhere
#   HEIF: EXIF, XMP
#   JXL: EXIF
#   HEIF, exif=None, xmp=None: nowhere
#   JXL, exif=b"": nowhere
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 pillow-heif==1.8.1 pillow-jxl-plugin==1.3.8
cat >"$folder/ask.py" <<'PY'
import io

import pillow_heif
import pillow_jxl  # noqa: F401 - registers the format
from PIL import ExifTags, Image, ImageOps

pillow_heif.register_heif_opener()
PLACE = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="52,30.0N"/></rdf:RDF></x:xmpmeta>"""

exif = Image.Exif()
exif[ExifTags.Base.Orientation] = 6
exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 0.0)})
photograph = io.BytesIO()
Image.effect_noise((192, 128), 60).convert("RGB").save(photograph, "JPEG", exif=exif, xmp=PLACE)
for words, kind, options in (
    *((kind, kind, {}) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "JXL")),
    ("HEIF, exif=None, xmp=None", "HEIF", {"exif": None, "xmp": None}),
    ('JXL, exif=b""', "JXL", {"exif": b""}),
):
    picture = ImageOps.exif_transpose(Image.open(photograph)).resize((64, 96))
    saved = io.BytesIO()
    picture.save(saved, kind, **options)
    found = ["EXIF"] if Image.open(saved).getexif().get_ifd(ExifTags.IFD.GPSInfo) else []
    found += ["XMP"] if b"GPSLatitude" in saved.getvalue() else []
    print(f"{words}: {', '.join(found) or 'nowhere'}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
