"""GenDMR: imaging-genetics workflow, from PLINK files and T1-weighted MRIs to ranked genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from gendmr.notebook import OpenedStudy

__version__ = "0.3.0"


def open(results: str | PathLike[str]) -> OpenedStudy:
    """Open the results of a study in a notebook.

    Parameters
    ----------
    results : path
        The folder `results/<study>`, of a study that is finished or still runs.

    Returns
    -------
    OpenedStudy
        Reads tables, attributions and figures when they are asked for; writes nothing.

    Raises
    ------
    InputFileError
        The folder holds no results of a study.

    Examples
    --------
    >>> import gendmr
    >>> study = gendmr.open("results/mine")
    >>> study.methods
    ['gendmr', 'ridge', 'ridge-covariates', 'ridge-region', 'ridge-snp']
    """
    from importlib import import_module
    from pathlib import Path

    # By name: what every job imports must not import what reads results.
    study: OpenedStudy = import_module("gendmr.notebook").OpenedStudy(Path(results))
    return study
