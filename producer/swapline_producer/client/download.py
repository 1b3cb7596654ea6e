"""A job's pictures as files: whole, verified, never over another file."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from swapline_producer.contract import State
from swapline_producer.errors import NotPossible, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from swapline_producer.contract import Job, StoredPicture
    from swapline_producer.producer import Producer

PLAIN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""Ids that are file names as they are, like ours."""


def picture_files(first: Path, images: Sequence[StoredPicture]) -> list[Path]:
    """Return the files of a job's pictures: `out.png`, `out-2.png`, `out-3.png`."""
    return [
        first.with_name(f"{first.stem}{f'-{n}' if n > 1 else ''}{first.suffix or PurePosixPath(image.key).suffix}")
        for n, image in enumerate(images, 1)
    ]


def file_stem(job_id: str) -> str:
    """Return a file's stem: the id, or a digest of it."""
    return job_id if PLAIN_ID.fullmatch(job_id) else hashlib.sha256(job_id.encode()).hexdigest()[:32]


def check_has_pictures(job: Job) -> None:
    """Raise NotPossible, which says what to do, for a job without pictures."""
    if job.images:
        return
    if not job.state.finished:
        advice = f"`swapline jobs wait {job.job_id}` waits for it"
    elif job.state is State.SUCCEEDED:
        advice = "they were purged"
    else:
        advice = f"`swapline jobs show {job.job_id}` says why"
    raise NotPossible(f"Job {job.job_id} is {job.state} and has no pictures; {advice}.")


def save_pictures(producer: Producer, images: Sequence[StoredPicture], targets: Sequence[Path]) -> None:
    """Write pictures to files; the same content already there stays.

    Raises NotPossible for another file of the name, StorageError (also for a wrong SHA-256), OSError.
    """
    for image, target in zip(images, targets, strict=True):
        if os.path.lexists(target):
            _check_same(target, image)
            continue
        data = producer.picture(image)
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise StorageError(
                f"{image.key} in object storage is not the picture that the job stored: its SHA-256 is another."
                f" {target} was not written; examine the store."
            )
        _write(target, data, image)


def unfinished_file(path: Path) -> Path:
    """Return a free name beside a file, for its unfinished content."""
    return path.with_name(f".{path.name[:100]}.{os.getpid()}.{os.urandom(4).hex()}.part")


def _write(target: Path, data: bytes, image: StoredPicture) -> None:
    unfinished = unfinished_file(target)
    try:
        with unfinished.open("xb") as file:
            file.write(data)
        if os.path.lexists(target):  # it came meanwhile
            _check_same(target, image)
        else:
            unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_same(target: Path, image: StoredPicture) -> None:
    if target.is_file() and target.stat().st_size == image.bytes:
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == image.sha256:
                return
    raise NotPossible(
        f"{target} is there already and is another picture or file; nothing was overwritten: move it away, or choose"
        " another name or folder."
    )
