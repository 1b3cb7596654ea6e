"""What an endpoint is: one tenant's URL without its query, and how it is shown without giving away what is in it."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

from swapline_producer.contract.changes import Endpoint

_HARMLESS = re.compile(r"[A-Za-z_.-]{1,24}|[A-Za-z]?[0-9]{1,3}")
"""A part of a path that a person wrote: letters, or a short number such as v2. What mixes them may be a secret."""


def endpoint_of(tenant: str, url: str) -> Endpoint:
    """Give the endpoint that a URL belongs to; its query is no part of it, for it may differ from job to job."""
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
    """Give the host and port that a URL leads to: what can be slow or dead."""
    return urlsplit(url).netloc.lower()
