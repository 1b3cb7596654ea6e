"""What living workers show of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.operations.doctor.findings import Finding, fail, ok, unchecked, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.accounts.workers import WorkerRecord

SECRETS, STORE, SHARED = "webhook secrets", "workers' store", "workers' settings"

NO_WORKER = "no worker shows itself"


def webhook_secrets(ledger: Ledger) -> Iterator[Finding]:
    """Check that workers can sign webhooks, and sign alike."""
    senders = [worker for worker in ledger.workers.alive() if not worker.steps or "notify" in worker.steps.split(",")]
    without = [worker for worker in senders if not worker.webhook_keys and not worker.tenant_keys]
    if not senders:
        yield unchecked(SECRETS, f"{NO_WORKER} that sends webhooks", "start one: `swapline worker`")
    elif len(without) == len(senders):
        advice = "give the workers SWAPLINE_WEBHOOK_SECRETS: what `swapline webhooks new-secret` prints"
        yield warn(SECRETS, "no worker has any: events of jobs with a webhook_url cannot be sent", advice)
    elif without:
        found = f"{len(without)} of {len(senders)} workers have none and fail what they take: {without[0].name}"
        yield fail(SECRETS, found, "give all workers the same SWAPLINE_WEBHOOK_SECRETS")
    elif len({(worker.webhook_print, worker.tenant_keys) for worker in senders}) > 1:
        found = f"{len(senders)} workers sign with different keys: {', '.join(worker.name for worker in senders[:3])}"
        yield warn(SECRETS, found, "give all workers the same SWAPLINE_WEBHOOK_SECRETS, or receivers refuse some")
    else:
        number, own = senders[0].webhook_keys, "; some tenants have their own" if senders[0].tenant_keys else ""
        yield ok(SECRETS, f"{number} {'signs' if number == 1 else 'sign'} every webhook, in {_all(senders)}{own}")


def store(ledger: Ledger) -> Iterator[Finding]:
    """Check that every worker reaches the store of this installation."""
    living = ledger.workers.alive()
    wrong = [worker for worker in living if worker.store not in {"", "ok"}]
    urls = sorted({worker.storage_url for worker in living})
    if not living:
        yield unchecked(STORE, NO_WORKER, "start one: `swapline worker`")
    elif wrong:
        found = f"{len(wrong)} of {len(living)} workers: {wrong[0].name} at {wrong[0].storage_url}: {wrong[0].store}"
        yield fail(STORE, found, "docs/guides/storage.md; jobs wait in STORING meanwhile")
    elif len(urls) > 1:
        yield warn(STORE, f"the same store under several addresses: {', '.join(urls)}", "give all workers the same")
    elif all(worker.store for worker in living):
        yield ok(STORE, f"{urls[0]}, as {_all(living)} found within the last minute")
    else:
        yield unchecked(STORE, f"{urls[0]} has not answered a worker yet", "ask again in a moment")


def shared_settings(ledger: Ledger) -> Iterator[Finding]:
    """Compare settings that affect what belongs to all."""
    living = ledger.workers.alive()
    names = sorted({name for worker in living for name in worker.shared})
    for name in names:
        values = sorted({worker.shared.get(name, "none") for worker in living})
        if len(values) > 1:
            found = f"SWAPLINE_{name} is {' here and '.join(values)} there"
            yield warn(SHARED, found, "give all workers the same: each keeps, deletes and decides by its own")


def _all(workers: list[WorkerRecord]) -> str:
    return "the one worker" if len(workers) == 1 else f"all {len(workers)} workers"
