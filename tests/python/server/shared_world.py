"""A private place for shared servers, and clients that meet there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from language_client import HERE, Client

ATTACH = ("-m", "lm_transparency", "attach")
MARKER = b"lm-transparency attached "
PING = "lmTransparency/ping"


class World:
    """A private runtime folder. At the end its processes are ended, by force if necessary."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**environment, "LM_TRANSPARENCY_RUNTIME_DIR": str(folder)}
        self.clients: list[Client] = []
        self._fakes: list[subprocess.Popen[bytes]] = []

    def fake_server(self, *options: str, log: str = "fake.log") -> Path:
        """Start the fake session as the server that clients here join, and return the path of its log."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / log
        with path.open("wb") as file:
            command = [sys.executable, str(HERE / "fake_session.py"), "shared", *options]
            environment = {**os.environ, **self.environment}
            self._fakes.append(subprocess.Popen(command, env=environment, stdout=file, stderr=file))
        until(lambda: "Listening" in path.read_text())
        return path

    def client(self, name: str = "", *, options: Any = (), **told_besides: float) -> Client:
        """An initialized client. `name`: its client id. `told_besides`: more `ClientOptions`, as on the wire."""
        client = self.raw(*options)
        told = {"clientId": name, **told_besides}
        params = {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": told}
        client.ask("initialize", params)
        client.notify("initialized", {})
        return client

    def raw(self, *options: str) -> Client:
        self.clients.append(Client((sys.executable, *ATTACH, *options), **self.environment))
        return self.clients[-1]

    def process_id(self, client: Client) -> int:
        """The server's process id, from the marker line."""
        until(lambda: _is_told(client))
        return json.loads(client.garbage.partition(MARKER)[2])["processId"]

    def close(self) -> None:
        servers = {self.process_id(client) for client in self.clients if _is_told(client)}
        for client in self.clients:
            client.end()
        for fake in self._fakes:
            servers.update(child.pid for child in children(fake.pid))
        for pid in servers:
            if psutil.pid_exists(pid):
                psutil.Process(pid).kill()
        for fake in self._fakes:
            fake.wait(10)


@contextmanager
def private_world(name: str, environment: dict[str, str]) -> Iterator[World]:
    """A `World` whose folder is removed at the end."""
    # a short path, as sockets need; not in TMPDIR
    found = World(Path(f"/tmp/lmt-{name}-{os.getpid()}"), environment)
    try:
        yield found
    finally:
        found.close()
        subprocess.run(["rm", "-rf", str(found.folder)], check=True)


def _is_told(client: Client) -> bool:
    return MARKER in client.garbage and client.garbage.endswith(b"\n")


def children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def until(holds: Any, timeout: float = 30.0) -> None:
    """Wait until `holds()`."""
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)


def leave(client: Client) -> int:
    """Do what a closing window does, and return the bridge's exit code."""
    client.ask("shutdown")
    client.notify("exit")
    return client.process.wait(10)
