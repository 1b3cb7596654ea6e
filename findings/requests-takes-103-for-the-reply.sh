#!/usr/bin/env bash
# requests 2.34.2, urllib3 2.8.0 (CPython 3.11): a server that sends 103 Early Hints before each final reply
# (RFC 9110, 15.2: a client must be able to parse and pass over interim replies it did not ask for).
#
# The guess that was wrong: the client passes over every 1xx reply, as it does over 100 Continue.
# Seen: http.client passes over 100 only. The 103 is returned as the reply, its connection goes back to the pool, and
# the next request on it reads the late final reply to the one before.
#
# Output:
#   GET /first: 103 ''
#   GET /second: 200 '/first'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0
cat >"$folder/ask.py" <<'PY'
import socket
import threading
import time

import requests


def serve(listener: socket.socket) -> None:
    """Answer every request with 103, and 0.2 s later with 200 and the path that was asked for."""
    connection, _ = listener.accept()
    with connection:
        while head := connection.recv(65_536):
            path = head.split(b" ")[1]
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
            time.sleep(0.2)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
session = requests.Session()
for path in ("/first", "/second"):
    reply = session.get(f"http://127.0.0.1:{listener.getsockname()[1]}{path}", timeout=10)
    print(f"GET {path}: {reply.status_code} {reply.text!r}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \(GET \)/\1/p' "$0")
