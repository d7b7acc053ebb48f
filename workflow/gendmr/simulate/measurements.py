"""Region measurements without images: what software would have measured, with its noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gendmr.config.simulate import SimulateSection
from gendmr.files.datasets import write_dataset
from gendmr.files.regions import REGIONS
from gendmr.files.tables import Kind, read_table
from gendmr.seeds import generator
from gendmr.simulate.reference import check_region_names, read_regions

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

ICV = 1_450_000.0  # mm3 of a person of size 1
GREY = 0.45  # share of grey matter in the sphere of a region
DENSITY, DENSITY_SPREAD = 0.6, 0.2  # mean and SD of grey matter within a region
# SDs as shares of the value. The first is common to all regions of a scan (contrast, movement).
SCAN_NOISE, VOLUME_NOISE, DENSITY_NOISE, SPREAD_NOISE = 0.03, 0.04, 0.05, 0.1


def unexplained_variance() -> float:
    """Return the variance of a volume, as a share of itself, that is noise of measuring."""
    return SCAN_NOISE**2 + VOLUME_NOISE**2


def typical_volumes(regions: pd.DataFrame) -> np.ndarray:
    """Return the volume of each region in a person of size 1, mm3, float64 (region,).

    Parameters
    ----------
    regions : DataFrame
        The table of regions, with `radius` (mm).
    """
    return np.asarray(GREY * 4 / 3 * np.pi * regions["radius"].to_numpy(dtype=float) ** 3)


def simulate_measurements(
    anatomy_path: Path | str,
    regions_path: Path | str,
    section: SimulateSection,
    seed: int,
    output: Path | str,
) -> None:
    """Write the measurements of everybody in the anatomy table, as the modality `region`.

    Parameters
    ----------
    anatomy_path : Path or str
        Written by `simulate cohort`: `size` (linear), `everywhere` (share that all regions lost,
        to age and ancestry) and a column per named region (share that it lost besides).
    regions_path : Path or str
        The table of regions.
    section : SimulateSection
    seed : int
        The study's seed.
    output : Path or str
        NetCDF file.

    Raises
    ------
    ConfigurationError
        A named region is not in the table of regions.
    TableError
        A table is malformed.
    """
    regions = read_regions(regions_path)
    check_region_names(section.regions, regions["region"].tolist(), regions_path)
    columns: dict[str, Kind] = {"participant_id": "text", "site": "text"}
    columns |= dict.fromkeys(("size", "everywhere", *section.regions), "number")
    anatomy = read_table(anatomy_path, columns, key="participant_id")
    write_dataset(output, measure(anatomy, regions, section, seed), REGIONS)


def measure(
    anatomy: pd.DataFrame, regions: pd.DataFrame, section: SimulateSection, seed: int
) -> xr.Dataset:
    r"""Return the measurements of some people.

    The volume of region r is :math:`V_r\,s^3\,(1 - l)(1 - l_r)(1 + c + e_r)`: its typical volume,
    the head's size, what all regions lost, what this one lost, and noise of the scan and of the
    region. Regions that the disease spares vary as much as the others.
    """
    import xarray as xr

    random = generator(seed, "simulate", "measurements")
    shape = (len(anatomy), len(regions))
    loss = section.susceptibility * random.standard_normal(shape)
    column = {name: number for number, name in enumerate(regions["region"])}
    for name in section.regions:
        loss[:, column[name]] = anatomy[name].to_numpy(dtype=float)
    remaining = (1 - loss) * (1 - anatomy["everywhere"].to_numpy(dtype=float)[:, None])
    head = anatomy["size"].to_numpy(dtype=float) ** 3
    scan = SCAN_NOISE * random.standard_normal(len(anatomy))[:, None]
    volume = (
        typical_volumes(regions)
        * head[:, None]
        * remaining
        * (1 + scan + _noise(VOLUME_NOISE, shape, random))
    )
    mean = DENSITY * remaining * (1 + scan + _noise(DENSITY_NOISE, shape, random))
    spread = DENSITY_SPREAD * (1 + _noise(SPREAD_NOISE, shape, random))
    dims = ("participant", "region")
    return xr.Dataset(
        {
            "volume": (dims, np.maximum(volume, 0.0)),
            "mean": (dims, mean),
            "spread": (dims, spread),
            "icv": ("participant", ICV * head),
        },
        coords={
            "participant": anatomy["participant_id"].to_numpy(dtype=str),
            "region": regions["region"].to_numpy(dtype=str),
            "hemisphere": ("region", regions["hemisphere"].to_numpy(dtype=str)),
            **{axis: ("region", regions[axis].to_numpy(dtype=float)) for axis in "xyz"},
        },
        attrs={"space": "MNI152NLin2009aSym", "atlas": "demo regions", "units": "mm3"},
    )


def _noise(share: float, shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    return share * random.standard_normal(shape)
