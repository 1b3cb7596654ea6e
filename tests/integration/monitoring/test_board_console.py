"""The console over real HTTP: who may decide, what each decision does, and that no other page can send one."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.programs.installation import SWAPLINE
from support.redis.fixtures import new_job, with_accounts
from support.services.boards import RIGHT, board
from swapline_producer.contract import FailureCode, Notification, State
from swapline_producer.contract.access import Scope
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.ledger import Ledger, connect
from swapline_workers.web.throttle import GUESSES

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from swapline_producer.contract import Job
    from swapline_workers.local.valkey.server import EmbeddedValkey

PERSON = ("swapline", "decides")


@pytest.fixture(scope="module")
def shop(valkey: EmbeddedValkey) -> Ledger:
    return Ledger(connect(valkey.url), "console")


@pytest.fixture(scope="module")
def url(valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    settings = {"SWAPLINE_REDIS_URL": valkey.url, "SWAPLINE_KEY_PREFIX": "console"}
    with board(
        tmp_path_factory.mktemp("board"), SWAPLINE_BOARD_CONSOLE_PASSWORD=PERSON[1],
        FORWARDED_ALLOW_IPS="127.0.0.1", **settings,
    ) as address:  # fmt: skip
        yield address


class Visitor:
    """A browser at a board: it keeps cookies, and sends the forms of the pages that it sees."""

    def __init__(self, url: str, auth: tuple[str, str] = RIGHT) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.auth = auth

    def see(self, path: str) -> str:
        return str(self.session.get(self.url + path, timeout=30).text)

    def post(self, path: str, *, origin: str | None = None, **fields: str) -> requests.Response:
        headers = {"Origin": self.url if origin is None else origin}
        return self.session.post(
            self.url + path, data=fields, headers={k: v for k, v in headers.items() if v}, timeout=30,
            allow_redirects=False,
        )  # fmt: skip

    def token(self, path: str = "/") -> str:
        [found] = set(re.findall(r'name="token" value="(\w+)"', self.see(path))) or {""}
        return str(found)

    def decide(self, job_id: str, action: str, **fields: str) -> requests.Response:
        return self.post(f"/jobs/{job_id}/{action}", token=self.token(f"/jobs/{job_id}"), **fields)

    def sign_in(self, password: str, **headers: str) -> requests.Response:
        self.session.headers.update(headers)
        return self.post("/console", password=password)


def job_of(shop: Ledger, job_id: str, state: State, **fields: Any) -> Job:
    shop.intake.accept(
        new_job(job_id, queue_ttl=9999, **({"tenant": fields.pop("tenant")} if "tenant" in fields else {}))
    )
    return shop.jobs.get(job_id) if state is State.QUEUED else moved(shop, job_id, state, **fields)


def moved(shop: Ledger, job_id: str, to: State, **fields: Any) -> Job:
    advanced = shop.transitions.advance(shop.jobs.get(job_id), Change(to=to, fields=fields, due_in=10))
    assert isinstance(advanced, Advanced)
    return advanced.job


def held(shop: Ledger, job_id: str, **fields: Any) -> Job:
    return job_of(shop, job_id, State.HELD, failure_code=FailureCode.SUBMIT_UNKNOWN, **fields)


def last_event(shop: Ledger, job_id: str) -> tuple[str, Any]:
    event = shop.jobs.events(job_id)[-1]
    return event.name, event.data.get("by")


def sentence(reply: requests.Response) -> str:
    [found] = re.findall(r"</h1>\n<p>([^<]+)</p>", reply.text)
    return str(found)


def test_who_may_only_look_sees_no_button_and_is_refused_in_a_sentence(url: str, shop: Ledger) -> None:
    held(shop, "look")
    reader, person = Visitor(url), Visitor(url, PERSON)
    for path in ("/", "/jobs/look"):
        assert 'method="post"' not in reader.see(path)
        assert 'method="post"' in person.see(path)
    token = person.token("/jobs/look")
    for path, fields in (
        ("/jobs/look/cancel", {"sure": "yes"}),
        ("/jobs/look/resolve", {"vendor_job_id": "v-look"}),
        ("/jobs/look/replay", {"step": "submit", "seen": "HELD", "accept_charge": "yes"}),
        ("/slots", {"number": "9"}),
    ):
        reply = reader.post(path, token=token, **fields)
        assert (reply.status_code, sentence(reply).startswith("You may look, and not decide")) == (403, True)
    assert shop.jobs.get("look").state is State.HELD
    assert shop.limits.slots().set_by is None


def test_a_held_job_is_resolved_beside_its_evidence_and_the_log_says_by_whom(url: str, shop: Ledger) -> None:
    held(shop, "held")
    person = Visitor(url, PERSON)
    card = person.see("/jobs/held").partition('id="held"')[2].partition("</section>")[0]
    assert "Came back" in card
    assert 'action="/jobs/held/resolve"' in card
    reply = person.decide("held", "resolve", vendor_job_id=" v-held ")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/jobs/held?done=resolved")
    job = shop.jobs.get("held")
    assert (job.state, job.vendor_job_id, job.credits) == (State.RUNNING, "v-held", 2)
    assert last_event(shop, "held") == ("resolved", "console")
    assert "the vendor&#39;s id that you gave" in person.see("/jobs/held?done=resolved")
    again = person.decide("held", "resolve", vendor_job_id="v-other")
    assert (again.status_code, "is RUNNING, not HELD" in sentence(again)) == (409, True)


def test_a_paid_replay_needs_its_box_and_the_state_that_was_shown(url: str, shop: Ledger) -> None:
    held(shop, "pay")
    person = Visitor(url, PERSON)
    unticked = person.decide("pay", "replay", step="submit", seen="HELD")
    assert (unticked.status_code, shop.jobs.get("pay").state) == (409, State.HELD)
    stale = person.decide("pay", "replay", step="submit", seen="FAILED", accept_charge="yes")
    assert (stale.status_code, "look at it again" in sentence(stale)) == (409, True)
    assert person.decide("pay", "replay", step="submit", seen="HELD", accept_charge="yes").status_code == 303
    assert shop.jobs.get("pay").state in {State.QUEUED, State.SUBMITTING}  # a slot may be free
    assert ("replayed", "console") in [(event.name, event.data.get("by")) for event in shop.jobs.events("pay")]
    assert person.decide("pay", "replay", step="dance", seen="HELD").status_code == 400


def test_a_job_that_the_vendor_had_is_asked_for_again_free_of_charge(url: str, shop: Ledger) -> None:
    job_of(shop, "timed", State.TIMED_OUT, failure_code=FailureCode.RUN_TIMEOUT, vendor_job_id="v-timed")
    person = Visitor(url, PERSON)
    assert "Ask the vendor again" in person.see("/jobs/timed")
    assert person.decide("timed", "replay", step="poll", seen="TIMED_OUT").status_code == 303
    assert shop.jobs.get("timed").state is State.STORING
    assert "Ask the vendor again" not in person.see("/jobs/held")


def test_a_job_is_canceled_and_its_webhook_is_sent_again(url: str, shop: Ledger) -> None:
    job_of(shop, "cancel", State.QUEUED)
    person = Visitor(url, PERSON)
    assert person.decide("cancel", "cancel").status_code == 400
    assert person.decide("cancel", "cancel", sure="yes").headers["Location"] == "/jobs/cancel?done=canceled"
    assert shop.jobs.get("cancel").state is State.CANCELED
    assert last_event(shop, "cancel") == ("canceled", "console")
    job_of(shop, "runs", State.RUNNING, vendor_job_id="v-runs")
    assert person.decide("runs", "cancel", sure="yes", keep_result="yes").headers["Location"].endswith("canceling")
    assert last_event(shop, "runs") == ("cancel requested", "console")
    shop.intake.accept(new_job("hook", webhook_url="https://shop.example/hook"))
    moved(shop, "hook", State.FAILED, failure_code=FailureCode.LOST, notification=Notification.DEAD)
    assert person.decide("hook", "replay", step="notify", seen="FAILED").status_code == 303
    assert shop.jobs.get("hook").notification is Notification.PENDING
    assert person.decide("gone", "cancel", sure="yes").status_code in {403, 404}


def test_slots_are_set_and_given_back_and_all_see_by_whom(url: str, shop: Ledger) -> None:
    person = Visitor(url, PERSON)
    for number in ("-1", "x", "10001", "", "\N{ARABIC-INDIC DIGIT ONE}"):
        assert person.post("/slots", token=person.token(), number=number).status_code == 400
    assert person.post("/slots", token=person.token(), number="7").status_code == 303
    assert (shop.limits.slots().limit, shop.limits.slots().set_by) == (7, "console")
    assert "was set by console" in Visitor(url).see("/")
    person.post("/slots", token=person.token(), reset="yes")
    assert shop.limits.slots().set_by is None


def test_no_other_page_can_send_a_form(url: str, shop: Ledger) -> None:
    held(shop, "forged")
    person = Visitor(url, PERSON)
    token = person.token("/jobs/forged")
    path, fields = "/jobs/forged/cancel", {"sure": "yes"}
    foreign = ["https://evil.example", "null", "", f"{url}.evil.example", "http://localhost:1"]
    assert [person.post(path, origin=one, token=token, **fields).status_code for one in foreign] == [403] * 5
    key, _ = shop.api_keys.create("default", [Scope.ADMIN])
    other = Visitor(url)
    other.sign_in(key)
    for wrong in ("", "x", other.token("/jobs/forged"), "é"):
        assert person.post(path, token=wrong, **fields).status_code == 403
    assert person.post(path, token="x" * 9999, **fields).status_code == 413
    assert shop.jobs.get("forged").state is State.HELD
    assert person.post(path, token=token, **fields).status_code == 303


def test_an_admin_key_decides_about_the_jobs_of_its_tenant_alone_until_it_is_revoked(url: str, shop: Ledger) -> None:
    held(shop, "acmes", tenant="acme")
    held(shop, "others", tenant="other")
    key, made = shop.api_keys.create("acme", [Scope.ADMIN])
    visitor = Visitor(url)
    assert visitor.sign_in(key).status_code == 303
    assert key not in str(visitor.session.cookies)
    assert "about the jobs of acme" in visitor.see("/")
    assert 'action="/jobs/acmes/resolve"' in visitor.see("/jobs/acmes")
    assert 'method="post"' not in visitor.see("/jobs/others")
    token = visitor.token("/jobs/acmes")
    refused = visitor.post("/jobs/others/cancel", token=token, sure="yes")
    assert (refused.status_code, "the jobs of acme alone" in sentence(refused)) == (403, True)
    assert visitor.post("/slots", token=token, number="1").status_code == 403
    shop.api_keys.revoke(made.key_id)
    assert visitor.post("/jobs/acmes/cancel", token=token, sure="yes").status_code == 403
    assert shop.jobs.get("acmes").state is State.HELD


def test_a_decision_by_key_is_signed_with_its_id(url: str, shop: Ledger) -> None:
    held(shop, "signed", tenant="acme")
    key, made = shop.api_keys.create("acme", [Scope.ADMIN])
    visitor = Visitor(url)
    visitor.sign_in(key)
    visitor.decide("signed", "resolve", vendor_job_id="v-signed")
    assert last_event(shop, "signed") == ("resolved", made.key_id)
    assert visitor.post("/console/leave", origin="https://evil.example").status_code == 403
    visitor.post("/console/leave")
    assert 'name="password"' in visitor.see("/console")


def test_the_consoles_password_can_be_given_later(url: str) -> None:
    visitor = Visitor(url)
    cookie = visitor.sign_in(PERSON[1]).headers["Set-Cookie"].partition("swapline_console=")[2].partition(", ")[0]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "You decide as console" in visitor.see("/")


@pytest.mark.parametrize("scopes", [[Scope.READ, Scope.WRITE], []])
def test_other_keys_and_wrong_passwords_sign_nobody_in(url: str, shop: Ledger, scopes: list[Scope]) -> None:
    key = shop.api_keys.create("acme", scopes)[0] if scopes else "swk_" + "a" * 43
    for given in (key, "", RIGHT[1], "é"):
        reply = Visitor(url).sign_in(given, **{"X-Forwarded-For": "10.9.0.1"})
        assert (
            reply.status_code,
            "Set-Cookie" in reply.headers and "swapline_console" in reply.headers["Set-Cookie"],
        ) == (403, False)


def test_who_guesses_the_consoles_password_must_wait(url: str) -> None:
    visitor = Visitor(url)
    statuses = [visitor.sign_in(f"guess{n}", **{"X-Forwarded-For": "10.9.0.2"}).status_code for n in range(GUESSES + 1)]
    assert statuses == [403] * GUESSES + [429]


@pytest.mark.parametrize("kept", ["", "/ops"], ids=["the proxy removes the path", "the proxy keeps the path"])
def test_the_console_works_under_a_path_of_a_proxy(valkey: EmbeddedValkey, tmp_path: Path, kept: str) -> None:
    ledger = Ledger(connect(valkey.url), f"under{kept[1:]}")
    job_of(ledger, "waits", State.QUEUED)
    settings = {"SWAPLINE_REDIS_URL": valkey.url, "SWAPLINE_KEY_PREFIX": ledger.prefix}
    with board(tmp_path, "--root-path", "/ops", SWAPLINE_BOARD_CONSOLE_PASSWORD=PERSON[1], **settings) as address:
        visitor = Visitor(address)
        signed = visitor.post(f"{kept}/console", password=PERSON[1])
        assert (signed.status_code, signed.headers["Location"]) == (303, "/ops/")
        page = visitor.see(f"{kept}/jobs/waits")
        assert 'action="/ops/jobs/waits/cancel"' in page
        done = visitor.post(f"{kept}/jobs/waits/cancel", token=visitor.token(f"{kept}/jobs/waits"), sure="yes")
        assert done.headers["Location"] == "/ops/jobs/waits?done=canceled"
        assert visitor.session.get(f"{address}{kept}/history", timeout=30).ok
    assert ledger.jobs.get("waits").state is State.CANCELED


@pytest.mark.parametrize(("named", "secure"), [("", False), ("10.9.9.9", False), ("127.0.0.1", True)])
def test_a_cookie_is_secure_where_a_named_proxy_reports_tls(
    valkey: EmbeddedValkey, tmp_path: Path, named: str, *, secure: bool
) -> None:
    settings = {"SWAPLINE_REDIS_URL": valkey.url, "SWAPLINE_BOARD_CONSOLE_PASSWORD": PERSON[1]}
    with board(tmp_path, FORWARDED_ALLOW_IPS=named, **settings) as address:
        reply = Visitor(address).sign_in(PERSON[1], **{"X-Forwarded-Proto": "https"})
    assert ("Secure" in reply.headers["Set-Cookie"]) is secure


def test_without_a_second_password_the_first_does_not_open_the_console(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    with board(tmp_path, SWAPLINE_REDIS_URL=valkey.url) as address:
        assert Visitor(address).sign_in("").status_code == 403
        assert "You look and change nothing" in Visitor(address).see("/")


def test_two_equal_passwords_are_refused(tmp_path: Path) -> None:
    found = subprocess.run(
        [SWAPLINE, "board", "--port", "0"],
        env={"PATH": os.environ["PATH"], "SWAPLINE_BOARD_PASSWORD": "x", "SWAPLINE_BOARD_CONSOLE_PASSWORD": "x"},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr[:49]) == (2, "swapline: SWAPLINE_BOARD_CONSOLE_PASSWORD is the ")


def test_accounts_are_drained_and_given_jobs_again(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    ledger = Ledger(connect(valkey.url), "accounts")
    with_accounts(ledger, default=2, second=3)
    settings = {"SWAPLINE_REDIS_URL": valkey.url, "SWAPLINE_KEY_PREFIX": "accounts"}
    key, _ = ledger.api_keys.create("acme", [Scope.ADMIN])
    with board(tmp_path, SWAPLINE_BOARD_CONSOLE_PASSWORD=PERSON[1], **settings) as address:
        person, holder = Visitor(address, PERSON), Visitor(address)
        assert "Drain second" in person.see("/")
        assert person.post("/accounts/second", token=person.token(), drained="yes").status_code == 303
        assert [one.drained for one in ledger.limits.slots().accounts] == [False, True]
        assert "Give jobs to second" in person.see("/")
        person.post("/accounts/second", token=person.token(), drained="no")
        assert not any(one.drained for one in ledger.limits.slots().accounts)
        person.post("/slots", token=person.token(), number="9", account="second")
        assert [one.limit for one in ledger.limits.slots().accounts] == [2, 9]
        assert person.post("/accounts/third", token=person.token(), drained="yes").status_code == 409
        holder.sign_in(key)
        assert "Drain second" not in holder.see("/")
        assert holder.post("/accounts/second", token=person.token(), drained="yes").status_code == 403
