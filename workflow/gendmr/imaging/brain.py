"""The brain mask: of a stripped image, of a given mask, or from the template."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from gendmr.config.imaging import Preset
from gendmr.errors import ImageError
from gendmr.imaging import registration
from gendmr.imaging.registration import write_scratch
from gendmr.imaging.scan import Scan, crop, read_image, read_scan, resample, thin

MARGIN = 4
# Registration starts above the centre of mass of a head, because necks differ in length.
STARTS_MM = (-15.0, 5.0, 25.0, 45.0, 65.0)
RIM_MM = 6.0


def stripped_mask(scan: Scan, voxel_mm: float) -> tuple[Scan, np.ndarray]:
    """Thin a skull-stripped image and find its mask: all above the background, holes filled.

    What is background is decided at the scan's own resolution: at the rim a voxel that averages
    brain and background would always count as brain, and make every brain larger.

    Returns
    -------
    scan : Scan
        Thinned to `voxel_mm` and cropped to the brain with a margin.
    brain : (i, j, k) bool

    Raises
    ------
    ImageError
        Nothing is left.
    """
    high = float(np.percentile(scan.data[scan.data > 0], 98))
    above = (scan.data > 0.05 * high).astype(np.float32)
    scan, filled = thin(scan, voxel_mm), thin(Scan(above, scan.affine), voxel_mm)
    mask = ndimage.binary_fill_holes(_largest(filled.data >= 0.5))
    notes = ["Brain mask: what is above the background, largest part, holes filled."]
    share = float(mask.mean())
    if share > 0.6:
        notes.append(
            f"{share:.0%} of the image is above its background: is this a whole head"
            " (`brain: template`)?"
        )
    return _cut(scan.noting(*notes), mask)


def given_mask(scan: Scan, path: Path | str, voxel_mm: float) -> tuple[Scan, np.ndarray]:
    """Mask made by other software, in the space of the scan.

    Raises
    ------
    InputFileError, ImageError
        The mask cannot be read, or covers nothing of the scan.
    """
    scan = thin(scan, voxel_mm)
    mask = read_scan(path)
    binary = (mask.data > 0.5 * float(mask.data.max())).astype(np.float32)
    mask = thin(Scan(binary, mask.affine), voxel_mm)
    same = mask.data.shape == scan.data.shape and np.allclose(mask.affine, scan.affine, atol=0.01)
    notes = ["Brain mask: given."]
    if same:
        brain = mask.data >= 0.5
    else:
        brain = resample(mask, scan.affine, scan.data.shape, order=1) > 0.5
        notes.append("The mask is on another grid than the scan: resampled by its affine.")
    if not (brain & (scan.data > 0)).any():
        raise ImageError(
            f"{path}: the mask covers nothing of the scan",
            cause="a mask of another person or in another space",
            next_step="give the mask in the space of the T1w image",
        )
    return _cut(scan.noting(*notes), ndimage.binary_fill_holes(brain))


def brain_of_head(
    scan: Scan, template_folder: Path, preset: Preset, scratch: Path, *, seed: int
) -> tuple[Scan, np.ndarray]:
    """Mask of a whole head: the template's, carried to the scan and fitted to its intensities.

    The head is registered to the skull-stripped template with the metric restricted to the
    template's brain and a rim of 6 mm, from several starting heights; the best by correlation
    counts. The carried mask, widened, is then cut back to what is as bright as brain, is
    connected, and survives an opening that breaks the bridges to the skull.

    Raises
    ------
    ImageError
        Nothing is left.
    """
    scan = thin(scan, preset.native_mm)
    fixed = template_folder / "t1.nii.gz"
    brain = read_image(template_folder / "brain.nii.gz")
    rim = _widen(brain.data > 0, RIM_MM / brain.zooms.min())
    rim_file = write_scratch(scratch / "rim.nii", rim.astype(np.float32), brain.affine)
    head = scan.data > 0.5 * _otsu(scan.data)
    box = ndimage.find_objects(head.astype(np.uint8))[0]
    scan = crop(scan, box, MARGIN)
    high = float(np.percentile(scan.data[scan.data > 0], 99))
    data = (np.minimum(scan.data, high) * (1000 / high)).astype(np.float32)
    moving = write_scratch(scratch / "head.nii", data, scan.affine)
    start = np.array(ndimage.center_of_mass(np.pad(head[box], MARGIN)))
    centre = scan.affine[:3, :3] @ start + scan.affine[:3, 3]
    goal = brain.affine[:3, :3] @ np.array(ndimage.center_of_mass(brain.data)) + brain.affine[:3, 3]
    mapping = registration.search_linear(
        fixed, moving, rim_file, [centre - goal + [0, 0, z] for z in STARTS_MM],
        preset, scratch, seed=seed,
    )  # fmt: skip
    carried = mapping.to_scan(template_folder / "brain.nii.gz", moving, scratch / "carried.nii")
    mask = _fit(data, carried > 0.5, scan.zooms)
    note = "Brain mask: the template's, carried to the head and fitted to its intensities."
    return _cut(scan.noting(note), mask)


def _fit(data: np.ndarray, carried: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    zoom = float(zooms.min())
    wide = _widen(carried, 6.0 / zoom)
    core = data[_narrow(carried, 8.0 / zoom)]
    # Half-way between darkness and the typical brain separates it from bone and most fluid.
    level = 0.5 * float(np.median(core))
    tissue = wide & (data > level)
    opened = ndimage.binary_opening(tissue, iterations=max(1, round(2.0 / zoom)))
    tissue = _largest(opened)
    closed = ndimage.binary_closing(np.pad(tissue, 16), iterations=max(1, round(8.0 / zoom)))[
        16:-16, 16:-16, 16:-16
    ]
    return np.asarray(ndimage.binary_fill_holes(closed & wide))


def _widen(mask: np.ndarray, voxels: float) -> np.ndarray:
    return np.asarray(ndimage.distance_transform_edt(~mask) <= voxels)


def _narrow(mask: np.ndarray, voxels: float) -> np.ndarray:
    return np.asarray(ndimage.distance_transform_edt(mask) > voxels)


def _otsu(data: np.ndarray) -> float:
    """Threshold that separates the classes best (Otsu 1979, doi:10.1109/TSMC.1979.4310076)."""
    counts, edges = np.histogram(data, bins=256)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * middle)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(middle[int(np.nanargmax(between))])


def _cut(scan: Scan, mask: np.ndarray) -> tuple[Scan, np.ndarray]:
    if not mask.any():
        raise ImageError(
            "the brain mask is empty",
            cause="not a T1w image of a head, or `brain` does not fit these images",
            next_step="look at the scan, then at `imaging: brain:`",
        )
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    brain = np.pad(mask[box], MARGIN)
    return crop(scan, box, MARGIN), brain


def _largest(mask: np.ndarray) -> np.ndarray:
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])))
