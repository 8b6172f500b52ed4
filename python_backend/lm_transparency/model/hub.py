"""The Hugging Face hub: whether it answers, and which files a model has there; found out once, with a time limit."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ..errors import STOPS, TransparencyError
from ..watch import Watch
from .deadline import within

logger = logging.getLogger(__name__)

#: Seconds in which the hub answers, or is taken for one that cannot be reached.
LOOK_S = 10.0


@dataclass(frozen=True)
class Answer:
    """What the hub said about a model. `files`: their names; None where it did not list them.

    `refusal`: why there is nothing to download.
    """

    is_reached: bool
    files: frozenset[str] | None = None
    refusal: TransparencyError | None = None


def look(repo: str, revision: str, watch: Watch) -> Answer:
    """Ask the hub about `repo` at `revision` (empty: its main branch), without a retry. Raises `Cancelled`."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    name = f"{repo}@{revision}" if revision else repo
    watch.step(f"looking for {name} on the Hugging Face hub")
    try:
        # the library's own timeout leaves out the resolution of names
        info = within(LOOK_S, lambda: HfApi().model_info(repo, revision=revision or None, timeout=LOOK_S), watch=watch)
    except (HfHubHTTPError, HFValidationError) as error:
        logger.info("The hub refused %s: %s", name, error)
        return Answer(is_reached=True, refusal=_refusal(name, error))
    except STOPS:
        raise
    except Exception as error:
        # no address, no connection, no answer in time, an answer that is not the hub's
        logger.info("The hub was not reached for %s: %r", name, error)
        return Answer(is_reached=False, refusal=unreachable(name))
    files = getattr(info, "siblings", None)
    return Answer(is_reached=True, files=None if files is None else frozenset(file.rfilename for file in files))


def unreachable(name: str) -> TransparencyError:
    return TransparencyError(
        "modelNotFound",
        f"The Hugging Face hub cannot be reached, and the model {name!r} is not in the cache.",
        "Check the network and HF_ENDPOINT, or give the folder of a model.",
    )


def is_unreachable(error: BaseException | None) -> bool:
    """Whether `error` comes from a connection to the hub that failed."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # the errors of its HTTP library, which is another one from version to version
    kinds = (OfflineModeIsEnabled, *(base for base in HfHubHTTPError.__bases__ if base is not OSError))
    while error is not None:
        if isinstance(error, kinds) and not isinstance(error, HfHubHTTPError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refusal(name: str, error: Exception) -> TransparencyError | None:
    """None where loading may succeed all the same: a mirror need not describe its models."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return TransparencyError(
            "modelNotFound",
            f"The authors of the model {name!r} must first grant access to it.",
            "Ask for access on its page on the Hugging Face hub, and set HF_TOKEN to a token of your account.",
        )
    if isinstance(error, RevisionNotFoundError):
        return TransparencyError(
            "modelNotFound",
            f"The Hugging Face hub has no revision {name.partition('@')[2]!r} of {name.partition('@')[0]!r}.",
            "Give a branch, tag or commit of that model after the @.",
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return TransparencyError(
            "modelNotFound",
            f"The Hugging Face hub has no model {name!r}, or it is private.",
            "Check the spelling; for a private model, set HF_TOKEN to a token of your account.",
        )
    return None
