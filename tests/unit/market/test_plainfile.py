"""Files of plain values: what cannot be read is the caller's own error, and every wrong field is named."""

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from plimsoll.market.errors import SnapshotError
from plimsoll.market.plainfile import MAX_DEPTH, parse_json, read_json, wrong_fields
from plimsoll.market.snapshot import Snapshot

DEEP = "[" * 200_000


def test_what_a_file_holds(tmp_path):
    path = tmp_path / "good.json"
    path.write_bytes('{"a": [1, 0.5, "ä"]}'.encode())
    assert read_json(path, SnapshotError) == {"a": [1, 0.5, "ä"]}


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), (b"\xff", "codec"), (b"{", "is no JSON"), (DEEP.encode(), "200000 deep")],
)
def test_a_file_that_cannot_be_read_is_the_callers_error(tmp_path, content, says):
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SnapshotError, match=says) as caught:
        read_json(path, SnapshotError)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("content", [DEEP, '{"format":' * 200_000])
def test_brackets_nested_too_deep_are_no_snapshot(content):
    with pytest.raises(SnapshotError, match="not a snapshot"):
        Snapshot.parse(content.encode())


def test_brackets_count_where_they_stand_inside_each_other_and_in_no_text():
    most = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(most.encode()) is not None
    with pytest.raises(ValueError, match=f"{MAX_DEPTH + 1} deep"):
        parse_json(f"[{most}]".encode())
    assert parse_json(f"[{','.join(['[]'] * 500)}]".encode()) == [[]] * 500
    in_text = "[" * 500 + r"\"{" * 500 + r"\\"
    assert parse_json(f'["{in_text}"]'.encode()) == ["[" * 500 + '"{' * 500 + "\\"]
    closed_in_text = ('[{"a' + "]" * 500 + '":') * (MAX_DEPTH + 1)
    with pytest.raises(ValueError, match=f"{2 * MAX_DEPTH + 2} deep"):
        parse_json(closed_in_text.encode())


class Inner(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def _odd(cls, value):
        if value % 2 == 0:
            raise ValueError(f"{value} is even")
        return value


class Outer(BaseModel):
    parts: list[Inner]
    name: str


def test_every_wrong_field_is_named_by_its_path():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"parts": [{"number": 1}, {"number": 2}]})
    assert wrong_fields(caught.value, "all") == "parts.1.number: 2 is even; name: Field required"
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate([])
    assert wrong_fields(caught.value, "all").startswith("all: ")
