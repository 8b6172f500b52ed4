"""Pages that open without VS Code, with the answers that their views need."""

from __future__ import annotations

from ..analysis.result import Analysis
from ..exports.page import as_page
from ..exports.payload import encode_payload
from ..protocol.effects import EffectsResult
from ..protocol.inspection import RecordParams
from ..watch import Watch
from .answers import answer
from .session import Session

_TOP_K = 10


def page_of(
    session: Session,
    run_id: str,
    title: str,
    *,
    target: int | None = None,
    threshold: float | None = None,
    renormalize: bool = True,
    effects: EffectsResult | None = None,
    named: tuple[str, ...] = (),
    top_k: int = _TOP_K,
    watch: Watch | None = None,
) -> str:
    """The page of a run of `session`: the routes into `target`, and answers about them (see `RecordParams`).

    `threshold` None: chosen by itself, and again for each target. `effects`: those of `target`. Raises
    `TransparencyError` as `as_page`, `Session.run` and `Analysis.routes` do.
    """
    watch = watch or Watch()
    run = session.run(run_id)
    graph = run.routes(target, threshold, renormalize=renormalize)
    params = RecordParams(run_id, graph.target, threshold, renormalize, effects=effects, named=list(named))
    view = {
        "runId": run_id,
        "target": graph.target,
        "threshold": "auto" if threshold is None else graph.threshold,
        "renormalize": renormalize,
        "ink": "flow" if effects is None else "effect",
    }
    answers = answer(params, session, watch).answers
    return as_page(title, run_id, encode_payload(run_id, run, top_k), view, effects=effects, answers=answers)


def export_page(
    analysis: Analysis,
    *,
    title: str = "prompt",
    target: int | None = None,
    threshold: float | None = None,
    renormalize: bool = True,
    effects: EffectsResult | None = None,
    watch: Watch | None = None,
) -> str:
    """The panel as one HTML page: the routes into `target` (None: the position of the model's answer), the lens, the
    heads, and what opens of the strongest routes. `threshold` None: chosen by itself. `effects`: of `target`.

    Raises `TransparencyError("dependencyMissing")` where the package was built without the page, and as
    `Analysis.routes` does.
    """
    session = Session()
    return page_of(
        session,
        session.keep(analysis),
        title,
        target=target,
        threshold=threshold,
        renormalize=renormalize,
        effects=effects,
        watch=watch,
    )
