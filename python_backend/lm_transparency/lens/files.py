"""Lenses in files: our own `.safetensors`, fitted Jacobian lenses (`.pt`), and folders of tuned lenses.

Nothing in a file is run: tensors are read with safetensors, or with `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..errors import TransparencyError
from ..files.json_files import NotJson, decode_json, read_object
from ..files.reading import expanded
from ..files.writing import write_atomically
from .fitting import JacobianSum
from .maps import Affine, Kind, LensMaps, listed
from .tuning import TunedSum

#: Sums from which a fit goes on.
Fit = JacobianSum | TunedSum

#: Of our own files. `sequences`, `squares` and sums let a fit go on.
FORMAT = "lm-transparency lens 1"
#: The configuration beside a tuned lens.
_CONFIG, _PARAMS = "config.json", "params.pt"
_CONFIG_BYTES = 1 << 20
_WRONG_KIND = "A lens is a .safetensors file of ours, a .pt file with J, or a folder with config.json and params.pt."
#: A key of a tuned lens: a layer and what it is.
_TUNED = re.compile(r"(?:layer_translators\.)?(\d{1,5})\.(weight|bias)")


def read_lens(path: str | Path, *, d_model: int, n_layers: int, fingerprint: str = "") -> LensMaps:
    """The lens in a file or folder, for a model of these sizes whose files have this fingerprint (`LoadedModel.files`).

    Raises `TransparencyError("invalidParams")` for what is no lens, or one of another model.
    """
    place = expanded(path)
    try:
        if place.is_dir():
            kind, rows = "tuned", _tuned(place, n_layers)
        elif place.suffix == ".safetensors":
            kind, rows = _own_maps(place, fingerprint)
        else:
            kind, rows = "jacobian", _jacobian(place)
    except OSError as error:
        raise _no_lens(place, _reason(error)) from error
    _check_sizes(place, rows, d_model, n_layers)
    found = LensMaps(kind, f"{kind} ({place.name})", rows)
    missing = found.missing(n_layers)
    if not missing:
        return found
    note = f"{place.name} has no map for {listed(missing)}: read as by the logit lens."
    return LensMaps(kind, found.name, rows, (note,))


def write_fit(path: Path, total: Fit, *, fingerprint: str, model: str, settings: Mapping[str, Any]) -> None:
    """A fit as a lens, float32, from which it can go on. `settings`: what sequences it was fitted on; JSON values."""
    from safetensors.torch import save

    maps = total.maps()
    said = {
        "format": FORMAT,
        "kind": maps.kind,
        "fingerprint": fingerprint,
        "model": model,
        "n_layers": str(total.n_layers),
        "sequences": json.dumps(total.sequences),
        "settings": json.dumps(dict(settings), sort_keys=True),
    }
    tensors = {f"row.{row}": affine.weight.contiguous() for row, affine in maps.rows.items()}
    if isinstance(total, JacobianSum):
        said["squares"] = json.dumps({str(row): square for row, square in total.squares.items()})
    else:
        said["states"] = str(total.states)
        tensors |= {f"bias.{row}": affine.bias for row, affine in maps.rows.items() if affine.bias is not None}
        tensors |= {f"sum.{row}": found.float() for row, found in total.sums.items()}
    content = save(tensors, said)
    write_atomically(path, lambda file: file.write(content))


def read_fit(path: Path, *, fingerprint: str, settings: Mapping[str, Any]) -> Fit:
    """A fit of ours, to go on with. Raises `TransparencyError` where it is of another model or of other sequences."""
    with _opened(path) as (file, said):
        _check_model(path, said, fingerprint)
        if said.get("settings") != json.dumps(dict(settings), sort_keys=True):
            raise TransparencyError(
                "invalidParams",
                f"{path.name} was fitted with other settings: {said.get('settings', 'none')}.",
                "Use the same, or write to another file.",
            )
        return _sums(path, file, said)


def merged(one: Fit, other: Fit) -> Fit:
    """Raises `TransparencyError` where the fits are of two kinds or models, or have a sequence in common."""
    if isinstance(one, TunedSum) and isinstance(other, TunedSum):
        return one.merged(other)
    if isinstance(one, JacobianSum) and isinstance(other, JacobianSum):
        return one.merged(other)
    raise TransparencyError("invalidParams", "These fits are of two kinds of lens.", "Merge fits of one kind.")


def n_fitted(path: Path) -> int:
    """How many sequences a fit of ours is of; no tensor is read. Raises `TransparencyError`."""
    with _opened(path) as (_, said):
        return len(decode_json(said["sequences"]))


def settings_of(path: Path) -> dict[str, Any]:
    """The settings that a fit of ours records (`Plan.settings`). Reads no tensor. Raises `TransparencyError`."""
    with _opened(path) as (_, said):
        return dict(decode_json(said["settings"]))


@contextmanager
def _opened(path: Path) -> Generator[tuple[Any, dict[str, str]]]:
    """A file of ours and its metadata. Raises `TransparencyError` where it is missing, damaged or another's."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            said: dict[str, str] = file.metadata() or {}
            if said.get("format") != FORMAT:
                raise _no_lens(path, "it is no lens of ours, or of a newer version")
            yield file, said
    except OSError as error:
        raise _no_lens(path, _reason(error)) from error
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, NotJson) as error:
        raise _no_lens(path, "it is damaged") from error


def _own_maps(path: Path, fingerprint: str) -> tuple[Kind, dict[int, Affine]]:
    with _opened(path) as (file, said):
        _check_model(path, said, fingerprint)
        weights, biases = _tensors(file, "row"), _tensors(file, "bias")
        _check_square(path, weights)
        if any(bias.shape != weights[row].shape[:1] for row, bias in biases.items()):
            raise _no_lens(path, "its parts do not belong together")
        kind = "tuned" if said.get("kind") == "tuned" else "jacobian"
        return kind, {row: Affine(weight, biases.get(row)) for row, weight in sorted(weights.items())}


def _sums(path: Path, file: Any, said: Mapping[str, str]) -> Fit:
    sequences = tuple(int(number) for number in decode_json(said["sequences"]))
    n_layers, rows = int(said["n_layers"]), _tensors(file, "row")
    _check_square(path, rows)
    d_model = len(next(iter(rows.values())))
    if said.get("kind") == "tuned":
        sums, states = _tensors(file, "sum"), int(said["states"])
        shapes = {tuple(found.shape) for found in sums.values()}
        if not sequences or states < 1 or sums.keys() != rows.keys() or shapes != {(d_model + 1, 2 * d_model + 1)}:
            raise _no_lens(path, "its parts do not belong together")
        return TunedSum(d_model, n_layers, sequences, states, {row: found.double() for row, found in sums.items()})
    squares = {int(row): float(square) for row, square in decode_json(said["squares"]).items()}
    if not sequences or squares.keys() != rows.keys():
        raise _no_lens(path, "its parts do not belong together")
    return JacobianSum(d_model, n_layers, sequences, {r: mean * len(sequences) for r, mean in rows.items()}, squares)


def _tensors(file: Any, name: str) -> dict[int, Tensor]:
    """The tensors of a file of ours that are called `name`, by row; float32 but for sums."""
    found = [key for key in file.keys() if key.startswith(f"{name}.")]  # noqa: SIM118
    tensors = {int(key.removeprefix(f"{name}.")): file.get_tensor(key) for key in found}
    return tensors if name == "sum" else {row: tensor.float() for row, tensor in tensors.items()}


def _jacobian(path: Path) -> dict[int, Affine]:
    """A `.pt` with {"J": {layer: [d_model, d_model]}}, whose layer l reads the state after layer l."""
    found = _load(path)
    matrices = found.get("J") if isinstance(found, dict) else None
    if not isinstance(matrices, dict) or not matrices:
        raise _no_lens(path, "it holds no J")
    rows: dict[int, Tensor] = {}
    for layer, matrix in cast("dict[Any, Any]", matrices).items():
        if not str(layer).isdecimal() or not isinstance(matrix, Tensor):
            raise _no_lens(path, "J is not one matrix for each layer")
        rows[int(layer) + 1] = matrix
    _check_square(path, rows)
    return {row: Affine(matrix) for row, matrix in sorted(rows.items())}


def _tuned(folder: Path, n_layers: int) -> dict[int, Affine]:
    """A folder whose translator i reads the state before layer i, h + W · h + b."""
    config = read_object(folder / _CONFIG, remedy=_WRONG_KIND, most=_CONFIG_BYTES)
    if config.get("lens_type", "linear_tuned_lens") != "linear_tuned_lens":
        raise _no_lens(folder, f"{_CONFIG} describes no linear tuned lens")
    parts: dict[int, dict[str, Tensor]] = {}
    state = _load(folder / _PARAMS)
    for name, tensor in state.items() if isinstance(state, dict) else ():
        place = _TUNED.fullmatch(str(name))
        if place and isinstance(tensor, Tensor):
            parts.setdefault(int(place[1]), {})[place[2]] = tensor
    if not parts or any("weight" not in part for part in parts.values()):
        raise _no_lens(folder, f"{_PARAMS} has no weight for each layer")
    _check_square(folder, {layer: part["weight"] for layer, part in parts.items()})
    said = config.get("num_hidden_layers", n_layers)
    if said != n_layers:
        raise _other_model(folder, f"it is for {said} layers, the model has {n_layers}")
    rows: dict[int, Affine] = {}
    for layer, part in sorted(parts.items()):
        weight, bias = part["weight"].float(), part.get("bias")
        if bias is not None and bias.shape != weight.shape[:1]:
            raise _no_lens(folder, f"the bias of layer {layer} has another size than its weight")
        rows[layer] = Affine(weight + torch.eye(len(weight)), bias)
    return rows


def _load(path: Path) -> Any:
    """What a file of torch holds. Raises `OSError`, and `TransparencyError` for code and for damage."""
    with path.open("rb"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        # torch says with many kinds of errors that it cannot read a file
        except Exception as error:
            raise _no_lens(path, "it is damaged, or holds more than tensors (code is never run)") from error


def _check_square(path: Path, rows: Mapping[int, Tensor]) -> None:
    shapes = {tuple(matrix.shape) for matrix in rows.values()}
    shape = next(iter(shapes), ())
    if len(shapes) > 1 or len(shape) != 2 or shape[0] != shape[1]:
        raise _no_lens(path, "its matrices are not square and of one size")
    if not all(matrix.is_floating_point() and bool(matrix.isfinite().all()) for matrix in rows.values()):
        raise _no_lens(path, "it has numbers that are not finite")


def _check_sizes(path: Path, rows: Mapping[int, Affine], d_model: int, n_layers: int) -> None:
    size = len(next(iter(rows.values())).weight)
    if size != d_model:
        raise _other_model(path, f"its d_model is {size}, the model's {d_model}")
    if max(rows) > n_layers:
        raise _other_model(path, f"it reads layer {max(rows) - 1}, the model has {n_layers} layers")


def _check_model(path: Path, said: Mapping[str, str], fingerprint: str) -> None:
    if fingerprint and said.get("fingerprint") and said["fingerprint"] != fingerprint:
        raise _other_model(path, f"it was fitted on {said.get('model') or 'another one'}, whose weights differ")


def _no_lens(path: Path, why: str) -> TransparencyError:
    return TransparencyError("invalidParams", f"{path.name} cannot be read as a lens: {why}.", _WRONG_KIND)


def _reason(error: OSError) -> str:
    """safetensors gives errors without a reason of the system's."""
    missing = os.strerror(errno.ENOENT) if isinstance(error, FileNotFoundError) else ""
    return error.strerror or missing or str(error) or type(error).__name__


def _other_model(path: Path, why: str) -> TransparencyError:
    return TransparencyError(
        "invalidParams",
        f"{path.name} is a lens of another model: {why}.",
        "Choose one that was fitted on this model.",
    )
