"""The board as people use it: a real Chromium, a real worker, real pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from playwright.sync_api import expect

from support.jobs.factories import PHOTOGRAPH
from support.ledgers.histories import fill_history
from support.services.boards import RIGHT, board
from support.services.browser import needs_chromium, visit
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_producer.ledger import Ledger, connect

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from support.programs.installation import Installation, Receiver
    from swapline_workers.local.valkey.server import EmbeddedValkey

pytestmark = needs_chromium
USER, PASSWORD = RIGHT
CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((x) => x / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const one of document.querySelectorAll("body *")) {
    const said = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!said || !one.checkVisibility() || one.closest(".unseen, .unseen-until-focus, .skip")) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(`${one.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""
"""Every text on the page whose contrast with what is behind it is below 4.5."""

FLAWS = """() => {
  const found = [];
  const all = (what) => [...document.querySelectorAll(what)];
  if (document.documentElement.lang !== "en") found.push("no language");
  if (all("h1").length !== 1) found.push(`${all("h1").length} h1`);
  const levels = all("h1, h2, h3, h4").map((one) => Number(one.tagName[1]));
  levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) found.push(`h${level} is too deep`); });
  for (const one of ["header", "main", "footer"]) if (all(`body > ${one}`).length !== 1) found.push(`no ${one}`);
  for (const one of all("nav")) if (!one.ariaLabel) found.push("a nav without a name");
  for (const one of all("img")) if (!one.alt) found.push(`no alt: ${one.src}`);
  for (const one of all("svg:not([role=img])")) {
    if (one.getAttribute("aria-hidden") !== "true") found.push("an svg that is read aloud");
  }
  for (const one of all("svg[role=img]")) if (!one.querySelector("title")) found.push("a plot without a name");
  for (const one of all("input:not([type=hidden]), select")) {
    if (!one.labels.length) found.push(`no label: ${one.name}`);
  }
  for (const one of all("a, button")) {
    if (!one.textContent.trim() && !one.querySelector("img[alt]")) found.push(`no words: ${one.outerHTML}`);
  }
  for (const one of all("table")) if (!one.caption || !one.querySelector("th[scope]")) found.push("a bare table");
  for (const one of all("section")) {
    const named = one.ariaLabel || document.getElementById(one.getAttribute("aria-labelledby") ?? "")?.textContent;
    if (!named && !one.matches(".alone")) found.push("a section without a name");
  }
  const ids = all("[id]").map((one) => one.id);
  if (new Set(ids).size !== ids.length) found.push("an id twice");
  if (all("[role=status][aria-live=polite]").length !== 1) found.push("no live region");
  return found;
}"""

SMALL_TEXTS = """() => [...document.querySelectorAll(".plot *")].filter((one) =>
  [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) && one.checkVisibility()
  && !one.closest("svg") && parseFloat(getComputedStyle(one).fontSize) < 12).map((one) => one.textContent)"""
"""Texts of plots that are smaller than 12 px."""


@pytest.fixture
def url(installation: Installation, tmp_path: Path) -> Generator[str]:
    environment = installation.environment | {"SWAPLINE_BOARD_PASSWORD": PASSWORD}
    with board(tmp_path, **environment) as address:
        yield address


class Waiting(NamedTuple):
    """A board, and the jobs on it."""

    url: str
    jobs: list[str]


def request(**values: Any) -> SwapRequest:
    return SwapRequest.model_validate({"image": PHOTOGRAPH, "gender": 1, "filter_id": 12} | values)


def test_the_wrong_password_is_refused_and_the_right_one_opens(chromium: Browser, url: str) -> None:
    for user, password in ((None, ""), (USER, "wrong"), ("admin", PASSWORD)):
        with visit(chromium, user=user, password=password) as seen:
            assert seen.is_refused(f"{url}/")
    with visit(chromium, user=USER, password=PASSWORD) as seen:
        seen.page.goto(url)
        expect(seen.page.locator("#summary")).to_contain_text("No worker has been seen")


def test_a_job_appears_while_one_looks_and_its_page_shows_both_pictures(
    chromium: Browser, installation: Installation, receiver: Receiver, url: str
) -> None:
    installation.more["SWAPLINE_INPUT_SHOWN"] = "600"
    with visit(chromium, user=USER, password=PASSWORD) as seen, installation.worker():
        page = seen.page
        page.goto(url)
        expect(page.locator("#latest")).to_contain_text("No jobs yet")
        job_id = installation.producer().enqueue(request(tenant="acme", webhook_url=receiver.url)).job_id
        expect(page.locator("#latest")).to_contain_text(job_id)
        expect(page.locator("#flow li", has_text="Succeeded").locator("b")).to_have_text("1")
        expect(page.get_by_role("heading", level=1)).to_have_text("All is well")
        expect(page).to_have_title("All is well · Swapline")
        expect(page.locator("#live-word")).to_have_text("Live")
        page.locator("#latest").get_by_role("link", name=job_id).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(job_id)
        expect(page.locator(".verdict")).to_contain_text("Succeeded")
        page.wait_for_function(
            "() => [...document.images].length === 2 && [...document.images].every((i) => i.naturalWidth > 0)"
        )
        expect(page.locator("#events")).to_contain_text("Pictures stored")
        expect(page.locator("#webhook")).to_contain_text("answered 204")
        expect(page.locator("#live-word")).to_have_text("At rest")
        assert (seen.complaints, seen.hosts) == ([], {url.removeprefix("http://")})


@pytest.fixture(scope="module")
def waiting(valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Generator[Waiting]:
    """A board over waiting jobs of three tenants, one of them canceled. No worker takes them, no test changes them."""
    folder = tmp_path_factory.mktemp("waiting")
    settings = {"redis_url": valkey.url, "key_prefix": "waiting", "storage_url": (folder / "store").as_uri()}
    producer = Producer.connect(ProducerSettings.model_validate(settings))
    jobs = [producer.enqueue(request(tenant=f"t{number % 3}", batch="spring")).job_id for number in range(9)]
    producer.cancel(jobs[0])
    environment = {f"SWAPLINE_{name.upper()}": value for name, value in settings.items()}
    with board(folder, SWAPLINE_BOARD_CONSOLE_PASSWORD="decides", **environment) as url:
        yield Waiting(url, jobs)


@pytest.fixture(scope="module")
def past(valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A board over a week that is behind: jobs came, waited, succeeded and failed in each hour."""
    folder = tmp_path_factory.mktemp("past")
    ledger = Ledger(connect(valkey.url), "past")
    fill_history(ledger, ledger.now())
    with board(folder, SWAPLINE_REDIS_URL=valkey.url, SWAPLINE_KEY_PREFIX="past") as url:
        yield url


def test_filters_and_search_find_what_is_asked_for(chromium: Browser, waiting: Waiting) -> None:
    with visit(chromium, user=USER, password=PASSWORD) as seen:
        page = seen.page
        page.goto(waiting.url)
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs").click()
        expect(page.locator("table.jobs tbody tr")).to_have_count(9)
        page.get_by_label("Tenant").fill("t1")
        page.get_by_label("State").select_option("QUEUED")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("table.jobs tbody tr")).to_have_count(3)
        page.get_by_label("State").select_option("FAILED")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("#list")).to_contain_text("No such jobs")
        page.get_by_label("Search jobs").fill(waiting.jobs[4])
        page.get_by_label("Search jobs").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(waiting.jobs[4])
        assert seen.complaints == []


NAME = "(one) => one.getAttribute('href') ?? one.id ?? one.textContent"


def everything_to_reach(page: Page) -> list[str]:
    """What can be clicked or filled in, in the page's order."""
    visible = "[...document.querySelectorAll('a[href], button, input, select')].filter((one) => one.checkVisibility())"
    return page.evaluate(f"() => {visible}.map({NAME})")  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", ["/", "/jobs"])
def test_everything_is_reached_with_the_keyboard_alone_and_the_focus_is_seen(
    chromium: Browser, waiting: Waiting, path: str
) -> None:
    with visit(chromium, user=USER, password=PASSWORD) as seen:
        page = seen.page
        page.goto(waiting.url + path)
        expect(page.locator("#live")).to_be_visible()
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.className") == "skip"
        reached = []
        for _ in everything_to_reach(page):
            reached.append(page.evaluate(f"() => ({NAME})(document.activeElement)"))
            assert page.evaluate("() => getComputedStyle(document.activeElement).outlineWidth") == "3px"
            page.keyboard.press("Tab")
        assert reached == everything_to_reach(page)
        assert f"/jobs/{waiting.jobs[0]}" in reached


def test_the_skip_link_leads_to_the_content(chromium: Browser, waiting: Waiting) -> None:
    with visit(chromium, user=USER, password=PASSWORD) as seen:
        seen.page.goto(waiting.url)
        seen.page.keyboard.press("Tab")
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("() => document.activeElement.id") == "main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_every_page_is_sound_on_a_phone_and_on_a_desk_by_day_and_by_night(
    chromium: Browser, waiting: Waiting, scheme: str, width: int
) -> None:
    with visit(chromium, user=USER, password=PASSWORD, width=width, color_scheme=scheme) as seen:
        page = seen.page
        paths = ("/jobs?state=CANCELED", f"/jobs/{waiting.jobs[0]}", "/search?q=t1", "/search?q=zzz")
        for path in ("/", "/jobs", "/history", "/console", *paths):
            page.goto(waiting.url + path)
            assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, path
            assert page.evaluate(FLAWS) == [], path
            assert page.evaluate(CONTRASTS) == [], path
        assert seen.complaints == []


def test_looking_can_be_paused_and_taken_up_again(chromium: Browser, installation: Installation, url: str) -> None:
    with visit(chromium, user=USER, password=PASSWORD) as seen:
        page = seen.page
        page.clock.install()
        page.goto(url)
        button = page.locator("#live")
        expect(button).to_have_attribute("aria-pressed", "true")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
        asked = len(seen.asked)
        page.clock.run_for(60_000)
        assert (len(seen.asked), page.locator("#live-word").inner_text()) == (asked, "Paused")
        job_id = installation.producer().enqueue(request()).job_id
        button.click()
        expect(page.locator("#latest")).to_contain_text(job_id)


def test_a_page_that_cannot_be_renewed_reports_it_and_does_not_look_well(
    chromium: Browser, installation: Installation, tmp_path: Path
) -> None:
    with visit(chromium, user=USER, password=PASSWORD) as seen:
        with board(tmp_path, **installation.environment) as url:
            seen.page.goto(url)
            expect(seen.page.locator("#live-word")).to_have_text("Live")
        expect(seen.page.get_by_role("alert")).to_contain_text("No answer since")
        expect(seen.page).to_have_title("Out of date: Needs attention · Swapline")
        with board(tmp_path, "--port", url.rpartition(":")[2], **installation.environment):
            expect(seen.page).to_have_title("Needs attention · Swapline")
            expect(seen.page.get_by_role("alert")).to_be_hidden()


def test_without_scripts_every_page_works(chromium: Browser, waiting: Waiting) -> None:
    with visit(chromium, user=USER, password=PASSWORD, java_script_enabled=False) as seen:
        seen.page.goto(waiting.url)
        expect(seen.page.locator("#flow li", has_text="Queued").locator("b")).to_have_text("8")
        seen.page.get_by_role("link", name=waiting.jobs[8]).click()
        expect(seen.page.get_by_role("heading", level=1)).to_have_text(waiting.jobs[8])


def test_a_held_job_asks_for_a_decision_and_shows_what_is_known(
    chromium: Browser, installation: Installation, url: str
) -> None:
    installation.vendor.control.set_mode("submit_504_accepted")
    with visit(chromium, user=USER, password=PASSWORD) as seen, installation.worker():
        job_id = installation.producer().enqueue(request()).job_id
        seen.page.goto(url)
        seen.page.get_by_role("link", name="Show it").click()
        seen.page.get_by_role("link", name=job_id).click()
        expect(seen.page.locator("#held")).to_contain_text("the vendor answered 504")
        expect(seen.page.locator("#held")).to_contain_text(f"swapline jobs resolve {job_id}")
        assert installation.producer().get(job_id).state is State.HELD


def test_a_held_job_is_resolved_in_the_console_and_goes_on(
    chromium: Browser, installation: Installation, tmp_path: Path
) -> None:
    installation.vendor.control.set_mode("submit_504_accepted")
    environment = installation.environment | {"SWAPLINE_BOARD_CONSOLE_PASSWORD": "decides"}
    with (
        board(tmp_path, **environment) as url,
        visit(chromium, user=USER, password=PASSWORD, width=360) as seen,
        installation.worker(),
    ):
        page = seen.page
        job_id = installation.producer().enqueue(request()).job_id
        page.goto(f"{url}/console")
        page.get_by_label("The console's password").fill("decides")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Show it").click()
        page.get_by_role("link", name=job_id).click()
        [charged] = installation.vendor.control.report().jobs
        page.get_by_label("Found in the vendor's records").fill(charged.id)
        page.get_by_role("button", name="The vendor has it").click()
        expect(page.locator(".done")).to_contain_text("the job goes on")
        expect(page.locator(".verdict")).to_contain_text("Succeeded")
        expect(page.locator("#events")).to_contain_text("by console")
        assert (seen.complaints, page.evaluate(FLAWS), page.evaluate(CONTRASTS)) == ([], [], [])
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


def test_everything_of_the_console_is_named_and_reached(chromium: Browser, waiting: Waiting) -> None:
    with visit(chromium, user=USER, password="decides", width=360) as seen:
        for path in ("/", f"/jobs/{waiting.jobs[3]}", f"/jobs/{waiting.jobs[0]}", "/console"):
            seen.page.goto(waiting.url + path)
            assert seen.page.locator("form[method=post]").count() or path == "/console", path
            assert seen.page.evaluate(FLAWS) == [], path
            assert seen.page.evaluate(CONTRASTS) == [], path
            assert seen.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, path
        assert seen.complaints == []


@pytest.mark.parametrize("period", ["hour", "day", "week"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_history_can_be_read_on_a_phone(chromium: Browser, past: str, period: str, scheme: str) -> None:
    with visit(chromium, user=USER, password=PASSWORD, width=360, color_scheme=scheme) as seen:
        page = seen.page
        page.goto(f"{past}/history?period={period}")
        plots = page.get_by_role("img")
        expect(plots).to_have_count(5)
        expect(page.get_by_role("img", name="Throughput in the last")).to_be_visible()
        for plot in plots.all():
            box = plot.bounding_box()
            assert box is not None
            assert box["width"] > 220
            assert box["height"] > 100
            assert plot.locator("rect, path.line[d^=M]").count()
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate(SMALL_TEXTS) == []
        assert (seen.complaints, page.evaluate(FLAWS), page.evaluate(CONTRASTS)) == ([], [], [])
