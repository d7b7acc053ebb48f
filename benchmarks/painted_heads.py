"""Heads painted from label maps: T1w scans whose volumes are known exactly.

Each label gets the intensity of its tissue, with the spread that tissue has; the image is blurred
to partial volume, shaded by a coil, posed, resampled and made noisy (the idea of SynthSeg,
doi:10.1016/j.media.2023.102789, with the contrast of T1w scans only).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

CSF, CORTEX = (24, 4, 5, 14, 15, 43, 44, 72), (3, 42)
# Brain stem and ventral diencephalon are mostly fibres, and as bright as white matter.
# Hypointensities and lesions are white matter as well.
LESIONS = (77, 25, 57)
WHITE = (2, 41, 7, 46, 85, 16, 28, 60, *LESIONS)
# Labels of FreeSurfer's colour table, and 500s outside the brain; white matter is 100.
INTENSITY = {
    0: 2, 2: 100, 41: 100, 7: 98, 46: 98, 85: 92, 77: 78,
    3: 66, 42: 66, 8: 63, 47: 63,
    10: 84, 49: 84, 11: 71, 50: 71, 12: 75, 51: 75, 13: 91, 52: 91,
    17: 68, 53: 68, 18: 66, 54: 66, 26: 70, 58: 70, 28: 88, 60: 88, 16: 93,
    25: 60, 57: 60, 136: 66, 137: 66, 163: 66, 164: 66, 30: 45, 62: 45,
    4: 18, 43: 18, 5: 20, 44: 20, 14: 19, 15: 19, 24: 24, 72: 20,
    502: 60, 506: 22, 507: 62, 508: 40, 509: 30, 511: 120, 512: 90, 514: 40, 515: 10, 516: 130,
    530: 80,
}  # fmt: skip
# Names of the measured structures and the labels of left and right.
STRUCTURES = {
    "hippocampus": (17, 53),
    "amygdala": (18, 54),
    "thalamus": (10, 49),
    "putamen": (12, 51),
    "caudate": (11, 50),
    "pallidum": (13, 52),
    "lateral ventricle": (4, 43, 5, 44),
    "cortex": (3, 42),
}
BRAIN_BELOW = 500


@dataclass(frozen=True)
class LabelMap:
    """Labels of a whole head on a grid of 1 mm, RAS+."""

    labels: np.ndarray
    affine: np.ndarray

    def volume(self, *labels: int) -> float:
        """Volume of some labels, mm3."""
        return float(np.isin(self.labels, labels).sum() * abs(np.linalg.det(self.affine[:3, :3])))

    def truth(self) -> dict[str, float]:
        """Volumes of structures (both sides), tissues and the inside of the skull, mm3."""
        brain = (self.labels > 0) & (self.labels < BRAIN_BELOW)
        fluid = np.isin(self.labels, CSF)
        white = np.isin(self.labels, WHITE)
        return {
            **{name: self.volume(*labels) for name, labels in STRUCTURES.items()},
            "hypointense": self.volume(*LESIONS),
            "icv": float(brain.sum()),
            "csf": float(fluid.sum()),
            "white": float(white.sum()),
            "grey": float((brain & ~fluid & ~white).sum()),
        }


def read_label_map(path: Path) -> LabelMap:
    image = nib.as_closest_canonical(nib.load(path))
    return LabelMap(np.asarray(image.dataobj).astype(np.int16), image.affine)


def without_shell(head: LabelMap, labels: tuple[int, ...], share: float) -> LabelMap:
    """Turn the outer `share` of a structure to fluid: what lies next to anything but white matter.

    Of the cortex that is the side of the pia, of the hippocampus all of its surface.
    """
    mask = np.isin(head.labels, labels)
    inner = np.isin(head.labels, WHITE) if labels[0] in CORTEX else np.zeros_like(mask)
    depth = ndimage.distance_transform_edt(mask | inner)
    order = np.argsort(depth[mask], kind="stable")
    lost = np.zeros(int(mask.sum()), bool)
    lost[order[: round(share * len(order))]] = True
    changed = head.labels.copy()
    places = np.flatnonzero(mask)[lost]
    changed.ravel()[places] = 24
    return LabelMap(changed, head.affine)


def with_lesions(head: LabelMap, count: int, *, seed: int) -> LabelMap:
    """Turn balls of 2 to 5 mm radius in the middle of white matter to hypointensities.

    Around each at least 3 mm of white matter stay, and nuclei and ventricles are 8 mm away.
    """
    rng = np.random.default_rng(seed)
    white = np.isin(head.labels, (2, 41))
    depth = ndimage.distance_transform_edt(white)
    deep = [label for name in STRUCTURES for label in STRUCTURES[name] if name != "cortex"]
    away = ndimage.distance_transform_edt(~np.isin(head.labels, deep))
    changed = head.labels.copy()
    for radius in rng.uniform(2, 5, count):
        places = np.argwhere((depth > radius + 3) & (away > radius + 8) & (changed != LESIONS[0]))
        if not len(places):
            continue
        centre = places[rng.integers(len(places))]
        reach = int(np.ceil(radius))
        box = tuple(slice(at - reach, at + reach + 1) for at in centre)
        ball = (np.indices((2 * reach + 1,) * 3) - reach) ** 2
        changed[box][ball.sum(axis=0) <= radius**2] = LESIONS[0]
    return LabelMap(changed, head.affine)


def paint(
    head: LabelMap,
    path: Path,
    *,
    seed: int,
    intensities: int | None = None,
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    noise: float = 3.0,
    bias: float = 0.2,
    blur_mm: float = 0.6,
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    contrast: float = 1.0,
) -> Path:
    """Write a T1w scan of a label map.

    Parameters
    ----------
    intensities : int, optional
        Seed of the tissues' brightness, which belongs to the person; that of `seed` if absent.
    voxel_mm : (3,)
        Of the scan; larger voxels average what they cover.
    noise : float
        Standard deviation, in units of one hundredth of white matter; Rician.
    bias : float
        Spread of the logarithm of the shading.
    angles : (3,)
        Turn of the head, degrees.
    contrast : float
        Intensities below white matter are moved towards it (below 1) or away from it.
    """
    rng = np.random.default_rng(seed)
    table = np.zeros(600, np.float32)
    for label, intensity in INTENSITY.items():
        table[label] = intensity
    within = (table >= 50) & (table <= 100)
    table[within] = 100 - (100 - table[within]) * contrast
    # People differ in the intensities of their tissues by a few percent.
    person = rng if intensities is None else np.random.default_rng(intensities)
    table *= person.normal(1, 0.015, table.size).astype(np.float32)
    image = table[head.labels]
    image += rng.normal(0, 1, image.shape).astype(np.float32) * np.where(image > 40, 2.0, 1.0)
    sigma = np.sqrt(blur_mm**2 + (0.35 * np.maximum(np.array(voxel_mm) - 1, 0)) ** 2)
    image = ndimage.gaussian_filter(image, sigma)
    knots = rng.normal(0, bias, (4, 4, 4)).astype(np.float32)
    field = ndimage.zoom(knots, np.array(image.shape) / 4, order=3, mode="nearest", grid_mode=True)
    image *= np.exp(field)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    middle = (np.array(image.shape) - 1) / 2
    shape = tuple(int(np.ceil(n / z)) for n, z in zip(image.shape, voxel_mm, strict=True))
    matrix = turn @ np.diag(voxel_mm)
    offset = middle - matrix @ ((np.array(shape) - 1) / 2)
    image = ndimage.affine_transform(image, matrix, offset, output_shape=shape, order=1)
    real, imaginary = rng.normal(0, noise, (2, *shape)).astype(np.float32)
    data = np.hypot(image + real, imaginary) * 10
    index = np.eye(4)
    index[:3, :3], index[:3, 3] = matrix, offset
    saved = nib.Nifti1Image(data.astype(np.int16), head.affine @ index)
    saved.set_sform(head.affine @ index, 1)
    saved.set_qform(head.affine @ index, 1)
    saved.header.set_zooms(voxel_mm)
    nib.save(saved, path)
    return path
