"""A process that has imported everything, which runs commands as separate processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from warm_command import Warm

from prompts import IOI


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    one = Warm()
    yield one
    one.close()


@pytest.fixture(scope="module")
def ioi_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("prompts") / "ioi.prompt"
    path.write_text(IOI)
    return str(path)
