"""The child process that decodes pictures: `python -m swapline_producer.pictures.decoder.child DESCRIPTOR NICENESS`.

With limits of memory, time and files, without settings and secrets.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from swapline_producer.pictures.decoder.wire import receive, send

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = 3 * 1024**3
"""Bytes: a picture of 100 megapixels takes 1.5 GB, libraries 0.5."""
CPU_SECONDS = 20
"""CPU time of one picture: the largest takes three seconds."""
WORDS = 200
"""Characters of a decoder's error."""
IDLE_SECONDS = 60.0


def main(descriptor: int, niceness: int) -> None:
    """Answer one message after another."""
    if niceness:
        os.nice(niceness)
    _limit_process()
    with socket.socket(fileno=descriptor) as sock, suppress(EOFError, TimeoutError, ConnectionError):
        while True:
            facts, data = receive(sock, IDLE_SECONDS)
            _limit_cpu()
            sock.settimeout(None)
            send(sock, *_answer(facts, data))


def _answer(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        return _OPERATIONS[facts["operation"]](facts, data)
    except MemoryError:
        return {"refused": "takes too much memory to decode"}, b""
    except Exception as error:  # noqa: BLE001 -- whatever a decoder raises is about the picture
        from swapline_producer.pictures.decoder.decode import Unreadable  # noqa: PLC0415 -- Pillow is loaded when it is used

        if isinstance(error, Unreadable):
            return {"refused": str(error)}, b""
        if type(error).__name__ == "UnidentifiedImageError":  # its message has an address in memory, and no reason
            return {"refused": "cannot be decoded: what follows its first bytes is not of that format"}, b""
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return {"refused": f"cannot be decoded ({words[:WORDS]})"}, b""


def _jpeg(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from swapline_producer.pictures.decoder.decode import make_jpeg  # noqa: PLC0415 -- Pillow is loaded when it is used

    made = make_jpeg(data, facts["kind"], facts["max_side"], facts["max_bytes"])
    return {"size": made.size, "source_size": made.source_size, "done": made.done}, made.data


def _variants(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from swapline_producer.contract import Variant  # noqa: PLC0415 -- with Pillow, when it is used
    from swapline_producer.pictures.decoder.variants import make_variants  # noqa: PLC0415 -- the same

    made = make_variants(data, facts["kind"], [Variant.parse(text) for text in facts["variants"]])
    sizes, lengths = [size for _, size in made], [len(variant) for variant, _ in made]
    return {"sizes": sizes, "lengths": lengths}, b"".join(variant for variant, _ in made)


def _faces(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from swapline_producer.pictures.decoder.detector import find_faces  # noqa: PLC0415 -- dlib is loaded when it is used

    faces, size = find_faces(data, facts["kind"])
    return {"faces": faces, "size": size}, b""


_OPERATIONS: dict[str, Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]] = {
    "jpeg": _jpeg,
    "variants": _variants,
    "faces": _faces,
}


def _limit_process() -> None:
    with suppress(ImportError):  # Windows has none of these limits
        import resource  # noqa: PLC0415 -- it is not there everywhere

        for limit, most in (
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_NOFILE, 64),
        ):
            hard = resource.getrlimit(limit)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)  # noqa: PLW2901 -- none is raised
            resource.setrlimit(limit, (most, most))


def _limit_cpu() -> None:
    with suppress(ImportError):
        import resource  # noqa: PLC0415 -- it is not there everywhere

        usage = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(usage.ru_utime + usage.ru_stime) + 1 + CPU_SECONDS
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
