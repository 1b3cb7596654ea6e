"""An endpoint: a tenant's URL without its query, shown without possible secrets."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

from swapline_producer.contract.answers import Endpoint

_HARMLESS = re.compile(r"[A-Za-z_.-]{1,24}|[A-Za-z]?[0-9]{1,3}")
"""A part of a path without secrets."""


def endpoint_of(tenant: str, url: str) -> Endpoint:
    """Return the endpoint of a URL, without its query."""
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc}{parts.path}".lower()
    digest = hashlib.sha256(f"{tenant}\n{place}".encode(errors="surrogatepass")).hexdigest()
    path = "/".join(part if not part or _HARMLESS.fullmatch(part) else "…" for part in parts.path.split("/"))
    return Endpoint(
        endpoint_id=f"ep_{digest[:20]}",  # 80 bits: two endpoints never share one
        tenant=tenant,
        address=f"{parts.scheme}://{parts.netloc}{path}",
    )


def host_of(url: str) -> str:
    """Return a URL's host and port: what can be slow or dead."""
    return urlsplit(url).netloc.lower()
