#!/usr/bin/env bash
# obstore 0.12.1 with Azurite 3.37.0 (npm) as the Azure server (Python 3.11, Linux): presigned links of blobs whose name
# has a character that a URL escapes.
#
# The guess that was wrong: what put and get accept, sign makes a working link for.
# Seen: put and get work, and each link is answered 403 AuthorizationFailure: the signature is made over the escaped
# name, the service compares it with one over the name itself. Names of letters, digits, "-", "_", "." and "/" work.
#
# Output:
#   'inputs/one-1_a.png': get b'x', link 200
#   'a b': get b'x', link 403 AuthorizationFailure
#   'ä': get b'x', link 403 AuthorizationFailure
#   '50%': get b'x', link 403 AuthorizationFailure
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1
npm install --silent --no-fund --no-audit --prefix "$folder" azurite@3.37.0 >/dev/null
cat >"$folder/ask.py" <<'PY'
import base64
import hmac
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from email.utils import formatdate

import obstore
from obstore.store import AzureStore

ACCOUNT = "devstoreaccount1"
KEY = base64.b64encode(b"a key of this run only, thirty-two bytes or more").decode()


def create_container(base: str, name: str) -> None:
    date, version = formatdate(usegmt=True), "2021-08-06"
    text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")).decode()
    fields = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
    request = urllib.request.Request(f"{base}/{name}?restype=container", method="PUT", headers=fields)
    urllib.request.urlopen(request).close()


def status_of(link: str) -> str:
    try:
        with urllib.request.urlopen(link) as reply:
            return str(reply.status)
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.headers['x-ms-error-code']}"


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
program = [sys.argv[1], "--silent", "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck"]
azurite = subprocess.Popen(program, stdout=subprocess.DEVNULL, env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}", "PATH": sys.argv[2]})
try:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    base = f"http://127.0.0.1:{port}/{ACCOUNT}"
    create_container(base, "box")
    options = {"account_name": ACCOUNT, "account_key": KEY, "client_options": {"allow_http": True}}
    store = AzureStore("box", endpoint=base, **options)
    for name in ("inputs/one-1_a.png", "a b", "ä", "50%"):
        obstore.put(store, name, b"x")
        link = obstore.sign(store, "GET", name, timedelta(minutes=5))
        print(f"{name!r}: get {bytes(obstore.get(store, name).bytes())}, link {status_of(link)}")
finally:
    azurite.terminate()
    azurite.wait()
PY
"$folder/venv/bin/python" "$folder/ask.py" "$folder/node_modules/.bin/azurite-blob" "$PATH" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
