"""The section `imaging` of the configuration, and the type of the registration presets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag

from gendmr.config.base import Section
from gendmr.config.selection import SelectSection

Counts = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
Factors = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
Sigmas = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]


class TemplateFiles(Section):
    """A template of your own: images on one grid."""

    space: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Name of the space, best as TemplateFlow writes it: `MNI152NLin2009cAsym`."""
    t1: str
    """T1-weighted template; with or without skull, for it is masked by `brain`."""
    brain: str
    """Brain mask: what is above one half is brain."""
    grey: str
    """Probability of grey matter, 0 to 1 (or 0 to 255)."""
    white: str
    """Probability of white matter, on the same scale."""
    csf: str | None = None
    """Probability of cerebrospinal fluid; absent: what the mask leaves of grey and white."""


class AtlasFiles(Section):
    """A label atlas in the space of the template, on any grid and in any orientation."""

    labels: str
    """NIfTI image of whole numbers; 0 is no region."""
    table: str | None = None
    """One row per label, separated by tabs or commas: `index` (or `id`), `region` (or `name`,
    `label`), `hemisphere` (`L`, `R`, `B` for both; absent: by names such as `lh_insula`). Absent:
    the names in the header of the image, where it has them, as MRIcroGL's atlases do. Optional
    `tissue`, what is measured in the region: `csf`, `grey` or `white`; without it, or where it is
    `n/a`, the tissue that the template holds most of there."""
    name: str = "atlas"
    """What reports call it."""


class LabelledHead(Section):
    """A head with labels of its own."""

    image: str
    """Its T1w image, a whole head or its brain alone: `imaging: brain:` holds for it as well."""
    labels: str
    """NIfTI image of whole numbers in the space of `image`; 0 is no region."""
    table: str | None = None
    """Rows of its labels, as in an atlas. Absent: `table` of the atlas, or the header of the
    image. All heads have the same rows."""


class LabelledHeads(Section):
    """Several labelled heads as one atlas: each is registered to each scan, their labels fused."""

    heads: Annotated[tuple[LabelledHead, ...], Field(min_length=2)]
    """Some five to ten; a scan costs as many registrations more."""
    table: str | None = None
    """One row per label, as in an atlas of one image; holds for heads that name none."""
    name: str = "atlas"
    """What reports call it."""

    @property
    def each(self) -> list[AtlasFiles]:
        """The labels of each head and their table."""
        return [
            AtlasFiles(labels=head.labels, table=head.table or self.table, name=self.name)
            for head in self.heads
        ]


class NamedAtlas(Section):
    """An atlas that TemplateFlow has, fetched once; the package templateflow must be installed."""

    templateflow: str = Field(pattern=r"^[A-Za-z0-9]+$")
    """Name there: `Schaefer2018`, `HOCPAL`, `DKT`."""
    description: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]+$")
    """Which of several: `400Parcels7Networks`."""
    space: str = Field(default="MNI152NLin2009cAsym", pattern=r"^[A-Za-z0-9]+$")
    """Space of the atlas. That of the template is another one; the two lie within millimetres of
    each other where both are of the MNI152 family."""
    resolution: int = Field(default=1, ge=1)
    """Resolution there: 1 is 1 mm."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return " ".join(part for part in (self.templateflow, self.description) if part)

    def __str__(self) -> str:
        """Return it for errors."""
        return f"the atlas {self.name} in {self.space}"


def _kind_of_atlas(value: Any) -> str:
    for kind, key, form in (
        ("name", "templateflow", NamedAtlas),
        ("heads", "heads", LabelledHeads),
    ):
        if isinstance(value, form) or (isinstance(value, dict) and key in value):
            return kind
    return "files"


# Told apart by one key, so that an error speaks of the form that was meant.
AnyAtlas = Annotated[
    Annotated[AtlasFiles, Tag("files")]
    | Annotated[LabelledHeads, Tag("heads")]
    | Annotated[NamedAtlas, Tag("name")],
    Discriminator(_kind_of_atlas),
]
Measure = Literal[
    "dice",
    "similarity",
    "jacobian_min",
    "jacobian_max",
    "icv_ratio",
    "icv_mm3",
    "grey_fraction",
    "total_mm3",
    "total_fraction",
    "warning",
]


class Outliers(Section):
    """When a scan is flagged. Flags are for eyes: nobody is dropped but by `exclude_by`."""

    dice_below: float = Field(default=0.9, ge=0, le=1)
    """Overlap (Dice) of the warped brain with the template's below which a scan is flagged."""
    similarity_below: float = Field(default=0.5, ge=-1, le=1)
    """Correlation of the warped scan with the template, within the brain, below which a scan is
    flagged."""
    icv_ratio_apart: float = Field(default=0.15, gt=0)
    """Distance from 1 of the template's brain, carried to the scan, divided by the volume of the
    scan's mask, above which a scan is flagged: one of the two is not this brain."""
    robust_z: float = Field(default=4.0, gt=0)
    """Distance from the cohort's median, in units of 1.4826 times the median absolute deviation."""
    minimum: int = Field(default=8, ge=3)
    """Smallest cohort in which robust z is used at all."""
    exclude_by: tuple[Measure, ...] = ()
    """Scans flagged by one of these measures are left out of the analysis, and listed: `[dice,
    similarity]` leaves out failed registrations. `warning` is an implausible brain or a mapping
    that folds. Beware of volumes: the extremes of a disease are no errors."""


class ImagingSection(Section):
    """Settings of the stage `imaging`: images to measure, or measurements made elsewhere."""

    bids: str | None = None
    """BIDS folder with `sub-*/[ses-*/]anat/*_T1w.nii[.gz]`; or else `measurements`."""
    select: SelectSection = SelectSection()
    """Which image of a person counts, where there are several."""
    measurements: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Measurements of regions by other software, in place of images; one path or several, which are
    joined by people. Recognised by their content: a SUBJECTS_DIR of FreeSurfer, tables of
    asegstats2table and aparcstats2table (tabs or commas; .gz too), the tables of ENIGMA and CAT12,
    UK Biobank's fields by number, an output folder of fMRIPrep, NetCDF as this stage writes it
    (`regions.nc`), or a table separated by tabs, one row per person, with `participant_id`, `icv`
    (intracranial volume) and, for each region, `<region>_volume` and, where known, `<region>_mean`
    and `<region>_spread` (of what was measured in the region: density, thickness). Volumes in mm3;
    `n/a` is missing."""
    parcellation: str = Field(default="aparc", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """With a SUBJECTS_DIR: cortical regions of `stats/?h.<parcellation>.stats`; `aparc` is
    Desikan-Killiany, `aparc.DKTatlas` and `aparc.a2009s` are FreeSurfer's others."""
    places: str | None = None
    """With a table of `measurements`: another table, `region`, `hemisphere` (`L`, `R`, `B` for
    both), `x`, `y`, `z` (centroid, mm). Absent: the side is read from names such as
    `Left-Hippocampus`, `lh_insula` or `hippocampus_L`, and regions are not drawn on the brain."""
    atlas: AnyAtlas | None = None
    """Files of an atlas, the name of one that TemplateFlow has, or several labelled heads. Of each
    region its grey matter is measured in images, or the tissue that it consists of."""
    template: Literal["MNI152NLin2009aSym"] | TemplateFiles = "MNI152NLin2009aSym"
    """The template of the nilearn package (no download), or files of your own."""
    preset: Literal["testing", "fast", "precise"] = "fast"
    """`testing` 4 mm, seconds; `fast` 2 mm (tissues at 1 mm), below half a minute; `precise` 1 mm,
    many minutes."""
    brain: Literal["network", "template", "stripped", "given"] = "network"
    """`network`: whole heads, the mask comes from the networks of deepbet; `template`: whole heads,
    the mask comes from the template; `stripped`: images hold only brain; `given`: masks made by
    other software, see `mask`. Whether an image is stripped is seen in the image, whatever is
    written here, and noted."""
    mask: str | None = None
    """With `brain: given`, path of the masks, `{participant}` standing for the label without
    `sub-`: `derivatives/sub-{participant}/anat/sub-{participant}_desc-brain_mask.nii.gz`."""
    exclude: tuple[str, ...] = ()
    """Labels without `sub-` whose images are not used: these people stay, without images."""
    on_bad_scan: Literal["exclude", "stop"] = "exclude"
    """What happens when a scan cannot be used (damaged, no orientation, no brain, …): `exclude`
    lists it, and its person stays without images; `stop` ends the stage, naming all such scans,
    after the others were registered."""
    outliers: Outliers = Outliers()
    """When a scan is flagged, and when it is left out."""

    def for_scans(self) -> Self:
        """Return what matters to the template and to each scan: the rest reruns no registration."""
        return self.model_copy(
            update={
                "exclude": (),
                "on_bad_scan": "exclude",
                "outliers": Outliers(),
                "select": SelectSection(),
            }
        )

    @property
    def measured_paths(self) -> list[str]:
        """Files and folders of measurements made elsewhere; none where images are measured."""
        if self.measurements is None:
            return []
        return [self.measurements] if isinstance(self.measurements, str) else [*self.measurements]

    def measured_files(self, *, folders: bool = True) -> list[str]:
        """Return the files of measurements, those in folders one by one, or without `folders`."""
        patterns = (
            "*/stats/aseg.stats",
            f"*/stats/[lr]h.{self.parcellation}.stats",
            "desc-*_dseg.tsv",
            *(
                f"sub-*/{session}anat/*_desc-{kind}.nii*"
                for session in ("", "ses-*/")
                for kind in ("aseg_dseg", "aparcaseg_dseg", "brain_mask")
            ),
        )
        files = []
        for path in self.measured_paths:
            if not Path(path).is_dir():
                files.append(path)
            elif folders:
                inside = [
                    str(file) for pattern in patterns for file in sorted(Path(path).glob(pattern))
                ]
                # Of a folder that holds nothing, the rule says so by name.
                files += inside or [path]
        return files

    def mask_of(self, participant: str) -> str | None:
        """Return the path of a participant's brain mask, where masks are given."""
        return None if self.mask is None else self.mask.replace("{participant}", participant)

    def files(self) -> list[str]:
        """Return the files of the atlas and of a template of one's own: inputs of the workflow."""
        if self.atlas is None:
            return []
        template = self.template
        template_paths = (
            (template.t1, template.brain, template.grey, template.white, template.csf)
            if isinstance(template, TemplateFiles)
            else ()
        )
        atlases = [self.atlas] if isinstance(self.atlas, AtlasFiles) else []
        images: list[str] = []
        if isinstance(self.atlas, LabelledHeads):
            atlases = self.atlas.each
            images = [head.image for head in self.atlas.heads]
        parts = [path for atlas in atlases for path in (atlas.labels, atlas.table)]
        return list(dict.fromkeys(path for path in (*parts, *images, *template_paths) if path))

    @property
    def labelled_heads(self) -> int:
        """How many labelled heads each scan is registered to, besides the template."""
        return len(self.atlas.heads) if isinstance(self.atlas, LabelledHeads) else 0

    @property
    def fetches_atlas(self) -> bool:
        """Whether the atlas is one that has to be fetched by name."""
        return isinstance(self.atlas, NamedAtlas)

    def with_atlas(self, folder: str) -> Self:
        """Return the section with the files of a named atlas, which were fetched into a folder."""
        if not isinstance(self.atlas, NamedAtlas):
            return self
        files = AtlasFiles(
            labels=f"{folder}/labels.nii.gz", table=f"{folder}/table.tsv", name=self.atlas.name
        )
        return self.model_copy(update={"atlas": files})

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if (self.bids is None) == (self.measurements is None):
            yield "give exactly one of `bids` (images) and `measurements` (made elsewhere)"
        elif (self.bids is None) != (self.atlas is None):
            yield "`bids` needs an `atlas`, and `measurements` bring their own regions"
        if self.places is not None and self.measurements is None:
            yield "`places` goes with `measurements`; an atlas has its own table"
        if (self.brain == "given") != (self.mask is not None):
            yield "`brain: given` needs `mask`, and only `given` uses it"
        if self.mask is not None and "{participant}" not in self.mask:
            yield "`mask` needs `{participant}`, or all would share one mask"


class BiasCorrection(Section):
    """N4 (Tustison 2010, doi:10.1109/TMI.2010.2046908)."""

    voxel_mm: float = Field(gt=0)
    """The field is fitted on an image thinned to voxels of about this size: it is smooth, and
    finer voxels only cost time."""
    iterations: Counts
    """Iterations per level, coarse to fine."""
    spline_mm: float = Field(gt=0)
    """Distance of spline knots, mm."""
    tissue_rounds: int = Field(ge=0)
    """How often afterwards what is left is told from the brightness of tissues; 0 leaves it."""


class LinearStage(Section):
    """Rigid or affine registration by mutual information."""

    iterations: Counts
    """Iterations per level, coarse to fine."""
    shrink: Factors
    """Thinning per level."""
    smooth: Sigmas
    """Smoothing per level, voxels of the working grid."""
    sampling: float = Field(gt=0, le=1)
    """Share of the voxels in which the metric is computed."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if not len(self.iterations) == len(self.shrink) == len(self.smooth):
            yield "iterations, shrink and smooth need one value per level"


class NonlinearStage(Section):
    """SyN (Avants 2008, doi:10.1016/j.media.2007.06.004)."""

    iterations: Counts
    """Iterations per level, coarse to fine."""
    shrink: Factors
    """Thinning per level."""
    smooth: Sigmas
    """Smoothing per level, voxels of the working grid."""
    metric: Literal["CC", "mattes", "demons"]
    """Cross-correlation in a window, mutual information, or squared difference."""
    sampling: int = Field(ge=1)
    """Radius of the window (CC) or number of bins (mattes)."""
    step: float = Field(gt=0)
    """Gradient step."""
    flow_sigma: float = Field(ge=0)
    """Smoothing of each update, voxels."""
    total_sigma: float = Field(ge=0)
    """Smoothing of the whole field, voxels."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if not len(self.iterations) == len(self.shrink) == len(self.smooth):
            yield "iterations, shrink and smooth need one value per level"


class Refinement(Section):
    """Labels of deep structures follow the scan's intensities after registration."""

    iterations: Counts
    """Iterations per level, coarse to fine."""
    shrink: Factors
    """Thinning per level, of the grid of registration; the last is 1."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if len(self.iterations) != len(self.shrink):
            yield "iterations and shrink need one value per level"


class Preset(Section):
    """How thoroughly scans are registered. Presets are data: `imaging/presets/*.yaml`."""

    working_mm: float = Field(gt=0)
    """Voxel of the grid in template space on which registration works and regions are measured."""
    native_mm: float = Field(gt=0)
    """Finer scans are averaged in blocks of whole voxels up to this size before anything else:
    tissues and regions are measured there."""
    registration_mm: float = Field(gt=0)
    """For registration they are averaged further, up to this size."""
    bias: BiasCorrection
    rigid: LinearStage
    affine: LinearStage
    nonlinear: NonlinearStage
    refinement: Refinement
