"""`lm-transparency lens fit`: a Jacobian lens of a model, fitted here; it goes on where it was stopped."""

from __future__ import annotations

import argparse
import time
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, TransparencyError
from ..files.reading import expanded
from ..streams import stderr
from .files import read_prompt
from .options import add_model_options, load, prepare

if TYPE_CHECKING:
    from ..lens.files import Fit
    from ..lens.fits import Kept
    from ..lens.plan import Plan
    from ..model.loading import LoadedModel
    from ..watch import Watch

#: The name of the command, two words.
NAME = "lens fit"


def add_parser(commands: Any) -> None:
    help_ = "fit a lens, which reads what a middle layer is about to say"
    parser = commands.add_parser(NAME, help=help_, description=help_)
    add_model_options(parser)
    parser.add_argument(
        "--kind",
        default="jacobian",
        choices=("jacobian", "tuned"),
        help="jacobian: what is said at some point (default); tuned: what is said next, fitted in a minute or two",
    )
    parser.add_argument(
        "--texts", nargs="+", metavar="FILE", help="fit on these texts (default: sampled from the model)"
    )
    parser.add_argument("--sequences", type=int, default=8, metavar="N", help="how many (default 8)")
    parser.add_argument(
        "--until-settled", action="store_true", help="until under 5 %% of the top tokens still change, hours on a CPU"
    )
    parser.add_argument("--first", type=int, default=0, metavar="I", help="number of the first, to divide a fit")
    parser.add_argument("--tokens", type=int, default=64, metavar="T", help="tokens of a sequence (default 64)")
    parser.add_argument("--skip", type=int, default=8, metavar="S", help="first tokens to leave out (default 8)")
    parser.add_argument(
        "--batch", type=int, default=8, metavar="B", help="rows of the matrices in one backward pass (default 8)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sampled sequences")
    parser.add_argument("--resume", action="store_true", help="go on with the fit that is in the file")
    parser.add_argument("--merge", nargs="+", metavar="FIT", help="put these fits together instead of fitting")
    parser.add_argument(
        "-o", "--output", type=expanded, metavar="F", help="the .safetensors file (default: in the cache)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.output is not None and arguments.output.suffix != ".safetensors":
        raise TransparencyError(
            "invalidParams", f"--output is {arguments.output}.", "Name a file that ends in .safetensors."
        )
    from ..lens.plan import Plan

    plan = Plan(
        kind=arguments.kind,
        texts=tuple(read_prompt(name) for name in arguments.texts or ()),
        sequences=None if arguments.until_settled else arguments.sequences,
        first=arguments.first,
        tokens=arguments.tokens,
        skip=arguments.skip,
        batch=arguments.batch,
        seed=arguments.seed,
    )
    plan.check()
    prepare(arguments)
    from ..lens.fitting import JacobianSum
    from ..lens.places import kept_lens
    from ..session.session import Session

    model = load(Session(), arguments)
    file = arguments.output or kept_lens(model.files, plan.kind)
    done: list[Kept] = []
    total = _merged(arguments, model, plan, file) if arguments.merge else _fit(arguments, model, plan, file, done)
    spread, still = "", _still(done)
    if isinstance(total, JacobianSum) and total.n_sequences > 1:
        worst = max(total.standard_error(row) for row in total.sums)
        spread = f", standard error at most {100 * worst:.0f} % of a map's norm"
    stderr().write(f"{file}: fitted on {total.n_sequences} sequences{spread}{still}\n")
    return 0


def _merged(arguments: argparse.Namespace, model: LoadedModel, plan: Plan, file: Path) -> Fit:
    from ..lens.files import merged, read_fit, write_fit

    parts = [read_fit(expanded(name), fingerprint=model.files, settings=plan.settings) for name in arguments.merge]
    total = reduce(merged, parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_fit(file, total, fingerprint=model.files, model=model.name, settings=plan.settings)
    return total


def _fit(arguments: argparse.Namespace, model: LoadedModel, plan: Plan, file: Path, done: list[Kept]) -> Fit:
    """`done` takes what is kept."""
    from ..lens.fits import fit_lens

    try:
        return fit_lens(model, plan, file, _progress(done), resume=arguments.resume, kept=done.append)
    except (KeyboardInterrupt, Cancelled):
        n = done[-1].fit.n_sequences if done else 0
        kept = f"{n} {'sequence is' if n == 1 else 'sequences are'} kept; " if n else ""
        stderr().write(f"Stopped: {kept}go on with --resume.\n")
        raise


def _progress(done: list[Kept]) -> Watch:
    """Progress on a terminal, with the time that is left and what still changes."""
    from ..watch import Watch

    if not stderr().isatty():
        return Watch()
    started = time.perf_counter()

    def show(stage: str, passes: int, total: int) -> None:
        if stage != "fitting":
            return
        share = passes / total
        spent = time.perf_counter() - started
        left = f", {spent * (1 - share) / share / 60:.0f} min left" if share > 0.01 else ""
        stderr().overwrite(f"fitting the lens {100 * share:.0f} %{left}{_still(done)}")

    return Watch(show)


def _still(done: list[Kept]) -> str:
    changing = done[-1].changing if done else None
    return "" if changing is None else f", about {100 * changing:.0f} % of the top tokens would still change"
