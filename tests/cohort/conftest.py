"""What the stage `cohort` takes, made small: real files, any shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.region import RegionSection
from gendmr.config.modalities.snp import SnpSection
from gendmr.files.tables import write_table
from gendmr.modalities.store import write_modality

CODES = {2: 0b00, -1: 0b01, 1: 0b10, 0: 0b11}  # copies of A1 to the bits of a .bed


def write_plink(
    prefix: Path,
    fam: Sequence[tuple[str, str]],
    bim: Sequence[tuple[str, str, int, str, str]],
    dosage: np.ndarray,
) -> None:
    """Write a PLINK 1 file set; dosage (people, variants) counts column 5 of the .bim."""
    n, m = dosage.shape
    body = np.zeros((m, -(-n // 4)), dtype=np.uint8)
    for row in range(n):
        bits = np.array([CODES[int(value)] for value in dosage[row]], dtype=np.uint8)
        body[:, row // 4] |= bits << (2 * (row % 4))
    Path(f"{prefix}.bed").write_bytes(b"\x6c\x1b\x01" + body.tobytes())
    Path(f"{prefix}.fam").write_text("".join(f"{f} {i} 0 0 0 -9\n" for f, i in fam))
    Path(f"{prefix}.bim").write_text(
        "".join(f"{chrom} {name} 0 {position} {a1} {a2}\n" for chrom, name, position, a1, a2 in bim)
    )


@dataclass
class Inputs:
    """Files of the stages before, in one folder."""

    folder: Path
    participants: list[dict[str, Any]] = field(default_factory=list)
    fam: list[tuple[str, str]] = field(default_factory=list)
    imaged: list[str] = field(default_factory=list)
    flagged: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    kinship: list[tuple[str, str, float]] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)  # IID, step
    options: dict[str, Any] = field(default_factory=dict)
    chromosomes: tuple[str, ...] = ("1", "1", "2", "19", "X")
    images: bool = True
    genotypes: bool = True
    long_allele: int = 1  # bases of the other allele of the first variant

    def write(self) -> dict[str, Any]:
        """Write all; return the arguments of `join_people` but for `output`."""
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        columns = list(self.participants[0])
        table = pd.DataFrame(self.participants, columns=columns)
        write_table(folder / "participants.tsv", table)
        bim = [
            (chrom, f"rs{i}", 1000 * (i + 1), "A", "G" if i else "G" * self.long_allele)
            for i, chrom in enumerate(self.chromosomes)
        ]
        self.dosage = rng.integers(-1, 3, (len(self.fam), len(bim))).astype(np.int8)
        write_plink(folder / "qc", self.fam, bim, self.dosage)
        header = ["kind", "id", "stage", "step", "reason", "value", "threshold"]
        rows = [
            ("participant", iid, "genotypes", step, f"removed by {step}", 0.5, 0.1)
            for iid, step in self.removed
        ]
        rows.append(("variant", "rs99", "genotypes", "frequency", "rare", 0.001, 0.01))
        write_table(folder / "attrition.tsv", pd.DataFrame(rows, columns=header))
        pairs = [(a, b, k, "first") for a, b, k in self.kinship]
        header = ["id1", "id2", "kinship", "relation"]
        write_table(folder / "kinship.tsv", pd.DataFrame(pairs, columns=header))
        genes = [
            ("rs0", "1", 1000, "NEAR", -50, "upstream"),
            ("rs0", "1", 1000, "INSIDE", 0, "inside"),
            ("rs2", "2", 3000, "FAR", 4000, "downstream"),
            ("rs3", "19", 4000, "n/a", "n/a", "n/a"),
        ]
        header = ["snp", "chromosome", "position", "gene", "distance", "relation"]
        write_table(folder / "snp2gene.tsv", pd.DataFrame(genes, columns=header))
        (folder / "summary.json").write_text(json.dumps({"build": "GRCh37"}))
        if self.images:
            self.write_images(rng)
        return self.arguments()

    def arguments(self) -> dict[str, Any]:
        """The arguments of `join_people` but for `output`."""
        folder = self.folder
        files = {"snp": {"genotypes": "qc.bed", "variants": "qc.bim", "people": "qc.fam"}}
        files["snp"] |= {"attrition": "attrition.tsv", "kinship": "kinship.tsv"}
        files["snp"] |= {"genes": "snp2gene.tsv", "annotation": "summary.json"}
        files["region"] = {"regions": "regions.nc", "quality": "quality.tsv"}
        sections = {"snp": SnpSection(), "region": RegionSection()}
        having = {"snp": self.genotypes, "region": self.images}
        return {
            "sources": {
                name: {role: str(folder / file) for role, file in roles.items()}
                for name, roles in files.items()
                if having[name]
            },
            "sections": {name: entry for name, entry in sections.items() if having[name]},
            "options": self.section(),
        }

    def section(self) -> CohortSection:
        return CohortSection.parse(
            {"participants": str(self.folder / "participants.tsv"), **self.options}
        )

    def write_images(self, rng: np.random.Generator) -> None:
        n, regions = len(self.imaged), ["hippocampus", "amygdala", "cuneus"]
        shape = (n, len(regions))
        dataset = xr.Dataset(
            {
                "volume": (("participant", "region"), rng.uniform(1000, 4000, shape)),
                "mean": (("participant", "region"), rng.uniform(0.4, 0.8, shape)),
                "spread": (("participant", "region"), rng.uniform(0.1, 0.2, shape)),
                "icv": ("participant", rng.uniform(1.2e6, 1.8e6, n)),
            },
            coords={
                "participant": np.array(self.imaged, dtype=str),
                "region": np.array(regions),
                "hemisphere": ("region", np.array(["L", "R", "B"])),
                **{axis: ("region", np.array([1.0, 2.0, 3.0])) for axis in "xyz"},
            },
            attrs={"space": "MNI152NLin2009aSym", "atlas": "toy"},
        )
        write_modality(self.folder / "regions.nc", dataset, "region")
        rows = [
            (
                name,
                name in self.flagged,
                "low overlap" if name in self.flagged else "n/a",
                "measured",
            )
            for name in self.imaged
        ]
        rows += [(name, True, "no valid affine", "absent") for name in self.unmeasured]
        rows += [(name, False, "ImageError: no affine", "refused") for name in self.refused]
        table = pd.DataFrame(rows, columns=["participant_id", "outlier", "reason", "status"])
        write_table(self.folder / "quality.tsv", table)


def join_all(arguments: dict[str, Any], output: Path) -> None:
    """Join, and collect each modality."""
    join_people(**arguments, output=output)
    for name, section in arguments["sections"].items():
        collect_modality(
            name,
            arguments["sources"][name],
            section,
            output / "participants.tsv",
            arguments["options"],
            output / f"{name}.nc",
        )


def people(n: int, **changes: Any) -> list[dict[str, Any]]:
    """Rows of participants.tsv: every second a case."""
    return [
        {
            "participant_id": f"sub-{i:03d}",
            "diagnosis": "case" if i % 2 else "control",
            "age": 60 + i % 20,
            "sex": "MF"[i % 3 == 0],
            "site": f"{i % 4}",
            **changes,
        }
        for i in range(n)
    ]


def study(folder: Path, n: int = 40, n_imaged: int = 16) -> Inputs:
    """A whole study: `n` listed, all but the last four genotyped, the last `n_imaged` imaged."""
    ids = [f"{i:03d}" for i in range(n)]
    return Inputs(
        folder=folder,
        participants=people(n),
        fam=[(f"F{i}", name) for i, name in enumerate(ids[:-4])],
        imaged=[f"sub-{name}" for name in ids[-n_imaged:]],
    )


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Inputs]:
    return study


@pytest.fixture(scope="session")
def join_cohort() -> Callable[[dict[str, Any], Path], None]:
    """`join_cohort(arguments, output)`: the stage up to the files of the modalities."""
    return join_all


@pytest.fixture
def join(join_cohort: Callable[[dict[str, Any], Path], None]) -> Callable[[Inputs], Path]:
    """`join(inputs)`: the folder of the cohort of these inputs."""

    def run(inputs: Inputs) -> Path:
        out = inputs.folder.parent / "cohort"
        join_cohort(inputs.write(), out)
        return out

    return run


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    """24 listed people, 20 genotyped, 10 imaged, 6 of them both; no figure, which costs most."""
    monkeypatch.setattr("gendmr.cohort.flow.draw_flow", lambda flow, path: None)
    return study(tmp_path / "in", n=24, n_imaged=10)
