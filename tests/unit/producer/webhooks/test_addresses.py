"""Which addresses are public: the table that pictures and webhooks share."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_producer import ProducerSettings, SwapRequest
from swapline_producer.client.batches.manifest import Row, check
from swapline_producer.errors import RequestError
from swapline_producer.testing import FakeProducer
from swapline_producer.webhooks.addresses import forbidden_reason, url_problem
from swapline_workers.adapters.webhook import WebhookSender
from swapline_workers.errors import WebhookForbidden

FORBIDDEN = [
    "0.0.0.0",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_special_address_has_a_reason(address: str) -> None:
    assert forbidden_reason(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_has_none(address: str) -> None:
    assert forbidden_reason(address) is None


@given(st.ip_addresses())
def test_what_python_calls_private_or_reserved_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = (
        address.is_private
        or address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )
    nat64 = address in ipaddress.IPv6Network("64:ff9b::/96") if address.version == 6 else False
    assert forbidden_reason(address) or not special or nat64


@given(st.text(alphabet=st.characters(codec=None)), st.booleans())
def test_no_text_is_too_strange_to_be_judged(text: str, allow_private: bool) -> None:
    for url in (text, f"https://{text}", f"http://{text}@h/", f"https://example.com:{text}/", f"https://[{text}]/"):
        problem = url_problem(url, allow_private=allow_private)
        assert problem is None or problem.startswith("it")


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hook",
        "http://shop.example/hook",
        "http://127.0.0.1:8000/hook",
        "https://169.254.169.254/",
        "https://localhost/hook",
        "https://0x7f000001/hook",
    ],
)
def test_a_producer_refuses_the_webhooks_that_a_worker_would_not_post_and_no_others(
    url: str, allow_private: bool
) -> None:
    settings = ProducerSettings.model_construct(webhook_allow_private=allow_private)
    producer, sender = FakeProducer(settings), WebhookSender(secrets=(), allow_private=allow_private)
    request = SwapRequest(image="https://pictures.example/me.jpg", gender=1, filter_id=12, webhook_url=url)
    row = Row(1, 2, {"image": "https://pictures.example/me.jpg", "gender": 1, "filter_id": 12, "webhook_url": url})
    try:
        sender._checked_host(url)
    except WebhookForbidden as error:
        why = str(error).removeprefix("The webhook's URL is refused: ").partition(";")[0]
        for ask in (lambda: producer.enqueue(request), lambda: producer.seal_batch("spring", url)):
            with pytest.raises(RequestError, match=f"^webhook_url: {re.escape(why)}; .*ALLOW_PRIVATE=true, here"):
                ask()
        assert [type(result.error) for result in producer.enqueue_many([request])] == [RequestError]
        assert (check(row) or "").startswith(f"webhook_url: {why}; ")
    else:
        assert producer.enqueue(request).created
        assert check(row, ProducerSettings(webhook_allow_private=allow_private)) is None


@given(st.ip_addresses(v=4), st.sampled_from(["{}", "{:#x}", "0{:o}"]))
def test_an_address_in_one_number_never_passes_for_a_name(address: ipaddress.IPv4Address, spelling: str) -> None:
    assert url_problem(f"https://{spelling.format(int(address))}/a.png")
