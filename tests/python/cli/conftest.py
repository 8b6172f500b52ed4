"""A process that has imported everything, for commands as processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from warm_command import Warm


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    one = Warm()
    yield one
    one.close()
