#!/usr/bin/env bash
# obstore 0.12.1 (Python 3.11, Linux): S3 answers a PUT with 409 ConditionalRequestConflict when another write of the key
# is under way ("retry the request", as S3's list of error codes says); the key may well not exist.
#
# The guess that was wrong: AlreadyExistsError means that the object is there (412 on mode="create"), and an
# unconditional put cannot raise it; 409 is repeated or is another error.
# Seen: 409 is AlreadyExistsError too, at once, without a second request, also on mode="overwrite".
#
# Output:
#   412, create: AlreadyExistsError after 1 request
#   409, create: AlreadyExistsError after 1 request
#   409, overwrite: AlreadyExistsError after 1 request
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1
cat >"$folder/ask.py" <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

CODES = {409: "ConditionalRequestConflict", 412: "PreconditionFailed"}


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 409
    requests = 0

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Endpoint.requests += 1
        body = f"<Error><Code>{CODES[Endpoint.status]}</Code></Error>".encode()
        self.send_response(Endpoint.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
keys = {"access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
endpoint = f"http://127.0.0.1:{server.server_port}"
store = S3Store("bucket", endpoint=endpoint, client_options={"allow_http": True}, **keys)
for status, mode in ((412, "create"), (409, "create"), (409, "overwrite")):
    Endpoint.status, Endpoint.requests = status, 0
    try:
        obstore.put(store, "key", b"x", mode=mode)
    except (BaseError, FileExistsError) as error:
        requests = f"{Endpoint.requests} request" + ("s" if Endpoint.requests != 1 else "")
        print(f"{status}, {mode}: {type(error).__name__} after {requests}")
server.shutdown()
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
