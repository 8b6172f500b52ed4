"""`lm-transparency lens`: the logit lens of every layer at one position, for any language model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..errors import TransparencyError
from ..printable import json_text
from ..streams import stderr
from .files import read_prompt
from .options import add_model_options, model_choice, output_path, prepare, terminal_watch
from .output import deliver

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..lens.maps import LensMaps
    from ..model.options import ModelChoice


def add_parser(commands: Any) -> None:
    help_ = "the logit lens of every layer, also for a model that cannot be decomposed"
    parser = commands.add_parser("lens", help=help_, description=help_)
    parser.add_argument("file", metavar="FILE", help="the prompt; - reads stdin")
    add_model_options(parser)
    parser.add_argument(
        "--position", type=int, default=-1, metavar="P", help="negative from the end (default: the last)"
    )
    parser.add_argument("--top-k", type=int, default=5, metavar="N", help="tokens of each layer (default 5)")
    parser.add_argument(
        "--lens",
        default="logit",
        metavar="L",
        help="logit, jacobian or tuned (fitted by `lens fit`), or a file (default logit)",
    )
    parser.add_argument("--special-tokens", default="auto", choices=("auto", "bos", "none"))
    parser.add_argument("--format", default="text", choices=("text", "json"))
    parser.add_argument("-o", "--output", type=output_path, metavar="F", help="write there instead of stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    prompt = read_prompt(arguments.file)
    if arguments.top_k < 1:
        raise TransparencyError("invalidParams", f"--top-k is {arguments.top_k}.", "It takes 1 or more.")
    from ..model.tokens import check_prompt, encode, visible

    check_prompt(prompt)
    prepare(arguments)
    import torch

    from ..lens.plain import plain_lens
    from ..model.loading import load_whole
    from ..model.vocabulary import vocabulary_text
    from ..trace.trace import position_of

    choice = model_choice(arguments)
    _, model, tokenizer = load_whole(choice, watch=terminal_watch())
    maps = _maps(arguments.lens, choice, model)
    tokens = encode(tokenizer, prompt, arguments.special_tokens)
    position = position_of(arguments.position, len(tokens))
    logits = plain_lens(model, torch.tensor([t.id for t in tokens]), position, maps)
    probability, ids = logits.softmax(dim=-1).topk(min(arguments.top_k, logits.shape[-1]), dim=-1)
    rows = [
        [{"token": vocabulary_text(tokenizer, i), "id": i, "probability": p} for i, p in zip(row, shares, strict=True)]
        for row, shares in zip(ids.tolist(), probability.tolist(), strict=True)
    ]
    if arguments.format == "json":
        text = json_text({"position": position, "lens": maps.name, "rows": rows})
    else:
        lines: list[str] = []
        for index, row in enumerate(rows):
            name = "embedding" if index == 0 else f"layer {index - 1}"
            shares = "  ".join(f"{visible(s['token'])} {100 * s['probability']:.1f} %" for s in row)
            lines.append(f"{name:<10} {shares}")
        text = "\n".join(lines)
    deliver(f"{text}\n", arguments.format, arguments.output)
    return 0


def _maps(name: str, choice: ModelChoice, model: PreTrainedModel) -> LensMaps:
    from ..lens.places import lens_named
    from ..model.identity import model_fingerprint

    config = model.config.get_text_config(decoder=True)
    fingerprint = "" if name == "logit" else model_fingerprint(choice.source, choice.base)
    maps = lens_named(name, d_model=config.hidden_size, n_layers=config.num_hidden_layers, fingerprint=fingerprint)
    for note in maps.notes:
        stderr().write(f"{note}\n")
    return maps
