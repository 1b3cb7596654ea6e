"""What becomes of a picture before it is stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Self

from swapline_producer.contract import Done, FailureCode, Prepare, PreparedFrom, StripMetadata
from swapline_producer.errors import ImageError
from swapline_producer.pictures.kinds import HEIC
from swapline_producer.pictures.needs import TAKEN_BY_VENDOR, Needs, cut, needs_of

if TYPE_CHECKING:
    from swapline_producer.settings import ProducerSettings

SOURCE_BYTES = 64 * 1024 * 1024
"""Of a source: a TIFF of 20 megapixels."""
MAX_BYTES = 7_500_000
"""Bytes that the vendor takes: 10 MB as base64."""
MAX_PIXELS = 50_000_000
EXTRA = "swapline-producer[pictures]"


Size = tuple[int, int]


class Prepared(NamedTuple):
    """A picture to be stored, and its source, if changed."""

    data: bytes
    made_of: PreparedFrom | None = None


@dataclass(frozen=True, slots=True)
class Preparation:
    """How pictures are prepared. `max_side`: pixels, of converted ones."""

    mode: Prepare = Prepare.AUTO
    strip: StripMetadata = StripMetadata.GPS
    max_side: int = 4096
    asked: bool = False
    """The request asked for it: it fails without the extra."""

    @classmethod
    def of(cls, settings: ProducerSettings, asked: Prepare | None) -> Self:
        """Return what the request says, or else the settings."""
        return cls(asked or settings.prepare, settings.strip_metadata, settings.prepare_max_side, asked is Prepare.AUTO)

    def needed(self, data: bytes, kind: str, size: Size) -> Needs:
        """Return what must change."""
        needs = needs_of(data, kind, self.strip)
        if kind not in TAKEN_BY_VENDOR or needs.decoded:
            return needs
        if size[0] * size[1] > MAX_PIXELS:
            return needs._replace(decoded=(Done.SCALED,))
        return needs._replace(decoded=(Done.COMPRESSED,)) if len(data) > MAX_BYTES else needs

    def check(self, data: bytes, kind: str, size: Size, what: str) -> Needs:
        """Return what will be done. Raises ImageError for what can be refused undecoded."""
        needs = self.needed(data, kind, size)
        if self.mode is Prepare.STRICT and needs.all:
            _refuse(f"{what} would have to be changed ({', '.join(needs.all)}), which prepare=strict forbids.")
        if needs.decoded and not has_extra(kind):
            fit = kind in TAKEN_BY_VENDOR and not {Done.SCALED, Done.COMPRESSED} & set(needs.decoded)
            if self.asked or not fit:
                _refuse(f"{what} must be {needs.decoded[0]} first: install {EXTRA}, or do it yourself.")
            needs = needs._replace(decoded=())
        return needs

    def prepare(self, data: bytes, kind: str, size: Size, what: str) -> Prepared:
        """Return the picture to be stored. Raises ImageError."""
        needs = self.check(data, kind, size, what)
        if needs.decoded:
            return self._made_anew(data, kind, what, needs)
        if not needs.cut:
            return Prepared(data)
        return Prepared(cut(data, kind, self.strip), _source(data, kind, size, needs.cut))

    def _made_anew(self, data: bytes, kind: str, what: str, needs: Needs) -> Prepared:
        from swapline_producer.pictures.sandbox import Refused, sandbox  # noqa: PLC0415 -- few pictures need it

        try:
            facts, jpeg = sandbox.ask("jpeg", {"kind": kind, "max_side": self.max_side, "max_bytes": MAX_BYTES}, data)
        except Refused as error:
            _refuse(f"{what} {error}; save it again as JPEG.")
        seen = [Done(one) for one in facts["done"]]
        done = (
            *seen,
            *(one for one in needs.decoded if one not in {*seen, Done.COMPRESSED, Done.SCALED}),
        )  # decoders hide some
        width, height = facts["source_size"]
        return Prepared(jpeg, _source(data, kind, (width, height), done))


def has_extra(kind: str) -> bool:
    """Whether this type can be decoded here."""
    return find_spec("PIL") is not None and (kind != HEIC or find_spec("pillow_heif") is not None)


def _source(data: bytes, kind: str, size: Size, done: tuple[Done, ...]) -> PreparedFrom:
    width, height = size
    sha256 = hashlib.sha256(data).hexdigest()
    return PreparedFrom(media_type=kind, sha256=sha256, size=len(data), width=width, height=height, done=done)


def _refuse(sentence: str) -> NoReturn:
    raise ImageError(sentence, field="image", code=FailureCode.INVALID_IMAGE)
