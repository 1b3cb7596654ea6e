"""Build the finisher from settings; report at the start what they lack."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from swapline_producer.errors import SettingsError
from swapline_producer.pictures.sandbox import Sandbox
from swapline_workers.pictures.finisher import Finisher
from swapline_workers.pictures.provenance import Provenance

if TYPE_CHECKING:
    from swapline_workers.pictures.settings import FinishSettings

VARIANTS_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
"""Pictures, in processes of their own."""

NICENESS = 10
"""Of those processes: polls and submissions go first."""

COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a photograph with something by a model."""


def build_finisher(settings: FinishSettings) -> Finisher:
    """Return what makes variants and marks. Raises SettingsError without Pillow, or for a bad certificate."""
    if settings.variants and find_spec("PIL") is None:
        raise SettingsError("SWAPLINE_VARIANTS needs Pillow: install swapline-producer[pictures].")
    provenance = None
    if settings.c2pa_certificate is not None:
        if settings.c2pa_key is None:
            raise SettingsError("SWAPLINE_C2PA_CERTIFICATE needs SWAPLINE_C2PA_KEY as well: its private key.")
        provenance = Provenance(
            settings.c2pa_certificate,
            settings.c2pa_key.get_secret_value(),
            algorithm=settings.c2pa_algorithm,
            timestamp_url=settings.c2pa_timestamp_url,
            source_type=settings.digital_source_type or COMPOSITE,
        )
    return Finisher(
        variants=settings.variants,
        clean=settings.clean_copy,
        keep_original=settings.keep_original,
        source_type=settings.digital_source_type,
        provenance=provenance,
        sandbox=Sandbox(at_once=VARIANTS_AT_ONCE, niceness=NICENESS),
    )
