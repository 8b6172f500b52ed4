"""Deals prompts out, keeps the records, and hands them on."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from pathlib import Path
from typing import Literal

from ..errors import TransparencyError
from ..model.chat import Chat
from ..model.loading import LoadedModel
from ..model.options import COMPARED_THRESHOLD, SpecialTokens
from ..watch import Watch
from .prompts import Prompt, prompts_of
from .records import Record
from .store import Format, Store, open_store
from .work import Choices, Worker

Engine = Literal["local", "ray"]

#: What is handed to a worker at once: enough short prompts to share a pass, little enough to lose.
_PROMPTS, _CHARACTERS = 16, 8000


def analyze_many(
    model: LoadedModel | str,
    prompts: Iterable[Prompt | str | Chat],
    *,
    threshold: float | None = COMPARED_THRESHOLD,
    renormalize: bool = True,
    position: int | None = None,
    top_k: int = 10,
    special_tokens: SpecialTokens = "auto",
    output: str | Path | None = None,
    form: Format = "jsonl",
    engine: Engine = "local",
    watch: Watch | None = None,
) -> Generator[Record]:
    """The records of `prompts` as they are done, in no promised order; `index` is the place in the input.

    `output`: kept there as well, and what is there already is neither run again nor yielded. What is wrong with one
    prompt is the `error` of its record. `threshold`: the same for all, so that the
    records compare; None: chosen for each prompt. With `engine="ray"` the model is
    named, not loaded: each worker loads its own.

    Raises `TransparencyError` as `open_store` and `load_model`, for an id that two prompts have, and `Cancelled`.
    """
    named = isinstance(model, str)
    if engine == "ray" and not named:
        raise TransparencyError(
            "invalidParams", "Over Ray each worker loads its own model.", "Give its name or folder instead."
        )
    source, dtype = (model, "auto") if named else (model.source, model.dtype)
    choices = Choices(
        model=source,
        dtype=dtype,  # pyright: ignore[reportArgumentType]
        threshold=threshold,
        renormalize=renormalize,
        position=position,
        top_k=top_k,
        special_tokens=special_tokens,
    )
    listed = prompts_of(prompts)
    store = None if output is None else open_store(Path(output), form, choices.said())
    loaded = None if named else model
    yield from keep(store, run(listed, choices, engine=engine, model=loaded, watch=watch, done=_done(store)))


def run(
    prompts: Sequence[Prompt],
    choices: Choices,
    *,
    engine: Engine = "local",
    address: str | None = None,
    workers: int | None = None,
    model: LoadedModel | None = None,
    done: Collection[str] = (),
    watch: Watch | None = None,
) -> Generator[Record]:
    """The record of each prompt that is not `done`. `address`, `workers`: of Ray, None for its own choice."""
    # a copy: `done` grows while records are written
    known = set(done)
    groups = grouped(prompt for prompt in prompts if prompt.id not in known)
    if engine == "ray":
        from .on_ray import run_on_ray

        return run_on_ray(groups, choices, address, workers, watch or Watch())
    worker = Worker(choices, model, watch)
    return (record for group in groups for record in worker.analyze(group))


def keep(store: Store | None, records: Generator[Record]) -> Generator[Record]:
    """`records`, each written before it is handed on; closed however it ends."""
    try:
        for record in records:
            if store is not None:
                store.write(record)
            yield record
    finally:
        records.close()
        if store is not None:
            store.close()


def grouped(prompts: Iterable[Prompt]) -> list[list[Prompt]]:
    """Neighbours that go to one worker together."""
    groups: list[list[Prompt]] = []
    characters = 0
    for prompt in prompts:
        characters += len(prompt.text)
        if not groups or len(groups[-1]) == _PROMPTS or characters > _CHARACTERS:
            groups.append([])
            characters = len(prompt.text)
        groups[-1].append(prompt)
    return groups


def _done(store: Store | None) -> Collection[str]:
    return () if store is None else store.done
