"""Distributes prompts, stores the records, and returns them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ..errors import TransparencyError, check_choice
from ..files.reading import expanded
from ..files.writing import not_written
from ..model.chat import Chat
from ..model.loading import LoadedModel
from ..model.options import COMPARED_THRESHOLD, ModelChoice, SpecialTokens
from ..watch import Watch
from .identity import identified
from .opening import open_store
from .prompts import Prompt, prompts_of
from .records import Record, place_of
from .resuming import Resumed, resume
from .store import Format, Store
from .work import Choices, Worker

Engine = Literal["local", "ray"]

#: Prompts that a worker gets at once: enough short ones to share a pass, few enough to lose.
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
    effects: bool = False,
    output: str | Path | None = None,
    form: Format = "jsonl",
    engine: Engine = "local",
    watch: Watch | None = None,
) -> Generator[Record]:
    """The records of `prompts` as they are done, in no promised order; `index` is the place in the input.

    `output`: records are also stored there, in input order once all are done. A stored record that still holds (same
    prompt, same model files) is neither computed again nor yielded; one that no longer holds moves to
    `….replaced.jsonl` beside it. A problem with one prompt is the `error` of its record. `threshold` None: chosen for
    each prompt. `effects`: records also have the effects on the predicted token. With `engine="ray"` the model is
    named, not loaded: each worker loads its own.

    Raises `TransparencyError` as `open_store` and `load_model` do, for an id that two prompts have, and where the disk
    is full; and `Cancelled`.
    """
    check_choice("form", form, get_args(Format))
    check_choice("engine", engine, get_args(Engine))
    check_choice("special_tokens", special_tokens, get_args(SpecialTokens))
    if isinstance(prompts, str):
        raise TransparencyError("invalidParams", "`prompts` is one text.", "Pass a list of them: [prompt].")
    named = isinstance(model, str)
    if engine == "ray" and not named:
        raise TransparencyError(
            "invalidParams", "Over Ray each worker loads its own model.", "Give its name or folder instead."
        )
    source, dtype = (model, "auto") if named else (model.source, model.dtype)
    choices = Choices(
        model=ModelChoice(source=source, dtype=dtype),  # pyright: ignore[reportArgumentType]
        threshold=threshold,
        renormalize=renormalize,
        position=position,
        top_k=top_k,
        special_tokens=special_tokens,
        effects=effects,
    )
    listed = prompts_of(prompts)
    place = None if output is None else expanded(output)
    store = None if place is None else open_store(place, form, choices.said())
    loaded = None if named else model
    yield from begin(listed, choices, store, place, engine=engine, model=loaded, watch=watch).records


@dataclass(frozen=True)
class Run:
    """A run in progress. `resumed`: what it took over; `records`: the ones it adds, as they are done."""

    resumed: Resumed
    records: Generator[Record]


def begin(
    prompts: Sequence[Prompt],
    choices: Choices,
    store: Store | None = None,
    place: Path | None = None,
    *,
    engine: Engine = "local",
    address: str | None = None,
    workers: int | None = None,
    model: LoadedModel | None = None,
    watch: Watch | None = None,
) -> Run:
    """The records of `prompts` that `store` lacks. `place`: the store's name in sentences.

    `address`, `workers`: for Ray, None for its own choice. Takes the store over, and closes it in any case. Raises
    `TransparencyError` where the store cannot be written to.
    """
    watch = watch or Watch()
    try:
        choices = identified(choices, model)
        worker = Worker(choices, model, watch)
        if store is not None and store.records and not choices.model_files and choices.model.allow_download:
            # only downloaded files can be compared
            worker.load()
            choices = worker.choices = identified(choices)
        resumed = resume([] if store is None else store.records, prompts, choices.model_files)
        if store is not None and resumed.changes(store.records):
            with _told(place):
                store.arrange([(number, place_of(prompt)) for number, prompt in resumed.kept], resumed.out)
        groups = grouped(resumed.left)
        if engine == "ray":
            from .on_ray import run_on_ray

            records = run_on_ray(groups, choices, address, workers, watch)
        else:
            records = (record for group in groups for record in worker.analyze(group))
    except BaseException:
        if store is not None:
            with suppress(OSError):
                store.close()
        raise
    return Run(resumed, _kept(store, records, place))


def _kept(store: Store | None, records: Generator[Record], place: Path | None) -> Generator[Record]:
    """`records`, each written before it is returned, all in input order at the end; the store is closed in any case."""
    try:
        for record in records:
            if store is not None:
                with _told(place):
                    store.write(record)
            yield record
        if store is not None:
            order = sorted(range(len(store.records)), key=lambda number: store.records[number].index)
            if order != list(range(len(order))):
                with _told(place):
                    store.arrange([(number, None) for number in order])
    finally:
        records.close()
        if store is not None:
            with _told(place):
                store.close()


@contextmanager
def _told(place: Path | None) -> Generator[None]:
    """Turn a full or vanished disk into a sentence. Raises `TransparencyError("invalidParams")`."""
    try:
        yield
    except OSError as error:
        said = not_written(place or Path("The output"), error)
        remedy = f"{said.remedy} What is written stays; the same command continues from there."
        raise TransparencyError(said.kind, said.message, remedy) from error


def grouped(prompts: Iterable[Prompt]) -> list[list[Prompt]]:
    """Neighbouring prompts for one worker."""
    groups: list[list[Prompt]] = []
    characters = 0
    for prompt in prompts:
        characters += len(prompt.text)
        if not groups or len(groups[-1]) == _PROMPTS or characters > _CHARACTERS:
            groups.append([])
            characters = len(prompt.text)
        groups[-1].append(prompt)
    return groups
