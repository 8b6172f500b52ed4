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
from typing import IO, TYPE_CHECKING, Any, cast

from ..errors import Cancelled, TransparencyError
from ..files.writing import is_stream, not_written, open_stream
from ..streams import stderr
from ..watch import Watch
from .options import model_choice, prepare, terminal_watch

if TYPE_CHECKING:
    from ..batch.resuming import Resumed
    from ..batch.store import Store

FORMATS = ("jsonl", "parquet")
#: The exit code where some records have an error.
FAILED = 1


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
    from ..batch.prompts import read_prompts

    prompts = read_prompts(arguments.file, arguments.lines, chat=arguments.chat)
    prepare(arguments, quiet=arguments.quiet, elsewhere=arguments.engine == "ray")
    from ..batch.engine import begin
    from ..batch.jsonl import json_line
    from ..batch.opening import open_store
    from ..batch.progress import ProgressLine
    from ..batch.work import Choices

    choices = Choices(
        model=model_choice(arguments),
        threshold=threshold,
        renormalize=not arguments.no_renormalize,
        position=arguments.position,
        top_k=arguments.top_k,
        special_tokens=arguments.special_tokens,
        effects=arguments.effects,
    )
    streamed = place is not None and is_stream(place)
    if streamed and form == "parquet":
        raise TransparencyError("invalidParams", f"{place} is not a directory, which Parquet needs.", "Choose another.")
    kept = place is not None and not streamed
    store = open_store(place, form, choices.said(), save_every_s=arguments.save_every) if place and kept else None
    watch = Watch() if arguments.quiet else terminal_watch("loading", "connecting")
    ray = {"engine": arguments.engine, "address": arguments.ray_address, "workers": arguments.workers}
    work = begin(prompts, choices, store, place, watch=watch, **ray)
    progress = ProgressLine(len(prompts), len(work.resumed.kept), work.resumed.failed, quiet=arguments.quiet)
    _say_what_changed(work.resumed, store, quiet=arguments.quiet)
    where = f" in {place}" if place is not None else ""
    try:
        with _cancelled_by_ctrl_c(watch) as ctrl_c, _lines_to(place if streamed else None) as out:
            for record in work.records:
                ctrl_c.waits = True
                if store is None:
                    out.write(json_line(record))
                    out.flush()
                progress.add(failed=record["error"] is not None)
    except (KeyboardInterrupt, Cancelled):
        # records in memory are written before anything is printed
        work.records.close()
        if store is not None:
            there = store.done
            done = sum(prompt.id in there for prompt in prompts)
            progress.end(f"{where}; the same command continues from there", done)
        raise
    progress.end(where)
    return FAILED if progress.errors else 0


def _say_what_changed(resumed: Resumed, store: Store | None, *, quiet: bool) -> None:
    said = resumed.sentence()
    if said and store is not None and not quiet:
        moved = f" They are now in {store.replaced}." if resumed.out else ""
        stderr().write(f"{said}{moved}\n")
        stderr().flush()


@contextmanager
def _lines_to(place: Path | None) -> Generator[IO[bytes]]:
    """Standard output, or a named pipe or device."""
    if place is None:
        yield sys.stdout.buffer
        return
    try:
        with open_stream(place) as out:
            yield out
    except BrokenPipeError:
        raise
    except OSError as error:
        raise not_written(place, error) from error


@dataclass
class _CtrlC:
    """`waits`: until the next step of the work. Otherwise it interrupts the work anywhere, such as the loading of a
    model.
    """

    waits: bool = False


@contextmanager
def _cancelled_by_ctrl_c(watch: Watch) -> Generator[_CtrlC]:
    """The first Ctrl-C cancels the work, a second one interrupts it anywhere.

    An exception raised at Ctrl-C may arise in code that does not pass it on, so the work is cancelled in any case.
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
    """Format and place. Raises `TransparencyError("invalidParams")` for options that only apply to one prompt."""
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
