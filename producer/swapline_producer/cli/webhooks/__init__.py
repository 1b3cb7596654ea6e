"""`swapline webhooks`."""

from __future__ import annotations

import click

from swapline_producer.cli.webhooks.endpoints import enable, endpoints
from swapline_producer.cli.webhooks.failed import list_, replay


@click.group()
def webhooks() -> None:
    """See what was not delivered, send it again, see and enable receivers."""


for command in (list_, replay, endpoints, enable):
    webhooks.add_command(command)


@webhooks.command("new-secret")
@click.option("--ed25519", is_flag=True, help="A key pair instead: whsk_… for the workers, whpk_… for the receiver.")
def new_secret(*, ed25519: bool) -> None:
    """Make a secret for SWAPLINE_WEBHOOK_SECRETS, and print it.

    \b
    Example: swapline webhooks new-secret
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.webhooks import signing  # noqa: PLC0415 -- not needed for --help

    print(*(signing.new_key_pair() if ed25519 else [signing.new_secret()]), sep="\n")  # noqa: T201 -- the command line
