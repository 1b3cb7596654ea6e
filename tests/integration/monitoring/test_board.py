"""The board over real HTTP: who gets in, what is said, and that nothing of a user's text is believed."""

from __future__ import annotations

import html
import os
import re
import subprocess
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from PIL import Image

from support.http.half_requests import half_requests, is_cut
from support.programs.installation import SWAPLINE
from support.redis.fixtures import new_job
from support.services.boards import RIGHT, board
from swapline_producer.contract import (
    FailureCode,
    LinkedImage,
    Notification,
    State,
    StoredImage,
    StoredPicture,
    StoredVariant,
)
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.ledger import Ledger, connect
from swapline_producer.storage import open_storage
from swapline_simulator import sample_photographs
from swapline_workers.board.facts.listing import PAGE
from swapline_workers.local.ports import free_port
from swapline_workers.web.throttle import GUESSES

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from swapline_workers.local.valkey.server import EmbeddedValkey

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}&lt;"
INPUT = StoredImage(sha256="a" * 64, media_type="image/jpeg", width=512, height=512, size=9)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def filled(valkey: EmbeddedValkey, store: Path) -> Ledger:
    """Jobs of every kind, written once: no test here changes them."""
    ledger = Ledger(connect(valkey.url), "board")
    ledger.limits.configure(Limits(max_in_flight=3, rescue_after=15))
    for number in range(PAGE + 10):
        values = {"tenant": "bulk", "batch": "spring", "idempotency_key": f"order-{number}"}
        ledger.intake.accept(new_job(f"bulk{number:03}", queue_ttl=9999, **values))
    for holder in ("running0", "done"):
        ledger.retention.hold_input(INPUT.sha256, holder)
    ledger.intake.accept(new_job("running0", queue_ttl=9999, tenant="acme", image=INPUT, priority="high"))
    ledger.transitions.line_up(ledger.jobs.get("running0"))
    move(ledger, "running0", State.RUNNING, vendor_job_id="job-at-vendor")
    hostile = {"metadata": {HOSTILE: HOSTILE}, "idempotency_key": HOSTILE, "batch": HOSTILE[:128]}
    url = "https://pictures.example/me.jpg?X-Signature=sesame"
    linked = {"image": LinkedImage(url=url), "webhook_url": "https://shop.example/hook?token=sesame"}
    ledger.intake.accept(new_job("hostile", queue_ttl=9999, **hostile, **linked))
    ledger.transitions.line_up(ledger.jobs.get("hostile"))
    detail = f"{HOSTILE} at {url}"
    failed = {"failure_code": FailureCode.VENDOR_FAILED, "failure_detail": detail, "vendor_status": HOSTILE}
    move(ledger, "hostile", State.FAILED, note="failed", data={"detail": detail, HOSTILE: 1}, **failed)
    put_pictures(ledger, store)
    for number in range(4):  # the last of them finds no slot free
        ledger.intake.accept(new_job(f"slot{number}", queue_ttl=9999, tenant="slots"))
        ledger.transitions.line_up(ledger.jobs.get(f"slot{number}"))
    ledger.intake.accept(new_job("lined0", queue_ttl=9999, tenant="acme"))
    ledger.transitions.line_up(ledger.jobs.get("lined0"))
    return ledger


def put_pictures(ledger: Ledger, store: Path) -> None:
    storage = open_storage(store.as_uri())
    storage.put(INPUT.key, sample_photographs()[0], "image/jpeg")
    storage.put("results/0.png", b"not a picture", "image/png")
    ledger.intake.accept(new_job("done", queue_ttl=9999, image=INPUT))
    ledger.transitions.line_up(ledger.jobs.get("done"))
    storage.put("results/0.thumb.jpg", sample_photographs()[0], "image/jpeg")
    facts = {"sha256": "b" * 64, "bytes": 9, "width": 2, "height": 3}
    thumb = StoredVariant.model_validate({"name": "thumb", "key": "results/0.thumb.jpg", **facts})
    pictures = (
        StoredPicture.model_validate({"key": "results/0.png", "variants": (thumb,), **facts}),
        StoredPicture.model_validate({"key": "results/gone.png", **facts}),
    )
    move(ledger, "done", State.SUCCEEDED, images=pictures, notification=Notification.DELIVERED)


def move(ledger: Ledger, job_id: str, to: State, note: str | None = None, data: Any = None, **fields: Any) -> None:
    count = {f"failed.{fields['failure_code']}": 1} if "failure_code" in fields else {}
    change = Change(to=to, fields=fields, note=note, data=data or {}, stamps={"submitted_at": 0}, count=count)
    assert isinstance(ledger.transitions.advance(ledger.jobs.get(job_id), change), Advanced)


@pytest.fixture(scope="module")
def url(
    valkey: EmbeddedValkey, filled: Ledger, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    with board(
        tmp_path_factory.mktemp("board"),
        SWAPLINE_REDIS_URL=valkey.url,
        SWAPLINE_KEY_PREFIX=filled.prefix,
        SWAPLINE_STORAGE_URL=store.as_uri(),
        FORWARDED_ALLOW_IPS="127.0.0.1",
    ) as address:
        yield address


def get(url: str, auth: tuple[str, str] | None = RIGHT, **options: Any) -> requests.Response:
    return requests.get(url, auth=auth, timeout=30, **options)


PAGES = ("/", "/jobs", "/jobs/done", "/jobs/done/pictures/input.jpg", "/search?q=done", "/jobs/none", "/nothing")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("auth", [None, ("swapline", "wrong"), ("", ""), ("admin", "right")])
def test_nothing_opens_without_the_password(url: str, page: str, auth: tuple[str, str] | None) -> None:
    reply = get(url + page, auth, headers={"X-Forwarded-For": f"10.1.{hash((page, auth)) % 250}.1"})
    assert (reply.status_code, "done" in reply.text) == (401, False)
    assert reply.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_who_guesses_too_often_must_wait_and_others_are_not(url: str) -> None:
    guesser = {"X-Forwarded-For": "10.2.0.1"}  # believed as from a proxy on this machine
    seen = [get(url, ("swapline", f"guess{n}"), headers=guesser).status_code for n in range(GUESSES + 3)]
    assert seen == [401] * GUESSES + [429] * 3
    refused = get(url, RIGHT, headers=guesser)
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    assert get(url).status_code == 200


def test_a_browser_that_was_let_in_is_not_kept_out_by_others_guesses(url: str) -> None:
    here = {"X-Forwarded-For": "10.2.0.2"}
    with requests.Session() as browser:
        browser.auth, browser.headers = RIGHT, here | {"X-Forwarded-Proto": "https"}  # type: ignore[assignment]  # a dict does
        cookie = browser.get(url, timeout=30).headers["Set-Cookie"]
        assert cookie.startswith("swapline_session=")
        assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(cookie.split("; "))
        for number in range(GUESSES):
            get(url, ("swapline", f"guess{number}"), headers=here)
        assert get(url, headers=here).status_code == 429
        known = browser.get(url, headers={"Cookie": cookie.partition(";")[0]}, timeout=30)
        assert (known.status_code, "Set-Cookie" in known.headers) == (200, False)


def test_made_up_addresses_do_not_pass_the_limit(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    with board(tmp_path, SWAPLINE_REDIS_URL=valkey.url) as address:
        guesses = [
            get(address, ("swapline", f"guess{n}"), headers={"X-Forwarded-For": f"10.3.0.{n}"}).status_code
            for n in range(GUESSES + 1)
        ]
    assert guesses == [401] * GUESSES + [429]


def test_a_thousand_half_requests_do_not_take_it_down_and_are_cut_after_a_while(url: str) -> None:
    with half_requests(url, 1) as [early], half_requests(url) as halves:
        assert get(url).status_code == 200
        assert is_cut(early)
        assert is_cut(halves[-1])  # it was one of the 400; ten seconds are over
        assert get(url).status_code == 200


@pytest.mark.parametrize("page", [*PAGES, "/healthz", "/jobs?state=NONSENSE"])
def test_every_answer_keeps_to_itself(url: str, page: str) -> None:
    headers = get(url + page, allow_redirects=False).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-store"


def test_no_page_has_a_script_or_style_of_its_own_or_a_foreign_address(url: str) -> None:
    for page in ("/", "/jobs", "/jobs/done", "/jobs/hostile", "/search?q=acme"):
        text = get(url + page).text
        assert re.findall(r"<script>|<style|style=| on[a-z]+=(?!alert)", html_without_text(text)) == []
        assert re.findall(r"(?:src|href|action)=\"(?!/|#)", text) == []


def html_without_text(page: str) -> str:
    """The tags of a page, each without the values of its attributes."""
    return "".join(re.findall(r"<[^>]*>", re.sub(r"\"[^\"]*\"", '""', page)))


def test_assets_are_kept_for_ever_and_only_under_their_digest(url: str) -> None:
    [style] = re.findall(r"/static/[^\"]+\.css", get(url).text)
    reply = get(url + style, None)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in reply.headers["Cache-Control"]
    assert get(f"{url}/static/000000000000/board.css", None).status_code == 404
    assert get(f"{url}/static/{style.split('/')[2]}/..%2f..%2fapp.py", None).status_code == 404


@pytest.mark.parametrize("page", ["/", "/jobs", "/jobs/hostile", "/jobs?batch={}", "/jobs?tenant={}", "/search?q={}"])
def test_a_users_text_stays_text(url: str, page: str) -> None:
    text = get(url + page.format(quote(HOSTILE[:128])), allow_redirects=True).text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "49&lt;" not in text
    if page == "/jobs/hostile":
        assert html.escape(HOSTILE, quote=False)[:60].replace("&", "") in text.replace("&", "").replace(
            "#34;", '"'
        ).replace("#39;", "'")


def test_no_query_of_a_url_is_shown(url: str) -> None:
    assert "sesame" not in "".join(get(url + page).text for page in ("/", "/jobs", "/jobs/hostile"))


def test_a_page_that_has_not_changed_is_not_sent_again(url: str) -> None:
    first = get(f"{url}/jobs/done")
    again = get(f"{url}/jobs/done", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def ids(page: str) -> list[str]:
    return re.findall(r'class="id" href="/jobs/([^"]+)"', page)


def test_the_list_has_pages_without_a_gap(url: str) -> None:
    found, address = [], "/jobs?state=QUEUED"
    while address:
        page = get(url + address).text
        found += ids(page)
        following = re.findall(r'rel="next" href="([^"]+)"', page)
        address = html.unescape(following[0]) if following else ""
    assert [job_id for job_id in found if job_id.startswith("bulk")] == [
        f"bulk{number:03}" for number in reversed(range(PAGE + 10))
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=RUNNING", {"running0"}),
        ("state=RUNNING&state=SUCCEEDED", {"running0", "done"}),
        ("tenant=acme", {"running0", "lined0"}),
        ("priority=high", {"running0"}),
        ("code=VENDOR_FAILED", {"hostile"}),
        ("code=LOST", set()),
        ("line=1&tenant=acme", {"lined0"}),
        ("line=1&tenant=acme&priority=high", set()),
        ("batch=nothing", set()),
        ("state=&tenant=&code=&priority=&batch=spring&state=RUNNING", set()),
    ],
)
def test_filters_leave_out_the_rest(url: str, query: str, expected: set[str]) -> None:
    assert set(ids(get(f"{url}/jobs?{query}").text)) == expected


@pytest.mark.parametrize("query", ["state=NO", "code=NO", "priority=NO", "before=x", "before=1-%00", "before=-1-a"])
def test_a_filter_that_does_not_exist_is_a_sentence(url: str, query: str) -> None:
    reply = get(f"{url}/jobs?{query}")
    assert reply.status_code == 400
    assert re.search(r"<p>(There is no|This page does not exist)[^<]+</p>", reply.text)


@pytest.mark.parametrize(
    ("question", "job"),
    [
        ("done", "done"),
        ("order-7", "bulk007"),
        ("bulk/order-7", "bulk007"),
        ("job-at-vendor", "running0"),
        (HOSTILE, None),
    ],
)
def test_search_leads_to_the_job_that_is_meant(url: str, question: str, job: str | None) -> None:
    reply = get(f"{url}/search", params={"q": question}, allow_redirects=False)
    assert reply.headers.get("Location") == (f"/jobs/{job}" if job else None)


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("spring", "60 jobs"),
        ("acme", "running0"),
        ("ulk00", ""),
        ("bulk00", "bulk009"),
        ("nothing at all", "Nothing found"),
    ],
)
def test_search_shows_what_there_is(url: str, question: str, shown: str) -> None:
    reply = get(f"{url}/search", params={"q": question})
    assert (reply.status_code, shown in reply.text) == (200, True)


@pytest.mark.parametrize("question", ["", " ", "\0", "x" * 5000, "*", "board:*", "\N{SNOWMAN}", "%00"])
def test_no_question_breaks_the_search(url: str, question: str) -> None:
    assert get(f"{url}/search", params={"q": question}).status_code == 200


def test_small_pictures_are_jpegs_and_what_is_none_is_reported(url: str) -> None:
    reply = get(f"{url}/jobs/done/pictures/input.jpg")
    assert reply.headers["Content-Type"] == "image/jpeg"
    assert Image.open(BytesIO(reply.content)).size == (512, 512)
    expected = {
        "0": 415,
        "0-thumb": 200,
        "0-web": 404,
        "1-thumb": 404,
        "1": 404,
        "2": 404,
        "-1": 404,
        "999999": 404,
        "x": 404,
        "..%2f": 404,
    }
    assert {which: get(f"{url}/jobs/done/pictures/{which}.jpg").status_code for which in expected} == expected
    assert get(f"{url}/jobs/hostile/pictures/input.jpg").status_code == 404  # it is at a URL, which is not fetched


def test_variants_are_shown_beside_their_picture(url: str) -> None:
    page = get(f"{url}/jobs/done").text
    assert page.count("/jobs/done/pictures/0-thumb.jpg") == 2
    assert "thumb · 2 × 3" in page  # noqa: RUF001 -- the sign for sizes


def test_the_board_is_for_looking_only(url: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert requests.request(method, f"{url}/jobs/done", auth=RIGHT, timeout=30).status_code == 405
    assert requests.head(url, auth=RIGHT, timeout=30).status_code == 200


def test_a_ledger_that_is_away_is_reported_and_the_machine_that_asks_is_answered(tmp_path: Path) -> None:
    with board(tmp_path, SWAPLINE_REDIS_URL=f"redis://:sesame@127.0.0.1:{free_port()}/0") as url:
        reply = get(url)
        assert (reply.status_code, "Redis does not answer" in reply.text, "sesame" in reply.text) == (503, True, False)
        assert get(f"{url}/healthz", None).text == "ok\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_never_starts_without_a_password(tmp_path: Path, host: str) -> None:
    found = subprocess.run(
        [SWAPLINE, "board", "--host", host, "--port", "0"],
        env={"PATH": os.environ["PATH"]}, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("swapline: SWAPLINE_BOARD_PASSWORD is missing;")
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("kept", ["", "/swapline"], ids=["the proxy removes the path", "the proxy keeps the path"])
def test_it_works_under_a_path_of_a_proxy(valkey: EmbeddedValkey, tmp_path: Path, kept: str) -> None:
    settings = {"SWAPLINE_REDIS_URL": valkey.url, "SWAPLINE_KEY_PREFIX": "under-a-path"}
    with board(tmp_path, "--root-path", "/swapline/", **settings) as url:
        page = requests.get(f"{url}{kept}/jobs", auth=RIGHT, timeout=30)
        assert page.status_code == 200
        links = set(re.findall(r'(?:href|src|action)="([^"#]+)', page.text))
        assert links
        assert {link for link in links if not link.startswith("/swapline/")} == set()
        for path in ("/jobs/", "/history/", "/console/"):
            assert requests.get(f"{url}{kept}{path}", auth=RIGHT, timeout=30, allow_redirects=False).status_code == 404
        [style] = [link for link in links if link.endswith(".css")]
        assert requests.get(url + style.removeprefix("/swapline" if not kept else ""), timeout=30).ok
