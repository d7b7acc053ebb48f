"""Small cohorts in the exact form that the stage `cohort` leaves, with one planted answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm

from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.modalities.store import write_modality

PLANTED_SNP = "rs429358"
PLANTED_GENE = "APOE"
PLANTED_REGION = "Hippocampus_L"
MEAN_AGE = 72
MEAN_ICV = 1.5e6  # mm3


@dataclass(frozen=True)
class CohortOptions:
    """What `make_cohort` writes.

    Parameters
    ----------
    people, snps, regions, genes, folds, repeats : int
        How many.
    seed : int
    effect : float
        Log odds ratio of `PLANTED_SNP` per allele and, in standard deviations, the atrophy of
        `PLANTED_REGION` in cases; 0 plants nothing.
    weak : int
        Further genes (W00, W01, ...) with log odds ratios of 0.22 to 0.41 when `effect` is not 0.
    imaged, unsequenced : float
        Shares of people with region measurements and, of those, without genotypes.
    missing : float
        Share of genotypes that are missing.
    """

    people: int = 80
    snps: int = 120
    regions: int = 12
    genes: int = 30
    seed: int = 0
    effect: float = 1.5
    imaged: float = 0.5
    folds: int = 4
    repeats: int = 1
    weak: int = 0
    unsequenced: float = 0.0
    missing: float = 0.01


def make_cohort(folder: Path | str, **changes: Any) -> Path:
    """Write participants.{tsv,json}, splits.tsv, snp.nc and region.nc; return `folder`.

    `changes` are fields of `CohortOptions`. SNPs of one gene are in linkage disequilibrium; gene g
    lies on chromosome 1 + g mod 22, the planted one on 19.
    """
    folder = Path(folder)
    options = CohortOptions(**changes)
    # The order of the draws decides the bytes that are written.
    random = np.random.default_rng(options.seed)
    participants = draw_people(options, random)
    layout = SnpLayout.of(options, random)
    dosage = draw_dosages(layout.frequency, layout.first, options.people, random)
    case = draw_cases(options, participants["age"].to_numpy(), layout, dosage, random)
    participants = participants.assign(diagnosis=np.where(case, "case", "control"))
    participants["has_region"], participants["has_snp"] = draw_presence(options, case, random)
    dosage[random.uniform(size=dosage.shape) < options.missing] = -1
    participants["family"] = [f"F{number}" for number in range(options.people)]

    columns = ["participant_id", "diagnosis", "age", "sex", "site", "has_snp", "has_region"]
    participants = participants[[*columns, "family"]]
    write_table(folder / "participants.tsv", participants)
    kinds = {"age": {"Kind": "number"}, "sex": {"Kind": "category"}, "site": {"Kind": "category"}}
    write_json(folder / "participants.json", kinds)
    splits = make_splits(participants, options.folds, options.repeats, options.seed)
    write_table(folder / "splits.tsv", splits)
    write_modality(folder / "snp.nc", snp_dataset(participants, layout, dosage), "snp")
    region = draw_regions(options, participants, random)
    write_modality(folder / "region.nc", region, "region")
    return folder


def draw_people(options: CohortOptions, random: np.random.Generator) -> pd.DataFrame:
    """Return identifiers, with leading zeros on purpose, and covariates."""
    return pd.DataFrame(
        {
            "participant_id": [f"{number:04d}" for number in range(options.people)],
            "age": random.normal(MEAN_AGE, 7, options.people).round(1),
            "sex": random.choice(["F", "M"], options.people),
            "site": random.choice(["A", "B"], options.people),
        }
    )


@dataclass(frozen=True)
class SnpLayout:
    """Where SNPs lie and how frequent they are.

    Parameters
    ----------
    names, chromosome, position, frequency : (snp,)
        Frequency is that of the effect allele.
    gene_of : int (snp,)
        Number of its gene.
    genes : text (gene,)
    first, middle : int (gene,)
        First and middle SNP of each gene; the middle one carries the effect.
    planted : int
        Number of the planted gene.
    weak : list of int
        Numbers of the weak genes.
    """

    names: np.ndarray
    chromosome: np.ndarray
    position: np.ndarray
    frequency: np.ndarray
    gene_of: np.ndarray
    genes: np.ndarray
    first: np.ndarray
    middle: np.ndarray
    planted: int
    weak: list[int]

    @classmethod
    def of(cls, options: CohortOptions, random: np.random.Generator) -> SnpLayout:
        """Lay out genes and SNPs and draw allele frequencies."""
        gene_of = np.sort(np.arange(options.snps) % options.genes)
        members = [np.flatnonzero(gene_of == number) for number in range(options.genes)]
        first = np.array([snps[0] for snps in members])
        middle = np.array([np.median(snps).astype(int) for snps in members])
        planted = min(18, options.genes - 1)

        genes = np.array([f"GENE{number:03d}" for number in range(options.genes)], dtype=object)
        genes[planted] = PLANTED_GENE
        unplanted = [number for number in range(options.genes) if number != planted]
        weak = unplanted[:: max(1, len(unplanted) // max(options.weak, 1))][: options.weak]
        for order, number in enumerate(weak):
            genes[number] = f"W{order:02d}"

        names = np.array([f"rs{1000 + number}" for number in range(options.snps)], dtype=object)
        names[middle[planted]] = PLANTED_SNP
        chromosome = 1 + gene_of % 22
        chromosome[gene_of == planted] = 19
        within_gene = np.arange(options.snps) - first[gene_of]
        position = 1_000_000 + 2_000_000 * (gene_of // 22) + 4_000 * within_gene
        frequency = random.uniform(0.1, 0.5, options.snps)
        frequency[middle[planted]] = 0.25
        return cls(
            names, chromosome, position, frequency, gene_of, genes, first, middle, planted, weak
        )


def draw_dosages(
    frequency: np.ndarray, first: np.ndarray, people: int, random: np.random.Generator
) -> np.ndarray:
    """Return dosages int8 (person, snp) as the sum of two haplotypes.

    Neighbours within a gene share a latent Gaussian, with a correlation of 0.7.
    """
    dosage = np.zeros((people, frequency.size), dtype=np.int8)
    for _ in range(2):
        latent = random.normal(size=dosage.shape)
        for column in range(frequency.size):
            if column not in first:
                latent[:, column] = 0.7 * latent[:, column - 1] + np.sqrt(0.51) * latent[:, column]
        dosage += (latent < norm.ppf(frequency)).astype(np.int8)
    return dosage


def draw_cases(
    options: CohortOptions,
    age: np.ndarray,
    layout: SnpLayout,
    dosage: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Return who is a case, bool (person,): half of the people, with two of each kind for sure."""
    risk = 0.03 * (age - MEAN_AGE)
    if options.effect:
        risk = risk + options.effect * (dosage[:, layout.middle[layout.planted]] - 0.5)
        for order, number in enumerate(layout.weak):
            snp = layout.middle[number]
            log_odds_ratio = 0.22 + 0.19 * order / max(options.weak - 1, 1)
            risk = risk + log_odds_ratio * (dosage[:, snp] - 2 * layout.frequency[snp])
    risk = risk - np.median(risk)
    case = random.uniform(size=options.people) < 1 / (1 + np.exp(-risk))
    case[:2], case[2:4] = True, False
    return case


def draw_presence(
    options: CohortOptions, case: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return who has region measurements and who has genotypes, bool (person,)."""
    has_region = np.zeros(options.people, dtype=bool)
    for group in (np.flatnonzero(case), np.flatnonzero(~case)):
        count = round(options.imaged * group.size)
        has_region[random.permutation(group)[:count]] = True
    has_snp = np.ones(options.people, dtype=bool)
    imaged = np.flatnonzero(has_region)
    has_snp[random.permutation(imaged)[: int(options.unsequenced * imaged.size)]] = False
    return has_region, has_snp


def snp_dataset(participants: pd.DataFrame, layout: SnpLayout, dosage: np.ndarray) -> xr.Dataset:
    """Return the modality `snp` of those who have it."""
    has_snp = participants["has_snp"].to_numpy()
    snps = layout.names.size
    return xr.Dataset(
        {"dosage": (("participant", "snp"), dosage[has_snp])},
        coords={
            "participant": participants["participant_id"].to_numpy(str)[has_snp],
            "snp": ("snp", layout.names.astype(str)),
            "chromosome": ("snp", layout.chromosome.astype(str)),
            "position": ("snp", layout.position.astype("int64")),
            "effect_allele": ("snp", np.full(snps, "A")),
            "other_allele": ("snp", np.full(snps, "G")),
            "gene": ("snp", layout.genes[layout.gene_of].astype(str)),
            "distance": ("snp", np.zeros(snps, dtype="int64")),
        },
        attrs={"build": "GRCh37"},
    )


def draw_regions(
    options: CohortOptions, participants: pd.DataFrame, random: np.random.Generator
) -> xr.Dataset:
    """Return the modality `region` of those who have it; cases have atrophy where it is planted."""
    people, regions = options.people, options.regions
    age = participants["age"].to_numpy()
    case = participants["diagnosis"].to_numpy() == "case"
    icv = random.normal(MEAN_ICV, 1.2e5, people)
    common = random.normal(size=(people, 1))
    standard = 0.5 * common + np.sqrt(0.75) * random.normal(size=(people, regions))
    standard -= 0.03 * (age - MEAN_AGE)[:, None]
    if options.effect:
        standard[:, 0] -= options.effect * case
        if regions > 4:
            standard[:, 3:5] -= 0.4 * options.effect * case[:, None]
    base = np.linspace(2000, 12000, regions)
    volume = base * (1 + 0.1 * standard) * (icv / MEAN_ICV)[:, None]
    mean = 0.6 + 0.05 * standard + 0.02 * random.normal(size=standard.shape)
    spread = 0.2 + 0.02 * random.normal(size=standard.shape)

    names = [f"Region{number:02d}_{'LR'[number % 2]}" for number in range(regions)]
    names[0] = PLANTED_REGION
    has_region = participants["has_region"].to_numpy()
    return xr.Dataset(
        {
            "volume": (("participant", "region"), np.maximum(volume, 1.0)[has_region]),
            "mean": (("participant", "region"), mean[has_region]),
            "spread": (("participant", "region"), spread[has_region]),
            "icv": (("participant",), icv[has_region]),
        },
        coords={
            "participant": participants["participant_id"].to_numpy(str)[has_region],
            "region": ("region", np.array(names)),
            "hemisphere": ("region", np.array([name[-1] for name in names])),
            "x": ("region", np.linspace(-50.0, 50.0, regions)),
            "y": ("region", np.linspace(-80.0, 40.0, regions)),
            "z": ("region", np.linspace(-20.0, 60.0, regions)),
        },
        attrs={"space": "MNI152NLin2009aSym", "atlas": "made up", "units": "mm3"},
    )


def make_splits(participants: pd.DataFrame, folds: int, repeats: int, seed: int) -> pd.DataFrame:
    """Folds stratified by diagnosis and imaging, with 15 % of the rest as inner validation."""
    parts = []
    strata = participants["diagnosis"] + participants["has_region"].astype(str)
    for repeat in range(repeats):
        random = np.random.default_rng([seed, repeat, 7])
        people = len(participants)
        fold = np.zeros(people, dtype=int)
        offset = 0
        for stratum in sorted(strata.unique()):
            members = random.permutation(np.flatnonzero(strata == stratum))
            fold[members] = (np.arange(members.size) + offset) % folds
            offset += members.size
        table = pd.DataFrame(
            {"participant_id": participants["participant_id"], "repeat": repeat, "fold": fold}
        )
        for outer in range(folds):
            inner = np.full(people, "train", dtype=object)
            for diagnosis in ("case", "control"):
                candidates = np.flatnonzero(
                    (participants["diagnosis"] == diagnosis) & (fold != outer)
                )
                count = max(2, round(0.15 * candidates.size))
                inner[random.permutation(candidates)[:count]] = "validation"
            inner[fold == outer] = "held-out"
            table[f"inner_{outer}"] = inner
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
