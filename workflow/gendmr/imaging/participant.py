"""One participant: from a T1w image to volumes of regions, quality and a picture."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection, Preset
from gendmr.errors import GendmrError, ImageError, InputFileError
from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.imaging import registration
from gendmr.imaging.ants_programs import FailedProgramError
from gendmr.imaging.atlas import TISSUES
from gendmr.imaging.brain import PLAUSIBLE_BRAIN_MM3, find_brain
from gendmr.imaging.fusion import CarriedLabels
from gendmr.imaging.heads import fuse_heads
from gendmr.imaging.picture import draw_refusal, draw_registration
from gendmr.imaging.presets import load_preset
from gendmr.imaging.refinement import refine
from gendmr.imaging.registration import Mapping, write_field, write_scratch, write_thinned
from gendmr.imaging.scan import (
    Scan,
    content_of,
    read_image,
    read_scan,
    refuse_labels,
    write_image,
)
from gendmr.imaging.template import Template, load_template
from gendmr.imaging.tissue import fit_tissues
from gendmr.imaging.volumes import region_volumes
from gendmr.seeds import derive

# A newborn's brain is larger; a smaller mask has too little structure for registration.
LEAST_BRAIN_MM3 = 200_000.0
# More than any file that ANTs writes for one scan with the preset `fast`.
ROOM_BYTES = 64_000_000


def register_participant(
    image: Path | str,
    participant: str,
    template_folder: Path | str,
    section: ImagingSection,
    *,
    seed: int,
    output: Path | str,
) -> GendmrError | None:
    """Register one T1w image and write what was measured.

    Writes ``regions.tsv`` (`region`, `hemisphere`, `volume` and `modulated` in mm3, `mean` and
    `spread` of the modulated density), ``quality.json``, ``registration.png``, and on the working
    grid ``warped.nii.gz`` (bias-corrected scan) and ``grey.nii.gz`` (modulated density).
    Transforms are not kept: the same call makes the same again.

    `volume` is that of the region's tissue, summed in the scan's own space (`volumes`).

    Modulated density is the probability of grey matter times the Jacobian determinant of the
    mapping from template to scan, affine part included (Good 2001, doi:10.1006/nimg.2001.0786), so
    that its sum over a region, `modulated`, is the grey matter of this region in the scan.

    A scan that cannot be used leaves the same files: its volumes and maps are missing (never 0),
    its picture and ``quality.json`` say why. What is no fault of the scan is raised.

    Returns
    -------
    GendmrError or None
        Why the scan cannot be used: an `InputFileError` or an `ImageError`.

    Raises
    ------
    ToolError
        A program of ANTs failed.
    StorageError
        The disk or the network failed while the image was read.
    """
    output = Path(output)
    template = load_template(template_folder)
    preset = load_preset(section.preset)
    described = {
        "participant_id": participant,
        "preset": section.preset,
        "brain": section.brain,
    }
    image_name = {"name": Path(image).name}
    refusal: GendmrError | None = None
    try:
        scan = read_scan(image)
        refuse_labels(scan, image)
        # By what the image holds: the same scan under another label gives the same volumes.
        number = derive(seed, "imaging", content_of(scan))
        with tempfile.TemporaryDirectory(prefix="gendmr-") as scratch:
            try:
                measured = _measure(
                    scan,
                    template,
                    Path(template_folder),
                    section,
                    preset,
                    Path(scratch),
                    number,
                    section.mask_of(participant),
                )
            except FailedProgramError as failure:
                # The same call fails again for the same image: that loses this person, not the
                # stage. Without room on the disk it is no fault of the image.
                if not _has_room(Path(scratch)):
                    raise
                refusal = ImageError(
                    f"{image}: {failure.what}",
                    cause="an image that the tools of ANTs cannot handle: no T1w image of a brain",
                    next_step="look at the scan; the log of this participant has the call",
                )
    except (InputFileError, ImageError) as error:
        refusal = error
    if refusal is not None:
        _write_refusal(output, template, described | {"image": image_name}, refusal)
        return refusal
    image_entry = {
        "shape": list(scan.data.shape),
        "voxel_mm": [round(float(zoom), 4) for zoom in scan.zooms],
    }
    mapped, quality, warped, modulated, brain = measured
    write_table(output / "regions.tsv", mapped)
    write_image(output / "warped.nii.gz", warped, template.affine, scale=_unit(warped))
    write_image(output / "grey.nii.gz", modulated, template.affine, scale=1e-3)
    title = f"sub-{participant}   overlap {quality['dice']:.3f}"
    draw_registration(output / "registration.png", warped, brain, template, title)
    write_json(output / "quality.json", described | {"image": image_entry | image_name} | quality)
    return None


def _has_room(scratch: Path) -> bool:
    try:
        (scratch / "room").write_bytes(bytes(ROOM_BYTES))
    except OSError:
        return False
    return True


def _write_refusal(
    output: Path, template: Template, described: dict[str, object], error: GendmrError
) -> None:
    unknown = np.full(template.labels.shape, np.nan, dtype=np.float32)
    regions = template.regions[["region", "hemisphere"]]
    measures = dict.fromkeys(("volume", "modulated", "mean", "spread"), np.nan)
    write_table(output / "regions.tsv", regions.assign(**measures))
    for name in ("warped", "grey"):
        write_image(output / f"{name}.nii.gz", unknown, template.affine)
    title = f"sub-{described['participant_id']}   not used: {type(error).__name__}"
    draw_refusal(output / "registration.png", title, str(error))
    refused = {
        "error": type(error).__name__,
        "what": error.what,
        "cause": error.cause,
        "next_step": error.next_step,
    }
    write_json(output / "quality.json", described | {"refused": refused})


def _unit(data: np.ndarray) -> float:
    high = float(data.max())
    return high / 30000 if high > 0 else 1.0


def _measure(
    scan: Scan,
    template: Template,
    template_folder: Path,
    section: ImagingSection,
    preset: Preset,
    scratch: Path,
    seed: int,
    mask_file: str | None,
) -> tuple[pd.DataFrame, dict[str, object], np.ndarray, np.ndarray, np.ndarray]:
    masked = find_brain(scan, section, template_folder, preset, scratch, seed=seed, mask=mask_file)
    scan, brain, volume = masked.scan, masked.mask, masked.mm3
    warnings = list(masked.warnings)
    if volume < LEAST_BRAIN_MM3:
        raise ImageError(
            f"the brain mask measures {volume / 1000:.0f} ml; at least"
            f" {LEAST_BRAIN_MM3 / 1000:.0f} are needed",
            cause="a fragment, an animal, or `brain` does not fit these images",
            next_step="look at the scan, then at `imaging: brain:`",
        )
    if not PLAUSIBLE_BRAIN_MM3[0] <= volume <= PLAUSIBLE_BRAIN_MM3[1]:
        warnings.append(f"The brain mask measures {volume / 1000:.0f} ml.")

    fixed = template_folder / "t1.nii.gz"
    corrected = registration.free_of_bias(scan, brain, preset, scratch)
    moving = write_thinned(scratch / "moving.nii", corrected, scan, preset)
    linear = registration.register_linear(fixed, moving, preset, scratch, seed=seed)
    mapping = registration.register_nonlinear(fixed, moving, linear, preset, scratch, seed=seed)

    volumes, fractions, hypointense = _native(
        corrected, scan, brain, mapping, template, template_folder, section, preset, scratch,
        seed=seed,
    )  # fmt: skip
    tissues = dict(zip(TISSUES, fractions, strict=True))
    grey = write_thinned(scratch / "grey.nii", tissues["grey"], scan, preset)
    coarse_mask = write_thinned(scratch / "coarse_mask.nii", brain, scan, preset)
    warped = np.maximum(mapping.to_template(moving, fixed, scratch / "warped.nii"), 0)
    warped_brain = mapping.to_template(coarse_mask, fixed, scratch / "warped_mask.nii") > 0.5
    warped_grey = np.clip(mapping.to_template(grey, fixed, scratch / "warped_grey.nii"), 0, 1)
    volume_change = mapping.jacobian(moving, fixed, scratch / "field.nii")
    inside = volume_change[template.brain] / mapping.determinant
    modulated = warped_grey * np.maximum(volume_change, 0)

    voxel_mm3 = float(abs(np.linalg.det(template.affine[:3, :3])))
    regions = measure_regions(modulated, template, voxel_mm3)
    regions.insert(2, "volume", np.round(volumes, 3))
    carried = float(inside.sum() * mapping.determinant * voxel_mm3)
    if masked.source == "template":
        icv, source = carried, "the template's brain mask carried to the scan"
    else:
        icv, source = volume, f"the brain mask of the scan ({masked.source}), holes filled"
    if float(inside.min()) <= 0:
        warnings.append(f"The mapping folds in {int((inside <= 0).sum())} voxels of the brain.")
    quality: dict[str, object] = {
        "dice": _round(dice(warped_brain, template.brain), 4),
        "similarity": _round(registration.correlation(warped, template.t1, template.brain), 4),
        "jacobian_min": _round(inside.min(), 4),
        "jacobian_max": _round(inside.max(), 4),
        "affine_determinant": _round(mapping.determinant, 5),
        "icv_mm3": _round(icv, 1),
        "icv_source": source,
        "icv_carried_mm3": _round(carried, 1),
        "brain_mm3": _round(volume, 1),
        **{
            f"{name}_mm3": _round(float(tissues[name].sum()) * scan.voxel_mm3, 1)
            for name in TISSUES
        },
        "white_hypointense_mm3": None if hypointense is None else _round(hypointense, 1),
        "grey_modulated_mm3": _round(float(modulated.sum()) * voxel_mm3, 1),
        "notes": list(scan.notes),
        "warnings": warnings,
    }
    return regions, quality, warped, modulated, warped_brain


def _native(
    corrected: np.ndarray,
    scan: Scan,
    brain: np.ndarray,
    mapping: Mapping,
    template: Template,
    template_folder: Path,
    section: ImagingSection,
    preset: Preset,
    scratch: Path,
    *,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Volumes of regions, shares of tissues in the scan's own space, hypointense white matter."""

    def carry(grid: Path, refinement: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
        labels = mapping.to_scan(
            template_folder / "labels.nii.gz", grid, scratch / "labels.nii",
            labels=True, refinement=refinement,
        )  # fmt: skip
        priors = [
            mapping.to_scan(
                template_folder / f"{name}.nii.gz", grid, scratch / "prior.nii",
                refinement=refinement,
            )
            for name in TISSUES
        ]  # fmt: skip
        return np.rint(labels).astype(np.int32), np.stack(priors)

    model = fit_tissues(corrected[brain])
    tissues = template.regions["tissue"].tolist()
    brightness = template.regions["brightness"].to_numpy(dtype=float)
    moving, grid = scratch / "moving.nii", scratch / "mask.nii"
    field = None
    if any(preset.refinement.iterations) and not section.labelled_heads:
        image = Scan(corrected.astype(np.float32), scan.affine)
        shift = refine(image, brain, *carry(moving), model, tissues, brightness, preset)
        field = write_field(scratch / "refinement.nii", shift, read_image(moving).affine)
    labels, priors = carry(grid, field)
    carried = CarriedLabels.of(labels)
    if section.labelled_heads:
        place = model.place_of(corrected) * brain
        coarse = read_image(write_thinned(scratch / "place.nii", place, scan, preset)).data
        carried = fuse_heads(
            section.labelled_heads, template_folder, moving, coarse, grid, preset, scratch,
            seed=seed,
        )  # fmt: skip
    reach = template.reach.astype(np.float32)
    reach_file = write_scratch(scratch / "reach.nii", reach, template.affine)
    deep = mapping.to_scan(reach_file, grid, scratch / "deep.nii", refinement=field) > 0.5
    return region_volumes(
        corrected, brain, carried, priors, deep, model, tissues, brightness, scan.zooms,
        refined=field is not None or section.labelled_heads > 0,
    )  # fmt: skip


def measure_regions(modulated: np.ndarray, template: Template, voxel_mm3: float) -> pd.DataFrame:
    """Sum and describe modulated density over each region.

    Returns
    -------
    pandas.DataFrame
        `region`, `hemisphere`, `modulated` (mm3), `mean`, `spread` (standard deviation over
        voxels).
    """
    labels = template.labels.ravel()
    values = modulated.ravel()
    n = len(template.regions)
    count = np.bincount(labels, minlength=n + 1)[1:]
    total = np.bincount(labels, weights=values, minlength=n + 1)[1:]
    mean = total / count
    centred = values - np.concatenate([[0.0], mean])[labels]
    variance = np.bincount(labels, weights=centred**2, minlength=n + 1)[1:] / count
    return pd.DataFrame(
        {
            "region": template.regions["region"],
            "hemisphere": template.regions["hemisphere"],
            "modulated": np.round(total * voxel_mm3, 3),
            "mean": np.round(mean, 6),
            "spread": np.round(np.sqrt(variance), 6),
        }
    )


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Overlap of two masks: twice the shared voxels by the sum of both (Dice 1945)."""
    return float(2 * (one & other).sum() / max(1, int(one.sum()) + int(other.sum())))


def _round(value: float | np.floating, digits: int) -> float:
    return round(float(value), digits)
