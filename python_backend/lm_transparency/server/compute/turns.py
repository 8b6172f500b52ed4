"""Whose turn is next: clients take turns, and within one client the newest request goes first. Pure bookkeeping."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Waiting items, by client. A client that has just had its turn goes behind all others that wait."""

    def __init__(self) -> None:
        self._by_client: OrderedDict[Hashable, list[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._by_client.values()))

    def waiting(self, client: Hashable) -> int:
        return len(self._by_client.get(client, ()))

    def add(self, client: Hashable, item: T) -> None:
        self._by_client.setdefault(client, []).append(item)

    def remove(self, client: Hashable, item: T) -> None:
        """Remove `item` if it still waits."""
        items = self._by_client.get(client, [])
        if item in items:
            items.remove(item)
            if not items:
                del self._by_client[client]

    def pop(self) -> tuple[Hashable, T]:
        """The client whose turn it is, and its newest item. Raises `KeyError` when nothing waits."""
        client, items = self._by_client.popitem(last=False)
        item = items.pop()
        if items:
            self._by_client[client] = items
        return client, item

    def order(self) -> list[T]:
        """All items in the order in which `pop` would return them."""
        columns = [items[::-1] for items in self._by_client.values()]
        rounds = max(map(len, columns), default=0)
        return [items[i] for i in range(rounds) for items in columns if i < len(items)]
