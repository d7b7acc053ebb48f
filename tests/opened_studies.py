"""A finished study with made-up numbers, for what reads results: notebooks and their pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.files.datasets import write_dataset
from gendmr.files.tables import read_table
from gendmr.modalities.store import attributions_schema
from report.studies import REGIONS, draw, make_study, report_study, write_tsv

METHOD = "gendmr"


def make_opened_study(results: Path) -> Path:
    """Make `results/mine` with a report and, for one method, attributions of regions.

    The value of a region is its place times that of the person in the fold.
    """
    make_study(results)
    for fold in (results / "training" / METHOD).glob("repeat-*/fold-*"):
        rows = read_table(fold / "predictions.tsv", {"participant_id": "text"}, extra=True)
        people = rows["participant_id"].to_numpy(dtype=object)
        value = np.outer(np.arange(len(people)), np.arange(len(REGIONS))).astype(np.float32)
        attributions = xr.Dataset(
            {
                "value_region": (("participant", "region"), value),
                "baseline_region": (("participant",), np.zeros(len(people), dtype=np.float32)),
            },
            coords={"participant": people, "region": np.array(REGIONS, dtype=object)},
        )
        write_dataset(fold / "attributions.nc", attributions, attributions_schema())
    compared = {"gene": ["APOE"], "methods": [2], "gendmr:rank": [1], "ridge:rank": [60]}
    draw(results / "genotypes" / "figures" / "maf.png", "frequencies")
    report_study(results)
    # Written last: the report reads more of a comparison than this.
    write_tsv(results / "ranking" / "comparison.tsv", pd.DataFrame(compared))
    return results
