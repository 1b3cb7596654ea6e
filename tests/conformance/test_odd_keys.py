"""Names in a bucket that can be no key of ours hide no other, are never listed, and are named on request."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from obstore.exceptions import InvalidPathError

from support.http.raw_server import RawServer, reply
from swapline_producer.errors import StorageUnavailable
from swapline_producer.storage import open_storage
from swapline_producer.storage.cloud import CloudStorage

if TYPE_CHECKING:
    from pathlib import Path

    from support.http.raw_server import Caller
    from support.stores.s3 import S3Server

MARKERS = ["inputs/", "inputs/folder/"]
ODD = [
    "inputs//b",
    "inputs/./c",
    "inputs/../x",
    "inputs/a//b",
    "inputs/back\\slash",
    "inputs/tab\there",
    "inputs/trail/..",
]
REAL = [f"inputs/{name}" for name in ("0" * 64, "a/b", "a b/ü", "f" * 64, "plus+and%2F", "zz")]


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    s3_server.enter(monkeypatch)
    return s3_server.new_bucket()


@pytest.mark.parametrize("prefix", ["", "some/prefix"])
def test_a_list_of_a_bucket_has_what_can_be_a_key_and_names_the_rest(
    bucket: str, s3_server: S3Server, prefix: str
) -> None:
    before = f"{prefix}/" if prefix else ""
    s3_server.put(bucket, *(before + key for key in [*MARKERS, *ODD, *REAL]))
    storage = open_storage(f"s3://{bucket}/{prefix}", timeout=20)
    odd: list[str] = []
    listed = [found for found in storage.list("inputs", odd=odd) if found.size]
    assert [found.key for found in listed] == sorted(REAL, key=str.encode)
    assert {found.size for found in listed} == {3}
    assert all(found.modified_at > 1_700_000_000_000 for found in listed)
    assert {*ODD} <= {*odd}
    assert not {*REAL} & {*odd}


def test_a_list_goes_on_behind_any_key_where_odd_names_lie_between(bucket: str, s3_server: S3Server) -> None:
    s3_server.put(bucket, *ODD, *REAL)
    storage = open_storage(f"s3://{bucket}", timeout=20)
    expected = sorted(REAL, key=str.encode)
    for number, key in enumerate(expected):
        assert [found.key for found in storage.list("inputs", after=key)] == expected[number + 1 :]


def test_one_odd_name_hides_no_key_of_a_long_list(bucket: str, s3_server: S3Server) -> None:
    expected = [f"inputs/{number:04}" for number in range(2100)]
    s3_server.put(bucket, "inputs/0500//x", "inputs/1500\ty", *expected)
    odd: list[str] = []
    assert [found.key for found in open_storage(f"s3://{bucket}", timeout=20).list("inputs", odd=odd)] == expected
    assert odd == ["inputs/0500//x", "inputs/1500\ty"]


def test_a_folder_with_names_that_can_be_no_keys_gives_the_others(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri())
    storage.put("inputs/a", b"x", "image/png")
    for name in ("tab\there", "back\\slash", b"not-utf-8-\xff".decode(errors="surrogateescape")):
        (tmp_path / "inputs" / name).write_bytes(b"odd")
    odd: list[str] = []
    assert [found.key for found in storage.list("inputs", odd=odd)] == ["inputs/a"]
    assert len(odd) == 3


@pytest.mark.parametrize("server", ["s3_server", "compose_s3_server"])
def test_the_page_that_we_read_ourselves_is_the_one_that_obstore_reads(
    server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: S3Server = request.getfixturevalue(server)
    found.enter(monkeypatch)
    storage = CloudStorage("s3", found.new_bucket(), "some pre/fix", timeout=20)
    for key in REAL:
        storage.put(key, b"odd", "image/png")
    for after in ("", "inputs/b"):
        expected = list(storage.list("inputs", after=after))
        monkeypatch.setattr("swapline_producer.storage.cloud.obstore.list", refuse)
        assert list(storage.list("inputs", after=after)) == expected
        monkeypatch.undo()
        found.enter(monkeypatch)


def refuse(*_: object, **__: object) -> None:
    raise InvalidPathError('Encountered object with invalid path: Path "a//b" contained empty path segment')


def test_where_a_page_cannot_be_read_otherwise_the_name_that_hides_it_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(caller: Caller) -> None:
        while caller.read_request():
            caller.send(AZURE_PAGE)

    with RawServer(script) as server:
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server.url)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"k" * 32).decode())
        with pytest.raises(StorageUnavailable, match=r"'inputs//b' in az://place .* delete it"):
            list(open_storage("az://place", timeout=5).list("inputs"))


AZURE_PAGE = reply(
    b'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs><Blob><Name>inputs//b</Name><Properties>'
    b"<Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Content-Length>3</Content-Length>"
    b"<Content-Type>image/png</Content-Type><Etag>x</Etag></Properties></Blob></Blobs><NextMarker/></EnumerationResults>"
)
