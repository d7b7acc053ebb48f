"""What the stage measures in painted heads, whose volumes are known, beside the truth.

    python benchmarks/volumes.py LABEL_MAPS [--preset fast] [--heads 10]

LABEL_MAPS is a folder of FreeSurfer-like label maps of whole heads (`*.nii.gz`). Of each the volume
of the head and of the tissues is printed, measured and true, then the correlation over heads, raw
and after division by the head, and the mean ratio. The atlas is one region: the whole template.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gendmr.config.imaging import ImagingSection
from gendmr.imaging.participant import register_participant
from gendmr.imaging.scan import write_image
from gendmr.imaging.template import nilearn_template, prepare_template
from painted_heads import paint, read_label_map

MEASURES = {"icv": "icv_mm3", "grey": "grey_mm3", "white": "white_mm3", "csf": "csf_mm3"}
VOXELS = ((1.0, 1.0, 1.0), (1.2, 1.0, 1.0), (1.0, 1.0, 1.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("--preset", default="fast", choices=["testing", "fast", "precise"])
    parser.add_argument("--heads", type=int, default=10)
    arguments = parser.parse_args()
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        brain = nilearn_template()[0]["brain"]
        write_image(folder / "atlas.nii.gz", (brain.data > 0.5).astype(np.uint8), brain.affine)
        (folder / "atlas.tsv").write_text("index\tregion\themisphere\n1\tbrain\tB\n")
        section = ImagingSection.parse(
            {
                "bids": "unused",
                "atlas": {
                    "labels": str(folder / "atlas.nii.gz"),
                    "table": str(folder / "atlas.tsv"),
                },
                "preset": arguments.preset,
            }
        )
        prepare_template(section, folder / "template")
        print("head", *(f"{m}_measured\t{m}_true" for m in MEASURES), "dice", "s", sep="\t")
        for number, path in enumerate(sorted(arguments.label_maps.glob("*.nii.gz"))):
            if number == arguments.heads:
                break
            head = read_label_map(path)
            turn = np.random.default_rng(number).normal(0, 5, 3)
            voxel_mm = VOXELS[number % len(VOXELS)]
            image = paint(
                head, folder / "head.nii.gz", seed=number, voxel_mm=voxel_mm, angles=tuple(turn)
            )
            start = time.process_time()
            error = register_participant(
                image, "01", folder / "template", section, seed=1, output=folder / "out"
            )
            if error is not None:
                print(path.name, error, sep="\t", flush=True)
                continue
            quality = json.loads((folder / "out" / "quality.json").read_text())
            truth = head.truth()
            pairs = [(quality[key], truth[measure]) for measure, key in MEASURES.items()]
            rows.append(pairs)
            millilitres = [f"{value / 1000:.0f}" for pair in pairs for value in pair]
            seconds = f"{time.process_time() - start:.1f}"
            print(path.name, *millilitres, quality["dice"], seconds, sep="\t", flush=True)
    values = np.array(rows)
    for number, measure in enumerate(MEASURES):
        measured, true = values[:, number].T
        share, true_share = measured / values[:, 0, 0], true / values[:, 0, 1]
        raw = np.corrcoef(measured, true)[0, 1]
        relative = np.corrcoef(share, true_share)[0, 1] if number else np.nan
        print(
            f"{measure}: r {raw:.2f}, per head {relative:.2f}, ratio {(measured / true).mean():.2f}"
        )


if __name__ == "__main__":
    main()
