from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swapline_producer.client.batches.manifest import Manifest, Row, check, row_of
from swapline_producer.errors import RequestError
from swapline_producer.settings import ProducerSettings
from swapline_simulator import sample_photographs

URL = "https://pictures.example.com/1.jpg"


def rows(path: Path, text: str, **options: Any) -> list[Row]:
    path.write_text(text)
    return list(Manifest(path, "spring", {}, **options).rows())


def jsonl(path: Path, *found: Any) -> list[Row]:
    return rows(path, "\n".join(json.dumps(one) for one in found))


def test_columns_are_the_fields_of_a_request_and_others_become_metadata(tmp_path: Path) -> None:
    text = f"image,gender,filter_id,ratio,order,queue_ttl\n{URL},female,12,square,4711,60\n{URL},0,,,,\n"
    first, second = rows(tmp_path / "spring.csv", text)
    assert first.values == {
        "image": URL,
        "gender": "female",
        "filter_id": 12,
        "ratio": "square",
        "queue_ttl": "60",
        "extra": {},
        "metadata": {"order": "4711"},
        "idempotency_key": "batch:spring:1",
        "batch": "spring",
        "replace_failed": False,
    }
    assert "filter_id" not in second.values
    assert second.values["metadata"] == {}


def test_json_rows_mean_the_same(tmp_path: Path) -> None:
    [row] = jsonl(
        tmp_path / "spring.jsonl",
        {"image": URL, "gender": 1, "filter_id": 12, "metadata": {"a": 1}, "order": 7, "ratio": None},
    )
    assert row.values["metadata"] == {"a": "1", "order": "7"}
    assert "ratio" not in row.values
    assert check(row) is None


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "me.jpg").write_bytes(sample_photographs()[0])
    [row] = rows(tmp_path / "spring.csv", "image,gender,filter_id\nfaces/me.jpg,boy,12\n")
    assert row.values["image"] == tmp_path / "faces" / "me.jpg"
    assert check(row) is None


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("nowhere.jpg,0,12,", "does not exist; check the path. (INVALID_IMAGE)"),
        ("http://127.0.0.1/me.jpg,0,12,", "(INVALID_IMAGE)"),
        (f"{URL},7,12,", "gender"),
        (f"{URL},0,twelve,", "it must be an integer from the vendor's catalog, or a UUID (FILTER_NOT_FOUND)"),
        (f"{URL},4,6f0c1b1e-8f1e-4c3e-9f5e-0123456789ab,", "(FILTER_BLOCKED)"),
        (f"{URL},0,12,nonsense", "metadata: it must be a JSON object"),
        (f"{URL},0,12,,too,many", "it has 2 cells more than there are columns"),
        (",0,12,", "image: it must be a path"),
    ],
)
def test_each_kind_of_mistake_is_a_sentence(tmp_path: Path, cells: str, problem: str) -> None:
    [row] = rows(tmp_path / "spring.csv", f"image,gender,filter_id,metadata\n{cells}\n")
    assert problem in str(check(row))


def test_a_line_is_where_the_row_begins_in_the_file(tmp_path: Path) -> None:
    text = f'image,gender,filter_id,note\n{URL},0,12,"two\nlines"\n\n{URL},0,12,\n'
    found = rows(tmp_path / "spring.csv", text)
    assert [(row.number, row.line) for row in found] == [(1, 2), (2, 5)]
    (tmp_path / "x.jsonl").write_text('\n{"a": \n[1]\n')
    broken = list(Manifest(tmp_path / "x.jsonl", "x", {}).rows())
    assert [(row.line, str(row.problem)[:24]) for row in broken] == [
        (2, "it is not JSON: Expectin"),
        (3, "it is not a JSON object"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_cells_may_be_separated_by_what_a_spreadsheet_writes(tmp_path: Path, delimiter: str, mark: str) -> None:
    cells = [["order", "image", "gender", "filter_id", "note"], ["7", URL, "girl", "12", f'"a{delimiter} b"']]
    path = tmp_path / "spring.csv"
    path.write_text(mark + "\r\n".join(delimiter.join(line) for line in cells), encoding="utf-8")
    [row] = Manifest(path, "spring", {}).rows()
    assert row.values["metadata"] == {"order": "7", "note": f"a{delimiter} b"}
    assert check(row) is None


def test_another_separator_than_these_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match=r"Its one column is 'image\|gender\|filter_id': separate cells by , or ; or tabs"
    ):
        rows(tmp_path / "spring.csv", f"image|gender|filter_id\n{URL}|0|12\n")


def test_a_setting_for_webhooks_admits_no_private_picture(tmp_path: Path) -> None:
    text = "image,gender,filter_id,webhook_url\nhttp://127.0.0.1/me.jpg,0,12,http://127.0.0.1/hook\n"
    [row] = rows(tmp_path / "spring.csv", text)
    assert "(INVALID_IMAGE)" in str(check(row, ProducerSettings(webhook_allow_private=True)))
    [row] = rows(tmp_path / "spring.csv", text.replace("http://127.0.0.1/me.jpg", URL))
    assert check(row, ProducerSettings(webhook_allow_private=True)) is None


def test_a_manifest_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    path.write_bytes(b"\xef\xbb\xbfimage,gender,filter_id\r\n" + URL.encode() + b",0,12\r\n")
    assert [check(row) for row in Manifest(path, "spring", {}).rows()] == [None]


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("image,gender", "it has no column filter_id"),
        ("", "it has no column image, gender, filter_id"),
        ("image,gender,filter_id,image", "it has twice the column image"),
        ("image,gender,filter_id,batch", "named by --name"),
    ],
)
def test_a_wrong_header_is_reported_at_once(tmp_path: Path, header: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        rows(tmp_path / "spring.csv", header + "\n")


def test_a_file_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    path.write_bytes(sample_photographs()[0])
    with pytest.raises(RequestError, match="is not UTF-8"):
        list(Manifest(path, "spring", {}).rows())


def test_defaults_are_for_rows_that_do_not_say_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    path.write_text(f"image,gender\n{URL},\n{URL},boy\n")
    found = list(Manifest(path, "spring", {"gender": "girl", "filter_id": "12"}).rows())
    assert [(row.values["gender"], row.values["filter_id"]) for row in found] == [("girl", 12), ("boy", 12)]


def test_a_row_is_found_again_by_its_key() -> None:
    key = Manifest(Path("x.csv"), "a:b", {}).key(17)
    assert row_of("a:b", key) == 17
    assert [row_of("a:b", other) for other in (None, "order-17", "batch:a:17", key + "x")] == [None] * 4


@pytest.mark.parametrize("number", ["01", "0", "\u0661", "²", "-1", "+1", "1 ", "1\n", "9" * 10, "9" * 5000, "../x"])
def test_only_a_number_as_we_write_it_is_a_row(number: str) -> None:
    """Two keys that differ are never one row: their pictures would have one name."""
    assert row_of("spring", f"batch:spring:{number}") is None
