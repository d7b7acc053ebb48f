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
    broken = [one for one in slides if one.status == BROKEN]
    if len(broken) > MOST_BROKEN * len(slides) and broken[0].error is not None:
        raise broken[0].error
    slides = _smaller(slides, section)
    used = [one for one in slides if one.status == USED]
    if not used:
        raise ModalityError(
            f"none of {len(slides)} slides can be used: {first_few(one.status for one in slides)}",
            cause="slides without a person, without patches, or excluded",
            next_step=f"look at {section.slides}",
        )
    lengths = sorted({one.features for one in used})
    if len(lengths) > 1:
        usual = max(lengths, key=lambda length: sum(one.features == length for one in used))
        rare = [one for one in used if one.features != usual]
        raise ModalityError(
            f"features of slides differ in length ({first_few(lengths)}): {len(rare)} slides differ"
            f" from the other {len(used) - len(rare)}: {first_few(one.file.slide for one in rare)}",
            cause="slides processed by two networks",
            next_step="make all features by one network, or name these in `histology: exclude:`",
        )
    people: dict[str, list[Slide]] = {}
    for one in used:
        people.setdefault(one.file.participant, []).append(one)
    bags = {person: _bag(person, own, section) for person, own in people.items()}
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

    seen = sorted((one for one in slides if one.said), key=lambda one: one.patches)
    pictures = [(one.file.slide, Path(one.file.path).with_name(PICTURE)) for one in seen]
    draw_pictures(output / "figures" / "tissue.png", pictures)


def _inspect(file: SlideFile, section: HistologySection) -> Slide:
    if file.slide in section.exclude:
        return Slide(file, EXCLUDED, "histology.exclude")
    if not file.participant:
        return Slide(file, NOBODY, "the table names no person")
    said = None
    if section.tiles is not None:
        said = read_json(Path(file.path).with_name(DESCRIPTION))
        if "refused" in said:
            why = said["refused"]
            error = ModalityError(why["what"], cause=why["cause"], next_step=why["next"])
            return Slide(file, BROKEN, error.what, error=error, said=said)
    try:
        read = read_slide(file.path, section)
    except GendmrError as damage:
        return Slide(file, BROKEN, damage.what, error=damage, said=said)
    if not len(read):
        why = _why_empty(said) if said else "no patch"
        return Slide(file, EMPTY_SLIDE, why, features=read.features.shape[1], said=said)
    return Slide(
        file,
        USED,
        said=said,
        patches=len(read),
        features=read.features.shape[1],
        places=read.places,
        source=read.source,
        step=read.step,
    )


def _why_empty(said: Mapping[str, Any]) -> str:
    """Return why an image of a slide gave no tile."""
    pen = f", {100 * said['pen_share']:.1f} % of the slide is pen" if said["pen_share"] else ""
    if not said["tissue_mm2"]:
        return f"no tissue{pen}"
    return f"no tile of tissue: {said['tissue_mm2']:.2f} mm² on the slide{pen}"


def _smaller(slides: Sequence[Slide], section: HistologySection) -> list[Slide]:
    """Return slides with all but the largest of each person left out, where so configured."""
    if section.several == "pool":
        return list(slides)
    largest: dict[str, Slide] = {}
    for one in slides:
        if one.status == USED:
            best = largest.get(one.file.participant)
            if best is None or one.patches > best.patches:
                largest[one.file.participant] = one
    return [
        replace(
            one,
            status=SMALLER,
            reason=f"{largest[one.file.participant].file.slide} has more patches",
        )
        if one.status == USED and largest[one.file.participant] is not one
        else one
        for one in slides
    ]


def _bag(person: str, own: Sequence[Slide], section: HistologySection) -> Bag:
    if section.order == "grid" and own[0].places is not None:
        return make_grid(own[0].places, section.side, own[0].step)
    return make_bag(sum(one.patches for one in own), section.size, section.bag, person)


def _owner(own: Sequence[Slide], bag: Bag) -> tuple[np.ndarray, np.ndarray]:
    """Return the slide (place,) of a bag and the patch in it, `EMPTY` where there is none."""
    first = np.cumsum([0, *(one.patches for one in own)])
    slide = np.searchsorted(first, bag.patch, side="right") - 1
    inside = bag.patch != EMPTY
    slide = np.where(inside, slide, EMPTY)
    return slide, np.where(inside, bag.patch - first[np.maximum(slide, 0)], EMPTY)


def _counted(
    slides: Sequence[Slide], people: dict[str, list[Slide]], bags: dict[str, Bag]
) -> list[Slide]:
    """Return slides with the number of their patches that are in a bag, and the rule."""
    counts: dict[str, tuple[int, str]] = {}
    for person, own in people.items():
        slide, patch = _owner(own, bags[person])
        for number, one in enumerate(own):
            counts[one.file.slide] = len(np.unique(patch[slide == number])), bags[person].rule
    return [
        replace(one, used=counts[one.file.slide][0], rule=counts[one.file.slide][1])
        if one.file.slide in counts
        else one
        for one in slides
    ]


def _coordinates(
    people: dict[str, list[Slide]], bags: dict[str, Bag], section: HistologySection
) -> dict[str, np.ndarray]:
    shape = (len(people), section.size)
    x, y = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    number, source = np.full(shape, EMPTY, np.int16), np.full(shape, EMPTY, np.int32)
    for row, (person, own) in enumerate(people.items()):
        slide, patch = _owner(own, bags[person])
        number[row] = slide
        for place, one in enumerate(own):
            inside = slide == place
            if one.source is not None:
                source[row, inside] = one.source[patch[inside]]
            if one.places is not None:
                x[row, inside], y[row, inside] = one.places[patch[inside]].T
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
    for person, own in people.items():
        values = np.full((section.size, features), np.nan, dtype=np.float16)
        slide, patch = _owner(own, bags[person])
        for number, one in enumerate(own):
            inside = slide == number
            if inside.any():
                read: SlideFeatures = read_slide(one.file.path, section)
                values[inside] = read.features[patch[inside]]
        yield values


def slide_table(slides: Sequence[Slide]) -> pd.DataFrame:
    """Return one row per slide: what was found, what is used, by which rule, or why not."""
    return pd.DataFrame(
        {
            "participant_id": [one.file.participant or MISSING for one in slides],
            "slide_id": [one.file.slide for one in slides],
            "status": [one.status for one in slides],
            "reason": [one.reason or MISSING for one in slides],
            "patches": [one.patches for one in slides],
            "used": [one.used for one in slides],
            "rule": [one.rule or MISSING for one in slides],
            "features": [one.features for one in slides],
            "coordinates": [str(one.places is not None) for one in slides],
            "tissue_mm2": [_said(one, "tissue_mm2") for one in slides],
            "pen_share": [_said(one, "pen_share") for one in slides],
            "mpp": [_said(one, "mpp") for one in slides],
        }
    )


def _said(slide: Slide, name: str) -> Any:
    """Return what tiles.json tells of a slide, n/a where its features were made elsewhere."""
    return MISSING if slide.said is None else slide.said.get(name, MISSING)


def _attrition(slides: Sequence[Slide], people: dict[str, list[Slide]]) -> pd.DataFrame:
    left = [one for one in slides if one.status != USED]
    rows = [("slide", one.file.slide, f"slide {one.status}", one.reason) for one in left]
    without: dict[str, str] = {}
    for one in left:
        if one.file.participant and one.file.participant not in people:
            without.setdefault(one.file.participant, f"{one.file.slide}: {one.reason}")
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
        names = [one.file.slide for one in slides if one.status == status]
        if names:
            notes.append(f"{len(names)} of {len(slides)} slides {why}: {first_few(names)}.")
    notes += _notes_of_images([one for one in slides if one.said], section)
    several = [person for person, own in people.items() if len(own) > 1]
    if several:
        notes.append(
            f"Several slides, which are one bag: {plural(len(several), 'person', 'people')}."
        )
    unplaced = [one for one in slides if one.status == USED and one.places is None]
    if unplaced:
        notes.append(
            f"{len(unplaced)} slides have no coordinates: their patches stay in the order of the"
            " file, which is perhaps not that of the tissue."
        )
    total = sum(one.patches for one in slides if one.status == USED)
    notes.append(
        f"Bags of {section.size} patches ({section.bag}, {section.order}):"
        f" {sum(one.used for one in slides)} of {total} patches are used."
    )
    return notes


def _notes_of_images(slides: Sequence[Slide], section: HistologySection) -> list[str]:
    """Return notes on slides whose tiles were cut here."""
    if section.tiles is None or not slides:
        return []
    said = {one.file.slide: one.said or {} for one in slides}
    tiles, notes = section.tiles, []
    layer = f", layer {tiles.layer}" if tiles.layer else ""
    notes.append(
        f"Tiles of {tiles.size} x {tiles.size} pixels at {tiles.mpp:g} microns a pixel, described"
        f" by {tiles.backbone}{layer} with the weights {Path(tiles.weights).name}."
    )
    declared = [name for name, one in said.items() if one.get("mpp_declared")]
    if declared:
        notes.append(
            f"{len(declared)} slides do not tell their scale, which is taken as"
            f" {tiles.unknown_mpp:g} microns a pixel: {first_few(declared)}."
        )
    marked = [name for name, one in said.items() if one.get("pen_share")]
    if marked:
        left = sum(one.get("tiles_marked", 0) for one in said.values())
        notes.append(
            f"{len(marked)} slides have marks of a pen, or black edges: {first_few(marked)}; {left}"
            " tiles under them are left out."
        )
    return notes
