"""Modules that a user of Celery would write, for `celery -A`: they set up an observer, then load Swapline's app.

They are texts, because only the worker's process loads the observer. Each writes what it sees into `seen.jsonl`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.programs.installation import Installation

CANARY = "kanarienvogel-in-a-local-variable"

BROKEN_NOTIFY = f"""
from swapline_producer.contract import Step
from swapline_workers import tasks

def broken(job, at, ports):
    canary = "{CANARY[::-1]}"[::-1]  # the source line does not show it
    raise ValueError("nothing at https://pictures.example/face.png?token=" + canary)

tasks.STEPS[Step.NOTIFY] = broken
"""

WRITE = """
import json, os, threading
lock = threading.Lock()

def write(**facts):
    with lock, open("seen.jsonl", "a") as file:
        file.write(json.dumps(facts, default=str) + "\\n")
"""

SENTRY = """
import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.transport import Transport
from swapline_workers.telemetry.sentry import before_send

class FileTransport(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.payload.json is not None:
                write(kind=item.type, **item.payload.json)

sentry_sdk.init(
    dsn="https://key@sentry.invalid/1",
    transport=FileTransport,
    traces_sample_rate=1.0,
    integrations=[CeleryIntegration()],
    before_send=before_send,
    before_send_transaction=before_send,
)
"""

OPENTELEMETRY = """
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

class FileExporter(SpanExporter):
    def export(self, spans):
        for span in spans:
            write(**json.loads(span.to_json()))
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(FileExporter()))
trace.set_tracer_provider(provider)
CeleryInstrumentor().instrument()
"""

HANDLERS = """
from celery import signals

def follow(name):
    def handle(sender=None, **facts):
        request = facts.get("request") or getattr(sender, "request", None)
        write(
            signal=name,
            sender=str(getattr(sender, "name", None) or sender),
            id=facts.get("task_id") or getattr(request, "id", None) or facts["headers"]["id"],
            state=facts.get("state"),
            result=facts.get("result"),
            reason=type(facts.get("reason")).__name__,
        )
    getattr(signals, name).connect(handle, weak=False)

for name in (
    "task_received", "task_prerun", "task_postrun", "task_success", "task_retry", "task_failure",
    "before_task_publish", "after_task_publish",
):
    follow(name)
"""

LOAD_APP = "\nfrom swapline_workers.entry import app\n"


def write_app(installation: Installation, *parts: str) -> None:
    """Write the module `observed`, which loads these parts and then the app."""
    (installation.store.parent / "observed.py").write_text("".join([WRITE, *parts, LOAD_APP]))


def seen(installation: Installation) -> list[dict[str, Any]]:
    """Return what the observer has written."""
    file = installation.store.parent / "seen.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
