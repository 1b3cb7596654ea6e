from __future__ import annotations

import subprocess
import sys

import pytest

from swapline_producer import SwapRequest
from swapline_producer.contract.trace_ids import TRACEPARENT, shortened, traceparent_of
from swapline_producer.errors import RequestError
from swapline_producer.testing import FakeProducer

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LINK = "https://pictures.example/me.jpg"


def request(**more: object) -> SwapRequest:
    return SwapRequest.model_validate({"image": LINK, "gender": 0, "filter_id": 12, **more})


def test_a_trace_that_was_given_comes_back_as_it_was() -> None:
    assert traceparent_of("a" * 32, shortened(GIVEN)) == GIVEN


def test_it_costs_a_job_less_than_sixty_bytes() -> None:
    assert len(f'"trace":"{shortened(GIVEN)}",') < 60


def test_a_job_that_was_given_none_has_a_trace_of_its_own_name() -> None:
    producer = FakeProducer()
    job = producer.get(producer.enqueue(request()).job_id)
    assert job.spec.trace is None
    assert job.trace_id == job.job_id
    assert TRACEPARENT.fullmatch(job.traceparent)


def test_a_job_keeps_the_trace_of_its_producer() -> None:
    producer = FakeProducer()
    job = producer.get(producer.enqueue(request(traceparent=GIVEN)).job_id)
    assert job.traceparent == GIVEN


def test_the_same_request_in_another_trace_is_the_same_request() -> None:
    producer = FakeProducer()
    first = producer.enqueue(request(traceparent=GIVEN, idempotency_key="k"))
    again = producer.enqueue(request(traceparent=GIVEN.replace("b7-01", "b8-01"), idempotency_key="k"))
    assert (again.job_id, again.created) == (first.job_id, False)


@pytest.mark.parametrize(
    "wrong",
    ["", "00-1-2-01", GIVEN.upper(), f"ff{GIVEN[2:]}", f"00-{'0' * 32}-00f067aa0ba902b7-01", GIVEN.replace("-", "_")],
)
def test_what_is_no_trace_is_refused_with_the_field(wrong: str) -> None:
    with pytest.raises(RequestError, match="traceparent: it is written 00-<32 hex digits>") as raised:
        request(traceparent=wrong)
    assert raised.value.field == "traceparent"


def test_the_producers_current_span_is_the_parent_where_it_uses_opentelemetry() -> None:
    code = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from swapline_producer import SwapRequest
from swapline_producer.testing import FakeProducer
producer = FakeProducer()
with TracerProvider(shutdown_on_exit=False).get_tracer("shop").start_as_current_span("checkout") as span:
    job_id = producer.enqueue(SwapRequest(image="https://pictures.example/me.jpg", gender=0, filter_id=12)).job_id
    seen = span.get_span_context()
assert producer.get(job_id).traceparent == f"00-{seen.trace_id:032x}-{seen.span_id:016x}-{seen.trace_flags:02x}"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("off", ["OTEL_SDK_DISABLED", "NOTHING_ASKED"])
def test_nothing_that_records_or_sends_spans_is_loaded_where_nobody_asks_for_it(off: str) -> None:
    # redis-py loads OpenTelemetry's metrics by itself where they are installed; spans and their exporter are ours.
    code = f"""
import os, sys
if {off!r} == "OTEL_SDK_DISABLED":
    os.environ.update(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_SDK_DISABLED="true")
from swapline_producer.producer import Producer
from swapline_workers.celery_app import build_app
from swapline_workers.telemetry.tracing import Tracing, build_tracing
assert type(build_tracing()) is Tracing
ours = ("opentelemetry.exporter", "opentelemetry.sdk.trace.export")
assert not [name for name in sys.modules if name.startswith(ours)]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_all_works_where_opentelemetry_is_not_installed() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from swapline_producer import SwapRequest
from swapline_producer.testing import FakeProducer
from swapline_workers.celery_app import build_app
producer = FakeProducer()
job_id = producer.enqueue(SwapRequest(image="https://pictures.example/me.jpg", gender=0, filter_id=12)).job_id
assert producer.get(job_id).trace_id == job_id
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_traces_that_nothing_can_send_are_a_warning_that_says_what_to_install() -> None:
    code = """
import sys
sys.modules["opentelemetry.sdk"] = None
from swapline_workers.telemetry.tracing import Tracing, build_tracing
assert type(build_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})) is Tracing
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert "install swapline-workers[otel]" in ran.stderr
