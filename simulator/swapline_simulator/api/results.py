"""The replies of a job that is done: right by default, wrong in every way that a mode asks for."""

from __future__ import annotations

import zlib
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING

from swapline_simulator.api.replies import JSON, Reply, standing, text
from swapline_simulator.enums import Status
from swapline_simulator.faults.modes import Mode
from swapline_simulator.faults.spoiled import SPOILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swapline_simulator.faults.script import Cue

MIB = 2**20
PIXEL = b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
"""A PNG of one grey pixel, as base64."""
URL_SAFE = bytes.maketrans(b"+/", b"-_")
LINE = 76
"""Characters in a line of base64, as mail programs break it."""
ENDINGS = {
    Mode.RESULT_FAILED: Status.FAILED,
    Mode.RESULT_CANCELLED: Status.CANCELLED,
    Mode.RESULT_TIMED_OUT: Status.TIMED_OUT,
}
"""Modes in which the job ends without a picture, whatever its fate would have been."""


def completed(job_id: str, picture: bytes) -> Reply:
    """Answer as the vendor's page has it. `picture` is base64, and is not copied."""
    return _around(job_id, b'["', picture, b'"]')


def in_mode(job_id: str, cue: Cue, picture: bytes) -> Reply:
    """Return a reply in the mode of a cue. Some take a second of CPU: call it in a thread."""
    if cue.mode in SPOILED:
        return completed(job_id, b2a_base64(SPOILED[cue.mode](a2b_base64(picture)), newline=False))
    return MISSHAPEN[cue.mode](job_id, picture, int(cue.amount))


def _two(job_id: str, picture: bytes, _amount: int) -> Reply:
    return _around(job_id, b'["', picture, b'","', picture, b'"]')


def _many(job_id: str, _picture: bytes, number: int) -> Reply:
    return _around(job_id, b'["', b'","'.join([PIXEL] * number), b'"]')


def _string(job_id: str, picture: bytes, _amount: int) -> Reply:
    return _around(job_id, b'"', picture, b'"')


def _data_uri(job_id: str, picture: bytes, _amount: int) -> Reply:
    lines = (picture[start : start + LINE] for start in range(0, len(picture), LINE))
    return _around(job_id, b'["data:image/png;base64,', rb"\n".join(lines), b'"]')


def _charset(job_id: str, picture: bytes, _amount: int) -> Reply:
    return _around(job_id, b'["data:image/png;charset=utf-8;base64,', picture, b'"]')


def _url_safe(job_id: str, picture: bytes, _amount: int) -> Reply:
    return _around(job_id, b'["', picture.translate(URL_SAFE).rstrip(b"="), b'"]')


def _object(job_id: str, picture: bytes, _amount: int) -> Reply:
    return _around(job_id, b'[{"data":"', picture, b'","type":"image/png"}]')


def _other_order(job_id: str, picture: bytes, _amount: int) -> Reply:
    head = f'{{"delayTime":312,"executionTime":7421,"id":"{job_id}","output":{{"images":["'
    return Reply(200, (head.encode(), picture, b'"]},"status":"COMPLETED"}'))


def _missing(job_id: str, _picture: bytes, _amount: int) -> Reply:
    return standing(job_id, Status.COMPLETED)


def _empty(job_id: str, _picture: bytes, _amount: int) -> Reply:
    return text({"id": job_id, "status": Status.COMPLETED, "output": {"images": []}})


def _not_base64(job_id: str, picture: bytes, _amount: int) -> Reply:
    return _around(job_id, b'["', b"*" + picture.replace(b"+", b"*").replace(b"/", b"?"), b'"]')


def _gzip_bomb(job_id: str, _picture: bytes, mebibytes: int) -> Reply:
    body = packed_letters(_head(job_id) + b'["', mebibytes, b'"]}}')
    return Reply(200, (body,), JSON, {"Content-Encoding": "gzip"})


def _huge(job_id: str, _picture: bytes, megabytes: int) -> Reply:
    return Reply(200, _streamed(_head(job_id) + b'["', megabytes, b'"]}}'))


MISSHAPEN: dict[Mode, Callable[[str, bytes, int], Reply]] = {
    Mode.RESULT_TWO: _two,
    Mode.RESULT_MANY: _many,
    Mode.RESULT_STRING: _string,
    Mode.RESULT_DATA_URI: _data_uri,
    Mode.RESULT_CHARSET: _charset,
    Mode.RESULT_URL_SAFE: _url_safe,
    Mode.RESULT_OBJECT: _object,
    Mode.RESULT_OTHER_ORDER: _other_order,
    Mode.RESULT_MISSING: _missing,
    Mode.RESULT_EMPTY: _empty,
    Mode.RESULT_NOT_BASE64: _not_base64,
    Mode.RESULT_GZIP_BOMB: _gzip_bomb,
    Mode.RESULT_HUGE: _huge,
}


def packed_letters(head: bytes, mebibytes: int, tail: bytes) -> bytes:
    """Return a gzip stream of `head`, `mebibytes` MiB of the letter A, and `tail`: about a kB for each MiB.

    A fully flushed deflate block is self-contained, so one block is compressed and repeated.
    """
    letters = b"A" * MIB
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    opening = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(letters) + packer.flush(zlib.Z_FULL_FLUSH)
    closing = packer.compress(tail) + packer.flush(zlib.Z_FINISH)
    check = zlib.crc32(head)
    for _ in range(mebibytes):
        check = zlib.crc32(letters, check)
    check = zlib.crc32(tail, check)
    size = (len(head) + mebibytes * MIB + len(tail)) % 2**32
    prelude = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"  # gzip, deflate, no name, no time, Unix (RFC 1952)
    trailer = check.to_bytes(4, "little") + size.to_bytes(4, "little")
    return prelude + opening + block * mebibytes + closing + trailer


def _streamed(head: bytes, megabytes: int, tail: bytes) -> Iterator[bytes]:
    """Yield a valid body with a picture of `megabytes` million letters."""
    yield head
    piece = b"A" * 10**6
    for _ in range(megabytes):
        yield piece
    yield tail


def _head(job_id: str) -> bytes:
    return f'{{"id":"{job_id}","status":"COMPLETED","output":{{"images":'.encode()


def _around(job_id: str, *images: bytes) -> Reply:
    return Reply(200, (_head(job_id), *images, b"}}"))
