"""`run_isolated`: a task in a child, watched until it answers, is cancelled, or exceeds its limits."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from ..errors import TransparencyError
from ..watch import Watch
from .limits import Limits
from .process import ChildProcess

#: Seconds between two checks of a child's usage; cancelling takes no longer than this.
_LOOK = 0.05
#: A child that holds this much memory is not kept.
_KEPT_BYTES = 400_000_000

_REMEDY = "Use another copy of it, from a source that you trust."


class _Kept:
    """The one child that waits for its next task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None

    def take(self) -> ChildProcess:
        with self._lock:
            child, self._child = self._child, None
        if child is not None and child.is_alive:
            return child
        if child is not None:
            child.kill()
        return ChildProcess()

    def give_back(self, child: ChildProcess) -> None:
        with self._lock:
            before, self._child = self._child, child
        if before is not None:
            before.kill()

    def close(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.kill()


_kept = _Kept()
atexit.register(_kept.close)


def run_isolated(
    task: str,
    arguments: Mapping[str, Any],
    *,
    about: str,
    watch: Watch | None = None,
    limits: Limits = Limits(),  # noqa: B008
    remedy: str = _REMEDY,
    fresh: bool = False,
) -> Any:
    """The result of `task` (`package.module:function`) for `arguments`, computed in a child process.

    Plain data both ways. `about`: the subject of its sentences: "The tokenizer of NAME". `remedy`: the remedy where the
    child had to be stopped or crashed. `fresh`: use a child that has done nothing before. Raises the task's own
    `TransparencyError`; `TransparencyError("modelUnusable")` where it exceeds `limits`, raises anything else or crashes
    the child; and `Cancelled` as soon as `watch` is cancelled.
    """
    watch = watch or Watch()
    watch.check()
    try:
        child = ChildProcess() if fresh else _kept.take()
    except OSError as error:
        raise TransparencyError(
            "modelUnusable",
            f"{about} was not read: no process could be started to read it in ({error.strerror or error}).",
            "Close other programs, and try again.",
        ) from error
    done = False
    try:
        answer = _asked(child, task, arguments, about, watch, limits, remedy)
        done = True
    finally:
        # a child that was stopped or interrupted is of no further use
        if done and not fresh and child.taken()[1] < _KEPT_BYTES:
            _kept.give_back(child)
        else:
            child.kill()
    return _value(answer, about, limits, remedy)


def _asked(
    child: ChildProcess,
    task: str,
    arguments: Mapping[str, Any],
    about: str,
    watch: Watch,
    limits: Limits,
    remedy: str,
) -> dict[str, Any]:
    before_s, before_bytes = child.taken()
    advanced, at = before_s, time.monotonic()
    try:
        child.ask(
            {
                "task": task,
                "arguments": dict(arguments),
                "seconds": limits.seconds,
                "memory_bytes": limits.memory_bytes,
                "answer_bytes": limits.answer_bytes,
            }
        )
        while True:
            answer = child.answer(_LOOK)
            if answer is not None:
                return answer
            watch.check()
            used, held = child.taken()
            if used - before_s > limits.seconds:
                raise _too_long(about, limits, remedy)
            if held - before_bytes > limits.memory_bytes:
                raise _too_large(about, limits, remedy)
            if used > advanced:
                advanced, at = used, time.monotonic()
            elif time.monotonic() - at > limits.idle_seconds:
                raise TransparencyError(
                    "modelUnusable", f"{about} could not be read: nothing came for {limits.idle_seconds:.0f} s.", remedy
                )
    except (EOFError, OSError) as error:
        code = child.exit_code()
        if sys.platform != "win32" and code == -signal.SIGXCPU:
            raise _too_long(about, limits, remedy) from error
        raise TransparencyError(
            "modelUnusable", f"{about} cannot be used: the process that read it ended with code {code}.", remedy
        ) from error


def _value(answer: dict[str, Any], about: str, limits: Limits, remedy: str) -> Any:
    if "value" in answer:
        return answer["value"]
    if "kind" in answer:
        raise TransparencyError(answer["kind"], answer["message"], answer["remedy"])
    if "memory" in answer:
        raise _too_large(about, limits, remedy)
    if "large" in answer:
        raise TransparencyError(
            "modelUnusable", f"{about} makes more than {limits.answer_bytes / 1e6:.0f} MB of text.", remedy
        )
    raise TransparencyError("modelUnusable", f"{about} cannot be used: {answer['raised']}.", remedy)


def _too_long(about: str, limits: Limits, remedy: str) -> TransparencyError:
    return TransparencyError(
        "modelUnusable", f"{about} took more than {limits.seconds:.0f} s of processor time and was stopped.", remedy
    )


def _too_large(about: str, limits: Limits, remedy: str) -> TransparencyError:
    return TransparencyError(
        "modelUnusable", f"{about} took more than {limits.memory_bytes / 1e6:.0f} MB of memory and was stopped.", remedy
    )
