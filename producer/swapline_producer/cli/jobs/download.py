"""`swapline jobs download`."""

from __future__ import annotations

from pathlib import Path

import click

from swapline_producer.cli import connections
from swapline_producer.cli.options import as_json_option
from swapline_producer.terminal.output import out, print_json


@click.command()
@click.argument("job_id")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="the current folder",
    help="Folder to write into; it is made where there is none.",
)
@as_json_option
def download(job_id: str, folder: Path, *, as_json: bool) -> None:
    """Write the pictures of one job into a folder, as JOB_ID.png, JOB_ID-2.png, and verify their SHA-256.

    A file of that name with other content is left alone: exit 1.

    \b
    Example: swapline jobs download 0193… --to ./pictures
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.client.download import (  # noqa: PLC0415 -- beside its use
        check_has_pictures,
        file_stem,
        picture_files,
        save_pictures,
    )

    producer = connections.producer()
    job = producer.get(job_id)
    check_has_pictures(job)
    folder.mkdir(parents=True, exist_ok=True)
    files = picture_files(folder / file_stem(job.job_id), job.images)
    save_pictures(producer, job.images, files)
    if as_json:
        print_json({"job_id": job.job_id, "files": [str(file) for file in files]})
        return
    for file in files:
        out.print(str(file))
