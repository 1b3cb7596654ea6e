"""What a backend installs to give jobs to Swapline.

Importing a name loads only what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapline_producer.client.batches.bulk import Result
    from swapline_producer.client.cancel import Cancellation
    from swapline_producer.contract import (
        ApiVersion,
        FailureCode,
        Gender,
        Job,
        Notification,
        Priority,
        QualityMode,
        Ratio,
        State,
        SwapEvent,
        SwapRequest,
    )
    from swapline_producer.errors import SwaplineError
    from swapline_producer.producer import Enqueued, Producer
    from swapline_producer.settings import ProducerSettings

__version__ = "0.1.0"

__all__ = [
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

_HOMES = {
    "Enqueued": "producer",
    "Producer": "producer",
    "ProducerSettings": "settings",
    "Result": "client.batches.bulk",
    "Cancellation": "client.cancel",
    "SwaplineError": "errors",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'contract')}"), name)
