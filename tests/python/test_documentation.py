"""The pages and sections that code and other pages point to exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CODE = ("python_backend", "extension/src", "extension/shared", "webview/src", "scripts", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("samples/*.md")])

CITED = re.compile(r"(?<![\w./-])(?:docs/)?(\w+\.md)#([\w-]+)|(?<![\w./-])docs/([\w-]+\.md)\b")
LINKED = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


def sources() -> Iterator[Path]:
    for folder in CODE:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".ts", ".tsx", ".mjs", ".js"} and "node_modules" not in path.parts:
                yield path


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, by GitHub's rules."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = (found[1] for found in re.finditer(r"^#+ +(.*)$", text, re.MULTILINE))
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def cited(text: str) -> Iterator[tuple[str, str | None]]:
    for found in CITED.finditer(text):
        yield found[1] or found[3], found[2]


def test_every_section_that_code_cites_exists() -> None:
    missing, n_cited = [], 0
    for path in sources():
        for page, section in cited(path.read_text("utf-8", errors="ignore")):
            target = ROOT / "docs" / page
            n_cited += 1
            if not target.is_file() or (section is not None and section not in anchors(target)):
                missing.append(f"{path.relative_to(ROOT)}: {page}#{section}")
    assert n_cited > 20
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link, section in LINKED.findall(page.read_text("utf-8")):
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        assert not section or target.suffix != ".md" or section in anchors(target), f"{link}#{section}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """Paths of code and tests in backticks or commands, relative to the repository, the package or its tests."""
    named = re.findall(r"(?<![\w./~-])((?:[\w-]+/)+[\w.-]+\.(?:py|ts|tsx|mjs))\b", page.read_text("utf-8"))
    roots = (ROOT, ROOT / "python_backend/lm_transparency", ROOT / "tests/python", ROOT / "extension", ROOT / "webview")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {(ROOT / link).resolve() for link, _ in LINKED.findall((ROOT / "README.md").read_text("utf-8"))}
    assert sorted(page.name for page in ROOT.glob("docs/*.md") if page not in linked) == []


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (ROOT / "docs/security.md").read_text("utf-8")
    rows = [line.rsplit("|", 2)[1] for line in page.splitlines() if line.startswith("|")]
    n_named = 0
    for row in rows:
        text = ""
        for name in re.findall(r"`([\w./]+)`", row):
            if name.endswith(".py"):
                text = (ROOT / "tests/python" / name).read_text("utf-8")
            else:
                n_named += 1
                assert re.search(rf"def test_\w*{name}", text), f"{name} in {row}"
    assert n_named > 10


def test_the_citation_is_complete_and_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    # what the Citation File Format 1.2.0 requires
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    for key in ("version", "license"):
        assert f'{key} = "{citation[key]}"' in project
    for work in (citation, *citation["references"]):
        assert work["title"]
        assert all("name" in author or {"given-names", "family-names"} <= author.keys() for author in work["authors"])
    assert all(work["type"] in {"article", "conference-paper"} for work in citation["references"])


def test_an_anchor_or_page_that_is_not_there_is_found() -> None:
    """The checks above, on a text written for this test."""
    text = f"see docs/{'nowhere'}.md, docs/method.md#{'proof'} and routes.md#{'x'}"
    assert list(cited(text)) == [("nowhere.md", None), ("method.md", "proof"), ("routes.md", "x")]
    assert "norms-behind-a-sublayer" in anchors(ROOT / "docs" / "method.md")
