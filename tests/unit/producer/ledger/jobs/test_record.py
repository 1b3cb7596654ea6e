"""A job's record: a request in pieces so short that Redis keeps the whole record as one block."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swapline_producer.ledger.jobs.record import MOST_PIECES, PIECE, in_pieces, whole_spec


@given(st.text(min_size=1, max_size=2 * PIECE * MOST_PIECES))
def test_pieces_are_short_and_make_the_whole_again(text: str) -> None:
    pieces = in_pieces(text.encode())
    assert whole_spec({**pieces, "state": "QUEUED"}) == text
    assert len(pieces) == 1 or max(len(piece.encode()) for piece in pieces.values()) <= PIECE


def test_a_request_of_ordinary_length_is_never_kept_in_one_long_field() -> None:
    text = "ü" * PIECE * 10
    assert len(in_pieces(text.encode())) > 1
    assert all(len(piece.encode()) <= PIECE for piece in in_pieces(text.encode()).values())


def test_a_very_long_request_is_kept_whole_spec_for_many_fields_would_cost_more() -> None:
    assert list(in_pieces(b"x" * (PIECE * MOST_PIECES + 1))) == ["spec"]


def test_a_record_of_an_older_version_has_its_request_in_one_field() -> None:
    assert whole_spec({"spec": '{"gender":0}'}) == '{"gender":0}'
