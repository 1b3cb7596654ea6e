"""What every part of Swapline shares. Pure: loads no celery or redis, opens nothing.

Times are UTC milliseconds (`int`) by the ledger's clock; durations in settings and requests are seconds (`float`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from swapline_producer.contract.enums import (
    CREDITS_PER_JOB,
    FINISHED,
    SLOT_STATES,
    VENDOR_CODES,
    ApiVersion,
    Canceling,
    Done,
    EventType,
    FailureCode,
    Gender,
    Notification,
    Prepare,
    Priority,
    QualityMode,
    Ratio,
    State,
    Step,
    StripMetadata,
)

if TYPE_CHECKING:
    from swapline_producer.contract.base import Frozen
    from swapline_producer.contract.events import (
        BatchData,
        BatchEvent,
        SwapData,
        SwapEvent,
        WebhookImage,
        WebhookVariant,
    )
    from swapline_producer.contract.jobs.batches import (
        BATCH_PREFIX,
        Batch,
        BatchCounts,
        batch_and_tenant,
        batch_key,
        is_batch,
    )
    from swapline_producer.contract.jobs.job import (
        Job,
        JobEvent,
        JobSpec,
        StepMessage,
        StoredPicture,
        StoredVariant,
        result_folder,
    )
    from swapline_producer.contract.requests.new_jobs import ImageRef, LinkedImage, NewJob, PreparedFrom, StoredImage
    from swapline_producer.contract.requests.swap_request import SwapOptions, SwapRequest, checked
    from swapline_producer.contract.requests.variants import Variant
    from swapline_producer.contract.values import (
        METADATA_LIMIT,
        MOST_CREDITS,
        BatchName,
        IdempotencyKey,
        Seconds,
        Tenant,
        VariantTexts,
        WebUrl,
    )

__all__ = [
    "BATCH_PREFIX",
    "CREDITS_PER_JOB",
    "FINISHED",
    "METADATA_LIMIT",
    "MOST_CREDITS",
    "SLOT_STATES",
    "VENDOR_CODES",
    "ApiVersion",
    "Batch",
    "BatchCounts",
    "BatchData",
    "BatchEvent",
    "BatchName",
    "Canceling",
    "Done",
    "EventType",
    "FailureCode",
    "Frozen",
    "Gender",
    "IdempotencyKey",
    "ImageRef",
    "Job",
    "JobEvent",
    "JobSpec",
    "LinkedImage",
    "NewJob",
    "Notification",
    "Prepare",
    "PreparedFrom",
    "Priority",
    "QualityMode",
    "Ratio",
    "Seconds",
    "State",
    "Step",
    "StepMessage",
    "StoredImage",
    "StoredPicture",
    "StoredVariant",
    "StripMetadata",
    "SwapData",
    "SwapEvent",
    "SwapOptions",
    "SwapRequest",
    "Tenant",
    "Variant",
    "VariantTexts",
    "WebUrl",
    "WebhookImage",
    "WebhookVariant",
    "batch_and_tenant",
    "batch_key",
    "checked",
    "is_batch",
    "result_folder",
]

_MODULES = (
    "requests.variants",
    "base",
    "values",
    "requests.swap_request",
    "requests.new_jobs",
    "jobs.job",
    "jobs.batches",
    "events",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _MODULES:
            module = import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
