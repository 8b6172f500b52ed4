"""What a lens reads: the rank of a hidden word, and how near the readings are to what the model predicts."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lm_transparency import LoadedModel, Watch
from lm_transparency.lens.maps import LensMaps
from lm_transparency.lens.projection import Lens
from lm_transparency.model.tokens import encode
from lm_transparency.trace.recording import record

PROMPTS = Path(__file__).resolve().parents[2] / "prompts" / "two-hop" / "two-hop.jsonl"
#: A hidden word is looked for in the middle of the model, at the last positions.
POSITIONS = 4
#: Tokens after the next that a lens may be about to say.
AHEAD = 10


def middle(n_layers: int) -> range:
    """Rows of the lens grid between a fifth and nine tenths of the depth."""
    return range(n_layers // 5 + 1, n_layers * 9 // 10 + 1)


@dataclass(frozen=True)
class Hop:
    prompt: str
    hidden: int


def read_hops(model: LoadedModel) -> list[Hop]:
    """The prompts whose answer needs a word that is not said; the word's first token."""
    lines = [json.loads(line) for line in PROMPTS.read_text("utf-8").splitlines()]
    return [Hop(one["prompt"], encode(model.tokenizer, one["hidden"], "none")[0].id) for one in lines]


@dataclass(frozen=True)
class Hidden:
    """`own`: the best rank of each prompt's hidden word. `others`: the median of the same word's on other prompts."""

    own: list[int]
    others: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.own)

    @property
    def share_below(self) -> float:
        """Prompts whose hidden word ranks before the same word on other prompts."""
        return statistics.fmean(own < other for own, other in zip(self.own, self.others, strict=True))


def states_of(model: LoadedModel, token_ids: Tensor) -> list[Tensor]:
    """The states of every row of the lens grid, [position, d_model]."""
    trace = record(model.model, model.anatomy, token_ids, Watch())
    return [trace.layers[0].pre, *(layer.post for layer in trace.layers)]


def hidden_words(model: LoadedModel, hops: Sequence[Hop], lenses: dict[str, LensMaps]) -> dict[str, Hidden]:
    words = sorted({hop.hidden for hop in hops})
    ids, rows, lens = torch.tensor(words), middle(len(model.anatomy.blocks)), Lens(model.anatomy)
    best: dict[str, list[Tensor]] = {name: [] for name in lenses}
    for hop in hops:
        states = states_of(model, torch.tensor([token.id for token in encode(model.tokenizer, hop.prompt, "auto")]))
        for name, maps in lenses.items():
            logits = torch.cat([lens.logits(maps.read(states[row][-POSITIONS:], row)) for row in rows])
            ranks = torch.stack([(logits > logits[:, i : i + 1]).sum(dim=-1) for i in ids.tolist()])
            best[name].append(ranks.min(dim=1).values)
    return {name: _hidden(torch.stack(found), hops, words) for name, found in best.items()}


def _hidden(ranks: Tensor, hops: Sequence[Hop], words: list[int]) -> Hidden:
    own, others = [], []
    for i, hop in enumerate(hops):
        column = ranks[:, words.index(hop.hidden)].tolist()
        own.append(column[i])
        # prompts that hide the same word are no comparison
        others.append(statistics.median(r for r, other in zip(column, hops, strict=True) if other.hidden != hop.hidden))
    return Hidden(own, others)


@dataclass(frozen=True)
class Reading:
    """Means over positions, by row of the lens grid. KL(prediction ‖ reading) in nats; medians of ranks."""

    kl: list[float]
    agrees: list[float]
    next_rank: list[float]
    ahead_rank: list[float]


def readings(model: LoadedModel, pieces: Iterable[Tensor], lenses: dict[str, LensMaps]) -> dict[str, Reading]:
    found: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in lenses}
    for ids in pieces:
        states = states_of(model, ids)
        for name, columns in _read(model, ids, states, lenses):
            found[name].append(columns)
    return {name: _reading(parts) for name, parts in found.items()}


def _read(
    model: LoadedModel, ids: Tensor, states: list[Tensor], lenses: dict[str, LensMaps]
) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    lens, n = Lens(model.anatomy), len(ids) - AHEAD
    said = lens.logits(states[-1][:n]).log_softmax(dim=-1)
    following = torch.stack([ids[i : i + n] for i in range(1, AHEAD + 1)], dim=-1)
    for name, maps in lenses.items():
        rows: list[tuple[Tensor, ...]] = []
        for row, state in enumerate(states):
            logits = lens.logits(maps.read(state[:n], row))
            own = logits.gather(1, following)
            ranks = torch.stack([(logits > own[:, i : i + 1]).sum(dim=-1) for i in range(AHEAD)], dim=-1)
            kl = (said.exp() * (said - logits.log_softmax(dim=-1))).sum(dim=-1)
            agrees = (logits.argmax(dim=-1) == said.argmax(dim=-1)).float()
            rows.append((kl, agrees, ranks[:, 0].float(), ranks.min(dim=-1).values.float()))
        yield name, tuple(torch.stack(column) for column in zip(*rows, strict=True))


def _reading(parts: list[tuple[Tensor, ...]]) -> Reading:
    kl, agrees, following, ahead = (torch.cat(columns, dim=1) for columns in zip(*parts, strict=True))
    return Reading(
        kl.mean(dim=1).tolist(),
        agrees.mean(dim=1).tolist(),
        following.median(dim=1).values.tolist(),
        ahead.median(dim=1).values.tolist(),
    )
