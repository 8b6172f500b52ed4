"""The kinds of `lm-transparency inspect`: one file for each, listed in `QUESTIONS`."""

from __future__ import annotations

from . import edge, entropy, expert, ffn, head, neuron, node, promoted

#: In the order of `lm-transparency inspect --help`.
QUESTIONS = (
    node.QUESTION,
    edge.QUESTION,
    head.QUESTION,
    entropy.QUESTION,
    ffn.QUESTION,
    expert.QUESTION,
    neuron.QUESTION,
    promoted.QUESTION,
)
