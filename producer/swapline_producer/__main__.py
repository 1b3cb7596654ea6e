"""The door to the `swapline` command: so small that Ctrl-C while the rest is loaded finds somebody at home."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command and run it."""
    try:
        from swapline_producer.cli import main as run  # noqa: PLC0415 -- loading it takes a quarter of a second

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\nAborted!\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
