"""`before_send` for sentry-sdk, whose exceptions have every frame's variables. It is not loaded here."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from swapline_workers.telemetry.logs import log_settings, secrets_of
from swapline_workers.telemetry.redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Callable

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>\\]+", re.IGNORECASE)


def before_send(event: dict[str, Any], _hint: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the event without secrets, pictures, URLs and variables."""
    return {name: _without_urls(value) for name, value in _redact()(_without_variables(event)).items()}


@cache
def _redact() -> Callable[[Any], Any]:
    return redactor(secrets_of(log_settings()))


def _without_variables(value: Any) -> Any:
    if isinstance(value, dict):
        is_frame = "lineno" in value or "filename" in value
        return {name: _without_variables(one) for name, one in value.items() if not (is_frame and name == "vars")}
    if isinstance(value, list | tuple):
        return [_without_variables(one) for one in value]
    return value


def _without_urls(value: Any) -> Any:
    if isinstance(value, str):
        return _URL.sub("[url]", value)
    if isinstance(value, dict):
        return {name: _without_urls(one) for name, one in value.items()}
    return [_without_urls(one) for one in value] if isinstance(value, list) else value
