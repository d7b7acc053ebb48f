"""What tokens read of SNPs and regions besides the measurements of people: tables of a fold."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import torch

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.engine.batches import Tensors
from gendmr.methods.evidence import Evidence
from gendmr.modalities.snp.transform import SnpTransform
from gendmr.preprocessing.preparation import Preparation
from gendmr.seeds import generator

NO_SNPS = pd.DataFrame({name: [] for name in ("chromosome", "position", "gene", "distance")})
CLASSES, MISSING = 4, 3  # dosage 0, 1, 2, missing
PADDING = 1e9  # distance of padded slots

# Lengths of the chromosomes in GRCh37 (bp), for positions as a share; GRCh38 differs by < 1 %.
LENGTHS = {
    "1": 249250621, "2": 243199373, "3": 198022430, "4": 191154276, "5": 180915260,
    "6": 171115067, "7": 159138663, "8": 146364022, "9": 141213431, "10": 135534747,
    "11": 135006516, "12": 133851895, "13": 115169878, "14": 107349540, "15": 102531392,
    "16": 90354753, "17": 81195210, "18": 78077248, "19": 59128983, "20": 63025520,
    "21": 48129895, "22": 51304566, "X": 155270560,
}  # fmt: skip
CHROMOSOMES = tuple(LENGTHS)
CHROMOSOME_CODES = {name: number for number, name in enumerate(CHROMOSOMES)}


def tables(
    options: GendmrMethod,
    preparation: Preparation,
    evidence: Evidence,
    modalities: tuple[str, ...],
    seed: int,
) -> Tensors:
    """Return what all batches of a fold share, by name.

    Parameters
    ----------
    options : GendmrMethod
    preparation : Preparation
    evidence : Evidence
    modalities : tuple of str
        That can be trained.
    seed : int
        Of `position: shuffled`.

    Returns
    -------
    dict of Tensor
        `snp_z` (slot, snp, channel, phenotype) and `region_z` (slot, region, measure, phenotype):
        a slot for each part of each partition, and a last one for people outside training;
        `snp_features` (slot, snp, feature), `snp_flip` (slot, snp), `snp_chromosome`, `snp_gene`,
        `snp_absent` (snp,), `snp_surroundings`, `snp_fourier` (snp, feature), `snp_coded` (class,
        snp); with attention blocks, `members_<chromosome>` and `far_<chromosome>`.
    """
    snps = preparation.instances("snp") if "snp" in preparation.reads else NO_SNPS
    count = len(snps)
    chromosome = snps["chromosome"].to_numpy(dtype=str)
    position = snps["position"].to_numpy(dtype=np.float64)
    code = np.array([CHROMOSOME_CODES.get(name, 0) for name in chromosome], dtype=np.int64)
    _, gene = np.unique(
        np.array([text.split(";")[0] for text in snps["gene"]], dtype=str), return_inverse=True
    )
    z = _slots(evidence.snp, evidence.snp_all)
    arrays = {
        "snp_z": z,
        "snp_flip": _strongest(z.sum(axis=2)) < 0,
        "snp_features": _features(_strongest(z), gene),
        "snp_chromosome": code,
        "snp_gene": gene.reshape(-1).astype(np.int64) if count else np.zeros(1, np.int64),
        "snp_surroundings": _surroundings(snps),
        "snp_fourier": _fourier(options, chromosome, position, seed),
        "snp_coded": _coded(preparation),
        "classes": np.arange(CLASSES, dtype=np.uint8),
        "region_z": _slots(evidence.region, evidence.region_all),
        "snp_absent": np.zeros(max(count, 1), dtype=np.float32),
    }
    if options.blocks and "snp" in modalities:
        arrays |= _chromosomes(code, position)
    return {
        name: torch.from_numpy(value.astype(np.float32) if value.dtype == np.float64 else value)
        for name, value in arrays.items()
    }


def mark_padding(fixed: Tensors, own: list[Tensors]) -> None:
    """Keep padded SNPs out of every attention; tell where each SNP stands among the slots.

    Parameters
    ----------
    fixed : dict of Tensor (replicate, ...)
        Changed in place.
    own : list of dict of Tensor
        Of each replicate, without padding.
    """
    for row, item in enumerate(own):
        fixed["snp_absent"][row, len(item["snp_absent"]) :] = -PADDING
        start = 0
        for name in CHROMOSOMES:
            if f"members_{name}" not in fixed:
                continue
            count = len(item[f"members_{name}"])
            fixed[f"far_{name}"][row, :, count:] = PADDING
            slots = fixed[f"members_{name}"].shape[1]
            members = fixed[f"members_{name}"][row, :count]
            fixed["place"][row, members] = torch.arange(start, start + count, device=members.device)
            start += slots
    for name in CHROMOSOMES:
        if f"members_{name}" in fixed and not fixed[f"members_{name}"].shape[1]:
            del fixed[f"members_{name}"], fixed[f"far_{name}"]


def _fourier(
    options: GendmrMethod, chromosome: np.ndarray, position: np.ndarray, seed: int
) -> np.ndarray:
    """Return sines and cosines of 2^k pi u, computed in float64, as (snp, 2 octaves)."""
    length = np.array([max(LENGTHS.get(name, 0), 1) for name in chromosome], dtype=np.float64)
    for name in np.unique(chromosome):
        inside = chromosome == name
        length[inside] = np.maximum(length[inside], position[inside].max())
    share = position / length
    if options.position == "index":
        share = (np.arange(len(share)) + 0.5) / max(len(share), 1)
    elif options.position == "shuffled":
        share = generator(seed, "position").permutation(share)
    angle = np.pi * share[:, None] * 2.0 ** np.arange(options.fourier)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


def _strongest(z: np.ndarray) -> np.ndarray:
    """Return the z (..., phenotype) of the phenotype that an instance says most of (...)."""
    best = np.abs(z).argmax(axis=-1)[..., None]
    return np.asarray(np.take_along_axis(z, best, axis=-1)[..., 0])


def _slots(parts: np.ndarray, everybody: np.ndarray) -> np.ndarray:
    """Return the evidence of every part of every partition, then that of all (slot, ...)."""
    return np.concatenate([part for row in parts for part in row[:, None]] + [everybody[None]])


def _features(z: np.ndarray, gene: np.ndarray) -> np.ndarray:
    """Return log(1 + z^2) by channel, of the SNP and as its gene's mean (slot, snp, feature)."""
    square = z.astype(np.float64) ** 2
    genes = int(gene.max(initial=0)) + 1
    size = np.maximum(np.bincount(gene.reshape(-1), minlength=genes), 1)
    pooled = np.zeros((genes, z.shape[0], z.shape[2]))
    np.add.at(pooled, gene.reshape(-1), square.swapaxes(0, 1))
    pooled = (pooled / size[:, None, None])[gene.reshape(-1)].swapaxes(0, 1)
    return np.concatenate([np.log1p(square), np.log1p(pooled)], axis=2).astype(np.float32)


def _surroundings(snps: pd.DataFrame) -> np.ndarray:
    """Return log distances to the neighbours and to the gene, and whether inside (snp, 4)."""
    chromosome = snps["chromosome"].to_numpy(dtype=str)
    position = snps["position"].to_numpy(dtype=np.float64)
    count = len(snps)
    order = np.lexsort((position, chromosome))
    gap = np.full(count + 1, 1e6)
    if count > 1:
        same_chromosome = chromosome[order][1:] == chromosome[order][:-1]
        gap[1:-1] = np.where(same_chromosome, np.diff(position[order]), 1e6)
    values = np.zeros((count, 4))
    values[order, 0] = np.log1p(np.clip(gap[:-1], 0, 1e6)) / 10
    values[order, 1] = np.log1p(np.clip(gap[1:], 0, 1e6)) / 10
    distance = snps["distance"].to_numpy(dtype=np.float64)
    near = np.nan_to_num(distance)
    values[:, 2] = np.sign(near) * np.log1p(np.abs(near)) / 10
    values[:, 3] = np.isfinite(distance) & (near == 0)
    return values


def _coded(preparation: Preparation) -> np.ndarray:
    """Return the standardised dosage of each class, 0 for missing (class, snp)."""
    if "snp" not in preparation.reads:
        return np.zeros((CLASSES, 0))
    dosage = np.arange(CLASSES, dtype=np.float64)[:, None]
    transform = cast(SnpTransform, preparation.transforms["snp"])
    coded = (dosage - transform.mean_dosage) / transform.scale_dosage
    coded[MISSING] = 0.0
    return np.asarray(coded)


def _chromosomes(code: np.ndarray, position: np.ndarray) -> dict[str, np.ndarray]:
    """Return the SNPs of each chromosome and the log distances between them.

    Every chromosome has a slot, so that replicates with other SNPs stack.
    """
    arrays: dict[str, np.ndarray] = {"place": np.zeros(code.size, dtype=np.int64)}
    for number, name in enumerate(CHROMOSOMES):
        inside = np.flatnonzero(code == number)
        apart = np.abs(position[inside][:, None] - position[inside][None])
        arrays[f"members_{name}"] = inside
        arrays[f"far_{name}"] = np.log1p(apart / 1e4)
    return arrays
