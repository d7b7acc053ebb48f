"""What the tools under the stage `imaging` give, called as their users call them.

    python benchmarks/bare_calls.py SCAN TEMPLATE_FOLDER PRESET OUTPUT

The networks of deepbet, N4, tissues by Atropos (k-means, then a Markov random field), rigid, affine
and SyN registration with the preset's arguments, labels of the atlas carried to the scan, and their
volumes, all by antspyx, torch and numpy in one process. Labels fitted to the scan, regions by
tissue, quality and pictures have no counterpart among these calls and are not made.
`volumes.py --bare` compares time and volumes of both. OUTPUT is JSON: `csf_mm3`, `grey_mm3`,
`white_mm3`, `icv_mm3`, `labels_mm3` in the order of the atlas table, and `tissue_seconds`, the
processor seconds of Atropos.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

import ants
import nibabel as nib
import numpy as np
from scipy import ndimage

from gendmr.imaging import registration
from gendmr.imaging.network import brain_probability, largest_part
from gendmr.imaging.presets import load_preset

MARGIN = 4
TISSUES = ("csf", "grey", "white")  # the classes of Atropos from dark to bright


def main() -> None:
    scan, template, preset = Path(sys.argv[1]), Path(sys.argv[2]), load_preset(sys.argv[3])
    head = nib.as_closest_canonical(nib.load(scan))
    data = np.asarray(head.dataobj, np.float32)
    mask = ndimage.binary_fill_holes(largest_part(brain_probability(data) > 0.5))
    box = tuple(
        slice(max(0, side.start - MARGIN), side.stop + MARGIN)
        for side in ndimage.find_objects(mask.astype(np.uint8))[0]
    )
    moved = head.affine.copy()
    moved[:3, 3] += head.affine[:3, :3] @ [side.start for side in box]
    with TemporaryDirectory() as name:
        paths = [Path(name) / "scan.nii", Path(name) / "mask.nii", Path(name) / "coarse.nii"]
        for part, path in ((data * mask, paths[0]), (mask.astype(np.float32), paths[1])):
            nib.save(nib.Nifti1Image(part[box].astype(np.float32), moved), path)
        image, brain = ants.image_read(str(paths[0])), ants.image_read(str(paths[1]))
        bias = preset.bias
        corrected = ants.n4_bias_field_correction(
            image, mask=brain, shrink_factor=max(1, round(bias.voxel_mm / np.mean(image.spacing))),
            convergence={"iters": list(bias.iterations), "tol": 1e-5}, spline_param=bias.spline_mm,
        )  # fmt: skip
        start = time.process_time()
        tissues = ants.atropos(
            corrected, brain, i=f"Kmeans[{len(TISSUES)}]", m="[0.1,1x1x1]", c="[5,0]"
        )
        tissue_seconds = time.process_time() - start
        wide = max(1, int(preset.registration_mm / np.mean(image.spacing)))
        spacing = [wide * side for side in image.spacing]
        ants.image_write(ants.resample_image(corrected, spacing, False, 0), str(paths[2]))
        fixed, moving = template / "t1.nii.gz", paths[2]
        linear, nonlinear = Path(name) / "linear", Path(name) / "nonlinear"
        ants.registration(texts(
            "-d", 3, "-r", f"[{fixed},{moving},1]",
            *registration._linear("Rigid", preset.rigid, fixed, moving),
            *registration._linear("Affine", preset.affine, fixed, moving),
            *registration._common(1), "-o", linear,
        ), None)  # fmt: skip
        affine = f"{linear}0GenericAffine.mat"
        ants.registration(texts(
            "-d", 3, "-r", affine, *registration._nonlinear(preset.nonlinear, fixed, moving),
            *registration._common(1), "-o", nonlinear,
        ), None)  # fmt: skip
        labels = ants.apply_transforms(
            image, ants.image_read(str(template / "labels.nii.gz")),
            [affine, f"{nonlinear}1InverseWarp.nii.gz"], interpolator="nearestNeighbor",
            whichtoinvert=[True, False],
        )  # fmt: skip
    inside = brain.numpy() > 0.5
    voxel_mm3 = float(np.prod(image.spacing))
    regions = int(nib.load(template / "labels.nii.gz").get_fdata().max())
    labels_in_mask = np.rint(labels.numpy()).astype(int)[inside]
    counts = np.bincount(labels_in_mask, minlength=regions + 1)
    volumes = {
        f"{name}_mm3": float(probability.numpy()[inside].sum()) * voxel_mm3
        for name, probability in zip(TISSUES, tissues["probabilityimages"], strict=True)
    }
    volumes["icv_mm3"] = float(inside.sum()) * voxel_mm3
    result = volumes | {
        "labels_mm3": (counts[1:] * voxel_mm3).tolist(), "tissue_seconds": tissue_seconds
    }  # fmt: skip
    Path(sys.argv[4]).write_text(json.dumps(result))


def texts(*arguments: object) -> list[str]:
    return [str(argument) for argument in arguments]


if __name__ == "__main__":
    main()
