"""Whether the vendor takes the key and the status path is right, without spending a credit.

By polls of an impossible job: with the key, with another key, and at an impossible address.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr

from swapline_producer.contract import ApiVersion
from swapline_producer.errors import SettingsError
from swapline_producer.operations.account_settings import accounts_source
from swapline_producer.operations.doctor.findings import Finding, fail, ok, warn
from swapline_workers import errors
from swapline_workers.adapters.http.connections.tunnel import proxy_failure
from swapline_workers.adapters.vendor import VendorClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_workers.settings import WorkerSettings

NAME = "vendor"

UNKNOWN_JOB = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
"""Answers of a status path for an unknown id."""

NOT_AN_API = ("<!doctype", "<html", "<?xml")


ADDRESS = "check SWAPLINE_API_BASE_URL: the vendor's address without /v6"

PLAIN: tuple[tuple[type[errors.VendorError], bool, str, str], ...] = (
    (errors.NotSent, True, "", f"{ADDRESS}; if it is right, the vendor is away: jobs wait, uncharged"),
    (
        errors.Unauthorized,
        True,
        "the key is refused: ",
        "check SWAPLINE_API_KEY, {key}; no job fails meanwhile, they wait",
    ),
    (errors.OutOfCredits, True, "the account is out of credits: ", "buy some; it goes on by itself"),
    (errors.Throttled, False, "it says that we are too fast: ", "ask again in a minute"),
)
"""Error -> whether it fails, words before the vendor's own, what to do."""


class Answer(NamedTuple):
    """Status, the body's beginning without the id, and the error, if any."""

    status: int | None
    body: str
    error: errors.VendorError | None


def examine(settings: WorkerSettings, timeout: float) -> Iterator[Finding]:
    """Ask each account three times at most."""
    source = accounts_source(settings)
    if source is None:
        yield from _examine_one(settings, timeout)
        return
    try:
        accounts = source.read()
    except SettingsError as error:
        yield fail(NAME, str(error), "mend it; workers go on with the accounts that they have")
        return
    for name, one in accounts.items():
        own = {"api_base_url": one.base_url, "api_key": one.key}
        own |= {"api_key_header": one.key_header, "api_key_prefix": one.key_prefix}
        for finding in _examine_one(settings.model_copy(update=own), timeout):
            yield finding.model_copy(update={"found": f"account {name}: {finding.found}"})


def _examine_one(settings: WorkerSettings, timeout: float) -> Iterator[Finding]:
    """Compare the answers for the key, another key, and an impossible address."""
    base = settings.api_base_url
    answer = _ask(settings, settings.api_key, base, timeout)
    path = f"POST {base}/v6/status/…"
    problem = _problem(answer, settings, path)
    if problem is not None:
        yield problem
        return
    reaction = "says that it knows no such job" if answer.status in UNKNOWN_JOB else "answers"
    other = _ask(settings, SecretStr("doctor-" + secrets.token_hex(16)), base, timeout)
    nowhere = _ask(settings, settings.api_key, f"{base}/swapline-doctor-{secrets.token_hex(4)}", timeout)
    refused = isinstance(other.error, errors.Unauthorized)
    if nowhere.error is not None and (nowhere.status, nowhere.body) == (answer.status, answer.body):
        found = f"{path} {reaction}, in the same words as an address that cannot exist: {answer.body[:80]!r}"
        grave = not refused or not answer.body.startswith("{")
        yield (fail if grave else warn)(NAME, found, f"{ADDRESS}, as on its page; the path is probably wrong")
    elif not refused:
        found = f"{path} {reaction}, whatever the key"
        yield warn(NAME, found, "whether the key is accepted shows with the first submission: watch `swapline slots`")
    else:
        yield ok(NAME, f"{path} {reaction}; the key is accepted, another one is refused; no credit was spent")


def _ask(settings: WorkerSettings, key: SecretStr, base: str, timeout: float) -> Answer:
    job_id = f"swapline-doctor-{secrets.token_hex(8)}"
    client = VendorClient(
        base_url=base,
        key_header=settings.api_key_header,
        key_prefix=settings.api_key_prefix,
        key=key,
        status_timeout=min(timeout, settings.status_timeout),
        egress_proxy=settings.egress_proxy,
    )
    try:
        with client.poll(job_id, ApiVersion.V6) as reply:
            return Answer(HTTPStatus.OK, reply.status, None)
    except errors.VendorError as error:
        status = error.evidence.get("status")
        body = str(error.evidence.get("body", "")).replace(job_id, "…")
        return Answer(status if isinstance(status, int) else None, body, error)
    finally:
        client.close()


def _problem(answer: Answer, settings: WorkerSettings, path: str) -> Finding | None:
    """Return why an answer cannot be the vendor's, or None."""
    error = answer.error
    if error is None:
        return None
    if proxy_failure(error):
        return fail(NAME, str(error), "mend SWAPLINE_HTTPS_PROXY or the proxy's rules; jobs wait meanwhile, uncharged")
    for kind, grave, what, advice in PLAIN:
        if isinstance(error, kind):
            key = f"_HEADER (now {settings.api_key_header}) and _PREFIX (now {settings.api_key_prefix!r})"
            return (fail if grave else warn)(NAME, f"{what}{error}", advice.format(key=key))
    if answer.body.lower().startswith(NOT_AN_API):
        what = f"answered {answer.status}" if answer.status else "answered"
        return fail(NAME, f"{path} {what} with a web page: {answer.body[:80]!r}", ADDRESS)
    return _by_status(answer.status, error, path, words=bool(answer.body))


def _by_status(status: int | None, error: errors.VendorError, path: str, *, words: bool) -> Finding | None:
    if status in UNKNOWN_JOB:
        return None
    if status is None and not words:
        return warn(NAME, str(error), "the vendor may be slow: try --timeout 60")
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return warn(NAME, f"it is not well: {error}", "ask the vendor; jobs wait or are polled again meanwhile")
    return fail(NAME, f"{path} is not answered as a status: {error}", ADDRESS)
