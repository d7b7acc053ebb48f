"""Pages of the site that lie outside of docs/: whatever a page links to, and what those link to.

GitHub follows a link from docs/index.md to ../ARCHITECTURE.md; a site holds one folder only. Such
files become pages below ``project/``, at the same path as in the checkout, and the links lead
there. What is no Markdown is shown as code.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = "docs"
OUTSIDE = "project"
# Code, in which nothing is a link, or the target of a link.
LINK = re.compile(
    r"^(?P<fence>```|~~~).*?^(?P=fence)[^\n]*$"
    r"|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
    r"|(?<=\]\()(?P<target>[^()\s#:]+)(?=[)#\s])",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = {".cff": "yaml", ".yaml": "yaml", ".tsv": "text"}


def in_checkout(page: str) -> PurePosixPath:
    """Return where the source of a page lies in the checkout.

    >>> str(in_checkout("project/config/config.yaml.md")), str(in_checkout("how-to/help.md"))
    ('config/config.yaml', 'docs/how-to/help.md')
    """
    path = PurePosixPath(page)
    if path.parts[0] != OUTSIDE:
        return DOCS / path
    path = path.relative_to(OUTSIDE)
    return path.with_suffix("") if path.suffixes[:-1] else path


def in_site(path: PurePosixPath) -> str:
    """Return the page of a file of the checkout.

    >>> in_site(PurePosixPath("CITATION.cff")), in_site(PurePosixPath("docs/index.md"))
    ('project/CITATION.cff.md', 'index.md')
    """
    if path.parts[0] == DOCS:
        return str(path.relative_to(DOCS))
    return f"{OUTSIDE}/{path}" + ("" if path.suffix == ".md" else ".md")


def targets(text: str, source: PurePosixPath) -> list[PurePosixPath]:
    """Return the files of the checkout that a page links to."""
    matches = (match["target"] for match in LINK.finditer(text))
    return [PurePosixPath(normpath(source.parent / target)) for target in matches if target]


def checkout(config: MkDocsConfig) -> Path:
    """Return the folder of the checkout, in which mkdocs.yml lies."""
    return Path(config.config_file_path).parent


def as_page(root: Path, path: PurePosixPath) -> str:
    """Return the Markdown of a file of the checkout; what is none, as code."""
    text = (root / path).read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return f"# {path}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{text}````\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside of docs/."""
    root = checkout(config)
    ahead = [DOCS / PurePosixPath(file.src_uri) for file in files.documentation_pages()]
    pages = set(ahead)
    while ahead:
        page = ahead.pop()
        if page.suffix != ".md":
            continue
        for path in targets((root / page).read_text(encoding="utf-8"), page):
            # A file that is not there stays a broken link, which the build refuses.
            if path not in pages and path.parts[0] != DOCS and (root / path).is_file():
                pages.add(path)
                ahead.append(path)
                files.append(File.generated(config, in_site(path), content=as_page(root, path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to the pages of the files that they name; the start has no list at its side."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    source = in_checkout(page.file.src_uri)
    folder = str(PurePosixPath(page.file.src_uri).parent)

    def led(match: re.Match[str]) -> str:
        target = match["target"]
        path = PurePosixPath(normpath(source.parent / target)) if target else None
        if path is None or not (checkout(config) / path).is_file():
            return match[0]
        return relpath(in_site(path), folder)

    return LINK.sub(led, markdown)
