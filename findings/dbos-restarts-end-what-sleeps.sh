#!/usr/bin/env bash
# dbos 3.4.0 with SQLite (Python 3.11, Linux): a workflow sleeps (DBOS.sleep) while its process is stopped by DBOS.destroy
# and started again, without any error.
#
# The guess that was wrong: max_recovery_attempts counts how often a workflow brings its process down; one that merely
# waits can wait for ever, that is what durable sleep is for.
# Seen: each start of the process counts as a recovery of every workflow that is under way. At start
# max_recovery_attempts + 1 after the first they are MAX_RECOVERY_ATTEMPTS_EXCEEDED and never go on. The default is 100: a
# hundred deployments, or a crash loop of something else, end all that waits. max_recovery_attempts=None sets no limit.
#
# Output:
#   max_recovery_attempts unless set: 100
#   first start: with 2 PENDING, with None PENDING
#   after 2 clean restarts: with 2 PENDING, with None PENDING
#   after 3 clean restarts: with 2 MAX_RECOVERY_ATTEMPTS_EXCEEDED, with None PENDING
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dbos==3.4.0
cat >"$folder/program.py" <<'PY'
import inspect
import os
import sys
import time

from dbos import DBOS


@DBOS.workflow(name="with 2", max_recovery_attempts=2)
def limited() -> None:
    DBOS.sleep(3600)


@DBOS.workflow(name="with None", max_recovery_attempts=None)
def unlimited() -> None:
    DBOS.sleep(3600)


config = {"name": "program", "system_database_url": "sqlite:///state.sqlite", "application_version": "1"}
DBOS(config=config | {"log_level": "CRITICAL", "run_admin_server": False})
DBOS.launch()
if sys.argv[1] == "first start":
    default = inspect.signature(DBOS.workflow).parameters["max_recovery_attempts"].default
    print(f"max_recovery_attempts unless set: {default}")
    for workflow in (limited, unlimited):
        DBOS.start_workflow(workflow)
time.sleep(2)
states = {found.name: found.status for found in DBOS.list_workflows()}
if sys.argv[1]:
    print(f"{sys.argv[1]}: " + ", ".join(f"{name} {states[name]}" for name in ("with 2", "with None")))
DBOS.destroy()
sys.stdout.flush()
os._exit(0)  # the threads that sleep would keep the process
PY
start() { (cd "$folder" && venv/bin/python program.py "$1") 2>/dev/null; }
{
	start "first start"
	start ""
	start "after 2 clean restarts"
	start "after 3 clean restarts"
} | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
