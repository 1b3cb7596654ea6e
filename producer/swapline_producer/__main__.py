"""The `swapline` command. Imports little, so that Ctrl-C works during start-up."""

from __future__ import annotations

import sys

EXTRA = {"click", "rich"}
"""Packages of the extra `cli`, which a web backend does not install."""


def main() -> None:
    """Load the command line and run it."""
    try:
        from swapline_producer.cli import main as run  # noqa: PLC0415 -- see the module's docstring

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\nAborted!\n")
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        sys.exit("The command swapline needs an extra: pip install 'swapline-producer[cli]'.")


if __name__ == "__main__":
    main()
