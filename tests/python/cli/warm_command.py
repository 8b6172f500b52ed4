"""Runs `lm-transparency` many times, each as a separate process, while torch is imported only once.

As a script it imports everything, and forks for each command that stdin describes (a `Case` as JSON on each line).
`Warm` is the other end. A fork ends as Python does: streams are flushed, and a failure to flush gives exit code 120.
"""

from __future__ import annotations

import base64
import gc
import importlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_COMMANDS = ("analyze", "bench", "doctor", "inspect", "lens", "models")
#: What the commands import only when they need it.
_IMPORTED = (
    *("lm_transparency.exports.report", "lm_transparency.exports.figures", "lm_transparency.model.listing"),
    *("lm_transparency.model.loading", "lm_transparency.session.session", "rich.console", "rich.table"),
    "transformers.models.llama.modeling_llama",
)
#: Seconds; more is a hang.
HANGS_S = 120


@dataclass(frozen=True)
class Case:
    """`stdin`: text, or None for a closed one. `stdout`, `stderr`: `file` (read afterwards), `closed`, `full`, `left`
    (a pipe that nobody reads), `tty`. `encoding`: of both. `environment`: changes, None takes one away. `gone`: the
    current directory is removed. `nobody`: a user who is not in the passwd file.
    """

    arguments: tuple[str, ...]
    stdin: str | None = ""
    stdout: str = "file"
    stderr: str = "file"
    encoding: str = "utf-8"
    environment: dict[str, str | None] = field(default_factory=dict)
    gone: bool = False
    nobody: bool = False


@dataclass(frozen=True)
class Ended:
    code: int
    out: bytes
    err: bytes


class Warm:
    """A process that has imported everything."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        # read when they are imported, as the command line sets them before
        environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def run(self, case: Case) -> Ended:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(case)).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Ended(answer["code"], base64.b64decode(answer["out"]), base64.b64decode(answer["err"]))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def _serve() -> None:
    import torch

    torch.set_num_threads(1)
    from lm_transparency.routes.kernels import warm_up

    for name in (*_IMPORTED, *(f"lm_transparency.cli.{command}" for command in _COMMANDS)):
        importlib.import_module(name)
    warm_up()
    # forks do not collect, or copy, what is here already
    gc.collect()
    gc.freeze()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    for line in sys.stdin.buffer:
        case = Case(**{**json.loads(line), "arguments": tuple(json.loads(line)["arguments"])})
        answers.write(json.dumps(_run(case)).encode() + b"\n")


def _run(case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in ("out", "err", "in")}
        files["in"].write_text(case.stdin or "", "utf-8", "surrogatepass")
        masters: dict[int, int] = {}
        read: dict[int, bytes] = {1: b"", 2: b""}
        fds = {0: None if case.stdin is None else os.open(files["in"], os.O_RDONLY)}
        for fd, kind, name in ((1, case.stdout, "out"), (2, case.stderr, "err")):
            fds[fd] = _opened(kind, files[name], masters, fd)
        child = os.fork()
        if not child:
            _child(case, fds, masters)
        for fd in fds.values():
            if fd is not None:
                os.close(fd)
        for fd, master in masters.items():
            read[fd] = _all_of(master)
        _, status = os.waitpid(child, 0)
        for fd, name in ((1, "out"), (2, "err")):
            read[fd] = read[fd] or (files[name].read_bytes() if files[name].exists() else b"")
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, **{n: base64.b64encode(read[fd]).decode() for fd, n in ((1, "out"), (2, "err"))}}


def _opened(kind: str, file: Path, masters: dict[int, int], fd: int) -> int | None:
    if kind == "closed":
        return None
    if kind == "full":
        return os.open("/dev/full", os.O_WRONLY)
    if kind == "left":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    if kind == "tty":
        masters[fd], slave = pty.openpty()
        return slave
    return os.open(file, os.O_WRONLY | os.O_CREAT)


def _all_of(master: int) -> bytes:
    found = b""
    while True:
        try:
            data = os.read(master, 1 << 16)
        except OSError:
            data = b""
        if not data:
            os.close(master)
            return found
        found += data


def _child(case: Case, fds: dict[int, int | None], masters: dict[int, int]) -> None:
    code = 99
    try:
        signal.alarm(HANGS_S)
        _own_thread_pool()
        for master in masters.values():
            os.close(master)
        for fd, opened in fds.items():
            os.close(fd) if opened is None else os.dup2(opened, fd)
        os.closerange(3, 256)
        for name, value in case.environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        if case.gone:
            os.chdir(folder := tempfile.mkdtemp())
            os.rmdir(folder)
        if case.nobody:
            _forget_the_user()
        code = _as_python(case)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _own_thread_pool() -> None:
    """PyTorch replaces the thread pool of a fork at its first use, which two threads at once must not be."""
    import torch

    torch.set_num_threads(1)


def _forget_the_user() -> None:
    import pwd

    def nobody(user: Any) -> Any:
        raise KeyError(user)

    pwd.getpwuid = pwd.getpwnam = nobody


def _as_python(case: Case) -> int:
    """Open the streams as Python does at its start, run the case, and end as Python does."""
    sys.stdin = None if case.stdin is None else io.TextIOWrapper(os.fdopen(0, "rb"), "utf-8")  # type: ignore[assignment]
    made = [
        None
        if kind == "closed"
        else io.TextIOWrapper(os.fdopen(fd, "wb"), case.encoding, errors, line_buffering=kind == "tty")
        for fd, kind, errors in ((1, case.stdout, "strict"), (2, case.stderr, "backslashreplace"))
    ]
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__ = made  # type: ignore[assignment, misc]
    from lm_transparency.cli import main

    try:
        code = main(case.arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in made:
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = 120
    return code


if __name__ == "__main__":
    _serve()
