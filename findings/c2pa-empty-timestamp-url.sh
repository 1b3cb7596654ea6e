#!/usr/bin/env bash
# c2pa-python 0.38.1 (c2pa-rs 0.91.3, Python 3.11, Linux): signing without a time-stamp authority.
#
# The guess that was wrong: an empty ta_url means that there is none; the field is of bytes, as its neighbours are.
# Seen: with b"" each signature fails with "internal error (empty string)"; none is None.
#
# Output:
#   ta_url=b'': Signature: internal error (empty string)
#   ta_url=None: signed
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

picture = io.BytesIO()
Image.new("RGB", (64, 64)).save(picture, "PNG")
chain, key = Path("leaf.pem").read_bytes() + Path("ca.pem").read_bytes(), Path("leaf.key").read_bytes()
created = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalArt"}
manifest = {"format": "image/png", "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
for url in (b"", None):
    try:
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, url))
        c2pa.Builder(json.dumps(manifest)).sign(signer, "image/png", io.BytesIO(picture.getvalue()), io.BytesIO())
        print(f"ta_url={url}: signed")
    except c2pa.C2paError as error:
        print(f"ta_url={url}: {error}")
PY
venv/bin/python ask.py | tee seen
diff seen <(sed -n 's/^#   \(ta_url\)/\1/p' "$OLDPWD/$0")
