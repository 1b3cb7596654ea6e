#!/usr/bin/env bash
# schemathesis 4.32.5 (Python 3.11, Linux): what it sends as a base64 picture in JSON that OpenAPI 3.1 describes by
# contentEncoding, and OpenAPI 3.0 by format: byte.
#
# The guess that was wrong: OpenAPI 3.1 says to write contentEncoding: base64 where 3.0 had format: byte, so both are sent
# as base64.
# Seen: only format: byte is, in 3.1 as well. By contentEncoding any text is a positive case: nearly all are refused by a
# server that decodes, which is reported as a refusal of what the schema allows, and no run reaches the code behind it.
#
# Output: of 60 positive cases
#   3.0, format: byte: all are base64
#   3.1, contentEncoding: base64: most are not
#   3.1, contentEncoding: base64 and format: byte: all are base64
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5 hypothesis==6.170.15
cat >"$folder/ask.py" <<'PY'
import base64
import binascii

import schemathesis
from hypothesis import HealthCheck, given, settings

BYTE, ENCODED = {"format": "byte"}, {"contentEncoding": "base64", "contentMediaType": "image/png"}


def operation(version: str, words: dict[str, str]):
    picture = {"type": "string", "minLength": 1} | words
    body = {"type": "object", "required": ["image"], "properties": {"image": picture}, "additionalProperties": False}
    content = {"required": True, "content": {"application/json": {"schema": body}}}
    swap = {"post": {"requestBody": content, "responses": {"200": {"description": "OK"}}}}
    description = {"openapi": version, "info": {"title": "API", "version": "1"}, "paths": {"/swap": swap}}
    return schemathesis.openapi.from_dict(description)["/swap"]["POST"]


for name, version, words in (
    ("3.0, format: byte", "3.0.3", BYTE),
    ("3.1, contentEncoding: base64", "3.1.0", ENCODED),
    ("3.1, contentEncoding: base64 and format: byte", "3.1.0", ENCODED | BYTE),
):
    read: list[bool] = []

    @settings(max_examples=60, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation(version, words).as_strategy())
    def send(case: schemathesis.Case) -> None:
        try:
            base64.b64decode(case.body["image"], validate=True)
            read.append(True)
        except (binascii.Error, ValueError):
            read.append(False)

    send()
    print(f"{name}: {'all are base64' if all(read) else 'most are not' if sum(read) < 15 else 'some are not'}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
