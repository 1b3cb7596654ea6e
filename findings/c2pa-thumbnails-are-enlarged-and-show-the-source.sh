#!/usr/bin/env bash
# c2pa-python 0.38.1 (c2pa-rs 0.91.3, Python 3.11, Linux): what signing a small PNG adds to it, with the photograph that it
# was made from as an ingredient.
#
# The guess that was wrong: a manifest has hashes and names; a thumbnail, if any, is smaller than the picture.
# Seen: both the picture and the ingredient are put into the file as a JPEG, enlarged to 1024 pixels: 0.6 kB become
# hundreds. Who opens the result can take the photograph out of it, a customer's face. The setting
# builder.thumbnail.enabled = false leaves both away.
#
# Output:
#   default: claim thumbnail 1024x768 of a picture of 256x192, ingredient thumbnail 1024x768 of a photograph of 512x384
#   default: over 100 kB more: True
#   thumbnail.enabled false: none, none
#   thumbnail.enabled false: over 100 kB more: False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check c2pa-python==0.38.1 pillow==13.0.0
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
from PIL import Image


def encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


photograph = encoded(Image.effect_noise((512, 384), 80).convert("RGB"), "JPEG")
result = encoded(Image.new("RGB", (256, 192)), "PNG")
chain, key = Path("leaf.pem").read_bytes() + Path("ca.pem").read_bytes(), Path("leaf.key").read_bytes()
created = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalArt"}
manifest = {"format": "image/png", "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
for name, settings in (("default", {}), ("thumbnail.enabled false", {"builder": {"thumbnail": {"enabled": False}}})):
    builder = c2pa.Builder(json.dumps(manifest), context=c2pa.Context(c2pa.Settings.from_dict(settings)))
    ingredient = {"title": "photograph.jpg", "relationship": "inputTo"}
    builder.add_ingredient(json.dumps(ingredient), "image/jpeg", io.BytesIO(photograph))
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None))
    builder.sign(signer, "image/png", io.BytesIO(result), signed := io.BytesIO())
    reader = c2pa.Reader("image/png", signed)
    found = json.loads(reader.json())
    claim = found["manifests"][found["active_manifest"]]
    sizes = []
    for holder in (claim, claim["ingredients"][0]):
        if thumbnail := holder.get("thumbnail"):
            reader.resource_to_stream(thumbnail["identifier"], picture := io.BytesIO())
            sizes.append("{}x{}".format(*Image.open(picture).size))
    words = "claim thumbnail {} of a picture of 256x192, ingredient thumbnail {} of a photograph of 512x384"
    print(f"{name}: {words.format(*sizes) if sizes else 'none, none'}")
    print(f"{name}: over 100 kB more: {len(signed.getvalue()) - len(result) > 100_000}")
PY
venv/bin/python ask.py | tee seen
diff seen <(sed -n '/^# Output:/,/^set /s/^#   //p' "$OLDPWD/$0")
