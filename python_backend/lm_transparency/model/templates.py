"""Chat templates: programs that come with a model, run in a child process with limits."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ..errors import TransparencyError
from ..isolation import Limits, run_isolated
from . import embedded

#: A template takes milliseconds; the first one in a child waits for its imports.
_LIMITS = Limits(seconds=4, idle_seconds=30, memory_bytes=300_000_000, answer_bytes=16_000_000)


def render_chat(tokenizer: Any, messages: list[dict[str, str]], *, goes_on: bool) -> str:
    """`messages` as the tokenizer's chat template writes them. `goes_on`: the last one is the beginning of the
    answer.

    Raises `ValueError` with the template's message where it refuses them, and `TransparencyError("invalidPrompt")` for
    a template that does not end or fills memory.
    """
    from transformers import PreTrainedTokenizerBase

    words: dict[str, Any] = {"add_generation_prompt": not goes_on, "continue_final_message": goes_on}
    own = getattr(type(tokenizer), "apply_chat_template", None) is not PreTrainedTokenizerBase.apply_chat_template
    if own or Path(str(tokenizer.name_or_path)) == embedded.model_directory():
        return tokenizer.apply_chat_template(messages, tokenize=False, **words)
    template: str = tokenizer.get_chat_template()
    named = {key: str(value) for key, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    if importlib.util.find_spec("jinja2") is None:
        raise ModuleNotFoundError("chat templates need jinja2", name="jinja2")
    try:
        answer: dict[str, str] = run_isolated(
            "lm_transparency.model.probe:render",
            {"template": template, "messages": messages, "words": {**words, **named}},
            about="The model's chat template",
            limits=_LIMITS,
            remedy="Analyze the text as a plain prompt, or choose another model.",
        )
    except TransparencyError as error:
        raise TransparencyError("invalidPrompt", error.message, error.remedy) from error
    if "text" not in answer:
        raise ValueError(answer["refused"])
    return answer["text"]
