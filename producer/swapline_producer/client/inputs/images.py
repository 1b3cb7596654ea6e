"""Input pictures, checked undecoded before anything is stored or spent."""

from __future__ import annotations

import binascii
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote_to_bytes

import pybase64

from swapline_producer.client.inputs.picture_formats import BrokenHeader, CutShort, measure
from swapline_producer.contract import FailureCode, Prepare
from swapline_producer.errors import ImageError
from swapline_producer.pictures.kinds import source_kind
from swapline_producer.pictures.needs import TAKEN_BY_VENDOR
from swapline_producer.pictures.prepare import EXTRA, MAX_BYTES, MAX_PIXELS, SOURCE_BYTES, Preparation
from swapline_producer.webhooks.addresses import url_problem

if TYPE_CHECKING:
    from swapline_producer.contract import PreparedFrom

AS_IT_IS = Preparation(mode=Prepare.OFF)
"""The preparation of callers without settings."""

_LONGEST_PATH = 4096
"""Characters (Linux's PATH_MAX): a longer text was not meant as a path."""

_SHOWN = 60
"""Characters of a text in an error."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DATA_URI = re.compile(r"data:[^,]{0,255};base64,", re.IGNORECASE)
_BLANKS = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Picture:
    """A checked picture: size in pixels before EXIF rotation, SHA-256 in hex."""

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    sha256: str
    made_of: PreparedFrom | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A picture at a public URL."""

    url: str


def read_image(
    image: bytes | Path | str, preparation: Preparation = AS_IT_IS, *, dry_run: bool = False
) -> Picture | Link:
    """Read and check an input picture, and prepare it: `image` as in SwapRequest. Raises ImageError.

    Returns a JPEG, PNG or WebP of at most 7.5 MB and 50 megapixels; with `dry_run` the picture given.
    """
    return _Reader(preparation, dry_run=dry_run).read(image)


def is_link(text: str) -> bool:
    """Whether a text is taken for a URL."""
    return _SCHEME.match(text) is not None


def is_data_uri(text: str) -> bool:
    """Whether a text is taken for a data URI."""
    return text[:5].lower() == "data:"


class _Reader:
    """Reads a picture in any form, up to the preparation's size limit."""

    def __init__(self, preparation: Preparation, *, dry_run: bool) -> None:
        self._preparation = preparation
        self._dry_run = dry_run
        self._limit = MAX_BYTES if preparation.mode is Prepare.OFF else SOURCE_BYTES

    def read(self, image: bytes | Path | str) -> Picture | Link:
        if isinstance(image, Path):
            return self._checked(self._file(image), f"The file {image}")
        if isinstance(image, str):
            return self._text(image)
        if not isinstance(image, (bytes, bytearray, memoryview)):
            _refuse(f"An image is a pathlib.Path, bytes, a data URI, base64 or a URL, not {type(image).__name__}.")
        return self._checked(image, "The picture")

    def _text(self, text: str) -> Picture | Link:
        if is_link(text):
            return _link(text)
        if is_data_uri(text):
            return self._checked(self._data_uri(text), "The data URI")
        data = self._decode(text, _neither(text))
        if len(text) <= _LONGEST_PATH and source_kind(data) is None:
            _refuse(_neither(text))  # pic/face is valid base64, and yet more likely a path
        return self._checked(data, "The base64 text")

    def _data_uri(self, uri: str) -> bytes:
        head = _DATA_URI.match(uri)
        if head is None:
            _refuse("The data URI is not of the form data:image/png;base64,…; encode the picture so.")
        text = uri[head.end() :]
        if "%" in text:  # a data URI is a URI: +, / and = may be escaped
            text = unquote_to_bytes(text).decode("ascii", "replace")
        return self._decode(
            text, "The data URI does not hold valid base64; encode the whole picture with standard base64."
        )

    def _decode(self, text: str, problem: str) -> bytes:
        """Decode base64 strictly, but for white space."""
        if not text.isascii():
            _refuse(problem)
        compact = _BLANKS.sub("", text) if _BLANKS.search(text) else text
        if len(compact) > -(-self._limit // 3) * 4:
            self._too_large("The base64 text", f"{len(compact):,} characters")
        try:
            return pybase64.b64decode(compact, validate=True)
        except (binascii.Error, ValueError):
            _refuse(problem)

    def _file(self, path: Path) -> bytes:
        """Read a regular file whole, after checking type and size."""
        try:
            self._check_file(path, path.stat())
            # Without O_NONBLOCK, a fifo that replaced the file after the check would block for ever.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                found = os.fstat(file.fileno())
                self._check_file(path, found)
                # One byte more than there should be tells a file that grows meanwhile. To ask for all that is allowed
                # would reserve as much each time, which costs as much as the hash.
                data = file.read(found.st_size + 1)
                return data if len(data) <= found.st_size else data + file.read(self._limit + 1 - len(data))
        except FileNotFoundError:
            _refuse(f"The file {path} does not exist; check the path.")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            _refuse(f"The file {path} cannot be read ({reason}); check the path and its permissions.")

    def _check_file(self, path: Path, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            _refuse(f"{path} is {kind}; give the path of a JPEG, PNG or WebP file.")
        if found.st_size > self._limit:
            self._too_large(f"The file {path}", f"{found.st_size:,} bytes")

    def _checked(self, data: bytes | bytearray | memoryview, what: str) -> Picture:
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        if size == 0:
            _refuse(f"{what} is empty; give a JPEG, PNG or WebP picture.")
        if size > self._limit:
            self._too_large(what, f"{size:,} bytes")
        data = bytes(data)
        kind = source_kind(data)
        if kind is None:
            _refuse(f"{what} is not a JPEG, PNG or WebP picture by its header; convert it to one of these.")
        if kind not in TAKEN_BY_VENDOR and self._preparation.mode is Prepare.OFF:
            _refuse(f"{what} is {kind}, which the vendor does not take; prepare it ({EXTRA}), or convert it to JPEG.")
        width, height = measured(data, kind, what) if kind in TAKEN_BY_VENDOR else (0, 0)
        made_of = None
        if self._preparation.mode is Prepare.OFF:
            _check_pixels(width, height, what)
        elif self._dry_run:
            self._preparation.check(data, kind, (width, height), what)
        else:
            data, made_of = self._preparation.prepare(data, kind, (width, height), what)
            if made_of is not None:
                kind = source_kind(data) or kind
                width, height = measured(data, kind, what)
        return Picture(data, kind, width, height, hashlib.sha256(data).hexdigest(), made_of)

    def _too_large(self, what: str, size: str) -> NoReturn:
        if self._limit > MAX_BYTES:
            _refuse(f"{what} is too large ({size}): {self._limit:,} bytes can be prepared; make it smaller.")
        _refuse(f"{what} is too large ({size}): the vendor takes 10 MB of base64, 7,500,000 bytes; make it smaller.")


def measured(data: bytes, kind: str, what: str) -> tuple[int, int]:
    """Return width and height in pixels of a whole picture. Raises ImageError."""
    try:
        return measure(data, kind)
    except BrokenHeader:
        _refuse(f"{what} begins like {kind}, but its header is broken or cut short; save the picture again.")
    except CutShort:
        _refuse(f"{what} is cut short: the end of its {kind} is missing; give the whole picture.")


def _check_pixels(width: int, height: int, what: str) -> None:
    if width * height > MAX_PIXELS:
        _refuse(f"{what} has {width}x{height} pixels, more than 50 megapixels; make it smaller.")


def _link(url: str) -> Link:
    if problem := url_problem(url):
        _refuse(f"The image URL {_short(url)} is refused: {problem}. Give a public http(s) URL, or the picture itself.")
    return Link(url)


def _neither(text: str) -> str:
    if not text.strip():
        return "The image is empty; give a pathlib.Path, bytes, a data URI, base64 or a public URL."
    return (
        f"The image {_short(text)} is neither a URL, a data URI nor the base64 of a picture; wrap the path of a file in"
        " pathlib.Path, or encode the whole file with standard base64."
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _refuse(sentence: str) -> NoReturn:
    raise ImageError(sentence, field="image", code=FailureCode.INVALID_IMAGE)
