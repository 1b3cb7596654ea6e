"""What is stored beside, or instead of, the vendor's picture; by default nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from swapline_producer.client.inputs.picture_formats import end_of
from swapline_producer.contract import StoredImage, StoredVariant, Variant
from swapline_producer.pictures.sandbox import Refused
from swapline_producer.pictures.segments import is_manifest, is_metadata, is_xmp, without
from swapline_producer.storage.keys import SUFFIXES, media_type_of
from swapline_workers.core.picture_memory import Other
from swapline_workers.pictures.provenance import NotSigned
from swapline_workers.pictures.xmp import marked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.contract import Job
    from swapline_producer.pictures.sandbox import Sandbox
    from swapline_producer.pictures.segments import Part
    from swapline_workers.core.picture_memory import Picture
    from swapline_workers.pictures.provenance import Provenance

ORIGINAL = "original"
"""Name of the vendor's picture where another one is published."""
_MEDIA_TYPES = {suffix: kind for kind, suffix in SUFFIXES.items()}


@dataclass(frozen=True, slots=True)
class Finisher:
    """The port `Finisher`."""

    variants: tuple[str, ...] = ()
    """Made of every picture whose job names none."""
    clean: bool = False
    """Publish a copy without metadata."""
    keep_original: bool = True
    """Store the vendor's own picture beside a published copy."""
    source_type: str | None = None
    """IPTC's digital source type, for XMP."""
    provenance: Provenance | None = None
    sandbox: Sandbox | None = None

    def finish(self, job: Job, pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
        """See `steps.ports.Finisher.finish`."""
        wanted = self.variants if job.spec.variants is None else job.spec.variants
        if not wanted and not self._marks:
            return pictures
        return tuple(one if one.finished else self._finished(job, one, wanted) for one in pictures)

    @property
    def _marks(self) -> bool:
        return self.clean or self.source_type is not None or self.provenance is not None

    def _finished(self, job: Job, picture: Picture, wanted: Sequence[str]) -> Picture:
        known, data = picture.known, picture.data
        kind = media_type_of(known.key)
        sources = {"vendor_output_sha256": known.sha256}
        if isinstance(job.spec.image, StoredImage):
            sources["input_sha256"] = job.spec.image.sha256
        warnings: list[str] = []

        def mark(made: bytes, of_kind: str) -> bytes:
            return self._marked(made, of_kind, job, sources, warnings.append)

        others = self._variants(known.key, data, kind, wanted, warnings, mark)
        if self._marks:
            if self.keep_original:
                stem = PurePosixPath(known.key)
                key = str(stem.with_suffix(f".{ORIGINAL}{stem.suffix}"))
                facts = known.model_dump(exclude={"key", "variants"})
                others.insert(0, Other(StoredVariant(name=ORIGINAL, key=key, **facts), data))
            data = mark(self._clean(data, kind), kind)
        variants = tuple(other.known for other in others)
        published = known.model_copy(update={"sha256": _sha256(data), "bytes": len(data), "variants": variants})
        return picture._replace(
            known=published, data=data, others=tuple(others), finished=True, warnings=tuple(dict.fromkeys(warnings))
        )

    def _clean(self, data: bytes, kind: str) -> bytes:
        """Leave out metadata, or at least what a mark of ours would contradict."""
        return without(data, kind, is_metadata if self.clean else _is_mark, end_of(data, kind))

    def _marked(self, data: bytes, kind: str, job: Job, sources: dict[str, str], warn: Callable[[str], None]) -> bytes:
        if self.source_type is not None:
            data = marked(data, kind, self.source_type)
        if self.provenance is None:
            return data
        try:
            return self.provenance.signed(data, kind, job, sources)
        except NotSigned as error:
            warn(f"published without a C2PA manifest: {error}")
            return data

    def _variants(
        self,
        key: str,
        data: bytes,
        kind: str,
        wanted: Sequence[str],
        warnings: list[str],
        mark: Callable[[bytes, str], bytes],
    ) -> list[Other]:
        if not wanted or self.sandbox is None:
            return []
        try:
            facts, joined = self.sandbox.ask("variants", {"kind": kind, "variants": list(wanted)}, data)
        except Refused as error:
            warnings.append(f"no variants were made of {key}: it {error}")
            return []
        found, at = [], 0
        for text, (width, height), length in zip(wanted, facts["sizes"], facts["lengths"], strict=True):
            variant = Variant.parse(text)
            made = mark(joined[at : at + length], _MEDIA_TYPES[f".{variant.suffix}"])
            at += length
            name = str(PurePosixPath(key).with_suffix(f".{variant.name}.{variant.suffix}"))
            stored = StoredVariant(
                name=variant.name, key=name, sha256=_sha256(made), bytes=len(made), width=width, height=height
            )
            found.append(Other(stored, made))
        return found


def _is_mark(part: Part) -> bool:
    return is_xmp(part) or is_manifest(part)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
