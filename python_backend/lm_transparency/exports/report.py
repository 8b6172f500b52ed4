"""An analysis as a report for the terminal: tokens, predictions, strongest routes, sources of the flow, the proof."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ..ambient import guarded
from ..analysis.result import Analysis
from ..inspection.named import Named
from ..model.tokens import visible
from ..printable import terminal, terminal_lines
from ..routes.graph import Edge, RouteGraph
from ..streams import stdout

_BAR = 28
#: Columns of a report that is not shown in a window.
_ENDLESS = 10_000
#: Columns of a report in a terminal.
_NARROWEST, _WIDEST = 40, 110
_ROUTES = 12
_LAYERS = 3
Draw = Callable[..., Text]
_PARTS = {"attention": "attention of ", "ffn": "feed-forward block of ", "layer": ""}


@guarded
def as_text(
    analysis: Analysis,
    graph: RouteGraph,
    top_k: int,
    *,
    to_terminal: bool,
    bars: bool = True,
    named: Named | None = None,
) -> str:
    """The report, with colours only in a terminal. `bars` off: figures only, for a language model to read."""
    buffer = io.StringIO()
    console = _Console(
        file=buffer,
        force_terminal=to_terminal and stdout().isatty(),
        width=max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((100, 40)).columns)) if bars else _ENDLESS,
        highlight=False,
        # brackets and colons may come from foreign text
        markup=False,
        emoji=False,
    )
    model = analysis.model
    console.print(
        Text(terminal(model.name), style="bold").append(
            f"  {model.anatomy.n_layers} layers × {model.anatomy.n_heads} heads, "
            f"d_model {model.anatomy.d_model}, {model.dtype}, {model.device}\n",
            style="not bold",
        )
    )
    console.print(_tokens(analysis, graph.target), "\n")
    draw = _bar if bars else _no_bar
    _predictions(console, analysis, graph.target, top_k, draw)
    if named is not None:
        _named(console, analysis, named, draw)
    _strongest(console, analysis, graph, draw)
    _mass(console, analysis, graph, draw)
    proof = analysis.proof
    worst = f"{_PARTS[proof.worst_part]}layer {proof.worst_layer}"
    console.print(
        "adds up",
        Text("✓", style="green"),
        f"{proof.max_relative_error:.1e} (worst in {worst}, tolerance {proof.tolerance:.0e})",
    )
    console.print(f"  forward {analysis.forward_s:.3f} s, contributions {analysis.contributions_s:.3f} s")
    for notice in (*analysis.notices, *(() if named is None else named.notes)):
        console.print(Text("!", style="yellow"), terminal(notice))
    return buffer.getvalue()


class _Console(Console):
    """A console that treats every text as foreign: unsafe characters are shown, only the console adds colours."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else terminal_lines(text), style, control)


def _tokens(analysis: Analysis, target: int) -> Text:
    line = Text()
    for i, token in enumerate(analysis.tokens):
        style = "bold orange3" if i == target else "dim" if token.special else ""
        line.append(f"{i}", style="dim").append(f" {visible(token.text)}", style=style).append("  ")
    return line


def _predictions(console: Console, analysis: Analysis, at: int, top_k: int, draw: Draw) -> None:
    predictions = analysis.predictions(top_k)
    readout = analysis.trace.anatomy.readout
    console.print(Text(_asked(analysis, at), style="bold"))
    columns = (predictions.texts[at], predictions.probabilities[at].tolist(), predictions.logits[at].tolist())
    table = Table.grid(padding=(0, 2))
    for text, probability, logit in zip(*columns, strict=True):
        figure = readout.figure(probability, logit)
        table.add_row(Text(f"  {readout.shown(text)}"), draw(probability, 1.0, "orange3"), figure)
    console.print(table, "")


def _named(console: Console, analysis: Analysis, named: Named, draw: Draw) -> None:
    """The tokens that the prompt's file names, as the panel shows them under "Target against contrast"."""
    readout = analysis.trace.anatomy.readout
    console.print(Text("Named target" if named.contrast is None else "Target against contrast", style="bold"))
    table = Table.grid(padding=(0, 2))
    for track in (named.target, named.contrast):
        if track is None:
            continue
        probability, logit = track.probability[-1], track.logit[-1]
        figure, rank = readout.figure(probability, logit), f"rank {track.rank[-1] + 1}, logit {logit:+.2f}"
        table.add_row(Text(f"  {readout.shown(track.text)}"), draw(probability, 1.0, "orange3"), figure, rank)
    console.print(table)
    if named.contrast is not None:
        changes = ", ".join(f"layer {layer} {change:+.2f}" for layer, change in named.strongest(_LAYERS))
        console.print(f"  logit difference {named.differences[-1]:+.2f}; changed most by {changes}")
    console.print()


def _asked(analysis: Analysis, at: int) -> str:
    """The heading of the predictions at a position."""
    task = analysis.trace.anatomy.readout.task
    if task == "token":
        return f"Next token after {_name(analysis, at)}"
    what = {"label": "Label", "labels": "Labels, each for itself", "value": "Value"}[task]
    here = f"read at {_name(analysis, at)}" if at == analysis.target else f"if the text ended at {_name(analysis, at)}"
    return f"{what}, {here} (position {at})"


def _strongest(console: Console, analysis: Analysis, graph: RouteGraph, draw: Draw) -> None:
    between = [e for e in graph.edges if e.kind == "attention" and e.source.position != e.target.position]
    console.print(
        Text("Strongest routes", style="bold"),
        f" threshold {graph.threshold:.3f}, {len(between)} edges between tokens, {len(graph.edges)} in all",
    )
    if not between:
        console.print("  no edge between tokens exceeds the threshold\n")
        return
    table = Table.grid(padding=(0, 2))
    table.add_row(*(Text(name, style="dim") for name in ("  layer", "from → to", "", "flow", "weight", "heads")))
    best = sorted(between, key=lambda edge: -edge.flow)[:_ROUTES]
    for edge in best:
        table.add_row(
            f"  {edge.target.layer:>5}",
            Text(f"{_name(analysis, edge.source.position)} → {_name(analysis, edge.target.position)}"),
            draw(edge.flow, best[0].flow, "blue", _BAR // 2),
            f"{edge.flow:.3f}",
            f"{edge.weight:.3f}",
            _heads(edge),
        )
    console.print(table, "")


def _mass(console: Console, analysis: Analysis, graph: RouteGraph, draw: Draw) -> None:
    console.print(Text("Where the flow comes from", style="bold"), " (a reading aid, not a causal claim)")
    ranked = sorted(range(len(analysis.tokens)), key=lambda t: -graph.token_mass[t])[:8]
    table = Table.grid(padding=(0, 2))
    for t in ranked:
        if graph.token_mass[t] > 0.005:
            bar = draw(graph.token_mass[t], graph.token_mass[ranked[0]], "orange3")
            table.add_row(Text(f"  {_name(analysis, t)}"), bar, f"{graph.token_mass[t]:.2f}")
    if graph.bias_mass > 0.005:
        table.add_row("  attention biases", draw(graph.bias_mass, 1.0, "white"), f"{graph.bias_mass:.2f}")
    mixed = sum(edge.flow for edge in graph.edges if edge.kind == "mixer")
    if mixed > 0.005:
        words = "  passed through mixers on the way (earlier tokens in them are not separated)"
        table.add_row(words, draw(min(1.0, mixed), 1.0, "green"), f"{mixed:.2f}")
    if graph.ended_mass > 0.005:
        nowhere = "  at nodes with no part above the threshold"
        table.add_row(nowhere, draw(graph.ended_mass, 1.0, "white"), f"{graph.ended_mass:.2f}")
    console.print(table, "")


def _heads(edge: Edge) -> str:
    shown = ", ".join(f"{head} ({weight:.2f})" for head, weight in edge.heads[:3])
    return shown + (" …" if len(edge.heads) > 3 else "")


def _name(analysis: Analysis, position: int) -> str:
    return visible(analysis.tokens[position].text)


def _bar(value: float, full: float, style: str, width: int = _BAR) -> Text:
    eighths = round(8 * width * value / full) if full > 0 else 0
    bar = "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
    return Text(bar.ljust(width), style=style)


def _no_bar(_value: float, _full: float, _style: str, _width: int = _BAR) -> Text:
    return Text()
