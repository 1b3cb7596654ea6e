"""What the tests of the vendor client share: a client, specs, and replies as the vendor's page has them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from pydantic import SecretStr

from support.pictures.pngs import png
from swapline_producer.contract import ApiVersion, JobSpec, LinkedImage
from swapline_workers.adapters.vendor import VendorClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest

    from swapline_workers.errors import WorkerError

BASE = "https://vendor.test"
SUBMIT = f"{BASE}/v6/run/face_swap"
STATUS = f"{BASE}/v6/status/job-abc-123"
KEY = "k3y-that-nobody-may-see"
IMAGE = base64.b64encode(bytes(range(256)) * 8).decode()
UUID_FILTER = UUID("123e4567-e89b-12d3-a456-426614174000")
PICTURE = png(30, 45)
V6 = ApiVersion.V6
NOW = 1_700_000_000.0  # 14 November 2023, 22:13:20 UTC, a Tuesday


def client(base_url: str = BASE, **more: Any) -> VendorClient:
    """Give a client with a key that is easy to find where it must not be."""
    given: dict[str, Any] = {"key_header": "X-Key", "key_prefix": "Bearer ", "now": lambda: NOW} | more
    return VendorClient(base_url=base_url, key=SecretStr(KEY), **given)


def spec(**more: Any) -> JobSpec:
    """Give a job's spec; only what the test is about is named."""
    return JobSpec(**{"image": LinkedImage(url="https://pictures.test/me.jpg"), "gender": 0, "filter_id": 12} | more)


def completed(*pictures: bytes, **more: object) -> bytes:
    """Give the reply about a job that is done."""
    images = [base64.b64encode(picture).decode() for picture in pictures]
    return orjson.dumps({"id": "job-abc-123", "status": "COMPLETED", "output": {"images": images}, **more})


def sent(request: PreparedRequest) -> Any:
    """Give the JSON that a request carries."""
    return orjson.loads(request.body or b"")


class Dripping(io.RawIOBase):
    """A body that comes in pieces, and ends in an error where one is given."""

    def __init__(self, *pieces: bytes, error: BaseException | None = None) -> None:
        """Keep the pieces."""
        self._pieces = list(pieces)
        self._error = error
        self.given = 0
        """Pieces that were read so far."""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give one piece."""
        if self._pieces:
            piece = self._pieces.pop(0)
            self.given += 1
            buffer[: len(piece)] = piece
            return len(piece)
        if self._error is not None:
            raise self._error
        return 0


def dripping(*pieces: bytes, error: BaseException | None = None) -> io.BufferedReader:
    """Give such a body as `responses` wants it."""
    return io.BufferedReader(Dripping(*pieces, error=error))


def all_texts(error: WorkerError) -> str:
    """Give all that a log or a ledger could keep of an error: messages and evidence, down the chain of causes."""
    return "\n".join(f"{link} {link!r} {getattr(link, 'evidence', '')}" for link in _links(error))


def _links(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
