"""Small cohorts in the exact form that the stage `cohort` leaves, with one planted answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.files.atomic import write_json
from gendmr.files.datasets import write_dataset
from gendmr.files.tables import write_table

PLANTED_SNP = "rs429358"
PLANTED_GENE = "APOE"
PLANTED_REGION = "Hippocampus_L"


def make_cohort(
    folder: Path | str,
    *,
    people: int = 80,
    snps: int = 120,
    regions: int = 12,
    genes: int = 30,
    seed: int = 0,
    effect: float = 1.5,
    imaged: float = 0.5,
    folds: int = 4,
    repeats: int = 1,
    weak: int = 0,
    unsequenced: float = 0.0,
    missing: float = 0.01,
) -> Path:
    """Write participants.{tsv,json}, splits.tsv, snp.nc and region.nc; return `folder`.

    `effect` is the log odds ratio of `PLANTED_SNP` per allele and, in standard deviations, the
    atrophy of `PLANTED_REGION` in cases; 0 plants nothing. `weak` further genes (W00, W01, ...)
    get log odds ratios of 0.22 to 0.41 when `effect` is not 0. `imaged` and `unsequenced` are the
    shares of people with region measurements and without genotypes. SNPs of one gene are in
    linkage disequilibrium; gene g lies on chromosome 1 + g mod 22, the planted one on 19.
    """
    folder = Path(folder)
    random = np.random.default_rng(seed)
    ids = np.array([f"{number:04d}" for number in range(people)])  # leading zeros on purpose
    age = random.normal(72, 7, people).round(1)
    sex = random.choice(["F", "M"], people)
    site = random.choice(["A", "B"], people)

    gene_of = np.sort(np.arange(snps) % genes)
    names = np.array([f"GENE{number:03d}" for number in range(genes)], dtype=object)
    planted = min(18, genes - 1)
    names[planted] = PLANTED_GENE
    others = [number for number in range(genes) if number != planted]
    weak_genes = others[:: max(1, len(others) // max(weak, 1))][:weak]
    for order, number in enumerate(weak_genes):
        names[number] = f"W{order:02d}"
    chromosome = 1 + gene_of % 22
    chromosome[gene_of == planted] = 19
    within = np.zeros(snps, dtype=np.int64)
    for number in range(genes):
        members = np.flatnonzero(gene_of == number)
        within[members] = np.arange(members.size)
    position = 1_000_000 + 2_000_000 * (gene_of // 22) + 4_000 * within

    # Two haplotypes per person; neighbours in a gene share a latent Gaussian.
    frequency = random.uniform(0.1, 0.5, snps)
    first = np.array([np.flatnonzero(gene_of == number)[0] for number in range(genes)])
    middle = np.array([np.median(np.flatnonzero(gene_of == g)).astype(int) for g in range(genes)])
    frequency[middle[planted]] = 0.25
    from scipy.stats import norm

    dosage = np.zeros((people, snps), dtype=np.int8)
    for _ in range(2):
        latent = random.normal(size=(people, snps))
        for column in range(snps):
            if column not in first:
                latent[:, column] = 0.7 * latent[:, column - 1] + np.sqrt(0.51) * latent[:, column]
        dosage += (latent < norm.ppf(frequency)).astype(np.int8)

    snp_names = np.array([f"rs{1000 + number}" for number in range(snps)], dtype=object)
    snp_names[middle[planted]] = PLANTED_SNP
    risk = 0.03 * (age - 72)
    if effect:
        risk = risk + effect * (dosage[:, middle[planted]] - 0.5)
        for order, number in enumerate(weak_genes):
            risk = risk + (0.22 + 0.19 * order / max(weak - 1, 1)) * (
                dosage[:, middle[number]] - 2 * frequency[middle[number]]
            )
    risk = risk - np.median(risk)
    case = random.uniform(size=people) < 1 / (1 + np.exp(-risk))
    case[:2], case[2:4] = True, False

    has_region = np.zeros(people, dtype=bool)
    for group in (np.flatnonzero(case), np.flatnonzero(~case)):
        count = round(imaged * group.size)
        has_region[random.permutation(group)[:count]] = True
    has_snp = np.ones(people, dtype=bool)
    with_image = np.flatnonzero(has_region)
    has_snp[random.permutation(with_image)[: int(unsequenced * with_image.size)]] = False

    dosage[random.uniform(size=dosage.shape) < missing] = -1
    snp = xr.Dataset(
        {"dosage": (("participant", "snp"), dosage[has_snp])},
        coords={
            "participant": ("participant", ids[has_snp].astype(str)),
            "snp": ("snp", snp_names.astype(str)),
            "chromosome": ("snp", chromosome.astype(str)),
            "position": ("snp", position.astype("int64")),
            "effect_allele": ("snp", np.full(snps, "A")),
            "other_allele": ("snp", np.full(snps, "G")),
            "gene": ("snp", names[gene_of].astype(str)),
            "distance": ("snp", np.zeros(snps, dtype="int64")),
        },
        attrs={"build": "GRCh37"},
    )

    icv = random.normal(1.5e6, 1.2e5, people)
    common = random.normal(size=(people, 1))
    standard = 0.5 * common + np.sqrt(0.75) * random.normal(size=(people, regions))
    standard -= 0.03 * (age - 72)[:, None]
    region_names = [f"Region{number:02d}_{'LR'[number % 2]}" for number in range(regions)]
    region_names[0] = PLANTED_REGION
    if effect:
        standard[:, 0] -= effect * case
        if regions > 4:
            standard[:, 3:5] -= 0.4 * effect * case[:, None]
    base = np.linspace(2000, 12000, regions)
    volume = base * (1 + 0.1 * standard) * (icv / 1.5e6)[:, None]
    mean = 0.6 + 0.05 * standard + 0.02 * random.normal(size=standard.shape)
    spread = 0.2 + 0.02 * random.normal(size=standard.shape)
    region = xr.Dataset(
        {
            "volume": (("participant", "region"), np.maximum(volume, 1.0)[has_region]),
            "mean": (("participant", "region"), mean[has_region]),
            "spread": (("participant", "region"), spread[has_region]),
            "icv": (("participant",), icv[has_region]),
        },
        coords={
            "participant": ("participant", ids[has_region].astype(str)),
            "region": ("region", np.array(region_names)),
            "hemisphere": ("region", np.array([name[-1] for name in region_names])),
            "x": ("region", np.linspace(-50.0, 50.0, regions)),
            "y": ("region", np.linspace(-80.0, 40.0, regions)),
            "z": ("region", np.linspace(-20.0, 60.0, regions)),
        },
        attrs={"space": "MNI152NLin2009aSym", "atlas": "made up", "units": "mm3"},
    )

    participants = pd.DataFrame(
        {
            "participant_id": ids,
            "diagnosis": np.where(case, "case", "control"),
            "age": age,
            "sex": sex,
            "site": site,
            "has_snp": has_snp,
            "has_region": has_region,
            "family": [f"F{number}" for number in range(people)],
        }
    )
    write_table(folder / "participants.tsv", participants)
    kinds = {"age": {"Kind": "number"}, "sex": {"Kind": "category"}, "site": {"Kind": "category"}}
    write_json(folder / "participants.json", kinds)
    write_table(folder / "splits.tsv", make_splits(participants, folds, repeats, seed))
    write_dataset(folder / "snp.nc", snp, "snp")
    write_dataset(folder / "region.nc", region, "region")
    return folder


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
                chosen = np.flatnonzero((participants["diagnosis"] == diagnosis) & (fold != outer))
                count = max(2, round(0.15 * chosen.size))
                inner[random.permutation(chosen)[:count]] = "validation"
            inner[fold == outer] = "held-out"
            table[f"inner_{outer}"] = inner
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
