"""One log of a worker process, for all libraries: JSON for machines, text for people.

Lines carry the job. Tracebacks lack the values of variables, which hold pictures and keys.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import urlsplit

import orjson
import structlog
from celery import signals

from swapline_producer.errors import SettingsError
from swapline_producer.foreign_text import visible
from swapline_producer.settings import load
from swapline_workers.settings import LogSettings, WorkerSettings
from swapline_workers.telemetry.redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from structlog.typing import Processor

    from swapline_workers.proxy_address import ProxyAddress

EXTRA = (
    *("job_id", "version", "tenant", "step", "outcome", "seconds", "wait", "service"),
    *("event_name", "failure_code", "http_status", "vendor_status", "vendor_job_id", "refusal"),
)
"""Other libraries' fields may hold whole messages, and stay out."""

_REDUNDANT_LOGGERS = ("celery.worker.strategy", "celery.app.trace")
"""Loggers whose lines say what our own do."""

_LIBRARIES = ("celery", "kombu", "redis", "amqp", "asyncio", "opentelemetry")
"""Loggers of which no DEBUG line is written."""

IDS = ("job_id", "version", "tenant", "step", "trace_id")
"""At the head of a line for people."""


def start_logging() -> None:
    """Have Celery leave its workers' logs to us."""
    signals.setup_logging.connect(begin_logging, weak=False)


def begin_logging(logfile: str | None = None, **_: object) -> None:
    """Log to stderr, or to Celery's `--logfile`, by the environment's settings."""
    set_up_logs(log_settings(), Path(logfile).open("a") if logfile else None)  # noqa: SIM115 -- open while it runs


def log_settings() -> LogSettings:
    """Return the loadable settings: wrong ones are reported through this log."""
    for kind in (WorkerSettings, LogSettings):
        with suppress(SettingsError):
            return load(kind)
    return LogSettings.model_construct()


def set_up_logs(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send every line of this process to stderr, in one form. Idempotent."""
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter(settings, is_terminal=out.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    logging.captureWarnings(capture=True)
    for name in _REDUNDANT_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if settings.log_level == "DEBUG" else logging.WARNING)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.getLevelName(settings.log_level), logging.INFO))


def formatter(settings: LogSettings, *, is_terminal: bool) -> logging.Formatter:
    """Return the formatter of the settings."""
    for_people = as_text(settings, is_terminal=is_terminal)
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(EXTRA),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if for_people else "iso", utc=not for_people, key="at"),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[
            structlog.processors.format_exc_info,
            _cleaned(redactor(secrets_of(settings))),
            *(_for_people(colours=is_terminal) if for_people else _FOR_MACHINES),
        ],
    )


def as_text(settings: LogSettings, *, is_terminal: bool) -> bool:
    """Whether lines are text: by the setting, else on a terminal."""
    return settings.log_format == "text" or (settings.log_format == "auto" and is_terminal)


def secrets_of(settings: LogSettings) -> list[str]:
    """Return every secret in the settings."""
    found = [value.get_secret_value() for value in _flat(settings) if hasattr(value, "get_secret_value")]
    server = settings.redis
    store = urlsplit(settings.storage_url or "").password
    proxy: ProxyAddress | None = getattr(settings, "egress_proxy", None)
    in_urls = (server.password, server.sentinel_password, store, proxy and proxy.password)
    return [one for one in (*found, *in_urls) if one]


def _flat(settings: LogSettings) -> list[Any]:
    values = [getattr(settings, name) for name in type(settings).model_fields]
    return [one for value in values for one in (value if isinstance(value, tuple) else (value,))]


def _cleaned(clean: Callable[[Any], Any]) -> Processor:
    def processor(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: value if name in _INNER else _one_line(name, clean(value)) for name, value in line.items()}

    return processor


def _one_line(name: str, value: Any) -> Any:
    if name in _OF_LINES:
        return "    " + str(value).replace("\n", "\n    ")
    return visible(value) if isinstance(value, str) else value


_OF_LINES = ("exception", "stack")
"""Fields of several lines."""

_INNER = ("_record", "_from_structlog")


def _dumped(line: dict[str, Any], **_: object) -> str:
    return orjson.dumps(line, default=str).decode()


_FOR_MACHINES: tuple[Processor, ...] = (
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    structlog.processors.EventRenamer("message", "event_name"),
    structlog.processors.JSONRenderer(serializer=_dumped),
)


def _job_first(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    step, job_id = line.pop("step", None), line.pop("job_id", None)
    for name in (*IDS, "logger", "outcome", "event_name"):
        line.pop(name, None)
    if job_id is not None:
        line["event"] = f"{job_id} {step or ''}: {line['event']}" if step else f"{job_id}: {line['event']}"
    return line


def _for_people(*, colours: bool) -> tuple[Processor, ...]:
    return (
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _job_first,
        structlog.dev.ConsoleRenderer(
            colors=colours, timestamp_key="at", pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        ),
    )
