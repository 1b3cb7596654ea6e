#!/usr/bin/env bash
# ExifTool 12.67 (Debian 12 has 12.57) and 13.59 (npm exiftool-vendored.pl), c2pa-python 0.38.1, Pillow 13.0.0, pillow-heif
# 1.8.1 (Python 3.11, Linux): `exiftool -all=` on pictures with a C2PA manifest whose ingredient is the photograph.
#
# The guess that was wrong: -all= deletes all metadata that ExifTool can write in the format, or warns of what it leaves.
# Seen: 12.67 takes the manifest out of JPEG alone. PNG, WebP, AVIF and HEIC are "unchanged" for it, without a
# warning, the manifest still valid, with the small picture of the photograph in it. 13.59 deletes it in all five.
#
# Output: what is left of the manifest
#   JPEG: 12.67 nothing, 13.59 nothing
#   PNG: 12.67 valid, photograph 128x96, 13.59 nothing
#   WEBP: 12.67 valid, photograph 128x96, 13.59 nothing
#   AVIF: 12.67 valid, photograph 128x96, 13.59 nothing
#   HEIF: 12.67 valid, photograph 128x96, 13.59 nothing
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check c2pa-python==0.38.1 pillow==13.0.0 pillow-heif==1.8.1
cd "$folder"
for version in 12.67.0 13.59.3; do
	npm install --silent --no-fund --no-audit --prefix "$version" "exiftool-vendored.pl@$version" >/dev/null
done
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
import subprocess
from pathlib import Path

import c2pa
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
ENDS = {"JPEG": "jpg", "HEIF": "heic"}
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif", "HEIF": "image/heic"}


def encoded(size: tuple[int, int], kind: str) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(out, kind)
    return out.getvalue()


def signed(kind: str) -> bytes:
    created = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalArt"}
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
    settings = c2pa.Settings.from_dict({"builder": {"thumbnail": {"long_edge": 128}}})
    builder = c2pa.Builder(json.dumps(manifest), context=c2pa.Context(settings))
    photograph = io.BytesIO(encoded((512, 384), "JPEG"))
    builder.add_ingredient(json.dumps({"title": "photograph.jpg", "relationship": "inputTo"}), "image/jpeg", photograph)
    chain, key = Path("leaf.pem").read_bytes() + Path("ca.pem").read_bytes(), Path("leaf.key").read_bytes()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None))
    builder.sign(signer, TYPES[kind], io.BytesIO(encoded((256, 192), kind)), out := io.BytesIO())
    return out.getvalue()


def left(kind: str, data: bytes) -> str:
    try:
        reader = c2pa.Reader(TYPES[kind], io.BytesIO(data))
    except c2pa.C2paError.ManifestNotFound:
        return "nothing"
    found = json.loads(reader.json())
    ingredient = found["manifests"][found["active_manifest"]]["ingredients"][0]
    reader.resource_to_stream(ingredient["thumbnail"]["identifier"], picture := io.BytesIO())
    return f"{found['validation_state'].lower()}, photograph {'{}x{}'.format(*Image.open(picture).size)}"


for kind in TYPES:
    seen = []
    for version in ("12.67.0", "13.59.3"):
        picture = Path(f"picture.{ENDS.get(kind, kind.lower())}")
        picture.write_bytes(signed(kind))
        program = f"{version}/node_modules/exiftool-vendored.pl/bin/exiftool"
        ended = subprocess.run(["perl", program, "-all=", "-overwrite_original", picture], capture_output=True, text=True)
        warned = ", with a warning" if "warning" in (ended.stdout + ended.stderr).lower() else ""
        seen.append(f"{version.rpartition('.')[0]} {left(kind, picture.read_bytes())}{warned}")
    print(f"{kind}: {', '.join(seen)}")
PY
venv/bin/python ask.py | tee seen
diff seen <(sed -n '/^# Output:/,/^set /s/^#   //p' "$OLDPWD/$0")
