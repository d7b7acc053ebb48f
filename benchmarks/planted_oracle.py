"""The oracle of the planted-truth study: the best that could be done by who knows the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.files.tables import read_table
from gendmr.seeds import generator
from gendmr.simulate.placement import LEAST_FREQUENCY, TARGET_FREQUENCY


def oracle(results: Path, truth: dict[str, Any], seed: int) -> list[str]:
    """Return the genes by the likelihood-ratio test that knows the simulated model.

    It knows which SNP of a gene would be the causal one, whether it would act directly or through
    which region, and all other causes: age, head size, ancestry, the regions and the other planted
    SNPs. It does not know which genes are planted: each of the others is given a SNP by the
    simulator's rule and a way to the disease drawn from those of the planted genes.

    Notes
    -----
    A direct gene is tested in a logistic model of the diagnosis, a gene through a region in a
    linear model of its volume given the diagnosis; both with one degree of freedom.
    """
    cohort = _read_cohort(results, [item["region"] for item in truth["regions"]])
    planted = {item["gene"]: item for item in truth["genes"]}
    random = generator(seed, "benchmark", "oracle")
    # The first is the strongest, and acts directly in every cohort.
    ways = [item["through"] for item in truth["genes"][1:]] or ["diagnosis"]
    causal = {gene: cohort.column(item["snp"]) for gene, item in planted.items()}
    statistics = {}
    for gene in sorted(cohort.genes):
        way = planted[gene]["through"] if gene in planted else str(random.choice(ways))
        column = causal[gene] if gene in planted else cohort.candidate(gene)
        other_columns = [
            other_column
            for name, item in planted.items()
            if name != gene
            and item["through"] == way
            and (other_column := causal[name]) is not None
        ]
        statistics[gene] = cohort.test(column, way, other_columns)
    return sorted(statistics, key=lambda gene: -statistics[gene])


class _Cohort:
    """The people of a cohort as the oracle sees them, all of them at once."""

    def __init__(
        self,
        case: np.ndarray,
        background: np.ndarray,
        dosage: np.ndarray,
        snps: pd.DataFrame,
        volume: pd.DataFrame,
        icv: np.ndarray,
    ) -> None:
        self.case = case
        self.background = background  # intercept, age, sex, ancestry
        self.dosage = dosage
        self.snps = snps
        self.volume = volume  # NaN where nothing was measured
        self.icv = icv
        exploded = snps.assign(gene=snps["gene"].str.split(";")).explode("gene")
        self.genes = {str(gene): group for gene, group in exploded.groupby("gene") if gene != ""}
        self._names = {name: column for column, name in enumerate(snps["snp"])}
        measured = np.isfinite(icv)
        filled = _standard(np.where(measured[:, None], volume.to_numpy(), np.nan))
        self._imaging = np.column_stack([filled, _standard(icv[:, None]), ~measured])

    def column(self, snp: str) -> int | None:
        """Return the column of a SNP, None where it did not come through quality control."""
        return self._names.get(snp)

    def candidate(self, gene: str) -> int:
        """Return the SNP that the simulator would have planted: inside, and near a frequency."""
        columns = self.genes[gene]["column"].to_numpy()
        inside = (self.genes[gene]["distance"] == 0).to_numpy()
        frequency = self.dosage[:, columns].mean(axis=0) / 2
        minor = np.minimum(frequency, 1 - frequency)
        if (minor[inside] >= LEAST_FREQUENCY).any():
            columns, minor = columns[inside], minor[inside]
        return int(columns[np.argmin(np.abs(minor - TARGET_FREQUENCY))])

    def test(self, column: int | None, way: str, other_columns: list[int]) -> float:
        """Return twice the gain in log likelihood by one SNP."""
        if column is None:
            return 0.0
        snp = self.dosage[:, [column]]
        null = np.column_stack([self.background, self.dosage[:, other_columns]])
        if way == "diagnosis":
            null = np.column_stack([null, self._imaging])
            return 2 * (
                _logistic(np.column_stack([null, snp]), self.case) - _logistic(null, self.case)
            )
        measured = np.isfinite(self.volume[way].to_numpy())
        null = np.column_stack([null, _standard(self.icv[:, None]), self.case])[measured]
        volume = self.volume[way].to_numpy()[measured]
        residuals = [
            _residual_sum(design, volume)
            for design in (null, np.column_stack([null, snp[measured]]))
        ]
        return float(len(volume) * np.log(residuals[0] / residuals[1]))


def _read_cohort(results: Path, regions: Sequence[str]) -> _Cohort:
    import xarray as xr

    people = read_table(
        results / "cohort/participants.tsv",
        {"participant_id": "text", "diagnosis": "text", "age": "number", "sex": "text"},
        extra=True,
    ).set_index("participant_id")
    with xr.open_dataset(results / "cohort/snp.nc", mask_and_scale=False) as stored:
        snp = stored.load()
    with xr.open_dataset(results / "cohort/region.nc") as stored:
        region = stored.load()
    typed = snp["participant"].values.astype(str)
    people = people.loc[typed]
    dosage = snp["dosage"].values.astype(float)
    dosage[dosage < 0] = np.nan
    dosage = np.where(np.isnan(dosage), np.nanmean(dosage, axis=0), dosage)
    components = read_table(results / "genotypes/components.tsv", {"id": "text"}, extra=True)
    ancestry = components.set_index("id").loc[typed].to_numpy(dtype=float)
    snps = pd.DataFrame({name: snp[name].values for name in ("snp", "gene", "distance")}).assign(
        column=np.arange(snp.sizes["snp"])
    )
    volume = pd.DataFrame(
        region["volume"].values,
        index=region["participant"].values.astype(str),
        columns=region["region"].values.astype(str),
    )[list(regions)]
    icv = pd.Series(region["icv"].values, index=volume.index).reindex(typed)
    background = np.column_stack(
        [
            np.ones(len(people)),
            _standard(people[["age"]].to_numpy(dtype=float)),
            people["sex"] == people["sex"].iloc[0],
            _standard(ancestry),
        ]
    )
    return _Cohort(
        (people["diagnosis"] == "case").to_numpy(dtype=float),
        background,
        dosage,
        snps,
        volume.reindex(typed),
        icv.to_numpy(),
    )


def _standard(values: np.ndarray) -> np.ndarray:
    """Return columns in SDs from their means; missing becomes the mean."""
    scaled = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    return np.where(np.isfinite(scaled), scaled, 0.0)


def _logistic(design: np.ndarray, case: np.ndarray) -> float:
    """Return the largest log likelihood of a logistic model, by Newton's method."""
    weights = np.zeros(design.shape[1])
    for _ in range(12):
        chance = 1 / (1 + np.exp(-design @ weights))
        hessian = design.T @ (design * (chance * (1 - chance))[:, None])
        # A column that says nothing (nobody lacks an image) leaves the Hessian singular.
        weights = weights + np.linalg.pinv(hessian) @ (design.T @ (case - chance))
    logit = design @ weights
    return float((case * logit - np.logaddexp(0, logit)).sum())


def _residual_sum(design: np.ndarray, target: np.ndarray) -> float:
    fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    return float(((target - fitted) ** 2).sum())
