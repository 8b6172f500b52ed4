"""Options that were not given take what the front matter of the prompt files sets."""

from __future__ import annotations

import argparse


def take_front_matter(arguments: argparse.Namespace) -> None:
    """Fill in `model`, `special_tokens` and `no_renormalize`: as given, else as set, else the default; `threshold` as
    given, else as set; and `target` and `contrast`, which have no options, as set.

    Raises `TransparencyError("invalidPrompt")` for front matter that is wrong, and for files that set different things.
    """
    from ..batch.prompts import common_settings
    from ..prompts.front_matter import Settings

    files = [name for name in arguments.file if name != "-"]
    settings = common_settings(files) if files else Settings()
    arguments.model = arguments.model or settings.model or ""
    arguments.special_tokens = arguments.special_tokens or settings.special_tokens or "auto"
    if arguments.threshold is None and settings.threshold is not None:
        arguments.threshold = str(settings.threshold)
    arguments.no_renormalize = arguments.no_renormalize or settings.renormalize is False
    arguments.target, arguments.contrast = settings.target, settings.contrast
