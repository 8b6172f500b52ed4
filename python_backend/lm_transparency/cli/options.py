"""Options that several commands share, and the loaded model they describe."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import TransparencyError
from ..model.options import Dtype, ModelChoice, Quantization
from ..streams import stderr

if TYPE_CHECKING:
    from ..model.loading import LoadedModel
    from ..session.session import Session
    from ..watch import Watch


def add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="", metavar="M", help="hub id (@revision), folder, adapter, .gguf file")
    parser.add_argument("--dtype", default="auto", choices=get_args(Dtype))
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda:0 …, auto-map: over all of them")
    parser.add_argument(
        "--quantization", default="auto", choices=get_args(Quantization), help="auto: as the model was published"
    )
    parser.add_argument("--base", default="", metavar="M", help="the base model of an adapter, in place of its own")
    parser.add_argument("--download", action="store_true", help="let a hub id be downloaded")
    parser.add_argument("--anyway", action="store_true", help="continue even if memory will not suffice")
    parser.add_argument(
        "--trust-remote-code",
        action="append",
        default=[],
        metavar="NAME",
        help="run the code that comes with this very model",
    )


def text_argument(given: str) -> str:
    """A text on the command line, which is UTF-8 whatever the locale says (`LC_ALL=C`)."""
    try:
        return os.fsencode(given).decode("utf-8")
    except UnicodeError:
        return given


def output_path(given: str) -> Path | None:
    """Where an answer goes; None for `-`, which is stdout, as when no place is named."""
    return None if given == "-" else Path(given)


def add_trace_memory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trace-memory",
        type=int,
        metavar="MB",
        help="memory of all kept analyses, oldest dropped first (default 2000); a window's setting wins",
    )


def add_low_priority(parser: argparse.ArgumentParser) -> None:
    told = "for a machine that runs an editor: work done while you type leaves one core to it"
    parser.add_argument("--low-priority", action="store_true", help=told)


def trace_memory(arguments: argparse.Namespace) -> int:
    """Megabytes; 0 where none were given. Raises `TransparencyError`."""
    given: int | None = arguments.trace_memory
    if given is not None and given < 1:
        raise TransparencyError("invalidParams", f"--trace-memory is {given}.", "It takes 1 or more.")
    return given or 0


def prepare(arguments: argparse.Namespace, *, quiet: bool = False, elsewhere: bool = False) -> None:
    """Check the model's name, then import what every model needs, with its stages on a terminal. To be called after
    the other options are checked: the imports take seconds. `elsewhere`: the model is loaded on other machines.

    Raises `TransparencyError` as `sources.check_name` and `import_heavy` do.
    """
    from ..model.sources import check_name
    from ..server.compute.dependencies import import_heavy
    from ..watch import Watch

    if not elsewhere:
        check_name(arguments.model, allow_download=arguments.download)
    watch = Watch() if quiet else terminal_watch()
    import_heavy(lambda name: watch.step(f"importing {name} …"))
    # the analysis with the parts of Transformers that it needs
    watch.step("importing LM Transparency …")


def load(session: Session, arguments: argparse.Namespace) -> LoadedModel:
    """The model that the options name. Raises `TransparencyError` as `load_model` does."""
    choice = model_choice(arguments)
    return session.load(choice.source, **choice.options(), watch=terminal_watch())


def model_choice(arguments: argparse.Namespace) -> ModelChoice:
    """The values of `add_model_options`."""
    return ModelChoice(
        source=arguments.model,
        dtype=arguments.dtype,
        device=arguments.device,
        quantization=arguments.quantization,
        base=arguments.base,
        allow_download=arguments.download,
        trust_remote_code=tuple(arguments.trust_remote_code),
        anyway=arguments.anyway,
    )


def terminal_watch(*only: str) -> Watch:
    """Progress on stderr, where that is a terminal: one line, overwritten. `only`: prefixes of the stages to show,
    if given.
    """
    from ..watch import Watch

    if not stderr().isatty():
        return Watch()

    def show(stage: str, done: int, total: int) -> None:
        if only and not stage.startswith(only):
            return
        share = f" {100 * done // total} %" if total else ""
        stderr().overwrite(f"{stage}{share}")

    return Watch(show)
