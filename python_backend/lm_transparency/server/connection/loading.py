"""Loading the model of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model.options import ModelChoice
from ...watch import Watch

if TYPE_CHECKING:
    from ...model.loading import LoadedModel
    from ...session.session import Session


def load(session: Session, params: ModelChoice, watch: Watch) -> LoadedModel:
    """The model; a load that has begun is completed for a client that is lost, since it will ask again."""
    with watch.finishing():
        return session.load(params.source, watch=watch, **params.options())
