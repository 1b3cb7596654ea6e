"""ops/redis/users.acl on a real server: everything works with it, and nothing else does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis
import requests

from support.programs.debian import needs
from support.programs.installation import Installation
from support.redis.fixtures import waited_for
from support.redis.processes import MEMORY_ONLY, RealServer, running
from support.services.boards import board
from swapline_producer import ProducerSettings, SwapRequest
from swapline_producer.ledger import open_ledger
from swapline_workers.cli import FLOWER_CONFIG
from swapline_workers.local.ports import LOOPBACK, free_port
from swapline_workers.local.ready import login_works
from swapline_workers.local.supervision.child import Child, Program

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Receiver
    from swapline_simulator import Simulator

pytestmark = needs("redis-server", "redis-server")

ROOT = Path(__file__).parents[3]
USERS = ROOT / "ops" / "redis" / "users.acl"
CELERY = (sys.executable, "-m", "celery", "-A", "swapline_workers.entry")
LINK = "https://pictures.example/me.jpg"


def password(user: str) -> str:
    return f"{user.removeprefix('swapline-')}-password"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RealServer]:
    """A server with the users as they are documented: each placeholder a password."""
    folder = tmp_path_factory.mktemp("acl")
    request = re.sub(r"@(\w+)_PASSWORD@", lambda found: password(found[1].lower()), USERS.read_text())
    (folder / "users.acl").write_text(request)
    lines = (*MEMORY_ONLY, f"aclfile {folder / 'users.acl'}")
    with running(RealServer(folder / "redis", lines, user="admin", password=password("admin"))) as built:
        yield built


def url_of(server: RealServer, user: str) -> str:
    return server.url_for(user, password(user))


class WorkerServices(Installation):
    """An installation in which everybody has a user of his own."""

    def as_user(self, user: str) -> dict[str, str]:
        return self.environment | {"SWAPLINE_REDIS_URL": url_of(cast("Any", self.valkey), user)}


@pytest.fixture
def services(server: RealServer, tmp_path: Path, vendor: Simulator, receiver: Receiver) -> WorkerServices:
    store = tmp_path / "store"
    store.mkdir()
    more = {"SWAPLINE_REDIS_URL": url_of(server, "swapline-worker"), "SWAPLINE_REDIS_REPLICAS": "0"}
    return WorkerServices(cast("Any", server), "swapline", store, vendor, receiver, more=more)


@pytest.fixture
def flower(services: WorkerServices, tmp_path: Path) -> Generator[str]:
    port = free_port()
    child = Child(
        Program(
            name="flower",
            argv=(*CELERY, "flower", f"--conf={FLOWER_CONFIG}", f"--port={port}"),
            env=services.as_user("swapline-flower") | {"FLOWER_BASIC_AUTH": "me:right"},
            cwd=tmp_path,
            log=tmp_path / "flower.log",
            ready=login_works(f"http://{LOOPBACK}:{port}/workers", user="me", password="right"),
        ),
    )
    child.start()
    yield f"http://{LOOPBACK}:{port}"
    child.stop()


def celery(services: WorkerServices, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CELERY, *arguments],
        env=services.as_user("swapline-worker"),
        cwd=services.store.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusals(server: RealServer) -> list[dict[str, object]]:
    with server.client() as admin:
        return [{name: line[name] for name in ("username", "reason", "object", "context")} for line in admin.acl_log()]


def shown(flower: str, job_id: str) -> bool:
    tasks = requests.get(f"{flower}/api/tasks", auth=("me", "right"), timeout=30).json()
    return any(job_id in task for task in tasks)


def test_an_installation_lives_with_these_users_and_none_is_refused_anything(
    services: WorkerServices, server: RealServer, flower: str
) -> None:
    settings = ProducerSettings(
        redis_url=url_of(server, "swapline-producer"),
        key_prefix="swapline",
        webhook_allow_private=True,  # http to loopback
    )
    producer = type(services.producer()).connect(settings)
    with services.worker() as worker:
        request = SwapRequest(
            image=LINK, gender=0, filter_id=1, webhook_url=services.receiver.url, idempotency_key="k", batch="b"
        )
        first = producer.enqueue(request).job_id
        assert producer.enqueue(request).job_id == first
        many = [result.job_id for result in producer.enqueue_many([{"image": LINK, "gender": 0, "filter_id": 2}] * 4)]
        producer.cancel(cast("str", many[-1]))
        assert producer.wait(first, timeout=60).state.value == "SUCCEEDED"
        producer.wait_many(cast("list[str]", many), timeout=60)
        assert producer.events(first)
        services.receiver.next()
        producer.ledger.limits.set_slots(4)
        producer.ledger.limits.set_credits("default", 1000)
        assert producer.ledger.limits.slots().limit == 4
        assert producer.ledger.limits.credits().spent
        for arguments in (("webhooks", "list"), ("jobs", "purge", "--job", str(many[0]), "--yes")):
            done = services.cli(*arguments)  # people are workers at the command line
            assert done.returncode == 0, done.stderr
        assert "OK" in celery(services, "inspect", "active").stdout
        waited_for(lambda: shown(flower, first) or refusals(server) != [])
        for page in ("/broker", "/api/queues/length", "/api/workers?refresh=1"):
            assert requests.get(flower + page, auth=("me", "right"), timeout=30).ok
        viewer = open_ledger(ProducerSettings(redis_url=url_of(server, "swapline-viewer"), key_prefix="swapline"))
        assert viewer.stats.census()
        assert viewer.stats.counters()["accepted"] == 5
        assert viewer.stats.snapshot()
        assert viewer.limits.slots().limit
        assert viewer.jobs.get(first).job_id == first
        assert viewer.jobs.next_inputs(3) == []
        assert worker.stop() == 0
    assert refusals(server) == []


def test_a_board_that_may_only_read_says_so_to_who_decides(server: RealServer, tmp_path: Path) -> None:
    settings = {"SWAPLINE_REDIS_URL": url_of(server, "swapline-viewer"), "SWAPLINE_BOARD_CONSOLE_PASSWORD": "decides"}
    with board(tmp_path, **settings) as url, requests.Session() as person:
        person.auth = ("swapline", "decides")
        [token, *_] = re.findall(r'name="token" value="(\w+)"', person.get(url, timeout=30).text)
        form = {"token": token, "number": "9"}
        refused = person.post(f"{url}/slots", data=form, headers={"Origin": url}, timeout=30)
    assert (refused.status_code, "user of Redis may only read" in refused.text) == (403, True)


FORBIDDEN: list[tuple[object, ...]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "GET", "*"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("SHUTDOWN",),
    ("ACL", "LIST"),
    ("REPLICAOF", "NO", "ONE"),
    ("MONITOR",),
    ("CLIENT", "LIST"),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "FLUSH"),
    ("GET", "somebody-elses"),
    ("SET", "somebody-elses", "1"),
    ("PUBLISH", "somebody-elses", "1"),
]


@pytest.mark.parametrize("user", ["swapline-worker", "swapline-producer", "swapline-flower", "swapline-viewer"])
def test_a_user_is_refused_what_it_does_not_need(server: RealServer, user: str) -> None:
    allowed = []
    with server.client(username=user, password=password(user)) as client:
        for command in FORBIDDEN:
            try:
                client.execute_command(*command)
            except redis.exceptions.NoPermissionError:
                continue
            allowed.append(command)
    assert allowed == []


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("swapline-producer", ("BRPOP", "swapline.submit", "1")),
        ("swapline-producer", ("HGETALL", "swapline.unacked")),
        ("swapline-flower", ("HGETALL", "swapline:job:x")),
        ("swapline-flower", ("HSET", "swapline:limits", "slots", "9")),
        ("swapline-viewer", ("HSET", "swapline:limits", "slots", "9")),
        ("swapline-viewer", ("PUBLISH", "swapline:done:x", "1")),
        ("default", ("PING",)),
    ],
)
def test_a_user_is_refused_what_others_may(server: RealServer, user: str, command: tuple[str, ...]) -> None:
    with (
        server.client(username=user, password=password(user)) as client,
        pytest.raises((redis.exceptions.NoPermissionError, redis.exceptions.AuthenticationError)),
    ):
        client.execute_command(*command)


def test_a_script_is_refused_what_its_caller_is(server: RealServer) -> None:
    viewer = open_ledger(ProducerSettings(redis_url=url_of(server, "swapline-viewer"), key_prefix="swapline"))
    with pytest.raises(Exception, match="ACL"):
        viewer.transitions.claim({})


@pytest.mark.parametrize("user", ["swapline-worker", "swapline-producer"])
def test_every_command_in_our_scripts_is_allowed_to_those_who_run_them(user: str) -> None:
    lua = resources.files("swapline_producer") / "ledger" / "lua"
    called = {
        command.lower()
        for folder in lua.iterdir()
        for file in folder.iterdir()
        for command in re.findall(r"redis\.call\('(\w+)'", file.read_text())
    }
    line = next(line for line in USERS.read_text().splitlines() if line.startswith(f"user {user} "))
    allowed = set(re.findall(r"\+(\S+)", line))
    assert called - allowed == set(), "a script calls what ops/redis/users.acl does not allow: add it there"


def test_a_refusal_is_one_sentence_that_names_the_file(services: WorkerServices, server: RealServer) -> None:
    done = services.cli("slots", "set", "3", SWAPLINE_REDIS_URL=url_of(server, "swapline-viewer"))
    assert done.returncode == 1
    assert "ops/redis/users.acl" in done.stderr
    assert json.dumps(password("swapline-viewer"))[1:-1] not in done.stderr
