"""`lm-transparency analyze` of many prompts: records to a place that can be continued, or to stdout."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

from ..errors import Cancelled, TransparencyError
from ..watch import Watch
from .options import terminal_watch

FORMATS = ("jsonl", "parquet")


def add_many_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many prompts", "several FILEs, a directory, lines or JSONL")
    group.add_argument("--lines", action="append", default=[], metavar="F", help="a file with a prompt a line")
    group.add_argument("--engine", default="local", choices=("local", "ray"), help="ray: over a Ray cluster")
    group.add_argument("--ray-address", metavar="A", help="auto, ray://host:port … (default: as RAY_ADDRESS says)")
    group.add_argument("--workers", type=int, metavar="N", help="on Ray (default: one a GPU, else one a machine)")
    group.add_argument(
        "--save-every", type=float, default=30, metavar="S", help="seconds that a power cut may cost (default 30)"
    )
    group.add_argument("--quiet", action="store_true", help="no progress on stderr")


def is_many(arguments: argparse.Namespace) -> bool:
    from ..batch.prompts import has_many

    files = arguments.file
    return len(files) > 1 or bool(arguments.lines) or arguments.format in FORMATS or any(map(has_many, files))


def run_many(arguments: argparse.Namespace, threshold: float | None) -> int:
    form, place = _checked(arguments)
    from ..batch.engine import keep, run
    from ..batch.jsonl import json_line
    from ..batch.progress import ProgressLine
    from ..batch.prompts import read_prompts
    from ..batch.store import open_store
    from ..batch.work import Choices

    choices = Choices(
        model=arguments.model,
        dtype=arguments.dtype,
        device=arguments.device,
        quantization=arguments.quantization,
        base=arguments.base,
        allow_download=arguments.download,
        trust_remote_code=tuple(arguments.trust_remote_code),
        anyway=arguments.anyway,
        threshold=threshold,
        renormalize=not arguments.no_renormalize,
        position=arguments.position,
        top_k=arguments.top_k,
        special_tokens=arguments.special_tokens,
    )
    prompts = read_prompts(arguments.file, arguments.lines, chat=arguments.chat)
    store = None if place is None else open_store(place, form, choices.said(), save_every_s=arguments.save_every)
    done = set[str]() if store is None else set(store.done)
    progress = ProgressLine(len(prompts), sum(p.id in done for p in prompts), quiet=arguments.quiet)
    watch = Watch() if arguments.quiet else terminal_watch("loading", "connecting")
    records = run(
        prompts,
        choices,
        engine=arguments.engine,
        address=arguments.ray_address,
        workers=arguments.workers,
        done=done,
        watch=watch,
    )
    where = f" in {place}" if place is not None else ""
    kept = keep(store, records)
    try:
        with _cancelled_by_ctrl_c(watch) as ctrl_c:
            for record in kept:
                ctrl_c.waits = True
                if store is None:
                    sys.stdout.buffer.write(json_line(record))
                    sys.stdout.buffer.flush()
                progress.add(failed=record["error"] is not None)
    except (KeyboardInterrupt, Cancelled):
        # what is in memory is written before anything is said
        kept.close()
        if store is not None:
            done = sum(prompt.id in store.done for prompt in prompts)
            progress.end(f"{where}; the same command goes on from there", done)
        raise
    progress.end(where)
    return 0


@dataclass
class _CtrlC:
    """`waits`: for the next step of the work. Else it ends the work wherever it falls, as the loading of a model."""

    waits: bool = False


@contextmanager
def _cancelled_by_ctrl_c(watch: Watch) -> Generator[_CtrlC]:
    """The first Ctrl-C cancels the work, a second one ends it wherever it falls.

    An exception that is raised wherever Ctrl-C falls may fall into code that nobody hands it on from: so the work is
    cancelled in any case.
    """
    ctrl_c, before = _CtrlC(), signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield ctrl_c
        return

    def cancel(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        watch.cancel()
        if not ctrl_c.waits:
            before(number, frame)

    signal.signal(signal.SIGINT, cancel)
    try:
        yield ctrl_c
    finally:
        signal.signal(signal.SIGINT, before)


def _checked(arguments: argparse.Namespace) -> tuple[Any, Path | None]:
    """Format and place. Raises `TransparencyError("invalidParams")` for options that one prompt alone takes."""
    if arguments.text is not None or arguments.proof or arguments.contributions:
        given = "--text" if arguments.text is not None else "--proof" if arguments.proof else "--contributions"
        raise TransparencyError("invalidParams", f"{given} goes with one prompt.", "Leave it out, or give one FILE.")
    if not arguments.file and not arguments.lines:
        raise TransparencyError("invalidParams", "Name the prompts: FILEs, a directory or --lines.")
    form = arguments.format or "jsonl"
    if form not in FORMATS:
        raise TransparencyError(
            "invalidParams", f"Many prompts cannot be written as {form}.", f"Choose --format {' or '.join(FORMATS)}."
        )
    if form == "parquet" and arguments.output is None:
        raise TransparencyError("invalidParams", "Parquet needs a directory to write to.", "Name it: --output DIR.")
    if arguments.workers is not None and arguments.workers < 1:
        raise TransparencyError("invalidParams", f"--workers is {arguments.workers}.", "It takes 1 or more.")
    return form, cast("Path | None", arguments.output)
