"""Positions as in LSP, and how they follow edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position, Range

from lm_transparency.server.language.positions import Positions

TEXTS = st.text(st.sampled_from(["a", "\n", "\r", "é", "😀", "\u2028", "\f"]), max_size=12)


@given(text=TEXTS, edits=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), TEXTS), max_size=4))
def test_an_edit_gives_the_same_as_reading_the_text_again(text: str, edits: list[tuple[int, int, str]]) -> None:
    positions = Positions(text)
    for one, other, inserted in edits:
        start, end = sorted((min(one, len(positions.text)), min(other, len(positions.text))))
        place = positions.range(start, end)
        start, end = positions.offsets(place)
        wanted = positions.text[:start] + inserted + positions.text[end:]
        positions = positions.edited(place, inserted)
        assert positions.text == wanted
        read_again = Positions(wanted)
        for offset in range(len(wanted) + 1):
            assert positions.position(offset) == read_again.position(offset)


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 7), ("utf-16", 4), ("utf-32", 3)])
def test_columns_are_counted_as_the_client_counts(encoding: str, column: int) -> None:
    positions = Positions("x\ré😀a\u2028b\n", encoding)
    assert positions.position(5) == Position(1, column)
    assert positions.offset(Position(1, column)) == 5
    # past the end of a line, and of the text
    assert positions.offset(Position(1, 99)) == 7
    assert positions.offset(Position(9, 0)) == 8


def test_a_stretch_is_parted_at_line_ends() -> None:
    positions = Positions("ab\r\n\ncd\n")
    assert positions.lines(1, 8) == [(1, 2), (5, 7)]
    assert positions.range(1, 6) == Range(Position(0, 1), Position(2, 1))
