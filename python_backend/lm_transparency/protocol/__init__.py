"""Every message on the wire. `extension/shared/protocol.ts` is generated from this package.

Attributes are snake_case here and camelCase on the wire. A client sends a `…Params` object and receives a `…Result`.
Params are never trusted: handlers read them with `wire.read`, whose errors name the field.
"""

from __future__ import annotations

from dataclasses import is_dataclass

from ..model import options
from . import analysis, effects, ffn, fits, heads, inspection, lens, models, prompts

PROTOCOL_VERSION = 5

HEALTH = "lmTransparency/health"
HEALTH_CHANGED = "lmTransparency/healthChanged"
#: A notification that work is using processor time, even where it reports no progress. None is sent while the process
#: stands still.
PROGRESSING = "lmTransparency/progressing"
#: Answered with null, whatever is running. A client and a server consider each other lost after
#: `ClientOptions.silence_s` seconds without a message.
PING = "lmTransparency/ping"
SILENCE_S = 20
#: Ends the process for all its clients.
QUIT = "lmTransparency/quit"
LIST_MODELS = "lmTransparency/listModels"
LOAD_MODEL = "lmTransparency/loadModel"
UNLOAD_MODEL = "lmTransparency/unloadModel"
ANALYZE = "lmTransparency/analyze"
#: The time and memory that an analysis will need. Loads the model, as the analysis would.
ESTIMATE = "lmTransparency/estimate"
#: The logit lens of a model that an analysis refuses. The model is loaded for it and not kept.
PLAIN_LENS = "lmTransparency/plainLens"
#: A lens that is fitted while nothing else computes; and how long that takes.
FIT_LENS = "lmTransparency/fitLens"
ESTIMATE_FIT = "lmTransparency/estimateFit"
#: Settings of a window that apply to the process; the latest ones hold for all its windows.
CONFIGURE = "lmTransparency/configure"
#: The prompt at a place in a document, and all its prompts. Answered at once, whatever is running.
PROMPT_AT = "lmTransparency/promptAt"
LIST_PROMPTS = "lmTransparency/listPrompts"
#: The surprisal of each token of a prompt under the loaded model. Analyses go first.
SURPRISAL = "lmTransparency/surprisal"

#: The modules of questions about a run.
_QUESTIONS = (inspection, heads, ffn, lens, effects)
#: The modules of messages.
MODULES = (options, models, analysis, fits, *_QUESTIONS, prompts)

#: Every message, in the order of the modules.
MESSAGES: tuple[type, ...] = tuple(
    found
    for module in MODULES
    for found in vars(module).values()
    if isinstance(found, type) and is_dataclass(found) and found.__module__ == module.__name__
)


def _method(params: type) -> str:
    name = params.__name__.removesuffix("Params")
    return f"lmTransparency/{name[0].lower()}{name[1:]}"


#: Questions about a run: method → (params, result). A client may forward them unchanged, except for the run's id.
INSPECTIONS: dict[str, tuple[type, type]] = {
    _method(params): (params, getattr(module, name.replace("Params", "Result")))
    for module in _QUESTIONS
    for name, params in vars(module).items()
    if params in MESSAGES and name.endswith("Params")
}
