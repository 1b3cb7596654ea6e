"""Whether a refusal means "no place free now": the vendor may not say 429."""

from __future__ import annotations

import re

WINDOW = 4096

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\s_-]+")
_THINGS = r"(?:jobs?|requests?|tasks?|runs?|calls?|generations?|submissions?|workflows?|executions?)"
_TOGETHER = rf"(?:concurren\w+|simultaneous(?:ly)?|parallel|in ?flight|(?:active|running|pending|queued) {_THINGS})"
_LIMIT = r"(?:limit\w*|max\w*|exceed\w*|reached|full|at most|too many)"
_FULL = re.compile(
    rf"too many {_THINGS}"
    rf"|{_TOGETHER}\b.{{0,40}}\b{_LIMIT}|{_LIMIT}\b.{{0,40}}\b{_TOGETHER}"
    rf"|{_THINGS} at (?:a time|once|the same time)"
    rf"|{_THINGS} (?:limit|cap) (?:was |is |has been )?(?:reached|exceeded)"
    r"|rate limit|slow down"
    r"|(?:at|over) (?:full )?capacity|capacity (?:was |is |has been )?(?:reached|exceeded|full)"
    r"|no (?:free |more )?(?:slots?|capacity)\b",
)


def says_full(body: bytes) -> bool:
    """Whether the vendor has too many jobs now."""
    text = _CAMEL.sub(" ", body[:WINDOW].decode("utf-8", "replace"))
    return _FULL.search(_SEPARATORS.sub(" ", text).lower()) is not None
