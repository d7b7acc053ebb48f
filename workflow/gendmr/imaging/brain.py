"""The brain mask: of a stripped image, of a given mask, by a network, or from the template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from gendmr.config.imaging import ImagingSection, Preset
from gendmr.errors import ImageError
from gendmr.imaging import registration
from gendmr.imaging.network import brain_probability, largest_part
from gendmr.imaging.registration import write_scratch
from gendmr.imaging.scan import Scan, crop, read_image, read_scan, resample, thin

MARGIN = 4
# Registration starts above the centre of mass of a head, because necks differ in length.
STARTS_MM = (-15.0, 5.0, 25.0, 45.0, 65.0)
RIM_MM = 6.0
PLAUSIBLE_BRAIN_MM3 = (600_000.0, 2_400_000.0)
# State of an image, decided on voxels of this size.
STATE_MM = 3.0
LARGEST_STRIPPED_MM3 = 3_000_000.0
LAYERS = 6


@dataclass(frozen=True)
class Brain:
    """A scan, thinned and cropped, and the mask of its brain.

    Attributes
    ----------
    scan : Scan
    mask : (i, j, k) bool
    source : {"stripped", "network", "template", "given"}
        Where the mask comes from.
    warnings : tuple of str
        What eyes should look at.
    """

    scan: Scan
    mask: np.ndarray
    source: str
    warnings: tuple[str, ...] = ()

    @property
    def mm3(self) -> float:
        """Volume of the mask."""
        return float(self.mask.sum() * self.scan.voxel_mm3)


def find_brain(
    scan: Scan,
    section: ImagingSection,
    template_folder: Path,
    preset: Preset,
    scratch: Path,
    *,
    seed: int,
    mask: str | None = None,
) -> Brain:
    """Find the brain in the way of the configuration, as far as it fits the image.

    Whether the image is stripped is seen in the image: where the configuration says otherwise, the
    image is believed, with a note. Where the mask of the network is no brain by its volume, the
    template's is used, with a warning.

    Raises
    ------
    InputFileError, ImageError
        The mask that is given cannot be used, or no brain is there.
    ToolError
        The weights of the network are not installed.
    """
    if mask is not None:
        return Brain(*given_mask(scan, mask, preset.native_mm), "given")
    stripped = is_stripped(scan)
    if stripped:
        if section.brain != "stripped":
            scan = scan.noting(
                f"The image holds only brain, although the study says `brain: {section.brain}`:"
                " its own outline is the mask."
            )
        return Brain(*stripped_mask(scan, preset.native_mm), "stripped")
    warnings: list[str] = []
    if section.brain == "stripped":
        warnings.append("The study says `brain: stripped`, but the image is a whole head.")
    if section.brain != "template":
        brain = Brain(*network_mask(scan, preset.native_mm), "network", tuple(warnings))
        if PLAUSIBLE_BRAIN_MM3[0] <= brain.mm3 <= PLAUSIBLE_BRAIN_MM3[1]:
            return brain
        warnings.append(
            f"The mask of the network measures {brain.mm3 / 1000:.0f} ml: the template's was used."
        )
    coarse, mask_of_head = brain_of_head(scan, template_folder, preset, scratch, seed=seed)
    scan = thin(scan, preset.native_mm)
    carried = Scan(mask_of_head.astype(np.float32), coarse.affine)
    mask_of_scan = resample(carried, scan.affine, scan.data.shape, order=1) > 0.5
    scan = scan.noting(coarse.notes[-1])
    return Brain(*_cut(scan, mask_of_scan), "template", tuple(warnings))


def is_stripped(scan: Scan) -> bool:
    """Tell whether an image holds only brain.

    Then all around is one value, what remains is at most 3 litres, and from its surface inwards it
    becomes brighter, layer by layer of 3 mm: a head has a bright scalp over a dark skull.
    """
    scan = thin(scan, STATE_MM)
    high = float(np.percentile(scan.data[scan.data > 0], 98))
    inside = ndimage.binary_fill_holes(largest_part(scan.data > 0.05 * high))
    outside = scan.data[~ndimage.binary_dilation(inside, iterations=2)]
    if outside.size and float((outside == 0).mean()) < 0.99:
        return False
    if inside.sum() * scan.voxel_mm3 > LARGEST_STRIPPED_MM3:
        return False
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=scan.zooms)[1:-1, 1:-1, 1:-1]
    layers = [
        scan.data[(depth > STATE_MM * n) & (depth <= STATE_MM * (n + 1))] for n in range(LAYERS)
    ]
    brightness = np.array([np.median(layer) if layer.size else np.nan for layer in layers])
    drop = np.nanmax(np.fmax.accumulate(brightness) - brightness)
    return bool(drop < 0.1 * np.nanmax(brightness))


def network_mask(scan: Scan, voxel_mm: float) -> tuple[Scan, np.ndarray]:
    """Mask of a whole head by the networks of deepbet, largest part, holes filled.

    The networks see the scan as it is; the mask is thinned with it afterwards.

    Raises
    ------
    ToolError
        The weights are not installed.
    ImageError
        No brain is found.
    """
    whole = ndimage.binary_fill_holes(largest_part(brain_probability(scan.data) > 0.5))
    scan, mask = thin(scan, voxel_mm), thin(Scan(whole.astype(np.float32), scan.affine), voxel_mm)
    return _cut(scan.noting("Brain mask: by the networks of deepbet."), mask.data >= 0.5)


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
    mask = ndimage.binary_fill_holes(largest_part(filled.data >= 0.5))
    note = "Brain mask: what is above the background, largest part, holes filled."
    return _cut(scan.noting(note), mask)


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
    same_grid = mask.data.shape == scan.data.shape and np.allclose(
        mask.affine, scan.affine, atol=0.01
    )
    notes = ["Brain mask: given."]
    if same_grid:
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
    scan = thin(scan, preset.registration_mm)
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
    tissue = largest_part(opened)
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
