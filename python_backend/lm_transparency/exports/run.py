"""An analysis as a run file: people can read it and compare it line by line, and it can be run again.

It holds nothing of the machine but versions, and numbers only to the digits that two runs share. The editor adds the
place of the prompt (`from`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

from ..ambient import guarded
from ..analysis.result import Analysis
from ..causal.units import parse_units
from ..errors import TransparencyError
from ..files.json_files import NotJson, decode_json
from ..model import embedded
from ..model.options import Dtype, Quantization, SpecialTokens
from ..model.sources import revision_of
from ..printable import json_text
from ..protocol.effects import EffectsResult, EffectsTiming
from ..protocol.wire import read
from ..routes.graph import RouteGraph
from ..version import __version__
from .document import as_document
from .effects import effects_document

RUN_FORMAT = 1
#: The first key of every run file: its mark and format.
MARK = "lm_transparency_run"
SUFFIX = ".run.json"
#: No figure of a run is larger; the most characters of one that are shown.
_LARGEST, _LONGEST = 1e300, 40


@dataclass(frozen=True)
class Asked:
    """How an analysis was requested. `model`, `base`: as for `load_model`; `chat`: the prompt is a chat."""

    model: str = ""
    dtype: Dtype = "auto"
    quantization: Quantization = "auto"
    base: str = ""
    special_tokens: SpecialTokens = "auto"
    chat: bool = False
    top_k: int = 10


@dataclass(frozen=True)
class Run:
    """A run file that was read. `document`: all of it; the fields needed to replay it are checked and listed here.

    `effects`: those of the target, to the file's digits; None where the file has none.
    """

    prompt: str
    asked: Asked
    target: int
    threshold: float
    renormalize: bool
    document: dict[str, Any]
    effects: EffectsResult | None = None


@guarded
def as_run(
    analysis: Analysis,
    graph: RouteGraph,
    asked: Asked,
    *,
    place: dict[str, Any] | None = None,
    effects: EffectsResult | None = None,
) -> str:
    """The file's text. `place`: the place of the prompt, as `from`. `effects`: of the graph's target
    (`inspection.known_effects`).
    """
    document = as_document(analysis, graph, asked.top_k)
    model = document["model"]
    device = model.pop("device")
    heads = [[[head, _short(weight)] for head, weight in edge.heads] for edge in graph.edges]
    return lay_out(
        {
            MARK: RUN_FORMAT,
            "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "from": place,
            # one per line, so that a difference shows as one
            "prompt": analysis.prompt.split("\n"),
            "asked": _asked(asked),
            "model": {"name": model.pop("name"), "revision": revision_of(asked.model), **model},
            "versions": {"lm_transparency": __version__, **_versions("torch", "transformers"), "device": device},
            "target": document["target"],
            "threshold": round(graph.threshold, 9),
            "renormalize": graph.renormalize,
            "tokens": document["tokens"],
            "predictions": [_rounded(p, probability=5, logit=3) for p in document["predictions"]],
            "edges": [
                {**_rounded(edge, weight=5, flow=5), **({"heads": of_edge} if of_edge else {})}
                for edge, of_edge in zip(document["edges"], heads, strict=True)
            ],
            **({} if effects is None else {"effects": _effects(effects)}),
            "notices": document["notices"],
        }
    )


def lay_out(document: dict[str, Any]) -> str:
    """JSON with one key per line, and one item per line in lists; the same in objects that hold lists."""
    return _object(document, " ") + "\n"


def _object(values: dict[str, Any], indent: str) -> str:
    rows = [f"{indent}{_json(key)}: {_value(value, indent)}" for key, value in values.items()]
    return "{\n" + ",\n".join(rows) + f"\n{indent[1:]}}}"


def _value(value: Any, indent: str) -> str:
    if isinstance(value, dict):
        held: dict[str, Any] = value
        return _object(held, f"{indent} ") if any(isinstance(v, list) for v in held.values()) else _json(held)
    if not isinstance(value, list) or not value:
        return _json(value)
    items: list[Any] = value
    return "[\n" + ",\n".join(f"{indent} {_json(item)}" for item in items) + f"\n{indent}]"


def _json(value: Any) -> str:
    return json_text(value)


def _asked(asked: Asked) -> dict[str, Any]:
    """The request without default values, and with a local model by its name alone."""
    said: dict[str, Any] = {
        "model": portable(asked.model),
        "dtype": asked.dtype,
        "special_tokens": asked.special_tokens,
        "chat": asked.chat,
        "top_k": asked.top_k,
    }
    if asked.quantization != "auto":
        said["quantization"] = asked.quantization
    if asked.base:
        said["base"] = portable(asked.base)
    return said


def portable(source: str) -> str:
    """A model's name without the folders of this machine."""
    if source in ("", embedded.NAME):
        return embedded.NAME
    path = Path(source).expanduser()
    return path.name if path.is_absolute() or path.exists() else source


def _versions(*packages: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


def _rounded(row: dict[str, Any], **digits: int) -> dict[str, Any]:
    return {k: round(v, digits[k]) if k in digits and v is not None else v for k, v in row.items()}


def _effects(found: EffectsResult) -> dict[str, Any]:
    """As in JSON, without what two runs do not share: times, and the rounding errors of a sum."""
    document = effects_document(found)
    document.pop("timing", None)
    del document["proof"]
    document["metric"] = _rounded(document["metric"], value=5)
    document["units"] = [_rounded(unit, predicted=5, measured=5, kl=5, share=5) for unit in document["units"]]
    if found.faithfulness is not None:
        document["faithfulness"] = _rounded(document["faithfulness"], sign=3, rho=3, kept=3, removed=3)
    return document


def _short(weight: float) -> float:
    return round(weight, 5)


# ---------------------------------------------------------------- reading


def read_run(text: str | bytes, name: str) -> Run:
    """The run in a file's text or bytes. Raises `TransparencyError("invalidParams")`, which says what is wrong."""
    try:
        document = decode_json(text)
    except NotJson as error:
        raise _broken(name, f"it {error.reason}") from error
    if not isinstance(document, dict) or MARK not in document:
        raise _broken(name, f'it has no "{MARK}"')
    if document[MARK] != RUN_FORMAT:
        raise _broken(
            name, f"its format is {repr(document[MARK])[:_LONGEST]}, and {RUN_FORMAT} is what this version reads"
        )
    fields = _Fields(document, name)
    prompt = "\n".join(fields.texts("prompt"))
    asked, target = fields.inside("asked"), fields.inside("target")
    for rows, keys in (("tokens", ("id",)), ("predictions", ("id", "logit")), ("edges", ("weight", "flow"))):
        fields.rows(rows, *keys)
    position = target.whole("position", 0)
    return Run(
        prompt,
        Asked(
            model=asked.text("model"),
            dtype=asked.one_of("dtype", Dtype),
            quantization=asked.one_of("quantization", Quantization, "auto"),
            base=asked.text("base", ""),
            special_tokens=asked.one_of("special_tokens", SpecialTokens),
            chat=asked.flag("chat"),
            top_k=asked.whole("top_k", 1, 1000),
        ),
        position,
        fields.number("threshold", 0, 1),
        fields.flag("renormalize"),
        document,
        _read_effects(document, position, name),
    )


@dataclass(frozen=True)
class _WithEffects:
    effects: EffectsResult | None = None


def _read_effects(document: dict[str, Any], position: int, name: str) -> EffectsResult | None:
    """What `_effects` wrote. Raises `TransparencyError("invalidParams")`, which names the part that is wrong."""
    given: Any = document.get("effects")
    if isinstance(given, dict):
        timing = EffectsTiming(0.0, 0.0, 0.0, 0)
        given = {**given, "position": position, "proof": {}, "timing": asdict(timing)}
    try:
        found = read(_WithEffects, {"effects": given}, str).effects
        if found is None:
            return None
        for unit in found.units:
            parse_units(unit.unit)
    except TransparencyError as error:
        raise _broken(name, f'"effects" cannot be read: {error.message.rstrip(".")}') from error
    n_measured = sum(unit.measured is not None for unit in found.units)
    return replace(found, timing=replace(found.timing, n_measured=n_measured))


class _Fields:
    """Fields of a file that may come from anyone."""

    def __init__(self, values: dict[str, Any], name: str, path: str = "") -> None:
        self._values, self._name, self._path = values, name, path

    def _get(self, key: str, kind: type | tuple[type, ...], what: str, otherwise: Any = None) -> Any:
        value = self._values.get(key, otherwise)
        # a flag is not a number, though Python counts with it
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _broken(self._name, f'"{self._path}{key}" is not {what}')
        return value

    def text(self, key: str, otherwise: str | None = None) -> str:
        return self._get(key, str, "a text", otherwise)

    def flag(self, key: str) -> bool:
        return self._get(key, bool, "true or false")

    def one_of(self, key: str, literal: Any, otherwise: str | None = None) -> Any:
        allowed = get_args(literal)
        value = self._get(key, str, "a text", otherwise)
        if value not in allowed:
            raise _broken(self._name, f'"{self._path}{key}" is none of {", ".join(allowed)}')
        return value

    def number(self, key: str, least: float, most: float) -> float:
        value = self._get(key, (int, float), "a number")
        # an integer of hundreds of digits is beyond any count
        if not least <= value <= most or abs(value) > _LARGEST:
            said = str(value)[:_LONGEST]
            raise _broken(self._name, f'"{self._path}{key}" is {said}, not {least:g} to {min(most, _LARGEST):g}')
        return value

    def whole(self, key: str, least: float, most: float = _LARGEST) -> int:
        value = self.number(key, least, most)
        if value != int(value):
            raise _broken(self._name, f'"{self._path}{key}" is not a whole number')
        return int(value)

    def texts(self, key: str) -> list[str]:
        lines = self._get(key, list, "a list of lines")
        if not all(isinstance(line, str) for line in lines):
            raise _broken(self._name, f'"{key}" is not a list of lines')
        return lines

    def inside(self, key: str) -> _Fields:
        return _Fields(self._get(key, dict, "an object"), self._name, f"{key}.")

    def rows(self, key: str, *numbers: str) -> None:
        for index, row in enumerate(self._get(key, list, "a list")):
            if not isinstance(row, dict):
                raise _broken(self._name, f'"{key}[{index}]" is not an object')
            fields = _Fields(row, self._name, f"{key}[{index}].")
            for number in numbers:
                fields.number(number, -_LARGEST, _LARGEST)
            if row.get("probability") is not None:
                fields.number("probability", 0, 1)
            if key == "edges":
                for text in ("source", "target", "kind"):
                    fields.text(text)


def _broken(name: str, why: str) -> TransparencyError:
    return TransparencyError(
        "invalidParams", f"{name} is not a run file: {why}.", "Create it again: lm-transparency analyze --format run."
    )
