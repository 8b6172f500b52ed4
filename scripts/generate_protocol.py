"""Write `extension/shared/protocol.ts` from the Python protocol. `--check` fails when the file is stale."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Collection
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from lm_transparency import protocol
from lm_transparency.protocol import analysis
from lm_transparency.protocol.values import Column, Named, Numbers
from lm_transparency.protocol.wire import camel_case, marked

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "extension/shared/protocol.ts"
MODULES = (protocol, *protocol.MODULES)
TYPED_ARRAYS = {"uint16": "Uint16Array", "uint32": "Uint32Array", "float32": "Float32Array"}


def ts_type(annotation: Any, names: dict[Any, str]) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        mark = marked(annotation)
        if isinstance(mark, Column):
            return "NumericArray"
        return {Numbers: "number[]", Named: "string"}.get(type(mark), "number | null")
    if annotation in names:
        return names[annotation]
    if annotation is str:
        return "string"
    if annotation is bool:
        return "boolean"
    if annotation in (int, float):
        return "number"
    if typing.get_origin(annotation) in (list, tuple, Collection):
        item = ts_type(typing.get_args(annotation)[0], names)
        return f"({item})[]" if "|" in item else f"{item}[]"
    if typing.get_origin(annotation) is dict:
        key, value = typing.get_args(annotation)
        return f"Record<{ts_type(key, names)}, {ts_type(value, names)}>"
    if typing.get_origin(annotation) is Literal:
        return " | ".join(f"'{value}'" for value in typing.get_args(annotation))
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        parts = typing.get_args(annotation)
        return " | ".join("null" if part is type(None) else ts_type(part, names) for part in parts)
    raise TypeError(f"no TypeScript for {annotation!r}")


def comment(doc: str | None, indent: str = "") -> list[str]:
    if not doc:
        return []
    lines = inspect.cleandoc(re.sub(r"\bNone\b", "null", doc)).splitlines()
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def constants(module: types.ModuleType) -> dict[str, int | str]:
    return {k: v for k, v in vars(module).items() if k.isupper() and isinstance(v, int | str)}


def aliases() -> dict[Any, str]:
    """Named literals of the protocol's modules: annotation → name."""
    found = [(v, k) for m in MODULES for k, v in vars(m).items() if typing.get_origin(v) is Literal]
    return dict(found)


def interface(cls: type, names: dict[Any, str]) -> list[str]:
    hints = typing.get_type_hints(cls, include_extras=True)
    # dataclasses write a signature where there is no docstring
    doc = cls.__doc__ if not (cls.__doc__ or "").startswith(f"{cls.__name__}(") else None
    base = next((other for other in cls.__mro__[1:] if is_dataclass(other)), None)
    inherited = {field.name for field in fields(base)} if base else set()
    extends = f" extends {base.__name__}" if base else ""
    out = ["", *comment(doc), f"export interface {cls.__name__}{extends} {{"]
    is_sent = cls.__name__.endswith(("Params", "Options", "Choice"))
    for field in fields(cls):
        if field.name in inherited:
            continue
        optional = "?" if has_default(field) and is_sent else ""
        out.append(f"  {camel_case(field.name)}{optional}: {ts_type(hints[field.name], names)};")
    return [*out, "}"]


def has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def inspections() -> list[str]:
    rows = protocol.INSPECTIONS.items()
    out = ["", "/** Questions about a run: what each takes and gives. */", "export interface Inspections {"]
    out += [f"  '{method}': {{ params: {p.__name__}; result: {r.__name__} }};" for method, (p, r) in rows]
    out += ["}", "", "export const INSPECTIONS = ["]
    out += [f"  '{method}'," for method in protocol.INSPECTIONS]
    return [*out, "] as const satisfies (keyof Inspections)[];"]


def defaults() -> list[str]:
    """The defaults of optional params, without those of null or nothing."""
    out = ["", "/** Params that are left out: what they stand for. */", "export const DEFAULTS = {"]
    for method, (params, _) in protocol.INSPECTIONS.items():
        given = {camel_case(field.name): field.default for field in fields(params) if field.default is not MISSING}
        pairs = ", ".join(f"{name}: {literal(value)}" for name, value in given.items() if value is not None)
        out.append(f"  '{method}': {{ {pairs} }}," if pairs else f"  '{method}': {{}},")
    return [*out, "} as const satisfies { [M in keyof Inspections]: Partial<Inspections[M]['params']> };"]


def literal(value: str | float) -> str:
    return repr(value) if isinstance(value, str) else str(value).lower()


def columns() -> list[str]:
    out = ["", "/** Columns of an analysis: see COLUMNS in protocol/analysis.py for how they relate. */"]
    out.append("export interface AnalysisColumns {")
    for name, (dtype, shape, meaning) in analysis.COLUMNS.items():
        out += [f"  /** [{shape}] {meaning} */", f"  {camel_case(name)}: {TYPED_ARRAYS[dtype]};"]
    out += ["}", "", "export const COLUMN_TYPES = {"]
    out += [f"  {camel_case(name)}: '{dtype}'," for name, (dtype, _, _) in analysis.COLUMNS.items()]
    return [*out, "} as const satisfies Record<keyof AnalysisColumns, string>;", ""]


def render() -> str:
    names = aliases()
    out = ["// Generated by scripts/generate_protocol.py from lm_transparency/protocol/. Do not edit.", ""]
    out += [f"export const {key} = {value!r};" for module in MODULES for key, value in constants(module).items()]
    out.append("")
    out += [f"export type {name} = {ts_type(literal, {})};" for literal, name in names.items()]
    # a message may hold one of a later module
    names |= {cls: cls.__name__ for cls in protocol.MESSAGES}
    for cls in protocol.MESSAGES:
        out += interface(cls, names)
    return "\n".join(out + inspections() + defaults() + columns())


def main() -> int:
    text = render()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text("utf-8") != text:
            print(f"{TARGET.relative_to(ROOT)} is stale: run `make protocol`", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
