"""Commands for editors without an extension of ours: load the model, and draw a prompt's routes as a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...files.writing import not_written, write_atomically
from ...model import embedded
from ...model.chat import parse_chat
from ...prompts.front_matter import Settings
from ...protocol.models import ModelInfo
from ...watch import Watch
from ..compute.backend import describe
from .reader import Text

if TYPE_CHECKING:
    from ...session.session import Session

ANALYZE = "lmTransparency.analyzePrompt"
LOAD_MODEL = "lmTransparency.loadModel"

#: How many pages are kept; they are for viewing, and hold prompts.
_PAGES = 20


def load(source: str, watch: Watch) -> Callable[[Session], ModelInfo]:
    """A job that loads `source`."""

    def job(session: Session) -> ModelInfo:
        with watch.finishing():
            return describe(session.load(source, watch=watch))

    return job


def draw(text: Text, settings: Settings, title: str, watch: Watch) -> Callable[[Session], Path]:
    """A job that analyses `text` and writes the page with its routes; returns the page's place."""

    def job(session: Session) -> Path:
        from ...session.pages import page_of

        with watch.finishing():
            model = session.load(text.model, watch=watch)
        prompt = parse_chat(text.text) if text.chat else text.text
        run_id, _ = session.analyze(model, prompt, special_tokens=text.special_tokens, watch=watch)
        renormalize = settings.renormalize is not False
        page = page_of(session, run_id, title, threshold=settings.threshold, renormalize=renormalize, watch=watch)
        return _written(f"{run_id}.html", page)

    return job


def _written(name: str, page: str) -> Path:
    folder = embedded.cache_directory() / "pages"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error) from error
    write_atomically(folder / name, lambda file: file.write(page.encode("utf-8")))
    pages = sorted(folder.glob("*.html"), key=lambda path: path.stat().st_mtime)
    for old in pages[:-_PAGES]:
        old.unlink(missing_ok=True)
    return folder / name
