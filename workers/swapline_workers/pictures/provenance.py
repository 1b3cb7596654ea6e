"""C2PA manifests: who made a picture, how, and of what. By c2pa-python, an extra."""

from __future__ import annotations

import json
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from swapline_producer.errors import SettingsError
from swapline_workers.pictures.xmp import SCHEME

if TYPE_CHECKING:
    from pathlib import Path

    from swapline_producer.contract import Job

EXTRA = "swapline-workers[c2pa]"
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080000000"
    "03a7e9b550000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)
"""A PNG, signed at the start to find a wrong certificate."""


class NotSigned(Exception):  # noqa: N818 -- it names the situation
    """A picture could not be signed."""


class Provenance:
    """Signs pictures. Thread-safe."""

    def __init__(
        self, certificate: Path, key: str, *, algorithm: str, timestamp_url: str | None, source_type: str
    ) -> None:
        """Read a certificate chain and a private key (PEM). Raises SettingsError."""
        try:
            c2pa = import_module("c2pa")  # 23 MB, and only some need it
        except ImportError:
            raise SettingsError(f"SWAPLINE_C2PA_CERTIFICATE needs an extra: install {EXTRA}.") from None
        self._c2pa: Any = c2pa
        try:
            chain = certificate.read_bytes()
        except OSError as error:
            raise SettingsError(f"SWAPLINE_C2PA_CERTIFICATE cannot be read: {error.strerror}.") from None
        self._info = c2pa.C2paSignerInfo(
            algorithm.encode(), chain, key.encode(), timestamp_url.encode() if timestamp_url else None
        )
        self._source_type = source_type
        try:
            self._sign(_PIXEL, "image/png", {})
        except Exception as error:
            raise SettingsError(f"SWAPLINE_C2PA_CERTIFICATE and _KEY cannot sign: {error}.") from error

    def signed(self, data: bytes, kind: str, job: Job, sources: dict[str, str]) -> bytes:
        """Return a picture with a manifest: action, source type, SHA-256 of its sources. Raises NotSigned."""
        try:
            return self._sign(data, kind, {"job": job.job_id, **sources})
        except Exception as error:
            raise NotSigned(str(error)) from error

    def _sign(self, data: bytes, kind: str, sources: dict[str, str]) -> bytes:
        action = {"action": "c2pa.created", "digitalSourceType": SCHEME + self._source_type}
        manifest = {
            "claim_generator_info": [{"name": "swapline"}],
            "format": kind,
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
                {"label": "swapline.sources", "data": sources},
            ],
        }
        c2pa = self._c2pa
        context = c2pa.Context(c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}}))
        out = BytesIO()
        with (
            c2pa.Builder(json.dumps(manifest), context=context) as builder,
            c2pa.Signer.from_info(self._info) as signer,
        ):
            builder.sign(signer, kind, BytesIO(data), out)
        return out.getvalue()
