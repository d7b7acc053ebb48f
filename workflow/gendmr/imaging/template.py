"""The template, its brain mask, tissue priors and atlas on one working grid."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from gendmr.config.imaging import (
    ImagingSection,
    LabelledHeads,
    NamedAtlas,
    Preset,
    TemplateFiles,
)
from gendmr.errors import (
    AtlasError,
    ConfigurationError,
    ImageError,
    ToolError,
    first_few,
)
from gendmr.files.atomic import write_json
from gendmr.files.provenance import versions
from gendmr.files.tables import read_table, write_table
from gendmr.imaging.atlas import TISSUES, load_atlas
from gendmr.imaging.heads import fuse_heads, prepare_heads
from gendmr.imaging.presets import load_preset
from gendmr.imaging.registration import write_scratch
from gendmr.imaging.scan import Scan, crop, read_image, read_scan, resample, thin, write_image
from gendmr.imaging.tissue import brightness_of, fit_tissues
from gendmr.imaging.volumes import reach_of_ventricles

MARGIN_MM = 12.0
# Share of a region's voxels that must be about as bright as its median: of nuclei 0.7 to 1, of
# lobes with cortex and white matter 0.4 to 0.6.
ALIKE = 2 / 3
# Of the registrations of labelled heads to the template.
SEED = 1


@dataclass(frozen=True)
class Template:
    """What scans are compared with, all on the working grid.

    Attributes
    ----------
    t1, brain : (i, j, k) float32, bool
        Skull-stripped template and its mask.
    priors : dict of tissue to (i, j, k) float32
        Probabilities of `csf`, `grey` and `white`; they add up to 1 in the mask.
    labels : (i, j, k) int32
        Row of `regions` plus one; 0 is no region.
    regions : pandas.DataFrame
        `region`, `hemisphere`, `tissue` (one of `TISSUES`), `brightness` (from grey, 0, to white
        matter, 1, in the template's T1; missing where a region is not of one brightness), `x`,
        `y`, `z` (centroid, mm, RAS+), `voxels`, `mm3`.
    affine : (4, 4) float64
    """

    t1: np.ndarray
    brain: np.ndarray
    priors: dict[str, np.ndarray]
    labels: np.ndarray
    regions: pd.DataFrame
    affine: np.ndarray

    @cached_property
    def reach(self) -> np.ndarray:
        """Where ventricles are or may reach to, (i, j, k) bool; see `reach_of_ventricles`."""
        zooms = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return reach_of_ventricles(self.priors["csf"], self.brain, zooms)


def prepare_template(section: ImagingSection, folder: Path | str) -> None:
    """Write the template to `folder`.

    The brain is cut out with a margin, thinned to the preset's grid after smoothing that prevents
    aliasing; the atlas comes to the same grid by its affine, nearest neighbour.

    Raises
    ------
    InputFileError, ImageError
        An image of the template cannot be used.
    AtlasError
        Labels and table do not agree, or the atlas lies elsewhere.
    ConfigurationError
        The study has no atlas.
    """
    folder = Path(folder)
    files = section.atlas
    if isinstance(files, NamedAtlas):
        raise ConfigurationError(
            f"{files} was not fetched",
            cause="this step was run by hand",
            next_step="gendmr imaging atlas, then name its files in `imaging: atlas:`",
        )
    if files is None:
        raise ConfigurationError(
            "imaging.atlas is missing: no regions to measure",
            cause="the study brings measurements, for which no template is needed",
            next_step="name an atlas, or leave this step out",
        )
    preset = load_preset(section.preset)
    maps, space = (
        _own(section.template)
        if isinstance(section.template, TemplateFiles)
        else nilearn_template()
    )
    brain = maps["brain"]
    box = ndimage.find_objects((brain.data > 0.5).astype(np.uint8))[0]
    margin = int(np.ceil(MARGIN_MM / brain.zooms.min()))
    # Blocks are averaged against aliasing; where they match the working grid, they are the result.
    small = {
        name: thin(crop(scan, box, margin), preset.working_mm * 1.01) for name, scan in maps.items()
    }
    affine, shape = _grid(small["brain"], preset.working_mm)
    gridded = {name: resample(scan, affine, shape, order=1) for name, scan in small.items()}
    inside = gridded["brain"] > 0.5
    gridded["csf"] = gridded.get("csf", gridded["brain"] - gridded["grey"] - gridded["white"])
    priors = {name: np.clip(gridded[name], 0.001, 1) * inside for name in TISSUES}
    total = np.where(inside, sum(priors.values()), 1)
    write_image(folder / "t1.nii.gz", gridded["t1"] * inside, affine)
    write_image(folder / "brain.nii.gz", inside.astype(np.uint8), affine)
    notes: list[str] = []
    if isinstance(files, LabelledHeads):
        table, atlas, notes = _fused(files, section, preset, folder, maps)
    else:
        table, atlas = load_atlas(files)
    source = files.name if isinstance(files, LabelledHeads) else files.labels
    labels, regions, ignored, numbered = _atlas(table, atlas, source, inside, affine)
    regions["tissue"] = _tissues(regions["tissue"], labels, priors)
    regions.insert(3, "brightness", _brightness(maps["t1"], maps["brain"], numbered, len(regions)))
    for name in TISSUES:
        write_image(folder / f"{name}.nii.gz", (priors[name] / total).astype(np.float32), affine)
    write_image(folder / "atlas.nii.gz", labels.astype(np.int16), affine)
    # At the atlas's own resolution, for the scan's own space.
    write_image(folder / "labels.nii.gz", numbered.data.astype(np.int16), numbered.affine)
    write_table(folder / "regions.tsv", regions)
    summary = {
        "space": space,
        "atlas": files.name,
        "preset": section.preset,
        "working_mm": preset.working_mm,
        "shape": list(shape),
        "brain_mm3": float(inside.sum() * preset.working_mm**3),
        "regions": len(regions),
        "labels_without_row": ignored,
        "notes": notes,
        "versions": versions("antspyx", "nibabel", "nilearn", "scipy"),
    }
    write_json(folder / "template.json", summary)


def load_template(folder: Path | str) -> Template:
    """Read what `prepare_template` wrote."""
    folder = Path(folder)
    t1 = read_image(folder / "t1.nii.gz")
    columns = {"region": "text", "hemisphere": "text", "tissue": "text", "voxels": "integer"}
    columns |= dict.fromkeys(("brightness", "x", "y", "z", "mm3"), "number")
    return Template(
        t1=t1.data,
        brain=read_image(folder / "brain.nii.gz").data > 0,
        priors={name: read_image(folder / f"{name}.nii.gz").data for name in TISSUES},
        labels=read_image(folder / "atlas.nii.gz").data.astype(np.int32),
        regions=read_table(folder / "regions.tsv", columns),  # type: ignore[arg-type]
        affine=t1.affine,
    )


def nilearn_template() -> tuple[dict[str, Scan], str]:
    """Return the MNI152 template of nilearn's wheel, by map (t1, grey, white, brain), and its name.

    Raises
    ------
    ToolError
        nilearn is not installed, or is of another version.
    """
    # nilearn itself is not imported: only its data folder is needed, and the import costs seconds.
    package = importlib.util.find_spec("nilearn")
    places = list(package.submodule_search_locations or []) if package else []
    name = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
    for place in places:
        folder = Path(place) / "datasets" / "data"
        if (folder / name.format("t1")).is_file():
            maps = {
                key: read_scan(folder / name.format(short))
                for key, short in (("t1", "t1"), ("grey", "gm"), ("white", "wm"))
            }
            t1 = maps["t1"]
            # The wheel's T1 image is skull-stripped: what is not 0 is brain.
            maps["brain"] = Scan((t1.data > 0).astype(np.float32), t1.affine)
            for key in ("grey", "white"):
                maps[key] = Scan(maps[key].data / 255, maps[key].affine)
            return maps, "MNI152NLin2009aSym"
    raise ToolError(
        "nilearn, whose package holds the template MNI152NLin2009aSym, is not installed",
        cause="the environment of the stage `imaging` is incomplete",
        next_step="pip install nilearn, or name files of your own in `imaging: template:`",
    )


def _own(files: TemplateFiles) -> tuple[dict[str, Scan], str]:
    paths = {"t1": files.t1, "brain": files.brain, "grey": files.grey, "white": files.white}
    if files.csf is not None:
        paths["csf"] = files.csf
    maps = {name: read_scan(path) for name, path in paths.items()}
    reference = maps["t1"]
    for name, scan in maps.items():
        if scan.data.shape != reference.data.shape or not np.allclose(
            scan.affine, reference.affine, atol=0.01
        ):
            raise ImageError(
                f"{paths[name]}: on another grid than {paths['t1']}:"
                f" {scan.data.shape} and {reference.data.shape} voxels",
                cause="maps of different releases or resolutions of the template",
                next_step="take all maps from one release and one resolution",
            )
        if name in TISSUES:
            high = float(scan.data.max())
            if high > 255:
                raise ImageError(
                    f"{paths[name]}: a probability of {high:g}; 0 to 1 or 0 to 255 is expected",
                    next_step="check that this is a probability map",
                )
            if high > 1.5:
                maps[name] = Scan(scan.data / 255, scan.affine)
    if not (maps["brain"].data > 0.5).any():
        raise ImageError(f"{paths['brain']}: no voxel is above 0.5, the mask is empty")
    return maps, files.space


def _grid(brain: Scan, voxel_mm: float) -> tuple[np.ndarray, tuple[int, ...]]:
    upright = np.abs(brain.affine[:3, :3] - np.diag(np.diag(brain.affine[:3, :3]))).max() < 1e-6
    if upright and np.allclose(brain.zooms, voxel_mm, rtol=0.01):
        return brain.affine, brain.data.shape
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in brain.data.shape])).reshape(3, -1)
    world = brain.affine[:3, :3] @ corners + brain.affine[:3, 3:]
    low, high = world.min(axis=1), world.max(axis=1)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = low
    return affine, tuple(int(n) for n in np.ceil((high - low) / voxel_mm) + 1)


def _fused(
    atlas: LabelledHeads,
    section: ImagingSection,
    preset: Preset,
    folder: Path,
    maps: dict[str, Scan],
) -> tuple[pd.DataFrame, Scan, list[str]]:
    """Labels of the template by those of labelled heads, as they are fused in each scan."""
    table, notes = prepare_heads(atlas, section, preset, folder, seed=SEED)
    t1, inside = maps["t1"], maps["brain"].data > 0.5
    place = fit_tissues(t1.data[inside]).place_of(t1.data) * inside
    coarse = thin(Scan(place, t1.affine), preset.registration_mm)
    with tempfile.TemporaryDirectory(prefix="gendmr-") as name:
        scratch = Path(name)
        moving = write_scratch(scratch / "moving.nii", coarse.data, coarse.affine)
        grid = write_scratch(scratch / "grid.nii", t1.data, t1.affine)
        carried = fuse_heads(
            len(atlas.heads), folder, moving, coarse.data, grid, preset, scratch, seed=SEED
        )
    numbers = np.arange(1, len(table) + 1)
    outvoted = table["region"][~np.isin(numbers, carried.likeliest)].astype(str).tolist()
    if outvoted:
        raise AtlasError(
            f"{atlas.name}: {len(outvoted)} of {len(table)} regions are outvoted everywhere in the"
            f" template: {first_few(outvoted)}",
            cause="few of the heads have them, or they are thinner than the voxels at which heads"
            " are registered",
            next_step="remove these rows from the table: such voxels then belong to no region",
        )
    indices = np.array([0, *table["index"]], np.int32)
    return table, Scan(indices[carried.likeliest], t1.affine), notes


def _atlas(
    table: pd.DataFrame, atlas: Scan, source: str, inside: np.ndarray, affine: np.ndarray
) -> tuple[np.ndarray, pd.DataFrame, list[int], Scan]:
    names, tissues = table["region"], table["tissue"]
    whole = atlas.data.astype(np.int32)
    listed = [int(index) for index in table["index"]]
    present = set(np.flatnonzero(np.bincount(whole.ravel())).tolist()) - {0}
    rows = np.zeros(max(*present, *listed) + 1, dtype=np.int32)
    rows[listed] = np.arange(1, len(listed) + 1)
    numbered = Scan(rows[whole], atlas.affine)
    labels = resample(numbered, affine, inside.shape, order=0).astype(np.int32)
    counts = np.bincount(labels.ravel(), minlength=len(listed) + 1)[1:]
    voxel_mm3 = float(round(affine[0, 0] ** 3, 6))
    lost = [str(name) for name, count in zip(names, counts, strict=True) if count == 0]
    if lost:
        raise AtlasError(
            f"{source}: {len(lost)} regions have no voxel on the grid of"
            f" {affine[0, 0]:g} mm: {first_few(lost)}",
            cause="the regions are smaller than a voxel, or the atlas is not in this space",
            next_step="choose a finer preset, or remove these rows from the table",
        )
    shared = float((inside & (labels > 0)).sum() / (labels > 0).sum())
    if shared < 0.5:
        raise AtlasError(
            f"{source}: only {shared:.0%} of its regions lie in the template's brain",
            cause="the atlas is in another space, or its affine is wrong",
            next_step="use the atlas in the space of the template",
        )
    places = np.nonzero(numbered.data)
    numbers = numbered.data[places]
    size = np.bincount(numbers)[1:]
    centres = np.stack([np.bincount(numbers, weights=axis)[1:] / size for axis in places], axis=1)
    world = centres @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    regions = pd.DataFrame(
        {
            "region": names,
            "hemisphere": table["hemisphere"],
            "tissue": tissues,
            "x": world[:, 0].round(2),
            "y": world[:, 1].round(2),
            "z": world[:, 2].round(2),
            "voxels": counts,
            "mm3": counts * voxel_mm3,
        }
    )
    return labels, regions, sorted(present - set(listed)), numbered


def _tissues(stated: pd.Series, labels: np.ndarray, priors: dict[str, np.ndarray]) -> list[str]:
    """Return the tissue of each region: as stated, or what the template holds most of there."""
    sums = [np.bincount(labels.ravel(), weights=priors[name].ravel())[1:] for name in TISSUES]
    most = np.argmax(sums, axis=0)
    return [name or TISSUES[row] for name, row in zip(stated, most, strict=True)]


def _brightness(t1: Scan, brain: Scan, numbered: Scan, regions: int) -> np.ndarray:
    """Brightness of each region in the template's T1; NaN where it is not of one brightness."""
    inside = brain.data > 0.5
    labels = resample(numbered, t1.affine, t1.data.shape, order=0).astype(np.int32)
    model = fit_tissues(t1.data[inside])
    brightness, _, alike = brightness_of(t1.data, labels, inside, model, regions)
    return np.where(alike >= ALIKE, brightness.round(3), np.nan)
