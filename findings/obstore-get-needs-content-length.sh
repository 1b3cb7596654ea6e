#!/usr/bin/env bash
# obstore 0.12.1 (Python 3.11, Linux): an S3 endpoint that answers GET with Transfer-Encoding: chunked, as a proxy in
# front of a store does when it compresses or streams.
#
# The guess that was wrong: the body is read to its end, as every HTTP client does.
# Seen: get fails before a byte of the body is read, because the reply has no Content-Length; it is a GenericError, which
# nothing tells apart from a store that is away.
#
# Output:
#   Content-Length: hello
#   chunked: GenericError: Generic S3 error: Content-Length Header missing from response
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1
cat >"$folder/ask.py" <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.exceptions import GenericError
from obstore.store import S3Store


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        chunked = self.path.endswith("/chunked")
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "5")))
        self.end_headers()
        self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
keys = {"access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
endpoint = f"http://127.0.0.1:{server.server_port}"
store = S3Store("bucket", endpoint=endpoint, client_options={"allow_http": True}, **keys)
print("Content-Length:", bytes(obstore.get(store, "plain").bytes()).decode())
try:
    print("chunked:", bytes(obstore.get(store, "chunked").bytes()).decode())
except GenericError as error:
    print(f"chunked: {type(error).__name__}: {str(error).splitlines()[0]}")
server.shutdown()
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
