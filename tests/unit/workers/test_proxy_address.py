"""SWAPLINE_HTTPS_PROXY in its parts."""

from __future__ import annotations

import pytest

from swapline_workers.proxy_address import ProxyAddress, parse_proxy_url


def test_an_address_with_user_and_password() -> None:
    proxy = parse_proxy_url("http://me:p%40ss@proxy.internal:3128/")
    assert proxy == ProxyAddress("proxy.internal", 3128, "Basic bWU6cEBzcw==", "p@ss")
    assert str(proxy) == "proxy.internal:3128"
    assert "p@ss" not in repr(proxy)
    assert "bWU6" not in repr(proxy)


def test_an_address_without_a_user_and_in_ipv6() -> None:
    proxy = parse_proxy_url("http://[2001:db8::1]:8080")
    assert proxy == ProxyAddress("2001:db8::1", 8080)
    assert str(proxy) == "[2001:db8::1]:8080"


@pytest.mark.parametrize(
    "url",
    [
        "proxy.internal:3128",
        "https://proxy.internal:3128",
        "socks5://proxy.internal:1080",
        "http://proxy.internal",
        "http://:3128",
        "http://proxy.internal:0",
        "http://proxy.internal:99999",
        "http://proxy.internal:3128/path",
        "http://proxy.internal:3128?x=1",
        "http://[::1:3128",
        "http://pröxy.internal:3128",
        "http://a%3Ab:secret@proxy.internal:3128",
        "http://me:sec%0D%0Aret@proxy.internal:3128",
    ],
)
def test_what_is_no_such_address_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be http://|no header can carry") as caught:
        parse_proxy_url(url)
    assert "sec" not in str(caught.value)
