"""An event, as a customer receives it."""

from __future__ import annotations

from swapline_producer.contract import EventType, State, SwapData, SwapEvent, WebhookImage

URL = "https://pictures.example.com/0.png"

EVENT = SwapEvent(
    type=EventType.SUCCEEDED,
    timestamp="2026-01-02T03:04:05.678Z",
    sequence=1,
    data=SwapData(
        job_id="j1",
        tenant="acme",
        batch="b1",
        metadata={"order": "ü 1"},
        state=State.SUCCEEDED,
        failure_code=None,
        vendor_job_id="v1",
        credits=2,
        images=[WebhookImage(key="k", sha256="0" * 64, bytes=1, width=1200, height=1800, url=URL)],
        timings={"queued": 0.1, "running": 8, "storing": 0.2, "total": 8.3},
    ),
)
