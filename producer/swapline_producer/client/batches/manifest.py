"""Manifests: one face swap a row, as CSV or JSONL, read in constant memory.

Columns are the fields of SwapRequest; others go to the metadata. `image` is a URL, or a path relative to the manifest.
An empty cell is no value.
"""

from __future__ import annotations

import csv
import json
import re
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from swapline_producer.client.inputs.images import AS_IT_IS, is_data_uri, is_link, read_image
from swapline_producer.contract import SwapRequest, checked
from swapline_producer.errors import RequestError
from swapline_producer.pictures.prepare import Preparation
from swapline_producer.webhooks.addresses import check_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from swapline_producer.settings import ProducerSettings

FIELDS = frozenset(SwapRequest.model_fields) - {"batch", "replace_failed"}
REQUIRED = ("image", "gender", "filter_id")
OBJECTS = ("metadata", "extra")

CHECKED = 4096
"""Pictures remembered as good during a check."""

MOST_DIGITS = 20
"""Digits of a number: 64 bits."""

DELIMITERS = (",", ";", "\t")

LONGEST_LINE = 20_000_000
"""Characters of one cell: the module's 131,072 would refuse a data URI."""


_ROW_KEY = re.compile(r"(batch:.*:)([1-9][0-9]{0,8})", re.DOTALL)


class Row(NamedTuple):
    """Its number from 1, its line in the file, and its values or problem."""

    number: int
    line: int
    values: dict[str, Any]
    problem: str | None = None

    @property
    def place(self) -> str:
        """Where it stands, for errors."""
        return f"line {self.line} (row {self.number})"


class Manifest:
    """A manifest under its batch's name."""

    def __init__(self, path: Path, name: str, defaults: Mapping[str, str], *, replace_failed: bool = False) -> None:
        """Raises RequestError for a name that cannot be a batch's."""
        self._path = path
        self._name: str = checked("batch", name)
        self._defaults = defaults
        self._replace_failed = replace_failed

    def rows(self) -> Iterator[Row]:
        """Yield the rows, checked but for pictures. Raises RequestError."""
        raw = self._jsonl() if self._path.suffix.lower() in {".jsonl", ".ndjson"} else self._csv()
        try:
            for number, (line, found) in zip(count(1), raw, strict=False):
                yield self._row(number, line, found)
        except UnicodeDecodeError as error:
            raise RequestError(
                f"The manifest {self._path} is not UTF-8 ({error.reason} {error.object[error.start]:#04x});"
                " save it as UTF-8 (in a spreadsheet: CSV UTF-8).",
                field="manifest",
            ) from None
        except (OSError, csv.Error) as error:
            raise RequestError(f"The manifest {self._path} cannot be read: {error}", field="manifest") from None

    def key(self, number: int) -> str:
        """The idempotency key of a row, the same in each run."""
        return f"{_prefix(self._name)}{number}"

    def _row(self, number: int, line: int, found: dict[str, Any] | str) -> Row:
        """Check the columns of a row. `found` is a sentence where the row could not be read."""
        if isinstance(found, str):
            return Row(number, line, {}, found)
        try:
            values = self._values({**self._defaults, **found})
        except ValueError as error:
            return Row(number, line, {}, str(error))
        named = {"batch": self._name, "replace_failed": self._replace_failed}
        return Row(number, line, {"idempotency_key": self.key(number), **values, **named})

    def _values(self, found: dict[str, Any]) -> dict[str, Any]:
        values = {name: value for name, value in found.items() if name in FIELDS}
        for name in OBJECTS:
            values[name] = _object(name, values.get(name, {}))
        others = {name: _as_text(value) for name, value in found.items() if name not in FIELDS}
        values["metadata"] = {**{name: _as_text(value) for name, value in values["metadata"].items()}, **others}
        for name, read in (("image", self._image), ("filter_id", whole_number)):
            if name in values:
                values[name] = read(values[name])
        return values

    def _image(self, text: Any) -> Any:
        if not isinstance(text, str) or is_link(text) or is_data_uri(text):
            return text
        return self._path.parent / text

    def _csv(self) -> Iterator[tuple[int, dict[str, Any] | str]]:
        csv.field_size_limit(LONGEST_LINE)
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            names = next(reader, [])
            self._check_header(names)
            before = reader.line_num
            for cells in reader:
                if cells:  # else a blank line
                    yield before + 1, _csv_row(names, cells)
                before = reader.line_num

    def _check_header(self, names: list[str]) -> None:
        missing = [name for name in REQUIRED if name not in names and name not in self._defaults]
        twice = sorted({name for name in names if names.count(name) > 1})
        alone = f" Its one column is {names[0]!r}: separate cells by , or ; or tabs." if len(names) == 1 else ""
        for wrong, sentence in ((missing, "it has no column"), (twice, "it has twice the column")):
            if wrong:
                raise RequestError(f"{self._path}, line 1: {sentence} {', '.join(wrong)}.{alone}", field="manifest")
        if "batch" in names:
            raise RequestError(f"{self._path}, line 1: a batch is named by --name, not in a column.", field="manifest")

    def _jsonl(self) -> Iterator[tuple[int, dict[str, Any] | str]]:
        with self._path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    yield line, _json_row(text)


def check(row: Row, settings: ProducerSettings | None = None) -> str | None:
    """Return what is wrong with a row, its picture included, or None."""
    if row.problem is not None:
        return row.problem
    try:
        request = SwapRequest(**row.values)
        check_webhook(request.webhook_url, allow_private=settings is not None and settings.webhook_allow_private)
        preparation = Preparation.of(settings, request.prepare) if settings else AS_IT_IS
        if isinstance(request.image, Path):
            _check_picture(request.image, preparation)
        else:
            read_image(request.image, preparation, dry_run=True)
    except RequestError as error:
        return f"{error}{f' ({error.code})' if error.code else ''}"
    return None


def row_of(name: str, idempotency_key: str | None) -> int | None:
    """Return the number of a job's row, or None."""
    found = _ROW_KEY.fullmatch(idempotency_key or "")
    return int(found[2]) if found and found[1] == _prefix(name) else None


def _prefix(name: str) -> str:
    return f"batch:{name}:"


@lru_cache(CHECKED)
def _check_picture(path: Path, preparation: Preparation) -> None:
    read_image(path, preparation, dry_run=True)


def _delimiter(header: str) -> str:
    """Return the delimiter with which most columns are fields of requests."""
    return max(DELIMITERS, key=lambda one: len(FIELDS.intersection(next(csv.reader([header], delimiter=one), ()))))


def _csv_row(names: list[str], cells: list[str]) -> dict[str, Any] | str:
    if len(cells) > len(names):
        return f"it has {len(cells) - len(names)} cells more than there are columns"
    return {name: cell for name, cell in zip(names, cells, strict=False) if cell}


def _json_row(text: str) -> dict[str, Any] | str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:  # brackets a thousand deep are a mistake
        return f"it is not JSON: {error}"
    if not isinstance(found, dict):
        return "it is not a JSON object"
    if "batch" in found:
        return "batch: a batch is named by --name, not in a row"
    return {name: value for name, value in found.items() if value is not None}


def _object(name: str, value: Any) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f'{name}: it must be a JSON object, as in {{"order": "4711"}}')  # noqa: TRY004 -- the user's
    return found


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def whole_number(value: Any) -> Any:
    """Read digits as a number; leave all else to the request."""
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.removeprefix("-").isdecimal() and len(text) <= MOST_DIGITS else value
