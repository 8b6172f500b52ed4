"""Every message on the wire, in one place. `extension/shared/protocol.ts` is generated from this package.

Attributes are snake_case here and camelCase on the wire. A `…Params` class is what a client sends, a `…Result` what
it gets back. Requests never trust their params: handlers read them with `messages.read`, which reports the field.
"""

from __future__ import annotations

import attrs

from . import analysis, inspection, models

PROTOCOL_VERSION = 3

HEALTH = "lmTransparency/health"
HEALTH_CHANGED = "lmTransparency/healthChanged"
#: Answered with null, whatever runs. A client that pings does so every `PING_S` seconds; after `SILENCE_S` without a
#: word, either side takes the other for lost.
PING = "lmTransparency/ping"
PING_S = 5
SILENCE_S = 20
#: Ends the process for all its clients.
QUIT = "lmTransparency/quit"
LIST_MODELS = "lmTransparency/listModels"
LOAD_MODEL = "lmTransparency/loadModel"
UNLOAD_MODEL = "lmTransparency/unloadModel"
ANALYZE = "lmTransparency/analyze"

#: Every message, in the order of the modules.
MESSAGES: tuple[type, ...] = tuple(
    found
    for module in (models, analysis, inspection)
    for found in vars(module).values()
    if isinstance(found, type) and attrs.has(found) and found.__module__ == module.__name__
)


def _method(params: type) -> str:
    name = params.__name__.removesuffix("Params")
    return f"lmTransparency/{name[0].lower()}{name[1:]}"


#: Questions about a run: method → (params, result). A client may pass them on as they are, but for the run's id.
INSPECTIONS: dict[str, tuple[type, type]] = {
    _method(params): (params, getattr(inspection, params.__name__.replace("Params", "Result")))
    for params in MESSAGES
    if params.__module__ == inspection.__name__ and params.__name__.endswith("Params")
}
