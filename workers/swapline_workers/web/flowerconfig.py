"""Flower's settings: `swapline flower`, or `celery -A swapline_workers.entry flower --conf=` with its path.

Logins come from FLOWER_BASIC_AUTH, FLOWER_BASIC_AUTH_FILE (`user:password` a line), or Flower's OAuth settings.
"""

import os
import sys
from pathlib import Path

from flower.views import BaseHandler  # type: ignore[import-untyped]  # Flower ships no types
from flower.views.monitor import Metrics  # type: ignore[import-untyped]
from tornado.options import options
from tornado.web import authenticated

from swapline_workers.web.flower import bound_connections, limit_guesses

FILE = os.environ.get("FLOWER_BASIC_AUTH_FILE")
try:
    PAIRS = Path(FILE).read_text().split() if FILE else options.basic_auth or []
except OSError as error:
    sys.exit(f"FLOWER_BASIC_AUTH_FILE names {FILE}, which cannot be read: {error.strerror}.")
if FILE:
    basic_auth = PAIRS

# Never without authentication: the pages show every task and worker, and the API acts on them. Flower itself starts
# open when nothing is set. Its environment and command line have been read when this file is. One page stays open for
# the machine that asks for it: /healthcheck, which says OK. Flower leaves /metrics open as well; here it is not.
if not options.auth and not PAIRS:
    sys.exit("Flower does not start without authentication: set FLOWER_BASIC_AUTH=user:password.")
if not all(all(pair.partition(":")[::2]) for pair in PAIRS):
    sys.exit("FLOWER_BASIC_AUTH is wrong: write user:password, with neither of them empty.")
Metrics.get = authenticated(Metrics.get)

# Wrong passwords are limited as the board's are, by address and name. Flower itself compares as many as are sent.
if PAIRS:
    limit_guesses(BaseHandler, [(user, password) for user, _, password in (pair.partition(":") for pair in PAIRS)])

# A request must be whole within ten seconds, and there are at most 400 connections. Tornado waits an hour for the rest
# of a request, and a thousand halves of requests take all its files.
bound_connections()

# Loopback unless set otherwise (FLOWER_ADDRESS=0.0.0.0 in a container, behind a proxy with TLS).
address = options.address or "127.0.0.1"

# In the order of the story: which step of which job, how it stands, how often it was tried again. One retrying poll
# task a job is what there is to see here; its arguments are the job's id.
tasks_columns = "name,args,state,retries,runtime,received,worker,uuid"

# Tasks in memory, about 5 kB each (measured): the last 2,500 jobs of four steps, in some 50 MB. Older ones go.
max_tasks = 10_000

# Workers in memory: those of two deployments of the largest installation.
max_workers = 200

# Nothing is kept on disk, and no result is asked for: the ledger has them.
persistent = False

# Buttons that change things are off: a job is cancelled in the ledger, and revoking its task only delays it by one
# rescue. FLOWER_READ_ONLY=false brings them back, to stop a worker from the browser.
read_only = os.environ.get("FLOWER_READ_ONLY", "true").lower() not in {"0", "false", "no", "off"}

# Seconds: workers come and go with every deployment, and a list of the dead hides the living.
purge_offline_workers = 600
