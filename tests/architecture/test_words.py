"""Names and prose use the field's words: this finds the old ones and says the right one."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "docs", "findings", "gateway", "ops", "producer", "simulator", "tests", "workers")

FILES = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")

IN_NAMES = {
    "afresh": "reset",
    "aside": "capped",
    "brisk": "fast",
    "calm": "close_breaker, clear",
    "chance": "rng",
    "chatty": "the quantity and its unit",
    "complaint": "problem",
    "crew": "local_dispatcher",
    "deaf": "the quantity and its unit",
    "desk": "session",
    "errand": "request",
    "farewell": "shutdown",
    "garbage": "the quantity and its unit",
    "gate": "breaker",
    "glance": "summary",
    "glancing": "summaries",
    "haste": "stop_mode",
    "hear": "receive",
    "heard": "received, subscribers",
    "heed": "apply_cancellation",
    "heir": "superseded_by",
    "house": "services",
    "insist": "advance_until_written",
    "keyring": "signing_keys",
    "lanes": "bulkhead",
    "leash": "death_pipe",
    "lesson": "service_time_sample",
    "look": "poll, check",
    "looks": "polls",
    "mail": "publisher",
    "moment": "timestamp",
    "moments": "timestamps",
    "nearby": "try_local",
    "nudge": "schedule_wakeup",
    "oncall": "recovery",
    "outbox": "publisher",
    "pulse": "heartbeat",
    "retire": "drain",
    "said": "body, sent",
    "say": "print, report",
    "spare": "input_retention",
    "spared": "input_retention",
    "strike": "trip",
    "strikes": "trips",
    "tell": "send, deliver",
    "telling": "delivery",
    "ticket": "message",
    "tickets": "messages",
    "told": "delivery, payload",
    "trouble": "failing",
    "troubled": "failing",
    "turn": "version",
    "unseen": "detection_delay",
    "vitals": "liveness",
    "wish": "request, job, options",
    "wishes": "jobs, options",
}
"""Parts of names that were replaced -> the word to use."""

IN_PROSE = {
    r"\b(?:a|an|the|next|first|last|every|each|one|no|per|of|more|two|three|many|few|between) looks?\b": "poll",
    r"\blooks? (?:again|that found|a job)\b": "poll",
    r"\b(?:its|that|this|later|whose|new|older|at a|the same) turn\b": "version",
    r"\bin hand\b": "leased, in progress",
    r"\b(?:give|gives|given|giving) back\b": "release",
    r"\bleft behind\b": "orphaned",
    r"\b(?:the|a|every|each|one|all|worker's|workers'|its) clocks?\b": "due dispatcher (or: source of time)",
    r"\bdesks?\b": "session",
    r"\bcrews?\b": "local dispatcher",
    r"\berrands?\b": "request",
    r"\bthe house\b": "worker services",
    r"\bfarewell\b": "shutdown",
    r"\bpulses?\b": "heartbeat",
    r"\bvitals\b": "liveness",
    r"\b(?:somebody|nobody|someone|whoever|anybody)\b": "name the process or person",
    r"\b(?:is|are|was|were|be|being) told\b": "is sent, is called with",
    r"\b(?:tells|telling|tell) of\b": "report",
    r"\bstrikes?\b": "breaker trip",
    r"\bthe gate\b": "the submission breaker",
    r"\bmailed?\b": "published",
    r"\bheed(?:ed|s)?\b": "apply",
    r"\bso many\b": "a number",
    r"\bsay so\b|\bsays so\b": "report",
}
"""Phrases that were replaced -> the word to use."""

FOREIGN_NAMES = {"Draft202012Validator", "tell"}
"""Names of libraries; `tell` is a file's."""

MADE = {"__pycache__", "build", "node_modules"}
"""Folders of what is made from the rest."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PROSE = [(re.compile(pattern, re.IGNORECASE), word) for pattern, word in IN_PROSE.items()]


def _files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".lua", ".md"}]
    found += [ROOT / name for name in FILES]
    return sorted(path for path in found if path.name != "test_words.py" and not MADE & set(path.parts))


def _python(text: str) -> tuple[set[tuple[int, str]], list[tuple[int, str]]]:
    names, prose = set(), []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            names.add((token.start[0], token.string))
        elif token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
            prose.append((token.start[0], token.string))
    return names, prose


def _lua(text: str) -> tuple[set[tuple[int, str]], list[tuple[int, str]]]:
    names, prose = set(), []
    for number, line in enumerate(text.splitlines(), 1):
        code, _, comment = line.partition("--")
        names |= {(number, name) for name in re.findall(r"[A-Za-z_]\w*", code)}
        prose.append((number, comment))
    return names, prose


def old_words(path: Path) -> list[str]:
    """Each old word in a file: where it is, and what to write."""
    text = path.read_text()
    if path.suffix == ".md":
        names: set[tuple[int, str]] = set()
        prose = [(number, line) for number, line in enumerate(text.splitlines(), 1)]
    else:
        names, prose = _python(text) if path.suffix == ".py" else _lua(text)
    found = [
        (line, f"{name}: {IN_NAMES[part]}")
        for line, name in sorted(names)
        if not name.startswith("test_") and name not in FOREIGN_NAMES
        for part in {part.lower() for part in _PART.findall(name)} & IN_NAMES.keys()
    ]
    found += [
        (line, f"{match.group(0)!r}: {word}")
        for line, sentence in prose
        for pattern, word in _PROSE
        for match in pattern.finditer(sentence)
    ]
    return [f"{path.relative_to(ROOT)}:{line} {what}" for line, what in sorted(found)]


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_word_is_the_fields_word(path: Path) -> None:
    assert old_words(path) == []
