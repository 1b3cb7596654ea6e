"""What each remote command, worker option and signal of Celery 5.7 does with a worker of Swapline.

`test_celery_table.py` and `test_celery_options.py` in `tests/integration/celery` try each. `docs/celery.md` is
drawn from here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

WORKS = "as Celery's"
CANCEL = "refused: steps cannot be revoked; `swapline jobs cancel` cancels a job"
OWN_LIMITS = "refused: each call has its own limit (`SWAPLINE_SUBMIT_TIMEOUT`, `SWAPLINE_STATUS_TIMEOUT`, …)"


class Command(NamedTuple):
    """A remote command, how it is tried, and what it does."""

    arguments: dict[str, Any]
    refused: str = ""
    """Words of the answer where it is refused."""
    what: str = WORKS


COMMANDS = {
    "active": Command({}),
    "active_queues": Command({}),
    "add_consumer": Command({"queue": "else"}),
    "autoscale": Command({"max": 3}, "autoscaling does not apply", "refused: start further workers"),
    "cancel_consumer": Command({"queue": "else"}),
    "clock": Command({}),
    "conf": Command({}, what=f"{WORKS}, without secrets"),
    "disable_events": Command({}),
    "election": Command({"id": "1", "topic": "t"}, what=f"{WORKS}: nothing, as gossip is off with `swapline worker`"),
    "enable_events": Command({}),
    "heartbeat": Command({}),
    "hello": Command({"from_node": "else"}),
    "memdump": Command({}),
    "memsample": Command({}),
    "objgraph": Command({}, "Requires the objgraph library", f"{WORKS}: needs the package `objgraph`"),
    "ping": Command({}),
    "pool_grow": Command({"n": 1}, "only a pool of processes", "threads and solo refuse; `-P processes` as Celery's"),
    "pool_restart": Command({}, "restart the worker", "refused: restart the worker"),
    "pool_shrink": Command({"n": 1}, "only a pool of processes", "threads and solo refuse; `-P processes` as Celery's"),
    "query_task": Command({"ids": ["none"]}),
    "rate_limit": Command(
        {"task_name": "swapline.poll", "rate_limit": "1/s"},
        "SWAPLINE_SUBMIT_RATE",
        "refused: `SWAPLINE_SUBMIT_RATE` and `SWAPLINE_POLL_RATE` count over all workers",
    ),
    "registered": Command({}),
    "report": Command({}, what=f"{WORKS}, without secrets"),
    "reserved": Command({}),
    "revoke": Command({"task_id": "1"}, "swapline jobs cancel", CANCEL),
    "revoke_by_stamped_headers": Command({"headers": {"a": "b"}}, "swapline jobs cancel", CANCEL),
    "revoked": Command({}),
    "scheduled": Command({}, what=f"{WORKS}: empty, all waiting is in the ledger"),
    "shutdown": Command({}, what=f"{WORKS}: stops as SIGTERM does"),
    "stats": Command({}, what=f"{WORKS}, without secrets"),
    "terminate": Command({"signal": "TERM", "task_id": "1"}, "swapline jobs cancel", CANCEL),
    "time_limit": Command({"task_name": "swapline.poll", "hard": 1}, "SWAPLINE_STATUS_TIMEOUT", OWN_LIMITS),
}

ONLY_PROCESSES = "`-P processes` as Celery's; else logged as unused"

OPTIONS = {
    "--autoscale": "refused: start as many workers as you need",
    "--beat": "logged as unused: all waiting is in the ledger",
    "--concurrency": f"{WORKS}; 16 unless set",
    "--detach": WORKS,
    "--disable-prefetch": WORKS,
    "--exclude-queues": WORKS,
    "--executable": WORKS,
    "--gid": WORKS,
    "--heartbeat-interval": WORKS,
    "--hostname": WORKS,
    "--include": WORKS,
    "--logfile": f"{WORKS}, in the form of `SWAPLINE_LOG_FORMAT`",
    "--loglevel": "logged as unused: `SWAPLINE_LOG_LEVEL`",
    "--max-memory-per-child": ONLY_PROCESSES,
    "--max-tasks-per-child": ONLY_PROCESSES,
    "--optimization": ONLY_PROCESSES,
    "--pidfile": WORKS,
    "--pool": "`threads` (the default), `processes` or `prefork`, `solo`; `gevent` and `eventlet` are refused",
    "--pool-start-method": "`-P processes`: `fork`; `spawn` is refused; else logged as unused",
    "--prefetch-multiplier": f"{WORKS}; 1 unless set",
    "--purge": f"{WORKS}: what was purged is sent again by the ledger",
    "--queues": f"{WORKS}: `swapline.submit`, `.poll`, `.finalize`, `.notify`; or `swapline worker --step`",
    "--schedule-filename": "nothing to schedule",
    "--scheduler": "nothing to schedule",
    "--soft-time-limit": OWN_LIMITS,
    "--statedb": f"{WORKS}; revoked ids in it are ignored",
    "--task-events": f"{WORKS}: always on",
    "--time-limit": OWN_LIMITS,
    "--uid": WORKS,
    "--umask": WORKS,
    "--without-gossip": WORKS,
    "--without-heartbeat": WORKS,
    "--without-mingle": WORKS,
}

EVERY_POOL = "sent"
SIGNALS = {
    "after_setup_logger": "not sent: Swapline sets up the log, with `SWAPLINE_LOG_FORMAT` and `SWAPLINE_LOG_LEVEL`",
    "after_setup_task_logger": "not sent, as above",
    "after_task_publish": EVERY_POOL,
    "beat_embedded_init": "not sent: no beat",
    "beat_init": "not sent: no beat",
    "before_task_publish": EVERY_POOL,
    "celeryd_after_setup": EVERY_POOL,
    "celeryd_init": EVERY_POOL,
    "eventlet_pool_apply": "not sent: no eventlet",
    "eventlet_pool_postshutdown": "not sent: no eventlet",
    "eventlet_pool_preshutdown": "not sent: no eventlet",
    "eventlet_pool_started": "not sent: no eventlet",
    "heartbeat_sent": EVERY_POOL,
    "import_modules": EVERY_POOL,
    "setup_logging": EVERY_POOL,
    "task_failure": EVERY_POOL,
    "task_internal_error": "sent as by Celery: on an error in its own tracer",
    "task_postrun": EVERY_POOL,
    "task_prerun": EVERY_POOL,
    "task_received": EVERY_POOL,
    "task_rejected": EVERY_POOL,
    "task_retry": EVERY_POOL,
    "task_revoked": "not sent: steps cannot be revoked",
    "task_sent": "not sent: deprecated by Celery",
    "task_success": EVERY_POOL,
    "task_unknown": EVERY_POOL,
    "user_preload_options": "not sent: there are no options of this kind",
    "worker_before_create_process": "sent with `-P processes`",
    "worker_init": EVERY_POOL,
    "worker_process_init": "sent with `-P processes`",
    "worker_process_shutdown": "sent with `-P processes`",
    "worker_ready": EVERY_POOL,
    "worker_shutdown": EVERY_POOL,
    "worker_shutting_down": EVERY_POOL,
}

PAGE = """# Celery's commands, options and signals

What a worker of Swapline does with each of them, in Celery 5.7; the same with `SWAPLINE_DISPATCH=local` and `=celery`.
Drawn by `make docs`; tests try each: [commands and signals](../tests/integration/celery/test_celery_table.py),
[options](../tests/integration/celery/test_celery_options.py). How to use the tools:
[Celery's own tools](guides/monitoring-celery.md).

## Remote commands (`celery inspect`, `celery control`, Flower)

| command | what it does |
|---|---|
{commands}

## Options of `celery worker`

| option | what it does |
|---|---|
{options}

## Signals

| signal | |
|---|---|
{signals}
"""


def page() -> str:
    """Draw docs/celery.md."""
    return PAGE.format(
        commands=_rows({name: command.what for name, command in COMMANDS.items()}),
        options=_rows(OPTIONS),
        signals=_rows(SIGNALS),
    )


def _rows(table: dict[str, str]) -> str:
    return "\n".join(f"| `{name}` | {what} |" for name, what in table.items())
