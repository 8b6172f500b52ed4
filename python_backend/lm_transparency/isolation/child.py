"""The child's side: one task after the other, each under limits that the system enforces where it can."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

from ..errors import TransparencyError, first_line
from .frames import read_frame, write_frame

_MOST = 1 << 30


def main() -> None:
    """Answer tasks from standard input until it ends."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # output that a library prints is not an answer
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    tasks: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_read, args=(asked, tasks), daemon=True).start()
    while True:
        task = tasks.get()
        answer = _answer(task)
        _send(answers, answer, task["answer_bytes"])


def _read(asked: IO[bytes], tasks: SimpleQueue[dict[str, Any]]) -> None:
    # on a thread of its own, which also notices during a task that the parent is gone
    with suppress(EOFError, ValueError, OSError):
        while True:
            tasks.put(read_frame(asked, _MOST))
    os._exit(0)


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    try:
        module, _, name = str(task["task"]).partition(":")
        function = getattr(importlib.import_module(module), name)
        _limit(task["seconds"], task["memory_bytes"])
        return {"value": function(**task["arguments"])}
    except TransparencyError as error:
        return {"kind": error.kind, "message": error.message, "remedy": error.remedy}
    except MemoryError:
        return {"memory": True}
    except BaseException as error:
        # a panic of native code is a BaseException; nothing that a foreign file makes a library do may end the child
        return {"raised": first_line(error)}


def _send(answers: IO[bytes], answer: dict[str, Any], most: int) -> None:
    try:
        size = len(json.dumps(answer))
    except (TypeError, ValueError, RecursionError, MemoryError) as error:
        answer, size = {"raised": first_line(error)}, 0
    write_frame(answers, {"large": True} if size > most else answer)


def _limit(seconds: float, memory_bytes: int) -> None:
    """Limit this process from now on. Where the system has no such limits, only the parent watches."""
    if sys.platform == "win32":
        return
    import resource

    def lower(which: int, value: int) -> None:
        _, most = resource.getrlimit(which)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        with suppress(OSError, ValueError):
            resource.setrlimit(which, (value, most))

    usage = resource.getrusage(resource.RUSAGE_SELF)
    lower(resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime + seconds) + 2)
    lower(resource.RLIMIT_DATA, _data_bytes() + memory_bytes)
    lower(resource.RLIMIT_CORE, 0)


def _data_bytes() -> int:
    """Private memory that this process has requested: what RLIMIT_DATA counts."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmData")) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return 1 << 28
