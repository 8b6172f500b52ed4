"""`lm-transparency lens fit`: a Jacobian lens of a model, fitted here; it goes on where it was stopped."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, TransparencyError
from ..streams import stderr
from .files import read_prompt
from .options import add_model_options, load, prepare

if TYPE_CHECKING:
    from torch import Tensor

    from ..lens.fitting import JacobianSum
    from ..model.loading import LoadedModel
    from ..watch import Watch

#: The name of the command, two words.
NAME = "lens fit"


def add_parser(commands: Any) -> None:
    help_ = "fit a Jacobian lens, which reads what a middle layer is about to say"
    parser = commands.add_parser(NAME, help=help_, description=help_)
    add_model_options(parser)
    parser.add_argument(
        "--texts", nargs="+", metavar="FILE", help="fit on these texts (default: sampled from the model)"
    )
    parser.add_argument("--sequences", type=int, default=8, metavar="N", help="how many sequences (default 8)")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="number of the first, to divide a fit")
    parser.add_argument("--tokens", type=int, default=64, metavar="T", help="tokens of a sequence (default 64)")
    parser.add_argument("--skip", type=int, default=8, metavar="S", help="first tokens to leave out (default 8)")
    parser.add_argument("--batch", type=int, default=8, metavar="B", help="sequences in one pass (default 8)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampled sequences")
    parser.add_argument("--resume", action="store_true", help="go on with the fit that is in the file")
    parser.add_argument("--merge", nargs="+", metavar="FIT", help="put these fits together instead of fitting")
    parser.add_argument("-o", "--output", type=Path, metavar="F", help="the .safetensors file (default: in the cache)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    for name, least in (("sequences", 1), ("first", 0), ("tokens", 2), ("skip", 0), ("batch", 1), ("seed", 0)):
        if getattr(arguments, name) < least:
            given = getattr(arguments, name)
            raise TransparencyError("invalidParams", f"--{name} is {given}.", f"It takes {least} or more.")
    if arguments.tokens <= arguments.skip:
        raise TransparencyError(
            "invalidParams",
            f"--tokens is {arguments.tokens}, of which the first {arguments.skip} are left out.",
            "Use longer sequences, or a smaller --skip.",
        )
    if arguments.output is not None and arguments.output.suffix != ".safetensors":
        raise TransparencyError(
            "invalidParams", f"--output is {arguments.output}.", "Name a file that ends in .safetensors."
        )
    prepare(arguments)
    from ..lens.files import read_fit, write_fit
    from ..lens.fitting import JacobianSum
    from ..lens.places import kept_lens
    from ..session.session import Session

    model = load(Session(), arguments)
    file = arguments.output or kept_lens(model.files)
    texts = [read_prompt(name) for name in arguments.texts or ()]
    settings = _settings(arguments, texts)
    anatomy = model.anatomy
    total = JacobianSum(anatomy.d_model, len(anatomy.blocks))
    if arguments.merge:
        for name in arguments.merge:
            total = total.merged(read_fit(Path(name), fingerprint=model.files, settings=settings))
    elif arguments.resume and file.exists():
        total = read_fit(file, fingerprint=model.files, settings=settings)

    def keep(found: JacobianSum) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_fit(file, found, fingerprint=model.files, model=model.name, settings=settings)

    if arguments.merge:
        keep(total)
    else:
        total = _fit(arguments, _sequences(arguments, texts, model), model, total, keep)
    worst = max(total.standard_error(row) for row in total.sums)
    spread = f", standard error at most {100 * worst:.0f} % of a map's norm" if total.n_sequences > 1 else ""
    stderr().write(f"{file}: fitted on {total.n_sequences} sequences{spread}\n")
    return 0


def _fit(
    arguments: argparse.Namespace,
    sequences: Callable[[list[int]], Tensor],
    model: LoadedModel,
    total: JacobianSum,
    keep: Callable[[JacobianSum], None],
) -> JacobianSum:
    """Fit what is missing, batch by batch; each is kept."""
    from ..lens.fitting import add_sequences

    wanted = range(arguments.first, arguments.first + arguments.sequences)
    left = [number for number in wanted if number not in total.sequences]
    batches = [left[i : i + arguments.batch] for i in range(0, len(left), arguments.batch)]
    started = time.perf_counter()
    for index, numbers in enumerate(batches):
        ids = sequences(numbers)
        watch = _told(index, len(batches), started)
        try:
            total = add_sequences(total, model.model, model.anatomy, ids, numbers, watch, skip=arguments.skip)
        except (KeyboardInterrupt, Cancelled):
            done = f"{total.n_sequences} sequences are kept; " if total.n_sequences else ""
            stderr().write(f"Stopped: {done}go on with --resume.\n")
            raise
        keep(total)
    return total


def _sequences(arguments: argparse.Namespace, texts: list[str], model: LoadedModel) -> Callable[[list[int]], Tensor]:
    from ..lens.sequences import pieces, sampled

    if not texts:
        return lambda numbers: sampled(model.model, model.tokenizer, numbers, arguments.tokens, seed=arguments.seed)
    found = pieces(model.tokenizer, texts, arguments.tokens)
    last = arguments.first + arguments.sequences
    if last > len(found):
        raise TransparencyError(
            "invalidParams",
            f"The texts have {len(found)} pieces of {arguments.tokens} tokens, not {last}.",
            f"Give more text, or --sequences {max(1, len(found) - arguments.first)}.",
        )
    return lambda numbers: found[numbers]


def _settings(arguments: argparse.Namespace, texts: list[str]) -> dict[str, Any]:
    """What has to be the same for a fit to go on, or to be merged."""
    from ..files.fingerprint import text_fingerprint

    own = {"tokens": arguments.tokens, "skip": arguments.skip}
    if texts:
        return own | {"texts": text_fingerprint(*texts)}
    return own | {"seed": arguments.seed}


def _told(batch: int, n_batches: int, started: float) -> Watch:
    """Progress over all batches on a terminal, with the time that is left."""
    from ..watch import Watch

    if not stderr().isatty():
        return Watch()

    def show(_stage: str, done: int, total: int) -> None:
        share = (batch + done / total) / n_batches
        spent = time.perf_counter() - started
        left = f", {spent * (1 - share) / share / 60:.0f} min left" if share > 0.01 else ""
        stderr().overwrite(f"fitting the lens {100 * share:.0f} %{left}")

    return Watch(show)
