"""Grey-matter maps in MNI space, whose regions are as large as was measured."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage, sparse

from gendmr.config.simulate import SimulateSection
from gendmr.errors import AtlasError, first_few
from gendmr.files.datasets import read_dataset
from gendmr.files.regions import REGIONS
from gendmr.files.tables import read_table, write_table
from gendmr.seeds import generator
from gendmr.simulate.atlas import STEP
from gendmr.simulate.measurements import typical_volumes
from gendmr.simulate.nifti import ALIGNED, write_nifti
from gendmr.simulate.reference import read_regions
from gendmr.simulate.roster import planned_maps
from gendmr.simulate.template import read_template

BLOCK = 2  # voxels of the atlas to one of a map: 4 mm
NOISE, SMOOTHNESS = 0.1, 1.5  # SD of a voxel as a share of itself; SD of its kernel, voxels
UNIT = 0.001  # maps are stored in whole thousandths


def simulate_maps(
    measurements_path: Path | str,
    regions_path: Path | str,
    labels_path: Path | str,
    atlas_path: Path | str,
    section: SimulateSection,
    seed: int,
    table_path: Path | str,
) -> None:
    r"""Write a modulated map of each person with an image, and the table that lists them.

    The map is :math:`g(x)\,v_r / V_r\,(1 + e(x))`: grey matter of the template, the volume of the
    person's region over its typical one (between regions the mean of these), and smooth noise.

    Parameters
    ----------
    measurements_path : Path or str
        Written by `simulate measurements`.
    regions_path : Path or str
        The table of regions.
    labels_path, atlas_path : Path or str
        Written by `simulate atlas`.
    section : SimulateSection
    seed : int
        The study's seed.
    table_path : Path or str
        Table with `participant_id` and `file`; maps lie in the folder of its name.

    Raises
    ------
    AtlasError
        The atlas has other regions than the measurements.
    """
    measured = read_dataset(measurements_path, REGIONS)
    regions = read_regions(regions_path)
    names = measured["region"].values.tolist()
    atlas = read_table(atlas_path, {"index": "integer", "region": "text"}, extra=True)
    if not names == atlas["region"].tolist() == regions["region"].tolist():
        differing = sorted({*atlas["region"]} ^ {*names}) or sorted({*regions["region"]} ^ {*names})
        raise AtlasError(
            f"{atlas_path}: not the regions of {measurements_path} in their order:"
            f" {first_few(differing or names)}",
            cause="tables of two studies",
            next_step="run `gendmr simulate atlas` with the table of regions of the measurements",
        )
    weights, shape, affine = regional_weights(labels_path, len(names))
    ratio = measured["volume"].values / typical_volumes(regions)
    ratio = np.column_stack([ratio.mean(axis=1), ratio])  # (person, 1 + region)
    people = measured["participant"].values.tolist()
    files = {Path(path).name.removesuffix(".nii.gz"): path
             for path in planned_maps(section, str(table_path))}  # fmt: skip
    rows = []
    for person, region_ratios in zip(people, ratio, strict=True):
        if person not in files:
            continue
        random = generator(seed, "simulate", "maps", person)
        noise = ndimage.gaussian_filter(random.standard_normal(shape), SMOOTHNESS)
        values = (weights @ region_ratios).reshape(shape) * (1 + NOISE * noise / noise.std())
        stored = np.rint(np.maximum(values, 0.0) / UNIT).astype(np.int16)
        write_nifti(files[person], stored, affine, ALIGNED, unit=UNIT)
        rows.append((person, f"{Path(files[person]).parent.name}/{Path(files[person]).name}"))
    write_table(table_path, pd.DataFrame(rows, columns=["participant_id", "file"]))


def regional_weights(
    labels_path: Path | str, count: int
) -> tuple[sparse.csr_array, tuple[int, int, int], np.ndarray]:
    """Return the template's grey matter of each voxel of a map, by the region that it lies in.

    Returns
    -------
    weights : sparse (voxel, 1 + region)
        The first column is what lies in no region.
    shape : tuple of int
        Voxels of a map along its axes.
    affine : float64 (4, 4)
        Voxel to mm.
    """
    image = nib.load(labels_path)
    labels = np.asarray(image.dataobj).astype(np.int64)
    grey = read_template("gm")[0][::STEP, ::STEP, ::STEP]
    shape = tuple(size // BLOCK for size in labels.shape)
    inside = tuple(slice(0, BLOCK * size) for size in shape)
    labels, grey = labels[inside], grey[inside]
    blocks = np.indices(labels.shape).reshape(3, -1) // BLOCK
    voxel = np.ravel_multi_index(tuple(blocks), shape)
    share = grey.ravel().astype(np.float64) / BLOCK**3
    weights = sparse.csr_array(
        (share, (voxel, labels.ravel())), shape=(int(np.prod(shape)), count + 1)
    )
    affine = np.asarray(image.affine) @ np.diag([BLOCK, BLOCK, BLOCK, 1.0])
    affine[:3, 3] += np.asarray(image.affine)[:3, :3] @ np.full(3, (BLOCK - 1) / 2)
    return weights, (shape[0], shape[1], shape[2]), affine
