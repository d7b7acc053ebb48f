"""The commands that pages on data of one's own print, carried out on made-up files of their form.

What computes for long is planned only, once for all pages: Snakemake runs with ``-n``. Of ``make``
the commands are looked at that it would give.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

from gendmr.genotypes.plink import find
from gendmr.simulate.plink import write_fileset

N = 40
PEOPLE = [str(1000001 + number) for number in range(N)]
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# In place of the programs of that name: long ones are planned, not run.
PROGRAMS = {
    "gendmr": 'exec "{python}" -m gendmr "$@"',
    "snakemake": """words=()
while [ $# -gt 0 ]; do
  case $1 in --report) shift 2 ;; *) words+=("$1"); shift ;; esac
done
exec "{python}" -m snakemake -n --quiet all "${{words[@]}}" """,
    "make": """/usr/bin/make -n -f "{root}/Makefile" "$@" > given.txt
grep -E '^gendmr estimate|^snakemake --profile' given.txt | grep -F config/studies/mine.yaml""",
}


def numbers(seed: int, *shape: int, low: float = 2000, high: float = 5000) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape).round(2)


def write_people(path: Path, column: str, codes: tuple[str, str], **more: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "participant_id": PEOPLE, column: [codes[number // 2 % 2] for number in range(N)],
        "age": numbers(1, N, low=50, high=90), "sex": ["M", "F"] * (N // 2), **more,
    }  # fmt: skip
    pd.DataFrame(table).to_csv(path, sep="\t", index=False)


def write_genotypes(prefix: Path, chromosomes: list[int], people: list[str] = PEOPLE) -> None:
    rng = np.random.default_rng(2)
    rows = [
        (str(chromosome), f"rs{chromosome}{place}", 1000 * place)
        for chromosome in chromosomes
        for place in (1, 2)
    ]
    variants = pd.DataFrame(rows, columns=["chromosome", "snp", "position"]).assign(a1="A", a2="G")
    fam = pd.DataFrame({"fid": people, "iid": people, "sex": [1, 2] * (len(people) // 2)})
    write_fileset(
        prefix, rng.integers(0, 3, (len(rows), len(people))).astype(np.int8), variants, fam
    )


def write_gene_loc(path: Path) -> None:
    path.write_text("".join(f"{n}\t{n}\t500\t3000\t+\tGENE{n}\n" for n in range(1, 23)))


def write_gtf(path: Path) -> None:
    path.write_text(
        "".join(
            f'{n}\tx\tgene\t500\t3000\t.\t+\t.\tgene_id "E{n}"; gene_name "GENE{n}";'
            ' gene_type "protein_coding";\n'
            for n in range(1, 23)
        )
    )


def plink2(folder: Path, *words: str) -> None:
    command = [find("2").path, "--memory", "700", *words]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


def readme(data: Path) -> None:
    write_people(data.parent / "people.tsv", "diagnosis", ("AD", "CN"), site=["a", "b"] * (N // 2))
    write_genotypes(data / "array", [1, 2])
    write_gene_loc(data / "genes.gene.loc")


def own_data(data: Path) -> None:
    write_people(data.parent / "people.tsv", "diagnosis", ("AD", "CN"))
    for name in ("array1", "array2"):
        write_genotypes(data / name, [1, 2])
    write_gene_loc(data / "NCBI37.3.gene.loc")
    values = numbers(3, N, 4)
    names = [
        f"{side}-{structure}"
        for side in ("Left", "Right")
        for structure in ("Hippocampus", "Amygdala")
    ]
    table = pd.DataFrame(values, columns=names).assign(eTIV=numbers(4, N, low=1.2e6, high=1.7e6))
    table.insert(0, "subject_id", PEOPLE)
    table.to_csv(data / "freesurfer.csv", index=False)


def adni(data: Path) -> None:
    write_people(data / "participants.tsv", "DX", ("AD", "CN"), site=["a", "b"] * (N // 2))
    write_genotypes(data / "array1", [1, 2], PEOPLE[:20])
    write_genotypes(data / "array2", [1, 2], PEOPLE[20:])
    write_gene_loc(data / "NCBI37.3.gene.loc")
    for who, (left_volume, right_volume, head) in zip(PEOPLE, numbers(5, N, 3), strict=True):
        stats = data / "freesurfer" / f"sub-{who}" / "stats"
        stats.mkdir(parents=True)
        rows = f"1 17 1 {left_volume} Left-Hippocampus\n2 53 1 {right_volume} Right-Hippocampus\n"
        (stats / "aseg.stats").write_text(
            f"# Measure EstimatedTotalIntraCranialVol, eTIV, head, {head * 400}, mm^3\n"
            f"# ColHeaders Index SegId NVoxels Volume_mm3 StructName\n{rows}"
        )


def uk_biobank(data: Path) -> None:
    write_people(data / "participants.tsv", "outcome", ("1", "0"), centre=["a", "b"] * (N // 2))
    write_genotypes(data / "all", list(range(1, 23)))
    write_gtf(data / "genes.gtf")
    for chromosome in map(str, range(1, 23)):
        source = ["--bfile", "all", "--chr", chromosome]
        plink2(data, *source, "--make-pgen", "--out", f"chr{chromosome}")
        form = ["bgen-1.2", "ref-first", "bits=8", "id-paste=iid"]
        plink2(data, *source, "--export", *form, "--out", f"c{chromosome}")
        (data / f"c{chromosome}.sample").rename(data / "ukb.sample")
    # Volumes by FIRST, and the factor by which a head is scaled to the template.
    fields = [*(f"{number}-2.0" for number in range(25011, 25015)), "25000-2.0"]
    table = pd.DataFrame(numbers(6, N, 5), columns=fields)
    table["25000-2.0"] = numbers(7, N, low=1.1, high=1.5)
    table.insert(0, "eid", PEOPLE)
    table.to_csv(data / "idp.csv", index=False)


def bids_vcf(data: Path) -> None:
    write_people(data / "bids/participants.tsv", "diagnosis", ("AD", "CN"))
    write_genotypes(data / "set", [1, 2])
    plink2(data, "--bfile", "set", "--export", "vcf", "bgz", "id-paste=iid", "--out", "calls")
    write_gtf(data / "genes.gtf")
    labels = np.zeros((32, 32, 32), dtype=np.int16)
    labels[5:9], labels[15:20] = 1, 2
    nib.save(nib.Nifti1Image(labels, np.diag([5, 5, 5, 1])), data / "atlas.nii.gz")
    (data / "atlas.tsv").write_text("index\tregion\themisphere\n1\ta\tL\n2\tb\tR\n")
    for who in PEOPLE:
        path = data / f"bids/sub-{who}/anat/sub-{who}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(np.ones((4, 4, 4), dtype=np.int16), np.eye(4)), path)


PAGES = {
    "README.md": readme,
    "docs/tutorial/own-data.md": own_data,
    "docs/tutorial/adni.md": adni,
    "docs/tutorial/uk-biobank.md": uk_biobank,
    "docs/tutorial/bids-vcf.md": bids_vcf,
}


@pytest.fixture
def clone(tmp_path: Path, root: Path) -> Path:
    """A folder as a clone is for these commands."""
    for name in ("Snakefile", "profiles", "resources", "workflow"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    (tmp_path / "programs").mkdir()
    (tmp_path / "data").mkdir()
    for name, text in PROGRAMS.items():
        body = text.format(python=sys.executable, root=root)
        (tmp_path / "programs" / name).write_text(f"#!/bin/bash\nset -euo pipefail\n{body}\n")
        (tmp_path / "programs" / name).chmod(0o755)
    return tmp_path


def carry_out(clone: Path, command: str) -> str:
    path = f"export PATH={clone}/programs:$PATH\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", path + command],
        cwd=clone, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_tutorial__every_command_leads_where_the_page_says(
    page: str, clone: Path, root: Path
) -> None:
    PAGES[page](clone / "data")
    before = {path: path.read_bytes() for path in (clone / "data").rglob("*") if path.is_file()}
    configuration = clone / "config/studies/mine.yaml"
    blocks = [block for block in BLOCK.findall((root / page).read_text()) if "mine" in block]
    assert any("gendmr init" in block for block in blocks)
    for block in blocks:
        if "gendmr init" in block:
            configuration.unlink(missing_ok=True)  # two ways to begin
        output = carry_out(clone, block)
        if "gendmr check" in block:
            assert "nothing is missing, and all fits" in output
    # Nothing had to be edited, and nothing was.
    assert before == {path: path.read_bytes() for path in before}
    study = yaml.safe_load(configuration.read_text())
    assert study["study"] == "mine"


def test_tutorial__three_commands_at_most_lead_to_a_checked_configuration(root: Path) -> None:
    for page in list(PAGES)[2:]:
        text = (root / page).read_text()
        block = BLOCK.findall(text)[0].replace("\\\n", "")
        names = [line.split()[:2] for line in block.splitlines()]
        assert names[:2] == [["gendmr", "init"], ["gendmr", "check"]], page
