"""Scores of genes averaged over their neighbourhoods: weights, tables, p-values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.ranking import RankingSection
from gendmr.ranking.levels import level_of
from gendmr.ranking.neighbours import FARTHEST, neighbour_weights
from gendmr.ranking.rank import rank_method

PLACES = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "X", None]), st.integers(1, 500_000), st.integers(0, 90_000)
    ),
    max_size=12,
)


def slow_weights(places: pd.DataFrame, reach: float) -> np.ndarray:
    """The same gene by gene."""
    genes = list(places.itertuples(index=False))
    weights = np.zeros((len(genes), len(genes)))
    for i, gene in enumerate(genes):
        for j, other in enumerate(genes):
            if i == j:
                weights[i, j] = 1.0
            elif gene.chromosome is not None and gene.chromosome == other.chromosome:
                first, second = sorted([gene, other], key=lambda place: place.start)
                apart = max(0.0, second.start - max(first.end, first.start))
                if apart <= FARTHEST * reach:
                    weights[i, j] = math.exp(-apart / reach)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)


@settings(max_examples=100)
@given(places=PLACES, reach=st.sampled_from([1_000.0, 30_000.0, 1e6]))
def test_weights_against_a_loop(places: list[tuple[str | None, int, int]], reach: float) -> None:
    table = pd.DataFrame(
        [
            (chromosome, start, start + length) if chromosome else (None, np.nan, np.nan)
            for chromosome, start, length in places
        ],
        columns=["chromosome", "start", "end"],
    )
    weights = neighbour_weights(table, reach).toarray()
    assert np.allclose(weights, slow_weights(table, reach))
    assert np.allclose(weights.sum(axis=1), 1.0)


def ranked(folder: Path, arguments: dict[str, Any], **options: Any) -> pd.DataFrame:
    rank_method(method="toy", options=RankingSection.parse(options), output=folder, **arguments)
    return pd.read_csv(folder / "genes.tsv", sep="\t", dtype={"chromosome": str})


def test_a_gene_beside_the_planted_one_shares_its_score(
    tmp_path: Path, make_written: Callable[..., dict[str, Any]]
) -> None:
    arguments = make_written(tmp_path / "study", chunks=1, draws=99)
    own = ranked(tmp_path / "own", arguments).set_index("gene")
    near = ranked(tmp_path / "near", arguments, neighbours_kb=200).set_index("gene")
    genes = own.index
    weights = neighbour_weights(own[["chromosome", "start", "end"]].reset_index(), 200_000)
    assert near.loc[genes, "score"].to_numpy() == pytest.approx(weights @ own["score"].to_numpy())
    # G1 lies 380 kb from the planted gene, on its chromosome; the third does not reach so far.
    assert own.loc["G1", "p"] > 0.05 >= near.loc["G1", "p"]
    assert near.loc["G1", "rank"] < own.loc["G1", "rank"]
    blocks = [
        pd.read_csv(tmp_path / name / "blocks.tsv", sep="\t").set_index("block")
        for name in ("own", "near")
    ]
    assert blocks[0]["score"].equals(blocks[1].loc[blocks[0].index, "score"])
    notes = [
        [note for note in json.loads(
            (tmp_path / name / "summary.json").read_text())["notes"] if "neighbours_kb" in note]
        for name in ("own", "near")
    ]  # fmt: skip
    assert not notes[0] and len(notes[1]) == 1 and "neighbours_kb: 200" in notes[1][0]


def test_permutations_are_averaged_as_folds_are(
    tmp_path: Path, make_written: Callable[..., dict[str, Any]]
) -> None:
    arguments = make_written(tmp_path, region=False)
    cohort, genes = arguments["cohort"], arguments["genes"]
    grouped = {}
    for reach in (0, 500):
        options = RankingSection.parse({"neighbours_kb": reach})
        level = level_of("snp").read(cohort, "snp", options, genes)
        columns = np.arange(len(level.names))
        level.group(columns, columns)
        by_snp = np.random.default_rng(1).random((7, len(columns)))
        grouped[reach] = level.aggregate(by_snp)
    places = pd.read_csv(genes, sep="\t", dtype={"chromosome": str}).sort_values("gene")
    weights = slow_weights(places[["chromosome", "start", "end"]], 500_000)
    assert np.allclose(grouped[500]["genes"], grouped[0]["genes"] @ weights.T)
    for name in ("blocks", "snps"):
        assert np.array_equal(grouped[500][name], grouped[0][name])
