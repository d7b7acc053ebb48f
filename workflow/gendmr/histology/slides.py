"""Whose slides there are and where their features lie; nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gendmr.config.histology import HistologySection
from gendmr.errors import IdentifierError, InputFileError, TableError, first_few
from gendmr.files.identifiers import refuse_unsafe
from gendmr.files.tables import MISSING, Kind, read_table

# Where the files of a slide lie that is an image, in a folder of its own.
FOLDER, FEATURES, DESCRIPTION, PICTURE = "slides", "features.h5", "tiles.json", "tissue.png"
COLUMNS: dict[str, Kind] = {"participant_id": "text", "slide_id": "text"}


@dataclass(frozen=True)
class SlideFile:
    """One row of the table of slides.

    Parameters
    ----------
    participant : str
        Empty where the table has none.
    slide, path : str
    """

    participant: str
    slide: str
    path: str


def find_slides(section: HistologySection) -> list[SlideFile]:
    """Return the slides of the table, sorted by person and slide.

    Raises
    ------
    InputFileError
        The table is missing or empty, or an excluded slide is not in it.
    TableError
        A column is missing, or nothing says where a file lies.
    IdentifierError
        A slide or a file stands twice, perhaps for two people, or an identifier could be taken for
        something else.
    """
    where = section.slides
    table = read_table(where, COLUMNS, optional={"file": "text"}, extra=True)
    if table.empty:
        raise InputFileError(f"{where}: no slide", next_step="list one slide in each row")
    if "file" not in table and section.tiles is not None:
        raise TableError(
            f"{where}: no column `file`, which names the image of each slide",
            next_step="add a column `file`: paths of images, relative to the table",
        )
    if "file" not in table and section.folder is None:
        raise TableError(
            f"{where}: no column `file`, and no `histology: folder:`",
            cause="a table that names slides alone",
            next_step="add a column `file`, or set `histology: folder:`",
        )
    slides = []
    for row in table.to_dict("records"):
        slide, file = str(row["slide_id"]), str(row.get("file", MISSING))
        if file not in ("", MISSING):
            path = str(Path(where).parent / file)
        elif section.folder is not None:
            path = str(Path(section.folder) / f"{slide}.h5")
        else:
            raise TableError(
                f"{where}: the slide {slide!r} has no file, and there is no `histology: folder:`",
                next_step="fill the column `file`"
                + (", or set `histology: folder:`" if section.tiles is None else ""),
            )
        person = str(row["participant_id"])
        person = "" if person in ("", MISSING) else person.removeprefix("sub-")
        slides.append(SlideFile(person, slide, path))
    _refuse_twice(slides, where)
    refuse_unsafe(
        [slide_file.slide for slide_file in slides], f"{where}, slide_id", "rename these slides"
    )
    people = sorted({slide_file.participant for slide_file in slides if slide_file.participant})
    refuse_unsafe(people, f"{where}, participant_id", "rename these people")
    unknown = sorted(set(section.exclude) - {slide_file.slide for slide_file in slides})
    if unknown:
        raise InputFileError(
            f"histology.exclude names {len(unknown)} slides that are not in {where}:"
            f" {first_few(unknown)}",
            cause="a misspelt slide_id",
            next_step=f"slides there: {first_few(one.slide for one in slides)}",
        )
    return sorted(slides, key=lambda slide_file: (slide_file.participant, slide_file.slide))


def extracted(slide: SlideFile, stage: Path) -> SlideFile:
    """Return a slide that is an image with the path of the features that are made of it.

    Parameters
    ----------
    slide : SlideFile
    stage : Path
        The stage's folder.
    """
    return replace(slide, path=str(stage / FOLDER / slide.slide / FEATURES))


def _refuse_twice(slides: list[SlideFile], where: str) -> None:
    for attribute in ("slide", "path"):
        first: dict[str, SlideFile] = {}
        twice = []
        for slide_file in slides:
            name = str(getattr(slide_file, attribute))
            if name in first:
                twice.append((first[name], slide_file))
            first.setdefault(name, slide_file)
        if not twice:
            continue
        people = [{a.participant, b.participant} for a, b in twice]
        shared = [pair for pair, who in zip(twice, people, strict=True) if len(who) > 1]
        named = [
            f"{getattr(a, attribute)} ({a.participant or 'nobody'} and {b.participant or 'nobody'})"
            for a, b in shared or twice
        ]
        raise IdentifierError(
            f"{where}: {len(named)} {'slides' if attribute == 'slide' else 'files'} stand"
            f" {'for two people' if shared else 'twice'}: {first_few(named)}",
            cause="rows that were pasted twice, or a slide_id that is no name of one slide",
            next_step="leave one row for each slide, of the person whose tissue it is",
        )
