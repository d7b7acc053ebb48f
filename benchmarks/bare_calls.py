"""What the tools under the stage `imaging` need for the same work, called as their users call them.

    python benchmarks/bare_calls.py SCAN TEMPLATE_FOLDER PRESET

The networks of deepbet, N4, rigid, affine and SyN registration with the preset's arguments,
labels of the atlas carried to the scan, and their volumes, all by antspyx, torch and numpy in one
process. The tissue of a voxel, labels fitted to the scan, quality and pictures have no counterpart
among these calls and are not made. `volumes.py --bare` compares the time of both.
"""

from __future__ import annotations

import os
import sys
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
    counts = np.bincount(np.rint(labels.numpy()).astype(int)[brain.numpy() > 0.5])
    volumes = counts * float(np.prod(image.spacing))
    print(f"{len(volumes) - 1} regions, {volumes[1:].sum() / 1000:.0f} ml", flush=True)


def texts(*arguments: object) -> list[str]:
    return [str(argument) for argument in arguments]


if __name__ == "__main__":
    main()
