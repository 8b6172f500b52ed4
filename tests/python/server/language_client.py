"""A JSON-RPC client for tests: a real server process, every message kept in order, and no wait without a limit."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

HERE = Path(__file__).parent
SERVER = (sys.executable, "-m", "lm_transparency.server")
PATIENCE = 240.0


class Refused(Exception):
    """An error reply."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.kind: str = error["data"]["kind"]
        self.remedy: str = error["data"]["remedy"]


class Client:
    """Starts `command` and speaks with it over stdin and stdout. `garbage`: bytes on stdout outside messages."""

    def __init__(self, command: tuple[str, ...] = SERVER, **environment: str) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            # one thread: parallel servers on few cores would wait for each other's threads
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment},
        )
        self.messages: list[dict[str, Any]] = []
        self.garbage = b""
        self._news = threading.Condition()
        self._ended = False
        self.requests: list[Any] = []
        threading.Thread(target=self._read, daemon=True).start()

    # ---- sending

    def send(self, message: Any) -> None:
        self.send_body(json.dumps(message).encode())

    def send_body(self, body: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def request(self, method: str, params: Any = None) -> int:
        msg_id = len(self.requests) + 1
        self.requests.append(msg_id)
        self.send({"jsonrpc": "2.0", "id": msg_id, "method": method, "params": params})
        return msg_id

    def notify(self, method: str, params: Any = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def cancel(self, msg_id: int) -> None:
        self.notify("$/cancelRequest", {"id": msg_id})

    # ---- receiving

    def answer(self, msg_id: Any, timeout: float = PATIENCE) -> Any:
        """The result of a request. Raises `Refused` for an error reply."""
        reply = self.wait_for(lambda m: "method" not in m and m.get("id") == msg_id, timeout)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    def ask(self, method: str, params: Any = None, timeout: float = PATIENCE) -> Any:
        return self.answer(self.request(method, params), timeout)

    def wait_for(self, matches: Callable[[dict[str, Any]], bool], timeout: float = PATIENCE) -> dict[str, Any]:
        """The first past or future message that `matches`."""
        end = time.monotonic() + timeout
        with self._news:
            while True:
                found = next((m for m in self.messages if matches(m)), None)
                if found is not None:
                    return found
                left = end - time.monotonic()
                assert left > 0 and not self._ended, (
                    f"nothing came that was waited for; stderr: {self.stderr()[-2000:]}"
                )
                self._news.wait(left)

    def answers(self, msg_id: Any) -> list[dict[str, Any]]:
        return [m for m in list(self.messages) if "method" not in m and m.get("id") == msg_id]

    def progress(self, token: str) -> list[dict[str, Any]]:
        found = [m["params"] for m in list(self.messages) if m.get("method") == "$/progress"]
        return [params["value"] for params in found if params["token"] == token]

    def healths(self) -> list[dict[str, Any]]:
        return [m["params"] for m in list(self.messages) if m.get("method") == "lmTransparency/healthChanged"]

    def until_logged(self, text: str, timeout: float = PATIENCE) -> None:
        end = time.monotonic() + timeout
        while text not in self.stderr():
            assert time.monotonic() < end, f"{text!r} is not in {self.stderr()[-2000:]}"
            time.sleep(0.01)

    def stderr(self) -> str:
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), size, 0).decode("utf-8", "replace")

    # ---- life

    def initialize(self) -> dict[str, Any]:
        result = self.ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": {}})
        self.notify("initialized", {})
        return result

    def until_imported(self) -> dict[str, Any]:
        """The health after the heavy imports."""
        health = self.ask("lmTransparency/health")
        if health["state"] != "starting":
            return health
        changed = self.wait_for(
            lambda m: m.get("method") == "lmTransparency/healthChanged" and m["params"]["state"] != "starting"
        )
        return changed["params"]

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            if not header.startswith(b"Content-Length: "):
                self.garbage += header
                continue
            while stream.readline().strip():
                pass
            message = json.loads(stream.read(int(header.split(b":")[1])))
            message["at"] = time.monotonic()
            with self._news:
                self.messages.append(message)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


StartClient = Callable[..., Client]


def decode(result: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Meta and columns of an `AnalyzeResult`."""
    unpacked = msgpack.unpackb(base64.b64decode(result["payload"]))
    columns = {
        name: np.frombuffer(column["data"], np.dtype(column["dtype"]).newbyteorder("<")).reshape(column["shape"])
        for name, column in unpacked["columns"].items()
    }
    return unpacked["meta"], columns


def numbers(array: dict[str, Any]) -> np.ndarray:
    raw = base64.b64decode(array["data"])
    return np.frombuffer(raw, np.dtype(array["dtype"]).newbyteorder("<")).reshape(array["shape"])


def python_path(folder: Path, **modules: str) -> dict[str, str]:
    """A PYTHONPATH that puts `modules` (name to source) before everything else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source, "utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}
