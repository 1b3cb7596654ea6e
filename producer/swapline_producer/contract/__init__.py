"""The words that every part of Swapline shares: states, codes, requests, jobs, events and names.

Pure: importing this module loads neither celery nor redis, and opens nothing.

Times are UTC milliseconds since the epoch (`int`, fields ending in `_at` or `_until`), read from the ledger's
own clock; durations in settings and requests are seconds (`float`).
"""

from swapline_producer.contract.base import (
    Frozen,
)
from swapline_producer.contract.batches import BATCH_PREFIX, Batch, BatchCounts, batch_and_tenant, batch_key, is_batch
from swapline_producer.contract.enums import (
    CREDITS_PER_JOB,
    FINISHED,
    SLOT_STATES,
    VENDOR_CODES,
    ApiVersion,
    Canceling,
    EventType,
    FailureCode,
    Gender,
    Notification,
    Priority,
    QualityMode,
    Ratio,
    State,
    Step,
)
from swapline_producer.contract.events import BatchData, BatchEvent, SwapData, SwapEvent, WebhookImage
from swapline_producer.contract.jobs import (
    ImageRef,
    Job,
    JobEvent,
    JobSpec,
    LinkedImage,
    StepMessage,
    StoredImage,
    StoredPicture,
    result_folder,
)
from swapline_producer.contract.pictures import Done, Prepare, PreparedFrom, StripMetadata
from swapline_producer.contract.requests import SwapOptions, SwapRequest, checked
from swapline_producer.contract.values import (
    METADATA_LIMIT,
    MOST_CREDITS,
    BatchName,
    IdempotencyKey,
    Seconds,
    Tenant,
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
    "StripMetadata",
    "SwapData",
    "SwapEvent",
    "SwapOptions",
    "SwapRequest",
    "Tenant",
    "WebUrl",
    "WebhookImage",
    "batch_and_tenant",
    "batch_key",
    "checked",
    "is_batch",
    "result_folder",
]
