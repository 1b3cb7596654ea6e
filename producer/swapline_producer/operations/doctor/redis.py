"""Redis as a database: what a cache may do it must not."""

from __future__ import annotations

import re
import secrets
import time
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import AuthenticationError, AuthorizationError, RedisError

from swapline_producer.ledger.primary import WrongServer
from swapline_producer.operations.doctor.findings import Finding, fail, ok, unchecked, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

OLDEST = (6, 2)
"""It has all our commands (ZRANGE … BYSCORE, SET … GET)."""

PINGS = 20
"""Enough for a median that one slow answer does not move."""

SLOW, TOO_SLOW = 5.0, 50.0
"""Milliseconds of a round trip: a job makes fifteen."""

TIGHT, FULL = 0.8, 0.95
"""Shares of the memory: a warning, a failure."""

MEGABYTE = 1024 * 1024
A_JOB = 1_350
"""Bytes of a waiting job (measured)."""

NO_EVICTION = "noeviction"
MUST_BE_PRIMARY = "this is a replica and takes no writes: SWAPLINE_REDIS_URL must name the primary"


def examine(client: redis.Redis, prefix: str) -> Iterator[Finding]:
    """Examine the server; without an answer there is one finding."""
    try:
        info = client.info()
    except (RedisError, OSError) as error:
        yield _unreachable(error)
        return
    yield _server(info)
    yield _persistence(info, _setting(client, "appendfsync"))
    yield _eviction(info, _setting(client, "maxmemory-policy"))
    yield _memory(info)
    yield _latency(client)
    yield _writes(client, prefix)


def _unreachable(error: Exception) -> Finding:
    if isinstance(error, WrongServer):
        return fail("redis", str(error), MUST_BE_PRIMARY)
    words = re.sub(r"//[^@/\s]*@", "//", str(error))
    if isinstance(error, AuthenticationError | AuthorizationError) or "NOAUTH" in words or "WRONGPASS" in words:
        return fail("redis", f"it refuses us: {words}", "check the user and password in SWAPLINE_REDIS_URL")
    return fail(
        "redis",
        f"it cannot be reached ({type(error).__name__}: {words})",
        "start it, or correct SWAPLINE_REDIS_URL; jobs and pictures wait, nothing is lost meanwhile",
    )


def _setting(client: redis.Redis, name: str) -> str | None:
    """Return a setting; None where the server forbids CONFIG, as hosted ones do."""
    try:
        return cast("dict[str, str]", client.config_get(name)).get(name)
    except RedisError:
        return None


def _server(info: dict[str, Any]) -> Finding:
    valkey = "valkey_version" in info
    name, version = ("Valkey", info["valkey_version"]) if valkey else ("Redis", info.get("redis_version", "0"))
    found = f"{name} {version}, {info.get('redis_mode', 'standalone')}, {info.get('role', 'master')}"
    if tuple(int(part) for part in re.findall(r"\d+", str(info.get("redis_version", "0")))[:2]) < OLDEST:
        return fail("redis", found, "update it: Redis or Valkey 6.2 is the oldest that works")
    if info.get("role") == "slave":
        return fail("redis", found, MUST_BE_PRIMARY)
    if info.get("cluster_enabled"):
        return fail("redis", found, "moves touch keys of several slots: use a server that is no cluster")
    return ok("redis", found)


def _persistence(info: dict[str, Any], fsync: str | None) -> Finding:
    name, conf = "redis persistence", "ops/redis/valkey.conf says why"
    for part, what in (
        ("aof_last_write_status", "writing the append-only file"),
        ("aof_last_bgrewrite_status", "rewriting it"),
    ):
        if info.get(part, "ok") != "ok":
            return fail(name, f"{what} failed last time", "look at the server's log and disk: it may be full")
    if not info.get("aof_enabled"):
        snapshots = "snapshots only" if info.get("rdb_last_save_time") else "nothing"
        return fail(
            name,
            f"appendonly is off: {snapshots} on the disk, so a restart loses jobs and forgets what was paid",
            f"CONFIG SET appendonly yes, and appendfsync always ({conf})",
        )
    if fsync is None:
        return warn(name, "appendonly is on; the server does not tell appendfsync", f"see that it is always ({conf})")
    if fsync != "always":
        lost = "the last second or two" if fsync == "everysec" else "whatever the system had not written yet"
        return warn(name, f"appendonly yes, appendfsync {fsync}: a crash loses {lost}", f"appendfsync always ({conf})")
    return ok(name, "appendonly yes, appendfsync always")


def _eviction(info: dict[str, Any], policy: str | None) -> Finding:
    policy = policy or cast("str | None", info.get("maxmemory_policy"))
    if policy is None:
        return unchecked("redis eviction", "the server does not tell maxmemory-policy", "see that it is noeviction")
    if policy != NO_EVICTION:
        return fail(
            "redis eviction",
            f"maxmemory-policy is {policy}: when memory is short it deletes jobs without a word",
            "CONFIG SET maxmemory-policy noeviction, and in the server's configuration",
        )
    return ok("redis eviction", "maxmemory-policy noeviction: what does not fit is refused, and told")


def _memory(info: dict[str, Any]) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    of_machine = not limit
    limit = limit or int(info.get("total_system_memory", 0))
    if not limit:
        return ok("redis memory", f"{used / MEGABYTE:,.0f} MB used; the server tells no limit")
    room = max(0, limit - used) // A_JOB
    whose = "of the machine's" if of_machine else "of"
    found = f"{used / MEGABYTE:,.0f} MB {whose} {limit / MEGABYTE:,.0f} MB used: room for {room:,} more waiting jobs"
    advice = "give it more memory (maxmemory), or shorten SWAPLINE_JOB_TTL; `swapline slots` shows what waits"
    if used > FULL * limit:
        return fail("redis memory", found, advice)
    return warn("redis memory", found, advice) if used > TIGHT * limit else ok("redis memory", found)


def _latency(client: redis.Redis) -> Finding:
    took = []
    for _ in range(PINGS):
        began = time.perf_counter()
        client.ping()
        took.append((time.perf_counter() - began) * 1000)
    middle, longest = median(took), max(took)
    found = f"{middle:.2f} ms a round trip (longest of {PINGS}: {longest:.1f} ms)"
    advice = "bring workers and Redis closer together, or see what keeps it busy (SLOWLOG GET)"
    if middle > TOO_SLOW:
        return fail("redis latency", found, advice)
    return warn("redis latency", found, advice) if middle > SLOW else ok("redis latency", found)


def _writes(client: redis.Redis, prefix: str) -> Finding:
    name, value = f"{prefix}:doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        client.set(name, value, px=60_000)  # a minute: what remains after a cut connection expires
        back = client.get(name)
        client.delete(name)
    except RedisError as error:
        return fail("redis writes", f"it refuses to write: {error}", "jobs wait until it writes again; see its log")
    if back != value:
        return fail("redis writes", "what was written is not what was read", "look for a proxy between us and it")
    return ok("redis writes", "a key was written, read and deleted")
