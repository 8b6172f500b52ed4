"""The order of requests: round robin between clients, newest first within one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lm_transparency.server.compute.turns import Turns


def drained(turns: Turns[int]) -> list[int]:
    return [turns.pop()[1] for _ in range(len(turns))]


def test_clients_take_turns_and_the_newest_request_of_one_is_first() -> None:
    turns: Turns[int] = Turns()
    for client, item in [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("c", 5), ("b", 6)]:
        turns.add(client, item)
    assert drained(turns) == [4, 6, 5, 2, 3, 1]


def test_a_client_that_had_its_turn_is_behind_those_that_wait() -> None:
    turns: Turns[int] = Turns()
    turns.add("a", 1)
    turns.add("b", 2)
    assert turns.pop() == ("a", 1)
    turns.add("a", 3)
    assert drained(turns) == [2, 3]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40))
def test_the_reported_order_is_the_order_of_the_turns(steps: list[tuple[int, bool]]) -> None:
    turns: Turns[int] = Turns()
    for item, (client, takes) in enumerate(steps):
        turns.add(client, item)
        if takes and client % 2:
            turns.remove(client, item)
        elif takes:
            turns.pop()
    assert turns.order() == drained(turns)
