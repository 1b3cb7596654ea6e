"""An S3 server that stores in memory and checks nothing: cheap, since its cost belongs to no contender.

Results are kept by their size alone; inputs whole, because workers read them. It counts the requests by kind.
"""

from __future__ import annotations

import re
from collections import Counter
from hashlib import md5
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "bench"
KEPT_WHOLE = 1_000_000
"""Bytes: what is larger is a result, which no process reads."""
MODIFIED = {"Last-Modified": "Sat, 28 Nov 2026 10:00:00 GMT"}


class S3Sink:
    """One bucket."""

    def __init__(self) -> None:
        """Have no object."""
        self._objects: dict[str, tuple[str, int, bytes | None]] = {}
        self._requests: Counter[str] = Counter()

    def routes(self) -> Iterator[web.RouteDef]:
        """Serve the bucket, the counts at `/requests`, and `/empty`, which forgets everything."""
        key = f"/{BUCKET}/{{key:.*}}"
        yield web.put(key, self._put)
        yield web.get(key, self._get, allow_head=False)
        yield web.head(key, self._get)
        yield web.delete(key, self._delete)
        yield web.get(f"/{BUCKET}", self._list)
        yield web.post(f"/{BUCKET}", self._delete_many)
        yield web.get("/requests", self._counts)
        yield web.post("/empty", self._empty)

    async def _put(self, request: web.Request) -> web.Response:
        key, source = request.match_info["key"], request.headers.get("x-amz-copy-source")
        self._count("COPY" if source else "PUT", key)
        body = await request.read()
        if request.headers.get("If-None-Match") == "*" and key in self._objects:
            return _error(412, "PreconditionFailed")
        if source:
            self._objects[key] = self._objects[source.lstrip("/").removeprefix(f"{BUCKET}/")]
            tag = self._objects[key][0]
            return web.Response(body=f"<CopyObjectResult><ETag>{tag}</ETag></CopyObjectResult>".encode())
        tag = f'"{md5(body[:64], usedforsecurity=False).hexdigest()}"'
        self._objects[key] = (tag, len(body), body if len(body) < KEPT_WHOLE else None)
        return web.Response(headers={"ETag": tag})

    async def _get(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        self._count(request.method, key)
        if key not in self._objects:
            return _error(404, "NoSuchKey")
        tag, size, body = self._objects[key]
        if request.method == "HEAD":
            return web.Response(headers={"ETag": tag, "Content-Length": str(size), **MODIFIED})
        return web.Response(body=body, headers={"ETag": tag, **MODIFIED})

    async def _delete(self, request: web.Request) -> web.Response:
        self._count("DELETE", request.match_info["key"])
        self._objects.pop(request.match_info["key"], None)
        return web.Response(status=204)

    async def _delete_many(self, request: web.Request) -> web.Response:
        keys = re.findall(r"<Key>(.*?)</Key>", (await request.read()).decode())
        self._count("POST delete", keys[0] if keys else "")
        for key in keys:
            self._objects.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return web.Response(body=f"<DeleteResult>{deleted}</DeleteResult>".encode())

    async def _list(self, request: web.Request) -> web.Response:
        self._count("LIST", request.query.get("prefix", ""))
        found = sorted(key for key in self._objects if key.startswith(request.query.get("prefix", "")))
        contents = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-11-28T10:00:00Z</LastModified><ETag>{self._objects[key][0]}"
            f"</ETag><Size>{self._objects[key][1]}</Size></Contents>"
            for key in found
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        return web.Response(body=body.encode(), content_type="application/xml")

    async def _counts(self, _request: web.Request) -> web.Response:
        pictures = sum(1 for key in self._objects if key.endswith(".png"))
        return web.json_response({"requests": self._requests, "pictures": pictures})

    async def _empty(self, _request: web.Request) -> web.Response:
        self._objects.clear()
        self._requests.clear()
        return web.Response(status=204)

    def _count(self, kind: str, key: str) -> None:
        self._requests[f"{kind} {key.split('/', maxsplit=1)[0]}"] += 1


def _error(status: int, code: str) -> web.Response:
    return web.Response(status=status, body=f"<Error><Code>{code}</Code></Error>".encode())
