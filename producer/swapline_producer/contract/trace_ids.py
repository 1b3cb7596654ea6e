"""Which trace a job belongs to, as W3C's Trace Context writes it: `00-TRACE-SPAN-FLAGS` in hexadecimal digits.

A job keeps its caller's trace in 34 letters. Without one, the trace has the job's own id: that costs no byte, and one
leads to the other.
"""

from __future__ import annotations

import base64
import re

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
ID = re.compile(r"[0-9a-f]{32}")
NEUTRAL_SPAN = "5357415000000001"
"""The parent of spans that have none: any id that is not zero."""


def kept(traceparent: str) -> str:
    """Give the short form that a job's record keeps. Raises ValueError for what is no `traceparent`."""
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None:
        raise ValueError("it is written 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, as in W3C's traceparent")
    return base64.urlsafe_b64encode(bytes.fromhex("".join(found.groups()))).decode().rstrip("=")


def traceparent_of(job_id: str, short: str | None) -> str:
    """Give the header of a job: what it was given, or else a trace of its own."""
    if short is not None:
        digits = base64.urlsafe_b64decode(short + "==").hex()
        return f"00-{digits[:32]}-{digits[32:48]}-{digits[48:50]}"
    # Sampled: each part of the system decides itself whether it records.
    return f"00-{job_id if ID.fullmatch(job_id) else job_id.encode().hex().zfill(32)[:32]}-{NEUTRAL_SPAN}-01"
