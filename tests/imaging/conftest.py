"""A brain to play with: the template of the nilearn wheel, posed, blurred by a coil, and noisy."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from gendmr.config.imaging import AtlasFiles, ImagingSection
from gendmr.imaging.scan import Scan, read_scan, thin, write_image
from gendmr.imaging.template import prepare_template

# Rows: index; region; hemisphere; centre and radius in mm.
REGIONS = (
    (10, "hippocampus", "L", (-28, -20, -16), 11),
    (20, "hippocampus", "R", (28, -20, -16), 11),
    (30, "thalamus", "L", (-11, -18, 8), 10),
    (40, "thalamus", "R", (11, -18, 8), 10),
    (60, "temporal", "L", (-52, -10, -16), 14),
    (70, "temporal", "R", (52, -10, -16), 14),
)


@pytest.fixture(scope="session")
def section(tmp_path_factory: pytest.TempPathFactory) -> ImagingSection:
    """Six spheres as an atlas, stored LAS at 2 mm; stripped images; the preset `testing`."""
    folder = tmp_path_factory.mktemp("atlas")
    affine = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
    shape = (91, 109, 91)
    index = np.indices(shape).reshape(3, -1)
    world = affine[:3, :3] @ index + affine[:3, 3:]
    labels = np.zeros(shape, np.uint8)
    for number, _, _, centre, radius in REGIONS:
        distance = np.linalg.norm(world - np.array(centre)[:, None], axis=0)
        labels[(distance < radius).reshape(shape)] = number
    nib.save(nib.Nifti1Image(labels, affine), folder / "atlas.nii.gz")
    rows = ["index\tregion\themisphere"]
    rows += [f"{number}\t{region}\t{side}" for number, region, side, *_ in REGIONS]
    (folder / "atlas.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return ImagingSection.parse(
        {
            "bids": "unused",
            "atlas": {
                "labels": str(folder / "atlas.nii.gz"),
                "table": str(folder / "atlas.tsv"),
                "name": "spheres",
            },
            "preset": "testing",
            "brain": "stripped",
        }
    )


@pytest.fixture(scope="session")
def template(section: ImagingSection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared template."""
    folder = tmp_path_factory.mktemp("template")
    prepare_template(section, folder)
    return folder


@pytest.fixture(scope="session")
def anatomy() -> Scan:
    """The T1 image of the nilearn wheel at 3 mm."""
    package = importlib.util.find_spec("nilearn")
    assert package is not None and package.submodule_search_locations
    data = Path(package.submodule_search_locations[0]) / "datasets" / "data"
    return thin(read_scan(data / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"), 3.0)


def scanned(
    path: Path,
    anatomy: Scan,
    *,
    shrink: tuple[tuple[float, ...], float, float] | None = None,
    scale: float = 1.0,
    axes: str = "RAS",
    skull: bool = False,
    marker: tuple[tuple[float, ...], float] | None = None,
) -> Path:
    """Write a scan of the anatomy: turned, shifted, shaded and noisy, the same each time.

    Parameters
    ----------
    shrink : (centre, radius, factor), optional
        A ball, mm, whose middle shrinks by this linear factor towards its centre.
    scale : float
        Linear size of the head; only the affine changes.
    axes : str
        Orientation in which the voxels are stored.
    skull : bool
        Add a dark gap, a bright scalp and a neck.
    marker : (centre, radius), optional
        A ball, mm, three times as bright as anything else: a capsule taped to one side.
    """
    data = anatomy.data.copy()
    if shrink is not None:
        data = _shrunk(anatomy, *shrink)
    rng = np.random.default_rng(5)
    shape = np.array(data.shape)
    if skull:
        data = _with_skull(data)
    if marker is not None:
        index = np.indices(data.shape).reshape(3, -1)
        world = anatomy.affine[:3, :3] @ index + anatomy.affine[:3, 3:]
        near = np.linalg.norm(world - np.array(marker[0])[:, None], axis=0) < marker[1]
        data[near.reshape(data.shape)] = 3 * data.max()
    ramp = np.indices(data.shape) / shape[:, None, None, None] - 0.5
    shading = np.exp(0.3 * ramp[0] - 0.2 * ramp[1] + 0.2 * ramp[2] ** 2)
    noise = rng.normal(0, 3, data.shape)
    data = np.where(data > 0, np.maximum(data * shading + noise, 1), 0) * 4.5
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", (6, -5, 8), degrees=True).as_matrix() * scale
    pose[:3, 3] = (12, -9, 7)
    image = nib.Nifti1Image(data.astype(np.float32), pose @ anatomy.affine)
    change = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(axes)
    )
    image = image.as_reoriented(change)
    write_image(path, np.asarray(image.dataobj), image.affine)
    return path


def _shrunk(anatomy: Scan, centre: Sequence[float], radius: float, factor: float) -> np.ndarray:
    index = np.indices(anatomy.data.shape).reshape(3, -1).astype(float)
    world = anatomy.affine[:3, :3] @ index + anatomy.affine[:3, 3:]
    offset = world - np.array(centre, float)[:, None]
    distance = np.linalg.norm(offset, axis=0) / radius
    # Full in the inner half, fading to nothing at the rim.
    fade = np.clip(2 - 2 * distance, 0, 1)
    stretch = 1 + (1 / factor - 1) * fade**2 * (3 - 2 * fade)
    source = np.array(centre, float)[:, None] + offset * stretch
    back = np.linalg.inv(anatomy.affine)
    voxel = back[:3, :3] @ source + back[:3, 3:]
    values = ndimage.map_coordinates(anatomy.data, voxel, order=1)
    return np.asarray(values.reshape(anatomy.data.shape))


def _with_skull(data: np.ndarray) -> np.ndarray:
    brain = np.asarray(ndimage.binary_fill_holes(data > 0))
    distance = ndimage.distance_transform_edt(~brain) * 3
    head = np.where(brain, data, 0)
    head[(distance > 0) & (distance <= 3)] = 25
    head[(distance > 3) & (distance <= 9)] = 12
    head[(distance > 9) & (distance <= 14)] = 230
    middle = np.array(data.shape) // 2
    neck = np.indices(data.shape[:2]) - middle[:2, None, None]
    column = np.hypot(*neck) * 3 < 45
    low = int(np.argwhere(brain)[:, 2].min())
    part = head[:, :, :low]
    part[column[:, :, None] & (part < 20)] = 140
    return head


@pytest.fixture(scope="session")
def scan_of() -> Callable[..., Path]:
    """The function that writes a scan of the anatomy."""
    return scanned


@pytest.fixture(scope="session")
def labelled_heads(section: ImagingSection, anatomy: Scan) -> Callable[[Path], ImagingSection]:
    """The function that writes two labelled heads, one of them larger, as the atlas of a study."""

    assert isinstance(section.atlas, AtlasFiles)
    atlas_files = section.atlas

    def write(folder: Path) -> ImagingSection:
        labels = nib.load(atlas_files.labels)
        entries = []
        for number, scale in enumerate((1.0, 1.05)):
            path = scanned(folder / f"{number}_T1w.nii.gz", anatomy, scale=scale)
            # Labels take the same way into the pose of the scan as its voxels.
            pose = nib.load(path).affine @ np.linalg.inv(anatomy.affine)
            posed = nib.Nifti1Image(np.asarray(labels.dataobj), pose @ labels.affine)
            nib.save(posed, folder / f"{number}_labels.nii.gz")
            entries.append({"image": str(path), "labels": str(folder / f"{number}_labels.nii.gz")})
        atlas = {"heads": entries, "table": atlas_files.table, "name": "two heads"}
        return ImagingSection.parse(
            {"bids": "unused", "atlas": atlas, "preset": "testing", "brain": "stripped"}
        )

    return write
