"""The last whole line of a file that grows."""

from datetime import UTC, datetime

import pytest

from plimsoll.market.venues.errors import VenueAnswerError, VenueDownError, VenueError
from plimsoll.market.venues.file import TAIL, FilePrice

from .conftest import START


def source(path, text):
    path.write_bytes(text.encode())
    return FilePrice("desk", path, lambda: float(START))


@pytest.mark.parametrize(
    "stamp",
    [
        str(START),
        f"{START}000",
        f"{START}000000",
        datetime.fromtimestamp(START, UTC).isoformat(),
        "2027-01-15T08:00:00",
    ],
)
def test_times_are_read_in_any_common_form(tmp_path, stamp):
    found = source(tmp_path / "p.csv", f"timestamp,close\n1,2\n{stamp},61000.5\n").ask()
    assert found.price == 61_000.5
    assert found.stamp == START


def test_a_line_that_is_being_written_is_left_for_the_next_look(tmp_path):
    path = tmp_path / "p.csv"
    venue = source(path, f"time,price\n{START},100\n{START + 1},10")
    assert venue.ask().price == 100
    with path.open("a") as file:
        file.write("1\n")
    assert venue.ask().price == 101


def test_of_a_long_file_the_end_is_read(tmp_path):
    lines = "".join(f"{START + k},{100 + k}\n" for k in range(TAIL // 10))
    assert source(tmp_path / "p.csv", f"time,price\n{lines}").ask().price == 100 + TAIL // 10 - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "time,price\n",
        "time,price\n1800000000,x\n",
        "time,price\n1800000000,0\n",
        "time,price\n1800000000,nan\n",
        "time,price\n1800000000\n",
        "time,price\nnoon,5\n",
        "time,volume\n1800000000,5\n",
        "when,price\n1800000000,5\n",
        "time,price\n\n",
        'time,price\n"1800000000,5\n',
    ],
)
def test_what_holds_no_price_is_refused(tmp_path, text):
    with pytest.raises(VenueAnswerError):
        source(tmp_path / "p.csv", text).ask()


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"time,price\n\xff\xfe,1\n")
    with pytest.raises(VenueAnswerError, match="no whole line"):
        FilePrice("desk", path).ask()


def test_a_file_that_is_not_there_is_down(tmp_path):
    with pytest.raises(VenueDownError, match="No such file"):
        FilePrice("desk", tmp_path / "none.csv").ask()
    with pytest.raises(VenueError, match="no hours"):
        FilePrice("desk", tmp_path / "none.csv").hours(0, 1)
