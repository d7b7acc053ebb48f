"""No step reads other bytes than the one before it wrote: 1,680 random damages of all kinds."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import save

from gendmr.errors import GendmrError, InputFileError
from gendmr.files import opening
from gendmr.files.arrays import read_array, read_arrays, read_tensors
from gendmr.files.atomic import (
    atomic_path,
    read_json,
    read_json_lines,
    read_text,
    write_json,
    write_text,
)
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.files.lesions import LesionVolume, read_volume, volume_writer
from gendmr.files.opening import read_attributes, read_names
from gendmr.files.seal import seal_of, seal_results, verify
from gendmr.files.tables import read_table, write_table
from gendmr.genotypes.filesets import load_fileset
from gendmr.imaging.scan import read_image, write_image
from gendmr.modalities import modality_of
from gendmr.modalities.reader import ArrayReader
from gendmr.modalities.store import attributions_schema, null_schema
from gendmr.simulate.plink import write_fileset

PEOPLE = np.array([f"P{number}" for number in range(30)], dtype=object)
SNPS = np.array([f"rs{number}" for number in range(12)], dtype=object)


@pytest.fixture
def sealing():
    """Write as the jobs of a run do."""
    seal_results()
    yield
    seal_results(on=False)


def measured() -> xr.Dataset:
    values = np.random.default_rng(1).normal(size=(len(PEOPLE), 5))
    return xr.Dataset(
        {
            "value_region": (("participant", "region"), values.astype(np.float32)),
            "baseline_region": (("participant",), values[:, 0].astype(np.float32)),
        },
        {"participant": PEOPLE, "region": np.array([f"R{i}" for i in range(5)], dtype=object)},
    )


def null() -> xr.Dataset:
    values = np.random.default_rng(2).uniform(size=(8, len(SNPS))).astype(np.float32)
    variables = {f"{score}_snp": (("permutation", "snp"), values) for score in SCORES}
    return xr.Dataset(variables, {"permutation": np.arange(8), "snp": SNPS}, {"inputs": "{}"})


SCORES = ("mean_abs", "abs_mean")


def typed() -> xr.Dataset:
    dosage = np.random.default_rng(3).integers(-1, 3, (len(PEOPLE), len(SNPS)))
    n = len(SNPS)
    return xr.Dataset(
        {"dosage": (("participant", "snp"), dosage.astype(np.int8))},
        {
            "participant": PEOPLE,
            "snp": SNPS,
            "chromosome": ("snp", np.repeat("1", n)),
            "position": ("snp", np.arange(1, n + 1)),
            "gene": ("snp", np.repeat("A", n)),
            "effect_allele": ("snp", np.repeat("A", n)),
            "other_allele": ("snp", np.repeat("G", n)),
            "distance": ("snp", np.zeros(n, dtype=np.int64)),
        },
        {"build": "GRCh37"},
    )


def table(path: Path) -> None:
    import pandas as pd

    write_table(path, pd.DataFrame({"participant_id": PEOPLE, "score": np.arange(30) / 7}))


def read_rows(path: Path) -> None:
    reader = ArrayReader(path, modality_of("snp"), PEOPLE, np.ones(len(PEOPLE), dtype=bool))
    reader.array("dosage", np.arange(len(PEOPLE)))


def json_lines(path: Path) -> None:
    write_text(path, "".join(json.dumps({"epoch": n, "loss": n / 3}) + "\n" for n in range(20)))


def volumes(path: Path) -> None:
    random = np.random.default_rng(4)
    with volume_writer(path, ("t1", "flair")) as writer:
        for name in ("A", "B"):
            image = random.integers(0, 99, (2, 3, 8, 8)).astype(np.uint16)
            mask = random.integers(0, 2, (3, 8, 8)).astype(np.uint8)
            channels, limits = np.ones(2, dtype=bool), random.normal(size=(2, 4))
            writer.write(
                name,
                LesionVolume(image, mask, np.arange(3), channels, limits, np.ones(3), np.eye(4)),
            )


def read_volumes(path: Path) -> None:
    for name in ("A", "B"):
        read_volume(path, name)


def arrays(path: Path) -> None:
    random = np.random.default_rng(6)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        if path.suffix == ".npy":
            np.save(stream, random.normal(size=99))
        elif path.suffix == ".npz":
            np.savez(stream, maf=random.uniform(size=40), hwe=random.uniform(size=40))
        else:
            tensors = {"weight": random.normal(size=(4, 5)), "bias": random.normal(size=5)}
            stream.write(save(tensors))


def scan(path: Path) -> None:
    write_image(path, np.random.default_rng(7).uniform(1, 9, (12, 12, 12)), np.diag([2, 2, 2, 1]))


# Kind of an intermediate file: its name, how a step writes it, how later ones read it.
KINDS = {
    "table": ("scores.tsv", table, lambda path: read_table(path, COLUMNS)),
    "record": (
        "run.json",
        lambda path: write_json(path, {"inputs": {"snp.nc": "ab" * 32}, "seed": 7, "notes": []}),
        read_json,
    ),
    "history": ("history.jsonl", json_lines, read_json_lines),
    "list": ("pruned.txt", lambda path: write_text(path, "\n".join(SNPS)), read_text),
    "modality": (
        "snp.nc",
        lambda path: write_dataset(path, typed(), modality_of("snp").schema),
        lambda path: read_dataset(path, modality_of("snp").schema),
    ),
    "rows": (
        "snp.nc",
        lambda path: write_dataset(path, typed(), modality_of("snp").schema),
        read_rows,
    ),
    "attributions": (
        "attributions.nc",
        lambda path: write_dataset(path, measured(), attributions_schema(("region",))),
        lambda path: read_dataset(path, attributions_schema()),
    ),
    "names": (
        "attributions.nc",
        lambda path: write_dataset(path, measured(), attributions_schema(("region",))),
        lambda path: read_names(path, "participant"),
    ),
    "null": (
        "chunk-0.nc",
        lambda path: write_dataset(path, null(), null_schema(["snp"])),
        lambda path: (read_attributes(path), read_dataset(path, null_schema())),
    ),
    "volumes": ("volumes.h5", volumes, read_volumes),
    "array": ("merge.missingness.npy", arrays, read_array),
    "arrays": ("variants.measures.npz", arrays, read_arrays),
    "weights": ("model.safetensors", arrays, read_tensors),
    "image": ("warped.nii.gz", scan, read_image),
}
COLUMNS = {"participant_id": "text", "score": "number"}


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Return other bytes: a flipped bit, a stretch of zeros, a cut, a lost or doubled stretch."""
    start, stop = np.sort(random.integers(0, len(content) + 1, 2))
    kind = random.integers(5)
    if kind == 0:
        place = int(random.integers(len(content)))
        flipped = content[place] ^ (1 << int(random.integers(8)))
        return content[:place] + bytes([flipped]) + content[place + 1 :]
    if kind == 1:
        return content[:start] + bytes(stop - start) + content[stop:]
    if kind == 2:
        return content[:start]
    if kind == 3:
        return content[:start] + content[stop:]
    return content[:stop] + content[start:]


@pytest.mark.parametrize("kind", KINDS)
def test_any_damage_of_a_result_ends_with_a_named_error(tmp_path, sealing, kind):
    name, write, read = KINDS[kind]
    random = np.random.default_rng(sum(kind.encode()))
    write(tmp_path / name)
    read(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    seal = seal_of(tmp_path / name).read_text()
    changes = 0
    while changes < 120:
        damaged_bytes = damaged(content, random)
        if damaged_bytes == content:
            continue
        changes += 1
        folder = tmp_path / str(changes)
        folder.mkdir()
        (folder / name).write_bytes(damaged_bytes)
        seal_of(folder / name).write_text(seal)
        with pytest.raises(InputFileError) as error:
            read(folder / name)
        assert name in error.value.what


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_result_without_seal_is_read_or_refused_by_name(tmp_path, monkeypatch, kind):
    """HDF5 itself may crash or loop on damage: another process reads such a file first."""
    monkeypatch.setattr(opening, "SECONDS", 1)
    name, write, read = KINDS[kind]
    random = np.random.default_rng(1 + sum(kind.encode()))
    write(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert not seal_of(tmp_path / name).exists()
    for change in range(12 if name.endswith((".nc", ".h5")) else 40):
        path = tmp_path / f"{change}-{name}"
        path.write_bytes(damaged(content, random))
        try:
            read(path)
        except GendmrError as error:
            assert str(path) in error.what


@pytest.mark.parametrize("how", ["crash", "loop"])
def test_probe__damage_that_would_end_the_job_is_named(tmp_path, monkeypatch, how):
    """Whatever HDF5 does to the process that reads."""

    def read(path: Path) -> None:
        if how == "crash":
            # A crash that is meant leaves no trace of hundreds of lines in the log.
            faulthandler.disable()
            os.kill(os.getpid(), signal.SIGSEGV)
        while True:
            pass

    write_dataset(tmp_path / "snp.nc", typed(), modality_of("snp").schema)
    monkeypatch.setattr(opening, "_read_all", read)
    monkeypatch.setattr(opening, "SECONDS", 1)
    with pytest.raises(InputFileError, match=r"ended by SIG(SEGV|XCPU)") as error:
        read_attributes(tmp_path / "snp.nc")
    assert f"rm {tmp_path / 'snp.nc'}" in error.value.next_step
    monkeypatch.undo()
    assert read_attributes(tmp_path / "snp.nc")


@pytest.mark.parametrize("suffix", ["bed", "bim", "fam"])
def test_a_damaged_set_of_genotypes_is_refused(tmp_path, sealing, suffix):
    import pandas as pd

    dosage = typed()["dosage"].values
    prefix = tmp_path / "qc"
    variants = pd.DataFrame(
        {"chromosome": "1", "snp": SNPS, "position": range(1, 13), "a1": "A", "a2": "G"}
    )
    people = pd.DataFrame({"fid": PEOPLE, "iid": PEOPLE, "sex": 1})
    write_fileset(prefix, dosage.T, variants, people)
    load_fileset(prefix)
    random = np.random.default_rng(9)
    path = tmp_path / f"qc.{suffix}"
    content = path.read_bytes()
    for _ in range(40):
        damaged_bytes = damaged(content, random)
        if damaged_bytes != content:
            path.unlink()
            path.write_bytes(damaged_bytes)
            with pytest.raises(GendmrError):
                load_fileset(prefix)


def test_both_remedies_of_a_damaged_result_do_what_they_say(tmp_path, sealing):
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    path.write_text('{"a": 2}')
    with pytest.raises(InputFileError) as error:
        read_json(path)
    _, remove, accept = (part.strip() for part in error.value.next_step.split("rm "))
    subprocess.run(["rm", accept], check=True)
    assert read_json(path) == {"a": 2}
    path.write_text('{"a": 3}')
    subprocess.run(["rm", remove.partition(",")[0]], check=True)
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}


def test_the_seal_is_what_sha256sum_checks(tmp_path, sealing):
    write_json(tmp_path / "run.json", {"a": 1})
    command = ["sha256sum", "--check", ".run.json.sha256"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_a_file_that_is_written_again_without_seal_is_not_held_to_the_old_one(tmp_path, sealing):
    write_json(tmp_path / "run.json", {"a": 1})
    seal_results(on=False)
    write_json(tmp_path / "run.json", {"a": 2})
    verify(tmp_path / "run.json")
    assert read_json(tmp_path / "run.json") == {"a": 2}
