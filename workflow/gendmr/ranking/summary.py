"""summary.json of a ranking: counts, the null, agreement between folds, bias, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gendmr.config.ranking import RankingSection
from gendmr.modalities import modality_of
from gendmr.ranking import scores
from gendmr.ranking.bias import Bias
from gendmr.ranking.seed_agreement import SeedAgreement
from gendmr.ranking.significance import LEVEL
from gendmr.ranking.tables import RankedTable
from gendmr.training.readout import EVIDENCE

# Names of first rows in summary.json.
LISTED = 12
FEW_PERMUTATIONS = 99


def summarise(
    method: str,
    tables: Mapping[str, RankedTable],
    modalities: Mapping[str, Sequence[str]],
    *,
    permutations: int,
    bias: Sequence[Bias],
    seeds: Mapping[str, SeedAgreement],
    notes: Sequence[str],
    repeat: np.ndarray,
    options: RankingSection,
) -> dict[str, Any]:
    """Return summary.json.

    Parameters
    ----------
    method : str
        Its name, for texts.
    tables : mapping of str to RankedTable
    modalities : mapping of str to sequence of str
        Tables of each modality.
    permutations : int
    bias : sequence of Bias
    notes : sequence of str
        Of the levels.
    repeat : int (fold,)
        Repeat of each fold of each repeat.
    options : RankingSection

    Returns
    -------
    dict
        `modalities`: tables by modality. `null.family_wise_threshold`: by table, the z from which
        a row is family-wise significant at 5 %. `null.found`: by table, how many are significant.
        A key for each table whose agreement between folds is told (`genes`, `regions`). `seeds`: by
        modality how many seeds each fold had, in how many folds their scores differ, and the rank
        correlation between them there.
    """
    lists = {name: _agreement(table) for name, table in tables.items() if table.top_k}
    joint = {name: table for name, table in tables.items() if table.joint}
    return {
        "method": method,
        "modalities": {name: list(table_names) for name, table_names in modalities.items()},
        "folds": len(repeat),
        "spread": scores.spread_words(repeat),
        "score": options.score,
        "aggregation": options.aggregation,
        "ld_weighting": options.ld_weighting,
        "null": {
            "permutations": permutations,
            "smallest_p": _rounded(1 / (permutations + 1)) if permutations else None,
            "relative": options.relative,
            "tail": options.tail,
            "sequential": options.sequential,
            "family_wise_threshold": {
                name: _rounded(table.family_wise_threshold) for name, table in joint.items()
            },
            "found": {
                name: {
                    "family_wise": int((table.rows["p_fwer"] <= LEVEL).sum()),
                    "q": int((table.rows["q"] <= LEVEL).sum()),
                    "q_pooled": int((table.rows["q_pooled"] <= LEVEL).sum()),
                }
                for name, table in joint.items()
            },
        },
        **lists,
        "bias": [item.summary() for item in bias],
        "seeds": {
            name: asdict(agreement) | {"rank_correlation": _rounded(agreement.rank_correlation)}
            for name, agreement in seeds.items()
        },
        "notes": [
            *_notes_on_scores(method, options, permutations),
            *_notes(method, tables, modalities, permutations, lists),
            *(
                agreement.sentence(method, modality_of(name).instance)
                for name, agreement in seeds.items()
            ),
            *notes,
            *(note for item in bias if (note := item.note())),
        ],
    }


def _agreement(table: RankedTable) -> dict[str, Any]:
    """Return how far folds agree on the first rows, and how far they do when nothing is there.

    Training sets of folds overlap, so that folds agree on noise as well: chance is what permuted
    outcomes give, not k / n.
    """
    k = table.top_k
    observed = scores.overlap(table.by_fold, k)
    by_chance = [scores.shared(first, k) for first in table.null_first]
    null = np.array([value for value in by_chance if value is not None])
    count = len(table.rows)
    return {
        "count": count,
        "top_k": k,
        "top_k_overlap": _rounded(observed),
        "top_k_overlap_by_chance": _rounded(min(1.0, k / count)) if count else None,
        "top_k_kuncheva": _rounded(scores.kuncheva(observed, k, count)),
        "top_k_overlap_under_null": _rounded(float(null.mean())) if null.size else None,
        "top_k_overlap_p": _rounded((1 + int((null >= observed).sum())) / (1 + null.size))
        if null.size and observed is not None
        else None,
        "first": table.rows[table.key].head(LISTED).tolist(),
    }


def _notes_on_scores(method: str, options: RankingSection, permutations: int) -> list[str]:
    if options.score != EVIDENCE:
        return []
    pooled = " A gene's is the mean of its SNPs'." if options.aggregation == "bayes" else ""
    repeated = " Permutations collect evidence again and fit no network." if permutations else ""
    return [
        f"Scores of {method} are evidence: logarithms of the Bayes factors that training and"
        " validation people give, averaged over folds, whatever they add to predictions."
        f"{pooled}{repeated}"
    ]


def _notes(
    method: str,
    tables: Mapping[str, RankedTable],
    modalities: Mapping[str, Sequence[str]],
    permutations: int,
    lists: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    notes = []
    if not permutations:
        notes.append("No permutation null has been run: z, p, p_fwer and q are n/a.")
    elif permutations < FEW_PERMUTATIONS:
        notes.append(
            f"{permutations} permutations are few: no p-value can be below"
            f" {1 / (permutations + 1):.3f}, and z is rough."
        )
    modality_of_table = {
        table: name for name, table_names in modalities.items() for table in table_names
    }
    for name, agreement in lists.items():
        table = tables[name]
        if table.rows.empty:
            instance = modality_of(modality_of_table[name]).instance
            notes.append(f"{method} attributes nothing to a {instance}: no {name} are ranked.")
        elif not (table.rows["score"] > 0).any():
            notes.append(f"All {name} have a score of 0: their order is that of their names.")
        p = agreement["top_k_overlap_p"]
        if p is not None and p > LEVEL:
            notes.append(
                f"Folds agree on the first {agreement['top_k']} {name} no more than they do when"
                f" outcomes are permuted (p = {p:.2f}): the top of this list is at chance."
            )
    return notes


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
