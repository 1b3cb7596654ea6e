"""What SWAPLINE_STORAGE_URL may be, and what a key may be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from swapline_producer.errors import SettingsError, StorageError
from swapline_producer.storage import checked_key, open_storage
from swapline_producer.storage.cloud import CloudStorage
from swapline_producer.storage.local.store import LocalStorage


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("file:///srv/pictures", "/srv/pictures"),
        ("file:///srv/pictures/", "/srv/pictures"),
        ("file://localhost/srv/pictures", "/srv/pictures"),
        ("file:/srv/pictures", "/srv/pictures"),
        ("FILE:///srv/my%20pictures%23", "/srv/my pictures#"),
    ],
)
def test_a_file_url_names_a_folder(url: str, root: str) -> None:
    storage = open_storage(url)
    assert isinstance(storage, LocalStorage)
    assert storage.root == Path(root)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
        ("gs://bucket/prefix", "gs://bucket/prefix"),
        ("az://container/prefix", "az://container/prefix"),
        ("az://container/a.b-c_d~e/F0", "az://container/a.b-c_d~e/F0"),
        ("s3://bucket/my%20pictures/%C3%BC", "s3://bucket/my pictures/ü"),
    ],
)
def test_a_cloud_url_names_a_bucket_and_a_prefix(url: str, address: str) -> None:
    storage = open_storage(url)
    assert isinstance(storage, CloudStorage)
    assert storage.address == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must begin with"),
        ("/srv/pictures", "must begin with"),
        ("pictures", "must begin with"),
        ("ftp://host/x", "must begin with"),
        ("memory:///", "must begin with"),
        ("https://bucket.s3.amazonaws.com", "must begin with"),
        ("file://pictures", "three slashes"),
        ("file://relative/path", "three slashes"),
        ("file:relative", "three slashes"),
        ("file:", "three slashes"),
        ("file:///", "names a folder"),
        ("file:///a%00b", "names a folder"),
        ("file:///a#b", "fragment"),
        ("s3://bucket?region=x", "query"),
        ("s3://key:secret@bucket/x", "user name"),
        ("s3://", "name of a bucket"),
        ("s3:///prefix", "name of a bucket"),
        ("s3://Bucket", "small letters"),
        ("s3://bucket:9000/x", "no port"),
        ("s3://bucket/a/../b", "its path"),
        ("s3://bucket/a//b", "its path"),
        ("s3://[bucket", "well-formed"),
        ("az://container/my%20pictures", "Azure answers links"),
        ("az://container/%C3%BC", "Azure answers links"),
        ("az://container/ü", "Azure answers links"),
        ("az://container/50%25", "Azure answers links"),
        ("az://container/a%3Fb", "Azure answers links"),
        ("az://container/a%23b", "Azure answers links"),
    ],
)
def test_any_other_url_is_refused_in_a_sentence_that_names_the_setting(url: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        open_storage(url)
    assert str(caught.value).startswith("SWAPLINE_STORAGE_URL is wrong: ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["a", "inputs/0f", "results/a.b/2026/01/02/x/0.png", "é/ü", "a b/c+d%2F", "..a/b..", "-"]
)
def test_a_plain_relative_path_is_a_key(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "a/./b",
        "a\0b",
        "a\nb",
        "a\\b",
        "a\x7f",
        "\udcff",
        "x" * 256,
        "é" * 128,
        "a/" * 512 + "a",
        ".swapline-0",
        "a/.swapline-0/b",
    ],
)
def test_a_key_that_could_lead_out_or_mean_two_things_is_refused(key: str) -> None:
    with pytest.raises(StorageError, match="cannot be the key"):
        checked_key(key)


def test_importing_storage_and_opening_a_folder_loads_no_client_of_any_store() -> None:
    script = (
        "import sys; from swapline_producer.storage import open_storage; open_storage('file:///tmp/x'); "
        "sys.exit(', '.join(sorted({'obstore', 'boto3', 'requests', 'celery', 'redis'} & set(sys.modules))) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_links_of_a_folder_lead_below_the_public_url() -> None:
    storage = open_storage("file:///srv/pictures", public_url="https://pictures.example.com/swapline/")
    assert storage.url("results/a b/ü#.png") == "https://pictures.example.com/swapline/results/a%20b/%C3%BC%23.png"


@pytest.mark.parametrize(
    ("url", "public_url", "reason"),
    [
        ("s3://bucket", "pictures.example.com", "https://host"),
        ("s3://bucket", "ftp://pictures.example.com", "https://host"),
        ("s3://bucket", "https://", "https://host"),
        ("s3://bucket", "https://[::1", "https://host"),
        ("s3://bucket", "https://host:0", "https://host"),
        ("s3://bucket", "https://me:secret@host", "user name"),
        ("s3://bucket", "https://host?x=1", "query"),
        ("s3://bucket", "https://host/s3", "no path"),
        ("file:///srv", "https://host/a b\n", "cannot hold"),
        ("gs://bucket", "https://host", "provider's own"),
        ("az://container", "https://host", "provider's own"),
    ],
)
def test_a_public_url_that_cannot_be_one_is_refused(url: str, public_url: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        open_storage(url, public_url=public_url)
    assert str(caught.value).startswith("SWAPLINE_STORAGE_PUBLIC_URL is wrong: ")
    assert "secret" not in str(caught.value)
