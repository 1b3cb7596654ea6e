from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import swapline_producer
from support.jobs.deliveries import EVENT
from swapline_producer.webhooks import new_secret, sign

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


HEAVY = {
    "asyncio",
    "celery",
    "concurrent",
    "dotenv",
    "kombu",
    "obstore",
    "opentelemetry",
    "pydantic",
    "pydantic_settings",
}
HEAVY |= {"aiohttp", "importlib.metadata", "redis", "requests", "rich", "ssl", "structlog", "click"}
"""What takes milliseconds to load, or megabytes, and is not needed by everything."""


@pytest.mark.parametrize(
    ("code", "may_load"),
    [
        ("from swapline_producer import Producer", {"pydantic", "importlib.metadata"}),  # pydantic asks for plugins
        ("run('--version')", {"click"}),
        ("run('--help')", {"click", "importlib.metadata"}),  # other packages' commands
        ("run('enqueue', '--help')", {"click"}),
    ],
)
def test_what_is_not_needed_is_not_loaded(code: str, may_load: set[str]) -> None:
    run = "def run(*words):\n sys.argv = ['swapline', *words]\n try: main()\n except SystemExit: pass\n"
    main = "" if code.startswith("from") else "from swapline_producer.__main__ import main\n" + run
    script = f"import sys\n{main}{code}\nprint('loaded:', *sorted({HEAVY} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert set(done.stdout.rpartition("loaded:")[2].split()) <= may_load


def test_a_receiver_of_webhooks_needs_the_standard_library_alone() -> None:
    secret, at = new_secret(), 1_000_000
    headers = sign(EVENT.to_json(), "msg_1", at, secret)
    code = (
        f"import sys; sys.path.append({str(Path(swapline_producer.__file__).parents[1])!r})\n"
        "from swapline_producer.webhooks import verify\n"
        f"print(verify({EVENT.to_json()!r}, {headers!r}, {secret!r}, now={at}).data.job_id)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == f"{EVENT.data.job_id}\n"


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
