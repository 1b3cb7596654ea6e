#!/usr/bin/env bash
# obstore 0.12.1, moto 5.2.5 as the S3 server (Python 3.11, Linux): listing a bucket in which one of many keys has an
# empty segment ("a//b", legal in S3; scripts that join paths by hand write such keys).
#
# The guess that was wrong: the odd key alone is left out or raises when it is used.
# Seen: the whole list raises, with and without a delimiter, and none of the other keys of its page is returned. A list
# that starts behind the odd key (offset=) works, so the keys around it can be reached in two calls.
#
# Output:
#   list: InvalidPathError, keys returned: 0
#   list_with_delimiter: InvalidPathError
#   list, offset behind it: a/c b
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
from obstore.exceptions import InvalidPathError
from obstore.store import S3Store

logging.getLogger("werkzeug").disabled = True
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
client.create_bucket(Bucket="bucket")
for key in ("a//b", "a/0", "a/c", "b"):
    client.put_object(Bucket="bucket", Key=key, Body=b"x")
store = S3Store("bucket", endpoint=endpoint, region="us-east-1", client_options={"allow_http": True}, **keys)

found = []
try:
    for page in obstore.list(store):
        found += page
    print("list: no error")
except InvalidPathError as error:
    print(f"list: {type(error).__name__}, keys returned: {len(found)}")
try:
    obstore.list_with_delimiter(store, "a")
    print("list_with_delimiter: no error")
except InvalidPathError as error:
    print(f"list_with_delimiter: {type(error).__name__}")
print("list, offset behind it:", *[item["path"] for page in obstore.list(store, offset="a/0") for item in page])
server.stop()
PY
"$folder/venv/bin/python" "$folder/ask.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
