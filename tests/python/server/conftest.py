"""Servers for the tests: a real one that is shared, and cheap ones that compute nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from language_client import HERE, Client, StartClient, python_path
from shared_world import World, private_world

from prompts import IOI


@pytest.fixture
def start() -> Iterator[StartClient]:
    """Starts clients, and ends them after the test."""
    clients: list[Client] = []

    def begin(*arguments: str, **environment: str) -> Client:
        clients.append(Client((sys.executable, *arguments), **environment))
        return clients[-1]

    yield begin
    for client in clients:
        client.end()


@pytest.fixture(scope="session")
def empty_packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with empty packages torch, transformers and numba, which import at once."""
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
    """A real server with the embedded model loaded. At the end, every request must have exactly one answer."""
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


@pytest.fixture(scope="module")
def ioi_run(server: Client) -> str:
    return server.ask("lmTransparency/analyze", {"prompt": IOI, "specialTokens": "bos"})["runId"]


@pytest.fixture
def ask(server: Client, ioi_run: str) -> Any:
    """A question about the IOI run by the short name of its method."""

    def asked(name: str, **params: Any) -> Any:
        return server.ask(f"lmTransparency/{name}", {"runId": ioi_run, **params})

    return asked


@pytest.fixture
def world(tmp_path: Path, empty_packages: dict[str, str]) -> Iterator[World]:
    with private_world(str(abs(hash(tmp_path)) % 10**6), empty_packages) as found:
        yield found
