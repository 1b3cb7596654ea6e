"""A durable workflow as DBOS's documentation has one, on a Postgres of its own: each step's outcome is a row."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from dbos import DBOS, SetWorkflowID
from runner import AT_ONCE, CHECK_INTERVAL_S, JOBS, KEY, VENDOR, WARM_UP, done, photo, ready, store, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
"""Where Debian's packages put the server."""


@DBOS.step(retries_allowed=True)
def submit(number: int) -> str:
    """Submit a photograph; return the vendor's id."""
    text = base64.b64encode(photo(number).read_bytes()).decode()
    order = {"base64": text, "gender": 0, "filter_id": 12}
    reply = requests.post(f"{VENDOR}/v6/run/face_swap", json=order, headers=KEY, timeout=60)
    return str(reply.json()["id"])


@DBOS.step(retries_allowed=True)
def collect(number: int, job: str) -> bool:
    """Ask for the status; store the picture where there is one, and return whether there is."""
    status = requests.post(f"{VENDOR}/v6/status/{job}", headers=KEY, timeout=60).json()
    if status["status"] != "COMPLETED":
        return False
    store(number, base64.b64decode(status["output"]["images"][0], validate=True))
    return True


@DBOS.workflow()
def swap(number: int) -> None:
    """Take one photograph through."""
    job = submit(number)
    DBOS.sleep(CHECK_INTERVAL_S)
    while not collect(number, job):
        DBOS.sleep(CHECK_INTERVAL_S)


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server on a socket, with a folder of its own. Gives its URL."""
    tools = SERVERS[-1] if SERVERS else Path(shutil.which("initdb") or sys.exit("no Postgres")).parent
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    folder = tempfile.mkdtemp(prefix="bench-postgres-")
    if user:
        shutil.chown(folder, user)
    data = f"{folder}/data"
    quiet: dict[str, Any] = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([tools / "initdb", "-D", data, "-U", "bench", "--auth=trust"], check=True, **quiet)
    server = subprocess.Popen([tools / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="], **quiet)
    try:
        while subprocess.run([tools / "pg_isready", "-h", folder, "-q"], check=False).returncode:
            time.sleep(0.05)
        yield f"postgresql+psycopg://bench@/bench?host={folder}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def main() -> None:
    """Warm up, then run."""
    for first, last in ((0, WARM_UP), (WARM_UP, WARM_UP + JOBS)):
        if first:
            ready()
        for number in range(first, last):
            with SetWorkflowID(f"swap-{number}"):
                DBOS.enqueue_workflow("swaps", swap, number)
        wait_for_results(last)
    done()


if __name__ == "__main__":
    with postgres() as url:
        DBOS(config={"name": "bench", "system_database_url": url, "log_level": "WARNING"})
        DBOS.launch()
        DBOS.register_queue("swaps", worker_concurrency=AT_ONCE, polling_interval_sec=0.1)
        main()
        DBOS.destroy()
