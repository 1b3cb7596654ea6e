"""A bucket or container that is not there is reported by every call, whatever the kind of store."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest

from support.http.raw_server import Caller, RawServer, reply
from support.stores.s3 import S3Server
from swapline_producer.errors import StorageUnavailable
from swapline_producer.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.storage import Storage

CALLS: dict[str, Callable[[Storage], object]] = {
    "put": lambda storage: storage.put("a", b"x", "text/plain"),
    "put_once": lambda storage: storage.put_once("a", b"x", "text/plain"),
    "get": lambda storage: storage.get("a"),
    "head": lambda storage: storage.head("a"),
    "delete": lambda storage: storage.delete(["a"]),
    "delete several": lambda storage: storage.delete(["a", "b", "c"]),
    "list": lambda storage: list(storage.list()),
    "list a folder": lambda storage: list(storage.list("inputs", after="inputs/a")),
}

ERROR = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>{}</Code><Message>The specified {} does not exist.</Message>'
)
PLACES = {
    "s3": ("NoSuchBucket", "bucket"),
    "gs": ("NoSuchBucket", "bucket"),
    "az": ("ContainerNotFound", "container"),
}


def without_place(scheme: str) -> Callable[[Caller], None]:
    """Speak as these servers do where there is no such bucket or container."""
    code, word = PLACES[scheme]
    body = "\ufeff" * (scheme == "az") + ERROR.format(code, word) + "</Error>"
    with_body = reply(body.encode(), "404 Not Found", f"x-ms-error-code: {code}")
    without = f"HTTP/1.1 404 Not Found\r\nx-ms-error-code: {code}\r\nContent-Length: 0\r\n\r\n".encode()

    def script(caller: Caller) -> None:
        while request := caller.read_request():
            if b"comp=batch" in request:
                caller.send(_batch(request))
            else:
                caller.send(without if request.startswith(b"HEAD") else with_body)

    return script


def _batch(request: bytes) -> bytes:
    """What Azure's batch endpoint says of each deletion: the whole has succeeded."""
    ids = re.findall(rb"(?im)^content-id: *(\S+)", request)
    part = (
        b"--b\r\nContent-Type: application/http\r\nContent-ID: %s\r\n\r\n"
        b"HTTP/1.1 404 The specified container does not exist.\r\nx-ms-error-code: ContainerNotFound\r\n"
        b"Content-Length: 0\r\n\r\n\r\n"
    )
    body = b"".join(part % content_id for content_id in ids) + b"--b--\r\n"
    head = b"HTTP/1.1 202 Accepted\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def enter(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    S3Server(url, "key", "not-very-secret").enter(monkeypatch)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", url)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"k" * 32).decode())
    account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    monkeypatch.setenv("GOOGLE_BASE_URL", url)
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account))


@pytest.mark.parametrize("scheme", PLACES)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_place_that_is_not_there_is_reported_by_every_call(
    scheme: str, call: Callable[[Storage], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(without_place(scheme)) as server:
        enter(server.url, monkeypatch)
        storage = open_storage(f"{scheme}://place/some/prefix", timeout=5)
        with pytest.raises(StorageUnavailable, match=rf"{scheme}://place/some/prefix.* SWAPLINE_STORAGE_URL") as error:
            call(storage)
    assert str(error.value).startswith("There is no ")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_bucket_that_a_real_server_does_not_have_is_reported_by_every_call(
    call: Callable[[Storage], object], s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_server.enter(monkeypatch)
    with pytest.raises(StorageUnavailable, match=r"There is no s3://no-such-bucket"):
        call(open_storage("s3://no-such-bucket", timeout=5))
