"""All modes in which the simulated vendor can reply, as one enum and one table; the documentation is generated.

A mode belongs to one of three stages, and each stage is always in exactly one mode:

    submit   how POST /v6/run/face_swap is answered; modes that end in `_accepted` accept and charge the job first
    status   how POST /v6/status/{id} is answered while and after the job runs
    result   what the status of a job that is done carries
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """The part of the API that a mode changes."""

    SUBMIT = "submit"
    STATUS = "status"
    RESULT = "result"


class Mode(StrEnum):
    """One way to reply. The name begins with its stage."""

    SUBMIT_OK = "submit_ok"
    SUBMIT_401 = "submit_401"
    SUBMIT_402 = "submit_402"
    SUBMIT_403 = "submit_403"
    SUBMIT_404 = "submit_404"
    SUBMIT_429 = "submit_429"
    SUBMIT_429_SECONDS = "submit_429_seconds"
    SUBMIT_429_DATE = "submit_429_date"
    SUBMIT_500 = "submit_500"
    SUBMIT_CLOSED = "submit_closed"
    SUBMIT_SLOW_ACCEPTED = "submit_slow_accepted"
    SUBMIT_500_ACCEPTED = "submit_500_accepted"
    SUBMIT_504_ACCEPTED = "submit_504_accepted"
    SUBMIT_524_ACCEPTED = "submit_524_accepted"
    SUBMIT_CLOSED_ACCEPTED = "submit_closed_accepted"
    SUBMIT_CUT_ACCEPTED = "submit_cut_accepted"
    SUBMIT_NOT_JSON_ACCEPTED = "submit_not_json_accepted"
    SUBMIT_NO_ID_ACCEPTED = "submit_no_id_accepted"
    SUBMIT_INTERIM_ACCEPTED = "submit_interim_accepted"
    SUBMIT_OTHER_ID_ACCEPTED = "submit_other_id_accepted"
    SUBMIT_LONG_ID_ACCEPTED = "submit_long_id_accepted"

    STATUS_OK = "status_ok"
    STATUS_HELD = "status_held"
    STATUS_HELD_PENDING = "status_held_pending"
    STATUS_HELD_CUT = "status_held_cut"
    STATUS_DRIP = "status_drip"
    STATUS_CUT = "status_cut"
    STATUS_CLOSED = "status_closed"
    STATUS_INTERIM = "status_interim"
    STATUS_OTHER_JOB = "status_other_job"
    STATUS_LONG = "status_long"
    STATUS_UNKNOWN = "status_unknown"
    STATUS_404_THEN_FOUND = "status_404_then_found"
    STATUS_404_AFTER_TTL = "status_404_after_ttl"
    STATUS_401 = "status_401"
    STATUS_402 = "status_402"
    STATUS_403 = "status_403"
    STATUS_429 = "status_429"
    STATUS_429_SECONDS = "status_429_seconds"
    STATUS_429_DATE = "status_429_date"
    STATUS_500 = "status_500"
    STATUS_504 = "status_504"
    STATUS_524 = "status_524"
    STATUS_NOT_JSON = "status_not_json"

    RESULT_OK = "result_ok"
    RESULT_TWO = "result_two"
    RESULT_MANY = "result_many"
    RESULT_STRING = "result_string"
    RESULT_DATA_URI = "result_data_uri"
    RESULT_CHARSET = "result_charset"
    RESULT_URL_SAFE = "result_url_safe"
    RESULT_OBJECT = "result_object"
    RESULT_OTHER_ORDER = "result_other_order"
    RESULT_MISSING = "result_missing"
    RESULT_EMPTY = "result_empty"
    RESULT_NOT_BASE64 = "result_not_base64"
    RESULT_CUT_PNG = "result_cut_png"
    RESULT_CORRUPT_PNG = "result_corrupt_png"
    RESULT_JPEG = "result_jpeg"
    RESULT_HTML = "result_html"
    RESULT_OTHER_SIZE = "result_other_size"
    RESULT_WHITE_SPACE = "result_white_space"
    RESULT_WEBP = "result_webp"
    RESULT_GZIP_BOMB = "result_gzip_bomb"
    RESULT_HUGE = "result_huge"
    RESULT_FAILED = "result_failed"
    RESULT_CANCELLED = "result_cancelled"
    RESULT_TIMED_OUT = "result_timed_out"

    @property
    def stage(self) -> Stage:
        """The stage, which is the first word of the name."""
        return Stage(self.partition("_")[0])

    @property
    def kind(self) -> str:
        """The name without stage and `_accepted`."""
        return self.partition("_")[2].removesuffix("_accepted")

    @property
    def accepts(self) -> bool:
        """Whether a submission in this mode is accepted and charged."""
        return self.stage is Stage.SUBMIT and (self is Mode.SUBMIT_OK or self.endswith("_accepted"))


WELL_BEHAVED = {Stage.SUBMIT: Mode.SUBMIT_OK, Stage.STATUS: Mode.STATUS_OK, Stage.RESULT: Mode.RESULT_OK}
"""The default mode of each stage."""


class Row(NamedTuple):
    """What a mode does; `amount` is the default where it has a unit."""

    meaning: str
    amount: float = 0
    unit: str = ""


MODES: dict[Mode, Row] = {
    Mode.SUBMIT_OK: Row("accepted, charged, and answered with the id"),
    Mode.SUBMIT_401: Row("401: the key is refused"),
    Mode.SUBMIT_402: Row("402: no credits"),
    Mode.SUBMIT_403: Row("403: the key may not do this"),
    Mode.SUBMIT_404: Row("404: there is no such address"),
    Mode.SUBMIT_429: Row("429 without Retry-After"),
    Mode.SUBMIT_429_SECONDS: Row("429 with Retry-After in seconds", 2, "seconds"),
    Mode.SUBMIT_429_DATE: Row("429 with Retry-After as an HTTP date", 2, "seconds"),
    Mode.SUBMIT_500: Row("500 before the job is accepted"),
    Mode.SUBMIT_CLOSED: Row("the connection is closed before the job is accepted"),
    Mode.SUBMIT_SLOW_ACCEPTED: Row("accepted at once, answered late", 5, "seconds"),
    Mode.SUBMIT_500_ACCEPTED: Row("accepted, then 500"),
    Mode.SUBMIT_504_ACCEPTED: Row("accepted, then a proxy's 504 page"),
    Mode.SUBMIT_524_ACCEPTED: Row("accepted, then a proxy's 524 page"),
    Mode.SUBMIT_CLOSED_ACCEPTED: Row("accepted, then the connection is closed without a reply"),
    Mode.SUBMIT_CUT_ACCEPTED: Row("accepted, then the connection is closed in the middle of the reply"),
    Mode.SUBMIT_NOT_JSON_ACCEPTED: Row("accepted, then 200 with an HTML page"),
    Mode.SUBMIT_NO_ID_ACCEPTED: Row("accepted, then 200 with JSON that has no id"),
    Mode.SUBMIT_INTERIM_ACCEPTED: Row("accepted; 102 and 103 come before the reply"),
    Mode.SUBMIT_OTHER_ID_ACCEPTED: Row("accepted, then 200 with the id of the job before, where there is one"),
    Mode.SUBMIT_LONG_ID_ACCEPTED: Row("accepted, then 200 with an id of 300 characters and more"),
    Mode.STATUS_OK: Row("answered at once with the present status"),
    Mode.STATUS_HELD: Row("held until the job is done"),
    Mode.STATUS_HELD_PENDING: Row(
        "held until the job is done; after a time answered with a status that is not terminal", 5, "seconds"
    ),
    Mode.STATUS_HELD_CUT: Row(
        "held until the job is done; after a time the connection is closed without a reply", 5, "seconds"
    ),
    Mode.STATUS_DRIP: Row("the body comes in forty small pieces over a time", 5, "seconds"),
    Mode.STATUS_CUT: Row("the connection is closed in the middle of the body"),
    Mode.STATUS_CLOSED: Row("the connection is closed without a reply"),
    Mode.STATUS_INTERIM: Row("102 and 103 come before the reply"),
    Mode.STATUS_OTHER_JOB: Row("COMPLETED with a picture, under the id of another job"),
    Mode.STATUS_LONG: Row("the status is a word of a length", 4, "MB"),
    Mode.STATUS_UNKNOWN: Row("until the job is done its status is a word that no page names"),
    Mode.STATUS_404_THEN_FOUND: Row("404 for the first calls about a job, then found", 2, "calls"),
    Mode.STATUS_404_AFTER_TTL: Row("404 once a job has been done for a time", 1, "seconds"),
    Mode.STATUS_401: Row("401: the key is refused"),
    Mode.STATUS_402: Row("402: no credits"),
    Mode.STATUS_403: Row("403: the key may not do this"),
    Mode.STATUS_429: Row("429 without Retry-After"),
    Mode.STATUS_429_SECONDS: Row("429 with Retry-After in seconds", 2, "seconds"),
    Mode.STATUS_429_DATE: Row("429 with Retry-After as an HTTP date", 2, "seconds"),
    Mode.STATUS_500: Row("500"),
    Mode.STATUS_504: Row("a proxy's 504 page"),
    Mode.STATUS_524: Row("a proxy's 524 page"),
    Mode.STATUS_NOT_JSON: Row("200 with an HTML page"),
    Mode.RESULT_OK: Row("COMPLETED with a list of one PNG"),
    Mode.RESULT_TWO: Row("COMPLETED with a list of two PNGs"),
    Mode.RESULT_MANY: Row("COMPLETED with a list of many PNGs of one pixel", 100_000, "pictures"),
    Mode.RESULT_STRING: Row("COMPLETED, `images` is one string and no list"),
    Mode.RESULT_DATA_URI: Row("COMPLETED, the picture begins with `data:` and has a line break every 76 characters"),
    Mode.RESULT_CHARSET: Row("COMPLETED, the picture begins with `data:image/png;charset=utf-8;base64,`"),
    Mode.RESULT_URL_SAFE: Row("COMPLETED, the picture in the URL-safe alphabet of base64, without padding"),
    Mode.RESULT_OBJECT: Row('COMPLETED, an object `{"data": …, "type": …}` where a string was promised'),
    Mode.RESULT_OTHER_ORDER: Row("COMPLETED, the reply's keys in alphabetical order, with the host's two times"),
    Mode.RESULT_MISSING: Row("COMPLETED without `output`"),
    Mode.RESULT_EMPTY: Row("COMPLETED, `images` is an empty list"),
    Mode.RESULT_NOT_BASE64: Row("COMPLETED, the picture is not base64"),
    Mode.RESULT_CUT_PNG: Row("COMPLETED, the PNG ends in its middle"),
    Mode.RESULT_CORRUPT_PNG: Row("COMPLETED, one bit of the PNG is wrong"),
    Mode.RESULT_JPEG: Row("COMPLETED, the picture is a JPEG"),
    Mode.RESULT_HTML: Row("COMPLETED, the picture is an HTML page"),
    Mode.RESULT_OTHER_SIZE: Row("COMPLETED, the PNG is half as wide and half as high as the ratio promises"),
    Mode.RESULT_WHITE_SPACE: Row("COMPLETED, a line break follows the PNG"),
    Mode.RESULT_WEBP: Row("COMPLETED, a WebP where a PNG was promised"),
    Mode.RESULT_GZIP_BOMB: Row("COMPLETED, a small gzip body that unpacks to a large one", 512, "MiB"),
    Mode.RESULT_HUGE: Row("COMPLETED, a large body, streamed without saying how long it is", 200, "MB"),
    Mode.RESULT_FAILED: Row("FAILED"),
    Mode.RESULT_CANCELLED: Row("CANCELLED, a status of the vendor's host"),
    Mode.RESULT_TIMED_OUT: Row("TIMED_OUT, a status of the vendor's host"),
}


def markdown() -> str:
    """Return the table for the documentation."""
    lines = ["| mode | what it does | amount |", "|---|---|---|"]
    for mode, row in MODES.items():
        amount = f"{row.amount:g} {row.unit}" if row.unit else ""
        lines.append(f"| `{mode}` | {row.meaning} | {amount} |")
    return "\n".join(lines) + "\n"
