"""The calling code's trace, where it uses OpenTelemetry, which is not loaded here."""

from __future__ import annotations

import sys
from typing import Any


def current_traceparent() -> str | None:
    """Return W3C's `traceparent` of OpenTelemetry's current span, or None."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
