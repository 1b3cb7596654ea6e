"""`swapline enqueue`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from swapline_producer.cli import connections
from swapline_producer.cli.options import Finite, as_json_option
from swapline_producer.contract import ApiVersion, Gender, Prepare, Priority, QualityMode, Ratio
from swapline_producer.terminal.output import out, print_json, wait_and_exit

BASE64_STARTS = ("/9j/", "iVBORw0KGgo", "UklGR")
"""Base64 of a JPEG, a PNG and a WebP."""


class GenderType(click.ParamType[Gender]):
    """A gender by number or name."""

    name = "gender"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Gender:
        """Read 0-4 or male, female, boy, girl, group."""
        try:
            return Gender(value)
        except ValueError:
            self.fail(f"{value!r} is not one of 0-4 or {', '.join(one.name.lower() for one in Gender)}.", param, ctx)


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """Read the values of a repeatable option key=value."""
    found = dict(text.partition("=")[::2] for text in texts)
    if not all("=" in text and not text.startswith("=") for text in texts):
        raise click.BadParameter("give it as key=value", param_hint=option)
    return found


def picture(text: str) -> Path | str | bytes:
    """Read a picture: a file, unless it is -, a URL, a data URI, base64 or nothing."""
    from swapline_producer.client.inputs.images import is_data_uri, is_link  # noqa: PLC0415 -- not loaded for --help

    if is_link(text) or is_data_uri(text) or not text.strip():
        return text
    if text == "-":
        return _standard_input()
    path = Path(text)
    return text if text.startswith(BASE64_STARTS) and not os.path.lexists(path) else path


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        raise click.UsageError("- is the picture on standard input: give it by a pipe, or by < FILE.")
    from swapline_producer.pictures.prepare import SOURCE_BYTES  # noqa: PLC0415 -- not loaded for --help

    return sys.stdin.buffer.read(SOURCE_BYTES + 1)


def _check_output(output: Path, *, may_exist: bool) -> None:
    if not output.parent.is_dir():
        raise click.BadParameter(f"the folder {output.parent} does not exist", param_hint="-o")
    if output.name in {"", "-"}:
        raise click.BadParameter("give the name of a file", param_hint="-o")
    if os.path.lexists(output) and not may_exist:
        raise click.BadParameter(f"{output} is there already, and nothing is overwritten", param_hint="-o")


def _maybe_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@click.command()
@click.argument("image")
@click.option("--gender", type=GenderType(), required=True, help="0-4, or male, female, boy, girl, group.")
@click.option("--filter-id", required=True, help="A number from the catalog, or a UUID.")
@click.option("--ratio", type=click.Choice([one.value for one in Ratio]), help="The vendor's default is portrait.")
@click.option("--quality-mode", type=click.Choice([one.value for one in QualityMode]), help="For integer filters only.")
@click.option("--api-version", type=click.Choice([one.value for one in ApiVersion]), default="v6", show_default=True)
@click.option(
    "--prepare",
    type=click.Choice([one.value for one in Prepare]),
    help="Make the picture fit, send it as it is, or refuse what would have to be changed.",
)
@click.option("--require-face/--no-require-face", default=None, help="Refuse a picture without a face.")
@click.option("--variants", metavar="TEXT", help="What is made of the result: web.webp:1200,thumb.jpg:320:80:1/1.")
@click.option("--extra", "extra", multiple=True, metavar="K=V", help="A further field of the v5 body; V may be JSON.")
@click.option("--webhook-url", help="Where to post the signed event.")
@click.option("--metadata", "metadata", multiple=True, metavar="K=V", help="Comes back in the webhook.")
@click.option("--priority", type=click.Choice([one.value for one in Priority]), default="normal", show_default=True)
@click.option("--tenant", default="default", show_default=True, help="Slots are shared fairly among tenants.")
@click.option("--account", help="The vendor's account, or a label of accounts, that it must run on.")
@click.option("--batch", help="A name to find jobs by.")
@click.option("--idempotency-key", help="The same key and request give the same job.")
@click.option("--replace-failed", is_flag=True, help="Let a job that failed under the key give it up to a new one.")
@click.option("--queue-ttl", type=Finite(), help="Seconds it may wait for a slot.")
@click.option("--run-timeout", type=Finite(), help="Seconds the vendor may take.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Wait, and write the picture here (further ones as FILE-2, …).",
)
@click.option("--wait", is_flag=True, help="Wait for the end: exit 0 succeeded, 1 not, 3 not finished.")
@click.option("--timeout", type=Finite(), default=3600.0, show_default=True, help="Seconds to wait at most.")
@as_json_option
def enqueue(image: str, *, output: Path | None, wait: bool, timeout: float, as_json: bool, **given: Any) -> None:
    """Enqueue one face swap. IMAGE is a file, a public URL, a data URI, base64, or - for standard input.

    \b
    Examples:
      swapline enqueue portrait.jpg --gender female --filter-id 12 -o result.png
      swapline enqueue https://example.com/me.jpg --gender 0 --filter-id 7 --webhook-url https://example.com/hook
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.client.batches.manifest import whole_number  # noqa: PLC0415 -- not loaded for --help
    from swapline_producer.contract import SwapRequest  # noqa: PLC0415 -- the same

    given["metadata"] = pairs(given["metadata"], "--metadata")
    given["extra"] = {name: _maybe_json(text) for name, text in pairs(given["extra"], "--extra").items()}
    given["filter_id"] = whole_number(given["filter_id"])
    if output:
        _check_output(output, may_exist=given["idempotency_key"] is not None)
    request = SwapRequest(image=picture(image), **given)
    producer = connections.producer()
    enqueued = producer.enqueue(request)
    if not wait and output is None:
        _print_enqueued(enqueued.job_id, created=enqueued.created, as_json=as_json)
        return
    wait_and_exit(producer, enqueued.job_id, timeout, as_json=as_json, output=output)


def _print_enqueued(job_id: str, *, created: bool, as_json: bool) -> None:
    if as_json:
        print_json({"job_id": job_id, "created": created})
    else:
        out.print(f"{'queued' if created else 'known already:'} {job_id}")
