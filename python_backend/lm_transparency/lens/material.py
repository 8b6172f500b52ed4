"""The sequences of a plan, as tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from ..ambient import taking_turns
from ..errors import TransparencyError
from ..model.loading import LoadedModel
from ..watch import Watch
from .plan import APART, MOST, Plan
from .sequences import pieces, sampled

#: Sampling eight sequences takes little longer than one.
TOGETHER = 8


@dataclass(frozen=True)
class Material:
    """`numbers`: of the sequences to fit. `of`: the tokens of some. `apart`: a sequence that is not among them, if
    there is one.
    """

    numbers: range
    of: Callable[[Sequence[int]], Int[Tensor, "sequence position"]]
    apart: Callable[[], Int[Tensor, "position"]] | None

    def left(self, done: Collection[int], size: int) -> Iterator[tuple[list[int], Int[Tensor, "sequence position"]]]:
        """The sequences that are not done, with their numbers, `size` of them at a time; a few are made together."""
        wanted = [number for number in self.numbers if number not in done]
        for start in range(0, len(wanted), TOGETHER):
            some = wanted[start : start + TOGETHER]
            ids = self.of(some)
            yield from ((some[i : i + size], ids[i : i + size]) for i in range(0, len(some), size))


def material(model: LoadedModel, plan: Plan, watch: Watch) -> Material:
    """`watch`: "sampling", with the tokens that are there; others may use the model meanwhile.

    Raises `TransparencyError("invalidParams")` where the texts are too short, or sequences longer than what the model
    reads.
    """
    limit = model.anatomy.n_context
    if 0 < limit < plan.tokens:
        raise TransparencyError(
            "invalidParams",
            f"--tokens is {plan.tokens}; {model.name} reads at most {limit:,}.",
            f"Use --tokens {limit} or fewer.",
        )
    last = plan.first + (MOST if plan.sequences is None else plan.sequences)
    if not plan.texts:

        def drawn(numbers: Sequence[int]) -> Tensor:
            with taking_turns(model) as pause:
                return sampled(
                    model.model,
                    model.tokenizer,
                    numbers,
                    plan.tokens,
                    seed=plan.seed,
                    pause=lambda n: pause(lambda: watch.step("sampling", n, plan.tokens)),
                )

        return Material(range(plan.first, last), drawn, lambda: drawn([APART])[0])
    found = pieces(model.tokenizer, plan.texts, plan.tokens)
    if plan.sequences is None:
        # the last piece is the one apart
        last = min(last, len(found) - 1)
    if last > len(found) or last <= plan.first:
        raise TransparencyError(
            "invalidParams",
            f"The texts have {len(found)} pieces of {plan.tokens} tokens, not {max(last, plan.first + 2)}.",
            f"Give more text, or --sequences {max(1, len(found) - plan.first)}.",
        )
    apart = None if last == len(found) else lambda: found[-1]
    return Material(range(plan.first, last), lambda numbers: found[list(numbers)], apart)
