"""Every message on the wire, in one place. `extension/shared/protocol.ts` is generated from this package.

Attributes are snake_case here and camelCase on the wire. A `…Params` class is what a client sends, a `…Result` what
it gets back. Requests never trust their params: handlers read them with `wire.read`, which reports the field.
"""

from __future__ import annotations

from dataclasses import is_dataclass

from . import analysis, ffn, heads, inspection, lens, models, prompts

PROTOCOL_VERSION = 5

HEALTH = "lmTransparency/health"
HEALTH_CHANGED = "lmTransparency/healthChanged"
#: A notification that says one thing: work takes processor time, also where it reports nothing. None comes while the
#: process stands still.
PROGRESSING = "lmTransparency/progressing"
#: Answered with null, whatever runs: a client and the server that hear nothing for `ClientOptions.silence_s` seconds
#: take each other for lost.
PING = "lmTransparency/ping"
SILENCE_S = 20
#: Ends the process for all its clients.
QUIT = "lmTransparency/quit"
LIST_MODELS = "lmTransparency/listModels"
LOAD_MODEL = "lmTransparency/loadModel"
UNLOAD_MODEL = "lmTransparency/unloadModel"
ANALYZE = "lmTransparency/analyze"
#: What an analysis will take; loads the model, as the analysis would.
ESTIMATE = "lmTransparency/estimate"
#: Settings of a window that the process heeds; the last one said holds for all its windows.
CONFIGURE = "lmTransparency/configure"
#: Which text of a document is the prompt, and all of them; answered at once, whatever runs.
PROMPT_AT = "lmTransparency/promptAt"
LIST_PROMPTS = "lmTransparency/listPrompts"
#: How surprising each token of a prompt is to the loaded model; never before an analysis.
SURPRISAL = "lmTransparency/surprisal"

#: What can be asked about a run.
_QUESTIONS = (inspection, heads, ffn, lens)
#: The modules of messages.
MODULES = (models, analysis, *_QUESTIONS, prompts)

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


#: Questions about a run: method → (params, result). A client may pass them on as they are, but for the run's id.
INSPECTIONS: dict[str, tuple[type, type]] = {
    _method(params): (params, getattr(module, name.replace("Params", "Result")))
    for module in _QUESTIONS
    for name, params in vars(module).items()
    if params in MESSAGES and name.endswith("Params")
}
