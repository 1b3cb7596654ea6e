"""Each remote command, worker option and signal of Celery does what the table in docs/celery.md says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import signals
from celery.bin.worker import worker as worker_command
from celery.utils.dispatch import Signal
from celery.worker.control import Panel

from support.celery.apps import answer, celery_of
from support.celery.observed_apps import BROKEN_NOTIFY, seen, write_app
from support.celery.table import COMMANDS, EVERY_POOL, OPTIONS, SIGNALS
from support.jobs.factories import PHOTOGRAPH
from support.programs.installation import CELERY, SECRET, Installation, Receiver
from support.programs.processes import run, start
from support.redis.fixtures import waited_for
from swapline_producer import ProducerSettings, SwapRequest
from swapline_producer.contract import Step, StepMessage
from swapline_producer.messaging.celery_message import as_dict
from swapline_workers.celery_app import build_app
from swapline_workers.dispatch import worker as worker_module

if TYPE_CHECKING:
    from pathlib import Path

NO_ANSWER = {"election", "heartbeat", "hello", "shutdown"}
"""Commands whose answer is empty, or that end the worker."""


def test_every_command_option_and_signal_is_in_the_table() -> None:
    assert list(COMMANDS) == sorted(Panel.meta)
    options = {max(param.opts, key=len) for param in worker_command.params}
    assert list(OPTIONS) == sorted(options - {"--discard"} | {"--purge"})  # one option with two names
    assert list(SIGNALS) == sorted(name for name, found in vars(signals).items() if isinstance(found, Signal))


@pytest.mark.usefixtures("both_ways")
def test_every_command_answers_as_the_table_says_and_tells_no_secret(installation: Installation) -> None:
    secrets = (installation.vendor.config.key, SECRET, "s3cret-of-the-server")
    admin = redis.Redis.from_url(installation.valkey.url)
    admin.acl_setuser("swapline-test", enabled=True, passwords=["+s3cret-of-the-server"], keys=["*"], channels=["*"],
                      commands=["+@all"])  # fmt: skip
    url = f"redis://swapline-test:s3cret-of-the-server@127.0.0.1:{installation.valkey.port}/0"
    installation.more["SWAPLINE_REDIS_URL"] = url
    with installation.worker() as worker, celery_of(installation) as app:
        for name, command in COMMANDS.items():
            if name in NO_ANSWER:
                continue
            found = answer(app, name, **command.arguments)
            text = json.dumps(found)
            assert [secret for secret in secrets if secret in text] == [], name
            if command.refused:
                assert command.refused in found["error"], name
            else:
                assert "error" not in found or isinstance(found, list), (name, found)
        for name in ("election", "heartbeat", "shutdown"):
            app.control.broadcast(name, arguments=COMMANDS[name].arguments)
        assert worker.child.wait(60) == 0
    assert [secret for secret in secrets if secret in worker.log()] == []
    refused = {name for name, command in COMMANDS.items() if command.refused} - {"objgraph"}
    assert {name for name in refused if f"remote command {name} refused: " not in worker.log()} == set()
    admin.acl_deluser("swapline-test")
    admin.close()


def test_a_pool_of_processes_grows_and_shrinks(installation: Installation) -> None:
    with installation.celery_worker("-P", "prefork", "-c", "1"), celery_of(installation) as app:
        assert answer(app, "pool_grow", n=1) == {"ok": "pool will grow"}
        waited_for(lambda: len(answer(app, "stats")["pool"]["processes"]) == 2)
        assert answer(app, "pool_shrink", n=1) == {"ok": "pool will shrink"}


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--autoscale", "8,2"], "--autoscale does not apply"),
        (["-P", "processes", "--pool-start-method", "spawn"], "children are forked"),
        (["--time-limit", "5"], "SWAPLINE_STATUS_TIMEOUT"),
        (["--soft-time-limit", "5"], "SWAPLINE_STATUS_TIMEOUT"),
    ],
)
def test_a_refused_option_ends_in_a_sentence(installation: Installation, option: list[str], sentence: str) -> None:
    done = run(
        [CELERY, "-A", "swapline_workers.entry", "worker", *option],
        env=installation.environment,
        cwd=installation.store.parent,
    )
    assert (done.returncode, sentence in done.stderr, "Traceback" in done.stderr) == (64, True, False)


@pytest.mark.usefixtures("both_ways")
def test_options_that_work_work_together_and_unused_ones_are_logged(installation: Installation, tmp_path: Path) -> None:
    queues = ",".join(step.queue(installation.prefix) for step in Step)
    pid, state = tmp_path / "worker.pid", tmp_path / "worker.state"
    options = ["-n", "mine@%h", "-S", str(state), "-c", "3", "--prefetch-multiplier", "2", "-E", "-Q", queues]
    options += ["-X", Step.NOTIFY.queue(installation.prefix), "-I", "json", "--without-gossip", "--without-mingle"]
    options += ["--heartbeat-interval", "1", "--pidfile", str(pid), "--disable-prefetch"]
    unused = ["--loglevel", "DEBUG", "--max-tasks-per-child", "5", "--max-memory-per-child", "5000", "-O", "fair"]
    unused += ["--pool-start-method", "spawn"]
    with installation.celery_worker(*options, *unused) as worker, celery_of(installation) as app:
        stats = answer(app, "stats")
        assert (stats["pool"]["max-concurrency"], stats["pid"]) == (3, worker.child.pid)
        read = {queue["name"] for queue in answer(app, "active_queues")}
        assert read == set(queues.split(",")) - {Step.NOTIFY.queue(installation.prefix)}
        assert pid.read_text().strip() == str(worker.child.pid)
    assert list(tmp_path.glob("worker.state*")) != []
    assert "mine@" in worker.log()
    for name in ("--loglevel", "--max-tasks-per-child", "--max-memory-per-child", "-O", "--pool-start-method"):
        assert f"option unused: {name} " in worker.log()


def test_a_log_file_gets_the_lines(installation: Installation, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with (tmp_path / "stderr").open("w") as stderr:
        child = start(
            [str(CELERY), "-A", "swapline_workers.entry", "worker", "--logfile", str(log)],
            env=installation.environment,
            cwd=installation.store.parent,
            stderr=stderr,
        )
    try:
        waited_for(lambda: log.exists() and " ready." in log.read_text())
        assert '"event":"worker_started"' in log.read_text()
    finally:
        child.terminate()
        assert child.wait(60) == 0
    assert "worker_started" not in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_greenlets_are_refused(pool: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Greenlets:
        """A pool of that module."""

    Greenlets.__module__ = f"celery.concurrency.{pool}"
    monkeypatch.setattr(worker_module, "get_implementation", lambda _: Greenlets)
    app = build_app(ProducerSettings(redis_url="redis://localhost:1/0"))
    with pytest.raises(SystemExit):
        app.Worker(pool=pool)
    assert "use -P threads, processes or solo" in capsys.readouterr().err


EVERY_SIGNAL = """
from celery import signals
from celery.utils.dispatch import Signal

def follow(name, signal):
    signal.connect(lambda *_, **__: write(signal=name), weak=False)

for name, signal in list(vars(signals).items()):
    if isinstance(signal, Signal) and name != "setup_logging":
        follow(name, signal)
"""


@pytest.mark.parametrize("pool", ["threads", "processes"])
@pytest.mark.usefixtures("both_ways")
def test_signals_are_sent_as_the_table_says(installation: Installation, receiver: Receiver, pool: str) -> None:
    write_app(installation, EVERY_SIGNAL, BROKEN_NOTIFY)
    installation.vendor.control.change(service_time="fixed:1")
    queue = Step.SUBMIT.queue(installation.prefix)
    message = as_dict(StepMessage(step=Step.SUBMIT, job_id="0" * 32, version=1), queue)
    unknown: dict[str, Any] = {**message, "headers": message["headers"] | {"task": "else"}}
    invalid: dict[str, Any] = {**message, "headers": message["headers"] | {"eta": "never"}}
    with redis.Redis.from_url(installation.valkey.url) as client:
        for each in (unknown, invalid):
            client.lpush(queue, json.dumps(each))
    with installation.celery_worker("-P", pool, "--heartbeat-interval", "1", app="observed"):
        request = SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12, webhook_url=receiver.url)
        producer = installation.producer()
        producer.wait(producer.enqueue(request).job_id, timeout=60)
        waited_for(lambda: {"task_failure", "heartbeat_sent"} <= {one["signal"] for one in seen(installation)})
    sent = {one["signal"] for one in seen(installation)}
    expected = {name for name, what in SIGNALS.items() if what == EVERY_POOL}
    if pool == "processes":
        expected |= {name for name, what in SIGNALS.items() if what == "sent with `-P processes`"}
    assert sent == expected - {"setup_logging"}
