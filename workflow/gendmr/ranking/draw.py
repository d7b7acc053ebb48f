"""All figures of one method's ranking, from its files: nothing is computed anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.ranking import FiguresSection
from gendmr.errors import RankingError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.modalities.store import read_modality
from gendmr.ranking.figures import (
    TablePanel,
    draw_brain,
    draw_edges,
    draw_genome,
    draw_networks,
    draw_qq,
    draw_stability,
    draw_voxels,
    read_atlas,
)
from gendmr.ranking.levels import level_of
from gendmr.ranking.tables import null_ranking_schema

NILEARN = "MNI152NLin2009aSym"
RANKED = ("rank", "rank_median", "rank_low", "rank_high", "stability", "score", "z", "p_fwer", "q")


def draw_ranking(
    ranking: Path, cohort: Path, options: FiguresSection, *, template: Path | None = None
) -> None:
    """Draw what the tables of a ranking allow: `gendmr.ranking.catalogue.figures_of`.

    The genome and the quantiles of p need genes, the brain regions, the matrix of networks edges;
    the stability of ranks is drawn of all tables in which folds are compared.

    Parameters
    ----------
    ranking : Path
        `ranking/<method>` with its tables, null.nc and summary.json; receives figures/.
    cohort : Path
        Folder with region.nc where regions are ranked: where regions are.
    options : FiguresSection
        The section `ranking.figures`.
    template : Path, optional
        `imaging/template`: atlas and template to paint regions on.

    Raises
    ------
    InputFileError, TableError, ModalityError
        A file of the ranking is missing or damaged.
    RankingError, AtlasError
        A region of the ranking is not in the cohort or in the atlas.
    """
    summary = read_json(ranking / "summary.json")
    tables = {table for table_names in summary["modalities"].values() for table in table_names}
    threshold = summary["null"]["family_wise_threshold"]
    figures = ranking / "figures"
    if "genes" in tables:
        names = ("gene", "chromosome", "block")
        genes = _read(ranking / "genes.tsv", names, ("start", "end", *RANKED))
        snps = _read(ranking / "snps.tsv", ("snp", "chromosome", "gene"), ("position", "score"))
        null = read_dataset(ranking / "null.nc", null_ranking_schema())["z_gene"].values
        draw_genome(genes, snps, options.label, figures / "genome.png", line=threshold["genes"])
        draw_qq(genes["z"].to_numpy(dtype="float64"), null, figures / "qq.png")
    if "regions" in tables:
        regions = _read(ranking / "regions.tsv", ("region", "hemisphere", "direction"), RANKED)
        draw_brain(
            regions,
            _centroids(regions, cohort / "region.nc"),
            figures / "brain.png",
            atlas=read_atlas(template, regions) if template and len(regions) else None,
            template=_template(template),
            line=threshold["regions"],
        )
    if "network_pairs" in tables:
        ends = ("edge", "first", "second", "first_domain", "second_domain", "direction")
        edges = _read(ranking / "edges.tsv", ends, RANKED)
        draw_networks(
            _read(ranking / "network_pairs.tsv", ("network_pair",), RANKED),
            edges,
            figures / "networks.png",
        )
        draw_edges(edges, _places(edges, cohort / "edge.nc"), figures / "connections.png")
    if "volume_regions" in tables:
        # The column z of a ranking is a score over its null: the place of a voxel is `volume_z`.
        places = ("x", "y", "volume_z", "score")
        voxels = _read(ranking / "volumes.tsv", ("volume", "direction"), places)
        draw_voxels(voxels.rename(columns={"volume_z": "z"}), figures / "voxels.png")
    draw_stability(
        [
            TablePanel(
                key,
                _read(ranking / f"{name}.tsv", names, RANKED),
                summary[name]["top_k"],
                **summary["spread"],
            )
            for name, key, names in _compared(summary)
        ],
        figures / "stability.png",
    )


def _compared(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Give table, key and columns of text of the tables in which folds are compared."""
    for modality, tables in summary["modalities"].items():
        keys = level_of(modality).keys_of(modality)
        for name, key in zip(tables, keys, strict=False):
            if name in summary:
                yield name, key, (key, "hemisphere") if name == "regions" else (key,)


def _read(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    kinds: dict[str, Kind] = {**dict.fromkeys(texts, "text"), **dict.fromkeys(numbers, "number")}
    table = read_table(path, kinds, extra=True)[list(kinds)]
    return table.replace(dict.fromkeys(texts, MISSING), np.nan)


def _centroids(regions: pd.DataFrame, path: Path) -> np.ndarray:
    """Return the places of regions (region, 3) in mm of template space, in the table's order."""
    if regions.empty:
        return np.zeros((0, 3))
    stored = read_modality(path, "region")
    names = zip(stored["region"].values, stored["hemisphere"].values, strict=True)
    row = {name: number for number, name in enumerate(names)}
    keys = list(zip(regions["region"], regions["hemisphere"], strict=True))
    if unknown := [name for name, side in keys if (name, side) not in row]:
        raise RankingError(
            f"{path} lacks {len(unknown)} regions of the ranking: {first_few(unknown)}",
            cause="the ranking is of another cohort",
            next_step="run the stage ranking again",
        )
    places = np.column_stack([stored[axis].values for axis in "xyz"])
    return np.asarray(places[[row[name] for name in keys]])


def _places(edges: pd.DataFrame, path: Path) -> dict[str, np.ndarray]:
    """Return the place of each region that an edge joins, mm; NaN where it is not known."""
    if edges.empty:
        return {}
    stored = read_modality(path, "edge")
    places: dict[str, np.ndarray] = {}
    for end in ("first", "second"):
        at = np.column_stack([stored[f"{end}_{axis}"].values for axis in "xyz"])
        places |= dict(zip(stored[end].values.tolist(), at, strict=True))
    return places


def _template(folder: Path | None) -> Path | None:
    """Return the template of a study, or None for that which nilearn holds in finer detail."""
    if folder is None or read_json(folder / "template.json")["space"] == NILEARN:
        return None
    return folder / "t1.nii.gz"
