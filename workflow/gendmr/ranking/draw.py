"""All figures of one method's ranking, from its files: nothing is computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.ranking import FiguresSection
from gendmr.errors import RankingError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.ranking.figures import draw_brain, draw_genome, draw_qq, draw_stability, read_atlas

NILEARN = "MNI152NLin2009aSym"
RANKED = ("rank", "rank_median", "rank_low", "rank_high", "stability", "score", "z", "p_fwer", "q")


def draw_ranking(
    ranking: Path, cohort: Path, options: FiguresSection, *, template: Path | None = None
) -> None:
    """Draw the genome, the quantiles of p, the stability of ranks and the brain.

    Parameters
    ----------
    ranking : Path
        `ranking/<method>` with genes.tsv, regions.tsv, snps.tsv, null.nc and summary.json; receives
        figures/.
    cohort : Path
        Folder with region.nc in a study with images: where regions are.
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
    genes = _read(ranking / "genes.tsv", ("gene", "chromosome", "block"), ("start", "end", *RANKED))
    regions = _read(ranking / "regions.tsv", ("region", "hemisphere", "direction"), RANKED)
    snps = _read(ranking / "snps.tsv", ("snp", "chromosome", "gene"), ("position", "score"))
    null = read_dataset(ranking / "null.nc", "null_ranking")["z_gene"].values
    summary = read_json(ranking / "summary.json")
    figures = ranking / "figures"
    line = summary["null"]["line"]
    draw_genome(genes, snps, options.label, figures / "genome.png", line=line)
    draw_qq(genes["z"].to_numpy(dtype="float64"), null, figures / "qq.png")
    short = (summary["genes"]["top_k"], summary["regions"]["top_k"])
    draw_stability(genes, regions, short, figures / "stability.png")
    draw_brain(
        regions,
        _centroids(regions, cohort / "region.nc"),
        figures / "brain.png",
        atlas=read_atlas(template, regions) if template and len(regions) else None,
        template=_template(template),
        line=summary["null"]["line_regions"],
    )


def _read(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    kinds: dict[str, Kind] = {**dict.fromkeys(texts, "text"), **dict.fromkeys(numbers, "number")}
    table = read_table(path, kinds, extra=True)[list(kinds)]
    return table.replace(dict.fromkeys(texts, MISSING), np.nan)


def _centroids(regions: pd.DataFrame, path: Path) -> np.ndarray:
    """Return the places of regions (region, 3) in mm of template space, in the table's order."""
    if regions.empty:
        return np.zeros((0, 3))
    stored = read_dataset(path, "region")
    names = zip(stored["region"].values, stored["hemisphere"].values, strict=True)
    row = {name: number for number, name in enumerate(names)}
    wanted = list(zip(regions["region"], regions["hemisphere"], strict=True))
    if strange := [name for name, side in wanted if (name, side) not in row]:
        raise RankingError(
            f"{path} lacks {len(strange)} regions of the ranking: {first_few(strange)}",
            cause="the ranking is of another cohort",
            next_step="run the stage ranking again",
        )
    places = np.column_stack([stored[axis].values for axis in "xyz"])
    found: np.ndarray = places[[row[name] for name in wanted]]
    return found


def _template(folder: Path | None) -> Path | None:
    """Return the template of a study, or None for that which nilearn holds in finer detail."""
    if folder is None or read_json(folder / "template.json")["space"] == NILEARN:
        return None
    return folder / "t1.nii.gz"
