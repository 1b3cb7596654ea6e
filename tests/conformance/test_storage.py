"""Every store keeps the same promises: memory, a folder, and S3 over real HTTP."""

from __future__ import annotations

import hashlib
import http.client
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from obstore.store import S3Store

from support.http.raw_server import Caller, RawServer, free_port, reply, unreachable_port
from support.stores.s3 import S3Server
from swapline_producer.errors import ObjectMissing, StorageError, StorageUnavailable
from swapline_producer.storage import Storage, open_storage
from swapline_producer.storage.cloud_client import Clients
from swapline_producer.storage.odd_keys import ENDPOINTS, Where
from swapline_producer.testing import memory_storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BIG = bytes(range(256)) * 8192  # 2 MiB, the size of a small result
ODD_KEYS = ["a b/ü", "plus+and%2Fpercent", "what?#is=this&that", "..two/dots..", "'quotes\"", "日本/語.png"]


def s3_environment(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Point this process at an S3 server on this host, and at nothing else."""
    S3Server(f"http://127.0.0.1:{port}", "key", "not-very-secret").enter(monkeypatch)


def fetch(url: str) -> tuple[int, bytes, str | None]:
    """Read a signed URL of the S3 server without credentials; return status, body and content type."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(parts.netloc, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        return response.status, response.read(), response.getheader("Content-Type")
    finally:
        connection.close()


SERVERS = ["s3_server", "compose_s3_server"]
"""moto, or the real server that was asked for; and the one of docker-compose.yml."""


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    server.enter(monkeypatch)
    return server.new_bucket()


@pytest.fixture
def s3(bucket: str) -> Storage:
    return open_storage(f"s3://{bucket}/some/prefix", timeout=20)


@pytest.fixture(params=["memory", "file", *SERVERS])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param == "memory":
        return memory_storage()
    if request.param == "file":
        return open_storage((tmp_path / "store").as_uri())
    server: S3Server = request.getfixturevalue(request.param)
    server.enter(monkeypatch)
    return open_storage(f"s3://{server.new_bucket()}/some/prefix", timeout=20)


HEEDING = pytest.mark.parametrize("storage", ["memory", "file", "s3_server"], indirect=True)
"""The stores that know conditional writes; compose's passes over the condition."""


def keys(storage: Storage, prefix: str = "") -> set[str]:
    return {found.key for found in storage.list(prefix)}


@pytest.mark.parametrize("data", [b"", b"x", BIG], ids=["empty", "one", "2MiB"])
def test_what_is_read_is_what_was_written(storage: Storage, data: bytes) -> None:
    storage.put("a/b", data, "image/png")
    assert storage.get("a/b") == data
    assert type(storage.get("a/b")) is bytes
    assert storage.head("a/b") == len(data)


def test_a_second_write_replaces_the_first(storage: Storage) -> None:
    storage.put("a", b"first, longer", "text/plain")
    storage.put("a", b"second", "text/plain")
    assert storage.get("a") == b"second"


@HEEDING
def test_what_is_stored_once_is_written_once(storage: Storage) -> None:
    assert storage.put_once("inputs/x", b"one", "text/plain") is True
    assert storage.put_once("inputs/x", b"two", "text/plain") is False
    assert storage.get("inputs/x") == b"one"


@HEEDING
def test_another_size_under_a_name_that_is_stored_once_is_reported(storage: Storage) -> None:
    storage.put("inputs/x", b"cut sho", "text/plain")
    with pytest.raises(StorageUnavailable, match=r"inputs/x in .* already holds something else"):
        storage.put_once("inputs/x", b"cut short", "text/plain")


def store_once_at_once(storage: Storage) -> list[bool]:
    """Have six threads store the same; return each one's result, sorted."""
    together = threading.Barrier(6)

    def write(_: int) -> bool:
        together.wait(10)
        return storage.put_once("inputs/x", BIG, "image/png")

    with ThreadPoolExecutor(6) as pool:
        return sorted(pool.map(write, range(6)))


@HEEDING
def test_of_several_that_store_once_at_once_one_did(storage: Storage) -> None:
    assert store_once_at_once(storage) == [False] * 5 + [True]
    assert storage.get("inputs/x") == BIG


@pytest.mark.parametrize("storage", ["compose_s3_server"], indirect=True)
def test_where_a_server_passes_over_the_condition_the_same_bytes_are_there_all_the_same(storage: Storage) -> None:
    storage.put("inputs/x", BIG[:-1], "image/png")
    assert store_once_at_once(storage)[-1] is True
    assert storage.get("inputs/x") == BIG


def test_an_object_that_is_not_there_is_missing(storage: Storage) -> None:
    assert storage.head("a/b") is None
    with pytest.raises(ObjectMissing, match="a/b"):
        storage.get("a/b")


def test_deleting_takes_what_is_there_and_minds_nothing_else(storage: Storage) -> None:
    for key in ("a/0", "a/1", "b/0"):
        storage.put(key, b"x", "text/plain")
    storage.delete(key for key in ["a/0", "no/such", "a/1"])
    storage.delete(["a/0"])
    storage.delete([])
    assert keys(storage) == {"b/0"}


def test_more_can_be_deleted_than_one_request_takes(storage: Storage) -> None:
    storage.put("a/0", b"x", "text/plain")
    storage.put("a/1500", b"x", "text/plain")
    storage.delete([f"a/{number}" for number in range(1501)])
    assert keys(storage) == set()


def test_a_list_has_what_lies_below_a_folder(storage: Storage) -> None:
    for key in ("results/a/1", "results/a/b/2", "results/ab/3", "other"):
        storage.put(key, b"xyz", "text/plain")
    assert keys(storage) == {"results/a/1", "results/a/b/2", "results/ab/3", "other"}
    assert keys(storage, "results/a") == keys(storage, "results/a/") == {"results/a/1", "results/a/b/2"}
    assert keys(storage, "res") == keys(storage, "nothing/here") == set()


def test_a_list_goes_on_where_one_answer_of_a_server_ends(s3: Storage) -> None:
    wanted = {f"a/{number}" for number in range(1001)}  # a server gives a thousand at a time
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda key: s3.put(key, b"", "text/plain"), wanted):
            pass
    assert keys(s3) == keys(s3, "a") == wanted


def test_a_list_tells_size_and_when(storage: Storage) -> None:
    storage.put("a", b"xyz", "text/plain")
    (found,) = storage.list()
    assert (found.key, found.size) == ("a", 3)
    assert abs(found.modified_at - time.time() * 1000) < 60_000


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_names_come_back_as_they_went(storage: Storage, key: str) -> None:
    assert storage.put_once(key, b"odd", "text/plain")
    assert storage.get(key) == b"odd"
    assert keys(storage) == {key}
    storage.delete([key])
    assert keys(storage) == set()


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../../b", "a\0b", "a\\b"])
def test_what_cannot_be_a_key_is_refused_everywhere(storage: Storage, key: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: storage.put(key, b"", "text/plain"),
        lambda: storage.put_once(key, b"", "text/plain"),
        lambda: storage.get(key),
        lambda: storage.head(key),
        lambda: storage.delete([key]),
        lambda: storage.url(key),
    ]
    for call in calls:
        with pytest.raises(StorageError, match="cannot be the key"):
            call()
    assert keys(storage) == set()


def test_several_threads_can_use_one_store(storage: Storage) -> None:
    def use(number: int) -> None:
        for version in range(5):
            storage.put(f"{number}/{version}", b"%d" % number, "text/plain")
            assert storage.get(f"{number}/{version}") == b"%d" % number

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(storage)) == 20


# From here on: S3 alone.


def test_an_object_has_its_place_and_its_content_type(s3: Storage, bucket: str) -> None:
    s3.put("a.png", b"png", "image/png")
    assert s3.put_once("b.json", b"{}", "application/json")
    assert f"/{bucket}/some/prefix/a.png?" in s3.url("a.png")
    assert fetch(s3.url("a.png")) == (200, b"png", "image/png")
    assert fetch(s3.url("b.json")) == (200, b"{}", "application/json")


@pytest.mark.parametrize(("asked_life", "life"), [(60.0, "60"), (0.0, "1"), (30 * 86_400.0, "604800")])
def test_a_url_is_signed_for_seven_days_at_most_and_gives_the_object(s3: Storage, asked_life: float, life: str) -> None:
    s3.put("a b/ü.png", b"png", "image/png")
    url = s3.url("a b/ü.png", asked_life)
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [life]
    assert fetch(url) == (200, b"png", "image/png")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_link_is_signed_for_the_public_host_and_works_where_it_leads_to_the_same_server(
    name: str, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(name, server.endpoint)
    public = server.endpoint.replace("127.0.0.1", "localhost")
    storage = open_storage(f"s3://{bucket}/some/prefix", timeout=20, public_url=f"{public}/")
    storage.put("a b/ü.png", b"png", "image/png")
    assert storage.get("a b/ü.png") == b"png"
    url = storage.url("a b/ü.png", 60)
    assert url.startswith(f"{public}/{bucket}/some/prefix/a%20b/")
    assert fetch(url) == (200, b"png", "image/png")


def test_links_for_a_public_host_ask_nobody(bucket: str) -> None:
    storage = open_storage(f"s3://{bucket}", public_url="https://pictures.example.com")
    assert storage.url("a.png").startswith(f"https://pictures.example.com/{bucket}/a.png?X-Amz-")


def test_credentials_can_lie_in_files(
    s3: Storage,
    server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        (tmp_path / name).write_text(server.environment[name] + "\n")
        monkeypatch.delenv(name)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    s3.put("a.png", b"png", "image/png")
    assert f"X-Amz-Credential={server.key}%2F" in s3.url("a.png")
    assert fetch(s3.url("a.png"))[:2] == (200, b"png")


@pytest.mark.parametrize("server", ["s3_server"], indirect=True)
def test_a_lost_reply_to_our_own_write_is_not_taken_for_somebody_elses(
    bucket: str,
    server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = urlsplit(server.endpoint)
    lost: list[bytes] = []

    def lose_the_first_reply_to_a_write(caller: Caller) -> None:
        while request := caller.read_request():
            with socket.create_connection((there.hostname, there.port)) as behind:
                behind.sendall(request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
                answer = b"".join(iter(lambda: behind.recv(65536), b""))
            if request.startswith(b"PUT") and not lost:
                lost.append(answer)
                caller.reset()
                return
            caller.send(answer)
            return

    with RawServer(lose_the_first_reply_to_a_write) as proxy:
        replace(server, endpoint=f"http://127.0.0.1:{proxy.port}").enter(monkeypatch)
        storage = open_storage(f"s3://{bucket}", timeout=10)
        assert storage.put_once("inputs/x", BIG, "image/png") is True
        assert lost[0].startswith(b"HTTP/1.1 200")
        assert storage.put_once("inputs/x", BIG, "image/png") is False
        assert storage.get("inputs/x") == BIG


def test_a_server_that_knows_no_conditional_writes_is_served_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    def old_server(caller: Caller) -> None:
        while request := caller.read_request():
            if b"if-none-match" in request.lower():
                caller.send(reply(b"<Error><Code>NotImplemented</Code></Error>", "501 Not Implemented"))
            else:
                written.append(request)
                caller.send(reply(b"", "200 OK", 'ETag: "x"'))

    with RawServer(old_server) as server:
        s3_environment(monkeypatch, server.port)
        assert open_storage("s3://bucket", timeout=10).put_once("a", b"whole", "text/plain") is True
    assert written[0].endswith(b"whole")


def scripted(requests: list[bytes], *answers: bytes) -> Callable[[Caller], None]:
    """Give these answers one after the other, the last for ever; `requests` gets the first lines."""
    left = list(answers)

    def script(caller: Caller) -> None:
        while request := caller.read_request():
            requests.append(request.split(b"\r\n")[0])
            caller.send(left.pop(0) if len(left) > 1 else left[0])

    return script


WRITTEN = reply(b"", "200 OK", 'ETag: "x"')


def test_to_store_once_is_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[bytes] = []
    with RawServer(scripted(requests, WRITTEN)) as server:
        s3_environment(monkeypatch, server.port)
        assert open_storage("s3://bucket", timeout=10).put_once("inputs/x", b"whole", "text/plain") is True
    assert requests == [b"PUT /bucket/inputs/x HTTP/1.1"]


@pytest.mark.parametrize(
    ("host", "chosen", "signs_the_body"),
    [("127.0.0.1", None, False), ("127.0.0.2", None, True), ("127.0.0.1", "false", True), ("127.0.0.2", "true", False)],
)
def test_a_body_is_part_of_the_signature_where_it_could_be_changed_on_its_way(
    host: str, chosen: str | None, signs_the_body: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.2 stands for another host."""
    heads: list[bytes] = []

    def keep_the_head(caller: Caller) -> None:
        while request := caller.read_request():
            heads.append(request.split(b"\r\n\r\n")[0].lower())
            caller.send(WRITTEN)

    with RawServer(keep_the_head, host=host) as server:
        S3Server(f"http://{host}:{server.port}", "key", "not-very-secret").enter(monkeypatch)
        if chosen is not None:
            monkeypatch.setenv("AWS_UNSIGNED_PAYLOAD", chosen)
        open_storage("s3://bucket", timeout=10).put("a", b"whole", "text/plain")
    signed = hashlib.sha256(b"whole").hexdigest() if signs_the_body else "unsigned-payload"
    assert f"x-amz-content-sha256: {signed}".encode() in heads[0]


@pytest.mark.parametrize("endpoint", [None, "https://s3.example.com", "HTTPS://S3.example.com:9000"])
def test_over_tls_the_body_is_not_part_of_the_signature(endpoint: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_UNSIGNED_PAYLOAD", raising=False)
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    client = Clients("s3", Where("bucket", ""), 10).at()
    assert isinstance(client, S3Store)
    assert str(client.config["unsigned_payload"]) == "true"  # its types say bool


CONFLICTS = {
    "conflict": reply(b"<Error><Code>ConditionalRequestConflict</Code></Error>", "409 Conflict"),
    "operation aborted": reply(b"<Error><Code>OperationAborted</Code></Error>", "409 Conflict"),
}


@pytest.mark.parametrize("conflict", CONFLICTS.values(), ids=CONFLICTS)
def test_a_write_that_met_another_one_is_repeated(conflict: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[bytes] = []
    nobody = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with RawServer(scripted(requests, conflict, nobody, WRITTEN)) as server:
        s3_environment(monkeypatch, server.port)
        assert open_storage("s3://bucket", timeout=10).put_once("inputs/x", b"whole", "text/plain") is True
    assert [request.split(b" ")[0] for request in requests] == [b"PUT", b"HEAD", b"PUT"]


def test_writers_that_meet_for_ever_are_refused_because_the_store_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(caller: Caller) -> None:
        while request := caller.read_request():
            head = request.startswith(b"HEAD")
            caller.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" if head else CONFLICTS["conflict"])

    with RawServer(always) as server:
        s3_environment(monkeypatch, server.port)
        with pytest.raises(StorageUnavailable, match=r"inputs/x in s3://bucket is being written by another writer"):
            open_storage("s3://bucket", timeout=2).put_once("inputs/x", b"whole", "text/plain")


class Away:
    """A server that refuses connections, hangs up or says that it is busy, for a second; then it is there."""

    def __init__(self, how: str) -> None:
        self.back_at = time.monotonic() + 1.0
        self._how = how

    def __call__(self, caller: Caller) -> None:
        while request := caller.read_request():
            if time.monotonic() >= self.back_at:
                caller.send(WRITTEN if request.startswith(b"PUT") else reply(b"whole", "200 OK", LAST_MODIFIED))
            elif self._how == "hangs up":
                caller.reset()
                return
            else:
                caller.send(reply(b"<Error><Code>SlowDown</Code></Error>", "503 Service Unavailable"))


LAST_MODIFIED = "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize("how", ["hangs up", "busy"])
@pytest.mark.parametrize("call", ["put", "put_once", "get"])
def test_a_store_that_is_away_for_a_second_is_waited_for(how: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(Away(how)) as server:
        s3_environment(monkeypatch, server.port)
        storage = open_storage("s3://bucket", timeout=20)
        if call == "get":
            assert storage.get("inputs/x") == b"whole"
        else:
            getattr(storage, call)("inputs/x", b"whole", "text/plain")


def test_a_store_that_is_started_again_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    s3_environment(monkeypatch, port)
    storage = open_storage("s3://bucket", timeout=20)
    with ThreadPoolExecutor(2) as pool:
        put = pool.submit(storage.put, "results/x", b"whole", "text/plain")
        put_once = pool.submit(storage.put_once, "inputs/x", b"whole", "text/plain")
        time.sleep(1.0)
        with RawServer(scripted([], WRITTEN), port=port):
            put.result(20)
            assert put_once.result(20) is True


def every_call(storage: Storage) -> list[Callable[[], object]]:
    return [
        lambda: storage.put("a", b"x", "text/plain"),
        lambda: storage.put_once("a", b"x", "text/plain"),
        lambda: storage.get("a"),
        lambda: storage.head("a"),
        lambda: storage.delete(["a"]),
        lambda: list(storage.list()),
    ]


def send_always(answer: bytes) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        while caller.read_request():
            caller.send(answer)

    return script


ANSWERS = {
    "wrong key": reply(b"<Error><Code>InvalidAccessKeyId</Code></Error>", "403 Forbidden"),
    "no credentials": reply(b"", "401 Unauthorized"),
    "clock": reply(b"<Error><Code>RequestTimeTooSkewed</Code></Error>", "400 Bad Request"),
    "always busy": reply(b"<Error><Code>SlowDown</Code></Error>", "503 Service Unavailable"),
    "no bucket": reply(b"<Error><Code>NoSuchBucket</Code></Error>", "404 Not Found"),
    "redirect": reply(b"", "301 Moved Permanently", "Location: http://127.0.0.1:1/"),
    "not HTTP": b"220 smtp.example.com ESMTP\r\n",
    "not XML": reply(b"<html>", "200 OK"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_whatever_a_server_says_the_error_is_ours_and_one_sentence(
    answer: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with RawServer(send_always(answer)) as server, ThreadPoolExecutor() as pool:
        s3_environment(monkeypatch, server.port)
        made = [pool.submit(call) for call in every_call(open_storage("s3://bucket/prefix", timeout=2))]
        errors = [error for call in made if (error := call.exception())]
    assert errors
    for error in errors:
        assert isinstance(error, StorageError)
        sentence = str(error)
        assert "\n" not in sentence
        assert "s3://bucket/prefix" in sentence
        assert "not-very-secret" not in sentence
        assert len(sentence) < 600


XML = b'<?xml version="1.0" encoding="UTF-8"?>'


@pytest.mark.parametrize("start", [XML, XML + b"\n", b""], ids=["as Ceph", "as Amazon", "bare"])
def test_the_stores_own_word_for_a_refusal_is_reported_and_nothing_else_of_its_xml(
    start: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    xml = start + b"<Error><Code>SignatureDoesNotMatch</Code><StringToSign>abc</StringToSign></Error>"
    with RawServer(send_always(reply(xml, "403 Forbidden"))) as server:
        s3_environment(monkeypatch, server.port)
        with pytest.raises(StorageUnavailable, match=r"403 Forbidden: SignatureDoesNotMatch\)") as raised:
            open_storage("s3://bucket", timeout=10).get("a")
    assert "abc" not in str(raised.value)


def test_a_missing_bucket_is_named_and_not_taken_for_a_missing_object(bucket: str) -> None:
    storage = open_storage(f"s3://no-such-bucket-{bucket}", timeout=5)
    for call in (lambda: storage.get("a"), lambda: storage.put("a", b"", "text/plain"), lambda: list(storage.list())):
        with pytest.raises(StorageUnavailable, match=r"no-such-bucket.* SWAPLINE_STORAGE_URL"):
            call()


def test_nobody_listening_is_reported_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    s3_environment(monkeypatch, free_port())
    calls = every_call(open_storage("s3://bucket", timeout=2))
    began = time.monotonic()
    with ThreadPoolExecutor(len(calls)) as pool:
        for made in [pool.submit(call) for call in calls]:
            with pytest.raises(StorageUnavailable, match="AWS_ENDPOINT_URL"):
                made.result()
    assert time.monotonic() - began < 5


def test_a_server_that_never_answers_is_left_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def listen_only(caller: Caller) -> None:
        caller.read_request()
        caller.hold()

    with RawServer(listen_only) as server:
        s3_environment(monkeypatch, server.port)
        storage = open_storage("s3://bucket", timeout=1)
        for call in (lambda: storage.get("a"), lambda: storage.put("a", BIG, "text/plain")):
            began = time.monotonic()
            with pytest.raises(StorageUnavailable):
                call()
            assert time.monotonic() - began < 3


def test_a_server_that_does_not_accept_is_left_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with unreachable_port() as port:
        s3_environment(monkeypatch, port)
        began = time.monotonic()
        with pytest.raises(StorageUnavailable):
            open_storage("s3://bucket", timeout=1).get("a")
        assert time.monotonic() - began < 3


AFTER_A_FORK = """
import os, sys
from swapline_producer.errors import StorageUnavailable
from swapline_producer.storage import open_storage
parents = open_storage("s3://bucket", timeout=1)
if sys.argv[1] == "used":
    try: parents.head("a")
    except StorageUnavailable: pass
child = os.fork()
if child == 0:
    for storage in (parents, open_storage("s3://bucket", timeout=1)):
        try: storage.head("a")
        except StorageUnavailable as error: print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    ("before", "sentences"), [("used", "which then forked into this one"), ("opened", "check SWAPLINE_")]
)
def test_a_store_used_before_a_fork_reports_it_in_the_child_instead_of_hanging(
    monkeypatch: pytest.MonkeyPatch,
    before: str,
    sentences: str,
) -> None:
    s3_environment(monkeypatch, free_port())
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_FORK, before],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert [sentences in line for line in done.stdout.splitlines()] == [True, True]
