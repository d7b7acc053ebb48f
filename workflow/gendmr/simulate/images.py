"""T1w images in BIDS form: the template, bent, shrunk where planted, biased, noisy, regridded."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from gendmr.config.simulate import SimulateSection
from gendmr.errors import AtlasError, TableError, first_few
from gendmr.files.atomic import write_json
from gendmr.files.tables import Kind, read_table
from gendmr.seeds import derive, generator
from gendmr.simulate.anatomy import SPACING, Lattice, sample, shrinking_fields, warp
from gendmr.simulate.nifti import SCANNER, write_nifti
from gendmr.simulate.reference import check_region_names
from gendmr.simulate.roster import image_path, roster
from gendmr.simulate.template import read_template

# Linear: the brain of MNI152 is nearly half as large again as people's, of some 1.45 litres.
HEAD = 0.87
BLUR = 0.8  # mm, of the template: voxels larger than its own average over their content
CSF = 0.2  # intensity of cerebrospinal fluid, as a share of the template's brightest
FILLED = 0.3  # share of a region's loss that shows as fluid within it; for the rest it shrinks
BRAIN = 0.04  # intensity of the template at its edge; outside all is 0, as after skull stripping
POSE = (4.0, 5.0)  # SD of the head's rotation, degrees, and of its place, mm
OBLIQUE, TILT = 0.3, 8.0  # share of oblique scans; their SD, degrees
ORIENTATIONS = ("RAS", "LAS", "LPI", "LPS", "PIR", "ASL", "SAR")
REACH = 10.0  # mm: more than a deformation moves anything
PADDING = (4.0, 16.0)  # mm of empty space around the brain
BIAS, BIAS_SCALE = 0.1, 60.0  # log intensity of the coil's field, SD; smoothness, mm
NOISE = (0.01, 0.03)  # SD of the noise, as a share of white matter
GAMMA = 0.06  # SD of a site's contrast
GAIN = (400, 2500)  # intensity of the brightest voxel


@dataclass(frozen=True)
class _Template:
    brightness: np.ndarray
    affine: np.ndarray
    box: np.ndarray  # (3, 2), mm: the brain's lowest and highest coordinates
    masks: np.ndarray  # (regions, i, j, k): soft masks on the atlas's grid
    atlas_affine: np.ndarray
    lattice: Lattice
    nearby: np.ndarray  # on the lattice: points that a deformation can bring into the brain
    shrinking: dict[str, np.ndarray]


@dataclass(frozen=True)
class Person:
    """What decides the scan of one person.

    Attributes
    ----------
    label : str
        Without `sub-`.
    site : str
    size : float
        Linear scale of the brain, 1 on average.
    loss : dict of region to float
        Share of the volume lost.
    """

    label: str
    site: str
    size: float
    loss: dict[str, float]


def simulate_images(
    anatomy_path: Path | str,
    labels_path: Path | str,
    table_path: Path | str,
    section: SimulateSection,
    seed: int,
    threads: int,
    folder: Path | str,
) -> None:
    """Write one T1w image per person of the anatomy table, and dataset_description.json.

    A person's image depends on the seed and on that person's row alone.

    Raises
    ------
    TableError
        The anatomy table does not list the people whom the configuration plans.
    AtlasError
        The atlas and its table do not agree.
    """
    folder = Path(folder)
    people = read_people(anatomy_path, section)
    arguments = (str(labels_path), str(table_path), section.regions)
    jobs = [(person, section.voxel_sizes, seed, folder) for person in people]
    if threads == 1 or len(jobs) < 2:
        _start(*arguments)
        for job in jobs:
            _make(job)
    else:
        with ProcessPoolExecutor(threads, initializer=_start, initargs=arguments) as pool:
            list(pool.map(_make, jobs))
    write_json(
        folder / "dataset_description.json",
        {
            "Name": "GenDMR demo: simulated T1-weighted images",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "Acknowledgements": "Made from the MNI152 2009a symmetric template (ICBM, McGill).",
        },
    )


def read_people(path: Path | str, section: SimulateSection) -> list[Person]:
    """Read the anatomy table that `simulate cohort` wrote for the people with an image."""
    columns: dict[str, Kind] = {"participant_id": "text", "site": "text", "size": "number"}
    for region in section.regions:
        columns[region] = "number"
    table = read_table(path, columns, key="participant_id")
    labels = table["participant_id"].str.removeprefix("sub-").tolist()
    planned = set(roster(section).imaged)
    if set(labels) != planned:
        unmatched = sorted(planned.symmetric_difference(labels))
        raise TableError(
            f"{path}: {len(unmatched)} participants are listed or planned, not both:"
            f" {first_few(unmatched)}",
            cause="the table was made with another number of people or images",
            next_step="run `gendmr simulate cohort` with the same configuration",
        )
    return [
        Person(
            label,
            str(row["site"]),
            float(row["size"]),
            {region: float(row[region]) for region in section.regions},
        )
        for label, row in zip(labels, table.to_dict("records"), strict=True)
    ]


_READY: list[_Template] = []  # one per process, filled by _start


def _start(labels_path: str, table_path: str, regions: tuple[str, ...]) -> None:
    _READY[:] = [prepare(labels_path, table_path, regions)]


def _make(job: tuple[Person, tuple[float, float], int, Path]) -> None:
    person, voxel_sizes, seed, folder = job
    values, affine = scan(_READY[0], person, voxel_sizes, seed)
    write_nifti(folder / image_path(person.label), values, affine, SCANNER)


def prepare(labels_path: Path | str, table_path: Path | str, regions: tuple[str, ...]) -> _Template:
    """Read the template and the atlas, and solve for the regions' displacements."""
    table = read_table(
        table_path, {"index": "integer", "region": "text", "hemisphere": "text"}, key="region"
    )
    check_region_names(regions, table["region"].tolist(), table_path)
    image = nib.load(labels_path)
    labels = np.asarray(image.dataobj)
    numbers = dict(zip(table["region"], table["index"].astype(int), strict=True))
    absent = [name for name in regions if not (labels == numbers[name]).any()]
    if absent:
        raise AtlasError(
            f"{labels_path}: {len(absent)} regions of {table_path} have no voxel:"
            f" {first_few(absent)}",
            cause="atlas and table are of different versions",
            next_step="make both again with `gendmr simulate atlas`",
        )
    brightness, affine = read_template("t1")
    lattice = Lattice.around(brightness.shape, affine)
    named = {name: numbers[name] for name in regions}
    masks = np.zeros((len(named), *labels.shape), dtype=np.float32)
    for mask, number in zip(masks, named.values(), strict=True):
        ndimage.gaussian_filter((labels == number).astype(np.float32), 0.5, output=mask)
    inside = np.argwhere(brightness > BRAIN)
    box = np.stack([inside.min(axis=0), inside.max(axis=0)], axis=1)
    return _Template(
        ndimage.gaussian_filter(brightness, BLUR),
        affine,
        box + affine[:3, 3:],
        masks,
        np.asarray(image.affine),
        lattice,
        _reach(lattice, inside.T + affine[:3, 3:]),
        shrinking_fields(labels, np.asarray(image.affine), named, lattice),
    )


def _reach(lattice: Lattice, brain: np.ndarray) -> np.ndarray:
    """Mark the points of the lattice within reach of the brain's places (3, voxels)."""
    marked = np.zeros(lattice.shape, dtype=bool)
    marked[tuple(np.rint(lattice.index(brain)).astype(np.int32))] = True
    return np.asarray(
        ndimage.binary_dilation(marked, np.ones((3, 3, 3)), iterations=round(REACH / SPACING))
    )


def scan(
    template: _Template, person: Person, voxel_sizes: tuple[float, float], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image of one person.

    Returns
    -------
    values : ndarray of int16, shape (i, j, k)
        Zero outside the brain.
    affine : ndarray, shape (4, 4)
        Voxel to mm in scanner coordinates, R+ A+ S+, whatever the order of the axes.
    """
    random = generator(seed, "simulate", "image", person.label)
    shrinkage = {
        region: 1 - (1 - share) / (1 - FILLED * share) for region, share in person.loss.items()
    }
    displacement = warp(template.lattice, template.shrinking, shrinkage, random)
    pose = Rotation.from_rotvec(np.deg2rad(random.normal(0, POSE[0], 3))).as_matrix()
    place = random.normal(0, POSE[1], 3)

    size = HEAD * person.size

    shape, affine = _grid(template, size, pose, place, voxel_sizes, random)
    # Scanner to the person's brain in the size of the template, then to the template itself.
    to_template = np.eye(4)
    to_template[:3, :3] = pose.T / size
    to_template[:3, 3] = -to_template[:3, :3] @ place
    places = _places(to_template @ affine, shape).reshape(3, -1)
    near = np.flatnonzero(_nearby(template, places))
    places = places[:, near]
    bias = _bias(template.lattice, random)
    fields = sample(np.concatenate([displacement, bias]), template.lattice.index(places))
    origin = places + fields[:3]

    values = ndimage.map_coordinates(
        template.brightness, _indices(template.affine, origin), order=1, mode="constant"
    )
    brain = values > BRAIN
    losses = np.array(list(person.loss.values()), dtype=np.float32)
    fluid = ndimage.map_coordinates(
        np.tensordot(FILLED * losses, template.masks, axes=1),
        _indices(template.atlas_affine, origin),
        order=1,
        mode="constant",
    )
    values += fluid * np.minimum(CSF - values, 0)

    site = generator(seed, "simulate", "site", person.site)
    values = np.clip(values, 0, None) ** np.exp(site.normal(0, GAMMA))
    values *= np.exp(fields[3])
    noise = random.uniform(*NOISE)
    real = values + noise * random.standard_normal(len(near), dtype=np.float32)
    imaginary = noise * random.standard_normal(len(near), dtype=np.float32)
    values = np.where(brain, np.hypot(real, imaginary), 0)
    values *= random.uniform(*GAIN) / max(float(values.max()), 1e-6)
    image = np.zeros(shape, dtype=np.int16)
    image.ravel()[near] = np.rint(values).astype(np.int16)

    orientation = ORIENTATIONS[
        derive(seed, "simulate", "orientation", person.label) % len(ORIENTATIONS)
    ]
    return _reorient(image, affine, orientation)


def _grid(
    template: _Template,
    size: float,
    pose: np.ndarray,
    place: np.ndarray,
    voxel_sizes: tuple[float, float],
    random: np.random.Generator,
) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return the shape and affine of a grid, R A S or oblique, that holds the whole brain."""
    in_plane, slices = random.uniform(*voxel_sizes, 2).round(2)
    edges = random.permutation([in_plane, in_plane, slices])
    axes = np.eye(3)
    if random.random() < OBLIQUE:
        axes = Rotation.from_rotvec(np.deg2rad(random.normal(0, TILT, 3))).as_matrix()
    corners = np.stack(np.meshgrid(*template.box, indexing="ij")).reshape(3, -1)
    posed = axes.T @ (size * pose @ corners + place[:, None])
    low = posed.min(axis=1) - random.uniform(*PADDING, 3)
    high = posed.max(axis=1) + random.uniform(*PADDING, 3)
    counts = np.ceil((high - low) / edges).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = axes * edges
    affine[:3, 3] = axes @ low
    return (int(counts[0]), int(counts[1]), int(counts[2])), affine


def _places(affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the places of all voxels, float32, shape (3, i, j, k)."""
    parts = [
        affine[:3, axis].reshape(3, 1, 1, 1)
        * np.arange(size).reshape([-1 if dimension == axis else 1 for dimension in range(3)])
        for axis, size in enumerate(shape)
    ]
    places: np.ndarray = parts[0] + parts[1] + parts[2] + affine[:3, 3].reshape(3, 1, 1, 1)
    return places.astype(np.float32)


def _indices(affine: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return voxel indices of places (3, n), for an affine whose axes are R+ A+ S+."""
    edges = np.diag(affine)[:3, None].astype(np.float32)
    indices: np.ndarray = (places - affine[:3, 3:].astype(np.float32)) / edges
    return indices


def _nearby(template: _Template, places: np.ndarray) -> np.ndarray:
    """Return which places can show the brain: those not far from the template's."""
    index = np.rint(template.lattice.index(places)).astype(np.int32)
    shape = np.asarray(template.lattice.shape)[:, None]
    nearby: np.ndarray = template.nearby[tuple(np.clip(index, 0, shape - 1))]
    return nearby


def _bias(lattice: Lattice, random: np.random.Generator) -> np.ndarray:
    """Return the log of the coil's sensitivity on the lattice, shape (1, i, j, k)."""
    coarse = random.standard_normal(lattice.shape)
    coarse = ndimage.gaussian_filter(coarse, BIAS_SCALE / SPACING, mode="reflect")
    return np.asarray(coarse[None] * (BIAS / coarse.std()))


def _reorient(
    values: np.ndarray, affine: np.ndarray, orientation: str
) -> tuple[np.ndarray, np.ndarray]:
    """Reorder and flip the axes of an image whose own order is R A S; places do not move."""
    change = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(orientation)
    )
    reordered = nib.orientations.apply_orientation(values, change)
    return reordered, affine @ nib.orientations.inv_ornt_aff(change, values.shape)
