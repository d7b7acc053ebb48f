"""Planted genes that lie side by side, with causal SNPs where transcription starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.simulate.cohort import simulate_cohort
from gendmr.simulate.placement import causal_row, genes_to_plant, transcription_starts
from gendmr.simulate.reference import read_genes
from remedies import mended


def clustered(**changes: Any) -> SimulateSection:
    return SimulateSection.parse({"planted_where": "clustered", **changes})


def test_clustered_genes_are_neighbours_of_the_first_candidate(tables: tuple[Path, Path]) -> None:
    genes = read_genes(tables[0], 300, 12)
    chosen = genes_to_plant(clustered(), genes)
    assert chosen[0] == "APOE" and len(set(chosen)) == 12
    in_order = genes[genes["chromosome"] == "19"].sort_values("start")["symbol"].tolist()
    places = sorted(in_order.index(gene) for gene in chosen)
    assert places == list(range(places[0], places[0] + 12))
    assert genes_to_plant(SimulateSection.parse({}), genes) == genes["symbol"].tolist()[:12]


def test_the_causal_snp_is_the_common_one_nearest_to_the_start() -> None:
    genes = pd.DataFrame(
        {"symbol": ["A", "B"], "start": [100, 900], "end": [500, 1400], "strand": ["+", "-"]}
    )
    variants = pd.DataFrame(
        {
            "gene": ["A", "A", "A", "B", "B", "B"],
            "position": [110, 130, 300, 950, 1100, 1390],
            "inside": True,
        }
    )
    frequency = np.array([0.05, 0.2, 0.3, 0.3, 0.3, 0.2])
    starts = transcription_starts(genes)
    rows = [causal_row(clustered(), gene, variants, frequency, starts) for gene in "AB"]
    assert rows == [1, 5]
    anywhere = SimulateSection.parse({})
    rows = [causal_row(anywhere, gene, variants, frequency, starts) for gene in "AB"]
    assert rows == [2, 3]


def test_a_clustered_cohort_has_its_truth_on_one_chromosome(
    tmp_path: Path, tables: tuple[Path, Path]
) -> None:
    section = clustered(
        people=80, images=8, genes=90, planted=4, background_snps=100, x_chromosome=False
    )
    simulate_cohort(*tables, section, 5, tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert {gene["chromosome"] for gene in truth["genes"]} == {"19"}
    positions = [gene["position"] for gene in truth["genes"]]
    assert max(positions) - min(positions) < 30_000_000


def test_dense_genes_are_listed_where_they_were_moved(
    tmp_path: Path, tables: tuple[Path, Path]
) -> None:
    section = clustered(
        people=80, images=8, genes=90, planted=4, gene_gap=20_000, background_snps=100,
        x_chromosome=False,
    )  # fmt: skip
    simulate_cohort(*tables, section, 5, tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text())
    names = ["entrez", "chromosome", "start", "end", "strand", "symbol"]
    listed = pd.read_csv(tmp_path / "genes.gene.loc", sep="\t", names=names).set_index("symbol")
    for gene in truth["genes"]:
        place = listed.loc[gene["gene"]]
        assert place["start"] - 10_000 <= gene["position"] <= place["end"] + 10_000
    positions = [gene["position"] for gene in truth["genes"]]
    assert max(positions) - min(positions) < 1_000_000


def test_a_chromosome_with_too_few_genes_is_refused(tables: tuple[Path, Path]) -> None:
    for change in ({"genes": 300}, {"planted": 2}, {"planted_where": "anywhere"}):
        options: dict[str, Any] = {"genes": 20, "planted": 12}

        def choose(options: dict[str, Any] = options) -> None:
            section = clustered(**options)
            genes_to_plant(section, read_genes(tables[0], section.genes, section.planted))

        words = "raise simulate.genes, lower simulate.planted, or set"
        with mended("simulate/placement.py", words, ConfigurationError, choose) as refused:
            assert "12 neighbouring genes are to be planted, and chromosome 19" in refused.what
            options.update(change)
