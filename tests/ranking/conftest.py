"""Folds with a known answer, as real files: attributions, predictions and the cohort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.files.datasets import write_dataset
from gendmr.files.tables import write_table
from gendmr.modalities.store import attributions_schema, null_schema, write_modality


@dataclass
class Study:
    """A cohort of `n` people; values of gene G0 (SNPs 0 to per_gene) and of region R0 are large.

    A study whose `snp` or `region` is false has no file of it, and its method does not read it.
    """

    folder: Path
    n: int = 40
    n_genes: int = 30
    per_gene: int = 3
    n_regions: int = 8
    folds: int = 4
    repeats: int = 1
    snp: bool = True
    region: bool = True
    noise: float = 0.05
    seed: int = 0
    chunks: int = 0
    draws: int = 20

    def write(self) -> dict[str, Any]:
        """Write all files; return the arguments of `rank_method` but method, options, output."""
        rng = np.random.default_rng(self.seed)
        self.people = np.array([f"{i:03d}" for i in range(self.n)])
        self.dosage = rng.integers(0, 3, (self.n, self.n_genes * self.per_gene)).astype(np.int8)
        self.volume = rng.uniform(900, 1100, (self.n, self.n_regions))
        self.write_cohort()
        paths = []
        for repeat in range(self.repeats):
            fold = rng.permutation(self.n) % self.folds
            for k in range(self.folds):
                held_out = np.flatnonzero(fold == k)
                paths.append(self.write_fold(rng, repeat, k, held_out))
                for chunk in range(self.chunks):
                    self.write_null(rng, repeat, k, chunk)
        return {
            "attributions": [str(path) for path in paths],
            "modalities": [name for name in ("snp", "region") if getattr(self, name)],
            "null_chunks": self.chunks,
            "cohort": self.folder / "cohort",
            "genes": self.folder / "genes.tsv",
        }

    def write_cohort(self) -> None:
        genes = [f"G{i}" for i in range(self.n_genes)]
        chromosome = np.array([str(1 + i * 22 // self.n_genes) for i in range(self.n_genes)])
        start = 1_000_000 + 400_000 * np.arange(self.n_genes)
        self.snps = np.array([f"rs{i}" for i in range(self.n_genes * self.per_gene)])
        m = len(self.snps)
        dataset = xr.Dataset(
            {"dosage": (("participant", "snp"), self.dosage)},
            coords={
                "participant": self.people,
                "snp": self.snps,
                "chromosome": ("snp", np.repeat(chromosome, self.per_gene)),
                "position": ("snp", (np.repeat(start, self.per_gene) + np.arange(m)).astype(int)),
                "effect_allele": ("snp", np.full(m, "A")),
                "other_allele": ("snp", np.full(m, "G")),
                "gene": ("snp", np.repeat(genes, self.per_gene)),
                "distance": ("snp", np.zeros(m, dtype=np.int64)),
            },
            attrs={"build": "GRCh37"},
        )
        self.genes_of_snps = dataset["gene"].values
        if self.snp:
            write_modality(self.folder / "cohort" / "snp.nc", dataset, "snp")
        table = pd.DataFrame({"gene": genes, "chromosome": chromosome, "start": start})
        write_table(
            self.folder / "genes.tsv", table.assign(end=table["start"] + 20_000, strand="+")
        )
        if not self.region:
            return
        shape = (self.n, self.n_regions)
        rng = np.random.default_rng(9)
        regions = xr.Dataset(
            {
                "volume": (("participant", "region"), self.volume),
                "mean": (("participant", "region"), np.full(shape, 0.5)),
                "spread": (("participant", "region"), np.full(shape, 0.1)),
                "icv": ("participant", np.full(self.n, 1.5e6)),
            },
            coords={
                "participant": self.people,
                "region": np.array([f"R{i}" for i in range(self.n_regions)]),
                "hemisphere": ("region", np.array(["L", "R"] * self.n_regions)[: self.n_regions]),
                "x": ("region", rng.uniform(-60, 60, self.n_regions)),
                "y": ("region", rng.uniform(-90, 60, self.n_regions)),
                "z": ("region", rng.uniform(-30, 60, self.n_regions)),
            },
        )
        write_modality(self.folder / "cohort" / "region.nc", regions, "region")

    def write_fold(
        self, rng: np.random.Generator, repeat: int, k: int, held_out: np.ndarray
    ) -> Path:
        folder = self.folder / "m" / f"repeat-{repeat}" / f"fold-{k}"
        variables: dict[str, Any] = {}
        coordinates: dict[str, Any] = {"participant": self.people[held_out]}
        if self.snp:
            weight = self.noise * rng.normal(size=len(self.snps))
            weight[: self.per_gene] += 0.5
            risk = (self.dosage[held_out] * weight).astype(np.float32)
            variables["value_snp"] = (("participant", "snp"), risk)
            share = np.full(risk.shape, 1 / risk.shape[1], dtype=np.float32)
            variables["attention_snp"] = (("participant", "snp"), share)
            variables["baseline_snp"] = ("participant", np.zeros(len(held_out), dtype=np.float32))
            coordinates["snp"] = self.snps
            for name in ("chromosome", "gene", "position"):
                with xr.open_dataset(self.folder / "cohort" / "snp.nc") as stored:
                    values = stored[name].values
                kind = np.int64 if name == "position" else str
                coordinates[name] = ("snp", values.astype(kind))
        if self.region:
            weight = self.noise * rng.normal(size=self.n_regions)
            weight[0] -= 1.0
            risk = ((self.volume[held_out] - 1000) / 50 * weight).astype(np.float32)
            variables["value_region"] = (("participant", "region"), risk)
            share = np.full(risk.shape, 1 / risk.shape[1], dtype=np.float32)
            variables["attention_region"] = (("participant", "region"), share)
            variables["baseline_region"] = (
                "participant",
                np.zeros(len(held_out), dtype=np.float32),
            )
            coordinates["region"] = np.array([f"R{i}" for i in range(self.n_regions)])
        path = folder / "attributions.nc"
        write_dataset(path, xr.Dataset(variables, coords=coordinates), attributions_schema())
        held_set = set(held_out.tolist())
        rows = [(p, "held-out" if i in held_set else "train") for i, p in enumerate(self.people)]
        table = pd.DataFrame(rows, columns=["participant_id", "set"]).assign(score=0.5)
        write_table(folder / "predictions.tsv", table)
        return path

    def write_null(self, rng: np.random.Generator, repeat: int, k: int, chunk: int) -> None:
        """Write scores of noise, as under permuted outcomes; not every SNP is read."""
        variables: dict[str, Any] = {}
        coordinates: dict[str, Any] = {"permutation": np.arange(self.draws) + self.draws * chunk}
        if self.snp:
            read = np.sort(rng.permutation(len(self.snps))[: len(self.snps) - 2])
            coordinates["snp"] = self.snps[read]
            shape = (self.draws, len(read))
            for score in ("mean_abs", "abs_mean"):
                values = np.abs(self.noise * rng.normal(size=shape)).astype(np.float32)
                variables[f"{score}_snp"] = (("permutation", "snp"), values)
        if self.region:
            coordinates["region"] = np.array([f"R{i}" for i in range(self.n_regions)])
            shape = (self.draws, self.n_regions)
            for score in ("mean_abs", "abs_mean"):
                values = np.abs(self.noise * rng.normal(size=shape)).astype(np.float32)
                variables[f"{score}_region"] = (("permutation", "region"), values)
        folder = self.folder / "m" / "null" / f"repeat-{repeat}" / f"fold-{k}"
        dataset = xr.Dataset(variables, coords=coordinates)
        write_dataset(folder / f"chunk-{chunk}.nc", dataset, null_schema())


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    return lambda **changes: Study(tmp_path, **changes)


@pytest.fixture(scope="session")
def make_written() -> Callable[..., dict[str, Any]]:
    return lambda folder, **changes: Study(folder, **changes).write()
