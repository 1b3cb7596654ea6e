#!/usr/bin/env bash
# obstore 0.12.1, moto 5.2.5 as the S3 server (Python 3.11, Linux): what the key "inputs/" (a folder marker, as consoles
# and sync tools write it) is to obstore.
#
# The guess that was wrong: a key is listed as it is, or left out, and what list names can be read and deleted.
# Seen: it is listed as "inputs", a key that is not there; get says that it is missing, delete succeeds, the marker stays.
#
# Output:
#   stored: inputs/ inputs/one
#   listed: inputs inputs/one
#   get inputs: FileNotFoundError
#   delete inputs: no error
#   stored: inputs/ inputs/one
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1 'moto[server]==5.2.5'
cat >"$folder/ask.py" <<'PY'
import logging

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

logging.getLogger("werkzeug").disabled = True
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
client.create_bucket(Bucket="bucket")
for key in ("inputs/", "inputs/one"):
    client.put_object(Bucket="bucket", Key=key, Body=b"x")
store = S3Store("bucket", endpoint=endpoint, region="us-east-1", client_options={"allow_http": True}, **keys)


def show_stored() -> None:
    print("stored:", *[item["Key"] for item in client.list_objects_v2(Bucket="bucket")["Contents"]])


show_stored()
print("listed:", *[item["path"] for page in obstore.list(store) for item in page])
for name, call in (("get", obstore.get), ("delete", obstore.delete)):
    try:
        call(store, "inputs")
        print(f"{name} inputs: no error")
    except FileNotFoundError as error:
        print(f"{name} inputs: {type(error).__name__}")
show_stored()
server.stop()
PY
"$folder/venv/bin/python" "$folder/ask.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
