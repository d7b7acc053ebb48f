"""All slides of a study: one bag for each person, what became of each slide, a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.histology import HistologySection
from gendmr.errors import GendmrError, ModalityError, first_few, plural
from gendmr.files.atomic import read_json, write_json
from gendmr.files.histology import PATCHES
from gendmr.files.pieces import write_rows
from gendmr.files.provenance import versions
from gendmr.files.tables import MISSING, write_table
from gendmr.histology.bag import EMPTY, Bag, make_bag, make_grid
from gendmr.histology.features import SlideFeatures, read_slide
from gendmr.histology.slides import DESCRIPTION, PICTURE, SlideFile, extracted, find_slides

STAGE = "histology"
USED, BROKEN, EXCLUDED, NOBODY = "used", "broken", "excluded", "no person"
EMPTY_SLIDE, SMALLER = "empty", "smaller"
MOST_BROKEN = 0.5  # share of slides from which on the cause is no single file


@dataclass(frozen=True)
class Slide:
    """What became of a slide.

    Parameters
    ----------
    file : SlideFile
    status, reason, rule : str
    patches, used, features : int
    places : float64 (patch, 2), optional
    source : int64 (patch,), optional
        Numbers of the patches in the file.
    step : float, optional
    error : GendmrError, optional
    said : mapping, optional
        tiles.json of a slide whose features were made here.
    """

    file: SlideFile
    status: str
    reason: str = ""
    patches: int = 0
    used: int = 0
    features: int = 0
    rule: str = ""
    places: np.ndarray | None = None
    source: np.ndarray | None = None
    step: float | None = None
    error: GendmrError | None = None
    said: Mapping[str, Any] | None = None


def collect_slides(section: HistologySection, output: Path | str) -> dict[str, Any]:
    """Write the stage's files; return the summary.

    They are ``patches.nc``, ``slides.tsv``, ``attrition.tsv``, ``summary.json`` and
    ``figures/quality.png``, and ``figures/tissue.png`` where slides are images. Memory holds one
    slide and one bag.

    Parameters
    ----------
    section : HistologySection
    output : Path or str
        The stage's folder.

    Raises
    ------
    InputFileError, TableError, IdentifierError
        See `find_slides`.
    ModalityError
        No slide can be used, or features of slides have different lengths.
    GendmrError
        Most slides are broken: the reason of the first.
    """
    output = Path(output)
    files = find_slides(section)
    if section.tiles is not None:
        files = [extracted(file, output) for file in files]
    slides = [_inspect(file, section) for file in files]
    broken = [slide for slide in slides if slide.status == BROKEN]
    if len(broken) > MOST_BROKEN * len(slides) and broken[0].error is not None:
        raise broken[0].error
    slides = _smaller(slides, section)
    used = [slide for slide in slides if slide.status == USED]
    if not used:
        raise ModalityError(
            f"none of {len(slides)} slides can be used:"
            f" {first_few(slide.status for slide in slides)}",
            cause="slides without a person, without patches, or excluded",
            next_step=f"look at {section.slides}",
        )
    lengths = sorted({slide.features for slide in used})
    if len(lengths) > 1:
        usual = max(lengths, key=lambda length: sum(slide.features == length for slide in used))
        rare = [slide for slide in used if slide.features != usual]
        raise ModalityError(
            f"features of slides differ in length ({first_few(lengths)}): {len(rare)} slides differ"
            f" from the other {len(used) - len(rare)}:"
            f" {first_few(slide.file.slide for slide in rare)}",
            cause="slides processed by two networks",
            next_step="make all features by one network, or name these in `histology: exclude:`",
        )
    people: dict[str, list[Slide]] = {}
    for slide in used:
        people.setdefault(slide.file.participant, []).append(slide)
    bags = {
        person: _bag(person, person_slides, section) for person, person_slides in people.items()
    }
    slides = _counted(slides, people, bags)
    size = section.size
    write_rows(
        output / "patches.nc",
        PATCHES,
        "embedding",
        (len(people), size, lengths[0]),
        _coordinates(people, bags, section),
        _embeddings(people, bags, section, lengths[0]),
    )
    write_table(output / "slides.tsv", slide_table(slides))
    write_table(output / "attrition.tsv", _attrition(slides, people))
    summary = {
        "people": len(people),
        "slides": len(slides),
        "used_slides": len(used),
        "features": lengths[0],
        "bag": size,
        "notes": _notes(slides, people, section),
        "versions": versions("numpy", "h5py"),
    }
    write_json(output / "summary.json", summary)
    from gendmr.histology.figures import draw_slides

    draw_slides(output / "figures" / "quality.png", slides, size)
    if section.tiles is not None:
        _draw_tissue(output, slides)
    return summary


def _draw_tissue(output: Path, slides: Sequence[Slide]) -> None:
    """Draw slides with their tissue: first those without a tile, then those with fewest."""
    from gendmr.histology.tissue_figure import draw_pictures

    imaged = sorted((slide for slide in slides if slide.said), key=lambda slide: slide.patches)
    pictures = [(slide.file.slide, Path(slide.file.path).with_name(PICTURE)) for slide in imaged]
    draw_pictures(output / "figures" / "tissue.png", pictures)


def _inspect(file: SlideFile, section: HistologySection) -> Slide:
    if file.slide in section.exclude:
        return Slide(file, EXCLUDED, "histology.exclude")
    if not file.participant:
        return Slide(file, NOBODY, "the table names no person")
    description = None
    if section.tiles is not None:
        description = read_json(Path(file.path).with_name(DESCRIPTION))
        if "refused" in description:
            why = description["refused"]
            error = ModalityError(why["what"], cause=why["cause"], next_step=why["next"])
            return Slide(file, BROKEN, error.what, error=error, said=description)
    try:
        read = read_slide(file.path, section)
    except GendmrError as damage:
        return Slide(file, BROKEN, damage.what, error=damage, said=description)
    if not len(read):
        why = _why_empty(description) if description else "no patch"
        return Slide(file, EMPTY_SLIDE, why, features=read.features.shape[1], said=description)
    return Slide(
        file,
        USED,
        said=description,
        patches=len(read),
        features=read.features.shape[1],
        places=read.places,
        source=read.source,
        step=read.step,
    )


def _why_empty(description: Mapping[str, Any]) -> str:
    """Return why an image of a slide gave no tile."""
    pen = (
        f", {100 * description['pen_share']:.1f} % of the slide is pen"
        if description["pen_share"]
        else ""
    )
    if not description["tissue_mm2"]:
        return f"no tissue{pen}"
    return f"no tile of tissue: {description['tissue_mm2']:.2f} mm² on the slide{pen}"


def _smaller(slides: Sequence[Slide], section: HistologySection) -> list[Slide]:
    """Return slides with all but the largest of each person left out, where so configured."""
    if section.several == "pool":
        return list(slides)
    largest: dict[str, Slide] = {}
    for slide in slides:
        if slide.status == USED:
            best = largest.get(slide.file.participant)
            if best is None or slide.patches > best.patches:
                largest[slide.file.participant] = slide
    return [
        replace(
            slide,
            status=SMALLER,
            reason=f"{largest[slide.file.participant].file.slide} has more patches",
        )
        if slide.status == USED and largest[slide.file.participant] is not slide
        else slide
        for slide in slides
    ]


def _bag(person: str, slides: Sequence[Slide], section: HistologySection) -> Bag:
    if section.order == "grid" and slides[0].places is not None:
        return make_grid(slides[0].places, section.side, slides[0].step)
    return make_bag(sum(slide.patches for slide in slides), section.size, section.bag, person)


def _owner(slides: Sequence[Slide], bag: Bag) -> tuple[np.ndarray, np.ndarray]:
    """Return the slide (place,) of a bag and the patch in it, `EMPTY` where there is none."""
    first = np.cumsum([0, *(slide.patches for slide in slides)])
    owner = np.searchsorted(first, bag.patch, side="right") - 1
    inside = bag.patch != EMPTY
    owner = np.where(inside, owner, EMPTY)
    return owner, np.where(inside, bag.patch - first[np.maximum(owner, 0)], EMPTY)


def _counted(
    slides: Sequence[Slide], people: dict[str, list[Slide]], bags: dict[str, Bag]
) -> list[Slide]:
    """Return slides with the number of their patches that are in a bag, and the rule."""
    counts: dict[str, tuple[int, str]] = {}
    for person, person_slides in people.items():
        owner, patch = _owner(person_slides, bags[person])
        for number, slide in enumerate(person_slides):
            counts[slide.file.slide] = len(np.unique(patch[owner == number])), bags[person].rule
    return [
        replace(slide, used=counts[slide.file.slide][0], rule=counts[slide.file.slide][1])
        if slide.file.slide in counts
        else slide
        for slide in slides
    ]


def _coordinates(
    people: dict[str, list[Slide]], bags: dict[str, Bag], section: HistologySection
) -> dict[str, np.ndarray]:
    shape = (len(people), section.size)
    x, y = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    number, source = np.full(shape, EMPTY, np.int16), np.full(shape, EMPTY, np.int32)
    for row, (person, person_slides) in enumerate(people.items()):
        owner, patch = _owner(person_slides, bags[person])
        number[row] = owner
        for place, slide in enumerate(person_slides):
            inside = owner == place
            if slide.source is not None:
                source[row, inside] = slide.source[patch[inside]]
            if slide.places is not None:
                x[row, inside], y[row, inside] = slide.places[patch[inside]].T
    side = section.side
    names = [f"{place // side:02d}-{place % side:02d}" for place in range(section.size)]
    return {
        "participant": np.array(list(people), dtype=object),
        "patch": np.array(names, dtype=object),
        "x": x,
        "y": y,
        "slide": number,
        "source": source,
    }


def _embeddings(
    people: dict[str, list[Slide]], bags: dict[str, Bag], section: HistologySection, features: int
) -> Iterator[np.ndarray]:
    for person, person_slides in people.items():
        values = np.full((section.size, features), np.nan, dtype=np.float16)
        owner, patch = _owner(person_slides, bags[person])
        for number, slide in enumerate(person_slides):
            inside = owner == number
            if inside.any():
                read: SlideFeatures = read_slide(slide.file.path, section)
                values[inside] = read.features[patch[inside]]
        yield values


def slide_table(slides: Sequence[Slide]) -> pd.DataFrame:
    """Return one row per slide: what was found, what is used, by which rule, or why not."""
    return pd.DataFrame(
        {
            "participant_id": [slide.file.participant or MISSING for slide in slides],
            "slide_id": [slide.file.slide for slide in slides],
            "status": [slide.status for slide in slides],
            "reason": [slide.reason or MISSING for slide in slides],
            "patches": [slide.patches for slide in slides],
            "used": [slide.used for slide in slides],
            "rule": [slide.rule or MISSING for slide in slides],
            "features": [slide.features for slide in slides],
            "coordinates": [str(slide.places is not None) for slide in slides],
            "tissue_mm2": [_said(slide, "tissue_mm2") for slide in slides],
            "pen_share": [_said(slide, "pen_share") for slide in slides],
            "mpp": [_said(slide, "mpp") for slide in slides],
        }
    )


def _said(slide: Slide, name: str) -> Any:
    """Return what tiles.json tells of a slide, n/a where its features were made elsewhere."""
    return MISSING if slide.said is None else slide.said.get(name, MISSING)


def _attrition(slides: Sequence[Slide], people: dict[str, list[Slide]]) -> pd.DataFrame:
    unused = [slide for slide in slides if slide.status != USED]
    rows = [("slide", slide.file.slide, f"slide {slide.status}", slide.reason) for slide in unused]
    without: dict[str, str] = {}
    for slide in unused:
        if slide.file.participant and slide.file.participant not in people:
            without.setdefault(slide.file.participant, f"{slide.file.slide}: {slide.reason}")
    rows += [("participant", who, "no slide", f"no slides: {why}") for who, why in without.items()]
    return pd.DataFrame(
        [(kind, name, STAGE, step, why, MISSING, MISSING) for kind, name, step, why in rows],
        columns=["kind", "id", "stage", "step", "reason", "value", "threshold"],
        dtype=object,
    )


def _notes(
    slides: Sequence[Slide], people: dict[str, list[Slide]], section: HistologySection
) -> list[str]:
    notes = []
    for status, why in (
        (BROKEN, "cannot be read"),
        (EMPTY_SLIDE, "have no patch"),
        (EXCLUDED, "are left out by histology.exclude"),
        (NOBODY, "belong to nobody"),
        (SMALLER, "have fewer patches than another slide of the person and are not used"),
    ):
        names = [slide.file.slide for slide in slides if slide.status == status]
        if names:
            notes.append(f"{len(names)} of {len(slides)} slides {why}: {first_few(names)}.")
    notes += _notes_of_images([slide for slide in slides if slide.said], section)
    several = [person for person, person_slides in people.items() if len(person_slides) > 1]
    if several:
        notes.append(
            f"Several slides, which are one bag: {plural(len(several), 'person', 'people')}."
        )
    unplaced = [slide for slide in slides if slide.status == USED and slide.places is None]
    if unplaced:
        notes.append(
            f"{len(unplaced)} slides have no coordinates: their patches stay in the order of the"
            " file, which is perhaps not that of the tissue."
        )
    total = sum(slide.patches for slide in slides if slide.status == USED)
    notes.append(
        f"Bags of {section.size} patches ({section.bag}, {section.order}):"
        f" {sum(slide.used for slide in slides)} of {total} patches are used."
    )
    return notes


def _notes_of_images(slides: Sequence[Slide], section: HistologySection) -> list[str]:
    """Return notes on slides whose tiles were cut here."""
    if section.tiles is None or not slides:
        return []
    descriptions = {slide.file.slide: slide.said or {} for slide in slides}
    tiles, notes = section.tiles, []
    layer = f", layer {tiles.layer}" if tiles.layer else ""
    notes.append(
        f"Tiles of {tiles.size} x {tiles.size} pixels at {tiles.mpp:g} microns a pixel, described"
        f" by {tiles.backbone}{layer} with the weights {Path(tiles.weights).name}."
    )
    declared = [
        name for name, description in descriptions.items() if description.get("mpp_declared")
    ]
    if declared:
        notes.append(
            f"{len(declared)} slides do not tell their scale, which is taken as"
            f" {tiles.unknown_mpp:g} microns a pixel: {first_few(declared)}."
        )
    marked = [name for name, description in descriptions.items() if description.get("pen_share")]
    if marked:
        unused_tiles = sum(
            description.get("tiles_marked", 0) for description in descriptions.values()
        )
        notes.append(
            f"{len(marked)} slides have marks of a pen, or black edges: {first_few(marked)};"
            f" {unused_tiles} tiles under them are left out."
        )
    return notes
