#!/usr/bin/env bash
# dbos 3.4.0 with SQLite (Python 3.11, Linux): a process is killed in a workflow, and the next one starts from a file in
# which one comment within the workflow's function is new.
#
# The guess that was wrong: a workflow is resumed by the next process that has it; a change of behaviour needs care, a
# comment does not.
# Seen: the application's version is a hash of the text of all workflows and of dbos's own version, and a process resumes
# only what its own version began. Any edit of any workflow, a formatter and an upgrade of dbos leave the work PENDING;
# the file as it was resumes it. application_version in the configuration replaces the hash.
#
# Output:
#   killed after step one
#   with a comment: PENDING
#   as it was: SUCCESS
#   version set by hand, killed after step one
#   version set by hand, with a comment: SUCCESS
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dbos==3.4.0
cat >"$folder/program.py" <<'PY'
import os
import signal
import sys
import time

from dbos import DBOS

line, by_hand, first = sys.argv[1], "by hand" in sys.argv[1], "killed" in sys.argv[1]


@DBOS.step()
def one() -> None:
    """Do what must not be done twice."""


@DBOS.workflow()
def swap() -> None:
    """Be killed between the first step and the end, the first time."""
    one()
    # COMMENT
    if first:
        print(line, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


database = f"sqlite:///{'set' if by_hand else 'hashed'}.sqlite"
version = {"application_version": "1"} if by_hand else {}
config = {"name": "program", "system_database_url": database, "log_level": "ERROR", "run_admin_server": False}
DBOS(config=config | version)
DBOS.launch()
if first:
    DBOS.start_workflow(swap).get_result()
time.sleep(3)
print(f"{line}: {DBOS.list_workflows()[0].status}")
DBOS.destroy()
PY
sed 's/# COMMENT/# another comment/' "$folder/program.py" >"$folder/edited.py"
run() { (cd "$folder" && venv/bin/python "$1.py" "$2") 2>/dev/null || true; }
{
	run program "killed after step one"
	run edited "with a comment"
	run program "as it was"
	run program "version set by hand, killed after step one"
	run edited "version set by hand, with a comment"
} | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
