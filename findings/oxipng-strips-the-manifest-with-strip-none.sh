#!/usr/bin/env bash
# pyoxipng 9.1.1 (Python 3.11, Linux), c2pa-python 0.38.1, Pillow 13.0.0: a PNG with a C2PA manifest, a text and EXIF is made
# smaller without loss, its chunks left alone (StripChunks.none(), the default).
#
# The guess that was wrong: all chunks stay, so the manifest is there and says that the file was changed.
# Seen: text and EXIF stay, the manifest goes, without a warning: a picture that was marked as generated is published
# unmarked. Where it is named as one to keep, the call raises, and where it would gain nothing it goes as well. So sign
# after making smaller.
#
# Output:
#   signed: caBX tEXt eXIf
#   none(): tEXt eXIf
#   none(), of what cannot be made smaller: tEXt eXIf
#   keep([b"caBX"]): The image contains C2PA manifest that would be invalidated by any file changes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check c2pa-python==0.38.1 pillow==13.0.0 pyoxipng==9.1.1
cd "$folder"
cat >ca.cnf <<'CNF'
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
{
	openssl ecparam -name prime256v1 -genkey -noout -out ca.ec && openssl ecparam -name prime256v1 -genkey -noout -out leaf.ec
	openssl req -x509 -new -key ca.ec -days 2 -subj "/O=Test/CN=Test CA" -out ca.pem
	openssl req -new -key leaf.ec -subj "/O=Test/CN=Test" -out leaf.csr
	openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.ec -CAcreateserial -days 1 -extfile ca.cnf -extensions leaf -out leaf.pem
	openssl pkcs8 -topk8 -nocrypt -in leaf.ec -out leaf.key
} >/dev/null 2>&1
cat >ask.py <<'PY'
import io
import json
from pathlib import Path

import c2pa
import oxipng
from PIL import Image, PngImagePlugin

CHAIN, KEY = Path("leaf.pem").read_bytes() + Path("ca.pem").read_bytes(), Path("leaf.key").read_bytes()
NONE = oxipng.StripChunks.none()


def signed(png: bytes) -> bytes:
    created = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalArt"}
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", CHAIN, KEY, None))
    c2pa.Builder(json.dumps(manifest)).sign(signer, "image/png", io.BytesIO(png), out := io.BytesIO())
    return out.getvalue()


def chunks(png: bytes) -> str:
    """Return the names of all chunks that are not pixels."""
    names, place = [], 8
    while place < len(png):
        names.append(png[place + 4 : place + 8].decode())
        place += 12 + int.from_bytes(png[place : place + 4])
    return " ".join(name for name in names if name not in {"IHDR", "IDAT", "IEND"})


text, exif, saved = PngImagePlugin.PngInfo(), Image.Exif(), io.BytesIO()
text.add_text("Title", "Portrait")
exif[0x010E] = "Portrait"
Image.effect_noise((96, 64), 60).convert("RGB").save(saved, "PNG", pnginfo=text, exif=exif)
picture = signed(saved.getvalue())
print(f"signed: {chunks(picture)}")
smaller = oxipng.optimize_from_memory(picture, strip=NONE)
print(f"none(): {chunks(smaller)}")
print(f"none(), of what cannot be made smaller: {chunks(oxipng.optimize_from_memory(signed(smaller), strip=NONE))}")
try:
    oxipng.optimize_from_memory(picture, strip=oxipng.StripChunks.keep([b"caBX"]))
except oxipng.PngError as error:
    print(f'keep([b"caBX"]): {error}')
PY
venv/bin/python ask.py | tee seen
diff seen <(sed -n '/^# Output:/,/^set /s/^#   //p' "$OLDPWD/$0")
