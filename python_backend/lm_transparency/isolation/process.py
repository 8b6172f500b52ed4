"""The parent's side of one child process: start, ask, watch, kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import psutil

from .frames import read_frame, write_frame

#: The parent's own import path, so that the child finds the same packages; it omits the working directory.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from lm_transparency.isolation.child import main
main()
"""

#: One thread per child, since it runs beside many other processes. Nothing is fetched.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "RAYON_NUM_THREADS": "1",
}


class ChildProcess:
    """Raises `OSError` where it cannot be started."""

    def __init__(self) -> None:
        path = [os.path.abspath(entry) for entry in sys.path if entry]
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", _PROGRAM, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.path.dirname(os.path.abspath(__file__)),
            env={**os.environ, **_ENVIRONMENT},
        )
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._process = psutil.Process(self._popen.pid)

    def ask(self, task: dict[str, Any]) -> None:
        """Hand over a task. Raises `OSError` where the child is gone."""
        assert self._popen.stdin is not None
        most = int(task["answer_bytes"]) + 1000
        threading.Thread(target=self._read, args=(most,), daemon=True).start()
        write_frame(self._popen.stdin, task)

    def answer(self, seconds: float) -> Any:
        """The answer; None if there is none within `seconds`. Raises `EOFError` where the child has died."""
        try:
            found = self._answers.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(found, BaseException):
            raise EOFError from found
        return found

    def taken(self) -> tuple[float, int]:
        """Seconds of processor time and bytes of memory used so far; zeros once it is gone."""
        try:
            with self._process.oneshot():
                times = self._process.cpu_times()
                return times.user + times.system, self._process.memory_info().rss
        except psutil.Error:
            return 0.0, 0

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def exit_code(self) -> int:
        """The exit code of a child that has ended, or no longer answers."""
        try:
            return self._popen.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._popen.wait()

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()

    def _read(self, most: int) -> None:
        assert self._popen.stdout is not None
        try:
            self._answers.put(read_frame(self._popen.stdout, most))
        except (EOFError, OSError, ValueError) as error:
            self._answers.put(error)
