"""Options that were not given take their values from the front matter of the prompt files."""

from __future__ import annotations

import argparse


def take_front_matter(arguments: argparse.Namespace) -> None:
    """Fill in the options from front matter.

    `model`, `special_tokens` and `no_renormalize` are taken as given, else from the front matter, else the default;
    `threshold` as given, else from the front matter; `target` and `contrast`, which have no options, from the front
    matter. Raises `TransparencyError("invalidPrompt")` for invalid front matter, and for files that disagree.
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
