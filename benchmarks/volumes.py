"""What the stage measures in painted heads, whose volumes are known, beside the truth.

    python benchmarks/volumes.py LABEL_MAPS ATLAS [--heads 01,03] [--preset fast] [--loss] [--twice]

LABEL_MAPS is a folder of FreeSurfer-like label maps of whole heads (`training_seg_01.nii.gz`, …),
ATLAS the label image of Neuromorphometrics in the space of the template. Of each head the volumes
of head, tissues and structures are printed, measured and true, then over the heads the correlation,
raw and after division by the head, and the mean ratio. With `--loss` each head is painted again
with the outer 30 % of its left hippocampus, then with the outer 20 % of its cortex turned to fluid;
with `--twice` again with another noise, shading, turn and label. `--bids FOLDER` adds real scans,
which need `participants.tsv` with age and sex.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection
from gendmr.imaging.bids import find_images
from gendmr.imaging.participant import register_participant
from gendmr.imaging.template import prepare_template
from painted_heads import STRUCTURES, LabelMap, paint, read_label_map, without_shell

TOTALS = {"icv": "icv_mm3", "grey": "grey_mm3", "white": "white_mm3", "csf": "csf_mm3"}
VOXELS = ((1.0, 1.0, 1.0), (1.2, 1.0, 1.0), (1.0, 1.0, 1.5))
# Indices of Neuromorphometrics, right and left; the temporal horns belong to the ventricles.
INDICES = {
    "hippocampus": ((47,), (48,)),
    "amygdala": ((31,), (32,)),
    "thalamus": ((59,), (60,)),
    "putamen": ((57,), (58,)),
    "caudate": ((36,), (37,)),
    "pallidum": ((55,), (56,)),
    "lateral ventricle": ((51, 49), (52, 50)),
}
CORTEX_FROM, FLUID = 100, (4, 11, 46, 49, 50, 51, 52)
MEASURES = (*TOTALS, *STRUCTURES)


class Stage:
    """The stage `imaging` with Neuromorphometrics, whose files lie in a folder."""

    def __init__(self, folder: Path, atlas: Path, preset: str) -> None:
        self.folder = folder
        labels = np.unique(np.rint(np.asarray(nib.load(atlas).dataobj)).astype(int))
        names = {
            index: f"{name} {side}"
            for name, sides in INDICES.items()
            for side, indices in zip("RL", sides, strict=True)
            for index in indices
        }
        rows = [
            {
                "index": int(index),
                "region": f"{names.get(index, 'region')} {index}",
                "hemisphere": "B",
                "tissue": "csf" if index in FLUID else "grey" if index in (55, 56) else "n/a",
            }
            for index in labels[labels > 0]
        ]
        self.indices = [row["index"] for row in rows]
        pd.DataFrame(rows).to_csv(folder / "atlas.tsv", sep="\t", index=False)
        files = {"labels": str(atlas), "table": str(folder / "atlas.tsv")}
        self.section = ImagingSection.parse({"bids": "unused", "atlas": files, "preset": preset})
        prepare_template(self.section, folder / "template")

    def measure(self, image: Path, label: str = "01") -> dict[str, float]:
        """Volumes, mm3, of tissues and structures; left hippocampus; `dice` and `seconds`."""
        start = time.process_time()
        out = self.folder / "out"
        error = register_participant(
            image, label, self.folder / "template", self.section, seed=1, output=out
        )
        if error is not None:
            raise error
        quality = json.loads((out / "quality.json").read_text())
        table = pd.read_csv(out / "regions.tsv", sep="\t")
        volume = dict(zip(self.indices, table["volume"], strict=True))
        result = {name: quality[key] for name, key in TOTALS.items()}
        for name, sides in INDICES.items():
            result[name] = sum(volume[index] for side in sides for index in side)
        result["left hippocampus"] = volume[48]
        result["cortex"] = sum(v for index, v in volume.items() if int(index) >= CORTEX_FROM)
        return result | {"dice": quality["dice"], "seconds": time.process_time() - start}


def painted(head: LabelMap, path: Path, number: int, *, again: bool = False) -> Path:
    """Paint a head; `again` with another noise, shading and turn."""
    seed = number + 100 * again
    turn = np.random.default_rng(seed).normal(0, 5, 3)
    voxel_mm = VOXELS[number % len(VOXELS)]
    return paint(head, path, seed=seed, intensities=number, voxel_mm=voxel_mm, angles=tuple(turn))


def line(name: str, values: list[str]) -> None:
    print(name, *values, sep="\t", flush=True)


def heads(stage: Stage, maps: list[tuple[int, Path]], *, loss: bool, twice: bool) -> None:
    """Measure painted heads and print what is measured and true."""
    image = stage.folder / "head.nii.gz"
    measured, true, changes = [], [], []
    line("head", [f"{name}\ttrue" for name in MEASURES] + ["dice", "seconds"])
    for number, path in maps:
        head = read_label_map(path)
        truth = head.truth()
        first = stage.measure(painted(head, image, number))
        measured.append([first[name] for name in MEASURES])
        true.append([truth[name] for name in MEASURES])
        texts = [f"{first[name] / 1000:.1f}\t{truth[name] / 1000:.1f}" for name in MEASURES]
        line(path.name, [*texts, f"{first['dice']:.3f}", f"{first['seconds']:.1f}"])
        variants = {}
        if loss:
            variants["hippocampus -30 %"] = (without_shell(head, (17,), 0.3), False)
            variants["cortex -20 %"] = (without_shell(head, (3, 42), 0.2), False)
        if twice:
            variants["again"] = (head, True)
        for name, (changed, again) in variants.items():
            second = stage.measure(painted(changed, image, number, again=again), "other")
            share = {key: 100 * (second[key] / first[key] - 1) for key in second}
            real = 100 * (changed.truth()["grey"] / truth["grey"] - 1)
            changes.append((name, share))
            texts = [f"{key} {value:+.1f}" for key, value in share.items() if key in CHANGED]
            line(f"{path.name} {name}, %", [*texts, f"true grey {real:+.1f}"])
    for measure, row, truth_row in zip(
        MEASURES, np.transpose(measured), np.transpose(true), strict=True
    ):
        share, true_share = row / np.array(measured)[:, 0], truth_row / np.array(true)[:, 0]
        relative = np.nan if measure == "icv" else np.corrcoef(share, true_share)[0, 1]
        raw, ratio = np.corrcoef(row, truth_row)[0, 1], row / truth_row
        print(
            f"{measure}: r {raw:.2f}, per head {relative:.2f}, ratio {ratio.mean():.2f}"
            f" ({ratio.min():.2f} to {ratio.max():.2f})"
        )
    for name in dict.fromkeys(name for name, _ in changes):
        for key in CHANGED:
            values = np.array([share[key] for variant, share in changes if variant == name])
            # Of two measurements the coefficient of variation is their difference by root 2.
            spread = np.sqrt((values**2).mean() / 2)
            print(
                f"{name}: {key} {values.mean():+.1f} % (worst {abs(values).max():.1f}),"
                f" CV {spread:.1f} %"
            )


CHANGED = (*MEASURES, "left hippocampus")


def real(stage: Stage, bids: Path) -> None:
    """Measure real scans: head size by sex, shares of the head by age."""
    people = pd.read_csv(bids / "participants.tsv", sep="\t").set_index("participant_id")
    rows = {}
    for label, (image, *_) in find_images(str(bids)).items():
        rows[f"sub-{label}"] = stage.measure(Path(image))
        line(label, [f"{key} {value:.4g}" for key, value in rows[f"sub-{label}"].items()])
    table = pd.DataFrame(rows).T.join(people)
    columns = {name.lower(): name for name in table.columns}
    sex = table[columns.get("sex", columns.get("gender", ""))].astype(str).str[0].str.lower()
    age = table[columns["age"]].astype(float)
    for key in ("f", "m"):
        print(
            f"icv {key}: {table.loc[sex == key, 'icv'].mean() / 1000:.0f} ml,"
            f" n {(sex == key).sum()}"
        )
    for name in MEASURES[1:]:
        share = table[name] / table["icv"]
        print(f"{name} per head and age: r {np.corrcoef(share.astype(float), age)[0, 1]:+.2f}")
    print(f"dice {table['dice'].min():.3f} to {table['dice'].max():.3f}")
    print(f"seconds {table['seconds'].mean():.1f}, at most {table['seconds'].max():.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--preset", default="fast", choices=["testing", "fast", "precise"])
    parser.add_argument("--heads", default="", help="parts of names, comma-separated; all")
    parser.add_argument("--loss", action="store_true")
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--bids", type=Path)
    arguments = parser.parse_args()
    maps = [
        (number, path)
        for number, path in enumerate(sorted(arguments.label_maps.glob("*.nii.gz")))
        if any(part in path.name for part in arguments.heads.split(","))
    ]
    with TemporaryDirectory() as name:
        stage = Stage(Path(name), arguments.atlas, arguments.preset)
        if arguments.bids:
            real(stage, arguments.bids)
        else:
            heads(stage, maps, loss=arguments.loss, twice=arguments.twice)
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
