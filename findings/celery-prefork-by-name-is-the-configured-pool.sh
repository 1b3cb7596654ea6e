#!/usr/bin/env bash
# celery 5.7.0 (Python 3.11, Linux): which pool `celery worker -P NAME` starts where the app sets worker_pool.
#
# The guess that was wrong: an option of the command line outranks the app's setting.
# Seen: `-P prefork` is replaced by the app's pool without a word, since prefork is also the option's default; its other
# name, `-P processes`, and every other pool are taken as given.
#
# Output:
#   -P prefork: thread
#   -P processes: prefork
#   -P solo: solo
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0
cat >"$folder/pools.py" <<'PY'
import click
from celery import Celery
from celery.bin.base import CLIContext
from celery.bin.worker import worker

app = Celery("program", broker="memory://")
app.conf.worker_pool = "threads"
for name in ("prefork", "processes", "solo"):
    context = CLIContext(app, no_color=True, workdir=None, quiet=True)
    with worker.make_context("worker", ["-P", name], obj=context) as made:
        print(f"-P {name}: {made.params['pool'].__module__.rpartition('.')[2]}")
PY
(cd "$folder" && venv/bin/python pools.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \(-P \)/\1/p' "$0")
