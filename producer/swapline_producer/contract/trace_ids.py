"""Traces as W3C's Trace Context writes them.

A job keeps its caller's in 34 characters; without one, its own id serves.
"""

from __future__ import annotations

import base64
import re

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
ID = re.compile(r"[0-9a-f]{32}")
NEUTRAL_SPAN = "5357415000000001"
"""Parent of spans that have none: any id but zero."""


def shortened(traceparent: str) -> str:
    """Return the short form that a job's record keeps. Raises ValueError."""
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None:
        raise ValueError("it is written 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, as in W3C's traceparent")
    return base64.urlsafe_b64encode(bytes.fromhex("".join(found.groups()))).decode().rstrip("=")


def traceparent_of(job_id: str, short: str | None) -> str:
    """Return a job's header."""
    if short is not None:
        digits = base64.urlsafe_b64decode(short + "==").hex()
        return f"00-{digits[:32]}-{digits[32:48]}-{digits[48:50]}"
    # Sampled: each part of the system decides itself whether it records.
    return f"00-{job_id if ID.fullmatch(job_id) else job_id.encode().hex().zfill(32)[:32]}-{NEUTRAL_SPAN}-01"
