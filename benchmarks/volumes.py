"""What the stage measures in painted heads, whose volumes are known, beside the truth.

    python benchmarks/volumes.py LABEL_MAPS ATLAS [--heads 05,07] [--preset fast]
        [--changes whole,again] [--fuse 01,02] [--output volumes.tsv] [--bids FOLDER] [--bare]

LABEL_MAPS is a folder of FreeSurfer-like label maps of whole heads (`training_seg_01.nii.gz`, …),
ATLAS the label image of Neuromorphometrics in the space of the template. Of each head the volumes
of head, tissues and structures are printed, measured and true, then over the heads the correlation,
raw and after division by the head, and the mean ratio. Unless `--changes` names fewer, each head is
painted four times: `whole`; `again`, with another noise, shading, turn and label; with the outer
30 % of its left hippocampus turned to fluid (`hippocampus -30`); and with the outer 20 % of its
cortex (`cortex -20`). `lesions` in this list are balls in its white matter as dark as
hypointensities. Heads are those on which no constant was set, unless `--heads` names others.
`--fuse` takes some of the heads, painted, with their label maps as labelled heads in place of
ATLAS. `--bids FOLDER` measures real scans instead, which need `participants.tsv` with age and sex.
`--bare` runs the bare calls of the tools that the stage rests on (`bare_calls.py`) instead: their
volumes, and processor seconds of both. `--output` puts the rows of this run into a table, in place
of earlier ones of the same head and change, of which `volumes_page.py` draws the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection
from gendmr.files.tables import write_table
from gendmr.imaging.bids import find_images
from gendmr.imaging.template import prepare_template
from painted_heads import (
    BRAIN_BELOW,
    CORTEX,
    CSF,
    STRUCTURES,
    WHITE,
    LabelMap,
    paint,
    read_label_map,
    with_lesions,
    without_shell,
)

TOTALS = {"icv": "icv_mm3", "grey": "grey_mm3", "white": "white_mm3", "csf": "csf_mm3"}
HYPOINTENSE = "white_hypointense_mm3"
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
# No constant was set on these heads.
REPORTED = "05,07,10,11,13"
CHANGES = ("whole", "again", "hippocampus -30", "cortex -20", "lesions")
OF_SCAN = ("hypointense", "dice", "seconds", "gb")
COLUMNS = ["measured", "true"]
KEY = ["atlas", "person", "change", "measure"]
NEW_LESIONS = 12


class Stage:
    """The stage `imaging` with one atlas, whose files lie in a folder."""

    def __init__(
        self, folder: Path, preset: str, atlas: dict[str, object], rows: list[dict[str, object]]
    ) -> None:
        self.folder = folder
        self.structures = [str(row["structure"]) for row in rows]
        self.left = [bool(row["left"]) for row in rows]
        table = pd.DataFrame(rows).drop(columns=["structure", "left"])
        table.to_csv(folder / "atlas.tsv", sep="\t", index=False)
        atlas = atlas | {"table": str(folder / "atlas.tsv")}
        self.section = ImagingSection.parse({"bids": "unused", "atlas": atlas, "preset": preset})
        start = time.process_time()
        prepare_template(self.section, folder / "template")
        print(f"template: {time.process_time() - start:.1f} s", flush=True)

    @classmethod
    def of_atlas(cls, folder: Path, preset: str, atlas: Path) -> Stage:
        """With Neuromorphometrics."""
        labels = np.unique(np.rint(np.asarray(nib.load(atlas).dataobj)).astype(int))
        names = {
            index: (name, side)
            for name, sides in INDICES.items()
            for side, indices in zip("RL", sides, strict=True)
            for index in indices
        }
        rows = []
        for index in map(int, labels[labels > 0]):
            structure, side = names.get(index, ("cortex" if index >= CORTEX_FROM else "", ""))
            tissue = "csf" if index in FLUID else "grey" if index in (55, 56) else "n/a"
            rows.append(_row(index, structure, tissue, left=side == "L"))
        return cls(folder, preset, {"labels": str(atlas)}, rows)

    @classmethod
    def of_heads(cls, folder: Path, preset: str, maps: list[tuple[int, Path]]) -> Stage:
        """With painted heads, labelled by their label maps."""
        entries, labels = [], set[int]()
        for number, path in maps:
            head = read_label_map(path)
            image = painted(head, folder / f"atlas{number}.nii.gz", number)
            entries.append({"image": str(image), "labels": str(path)})
            labels |= set(np.unique(head.labels).tolist())
        names = {label: name for name, sides in STRUCTURES.items() for label in sides}
        rows = []
        of_brain = {label for label in labels if 0 < label < BRAIN_BELOW}
        for label in sorted(of_brain - {FIFTH_VENTRICLE}):
            tissue = "csf" if label in CSF else "white" if label in WHITE else "grey"
            rows.append(_row(label, names.get(label, ""), tissue, left=label == LEFT_HIPPOCAMPUS))
        return cls(folder, preset, {"heads": entries}, rows)

    def measure(self, image: Path, label: str = "01") -> dict[str, float]:
        """Volumes, mm3, of tissues and structures; left hippocampus; `dice`, `seconds`, `gb`.

        In a process of its own, as the rule does, for its memory.
        """
        out = self.folder / "out"
        command = [sys.executable, "-m", "gendmr", "imaging", "register", "--image", str(image)]
        command += ["--participant", label, "--template", str(self.folder / "template")]
        command += ["--seed", "1", "--options", self.section.dump(), "--output", str(out)]
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        quality = json.loads((out / "quality.json").read_text())
        if status or "refused" in quality:
            sys.exit(f"{image}: {quality}")
        table = pd.read_csv(out / "regions.tsv", sep="\t")
        volumes = table["volume"].groupby(self.structures).sum()
        result = {name: quality[key] for name, key in TOTALS.items()}
        result |= {name: float(volumes.get(name, np.nan)) for name in STRUCTURES}
        hippocampus = np.array(self.structures) == "hippocampus"
        result["left hippocampus"] = float(table["volume"][hippocampus & self.left].sum())
        return result | {
            "hypointense": quality[HYPOINTENSE],
            "dice": quality["dice"],
            "seconds": usage.ru_utime + usage.ru_stime,
            "gb": usage.ru_maxrss / 2**20,
        }


LEFT_HIPPOCAMPUS = 17
FIFTH_VENTRICLE = 72  # of a few voxels in one head: heads fused at 2 mm outvote it


def _row(index: int, structure: str, tissue: str, *, left: bool) -> dict[str, object]:
    return {
        "index": index, "region": f"{structure or 'region'} {index}", "hemisphere": "B",
        "tissue": tissue, "structure": structure, "left": left,
    }  # fmt: skip


def painted(head: LabelMap, path: Path, number: int, *, again: bool = False) -> Path:
    """Paint a head; `again` with another noise, shading and turn."""
    seed = number + 100 * again
    turn = np.random.default_rng(seed).normal(0, 5, 3)
    voxel_mm = VOXELS[number % len(VOXELS)]
    return paint(head, path, seed=seed, intensities=number, voxel_mm=voxel_mm, angles=tuple(turn))


def line(name: str, values: list[str]) -> None:
    print(name, *values, sep="\t", flush=True)


def changed(head: LabelMap, change: str, number: int) -> LabelMap:
    """Return a head with one of `CHANGES`; `whole` and `again` change no label."""
    if change == "hippocampus -30":
        return without_shell(head, (LEFT_HIPPOCAMPUS,), 0.3)
    if change == "cortex -20":
        return without_shell(head, CORTEX, 0.2)
    return with_lesions(head, NEW_LESIONS, seed=number) if change == "lesions" else head


def heads(
    stage: Stage, maps: list[tuple[int, Path]], atlas: str, arguments: argparse.Namespace
) -> pd.DataFrame:
    """Measure painted heads; print and return what is measured and true."""
    image = stage.folder / "head.nii.gz"
    rows: list[dict[str, object]] = []
    # Change by change: a run that is cut short still has each of some changes for all heads.
    for change in arguments.changes.split(","):
        for number, path in maps:
            head = changed(read_label_map(path), change, number)
            scan = painted(head, image, number, again=change == "again")
            measured = stage.measure(scan, change)
            truth = head.truth() | {"left hippocampus": head.volume(LEFT_HIPPOCAMPUS)}
            of_head = rows_of(
                atlas, person_of(path), change,
                {name: measured[name] for name in (*MEASURES, "left hippocampus", *OF_SCAN)}, truth,
            )  # fmt: skip
            rows += of_head
            save(arguments.output, pd.DataFrame(of_head))
            texts = [f"{row['measure']} {row['measured']:.4g} {row['true']:.4g}" for row in of_head]
            print(path.name, change, *texts, sep="\t", flush=True)
    return pd.DataFrame(rows)


def person_of(label_map: Path) -> str:
    """Number of a head, from the name of its label map."""
    return label_map.name.split("_")[-1].split(".")[0]


def rows_of(
    atlas: str,
    person: str,
    change: str,
    measured: dict[str, float],
    true: dict[str, float],
    *,
    age: float = np.nan,
    sex: str = "n/a",
) -> list[dict[str, object]]:
    """Rows of the table for one scan: a measure each, NaN where the truth is not known."""
    return [
        {
            "atlas": atlas, "person": person, "change": change, "measure": name,
            "measured": value, "true": true.get(name, np.nan), "age": age, "sex": sex,
        }
        for name, value in measured.items()
    ]  # fmt: skip


def save(output: Path | None, rows: pd.DataFrame) -> None:
    """Put rows into a table, in place of those of the same head and change."""
    if output is None:
        return
    if output.is_file():
        before = pd.read_csv(output, sep="\t", dtype={"person": str})
        rows = pd.concat([before, rows]).drop_duplicates(KEY, keep="last")
    write_table(output, rows)


def summarise(table: pd.DataFrame) -> None:
    """Print correlations and ratios over the heads, changes in per cent, time and memory."""
    rows = table[table["change"] == "whole"]
    measured, true = (
        rows.pivot(index="person", columns="measure", values=column) for column in COLUMNS
    )
    print("structure\tr\tr after head size\tratio")
    for name in MEASURES if len(measured) > 2 else ():
        share, true_share = (part[name] / part["icv"] for part in (measured, true))
        relative = np.nan if name == "icv" else np.corrcoef(share, true_share)[0, 1]
        ratio = measured[name] / true[name]
        raw = np.corrcoef(measured[name], true[name])[0, 1]
        print(
            f"{name}\t{raw:.2f}\t{relative:.2f}\t{ratio.mean():.2f}"
            f" ({ratio.min():.2f} to {ratio.max():.2f})"
        )
    for change in dict.fromkeys(table["change"]):
        for name in () if change == "whole" else (*MEASURES, "left hippocampus", "hypointense"):
            print(f"{change}\t{name}\t{described(changes_of(table, change, name))}")
    for name in ("dice", "seconds", "gb"):
        values = table.loc[table["measure"] == name, "measured"]
        if values.empty:
            continue
        print(f"{name} {values.min():.3f} to {values.max():.3f}, mean {values.mean():.3f}")


def changes_of(table: pd.DataFrame, change: str, measure: str) -> pd.DataFrame:
    """Per cent by which a measure differs from that of the whole head, measured and true.

    Of two scans of one person by their mean, because neither is the first; of a loss by the whole.
    A measure that is 0 has no such change and is left out.
    """
    rows = table[table["measure"] == measure].set_index("person")
    whole, after = (rows.loc[rows["change"] == name, COLUMNS] for name in ("whole", change))
    apart = (after - whole).dropna(how="all")
    base = whole.loc[apart.index]
    if change == "again":
        base = (base + after) / 2
    base = base[base["measured"] > 0]
    return 100 * apart.loc[base.index] / base


def described(changes: pd.DataFrame) -> str:
    """Mean and range over heads, true mean, and the coefficient of variation of two scans.

    Two scans of one head differ by the root of 2 times their standard deviation; over heads its
    root mean square counts.
    """
    if changes.empty:
        return "not measured"
    seen, true = (changes[name].to_numpy(dtype=float) for name in COLUMNS)
    cv = float(np.sqrt(np.mean(seen**2) / 2))
    return (
        f"{seen.mean():+.1f} % ({seen.min():+.1f} to {seen.max():+.1f}), true {true.mean():+.1f} %;"
        f" CV {cv:.1f} % over {len(seen)}"
    )


def bare(stage: Stage, maps: list[tuple[int, Path]], output: Path | None) -> pd.DataFrame:
    """Run the stage and the bare calls of its tools on painted heads.

    Prints processor seconds head by head; returns what the calls measure and what is true.
    """
    print("head\tbare_s\ttissues_s\tstage_s\tstage / bare", flush=True)
    sums = np.zeros(3)
    rows: list[dict[str, object]] = []
    for number, path in maps:
        head = read_label_map(path)
        image = painted(head, stage.folder / "head.nii.gz", number)
        script, result = Path(__file__).with_name("bare_calls.py"), stage.folder / "bare.json"
        command = [sys.executable, str(script), str(image), str(stage.folder / "template")]
        process = subprocess.Popen([*command, stage.section.preset, str(result)])
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{script.name} ended with status {status}")
        called = json.loads(result.read_text())
        structures = pd.Series(called["labels_mm3"]).groupby(stage.structures).sum()
        measured = {name: called[key] for name, key in TOTALS.items()}
        measured |= {name: structures[name] for name in STRUCTURES}
        rows += rows_of("bare calls", person_of(path), "whole", measured, head.truth())
        used = [
            usage.ru_utime + usage.ru_stime,
            called["tissue_seconds"],
            stage.measure(image)["seconds"],
        ]
        sums += used
        print(path.name, *(f"{value:.1f}" for value in used), f"{used[2] / used[0]:.2f}", sep="\t")
        sys.stdout.flush()
    print(f"stage / bare {sums[2] / sums[0]:.2f} (goal: at most 1.1)", end="")
    print(f", without tissues {sums[2] / (sums[0] - sums[1]):.2f}", flush=True)
    table = pd.DataFrame(rows)
    save(output, table)
    return table


def real(stage: Stage, bids: Path) -> pd.DataFrame:
    """Measure real scans: head size by sex, shares of the head by age."""
    people = pd.read_csv(bids / "participants.tsv", sep="\t").set_index("participant_id")
    columns = {name.lower(): name for name in people.columns}
    sexes = people[columns.get("sex", columns.get("gender", ""))].astype(str).str[0].str.lower()
    rows = []
    for label, (image, *_) in find_images(str(bids)).items():
        measured, person = stage.measure(Path(image), label), f"sub-{label}"
        age, sex = people[columns["age"]][person], sexes[person]
        rows += rows_of("real", person, "whole", measured, {}, age=age, sex=sex)
        print(label, *(f"{key} {value:.4g}" for key, value in measured.items()), sep="\t")
        sys.stdout.flush()
    table = pd.DataFrame(rows)
    wide = table.pivot(index=["person", "age", "sex"], columns="measure", values="measured")
    wide = wide.reset_index()
    for key, part in wide.groupby("sex"):
        icv = part["icv"] / 1000
        print(f"icv {key}: {icv.mean():.0f} ml, SD {icv.std():.0f}, n {len(icv)}")
    for name in MEASURES[1:]:
        r = np.corrcoef(wide[name] / wide["icv"], wide["age"])[0, 1]
        print(f"{name} per head and age: r {r:+.2f}")
    for name in ("dice", "seconds", "gb"):
        print(f"{name} {wide[name].min():.3f} to {wide[name].max():.3f}, {wide[name].mean():.3f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--preset", default="fast", choices=["testing", "fast", "precise"])
    parser.add_argument("--heads", default=REPORTED, help="parts of names, comma-separated")
    parser.add_argument("--fuse", default="", help="heads that are the atlas, likewise")
    parser.add_argument("--changes", default=",".join(CHANGES[:4]), help=", ".join(CHANGES))
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--bids", type=Path)
    parser.add_argument("--output", type=Path, help="table to which the rows are added")
    arguments = parser.parse_args()
    numbered = list(enumerate(sorted(arguments.label_maps.glob("*.nii.gz"))))

    def chosen(names: str) -> list[tuple[int, Path]]:
        return [pair for pair in numbered if any(part in pair[1].name for part in names.split(","))]

    with TemporaryDirectory() as name:
        if arguments.fuse:
            stage = Stage.of_heads(Path(name), arguments.preset, chosen(arguments.fuse))
        else:
            stage = Stage.of_atlas(Path(name), arguments.preset, arguments.atlas)
        if arguments.bare:
            summarise(bare(stage, chosen(arguments.heads), arguments.output))
            return
        if arguments.bids:
            table = real(stage, arguments.bids)
            save(arguments.output, table)
        else:
            atlas = "several heads" if arguments.fuse else "one atlas"
            table = heads(stage, chosen(arguments.heads), atlas, arguments)
            summarise(table)
    print(f"memory of painting {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
