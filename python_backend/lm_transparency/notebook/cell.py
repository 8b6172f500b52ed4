"""`show`: the routes of a prompt in the output of a notebook's cell."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..analysis.making import analyze
from ..analysis.result import Analysis
from ..errors import TransparencyError, check_choice
from ..inspection.known_effects import known_effects
from ..model.chat import Chat
from ..model.loading import LoadedModel
from ..model.options import SpecialTokens
from ..printable import terminal
from ..protocol.effects import EffectsResult
from ..session.session import Session
from ..watch import Watch
from .output import HEIGHTS, as_output

if TYPE_CHECKING:
    from .bridge import Bridge

View = Literal["routes", "lens", "heads"]

#: Seconds after which progress is shown.
_PATIENCE_S = 1.0


def show(
    subject: Analysis | LoadedModel | str | Chat,
    prompt: str | Chat | None = None,
    *,
    target: int | None = None,
    threshold: float | None = None,
    view: View = "routes",
    height: int = 560,
    special_tokens: SpecialTokens = "auto",
    live: bool = True,
    effects: EffectsResult | None = None,
) -> None:
    """Draw the routes of a prompt below the cell: the graph of the VS Code panel, with everything that opens in it.

    `show(analysis)` draws an existing analysis, `show(model, "The capital of France is")` analyses first, and
    `show("The capital of France is")` does so with the embedded model.

    `target`: a position, negative from the end (None: the analysis' own). `threshold`: 0.005 to 1 (None: chosen
    automatically). `height`: pixels; the lower edge can be dragged. `live`: while the kernel runs, it answers what is
    opened in the graph (needs `pip install 'lm-transparency[notebook]'`) and keeps the last analyses shown, up to 2
    GiB. Without it, and in a notebook that is only read, the output is a recording: the graph is drawn and its
    threshold can be moved, and whatever needs the model says so. `effects`: from `inspect_effects` of the same analysis
    and position, shown with the graph, in a recording too.

    Raises `TransparencyError` as `analyze` does, `invalidPosition` for a `target` outside the prompt, and
    `invalidParams` where the arguments do not fit together or there is no notebook to draw in.
    """
    display = _display()
    check_choice("view", view, get_args(View))
    if not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise TransparencyError(
            "invalidParams", f"height is {height}.", f"It takes {HEIGHTS[0]} to {HEIGHTS[1]} pixels."
        )
    with _Place(display) as place:
        analysis = _analysis(subject, prompt, special_tokens, place.watch)
        graph = analysis.routes(target, threshold)
        known = None if effects is None else known_effects(analysis, effects, graph.target)
        bridge = _bridge() if live else None
        run_id = _session().keep(analysis) if bridge else "recorded"
        looked_at: dict[str, Any] = {
            "runId": run_id,
            "target": graph.target,
            "threshold": "auto" if threshold is None else threshold,
            "view": view,
        }
        channel, words = bridge.channel if bridge else "", _words(live, bridge)
        place.put(as_output(analysis, graph, looked_at, height, channel, words, known))


def _analysis(
    subject: Analysis | LoadedModel | str | Chat, prompt: str | Chat | None, special_tokens: SpecialTokens, watch: Watch
) -> Analysis:
    if isinstance(subject, Analysis):
        if prompt is not None:
            raise TransparencyError(
                "invalidParams",
                "An analysis has its prompt already.",
                "Pass the model and the prompt, or the analysis.",
            )
        return subject
    if isinstance(subject, str | Chat):
        if prompt is not None:
            raise TransparencyError(
                "invalidParams", "The first of two arguments is the model.", "Load it: show(load_model(NAME), prompt)."
            )
        return analyze(_session().load(watch=watch), subject, special_tokens=special_tokens, watch=watch)
    if not isinstance(subject, LoadedModel):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TransparencyError(
            "invalidParams",
            f"show() cannot draw something of type {type(subject).__name__}.",
            "Pass an analysis, a loaded model and a prompt, or a prompt.",
        )
    if prompt is None:
        raise TransparencyError("invalidParams", "There is no prompt.", "Pass it after the model: show(model, prompt).")
    return analyze(subject, prompt, special_tokens=special_tokens, watch=watch)


@cache
def _session() -> Session:
    # a kernel is one user's process, and questions about what it has shown come later
    return Session()


@cache
def _bridge() -> Bridge | None:
    try:
        from .bridge import Bridge
    except ImportError:
        return None
    return Bridge(_session())


def _words(live: bool, bridge: Bridge | None) -> str:
    """The line above the graph while no question can be answered."""
    if not live:
        return "A recording: nothing that needs the model can be opened here."
    if bridge is None:
        return "A recording. To ask the model: pip install 'lm-transparency[notebook]', and run the cell again."
    return "A recording. To ask the model, run the cell."


def _display() -> Any:
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        display = get_ipython = None
    # IPython in a terminal has no kernel, and nothing to draw with
    if get_ipython is None or getattr(get_ipython(), "kernel", None) is None:
        raise TransparencyError(
            "invalidParams",
            "show() draws in a notebook's cell, and there is none here.",
            "Use `export_text` here, or `lm-transparency analyze --format html`.",
        )
    return display


class _Place:
    """The place in the output: shows progress where it takes long, then holds the graph."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle: Any = None
        self._started = self._said = time.monotonic()
        self.watch = Watch(self._report)

    def __enter__(self) -> _Place:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # nothing may be left that seems to run
        if kind is not None and self._handle is not None:
            self._handle.update(_line("Interrupted." if kind is KeyboardInterrupt else "Failed."), raw=True)

    def put(self, bundle: dict[str, str]) -> None:
        if self._handle is None:
            self._display(bundle, raw=True)
        else:
            self._handle.update(bundle, raw=True)

    def _report(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._started < _PATIENCE_S or now - self._said < 0.2:
            return
        self._said = now
        share = f" {100 * done // total} %" if total else ""
        line = _line(f"{stage[:1].upper()}{stage[1:]}{share}")
        if self._handle is None:
            self._handle = self._display(line, raw=True, display_id=True)
        else:
            self._handle.update(line, raw=True)


def _line(text: str) -> dict[str, str]:
    return {"text/plain": terminal(text)}
