"""Servers for the tests: a real one that all share, and cheap ones that compute nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from language_client import HERE, Client, StartClient, python_path


@pytest.fixture
def start() -> Iterator[StartClient]:
    """Starts clients that are gone after the test."""
    clients: list[Client] = []

    def begin(*arguments: str, **environment: str) -> Client:
        clients.append(Client((sys.executable, *arguments), **environment))
        return clients[-1]

    yield begin
    for client in clients:
        client.end()


@pytest.fixture(scope="session")
def empty_packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which torch, transformers and numba are there and empty, so that they import at once."""
    return python_path(
        tmp_path_factory.mktemp("packages"),
        torch='__version__ = "2.6.0"',
        transformers='__version__ = "5.3.0"',
        numba='__version__ = "0.60.0"',
    )


@pytest.fixture
def fake(start: StartClient, empty_packages: dict[str, str]) -> Client:
    """An initialized server on `fake_session.py`."""
    client = start(str(HERE / "fake_session.py"), **empty_packages)
    client.initialize()
    client.until_imported()
    return client


@pytest.fixture(scope="session")
def server() -> Iterator[Client]:
    """A real server with the embedded model loaded. At its end every request has exactly one answer."""
    client = Client()
    try:
        client.initialize()
        client.ask("lmTransparency/loadModel")
        yield client
        client.ask("lmTransparency/health")
        assert [i for i in client.requests if len(client.answers(i)) != 1] == []
        assert client.garbage == b""
    finally:
        client.end()
