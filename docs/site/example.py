"""The example report of the site: the report of the demo, small enough to be kept with the code.

``python docs/site/example.py results/demo`` writes docs/example/report.html from a finished run of
`make demo`: the same page with pictures of few colours. Without a folder it gives the page that is
there the present style and script; its numbers stay those of the run that it names.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import re
from pathlib import Path

from PIL import Image

from gendmr.report.page import TEMPLATES

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "example" / "report.html"
PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
STYLE = re.compile(r'(?<=<style id="page">\n).*?(?=</style>)', re.DOTALL)
SCRIPT = re.compile(r"(?<=<script>).*?(?=</script>)", re.DOTALL)
DIGEST = re.compile(r"(?<=script-src 'sha256-)[^']+")
COLOURS = 128  # of figures of lines and a colour map; the difference is not to be seen


def with_few_colours(page: str) -> str:
    """Return a page whose PNGs have a palette."""

    def smaller(match: re.Match[str]) -> str:
        written = io.BytesIO()
        with Image.open(io.BytesIO(base64.b64decode(match[1]))) as picture:
            colours = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            colours.save(written, "PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()

    return PNG.sub(smaller, page)


def in_present_form(page: str) -> str:
    """Return a page with the style and the script of this package."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "search.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = STYLE.sub(lambda _: style, page)
    page = SCRIPT.sub(lambda _: script, page)
    return DIGEST.sub(lambda _: digest, page)


def main() -> None:
    """Write the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path, nargs="?", help="results/demo, finished")
    results = parser.parse_args().results
    source = EXAMPLE if results is None else results / "report" / "summary.html"
    page = source.read_text(encoding="utf-8")
    if results is not None:
        page = with_few_colours(page)
    EXAMPLE.parent.mkdir(exist_ok=True)
    EXAMPLE.write_text(in_present_form(page), encoding="utf-8")


if __name__ == "__main__":
    main()
