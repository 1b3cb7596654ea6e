"""Settings of what is stored."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 -- pydantic reads the annotation at run time
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import NoDecode

from swapline_producer.contract import VariantTexts  # noqa: TC001 -- the same
from swapline_producer.settings import ProducerSettings


class FinishSettings(ProducerSettings):
    """What a worker stores beside, or instead of, the vendor's pictures."""

    variants: Annotated[VariantTexts, NoDecode] = Field(
        (),
        description="variants of each result, stored beside it: `print.jpg,web.webp:1200,thumb.jpg:320:80:1/1` "
        "(longer side, quality, crop); a request may name others",
    )
    clean_copy: bool = Field(
        default=False, description="publish a copy of the vendor's picture without text chunks and other metadata"
    )
    keep_original: bool = Field(
        default=True, description="store the vendor's own picture beside a published copy, as `original`"
    )
    digital_source_type: Literal["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia"] | None = Field(
        None, description="IPTC's digital source type, written into what is published, as XMP"
    )
    c2pa_certificate: Path | None = Field(
        None, description="file with a certificate chain (PEM): what is published is signed with a C2PA manifest"
    )
    c2pa_key: SecretStr | None = Field(None, description="the private key of that certificate (PEM, PKCS #8)")
    c2pa_algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = Field(
        "es256", description="how that key signs"
    )
    c2pa_timestamp_url: str | None = Field(
        None, pattern=r"^https?://", description="time-stamp authority (RFC 3161) that each signature asks"
    )
