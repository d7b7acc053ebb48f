"""Registration of real scans against the bare calls of ANTs that it makes.

    python benchmarks/registration.py SCANS ATLAS [--scans 24] [--preset fast] [--rounds 1]

SCANS is a BIDS folder of brains without skull, ATLAS a label image in template space. Measured are
processor seconds, on the same scans and with one thread each, of

bare      one process per participant that imports antspyx and makes the calls of the stage, with
          the files they read
library   the same without the import: only the compiled library of antspyx is loaded, as the stage
          does, whose way around the import is thereby not counted
stage     `gendmr imaging register`, as the rule calls it
workflow  `snakemake imaging`, all scans, once on one core and once on two
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
# The recorder keeps, for each call, the files as they were before it.
RECORD = """
import json, shutil, sys
from pathlib import Path
from gendmr.imaging import ants_programs, registration
calls, words = Path(sys.argv[1]), sys.argv[2:]
real = ants_programs.run
def run(program, *arguments):
    texts = [str(argument) for argument in arguments]
    scratch = next(p for t in texts for p in Path(t.strip("[").split(",")[0]).parents
                   if p.name.startswith("gendmr-"))
    copy = calls / f"{len(list(calls.iterdir())):02d}"
    shutil.copytree(scratch, copy)
    moved = [text.replace(str(scratch), str(copy)) for text in texts]
    (copy / "call.json").write_text(json.dumps([program, moved]))
    real(program, *arguments)
registration.run = run
sys.argv = ["gendmr", *words]
from gendmr.cli.main import main
main()
"""
BARE = """
import json, os, sys
from pathlib import Path
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
if sys.argv[2] == "bare":
    import ants
from gendmr.imaging.ants_programs import run
for call in sorted(Path(sys.argv[1]).iterdir()):
    program, arguments = json.loads((call / "call.json").read_text())
    run(program, *arguments)
"""


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Return wall and processor seconds of a command and the processes it starts."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    log = folder / "command.log"
    start = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(log.read_text()[-4000:])
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def lay_out(folder: Path, scans: Path, atlas: Path, count: int, preset: str) -> dict[str, object]:
    """Write a study of the first scans, with empty files where no genotypes are read."""
    for name in ("own.bed", "own.bim", "own.fam", "genes.loc", "people.tsv"):
        (folder / name).touch()
    (folder / "bids").mkdir()
    for scan in sorted(scans.glob("sub-*"))[:count]:
        (folder / "bids" / scan.name).symlink_to(scan)
    labels = np.unique(np.asarray(nib.load(atlas).dataobj).astype(int))
    rows = [f"{label}\tregion{label}\tB\n" for label in labels if label > 0]
    (folder / "atlas.tsv").write_text("index\tregion\themisphere\n" + "".join(rows))
    study = {
        "study": "scans",
        "seed": 1,
        "genotypes": {"inputs": ["own"]},
        "annotation": {"genes": "genes.loc"},
        "imaging": {
            "bids": "bids",
            "atlas": {"labels": str(atlas), "table": "atlas.tsv"},
            "preset": preset,
            "brain": "stripped",
        },
        "cohort": {"participants": "people.tsv"},
        "training": {},
    }
    (folder / "study.json").write_text(json.dumps(study))
    return study


def snakemake(folder: Path, cores: int) -> tuple[float, float]:
    """Run the stage `imaging` anew."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "imaging"]
    command += [
        "--configfile",
        "study.json",
        "--cores",
        str(cores),
        "--forceall",
        "--quiet",
        "rules",
    ]
    return measured(command, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--scans", dest="count", type=int, default=24)
    parser.add_argument("--preset", default="fast", choices=["testing", "fast", "precise"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--without-workflow", action="store_true")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        atlas, scans = arguments.atlas.resolve(), arguments.scans.resolve()
        study = lay_out(folder, scans, atlas, arguments.count, arguments.preset)
        python = [sys.executable]
        options = json.dumps(study["imaging"])
        template = ["imaging", "template", "--options", options, "--output", "template"]
        measured([*python, "-m", "gendmr", *template], folder)
        print("scan\tround\tbare_s\tlibrary_s\tstage_s", flush=True)
        sums = np.zeros(3)
        for scan in sorted((folder / "bids").glob("sub-*")):
            image = next(scan.glob("**/*_T1w.nii*"))
            words = ["imaging", "register", "--image", str(image), "--participant", scan.name[4:]]
            words += ["--template", "template", "--options", options, "--seed", "1"]
            words += ["--output", scan.name]
            with TemporaryDirectory() as calls:
                measured([*python, "-c", RECORD, calls, *words], folder)
                for number in range(arguments.rounds):
                    used = [
                        measured([*python, "-c", BARE, calls, "bare"], folder)[1],
                        measured([*python, "-c", BARE, calls, "library"], folder)[1],
                        measured([*python, "-m", "gendmr", *words], folder)[1],
                    ]
                    sums += used
                    print(scan.name, number, *(f"{s:.2f}" for s in used), sep="\t", flush=True)
        print("sum\t", *(f"{value:.1f}" for value in sums), sep="\t")
        print(f"stage / bare {sums[2] / sums[0]:.3f} (goal: at most 1.1)")
        print(f"stage / library {sums[2] / sums[1]:.3f}", flush=True)
        if not arguments.without_workflow:
            one_core, two_cores = snakemake(folder, 1), snakemake(folder, 2)
            print(f"workflow, one core: wall {one_core[0]:.1f} s, processor {one_core[1]:.1f} s")
            print(f"workflow, two cores: wall {two_cores[0]:.1f} s, processor {two_cores[1]:.1f} s")
            print(
                f"speed of two cores {one_core[0] / two_cores[0]:.2f} times that of one (goal: 1.7)"
            )


if __name__ == "__main__":
    main()
