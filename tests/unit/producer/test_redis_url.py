from __future__ import annotations

import pytest

from swapline_producer.redis_url import parse_redis_url


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://:p%40w@h:1/3", "redis://:p%40w@h:1/3"),
        ("redis://[::1]:1/3", "redis://[::1]:1/3"),
        ("rediss://me:pw@h", "rediss://me:pw@h:6379/0"),
        ("unix:///run/a.sock?db=2", "redis+socket:///run/a.sock?virtual_host=2"),
        ("unix://:pw@/run/a.sock", "redis+socket://:pw@/run/a.sock?virtual_host=0"),
        ("sentinel://a/mine", "sentinel://a:26379/0"),
        ("sentinel://:p%3Bw@a:1;b/mine/2", "sentinel://:p%3Bw@a:1/2;sentinel://:p%3Bw@b:26379/2"),
        ("sentinel://me:pw@a:1;sentinel://me:pw@b:2/mine", "sentinel://me:pw@a:1/0;sentinel://me:pw@b:2/0"),
    ],
)
def test_one_url_serves_the_broker_as_well(url: str, broker: str) -> None:
    assert parse_redis_url(url).broker_url == broker


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://h", "must begin with redis://, rediss://, unix:// or sentinel://"),
        ("redis://h:port", "has a host or a port that cannot be read"),
        ("redis://h/nought", "must end with the number of a database"),
        ("redis://h?ssl_ca_certs=x", "has the parameter 'ssl_ca_certs'; there are: db"),
        ("rediss://h?ssl_ca_certs=/nowhere", "names a file for ssl_ca_certs that is not there"),
        ("rediss://h?ssl_cert_reqs=perhaps", "has an ssl_cert_reqs that is none of"),
        ("rediss://h?ssl_check_hostname=perhaps", "has a ssl_check_hostname that is neither true nor false"),
        ("unix://", "must name the socket"),
        ("sentinel://a:1", "must name Sentinel's service"),
        ("sentinel://a:1/0", "must name Sentinel's service"),
        ("sentinel:///mine", "must name at least one sentinel"),
    ],
)
def test_a_wrong_url_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace("?", r"\?")):
        parse_redis_url(url)


def test_certificates_are_verified_unless_configured_otherwise() -> None:
    assert parse_redis_url("rediss://h").tls == {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    off = parse_redis_url("rediss://h?ssl_cert_reqs=none").tls
    assert off == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}


def test_celery_writes_it_the_same_way() -> None:
    assert parse_redis_url("rediss://h?ssl_cert_reqs=CERT_NONE").tls["ssl_cert_reqs"] == "none"


def test_no_password_shows_when_it_is_printed() -> None:
    assert "pw" not in repr(parse_redis_url("sentinel://:pw@a/mine?sentinel_password=pw"))
