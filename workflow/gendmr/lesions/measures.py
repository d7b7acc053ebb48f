"""Numbers of a person's lesions: size, parts, extent, contrast."""

from __future__ import annotations

import numpy as np

from gendmr.files.lesions import LesionVolume


def measure_names(channels: tuple[str, ...], in_mm: bool) -> dict[str, str]:
    """Return the units of the measures by name, in their order."""
    return {
        "log_size": "log10(1 + mm3)" if in_mm else "log10(1 + voxels)",
        "parts": "count",
        "slice_share": "share of slices",
        **{f"contrast_{channel}": "SD of the volume" for channel in channels},
    }


def measure_lesions(volume: LesionVolume) -> np.ndarray:
    """Return the measures of `measure_names`, float64 (measure,).

    Contrast is the mean in the lesion minus the mean of what is neither lesion nor background;
    background is what lies at the lower limit of the normalisation. Parts touch in no corner.
    """
    from scipy.ndimage import label

    lesion = volume.mask.astype(bool)
    voxel = float(np.prod(volume.voxel_size))
    size = lesion.sum() * (voxel if np.isfinite(voxel) else 1.0)
    parts = label(lesion, structure=np.ones((3, 3, 3)))[1]
    numbers = [np.log10(1.0 + size), float(parts), float(lesion.any(axis=(1, 2)).mean())]
    scaled = volume.normalised()
    for place, is_known in enumerate(volume.channel_known):
        around = ~lesion & (volume.image[place] > volume.normalisation[place, 0])
        measurable = is_known and lesion.any() and around.any()
        # float32 sums over millions of voxels would depend on the order of adding.
        inside, outside = (
            float(scaled[place][where].mean(dtype=np.float64)) if measurable else np.nan
            for where in (lesion, around)
        )
        numbers.append(inside - outside)
    return np.array(numbers)


def outside_share(volume: LesionVolume) -> float:
    """Return the share of the lesion in which every known channel is background; NaN: no lesion."""
    lesion = volume.mask.astype(bool)
    if not lesion.any():
        return float("nan")
    dark = np.ones(int(lesion.sum()), dtype=bool)
    for place in np.flatnonzero(volume.channel_known):
        dark &= volume.image[place][lesion] <= volume.normalisation[place, 0]
    return float(dark.mean())
