"""Translate what obstore raises."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from obstore import exceptions as foreign

from swapline_producer.errors import ObjectMissing, StorageError, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_REASON = 300
"""Characters."""

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}

_FOREIGN = (foreign.BaseError, OSError, ValueError, RuntimeError)
"""Without interrupts, which Python raises on obstore's return."""

_PANIC = "PanicException"
"""A panic in Rust: a BaseException that cannot be imported."""

_MISSING_PLACE = re.compile(r"NoSuchBucket|ContainerNotFound|(bucket|container) does not exist", re.IGNORECASE)
_XML = re.compile(r"<\?xml|<Error")
_CODE = re.compile(r"<Code>(\w{1,100})</Code>")


@contextmanager
def translated(scheme: str, address: str, done: str, key: str) -> Iterator[None]:
    """Turn whatever obstore raises into ObjectMissing or StorageUnavailable."""
    try:
        yield
    except StorageError:
        raise
    except BaseException as error:
        if not isinstance(error, _FOREIGN) and type(error).__name__ != _PANIC:
            raise
        missing = isinstance(error, FileNotFoundError)
        if _MISSING_PLACE.search(str(error)) or (missing and done == "written"):
            raise StorageUnavailable(
                f"There is no {address} to keep {key} in; make the bucket, or correct SWAPLINE_STORAGE_URL.",
            ) from error
        if missing:
            raise ObjectMissing(f"There is no {key} in {address}.") from error
        raise StorageUnavailable(
            f"{key} could not be {done} in {address} ({_reason(error)}); check SWAPLINE_STORAGE_URL "
            f"and {CREDENTIALS[scheme]}.",
        ) from error


def _reason(error: BaseException) -> str:
    """Return the first line of a foreign error, and the store's own word for it.

    Without URLs' queries (signatures) and XML (keys).
    """
    text = str(error).strip() or type(error).__name__
    first = re.sub(r"\?\S+", "", _XML.split(text.splitlines()[0])[0])[:LONGEST_REASON].rstrip(": ")
    code = _CODE.search(text)
    return f"{first}: {code[1]}" if code and code[1] not in first else first
