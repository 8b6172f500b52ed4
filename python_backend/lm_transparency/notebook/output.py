"""The contents of a cell's output: the page with a recorded analysis in a frame, and a line in its place.

The frame is sandboxed: it runs scripts and reaches the notebook only through messages. Where frames are removed (a
notebook that is not trusted, some viewers) a line says what was shown.
"""

from __future__ import annotations

import base64
import gzip
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from ..analysis.result import Analysis
from ..errors import TransparencyError
from ..exports.page import as_page
from ..exports.payload import encode_payload
from ..model.tokens import visible
from ..printable import terminal, xml
from ..protocol.effects import EffectsResult
from ..routes.graph import RouteGraph

#: The height of an output in pixels.
HEIGHTS = 240, 4000

_TOP_K = 10

# removed together with the frame, so that the line takes no more room than it needs
_STYLE = (
    ".lm-transparency:has(iframe){height:var(--lmt-height);min-height:240px;overflow:hidden;resize:vertical}"
    ".lm-transparency:has(iframe)>p{display:none}"
)

# the page unpacks itself: a saved notebook holds a third of the bytes
_LOADER = """<!doctype html><meta charset="utf-8"><script type="text/plain" id="packed">{packed}</script><script>
(async () => {{
  const bytes = Uint8Array.from(atob(document.getElementById('packed').textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const page = await new Response(stream).text();
  document.open();
  document.write(page);
  document.close();
}})();
</script>"""


def as_output(
    analysis: Analysis,
    graph: RouteGraph,
    view: dict[str, Any],
    height: int,
    channel: str,
    words: str,
    effects: EffectsResult | None = None,
) -> dict[str, str]:
    """A display bundle: MIME type → data. `view` as the page keeps it; `channel`: of the kernel's bridge, or "";
    `effects`: those that are known of the target.

    Raises `TransparencyError("dependencyMissing")` where the package was built without the page.
    """
    line = terminal(_line(analysis, graph))
    payload = encode_payload(view["runId"], analysis, _TOP_K)
    # even a frame that gets no answers needs a name, for the colours
    notebook = {"channel": channel or "recorded", "words": words}
    page = as_page(_title(analysis), view["runId"], payload, view, effects=effects, notebook=notebook)
    packed = base64.b64encode(gzip.compress(page.encode("utf-8"), 6, mtime=0)).decode("ascii")
    frame = (
        f'<iframe title="{xml(line)}" sandbox="allow-scripts allow-downloads" allow="clipboard-write" '
        f'style="display:block;width:100%;height:calc(100% - 10px);border:0" '
        f'srcdoc="{escape(_LOADER.format(packed=packed))}"></iframe>'
    )
    html = (
        f"<style>{_STYLE}</style>"
        f'<div class="lm-transparency" style="--lmt-height:{height}px">'
        f"<p>{xml(line)}. The graph is drawn once this notebook is trusted.</p>"
        f"{frame}</div><script>{_surroundings()}</script>"
    )
    return {"text/html": html, "text/plain": line}


def _line(analysis: Analysis, graph: RouteGraph) -> str:
    predictions = analysis.predictions(1)
    readout, at = analysis.trace.anatomy.readout, graph.target
    figure = readout.figure(float(predictions.probabilities[at, 0]), float(predictions.logits[at, 0]))
    answer = f"{readout.shown(predictions.texts[at][0])} {figure}"
    token = visible(analysis.tokens[at].text)
    return (
        f"{analysis.model.name}: routes into {token} (position {at} of {len(analysis.tokens)}), answer {answer}, "
        f"threshold {graph.threshold:.3f}"
    )


def _title(analysis: Analysis) -> str:
    return " ".join(analysis.prompt.split())[:40].strip() or "prompt"


@cache
def _surroundings() -> str:
    return built("notebook-surroundings.js")


def built(name: str) -> str:
    """A script that is built with the page. Raises `TransparencyError("dependencyMissing")` where it is missing."""
    path = Path(__file__).with_name(name)
    if not path.is_file():
        raise TransparencyError(
            "dependencyMissing",
            "This installation of lm-transparency comes without the notebook's scripts.",
            "Install it from the VSIX's wheel, or run `make build` in the repository.",
        )
    return path.read_text("utf-8").replace("</script", "<\\/script")
