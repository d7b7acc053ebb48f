"""One input set in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from gendmr.genotypes.filesets import Fileset


@dataclass
class Loaded:
    """One input set with its people and variants in memory.

    Attributes
    ----------
    fileset : Fileset
        The files read: those of the input, or what it was converted to.
    fam, bim : DataFrame
        `read_fam` and `read_bim`. A person who is in another set too has an IID of its own here,
        and positions of another build are lifted.
    source : str
        As the configuration names it.
    label : str
        Short name, unlike those of the other sets.
    build : dict
        What the check of the build found.
    rewritten : bool
        `bim` is not the file: it was lifted, or names or alleles were tidied.
    """

    fileset: Fileset
    fam: pd.DataFrame
    bim: pd.DataFrame
    source: str = ""
    label: str = ""
    build: dict[str, Any] = field(default_factory=dict)
    rewritten: bool = False
