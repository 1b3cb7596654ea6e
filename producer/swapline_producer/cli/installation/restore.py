"""`swapline after-restore`: between a restored backup and the first worker."""

from __future__ import annotations

from dataclasses import asdict

import click

from swapline_producer.errors import SettingsError
from swapline_producer.terminal.output import out, print_json


@click.command("after-restore")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the ids of the jobs.")
def after_restore(*, dry_run: bool, as_json: bool) -> None:
    """Make a ledger that was restored from a backup safe to work on. Run it before the first worker.

    A job that waits in the backup may have been paid since. Where its receipt is stored it ends SUCCEEDED; else it is
    HELD: look at the vendor's records, then send it on with `swapline jobs resolve` or `swapline jobs replay`.

    \b
    Example: swapline after-restore --dry-run
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.ledger import open_ledger  # noqa: PLC0415 -- the same
    from swapline_producer.operations import restore as restoring  # noqa: PLC0415 -- not loaded for --help
    from swapline_producer.settings import ProducerSettings, load  # noqa: PLC0415 -- the same
    from swapline_producer.storage import open_storage  # noqa: PLC0415 -- the same

    settings = load(ProducerSettings)
    if settings.storage_url is None:
        raise SettingsError("SWAPLINE_STORAGE_URL is missing; set it to the place where the receipts are stored.")
    done = restoring.after_restore(open_ledger(settings), open_storage(settings.storage_url), dry_run=dry_run)
    if as_json:
        print_json(asdict(done))
        return
    would = "would be" if dry_run else "are"
    out.print(f"{len(done.succeeded)} jobs {would} SUCCEEDED: their receipts were found")
    out.print(f"{len(done.held)} jobs {would} HELD: look for them in the vendor's records")
    out.print(f"{len(done.continued)} jobs were at the vendor's, or in an open attempt: workers go on with them")
