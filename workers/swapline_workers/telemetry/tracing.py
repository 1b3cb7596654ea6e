"""OpenTelemetry spans of each step and call, below the producer's span.

Configured by its standard variables, with the extra `swapline-workers[otel]`; else OpenTelemetry is not loaded.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from swapline_workers.telemetry.context import TRACEPARENT

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Mapping
    from contextlib import AbstractContextManager

    from swapline_producer.contract import Job, Step

log = logging.getLogger(__name__)

T = TypeVar("T")

ASKS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")


class Tracing:
    """Records spans: this one none, `OtelTracing` all of them."""

    @contextmanager
    def step(self, step: Step, job: Job | None) -> Generator[None]:  # noqa: ARG002 -- for OtelTracing
        """Record a step of a job; nothing for a stale message (None)."""
        yield

    def calls(self, port: T, server: str, names: Mapping[str, str], *, opens: Container[str] = ()) -> T:  # noqa: ARG002 -- the same
        """Wrap a port: `names` maps methods to spans' names; `server`: the called host.

        Spans of methods in `opens` last as long as their context.
        """
        return port

    def start(self) -> None:
        """Begin: see `runtime/lifecycle.py`."""

    def drain(self) -> None:
        """Go on."""

    def stop(self) -> None:
        """Send what was recorded."""


class OtelTracing(Tracing):
    """Records with OpenTelemetry's tracer; `flush` sends the rest."""

    def __init__(self, tracer: Any, flush: Callable[[], object]) -> None:
        """OpenTelemetry may not be installed."""
        from opentelemetry import trace  # noqa: PLC0415 -- an extra; loaded for those who ask for it
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 -- the same

        self._kinds = trace.SpanKind
        self._w3c = tracecontext.TraceContextTextMapPropagator()
        self._tracer = tracer
        self._flush = flush

    @contextmanager
    def step(self, step: Step, job: Job | None) -> Generator[None]:
        """See `Tracing.step`: under the job's own trace."""
        if job is None:
            yield
            return
        facts = {"swapline.job_id": job.job_id, "swapline.tenant": job.tenant, "swapline.version": job.version}
        parent = self._w3c.extract({"traceparent": job.traceparent})
        with self._span(step.task, kind=self._kinds.CONSUMER, attributes=facts, context=parent):
            yield

    def calls(self, port: T, server: str, names: Mapping[str, str], *, opens: Container[str] = ()) -> T:
        """See `Tracing.calls`."""
        return cast("T", _Recorded(port, lambda name: self._call(names[name], server), names, opens))

    def stop(self) -> None:
        """Send what was recorded."""
        self._flush()

    def _call(self, name: str, server: str) -> AbstractContextManager[None]:
        facts = {"server.address": server} if server else {}
        return self._span(name, kind=self._kinds.CLIENT, attributes=facts)

    @contextmanager
    def _span(self, name: str, **more: Any) -> Generator[None]:
        """Record a span, the parent of calls; of an error only its kind."""
        quiet = {"record_exception": False, "set_status_on_exception": False}  # an error's text may hold an address
        with self._tracer.start_as_current_span(name, **more, **quiet) as span:
            header: dict[str, str] = {}
            self._w3c.inject(header)
            before = TRACEPARENT.set(header.get("traceparent"))
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise
            finally:
                TRACEPARENT.reset(before)


class _Recorded:
    def __init__(
        self,
        port: object,
        span: Callable[[str], AbstractContextManager[None]],
        names: Container[str],
        opens: Container[str],
    ) -> None:
        self._port, self._span, self._names, self._opens = port, span, names, opens

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name in self._opens:
            return self._while_open(name, method)
        return self._recorded(name, method) if name in self._names else method

    def _recorded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with self._span(name):
                return method(*args, **kwargs)

        return recorded

    def _while_open(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def recorded(*args: Any, **kwargs: Any) -> Generator[Any]:
            with self._span(name), method(*args, **kwargs) as given:
                yield given

        return recorded


def build_tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """Return what the standard variables configure; an exporter starts a sending thread."""
    if not asked_for(environment):
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 -- an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- the same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 -- the same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 -- the same
    except ImportError:
        log.warning("OTEL_* asks for traces, and there is nothing to send them with: install swapline-workers[otel]")
        return Tracing()
    name = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": "swapline-worker"}
    provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelTracing(provider.get_tracer("swapline"), provider.shutdown)


def asked_for(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables configure an exporter."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(name) for name in ASKS)
