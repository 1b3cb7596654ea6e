"""`swapline worker`: a thin face on `celery worker`."""

from __future__ import annotations

import click

from swapline_producer.contract import Step


@click.command()
@click.option("-c", "--concurrency", type=click.IntRange(1, 1000), help="Steps at once in this process.")
@click.option(
    "-s",
    "--step",
    "steps",
    multiple=True,
    type=click.Choice([step.value for step in Step]),
    help="Work on these steps only; may be given several times.",
)
@click.option("-n", "--name", default="swapline@%h", show_default=True, help="The worker's name in Flower.")
@click.option("-l", "--log-level", default="INFO", show_default=True, help="DEBUG, INFO, WARNING or ERROR.")
def worker(concurrency: int | None, steps: tuple[str, ...], name: str, log_level: str) -> None:
    """Run a worker until SIGTERM; it then finishes what it has in hand.

    \b
    Example: swapline worker --concurrency 16
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_workers.entry import app  # noqa: PLC0415 -- settings are read when a worker is wanted, not for --help

    arguments = ["--quiet", "worker", "--without-gossip", "--without-mingle", "-n", name, "-l", log_level]
    if concurrency is not None:
        arguments += ["-c", str(concurrency)]
    if steps:
        prefix = app.conf.task_default_queue.removesuffix(f".{Step.SUBMIT}")
        arguments += ["-Q", ",".join(Step(step).queue(prefix) for step in steps)]
    app.worker_main(arguments)
