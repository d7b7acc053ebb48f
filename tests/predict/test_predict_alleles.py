"""SNPs of a model alignment in another cohort, whatever its file calls and counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from gendmr.modalities import aligner_of
from gendmr.modalities.snp.alignment import align

PLAIN = [("A", "C"), ("G", "A"), ("T", "G"), ("C", "T"), ("AT", "A")]
ALIKE = [("A", "T"), ("G", "C")]
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def table(pairs: list[tuple[str, str]], mean: np.ndarray | float = 0.6) -> pd.DataFrame:
    number = np.arange(len(pairs))
    return pd.DataFrame(
        {
            "snp": [f"rs{k}" for k in number],
            "chromosome": "19",
            "position": 1000 + 10 * number,
            "effect_allele": [pair[0] for pair in pairs],
            "other_allele": [pair[1] for pair in pairs],
            "mean_dosage": mean,
        }
    )


def nowhere(places: np.ndarray) -> np.ndarray:
    raise AssertionError("frequencies are not needed")


@given(
    st.lists(
        st.tuples(st.sampled_from(PLAIN), st.booleans(), st.booleans(), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_align__finds_each_snp_and_counts_its_allele(rows, random) -> None:
    """Exchanged alleles, the other strand, other names, another order, in every combination."""
    wanted = table([row[0] for row in rows])
    offered = wanted.drop(columns="mean_dosage").copy()
    for number, (pair, exchanged, strand, renamed) in enumerate(rows):
        effect, other = pair[::-1] if exchanged else pair
        if strand:
            effect, other = effect.translate(COMPLEMENT), other.translate(COMPLEMENT)
        offered.loc[number, ["effect_allele", "other_allele"]] = effect, other
        if renamed:
            offered.loc[number, "snp"] = f"19:{1000 + 10 * number}"
    order = list(range(len(rows)))
    random.shuffle(order)
    alignment = align(wanted, offered.iloc[order].reset_index(drop=True), nowhere)
    assert alignment.places.tolist() == [order.index(number) for number in range(len(rows))]
    assert alignment.reflected.tolist() == [row[1] for row in rows]
    assert alignment.counts["flipped"] == sum(row[1] for row in rows)
    assert alignment.counts["other_strand"] == sum(row[2] for row in rows)


def test_align__takes_no_snp_with_other_alleles() -> None:
    wanted = table([("A", "C"), ("A", "C")])
    offered = table([("A", "G"), ("A", "C")])
    alignment = align(wanted, offered, nowhere)
    assert alignment.places.tolist() == [-1, 1] and alignment.counts["other_alleles"] == 1


def test_align__goes_by_the_name_only_where_no_snp_is_at_the_place() -> None:
    wanted = table([("A", "C"), ("G", "A")])
    offered = wanted.assign(position=[7, 1010], snp=["rs0", "rs0"])
    # rs0 is at another place in a file of the same build, and stands twice: it is not rs0.
    assert align(wanted, offered, nowhere).places.tolist() == [0, 1]


def test_align__believes_the_alleles_of_palindromes_where_all_others_are_of_one_strand() -> None:
    wanted = table([("A", "C"), ("A", "T"), ("G", "C")], mean=1.0)
    offered = table([("A", "C"), ("T", "A"), ("G", "C")])
    alignment = align(wanted, offered, nowhere)
    assert alignment.places.tolist() == [0, 1, 2] and alignment.reflected.tolist() == [
        False,
        True,
        False,
    ]


def test_align__orients_palindromes_by_frequency_where_strands_differ() -> None:
    pairs = [("A", "C"), ("A", "T"), ("A", "T"), ("G", "C")]
    wanted = table(pairs, np.array([0.5, 0.4, 0.4, 0.95]))
    offered = table([("T", "G"), ("A", "T"), ("A", "T"), ("G", "C")])
    alignment = align(wanted, offered, lambda places: np.array([0.42, 1.58, 0.97])[places - 1])
    assert alignment.places.tolist() == [0, 1, 2, -1]
    assert alignment.reflected.tolist() == [False, False, True, False]
    assert alignment.counts["ambiguous"] == 1 and alignment.counts["other_strand"] == 1


def test_align__of_other_modalities_goes_by_names_that_are_unique() -> None:
    wanted = pd.DataFrame({"region": ["a", "b", "c"]})
    offered = pd.DataFrame({"hemisphere": list("LLRR"), "region": ["c", "b", "a", "b"]})
    alignment = aligner_of("region")(wanted, offered, nowhere)
    assert alignment.places.tolist() == [2, -1, 0]
