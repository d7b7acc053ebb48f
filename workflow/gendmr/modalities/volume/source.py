"""Reads maps of grey matter, checks their space, and samples them on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gendmr.config.cohort import CohortSection
from gendmr.config.imaging import AtlasFiles
from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.volume import VolumeSection
from gendmr.errors import AtlasError, ImageError, InputFileError, first_few
from gendmr.files.listed import listed_files
from gendmr.files.tables import MISSING, read_table
from gendmr.imaging.atlas import load_atlas
from gendmr.imaging.scan import read_scan
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing
from gendmr.modalities.matching import Matching
from gendmr.modalities.store import write_modality
from gendmr.modalities.table import KEY, TableSource
from gendmr.modalities.volume.modality import MODALITY

LOW, HIGH = (-90.0, -126.0, -72.0), (90.0, 90.0, 108.0)  # mm, MNI: the box of SPM and CAT12
GREY = 0.1  # share of grey matter in the template from which on a voxel is read
COVERED = 0.95  # share of those voxels that a map must reach
ALIKE = 0.3  # correlation with the template's grey matter below which a map lies elsewhere
MAP = "grey.nii.gz"  # of a person, as the stage `imaging` leaves it
MEASURED = "measured"
REGION = "atlas_region"
FWHM = 2 * np.sqrt(2 * np.log(2))


@dataclass(frozen=True)
class VolumeSource(TableSource):
    """See `gendmr.modalities.base.Source`; a table names a map for each person.

    Where there is none, the maps are those of the stage `imaging`, whose quality table says who was
    measured.
    """

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who has a map, where each is named; see `Source.people`."""
        names, path = list(_maps(sources)), sources.get("table") or sources["quality"]
        return Listing(
            names=Matching.of(cohort).keys(names, path),
            ways={KEY: names},
            used=KEY,
            where=path,
            attrition=Attrition(self.modality.name).table(),
        )

    def check(self, sources: Mapping[str, str]) -> None:
        """Refuse a table none of whose maps is there.

        Raises
        ------
        InputFileError
        """
        if "table" not in sources:
            return
        files = listed_files(sources["table"])
        if not any(path.is_file() for path in files.values()):
            raise InputFileError(
                f"{sources['table']}: none of {len(files)} maps is there:"
                f" {first_few(files.values())}",
                cause="another folder, or a disk that is not mounted",
                next_step="correct the column `file`; it is relative to the folder of the table",
            )

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the cohort's file; see `Source.collect`.

        Raises
        ------
        InputFileError
            A map is missing or damaged.
        ImageError
            It has not three dimensions, or lies in another space.
        """
        import xarray as xr

        if not isinstance(section, VolumeSection):
            raise TypeError(f"a section {type(section).__name__}, not VolumeSection")
        files = _maps(sources)
        by_key = Matching.of(cohort).keys(list(files), sources.get("table") or sources["quality"])
        maps = {name: files[by_key[key]] for key, name in people.items() if key in by_key}
        places, centres, grey = grid(section.resolution)
        values = np.empty((len(maps), len(places)), dtype=np.float32)
        for row, path in enumerate(maps.values()):
            values[row] = sample(path, centres, grey, section.resolution)
        names = ["_".join(f"{mm:g}" for mm in centre) for centre in centres]
        dataset = xr.Dataset(
            {MODALITY.main: (("participant", MODALITY.name), values)},
            coords={
                "participant": np.array(list(maps), dtype=object),
                MODALITY.name: np.array(names, dtype=object),
                **{axis: (MODALITY.name, centres[:, n]) for n, axis in enumerate("xyz")},
                **{axis: (MODALITY.name, places[:, n]) for n, axis in enumerate("ijk")},
                **_regions(sources, section, centres),
            },
        )
        write_modality(output, dataset, MODALITY.name)


def _maps(sources: Mapping[str, str]) -> dict[str, Path]:
    """Return the map of each person: those of a table, or those that the stage `imaging` made.

    Raises
    ------
    InputFileError, TableError
        The table is missing or malformed, or nobody was measured.
    """
    if "table" in sources:
        return listed_files(sources["table"])
    path = sources["quality"]
    table = read_table(path, {KEY: "text", "status": "text"}, extra=True, key=KEY)
    people = table.loc[table["status"] == MEASURED, KEY].tolist()
    if not people:
        raise InputFileError(
            f"{path}: none of {len(table)} people was measured",
            cause="scans that cannot be used",
            next_step="look at the column `reason`",
        )
    folder = Path(path).parent
    return {name: folder / str(name).removeprefix("sub-") / MAP for name in people}


def _regions(
    sources: Mapping[str, str], section: VolumeSection, centres: np.ndarray
) -> dict[str, tuple[str, np.ndarray]]:
    """Return the region of each voxel as a coordinate; nothing where there is no atlas.

    Raises
    ------
    AtlasError
        No voxel lies in a region of the atlas.
    """
    if "labels" not in sources:
        return {}
    files = AtlasFiles(labels=sources["labels"], table=sources.get("regions"))
    if section.table is None and section.atlas is None:
        # The stage counts the rows of its own table from 1.
        rows = read_table(sources["regions"], {"region": "text", "hemisphere": "text"}, extra=True)
        numbers, labels = np.arange(1, len(rows) + 1), read_scan(files.labels)
    else:
        rows, labels = load_atlas(files)
        numbers = rows["index"].to_numpy(dtype=np.int64)
    sides = rows["hemisphere"].astype(str)
    names = rows["region"].astype(str)
    named = [
        name if side not in ("L", "R") or name.endswith(f"_{side}") else f"{name}_{side}"
        for name, side in zip(names, sides, strict=True)
    ]
    of_number = dict(zip(numbers.tolist(), named, strict=True))
    inverse = np.linalg.inv(labels.affine)
    voxels = np.rint(centres @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.int64)
    inside = ((voxels >= 0) & (voxels < np.array(labels.data.shape))).all(axis=1)
    placed = np.zeros(len(centres), dtype=np.int64)
    placed[inside] = np.rint(labels.data[tuple(voxels[inside].T)]).astype(np.int64)
    regions = [of_number.get(number, MISSING) for number in placed.tolist()]
    if all(name == MISSING for name in regions):
        raise AtlasError(
            f"{files.labels}: none of {len(centres)} voxels of grey matter lies in a region",
            cause="an atlas in another space, or labels that are not those of its table",
            next_step="give an atlas in MNI space in `modalities: volume: atlas:`",
        )
    return {REGION: (MODALITY.name, np.array(regions, dtype=object))}


def grid(resolution: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the voxels that are read: those with grey matter in nilearn's MNI152 template.

    Parameters
    ----------
    resolution : float
        mm.

    Returns
    -------
    places : int64 (voxel, 3)
        In a grid over the box of SPM and CAT12: 121 x 145 x 121 voxels at 1.5 mm.
    centres : float64 (voxel, 3)
        mm.
    grey : float64 (voxel,)
        Grey matter of the template.
    """
    from nilearn.datasets import load_mni152_gm_template

    template = load_mni152_gm_template(resolution=2)
    axes = [
        np.arange(int((high - low) / resolution + 1e-9) + 1)
        for low, high in zip(LOW, HIGH, strict=True)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    centres = np.array(LOW) + resolution * places
    values = np.asarray(template.get_fdata(), dtype=np.float64)
    grey, _ = _sampled(values, np.asarray(template.affine), centres, resolution)
    read = grey > GREY
    return places[read].astype(np.int64), centres[read], grey[read]


def sample(path: Path, centres: np.ndarray, grey: np.ndarray, resolution: float) -> np.ndarray:
    """Return a map at some places (voxel,); NaN where it does not reach, or is not finite.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    ImageError
        It has not three dimensions, or lies in another space.
    """
    import nibabel as nib

    try:
        image = nib.load(path)
        values = np.asarray(image.get_fdata(dtype=np.float32), dtype=np.float64)
    except Exception as error:
        raise InputFileError(
            f"{path}: not readable as NIfTI ({error})",
            cause="the file is missing, cut or damaged",
            next_step="fetch it again, or take the person out of the table of `volume`",
        ) from error
    if values.ndim != 3:
        raise ImageError(
            f"{path}: {values.ndim} dimensions, not three",
            cause="a functional scan, or maps of several tissues in one file",
            next_step="give the map of grey matter alone",
        )
    sampled, covered = _sampled(values, np.asarray(image.affine), centres, resolution)
    finite = np.isfinite(sampled)
    correlation = 0.0
    if finite.sum() > 2 and sampled[finite].std() > 0:
        correlation = float(np.corrcoef(sampled[finite], grey[finite])[0, 1])
    if covered < COVERED or correlation < ALIKE:
        raise ImageError(
            f"{path}: {covered:.0%} of the template's grey matter lies inside the map, and it"
            f" correlates with it by {correlation:.2f}",
            cause="a map in the space of the person, another template, or another tissue",
            next_step="give modulated grey matter in MNI space (CAT12: mwp1*.nii)",
        )
    return sampled


def _sampled(
    values: np.ndarray, affine: np.ndarray, centres: np.ndarray, resolution: float
) -> tuple[np.ndarray, float]:
    """Return an image at places in mm, smoothed to the resolution, and the share inside it."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    edges = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    finite = np.isfinite(values)
    # Coarser images are sampled as they are: there is nothing to smooth away.
    sigma = np.where(edges < resolution, resolution / FWHM / edges, 0.0)
    smooth = gaussian_filter(np.where(finite, values, 0.0), sigma)
    voxels = np.linalg.inv(affine) @ np.column_stack([centres, np.ones(len(centres))]).T
    last = np.array(values.shape)[:, None] - 0.5
    inside = ((voxels[:3] >= -0.5) & (last >= voxels[:3])).all(axis=0)
    sampled = map_coordinates(smooth, voxels[:3], order=1, mode="nearest")
    return np.where(inside, sampled, np.nan), float(inside.mean())


SOURCE = VolumeSource(MODALITY)
