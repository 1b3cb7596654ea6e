from __future__ import annotations

import subprocess
import sys

import pytest

import swapline_producer

WORLD = {"celery", "kombu", "redis", "requests", "urllib3", "obstore", "flower"}


@pytest.mark.parametrize(
    "module",
    [
        "swapline_producer",
        "swapline_producer.contract",
        "swapline_producer.contract.changes",
        "swapline_producer.errors",
        "swapline_workers",
        "swapline_workers.core.lifecycle",
        "swapline_workers.steps.submit",
        "swapline_workers.steps.poll",
        "swapline_workers.steps.finalize",
        "swapline_workers.steps.notify",
    ],
)
def test_importing_a_decision_loads_no_world(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({WORLD} & {{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.split() == []


def test_the_producers_door_names_what_is_public() -> None:
    assert sorted(swapline_producer.__all__) == [
        "ApiVersion",
        "Cancellation",
        "Enqueued",
        "FailureCode",
        "Gender",
        "Job",
        "Notification",
        "Priority",
        "Producer",
        "ProducerSettings",
        "QualityMode",
        "Ratio",
        "Result",
        "State",
        "SwapEvent",
        "SwapRequest",
        "SwaplineError",
    ]
    assert all(getattr(swapline_producer, name) is not None for name in swapline_producer.__all__)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = swapline_producer.Nothing
