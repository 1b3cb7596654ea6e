#!/usr/bin/env bash
# obstore 0.12.1 (Python 3.11, Linux): which endpoint an S3Store uses when one is given and the environment has another.
#
# The guess that was wrong: an argument outranks the environment, so S3Store(endpoint=...) decides.
# Seen: AWS_ENDPOINT_URL_S3 outranks endpoint=, while AWS_ENDPOINT_URL does not; aws_endpoint_url_s3= outranks both.
#
# Output:
#   AWS_ENDPOINT_URL and endpoint=: argument.example
#   AWS_ENDPOINT_URL_S3 and endpoint=: environment.example
#   AWS_ENDPOINT_URL_S3 and aws_endpoint_url_s3=: argument.example
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1
cat >"$folder/ask.py" <<'PY'
import os
from datetime import timedelta
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store


def host(variable: str, argument: str) -> str:
    """Return the host of a presigned link; nothing is connected."""
    os.environ.pop("AWS_ENDPOINT_URL", None)
    os.environ.pop("AWS_ENDPOINT_URL_S3", None)
    os.environ[variable] = "https://environment.example"
    options = {argument: "https://argument.example", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
    store = S3Store("bucket", **options)
    return urlsplit(obstore.sign(store, "GET", "key", timedelta(minutes=1))).hostname or ""


for variable, argument in (
    ("AWS_ENDPOINT_URL", "endpoint"),
    ("AWS_ENDPOINT_URL_S3", "endpoint"),
    ("AWS_ENDPOINT_URL_S3", "aws_endpoint_url_s3"),
):
    print(f"{variable} and {argument}=: {host(variable, argument)}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \(AWS_\)/\1/p' "$0")
