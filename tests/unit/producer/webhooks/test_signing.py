"""Signing and verifying, with the public `standardwebhooks` package as the judge of both."""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import EnvironHeaders
from werkzeug.datastructures import Headers as FlaskHeaders

from support.jobs.deliveries import EVENT
from swapline_producer.contract import BatchData, BatchEvent, EventType, State
from swapline_producer.errors import SettingsError, WebhookVerificationError
from swapline_producer.webhooks.signing import new_key_pair, new_secret, secret_key, sign, verify

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = new_secret()
NOW = 1_750_000_000
BODY = EVENT.to_json()


def signed(body: bytes = BODY, *, at: int = NOW, secrets: str | list[str] = SECRET) -> dict[str, str]:
    return sign(body, "msg_1", at, secrets)


def refusal(headers: Any, body: bytes = BODY, secrets: str | list[str] = SECRET, **more: float) -> str:
    with pytest.raises(WebhookVerificationError) as caught:
        verify(body, headers, secrets, **{"now": NOW, **more})
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_what_was_signed_verifies_and_says_what_happened() -> None:
    assert verify(BODY, signed(), SECRET, now=NOW) == EVENT
    assert verify(BODY.decode(), signed(), SECRET, now=NOW) == EVENT
    for shape in (bytearray, memoryview):
        assert verify(shape(BODY), signed(), SECRET, now=NOW) == EVENT  # type: ignore[arg-type]  # and what else has bytes


def test_the_example_of_the_specification_gives_its_signature() -> None:
    headers = sign(b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, SECRET)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", [SECRET, OTHER], ids=["one", "the other"])
def test_the_public_package_verifies_what_we_sign(secret: str) -> None:
    headers = signed(at=int(time.time()), secrets=[SECRET, OTHER])
    assert standardwebhooks.Webhook(secret).verify(BODY, headers) == json.loads(BODY)


def test_we_verify_what_the_public_package_signs() -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", at, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    assert verify(BODY, headers, SECRET, now=NOW) == EVENT


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(0, 10**11), st.binary(min_size=24, max_size=64))
def test_both_packages_agree_on_every_body_and_secret(body: str, at: int, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    theirs = standardwebhooks.Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), body)
    assert sign(body.encode(), "msg_1", at, secret)["webhook-signature"] == theirs


def test_there_is_one_signature_for_each_secret_so_that_secrets_can_be_rotated() -> None:
    headers = signed(secrets=[SECRET, OTHER])
    assert len(headers["webhook-signature"].split(" ")) == 2
    for known in (SECRET, OTHER, [new_secret(), OTHER]):
        assert verify(BODY, headers, known, now=NOW) == EVENT


def environ(headers: dict[str, str]) -> dict[str, str]:
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    "shape",
    [
        lambda headers: {name.title(): value for name, value in headers.items()},
        lambda headers: {name.upper(): value for name, value in headers.items()},
        FlaskHeaders,
        lambda headers: EnvironHeaders(environ(headers)),
        StarletteHeaders,
    ],
    ids=["Django's names", "upper case", "Flask", "Flask in WSGI", "FastAPI"],
)
def test_headers_of_every_framework_will_do(shape: Callable[[dict[str, str]], Any]) -> None:
    assert verify(BODY, shape(signed()), SECRET, now=NOW) == EVENT


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_header_is_named(name: str, value: str | None) -> None:
    headers = signed()
    del headers[name]
    if value is not None:
        headers[name] = value
    assert f"header {name} is missing" in refusal(headers)


@pytest.mark.parametrize("stamp", ["now", "1e9", "-5", "1750000000.0", "+1750000000", "١٢٣", "9" * 13, "0x1", "1 2"])
def test_a_timestamp_that_is_no_number_is_refused(stamp: str) -> None:
    assert "whole number of seconds" in refusal({**signed(), "webhook-timestamp": stamp})


def test_old_and_future_webhooks_are_refused_beyond_the_tolerance() -> None:
    assert verify(BODY, signed(), SECRET, now=NOW + 300) == EVENT
    assert verify(BODY, signed(), SECRET, now=NOW - 300) == EVENT
    assert "301 s off, too old" in refusal(signed(), now=NOW + 301)
    assert "301 s off, too far in the future" in refusal(signed(), now=NOW - 301)
    assert verify(BODY, signed(), SECRET, tolerance=1000, now=NOW + 999) == EVENT


def test_now_is_the_clock_unless_it_is_given() -> None:
    assert verify(BODY, signed(at=int(time.time())), SECRET) == EVENT
    with pytest.raises(WebhookVerificationError, match="too old"):
        verify(BODY, signed(), SECRET)


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({}, BODY + b" "),
        ({}, BODY.replace(b"acme", b"evil")),
        ({"webhook-id": "msg_2"}, BODY),
        ({"webhook-timestamp": str(NOW + 1)}, BODY),
        ({"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()}, BODY),
        ({"webhook-signature": "v1,"}, BODY),
        ({"webhook-signature": "v1"}, BODY),
        ({"webhook-signature": "v1a,AAAA v2,AAAA"}, BODY),
        ({"webhook-signature": signed()["webhook-signature"].replace("v1", "v2")}, BODY),
        ({"webhook-id": "msg_ü\udcff"}, BODY),
    ],
)
def test_anything_changed_on_the_way_is_noticed(changed: dict[str, str], body: bytes) -> None:
    assert "No signature matches" in refusal({**signed(), **changed}, body)


def test_another_secret_is_noticed() -> None:
    assert "No signature matches" in refusal(signed(), secrets=OTHER)


@pytest.mark.parametrize("signature", ["v1,not base64!", "v1,é", "v1,AAA"])
def test_a_signature_that_is_not_base64_is_refused(signature: str) -> None:
    assert "not base64" in refusal({**signed(), "webhook-signature": signature})


def test_a_right_signature_among_wrong_ones_counts() -> None:
    headers = signed()
    headers["webhook-signature"] = "v1,!! v1a,x  " + headers["webhook-signature"] + " v1,AAAA"
    assert verify(BODY, headers, SECRET, now=NOW) == EVENT


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"\xff", b'{"type": "swap.new", "timestamp": "", "data": {}}'])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    assert "no event that this version knows" in refusal(signed(body), body)


def test_a_newer_sender_may_add_fields() -> None:
    newer = json.loads(BODY)
    newer["more"] = newer["data"]["more"] = 1
    body = json.dumps(newer).encode()
    assert verify(body, signed(body), SECRET, now=NOW) == EVENT


def test_a_body_that_was_parsed_already_is_the_receivers_mistake() -> None:
    with pytest.raises(TypeError, match="raw body"):
        verify(json.loads(BODY), signed(), SECRET, now=NOW)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begin with whsec_"),
        ("", "begin with whsec_"),
        ("whsec_", "0 bytes"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "23 bytes"),
        ("whsec_not base64 at all, but long enough", "standard base64"),
        ("whsec_" + "-_" * 20, "standard base64"),
        ("whsec_é" + "A" * 40, "standard base64"),
        ("whsec_" + "A" * 33, "standard base64"),
    ],
)
def test_a_secret_that_is_none_is_the_callers_mistake_and_is_not_repeated(secret: str, reason: str) -> None:
    for call in (lambda: signed(secrets=secret), lambda: verify(BODY, signed(), [SECRET, secret], now=NOW)):
        with pytest.raises(SettingsError, match=reason) as caught:
            call()
        assert "SWAPLINE_WEBHOOK_SECRETS" in str(caught.value)
        assert not secret or secret.removeprefix("whsec_")[:10] not in str(caught.value) or secret == "whsec_"


def test_no_secret_at_all_is_the_callers_mistake() -> None:
    with pytest.raises(SettingsError, match="SWAPLINE_WEBHOOK_SECRETS"):
        sign(BODY, "msg_1", NOW, [])
    with pytest.raises(SettingsError, match="SWAPLINE_WEBHOOK_SECRETS"):
        verify(BODY, signed(), [], now=NOW)


def test_a_secret_may_lack_its_padding() -> None:
    key = bytes(range(25))
    padded = "whsec_" + base64.b64encode(key).decode()
    assert secret_key(padded) == secret_key(padded.rstrip("=")) == key


def test_new_secrets_have_32_bytes_and_differ() -> None:
    assert len(secret_key(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize("webhook_id", ["", "a.b", "a b", "a\r\nx: y", "é", "x" * 256])
def test_an_id_that_would_make_the_signed_text_ambiguous_is_refused(webhook_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be a webhook id"):
        sign(BODY, webhook_id, NOW, SECRET)


# Key pairs.

PRIVATE, PUBLIC = new_key_pair()


def test_a_key_pair_signs_on_one_side_and_verifies_on_the_other() -> None:
    headers = signed(secrets=PRIVATE)
    assert headers["webhook-signature"].startswith("v1a,")
    assert verify(BODY, headers, PUBLIC, now=NOW) == EVENT
    assert verify(BODY, headers, PRIVATE, now=NOW) == EVENT
    assert refusal(headers, BODY + b" ", PUBLIC).startswith("No signature matches")
    assert refusal(headers, secrets=new_key_pair()[1]).startswith("No signature matches")


def test_the_signature_of_a_key_pair_is_ed25519_over_the_same_text_as_the_secrets() -> None:
    content = b"msg_1.%d.%s" % (NOW, BODY)
    signature = base64.b64decode(signed(secrets=PRIVATE)["webhook-signature"].removeprefix("v1a,"))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC.removeprefix("whpk_")))
    key.verify(signature, content)


def test_both_kinds_of_keys_sign_side_by_side_and_each_receiver_needs_its_own() -> None:
    headers = signed(secrets=[SECRET, PRIVATE])
    assert [one.partition(",")[0] for one in headers["webhook-signature"].split()] == ["v1", "v1a"]
    assert verify(BODY, headers, SECRET, now=NOW) == verify(BODY, headers, PUBLIC, now=NOW) == EVENT
    standardwebhooks.Webhook(SECRET)  # which passes over what it does not know
    assert refusal(signed(secrets=PRIVATE), secrets=SECRET).startswith("No signature matches")


def test_a_private_key_may_be_written_as_its_seed() -> None:
    seed = "whsk_" + base64.b64encode(base64.b64decode(PRIVATE.removeprefix("whsk_"))[:32]).decode()
    assert verify(BODY, signed(secrets=seed), PUBLIC, now=NOW) == EVENT


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("whpk_" + "A" * 20, "32 bytes"),
        ("whsk_" + "A" * 20, "32 or 64 bytes"),
        ("whsk_" + "A" * 86 + "==", "do not belong together"),
        (PUBLIC, "verifies only"),
    ],
    ids=["short public", "short private", "pair", "public"],
)
def test_a_key_that_is_none_is_named_and_not_repeated(key: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        signed(secrets=key)
    assert key[5:20] not in str(caught.value)


def test_without_the_package_a_key_pair_is_refused_by_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(SettingsError, match="ed25519"):
        signed(secrets=PRIVATE)
    assert verify(BODY, signed(), SECRET, now=NOW) == EVENT


# Batches, and the other public package.


def test_a_batchs_event_is_distinguished_from_a_jobs() -> None:
    data = BatchData(batch="b", tenant="acme", jobs=1, states={State.FAILED: 1}, failures={"LOST": 1}, credits=0)
    event = BatchEvent(type=EventType.BATCH_COMPLETED, timestamp="2026-01-02T03:04:05.678Z", sequence=1, data=data)
    body = event.to_json()
    assert verify(body, signed(body), SECRET, now=NOW) == event


@pytest.fixture
def svix() -> Any:
    """Svix's package: half a second to load."""
    return import_module("svix.webhooks")


def test_the_package_of_svix_verifies_what_we_sign(svix: Any) -> None:
    now = int(time.time())
    headers = signed(at=now, secrets=[OTHER, SECRET])
    for secret in (SECRET, OTHER):
        svix.Webhook(secret).verify(BODY, headers)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(new_secret()).verify(BODY, headers)


def test_we_verify_what_the_package_of_svix_signs(svix: Any) -> None:
    signature = svix.Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    assert verify(BODY, headers, SECRET, now=NOW) == EVENT
