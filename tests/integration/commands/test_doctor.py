"""`swapline doctor` on a real installation, well and with one thing broken at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from pydantic import SecretStr

from support.http.raw_server import Caller, RawServer
from support.programs.debian import needs
from support.programs.installation import SECRET
from support.redis.fixtures import Time, new_job, waited_for
from swapline_producer.contract import State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_producer.ledger import Ledger
from swapline_producer.ledger.accounts.registry import Vendor
from swapline_producer.operations.doctor import Finding, Verdict
from swapline_producer.operations.doctor import ledger as of_ledger
from swapline_producer.operations.doctor import redis as of_redis
from swapline_producer.operations.doctor import storage as of_storage
from swapline_producer.storage import open_storage
from swapline_workers.doctor import flower, vendor
from swapline_workers.doctor.steps import steps
from swapline_workers.local.ports import free_port
from swapline_workers.local.valkey.server import EmbeddedValkey
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.programs.installation import Installation
    from swapline_simulator import Simulator


def lines(findings: Iterable[Finding]) -> dict[str, Finding]:
    found = {finding.name: finding for finding in findings}
    assert [finding for finding in found.values() if finding.verdict == "fail" and not finding.advice] == []
    return found


def checks(installation: Installation, *arguments: str, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = installation.cli("doctor", "--json", *arguments, **more)
    assert done.stderr == ""
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_a_well_installation_passes_spends_nothing_and_leaves_nothing(installation: Installation) -> None:
    with EmbeddedValkey(installation.store.parent / "valkey") as server:
        installation.valkey = server
        with installation.worker():
            code, found = checks(installation)
        assert [check for check in found.values() if check["verdict"] not in {"ok", "unchecked"}] == []
        assert {name for name, check in found.items() if check["verdict"] == "unchecked"} <= {"flower"}
        assert "belongs to the simulated vendor at http" in found["account"]["found"]
        assert {"redis", "redis eviction", "storage", "vendor", "clock", "workers", "steps"} <= set(found)
        with closing(redis.Redis.from_url(server.url, decode_responses=True)) as client:
            assert [key for key in client.scan_iter() if "doctor" in key] == []
    assert code == 0
    assert installation.vendor.control.report(jobs=False).credits_spent == 0
    assert installation.vendor.control.report(jobs=False).submissions == 0
    assert [path for path in installation.store.rglob("*") if path.is_file() and path.name != "owner.json"] == []


def test_without_workers_it_fails_and_says_what_to_start(installation: Installation) -> None:
    code, found = checks(installation)
    assert (code, found["workers"]["verdict"], found["steps"]["verdict"]) == (1, "fail", "fail")
    assert "swapline worker" in found["workers"]["advice"]


def test_a_step_that_nobody_works_on_is_named(installation: Installation) -> None:
    with installation.worker("--step", "submit", "--step", "poll"):
        settings = WorkerSettings.model_validate(
            {name.removeprefix("SWAPLINE_").lower(): value for name, value in installation.environment.items()}
        )
        found = lines(steps(settings))
    assert found["steps"].verdict is Verdict.FAIL
    assert "no worker for finalize, notify" in found["steps"].found
    assert "--step finalize --step notify" in found["steps"].advice


def test_a_setting_that_is_missing_wrong_or_misspelt_is_named(installation: Installation) -> None:
    wrong = {"SWAPLINE_API_KEY": "", "SWAPLINE_API_KYE": "x", "SWAPLINE_WEBHOOK_SECRETS": "short"}
    code, found = checks(installation, **wrong)
    assert code == 1
    printed = installation.cli("doctor", **wrong).stdout
    assert [
        printed.count(words) for words in ("SWAPLINE_API_KEY is missing", "each secret must begin with whsec_")
    ] == [
        1,
        1,
    ]
    assert {found[name]["verdict"] for name in ("account", "vendor", "steps")} == {"unchecked"}
    assert (found["settings"]["verdict"], "did you mean SWAPLINE_API_KEY?" in found["settings"]["advice"]) == (
        "warn",
        True,
    )
    assert found["redis"]["verdict"] == "ok"  # the others are examined all the same


def test_people_read_a_line_each_with_what_to_do_and_no_secret(installation: Installation) -> None:
    done = installation.cli("doctor", SWAPLINE_API_KEY="a-wrong-key-of-mine")
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAIL vendor" in done.stdout
    assert "-> check SWAPLINE_API_KEY" in done.stdout
    assert [word for word in ("a-wrong-key-of-mine", SECRET, "Traceback") if word in done.stdout] == []


def test_the_settings_of_another_vendor_are_named(installation: Installation) -> None:
    installation.producer().ledger.workers.join(Vendor("https://vendor.example", simulated=False))
    code, found = checks(installation)
    assert (code, found["account"]["verdict"]) == (1, "fail")
    assert "customers would get the simulator's pictures" in found["account"]["found"]


# -- Redis ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[redis.Redis]:
    """A real Redis, as Debian has it: with the settings of a cache."""
    port = free_port()
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as child:
        try:
            with redis.Redis(port=port, decode_responses=True) as client:
                waited_for(lambda: answers(client))
                yield client
        finally:
            child.kill()  # its data are of no use


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@needs("redis-server", "redis-server")
def test_a_redis_set_up_as_a_cache_is_reported_with_what_it_would_lose(server: redis.Redis) -> None:
    server.config_set("maxmemory-policy", "allkeys-lru")
    found = lines(of_redis.examine(server, "t"))
    assert (found["redis persistence"].verdict, found["redis eviction"].verdict) == ("fail", "fail")
    assert "allkeys-lru: when memory is short it deletes jobs" in found["redis eviction"].found
    for name, value in (("appendonly", "yes"), ("appendfsync", "everysec"), ("maxmemory-policy", "noeviction")):
        server.config_set(name, value)
    found = lines(of_redis.examine(server, "t"))
    assert (found["redis persistence"].verdict, found["redis eviction"].verdict) == ("warn", "ok")
    server.config_set("appendfsync", "always")
    assert {finding.verdict for finding in of_redis.examine(server, "t")} <= {"ok", "warn"}


@needs("redis-server", "redis-server")
def test_a_redis_that_is_full_or_refuses_to_write_fails(server: redis.Redis) -> None:
    server.config_set("maxmemory-policy", "noeviction")
    server.config_set("maxmemory", 1)
    found = lines(of_redis.examine(server, "t"))
    assert (found["redis memory"].verdict, found["redis writes"].verdict) == ("fail", "fail")
    server.config_set("maxmemory", 0)
    server.replicaof("127.0.0.1", "1")
    found = lines(of_redis.examine(server, "t"))
    assert (found["redis"].verdict, found["redis writes"].verdict) == ("fail", "fail")
    assert "SWAPLINE_REDIS_URL must name the primary" in found["redis"].advice


@needs("redis-server", "redis-server")
def test_a_server_that_does_not_tell_its_settings_is_asked_in_another_way(server: redis.Redis) -> None:
    server.acl_setuser("hosted", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    kwargs = server.connection_pool.connection_kwargs
    with closing(redis.Redis(port=kwargs["port"], username="hosted", decode_responses=True)) as hosted:
        found = lines(of_redis.examine(hosted, "t"))
    assert found["redis eviction"].verdict == "ok"
    assert found["redis writes"].verdict == "ok"


def test_a_redis_that_is_not_there_or_refuses_us_is_one_line_and_the_rest_is_unchecked(
    installation: Installation,
) -> None:
    host = installation.valkey.url.rpartition("@")[2]
    for url, words in (
        ("redis://:secret@127.0.0.1:1/0", "cannot be reached"),
        (f"redis://:wrong@{host}", "refuses us"),
    ):
        code, found = checks(installation, SWAPLINE_REDIS_URL=url)
        assert (code, found["redis"]["verdict"], found["clock"]["verdict"]) == (1, "fail", "unchecked")
        assert words in found["redis"]["found"]
        assert "secret" not in found["redis"]["found"]
        assert found["storage"]["verdict"] == "ok"


# -- the ledger -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "verdict"), [(0.0, "ok"), (-3.0, "warn"), (120.0, "fail")])
def test_a_clock_that_is_off_is_reported(valkey: EmbeddedValkey, prefix: str, off: float, verdict: str) -> None:
    with closing(redis.Redis.from_url(valkey.url, decode_responses=True)) as client:
        ledger = Ledger(client, prefix)
        [finding] = of_ledger.clock(ledger, now=lambda: ledger.now() / 1000 + off)
    assert finding.verdict == verdict
    assert off == 0.0 or ("behind" in finding.found) == (off < 0)


def test_a_worker_that_fell_silent_is_distinguished_from_one_that_works(ledger: Ledger, time: Time) -> None:
    ledger.transitions.claim({}, dispatcher="a")
    assert lines(of_ledger.workers(ledger))["workers"].verdict == "ok"
    time.pass_(30)
    assert "30 s ago" in lines(of_ledger.workers(ledger))["workers"].found
    time.pass_(60)
    assert lines(of_ledger.workers(ledger))["workers"].verdict == "fail"


def test_a_line_that_stands_still_reports_why(ledger: Ledger, time: Time) -> None:
    ledger.intake.accept(new_job("j"))
    ledger.transitions.line_up(ledger.jobs.get("j"))
    trip = BreakerTrip(reason="the vendor refuses the key", wait=60)
    change = Change(to=State.QUEUED, trip=trip, in_line=True, due_by="queue_until")
    assert isinstance(ledger.transitions.advance(ledger.jobs.get("j"), change), Advanced)
    ledger.client.hset(f"{ledger.prefix}:breaker", "closed_until", 2**52)  # the view asks the server's own clock
    found = lines(of_ledger.jobs(ledger))
    assert (found["line"].verdict, "the vendor refuses the key" in found["line"].found) == ("fail", True)
    time.pass_(300)
    assert lines(of_ledger.jobs(ledger))["due"].verdict == "fail"


# -- storage ----------------------------------------------------------------------------------------------------


def empty_reply(answer: bytes) -> bytes:
    return b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_store_that_may_only_be_read_fails_at_the_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inputs").write_text("in the way")  # that stops root as well
    [finding] = of_storage.examine(tmp_path.as_uri(), open_storage)
    assert (finding.verdict, "it cannot write" in finding.found) == ("fail", True)

    def bucket(caller: Caller) -> None:
        request = caller.read_request()
        caller.send(empty_reply(b"403 Forbidden" if request.startswith(b"PUT") else b"200 OK"))

    with RawServer(bucket) as server:
        for name, value in (("ENDPOINT_URL", f"http://127.0.0.1:{server.port}"), ("REGION", "us-east-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            monkeypatch.setenv(f"AWS_{name}", "test")
        [finding] = of_storage.examine("s3://faces", lambda url: open_storage(url, timeout=3))
    assert (finding.verdict, "it cannot write" in finding.found) == ("fail", True)


def test_a_store_that_is_not_set_is_not_checked() -> None:
    [finding] = of_storage.examine(None, open_storage)
    assert (finding.verdict, "only jobs whose pictures are all URLs" in finding.advice) == ("unchecked", True)


# -- the vendor -------------------------------------------------------------------------------------------------


def asked(url: str, key: str = "sim-key", header: str = "X-API-Key") -> Finding:
    settings = WorkerSettings(
        storage_url="file:///nowhere", api_base_url=url, api_key=SecretStr(key), api_key_header=header
    )
    [finding] = vendor.examine(settings, 3)
    assert key not in finding.found + finding.advice or key == "sim-key"
    return finding


def test_the_key_the_header_and_the_path_are_seen_without_a_credit(request: pytest.FixtureRequest) -> None:
    simulator: Simulator = request.getfixturevalue("vendor")
    url = simulator.url
    assert asked(url).verdict == "ok"
    assert "the key is refused" in asked(url, key="not-the-key").found
    assert asked(url, header="Authorization").verdict == "fail"
    assert asked(f"{url}/v6").verdict == "fail"
    assert "could not be reached" in asked(f"http://127.0.0.1:{free_port()}").found
    report = simulator.control.report(jobs=False)
    assert (report.submissions, report.credits_spent) == (0, 0)


REPLIES = {
    "a web page": (b"200 OK", b"<!doctype html><title>Welcome</title>", "fail", "web page"),
    "a web page that is not there": (b"404 Not Found", b"<html>nginx</html>", "fail", "web page"),
    "the same words everywhere": (b"404 Not Found", b"404: Not Found", "fail", "an address that cannot exist"),
    "moved": (b"301 Moved Permanently", b"", "fail", "not answered as a status"),
    "only GET": (b"405 Method Not Allowed", b"{}", "fail", "not answered as a status"),
    "no credits": (b"402 Payment Required", b"{}", "fail", "out of credits"),
    "too fast": (b"429 Too Many Requests", b"{}", "warn", "too fast"),
    "ill": (b"502 Bad Gateway", b"{}", "warn", "not well"),
    "the key may not": (b"403 Forbidden", b"{}", "fail", "the key is refused"),
}


@pytest.mark.parametrize("name", REPLIES)
def test_what_a_vendor_answers_is_read_for_what_it_says(name: str) -> None:
    status, body, verdict, words = REPLIES[name]

    def answering(caller: Caller) -> None:
        assert b"/run/" not in caller.read_request()
        caller.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))

    with RawServer(answering) as server:
        finding = asked(server.url)
    assert (finding.verdict, words in finding.found) == (verdict, True), finding


def test_a_vendor_that_takes_any_key_is_not_reported_to_have_taken_ours() -> None:
    def lax(caller: Caller) -> None:
        request = caller.read_request()
        known = b"/swapline-doctor-" not in request.split(b" ")[1].split(b"/v6/")[0]
        body = b'{"error": "no such job"}' if known else b'{"error": "no such page"}'
        caller.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))

    with RawServer(lax) as server:
        finding = asked(server.url)
    assert (finding.verdict, "whatever the key" in finding.found) == ("warn", True)


# -- Flower, and what is installed ------------------------------------------------------------------------------


def test_a_flower_that_was_named_must_answer() -> None:
    stopped = f"http://127.0.0.1:{free_port()}"
    assert lines(flower.examine(stopped, None))["flower"].verdict == "fail"
    assert lines(flower.examine(None, stopped))["flower"].verdict == "fail"

    def other(caller: Caller) -> None:
        caller.read_request()
        caller.send(empty_reply(b"200 OK"))

    with RawServer(other) as server:
        finding = lines(flower.examine(server.url, None))["flower"]
    assert (finding.verdict, "as no Flower does" in finding.found) == ("fail", True)


def test_a_producer_alone_checks_what_it_can_and_says_what_it_cannot(installation: Installation) -> None:
    """A copy of the producer's package, in a process that cannot see the others."""
    alone = installation.store.parent / "site"
    source = Path(of_redis.__file__).parents[2]
    shutil.copytree(source, alone / "swapline_producer")
    script = (
        "import importlib.metadata as m, sys; real = m.entry_points;"
        "sys.modules['swapline_workers'] = None;"
        "m.entry_points = lambda **k: [p for p in real(**k) if not p.value.startswith('swapline_workers')];"
        f"sys.path.insert(0, {str(alone)!r}); sys.argv = ['swapline', 'doctor', '--json'];"
        "from swapline_producer.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=alone,
    )
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert {name for name, check in found.items() if check["verdict"] == "unchecked"} == {
        "account",
        "vendor",
        "webhook secrets",  # no worker runs that could be asked
        "workers' store",
        "steps",
        "flower",
    }
    assert "swapline-workers is not installed here" in found["vendor"]["found"]
    assert (found["redis"]["verdict"], found["storage"]["verdict"]) == ("ok", "ok")
