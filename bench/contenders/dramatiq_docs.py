"""Runs `dramatiq_actors` with a worker process for each core and eight threads in each, its default."""

from __future__ import annotations

import base64
import sys

from runner import JOBS, WARM_UP, done, photo, plain_redis, ready, running, wait_for_results


def main() -> None:
    """Warm up, then run."""
    with plain_redis():
        from dramatiq_actors import submit  # noqa: PLC0415 -- it opens its broker by the folder

        with running(sys.executable, "-m", "dramatiq", "dramatiq_actors", "--processes", "2"):
            for n in range(WARM_UP):
                submit.send(n, base64.b64encode(photo(n).read_bytes()).decode())
            wait_for_results(WARM_UP)
            ready()
            for n in range(WARM_UP, WARM_UP + JOBS):
                submit.send(n, base64.b64encode(photo(n).read_bytes()).decode())
            wait_for_results(WARM_UP + JOBS)
            done()


if __name__ == "__main__":
    main()
