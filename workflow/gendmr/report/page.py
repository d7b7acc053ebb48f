"""The page: one HTML file that needs no other file and no network; every value is escaped.

One script of this package is in it (`search.js`: a table can be searched, sorted and copied). The
page's own policy lets a browser run that script, known by its checksum, and nothing else: no other
script, no connection, no picture but those in the file. Without scripts all tables can be read.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gendmr import style
from gendmr.chapters import chapters_of
from gendmr.config.study import DATA_STAGES
from gendmr.errors import InputFileError, plural
from gendmr.files.intervals import parse_interval
from gendmr.files.seal import verify
from gendmr.files.tables import MISSING, read_table
from gendmr.report.catalogue import FIGURES, SECTIONS, ReportFigure
from gendmr.report.method_schema import MethodSummary, Row
from gendmr.report.schema import StudySummary
from gendmr.report.sections import genetics, imaging
from gendmr.report.words import pattern_place, pattern_words

if TYPE_CHECKING:
    from PIL import Image

TEMPLATES = Path(__file__).resolve().parent / "templates"
# Dots of a figure for a CSS pixel: one of two columns of a journal is as wide as the page, text of
# 7 points as high as its small text.
DOTS = style.PAGE * 300 / 992
# Columns of genes.tsv on the page, and their headers.
TOLD = {
    "gene": "Gene", "chromosome": "Chr", "start": "Start", "rank": "Rank", "score": "Score",
    "n_snp": "SNPs", "selected": "Selected", "stability": "Stability", "z": "z", "p": "p",
    "p_fwer": "p, family-wise", "q": "q", "q_pooled": "q, pooled",
}  # fmt: skip
MOST_ROWS = 5_000  # each takes some 250 bytes; genes.tsv has them all
PICTURE_WIDTH = 760  # pixels; registration pictures are made for a closer look than this page needs


def render(
    results: Path,
    summary: StudySummary,
    drawn: Mapping[str, ReportFigure],
    registrations: int,
) -> str:
    """Return the page.

    Parameters
    ----------
    results : Path
        ``results/<study>``; figures that are not there are left out.
    summary : StudySummary
    drawn : mapping of str to ReportFigure
        Figures of the report's own, of `gendmr.report.catalogue.drawn_figures`.
    registrations : int
        Number of registration pictures: flagged ones first, then lowest overlap first.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    labels = {item["name"]: item["label"] for item in summary.people["modalities"]}
    filters: dict[str, Callable[..., Any]] = {
        "number": number,
        "interval": interval,
        "signed": signed,
        "plural": plural,
        "years": years,
        "beyond": beyond,
        "percent": percent,
        "known": partial(pattern_words, labels=labels),
        "megabases": megabases,
        "sentence": sentence,
    }
    environment.filters.update(filters)
    # Templates read the content of summary.json, so that its keys document what they can use.
    numbers = summary.to_json()
    script = (TEMPLATES / "search.js").read_text(encoding="utf-8")
    by_name = {item["method"]: item for item in numbers["methods"]}
    return environment.get_template("page.html.j2").render(
        s=numbers,
        # The style sheet is of this package, so it is the only text that needs no escaping.
        script=Markup(script),  # noqa: S704 - likewise
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        every_gene=every_gene(results, summary),
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),  # noqa: S704
        figures=figures_by_section(results, summary, FIGURES),
        pictures=registration_pictures(results, summary, registrations),
        judged=[
            {
                "outcome": outcome,
                "metric": outcome["metrics"][0],
                "methods": [by_name[item.method] for item in summary.learners(outcome["name"])],
                "patterns": patterns(summary.learners(outcome["name"])),
                "figures": figures_by_section(
                    results,
                    summary,
                    {n: figure for n, figure in drawn.items() if figure.outcome == outcome["name"]},
                )["performance"],
            }
            for outcome in numbers["outcomes"]
        ],
        genetics=genetics.MODALITY in labels or summary.genes is not None,
        images=imaging.MODALITY in labels or summary.regions is not None,
        dominance=dominance_figures(results, summary),
        chapters=shown_chapters(results),
        notes=group_similar_notes(numbers["not_done"]),
    )


def embedded(page: str) -> str:
    """Return the page as an element of another page, with styles and a script of its own.

    Snakemake puts the text of its report into a script, which any ``</script>`` would end.
    """
    return (
        '<iframe class="gendmr" title="The study on one page"'
        ' style="display: block; width: 100%; height: 88vh; border: 0"'
        f' srcdoc="{html.escape(page)}"></iframe>\n'
    )


def every_gene(results: Path, summary: StudySummary) -> list[dict[str, str]]:
    """Return the rows of the first ranking's genes as they are told, the first `MOST_ROWS`."""
    path = results / "ranking" / str(summary.main) / "genes.tsv"
    if summary.genes is None or not path.is_file():
        return []
    table = read_table(path, {"gene": "text"}, extra=True)
    table = table[[name for name in TOLD if name in table]].head(MOST_ROWS)
    return [
        {header: _as_told(row[name]) for name, header in TOLD.items() if name in row}
        for row in table.to_dict("records")
    ]


def _as_told(value: object) -> str:
    """Return a value of a table with at most four digits."""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return "" if text == MISSING else text
    if not math.isfinite(number):
        return ""
    return text if text.lstrip("-").isdigit() else f"{number:.4g}"


def figures_by_section(
    results: Path, summary: StudySummary, figures: Mapping[str, ReportFigure]
) -> dict[str, list[dict[str, Any]]]:
    """Return what the page shows of each figure that is there, by section in the order of rows."""
    shown: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for figure in figures.values():
        path = results / figure.path.format(main=summary.main or "")
        image = page_picture(path) if figure.shown(summary) else None
        if image is not None:
            row = {"image": image, "alt": figure.alt, "caption": figure.caption}
            shown[figure.section].append(row)
    return shown


def shown_chapters(results: Path) -> list[dict[str, Any]]:
    """Return the chapters of stages, those with a figure that is there, in the order of stages."""
    rows = []
    for stage, chapter in chapters_of(DATA_STAGES).items():
        figures = [
            {"image": image, "alt": figure.alt, "caption": figure.caption}
            for figure in chapter.figures
            if (image := page_picture(results / figure.path)) is not None
        ]
        if figures:
            rows.append({"stage": stage, "title": chapter.title, "figures": figures})
    return rows


def dominance_figures(results: Path, summary: StudySummary) -> list[dict[str, Any]]:
    """Return the figures of dominant modalities; that of the first ranking is not folded away."""
    methods = [item["method"] for item in summary.dominance]
    folder = results / "report" / "figures"
    images = {name: page_picture(folder / f"dominance-{name}.png") for name in methods}
    return [
        {"method": name, "image": image, "shown": name == summary.main or len(methods) == 1}
        for name, image in images.items()
        if image is not None
    ]


def registration_pictures(results: Path, summary: StudySummary, limit: int) -> list[dict[str, Any]]:
    """Return pictures of registrations, flagged ones first, then those of low overlap."""
    if summary.registration is None:
        return []
    flagged = {row["participant_id"] for row in summary.registration.outliers}
    uris = {
        participant: picture(results / "imaging", participant)
        for participant in summary.registration.pictured[:limit]
    }
    return [
        {"who": participant, "uri": uri, "flagged": participant in flagged}
        for participant, uri in uris.items()
        if uri
    ]


def patterns(methods: Sequence[MethodSummary]) -> list[Row]:
    """Return what may be known of a person, most first, with the largest counts of a method."""
    largest: dict[str, Row] = {}
    for method in methods:
        for row in method.by_modality:
            if row["n"] > largest.setdefault(row["modalities"], row)["n"]:
                largest[row["modalities"]] = row
    return sorted(largest.values(), key=lambda row: pattern_place(row["modalities"], row["n"]))


def group_similar_notes(notes: Sequence[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Group notes of a stage that differ in their numbers only, in the order of the first ones."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for note in notes:
        words = re.sub(r"\d+(\.\d+)?", "#", note["note"])
        groups.setdefault((note["stage"], words), []).append(note)
    return list(groups.values())


@dataclass(frozen=True)
class PagePicture:
    """A figure as the page holds it.

    Attributes
    ----------
    uri : str
        The PNG.
    width : int
        CSS pixels at which its smallest text can be read, and is not larger than that of the page.
    sentence : str or None
        All that it says, where it only says why there is no figure; the page shows this as text.
    """

    uri: str
    width: int
    sentence: str | None


def page_picture(path: Path) -> PagePicture | None:
    """Return a PNG for the page, or None where there is no file."""
    if not path.is_file():
        return None
    image = _loaded(path)
    width, sentence = image.width, image.info.get("Description")
    uri = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return PagePicture(uri, round(width / DOTS), sentence)


def _loaded(path: Path) -> Image.Image:
    """Return a picture whose bytes are those that were written.

    Raises
    ------
    InputFileError
        It was damaged.
    """
    from PIL import Image

    verify(path)
    try:
        with Image.open(path) as opened:
            opened.load()
            return opened
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error) as error:
        raise InputFileError(
            f"{path}: not readable as a picture ({error})",
            cause="the file is cut or damaged",
            next_step=f"rm {path}, then the same command: it is made again",
        ) from error


def picture(imaging: Path, participant: str) -> str | None:
    """Return a participant's registration picture, made smaller, as a data URI."""
    for name in (participant, f"sub-{participant}", participant.removeprefix("sub-")):
        path = imaging / name / "registration.png"
        if path.is_file():
            small = _loaded(path).convert("RGB")
            small.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=80)
            return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return None


def number(value: float | None, digits: int = 2) -> str:
    """Return a number for people; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def signed(value: float | None, digits: int = 2) -> str:
    """Return a number with its sign."""
    if value is None:
        return "–"
    text = number(value, digits)
    return text if text.startswith("−") or not float(text) else f"+{text}"


def interval(values: dict[str, Any], low: str = "low", high: str = "high", digits: int = 2) -> str:
    """Return `low to high`, or nothing where there is no interval."""
    if values.get(low) is None or values.get(high) is None:
        return ""
    return f"{number(values[low], digits)} to {number(values[high], digits)}"


def years(group: dict[str, Any]) -> str:
    """Return age as mean ± SD (range)."""
    if group["age_mean"] is None:
        return "–"
    spread = "" if group["age_sd"] is None else f" ± {group['age_sd']:.1f}"
    return f"{group['age_mean']:.1f}{spread} ({group['age_min']:.0f}–{group['age_max']:.0f})"


def beyond(value: float | None, ratio: bool = True) -> str:
    """Return the size of an effect; beyond a ratio of 10 its size is no longer of use."""
    if value is None or (ratio and value > 10):
        return "> 10"
    return f"{value:.2f}"


def percent(share: float | None) -> str:
    """Return a share in percent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def megabases(interval: str) -> str:
    """Return a genomic interval in megabases: `19:44000000-46500000` is chr19 44–46.5 Mb."""
    chromosome, first, last = parse_interval(interval)
    return f"chr{chromosome} {first / 1e6:g}–{last / 1e6:g} Mb"


def sentence(text: str) -> str:
    """Return a text with a capital at its start."""
    return text[:1].upper() + text[1:]
