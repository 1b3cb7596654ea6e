"""Run `celery worker` without Celery's other commands: 10 MB and 0.13 s less."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from celery.bin.base import CLIContext
from celery.bin.worker import worker

if TYPE_CHECKING:
    from celery import Celery


def run_celery_worker(app: Celery, arguments: list[str]) -> None:
    """Run a worker until it stops; exit with its code."""
    context = CLIContext(app, no_color="NO_COLOR" in os.environ, workdir=None, quiet=True)
    sys.exit(worker.main(args=arguments, prog_name="swapline worker", obj=context, standalone_mode=False))
