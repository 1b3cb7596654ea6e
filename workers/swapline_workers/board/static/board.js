// Keeps a page up to date: asks the server for the same page again, and changes the parts marked data-live that differ.
// Without this script every page works as well; it is only as old as its last reload.
"use strict";

(() => {
  const EVERY = 2000; // ms: a person does not read faster, and a page costs the server some ten
  const AWAY = 5000; // ms between two tries when the server does not answer
  const SPEAK = 5000; // ms between two sentences for a screen reader at least

  const button = document.getElementById("live");
  const word = document.getElementById("live-word");
  const news = document.getElementById("news");
  const stale = document.getElementById("stale");
  let tag = "";
  let ahead = 0; // the server's clock less this one's, in ms
  let timer = 0;
  let paused = false;
  let spoken = saying();
  let spokeAt = 0;
  let heardAt = Date.now();

  function saying() {
    return document.querySelector("[data-news]")?.dataset.news ?? "";
  }

  function speak() {
    const now = saying();
    if (now === spoken || Date.now() - spokeAt < SPEAK) return;
    spoken = now;
    spokeAt = Date.now();
    news.textContent = now;
  }

  function span(ms) {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  }

  function tellTimes() {
    const now = Date.now() + ahead;
    const put = (one, text) => { if (one.textContent !== text) one.textContent = text; };
    for (const one of document.querySelectorAll("[data-since]")) put(one, `for ${span(now - one.dataset.since)}`);
    for (const one of document.querySelectorAll("[data-ago]")) {
      const age = now - one.dataset.ago;
      put(one, age < 1500 ? "just now" : `${span(age)} ago`);
    }
  }

  function setClock(answer) {
    const date = Date.parse(answer.headers.get("Date") ?? "");
    if (date && Math.abs(date - Date.now() - ahead) > 1500) ahead = date - Date.now(); // the header has whole seconds
  }

  // The times on the page are rewritten by tellTimes; two versions are compared without them.
  const bare = (html) => html.replace(/(<time\b[^>]*data-(?:ago|since)[^>]*>)[^<]*/g, "$1");

  function replace(old, fresh) {
    if (bare(old.innerHTML) === bare(fresh.innerHTML)) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceChildren(...fresh.childNodes);
    if (focused) [...old.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
  }

  function renew(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    document.title = fresh.title;
    const selected = getSelection();
    for (const old of document.querySelectorAll("[data-live]")) {
      const one = fresh.getElementById(old.id);
      if (!one) continue;
      const chosen = selected && !selected.isCollapsed && selected.containsNode(old, true);
      if (chosen) continue; // somebody copies something from here
      for (const name of ["data-news", "data-at-rest"]) {
        if (one.hasAttribute(name)) old.setAttribute(name, one.getAttribute(name));
      }
      replace(old, one);
    }
    tellTimes();
    speak();
  }

  function show(is, text) {
    button.dataset.is = is;
    button.setAttribute("aria-pressed", String(is !== "paused"));
    if (word.textContent !== text) word.textContent = text;
  }

  // A page that is out of date must not look as if all were well, nor must its title.
  function heard() {
    heardAt = Date.now();
    if (stale.hidden) return;
    stale.hidden = true;
    document.body.classList.remove("is-stale");
    document.title = document.title.replace(/^Out of date: /, "");
  }

  function notHeard() {
    show("away", "Away");
    if (!stale.hidden) return;
    const since = new Date(heardAt + ahead).toISOString().slice(11, 19);
    stale.textContent = `No answer since ${since}. What stands here is from then; it is asked for again and again.`;
    stale.hidden = false;
    document.body.classList.add("is-stale");
    document.title = `Out of date: ${document.title}`;
  }

  async function ask() {
    if (paused) return;
    if (document.hidden) return again(EVERY);
    try {
      // Not location.href: it may carry the name and password that it was opened with, and fetch refuses such.
      const answer = await fetch(location.origin + location.pathname + location.search, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      setClock(answer);
      if (answer.ok) {
        tag = answer.headers.get("ETag") ?? "";
        renew(await answer.text());
      } else if (answer.status !== 304) {
        throw new Error(String(answer.status));
      }
      heard();
      speak();
      if (document.querySelector("[data-at-rest]")) return show("rest", "At rest");
      show("live", "Live");
      again(EVERY);
    } catch {
      notHeard();
      again(AWAY);
    }
  }

  function again(wait) {
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  }

  button.addEventListener("click", () => {
    paused = button.dataset.is !== "paused";
    if (paused) {
      clearTimeout(timer);
      show("paused", "Paused");
    } else {
      show("live", "Live");
      ask();
    }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) again(0); });

  button.hidden = false;
  show("live", "Live");
  setInterval(tellTimes, 1000);
  ask().then(tellTimes);
})();
