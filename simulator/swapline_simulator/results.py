"""The replies of a job that is done: right by default, wrong in every way that a mode asks for."""

from __future__ import annotations

import zlib
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING

from swapline_simulator.modes import Mode
from swapline_simulator.replies import JSON, Reply, standing, text
from swapline_simulator.spoiled import SPOILED
from swapline_simulator.words import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_simulator.script import Cue

MIB = 2**20
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


def directed(job_id: str, cue: Cue, picture: bytes) -> Reply:
    """Answer in the mode of a cue. Takes up to a second of CPU in some, so call it in a thread."""
    mode, amount = cue
    if mode in SPOILED:
        return completed(job_id, b2a_base64(SPOILED[mode](a2b_base64(picture)), newline=False))
    match mode:
        case Mode.RESULT_TWO:
            return _around(job_id, b'["', picture, b'","', picture, b'"]')
        case Mode.RESULT_STRING:
            return _around(job_id, b'"', picture, b'"')
        case Mode.RESULT_DATA_URI:
            return _around(job_id, b'["data:image/png;base64,', _in_lines(picture), b'"]')
        case Mode.RESULT_OTHER_ORDER:
            return _other_order(job_id, picture)
        case Mode.RESULT_MISSING:
            return standing(job_id, Status.COMPLETED)
        case Mode.RESULT_EMPTY:
            return text({"id": job_id, "status": Status.COMPLETED, "output": {"images": []}})
        case Mode.RESULT_GARBAGE:
            return _around(job_id, b'["', b"*" + picture.replace(b"+", b"*").replace(b"/", b"?"), b'"]')
        case Mode.RESULT_GZIP_BOMB:
            return Reply(200, (_bomb(_head(job_id), int(amount)),), JSON, {"Content-Encoding": "gzip"})
        case Mode.RESULT_HUGE:
            return Reply(200, _huge(_head(job_id), int(amount)))
        case _:
            return completed(job_id, picture)


def _head(job_id: str) -> bytes:
    return f'{{"id":"{job_id}","status":"COMPLETED","output":{{"images":'.encode()


def _around(job_id: str, *images: bytes) -> Reply:
    return Reply(200, (_head(job_id), *images, b"}}"))


def _in_lines(picture: bytes) -> bytes:
    r"""Break the text into lines; JSON writes a line break as `\n`."""
    return rb"\n".join(picture[start : start + LINE] for start in range(0, len(picture), LINE))


def _other_order(job_id: str, picture: bytes) -> Reply:
    head = f'{{"delayTime":312,"executionTime":7421,"id":"{job_id}","output":{{"images":["'
    return Reply(200, (head.encode(), picture, b'"]},"status":"COMPLETED"}'))


def _huge(head: bytes, megabytes: int) -> Iterator[bytes]:
    """Give a body of valid JSON with a picture of that many million characters, one million at a time."""
    yield head + b'["'
    piece = b"A" * 10**6
    for _ in range(megabytes):
        yield piece
    yield b'"]}}'


def _bomb(head: bytes, mebibytes: int) -> bytes:
    """Pack a body whose picture is that many MiB of the same letter: a thousandth of it, and a whole gzip stream.

    A flushed block of deflate stands for itself, so one block is packed and repeated.
    """
    letters = b"A" * MIB
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    opening = packer.compress(head + b'["') + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(letters) + packer.flush(zlib.Z_FULL_FLUSH)
    closing = packer.compress(b'"]}}') + packer.flush(zlib.Z_FINISH)
    check = zlib.crc32(head + b'["')
    for _ in range(mebibytes):
        check = zlib.crc32(letters, check)
    check = zlib.crc32(b'"]}}', check)
    size = (len(head) + 2 + mebibytes * MIB + 4) % 2**32
    prelude = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"  # gzip, deflate, no name, no time, Unix (RFC 1952)
    trailer = check.to_bytes(4, "little") + size.to_bytes(4, "little")
    return prelude + opening + block * mebibytes + closing + trailer
