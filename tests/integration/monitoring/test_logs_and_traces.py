"""A job's life as a real worker tells it: in its log, in the spans that it sends, and in the webhook's header."""

from __future__ import annotations

import http.server
import json
import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.pictures.pngs import png
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Installation

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"


class Collector(http.server.ThreadingHTTPServer):
    """What OpenTelemetry sends its spans to: OTLP over HTTP."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Collect)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.spans: queue.Queue[Any] = queue.Queue()


class _Collect(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.server.spans.put(span)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def collector() -> Generator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_trace_leads_from_the_producer_through_every_step_to_the_webhook(
    installation: Installation, collector: Collector
) -> None:
    installation.more.update(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100")
    installation.more["SWAPLINE_LOG_LEVEL"] = "DEBUG"
    producer = installation.producer()
    hook = f"{installation.receiver.url}?token=very-private"
    with installation.worker() as worker:
        asked = SwapRequest(
            image=png(64, 64), gender=0, filter_id=12, webhook_url=hook, tenant="shop", traceparent=GIVEN
        )
        job_id = producer.enqueue(asked).job_id
        assert producer.wait(job_id, timeout=60).state.value == "SUCCEEDED"
        installation.receiver.next()
        worker.stop()

    lines = [json.loads(line) for line in worker.lines]
    mine = [line for line in lines if line.get("job_id") == job_id and line["logger"] == "swapline_workers.tasks"]
    by_key = {line["step"]: line for line in mine if line["level"] == "info"}
    assert list(by_key) == ["submit", "poll", "finalize", "notify"]
    assert len([line for line in mine if line["level"] == "info"]) == 4
    assert {(line["tenant"], line["trace_id"], isinstance(line["version"], int)) for line in mine} == {
        ("shop", TRACE, True)
    }

    secrets = (installation.vendor.config.key, installation.environment["SWAPLINE_WEBHOOK_SECRETS"], "very-private")
    assert [secret for secret in secrets if secret in worker.log()] == []

    spans: list[Any] = []
    while not collector.spans.empty():
        spans.append(collector.spans.get())
    by_name = {span.name: span for span in spans}
    steps = ["swapline.submit", "swapline.poll", "swapline.finalize", "swapline.notify"]
    assert [by_name[name].parent_span_id.hex() for name in steps] == [PARENT] * 4
    calls = {
        "POST /run/face_swap": "swapline.submit",
        "POST /status": "swapline.poll",
        "store": "swapline.finalize",
        "POST webhook": "swapline.notify",
    }
    own = {span.span_id: span.name for span in spans}
    assert {name: own[by_name[name].parent_span_id] for name in calls} == calls
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert "very-private" not in str(spans)

    _, headers = installation.receiver.raw[0]
    assert headers["traceparent"] == f"00-{TRACE}-{by_name['POST webhook'].span_id.hex()}-01"


def test_what_is_no_success_is_logged_with_its_cause_and_what_to_do(installation: Installation) -> None:
    control, producer = installation.vendor.control, installation.producer()

    def enqueued(mode: str, filter_id: int = 12) -> str:
        control.set_mode(mode, next_submissions=1)
        return producer.enqueue(SwapRequest(image=png(64, 64), gender=0, filter_id=filter_id)).job_id

    with installation.worker() as worker:
        refused = enqueued("submit_401")
        waited_for(lambda: producer.get(refused).state is State.SUCCEEDED)
        wrong = enqueued("submit_ok", filter_id=4_000)
        waited_for(lambda: producer.get(wrong).state is State.FAILED)
        held = enqueued("submit_500")
        waited_for(lambda: producer.get(held).state is State.HELD)
        worker.stop()
    lines = [json.loads(line) for line in worker.lines]
    by_key = {(line["job_id"], line["event"]): line for line in lines if {"event", "job_id"} <= line.keys()}
    facts = {key: (line["level"], line["http_status"], line.get("failure_code")) for key, line in by_key.items()}
    assert facts == {
        (refused, "submission_refused"): ("error", 401, None),
        (wrong, "job_failed"): ("warning", 422, "FILTER_NOT_FOUND"),
        (held, "job_held"): ("error", 500, "SUBMIT_UNKNOWN"),
    }
    assert "check SWAPLINE_API_KEY" in by_key[refused, "submission_refused"]["message"]
    assert "take an id from the vendor's catalog" in by_key[wrong, "job_failed"]["message"]
    assert f"swapline jobs resolve {held}" in by_key[held, "job_held"]["message"]


def test_on_request_people_read_a_line_for_each_step(installation: Installation) -> None:
    installation.more["SWAPLINE_LOG_FORMAT"] = "text"
    with installation.worker() as worker:
        job = installation.run(image="https://pictures.example/me.jpg", gender=0, filter_id=12)
        worker.stop()
    mine = [line.split(job.job_id)[1].strip() for line in worker.lines if job.job_id in line]
    assert [line.split(" ")[0] for line in mine] == ["submit:", "poll:", "finalize:"]
    assert "finalize: SUCCEEDED" in mine[-1]


def test_an_error_nobody_expected_is_reported_with_its_job_and_without_its_variables(
    installation: Installation,
) -> None:
    installation.more["SWAPLINE_STORAGE_URL"] = installation.store.as_uri()
    producer = installation.producer()
    job_id = producer.enqueue(
        SwapRequest(image="https://pictures.example/me.jpg", gender=0, filter_id=12, tenant="shop")
    ).job_id
    # A record that no version ever wrote: reading it fails in a way that no step foresees. A worker that has written
    # the job itself would not read it, so none is there yet.
    producer.ledger.client.hset(f"{installation.prefix}:job:{job_id}", "attempts", "many")
    with installation.worker() as worker:
        waited_for(lambda: any("UnreadableRecord" in line for line in worker.lines))
        worker.stop()
    [line, *_] = [json.loads(line) for line in worker.lines if "UnreadableRecord" in line]
    assert line["level"] == "error"
    assert line["job_id"] == job_id
    assert "Traceback" in line["exception"]
