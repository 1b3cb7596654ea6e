"""Public network addresses, and URLs that can only mean a public place.

Python's `is_global` changed between patch releases, and calls multicast global.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from pydantic import ValidationError

from swapline_producer.contract.values import URL_LIMIT, http_url
from swapline_producer.errors import RequestError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_SPECIAL_V4 = {
    ipaddress.IPv4Network(network): reason
    for network, reason in {
        "0.0.0.0/8": "this host",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared by a carrier's customers",  # and one cloud's metadata service, 100.100.100.200
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "a cloud's own services",  # in public space, yet answered by the host below the machine
        "169.254.0.0/16": "link-local, where clouds keep their metadata",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved for protocols",
        "192.0.2.0/24": "reserved for documentation",
        "192.88.99.0/24": "a retired relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "reserved for benchmarks",
        "198.51.100.0/24": "reserved for documentation",
        "203.0.113.0/24": "reserved for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }.items()
}
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All unicast given out so far."""

_SPECIAL_V6 = {
    ipaddress.IPv6Network(network): reason
    for network, reason in {
        "2001::/23": "reserved for protocols",  # Teredo among them, which carries an IPv4 address inside
        "2001:db8::/32": "reserved for documentation",
        "2002::/16": "an IPv4 address inside 6to4",
        "3fff::/20": "reserved for documentation",
    }.items()
}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""As public as the IPv4 address in the last 32 bits."""

_PRIVATE_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",  # metadata.google.internal among them
    "intranet",
    "lan",
    "home.arpa",
)
_PLAIN = re.compile(r"https?://[^\s\\\x00-\x20\x7f]+", re.IGNORECASE)


def forbidden_reason(address: str | Address) -> str | None:
    """Say why an IP address is not public, or None."""
    ip = ipaddress.ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    if isinstance(ip, ipaddress.IPv4Address):
        return next((reason for network, reason in _SPECIAL_V4.items() if ip in network), None)
    if ip in _NAT64:
        return forbidden_reason(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))  # the last 32 bits, as _NAT64 says
    if ip not in _GLOBAL_V6:
        return "not a public IPv6 address"
    return next((reason for network, reason in _SPECIAL_V6.items() if ip in network), None)


def url_problem(url: str, *, allow_private: bool = False) -> str | None:
    """Say why a URL cannot be fetched by the vendor, or None, by its text alone.

    `allow_private` admits private hosts, for development.
    """
    if len(url) > URL_LIMIT:
        return f"it has more than {URL_LIMIT} characters"
    if not _PLAIN.fullmatch(url):
        return "it is not a plain http:// or https:// URL without spaces and backslashes"
    try:
        host = http_url().validate_python(url).host or ""
        written = urlsplit(url)
        written_host = (written.hostname or "").rstrip(".")
    except (ValidationError, ValueError):
        written_host = ""
    if not written_host:
        return "it is not a well-formed URL with a host"
    if "@" in written.netloc:
        return "it carries a user name or password"
    return None if allow_private else _host_problem(host.strip("[]").rstrip("."), written_host)


@lru_cache(1024)  # a customer has one or two, for all of a million jobs
def webhook_problem(url: str, *, allow_private: bool) -> str | None:
    """Say why no webhook can be posted to a URL, or None. `allow_private` (see `url_problem`) also admits http."""
    problem = url_problem(url, allow_private=allow_private)
    if problem is None and not allow_private and not url.lower().startswith("https://"):
        return "it is not https://"
    return problem


def check_webhook(url: str | None, *, allow_private: bool) -> None:
    """Raise RequestError for a webhook that the workers would refuse."""
    problem = url and webhook_problem(url, allow_private=allow_private)
    if problem:
        raise RequestError(
            f"webhook_url: {problem}; give a public https:// URL, or for development set"
            " SWAPLINE_WEBHOOK_ALLOW_PRIVATE=true, here and for the workers",
            field="webhook_url",
        )


def _host_problem(host: str, written: str) -> str | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        private = "." not in host or host.endswith(tuple(f".{suffix}" for suffix in _PRIVATE_SUFFIXES))
        return f"its host {host} is a private name" if private or host in _PRIVATE_SUFFIXES else None
    if reason := forbidden_reason(address):
        return f"its host {host} is not public ({reason})"
    if address.version == 4 and written != host:  # noqa: PLR2004 -- the two versions of IP
        # 010.8.8.8 is 8.8.8.8 to one reader and 10.8.8.8 to another; it is not written so by accident.
        return f"its host is an unusual spelling of {host}"
    return None
