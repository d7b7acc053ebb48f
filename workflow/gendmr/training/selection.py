"""Which SNPs enter a fold, decided by the training people alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.config.methods import OwnSnps, parse_interval
from gendmr.config.training import SelectionSection
from gendmr.files.chromosomes import chromosome_name
from gendmr.training.association import hwe, mean_dosage
from gendmr.training.linkage import Linkage


@dataclass(frozen=True)
class Selection:
    """Columns of `dosage`, ordered along the genome, and how many SNPs each step removed."""

    columns: np.ndarray
    counts: dict[str, int]


@dataclass(frozen=True)
class Candidates:
    """What of a selection needs no diagnosis: it is the same under permuted diagnoses.

    Parameters
    ----------
    columns : int (candidate,)
        SNPs that pass the thresholds on calls, variation and allele frequency.
    counts : dict
        Number of SNPs after each step.
    options : SelectionSection
    genes : list of frozenset of str, by candidate
    blind : float (candidate,)
        Order of precedence in the mode `genes`, smallest first.
    linkage : Linkage
        Which candidates are in LD.
    own : bool
        All candidates that are in Hardy-Weinberg equilibrium are selected: SNPs of a method's own.
    """

    columns: np.ndarray
    counts: dict[str, int]
    options: SelectionSection
    genes: list[frozenset[str]]
    blind: np.ndarray
    linkage: Linkage
    own: bool = False

    @property
    def by_association(self) -> bool:
        """Whether a selection needs the strength of association."""
        return not self.own and self.options.mode != "genes" and self.columns.size > 0

    @classmethod
    def find(
        cls,
        dosage: np.ndarray,
        snps: pd.DataFrame,
        options: SelectionSection,
        excluded: np.ndarray,
        own: OwnSnps | None = None,
    ) -> Candidates:
        """Find the candidates.

        Parameters
        ----------
        dosage : int8 (people, snp)
            Of the training people who have genotypes.
        snps : DataFrame
            Columns `snp`, `chromosome`, `position`, `gene` (separated by ';'), `distance`.
        options : SelectionSection
        excluded : bool (snp,)
            SNPs that are left out before anything else.
        own : OwnSnps, optional
            A method's own SNPs in place of the study's: no gene, no pruning and no largest number.
            SNPs of an interval pass the same thresholds; those named need only vary.
        """
        counts = {"available": int(excluded.size), "excluded": int(excluded.sum())}
        names = [frozenset(filter(None, text.split(";"))) for text in snps["gene"]]
        wanted = frozenset(options.genes)
        if own is not None:
            if own.names:
                candidate = snps["snp"].isin(own.names).to_numpy(dtype=bool)
                options = SelectionSection(maf=0.0, missing=1.0, hwe=0.0)
            else:
                candidate = within(snps, own.interval)
            counts["in_locus"] = int((candidate & ~excluded).sum())
        elif options.mode == "fold_association":
            candidate = np.ones(len(snps), dtype=bool)
        else:
            candidate = np.array([bool(one & wanted if wanted else one) for one in names], bool)
        candidate = candidate & ~excluded
        if own is None:
            counts["in_genes"] = int(candidate.sum())
        minor = _minor_frequency(dosage)
        columns = _sound(candidate, dosage, minor, options, counts)
        position = snps["position"].to_numpy(dtype=np.int64)[columns]
        # Nearest to its gene first, then the more informative SNP.
        distance = np.nan_to_num(np.abs(snps["distance"].to_numpy(dtype=np.float64)[columns]))
        blind = np.empty(columns.size)
        blind[np.lexsort((position, -minor[columns].round(3), distance))] = np.arange(columns.size)
        return cls(
            columns=columns,
            counts=counts,
            options=options,
            genes=[names[column] for column in columns],
            blind=blind,
            linkage=Linkage(
                dosage[:, columns],
                snps["chromosome"].to_numpy(dtype=str)[columns],
                position,
                options.r2,
            ),
            own=own is not None,
        )

    def select(
        self, dosage: np.ndarray, diagnosis: np.ndarray, strength: np.ndarray | None = None
    ) -> Selection:
        """Select SNPs.

        Parameters
        ----------
        dosage : int8 (people, snp)
            Of the training people who have genotypes, all SNPs of the cohort.
        diagnosis : int (people,)
        strength : float (candidate,), optional
            |z| against the diagnosis, for `fold_association` and `both`.
        """
        if self.own:
            columns, fails = self._in_equilibrium(dosage, diagnosis, np.arange(self.columns.size))
            return self._selection(columns, {"hwe": fails})
        rank = self.blind if strength is None else -strength
        order = np.lexsort((np.arange(rank.size), rank))
        if self.options.mode == "fold_association":
            return self._strongest(dosage, diagnosis, order)
        columns, fails = self._in_equilibrium(dosage, diagnosis, order)
        kept = columns[self.linkage.prune(columns)]
        chosen = self._per_gene(kept)
        return self._selection(
            chosen,
            {
                "hwe": fails,
                "in_ld": int(columns.size - kept.size),
                "over_maximum": int(kept.size - chosen.size),
            },
        )

    def _strongest(self, dosage: np.ndarray, diagnosis: np.ndarray, order: np.ndarray) -> Selection:
        """Take the strongest that are in equilibrium and not in LD; look no further than needed."""
        most = self.options.maximum
        looked = min(4 * most, order.size)
        while True:
            columns, fails = self._in_equilibrium(dosage, diagnosis, order[:looked])
            kept = columns[self.linkage.prune(columns, most)]
            if kept.size == most or looked == order.size:
                break
            looked = min(4 * looked, order.size)
        full = kept.size == most
        return self._selection(
            kept,
            {
                "hwe": fails,
                "in_ld": 0 if full else int(columns.size - kept.size),
                "over_maximum": int(order.size - fails - kept.size) if full else 0,
            },
        )

    def _in_equilibrium(
        self, dosage: np.ndarray, diagnosis: np.ndarray, order: np.ndarray
    ) -> tuple[np.ndarray, int]:
        """Return which of some candidates pass the test in controls, in their order."""
        if self.options.hwe <= 0 or not order.size:
            return order, 0
        controls = dosage[np.ix_(diagnosis == 0, self.columns[order])]
        fine = hwe(controls) >= self.options.hwe
        return order[fine], int((~fine).sum())

    def _per_gene(self, kept: np.ndarray) -> np.ndarray:
        """Keep the first `per_gene` SNPs of each gene, then the first rounds up to `maximum`."""
        wanted, most = frozenset(self.options.genes), self.options.per_gene
        taken: dict[str, int] = {}
        rounds = np.full(kept.size, most, dtype=np.int64)
        for order, candidate in enumerate(kept):
            names = self.genes[candidate]
            names = names & wanted if wanted else names
            # A SNP of several genes counts for the one that has fewest so far.
            turn = min(taken.get(name, 0) for name in names)
            if turn < most:
                rounds[order] = turn
                for name in names:
                    taken[name] = taken.get(name, 0) + 1
        inside = np.flatnonzero(rounds < most)
        inside = inside[np.argsort(rounds[inside], kind="stable")][: self.options.maximum]
        return kept[inside]

    def _selection(self, chosen: np.ndarray, counts: dict[str, int]) -> Selection:
        columns = np.sort(self.columns[chosen])
        return Selection(columns, {**self.counts, **counts, "selected": int(columns.size)})


def within(snps: pd.DataFrame, stretch: str) -> np.ndarray:
    """Return which SNPs lie in a stretch such as `19:44000000-46500000`, bool (snp,)."""
    chromosome, first, last = parse_interval(stretch)
    position = snps["position"].to_numpy(dtype=np.int64)
    here = snps["chromosome"].to_numpy(dtype=str) == chromosome_name(chromosome)
    return np.asarray(here & (position >= first) & (position <= last))


def exclude(snps: pd.DataFrame, stretches: tuple[str, ...], notes: list[str]) -> np.ndarray:
    """Return which SNPs lie in one of the stretches, bool (snp,); says so in `notes`."""
    excluded = np.zeros(len(snps), dtype=bool)
    present = set(snps["chromosome"].to_numpy(dtype=str))
    for stretch in stretches:
        inside = within(snps, stretch)
        excluded |= inside
        chromosome = chromosome_name(parse_interval(stretch)[0])
        if chromosome in present:
            notes.append(
                f"The method does not see the {int(inside.sum())} SNPs of {stretch}; ancestry"
                " components do."
            )
        else:
            notes.append(
                f"The stretch {stretch} excludes nothing: the cohort has no SNP on chromosome"
                f" {chromosome}."
            )
    return excluded


def _minor_frequency(dosage: np.ndarray) -> np.ndarray:
    frequency = mean_dosage(dosage) / 2
    return np.asarray(np.minimum(frequency, 1 - frequency))


def _varies(dosage: np.ndarray) -> np.ndarray:
    """Return which SNPs have two different genotypes; all heterozygous is no variation."""
    classes = sum((dosage == copies).any(axis=0).astype(int) for copies in (0, 1, 2))
    return np.asarray(classes) > 1


def _sound(
    candidate: np.ndarray,
    dosage: np.ndarray,
    minor: np.ndarray,
    options: SelectionSection,
    counts: dict[str, int],
) -> np.ndarray:
    """Return the columns of candidates that pass the thresholds; counts the others."""
    called = (dosage >= 0).mean(axis=0) if len(dosage) else np.zeros(dosage.shape[1])
    for reason, fine in (
        ("too_often_missing", called >= 1 - options.missing),
        # A SNP without variation carries nothing and would be divided by zero.
        ("constant", _varies(dosage)),
        ("too_rare", minor >= options.maf),
    ):
        counts[reason] = int((candidate & ~fine).sum())
        candidate = candidate & fine
    return np.flatnonzero(candidate)
