"""What a person on call does about webhooks that did not arrive, as they do it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from support.redis.fixtures import waited_for
from swapline_producer import Producer, SwapRequest
from swapline_producer.cli import swapline
from swapline_producer.contract import Gender, Notification
from swapline_producer.errors import SwaplineError

if TYPE_CHECKING:
    from support.programs.installation import Installation, Receiver


def run(installation: Installation, *arguments: str) -> Result:
    """The command, in this process: a new one for each would take most of the test's time."""
    return CliRunner().invoke(swapline, arguments, env=installation.environment)


def run_json(installation: Installation, *arguments: str) -> Any:
    found = run(installation, "webhooks", *arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def enqueue(producer: Producer, url: str, tenant: str = "default", batch: str | None = None) -> str:
    request = SwapRequest(
        image="https://a.example/a.jpg", gender=Gender.MALE, filter_id=1, webhook_url=url, tenant=tenant, batch=batch
    )
    job_id = producer.enqueue(request).job_id
    producer.cancel(job_id)
    return job_id


def notification(producer: Producer, job_id: str) -> Notification:
    return producer.get(job_id).notification


def test_what_was_given_up_is_seen_explained_and_sent_again(installation: Installation, receiver: Receiver) -> None:
    installation.more["SWAPLINE_WEBHOOK_SCHEDULE"] = "0,0.1,0.1"
    producer = installation.producer()
    receiver.answers = [500] * 12
    secret_url = f"{receiver.url}/T0K3Nabcdefgh?key=hidden"
    with installation.worker():
        ids = [enqueue(producer, secret_url, tenant) for tenant in ("acme", "acme", "zoo")]
        enqueue(producer, receiver.url, batch="spring")
        waited_for(lambda: producer.ledger.webhooks.failing_counts()["dead"] == 4)
        producer.seal_batch("spring", receiver.url)
        receiver.batches.get(timeout=60)

        found = run_json(installation, "list", "--failed")
        assert len(found) == 4
        of_zoo = run_json(installation, "list", "--failed", "--tenant", "zoo")
        assert [(one["id"], one["attempts"], one["status"], one["event"]) for one in of_zoo] == [
            (ids[2], 3, 500, "swap.canceled")
        ]
        assert "answered 500" in of_zoo[0]["error"]
        assert "hidden" not in json.dumps(found)
        assert "T0K3N" not in json.dumps(found)

        log = json.loads(run(installation, "jobs", "show", ids[0], "--json").stdout)["deliveries"]
        assert [(one["attempt"], one["status"], one["result"]) for one in log] == [
            (1, 500, "failed"),
            (2, 500, "failed"),
            (3, 500, "dead"),
        ]
        assert all(one["seconds"] >= 0 and len(one["response_sha256"]) == 64 and one["at"] for one in log)
        shown = " ".join(run(installation, "jobs", "show", ids[0]).stdout.split())  # its columns may break a sentence
        assert "answered 500" in shown

        assert run_json(installation, "replay", "--all-failed", "--dry-run")["replayed"] == 4
        assert producer.ledger.webhooks.failing_counts()["dead"] == 4
        assert run_json(installation, "replay", "--since", "1h", "--tenant", "zoo")["ids"] == [ids[2]]
        waited_for(lambda: notification(producer, ids[2]) is Notification.DELIVERED)
        assert run_json(installation, "replay", ids[0])["replayed"] == 1
        assert run_json(installation, "replay", "--all-failed")["replayed"] in (2, 3)
        waited_for(lambda: {notification(producer, job_id) for job_id in ids} == {Notification.DELIVERED})
        waited_for(lambda: producer.ledger.webhooks.failing_counts() == {"dead": 0, "retrying": 0})
        assert run_json(installation, "replay", "batch:spring")["replayed"] == 1
        again = receiver.batches.get(timeout=60)
        assert again[1].data.batch == "spring"
    sent = [headers["webhook-id"] for _, headers in receiver.raw if ids[0] in headers["webhook-id"]]
    assert (len(sent), len(set(sent))) == (4, 1)


def test_an_endpoint_that_is_gone_is_shown_and_called_again_only_when_a_person_enables_it(
    installation: Installation, receiver: Receiver
) -> None:
    producer = installation.producer()
    receiver.answers = [410]
    with installation.worker():
        first = enqueue(producer, f"{receiver.url}?order=1")
        waited_for(lambda: notification(producer, first) is Notification.DEAD)
        [endpoint] = run_json(installation, "endpoints")
        assert (endpoint["disabled"], endpoint["reason"], endpoint["status"]) == (True, "gone", 410)
        assert "order" not in json.dumps(endpoint)

        second = enqueue(producer, f"{receiver.url}?order=2")
        waited_for(lambda: notification(producer, second) is Notification.DEAD)
        assert len(receiver.raw) == 1
        [log] = producer.events(second)[-1:]
        assert "is disabled" in str(log.data["error"])

        refused = run_json(installation, "replay", "--all-failed")
        assert (refused["replayed"], refused["endpoint_disabled"]) == (0, 2)
        assert "webhooks enable" in run(installation, "webhooks", "replay", "--all-failed").stdout

        assert run_json(installation, "enable", endpoint["endpoint_id"]) == {"enabled": [endpoint["endpoint_id"]]}
        assert run_json(installation, "endpoints") == []
        assert run_json(installation, "replay", "--all-failed", "--endpoint", endpoint["endpoint_id"])["replayed"] == 2
        waited_for(lambda: producer.ledger.webhooks.failing_counts()["dead"] == 0)
        waited_for(lambda: notification(producer, second) is Notification.DELIVERED)


def test_an_endpoint_that_has_failed_for_too_long_without_a_success_is_disabled(
    installation: Installation, receiver: Receiver
) -> None:
    installation.more |= {
        "SWAPLINE_WEBHOOK_SCHEDULE": "0,0.3,0.3,0.3,0.3,0.3,600",
        "SWAPLINE_WEBHOOK_DISABLE_AFTER": "0.5",
    }
    producer = installation.producer()
    receiver.answers = [500] * 50
    with installation.worker():
        job_id = enqueue(producer, receiver.url)
        waited_for(
            lambda: bool(producer.ledger.webhooks.endpoints() and producer.ledger.webhooks.endpoints()[0].disabled_at)
        )
        waited_for(lambda: notification(producer, job_id) is Notification.DEAD)
    [endpoint] = run_json(installation, "endpoints")
    assert (endpoint["reason"], endpoint["status"]) == ("failing", 500)
    shown = run(installation, "webhooks", "endpoints").stdout
    assert "disabled" in shown
    assert "swapline webhooks enable" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("replay",), 2, "Say which"),
        (("replay", "a", "--all-failed"), 2, "Say which"),
        (("replay", "--since", "soon"), 2, "is neither an age"),
        (("replay", "nothing"), 1, "There is no job"),
        (("replay", "batch:nothing"), 1, "There is no batch"),
        (("enable",), 2, "Say which"),
        (("enable", "ep_1"), 1, ""),
    ],
)
def test_a_mistake_gets_one_sentence(
    installation: Installation, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    found = run(installation, "webhooks", *arguments)
    assert found.exit_code == code
    assert sentence in f"{found.stderr} {found.exception}"
    assert isinstance(found.exception, (SystemExit, SwaplineError))


def test_secrets_and_key_pairs_are_made(installation: Installation) -> None:
    assert run(installation, "webhooks", "new-secret").stdout.startswith("whsec_")
    private, public = run(installation, "webhooks", "new-secret", "--ed25519").stdout.split()
    assert (private[:5], public[:5]) == ("whsk_", "whpk_")
