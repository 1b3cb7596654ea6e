"""Lists of an S3 bucket with keys such as `a//b`, `.` or control characters, for which obstore refuses a page.

The page is read by a signed link: a GET through obstore needs Content-Length, which Amazon omits.
"""

from __future__ import annotations

import html
import os
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_plus, urlencode
from urllib.request import urlopen

import obstore

from swapline_producer.storage.base import StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obstore.store import S3Store

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")

_REFUSED = re.compile(r'Encountered object with invalid path: .*?Path "(.*?)"(?: contained|: Encountered)', re.DOTALL)
_CONTENTS = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL)
_FIELD = re.compile(r"<(Key|Size|LastModified)>(.*?)</\1>", re.DOTALL)
_NEXT = re.compile(r"<NextContinuationToken>(.*?)</NextContinuationToken>", re.DOTALL)
_LIFE = timedelta(minutes=5)


class Where(NamedTuple):
    """A bucket, and its keys' prefix."""

    bucket: str
    prefix: str


def refused_key(error: BaseException) -> str | None:
    """Return the key for which obstore refuses a page, or None."""
    found = _REFUSED.search(str(error))
    return found[1] if found else None


def list_s3(
    make: Callable[[str], S3Store], where: Where, folder: str | None, after: str, *, timeout: float
) -> Iterator[StoredObject]:
    """Yield the objects below a folder, whatever their keys. Raises OSError.

    `make` opens a store at an endpoint; `timeout`: seconds of silence.
    """
    full = "/".join(part for part in (where.prefix, folder) if part)
    query = {"list-type": "2", "encoding-type": "url", "prefix": f"{full}/" if full else ""}
    if after:
        query["start-after"] = "/".join(part for part in (where.prefix, after) if part)
    while True:
        endpoint = f"{_endpoint(where.bucket)}?{urlencode(query, quote_via=quote)}&x="
        link = obstore.sign(make(endpoint), "GET", "x", _LIFE)
        with urlopen(link, timeout=timeout) as answer:  # noqa: S310 -- to the store, as its settings say
            page = answer.read().decode()
        for contents in _CONTENTS.findall(page):
            yield _object(dict(_FIELD.findall(contents)), where.prefix, encoded="<EncodingType>url" in page)
        following = _NEXT.search(page)
        if following is None:
            return
        query["continuation-token"] = html.unescape(following[1])


def _object(fields: dict[str, str], prefix: str, *, encoded: bool) -> StoredObject:
    key = html.unescape(fields["Key"])
    key = (unquote_plus(key) if encoded else key).removeprefix(f"{prefix}/" if prefix else "")
    modified = datetime.fromisoformat(fields["LastModified"])
    return StoredObject(key, int(fields["Size"]), int(modified.timestamp() * 1000))


def _endpoint(bucket: str) -> str:
    endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
    if endpoint is None:
        region = next((os.environ[name] for name in REGIONS if os.environ.get(name)), "us-east-1")
        return f"https://{bucket}.s3.{region}.amazonaws.com"
    if os.environ.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower() in {"1", "true", "yes", "on"}:
        return endpoint.rstrip("/")
    return f"{endpoint.rstrip('/')}/{bucket}"
