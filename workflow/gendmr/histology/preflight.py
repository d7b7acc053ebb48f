"""What can be said of slides before their features are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gendmr.config.histology import HistologySection, TilesSection
from gendmr.errors import InputFileError, first_few
from gendmr.histology.slides import find_slides


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield the check of the table of slides, and of the backbone where slides are images.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `histology` is among them.
    """
    histology = HistologySection.parse(dict(stages["histology"]), where="histology")
    yield partial(check_slides, histology)
    if histology.tiles is not None:
        yield partial(check_backbone, histology.tiles)


def check_slides(histology: HistologySection) -> None:
    """Refuse a table none of whose files is there: a few are for the stage to list.

    Raises
    ------
    InputFileError, TableError, IdentifierError
        See `find_slides`; or no file is there.
    """
    paths = [slide.path for slide in find_slides(histology)]
    if not any(Path(path).is_file() for path in paths):
        raise InputFileError(
            f"{histology.slides}: none of the files of {len(paths)} slides is there:"
            f" {first_few(paths)}",
            cause="another folder, or a disk that is not mounted",
            next_step="correct `histology: folder:`, or the column `file`",
        )


def check_backbone(tiles: TilesSection) -> None:
    """Refuse weights that do not fit the backbone, and tiles that it does not read.

    Nothing is checked where torch is missing, because the first rule of a study runs in the
    environment of the cohort (`--sdm conda`); the job of each slide checks the weights as well.

    Raises
    ------
    ConfigurationError, InputFileError, ModelError
        See `gendmr.histology.backbone.check_weights`.
    """
    if find_spec("torch") is None:
        return
    from gendmr.histology.backbone import check_weights

    check_weights(tiles)
