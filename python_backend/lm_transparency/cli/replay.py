"""`lm-transparency analyze --replay F`: repeat a saved run and compare the results."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TransparencyError
from ..files.json_files import MOST_BYTES
from ..files.reading import expanded, read_bytes
from .options import load, prepare, terminal_watch
from .replay_effects import effects_again

if TYPE_CHECKING:
    from ..exports.run import Run
    from ..model.loading import LoadedModel
    from ..session.session import Session

#: Differences due to rounding, another processor or other versions stay far below this.
TOLERANCE = 0.01
#: The runs do not agree.
DIFFERS = 1


def add_replay_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a kept run", "exit code 0: it agrees; 1: it does not")
    group.add_argument("--replay", type=Path, metavar="F", help="run F.run.json again and compare")
    group.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="X",
        help=f"largest difference in probability, flow or relative effect that agrees (default {TOLERANCE})",
    )


def run_replay(arguments: argparse.Namespace) -> int:
    """0 where the run agrees, else 1. `--model` and related options replace the file's."""
    _check(arguments)
    path: Path = arguments.replay
    content = _content_of(path)
    prepare(arguments)
    from ..exports.run import as_run, read_run

    run = read_run(content, path.name)
    from ..model.chat import parse_chat
    from ..session.session import Session

    asked = replace(
        run.asked,
        model=arguments.model or run.asked.model,
        dtype=arguments.dtype if arguments.dtype != "auto" else run.asked.dtype,
        quantization=arguments.quantization if arguments.quantization != "auto" else run.asked.quantization,
        base=arguments.base or run.asked.base,
    )
    session = Session()
    model = _load(session, argparse.Namespace(**{**vars(arguments), **asdict(asked)}), named=bool(arguments.model))
    prompt = parse_chat(run.prompt) if run.asked.chat else run.prompt
    _, analysis = session.analyze(model, prompt, special_tokens=asked.special_tokens, watch=terminal_watch())
    graph = analysis.routes(run.target, run.threshold, renormalize=run.renormalize)
    again = read_run(as_run(analysis, graph, asked), "this analysis")
    difference = compare(run.document, again.document)
    agrees = difference.within(arguments.tolerance)
    effects = None
    # other tokens would have other units
    if run.effects is not None and not difference.tokens:
        effects = effects_again(analysis, run.effects, terminal_watch())
    agrees = agrees and (effects is None or effects.within(arguments.tolerance))
    print(f"{path.name}: {'agrees' if agrees else 'differs'} (tolerance {arguments.tolerance:g})")
    print(
        "\n".join(
            f"  {line}"
            for line in [*difference.lines(), *([] if effects is None else [effects.line()]), *_other(run, again)]
        )
    )
    return 0 if agrees else DIFFERS


def _load(session: Session, arguments: argparse.Namespace, *, named: bool) -> LoadedModel:
    try:
        return load(session, arguments)
    except TransparencyError as error:
        if error.kind != "modelNotFound" or named:
            raise
        raise TransparencyError(error.kind, error.message, "Say where it is: --model PATH, or --download.") from error


def _check(arguments: argparse.Namespace) -> None:
    """Raise `TransparencyError("invalidParams")` for options that the file decides on."""
    fixed = {
        "a FILE": arguments.file or arguments.lines,
        "--text": arguments.text is not None,
        "--chat": arguments.chat,
        "--position": arguments.position is not None,
        "--threshold": arguments.threshold is not None,
        "--top-k": arguments.top_k != 10,
        "--special-tokens": arguments.special_tokens is not None,
        "--no-renormalize": arguments.no_renormalize,
        "--format": arguments.format,
        "--output": arguments.output,
        "--proof": arguments.proof,
        "--effects": arguments.effects,
        "--contributions": arguments.contributions,
    }
    given = [name for name, value in fixed.items() if value]
    if given:
        raise TransparencyError("invalidParams", f"--replay takes no {given[0].removeprefix('a ')}.", "Leave it out.")
    if not arguments.tolerance >= 0:
        raise TransparencyError("invalidParams", f"--tolerance is {arguments.tolerance}.", "It takes 0 or more.")


def _content_of(path: Path) -> bytes:
    try:
        return read_bytes(expanded(path), most=MOST_BYTES, pipes=True)
    except OSError as error:
        raise TransparencyError("invalidParams", f"{path} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True)
class Difference:
    """The differences of two runs.

    `figure`: the largest difference in probability (or in the value itself); `flow`: of a kept edge, 0 for an edge that
    is not kept; `figure_of`, `flow_of`: where these occur. `gone`, `new`: edges kept in one only.
    """

    tokens: str
    figure: float
    figure_of: str
    flow: float
    flow_of: str
    kept: int
    gone: int
    new: int

    def within(self, tolerance: float) -> bool:
        return not self.tokens and self.figure <= tolerance and self.flow <= tolerance

    def lines(self) -> list[str]:
        def at(place: str) -> str:
            return f" ({place})" if place else ""

        return [
            f"tokens       {self.tokens or 'the same'}",
            f"predictions  largest difference {self.figure:.5f}{at(self.figure_of)}",
            f"edges        {self.kept} kept now, {self.gone} gone, {self.new} new; "
            f"largest difference in flow {self.flow:.5f}{at(self.flow_of)}",
        ]


def compare(before: dict[str, Any], now: dict[str, Any]) -> Difference:
    """Compare two run documents."""
    figure, figure_of = _largest(_figures(before), _figures(now))
    old, new = ({_name(edge): float(edge["flow"]) for edge in document["edges"]} for document in (before, now))
    differences = {name: abs(old.get(name, 0.0) - new.get(name, 0.0)) for name in old | new}
    flow_of = max(differences, key=differences.__getitem__, default="")
    flow = differences.get(flow_of, 0.0)
    return Difference(
        _tokens(before["tokens"], now["tokens"]),
        figure,
        figure_of if figure else "",
        flow,
        flow_of if flow else "",
        len(new),
        len(old.keys() - new.keys()),
        len(new.keys() - old.keys()),
    )


def _figures(document: dict[str, Any]) -> dict[str, float]:
    """The probability of each listed output, or its value where there is no probability."""
    rows = document["predictions"]
    return {repr(row.get("text", row["id"])): _number(row) for row in rows}


def _number(row: dict[str, Any]) -> float:
    probability = row.get("probability")
    return float(row["logit"] if probability is None else probability)


def _largest(before: dict[str, float], now: dict[str, float]) -> tuple[float, str]:
    """An output listed in one run only is at most as large in the other as the last one listed there."""
    lowest = [min(rows.values(), default=0.0) for rows in (before, now)]
    differences = {
        name: abs(before[name] - now[name])
        if name in before and name in now
        else max(0.0, before[name] - lowest[1] if name in before else now[name] - lowest[0])
        for name in before | now
    }
    place = max(differences, key=differences.__getitem__, default="")
    return differences.get(place, 0.0), place


def _tokens(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    """Empty where they are the same."""
    for position, (old, new) in enumerate(zip(before, now, strict=False)):
        if old["id"] != new["id"]:
            return f"other ones from position {position} on: {new.get('text')!r}, was {old.get('text')!r}"
    return "" if len(before) == len(now) else f"{len(now)}, were {len(before)}"


def _name(edge: dict[str, Any]) -> str:
    # attention and residual connect the same nodes
    return f"{edge['source']} → {edge['target']}, {edge['kind']}"


def _other(run: Run, again: Run) -> list[str]:
    """Other differences, which may be the reason."""
    lines: list[str] = []
    for block in ("model", "versions"):
        old, new = run.document.get(block), again.document[block]
        known: dict[str, Any] = old if isinstance(old, dict) else {}
        for key, value in new.items():
            if key in known and known[key] != value:
                lines.append(f"{key.replace('_', ' '):<12} {value}, was {known[key]}")
    return lines
