"""The section `connectivity` of the configuration: functional data, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gendmr.config.base import Section

PERSON = "{participant}"


class FmriprepSection(Section):
    """Functional images that fMRIPrep preprocessed, and the atlas whose regions are read there."""

    folder: str
    """fMRIPrep's output folder: `sub-*/[ses-*/]func/*_desc-preproc_bold.nii.gz` with their
    confounds and brain masks."""
    atlas: str
    """NIfTI in the space of the images: labels (3-D), or maps of components (4-D, as MSDL)."""
    task: str | None = None
    """`task-`; may be absent where a person has one image."""
    session: str | int | None = None
    """`ses-`; may be absent where a person has one image."""
    run: int | None = None
    """`run-`; may be absent where a person has one image."""
    space: str | None = None
    """`space-`, perhaps with `res-`'s (`MNI152NLin2009cAsym_res-2`); absent: the one MNI space
    that is there. An atlas cannot be held against images in a person's own space."""
    denoise: Literal["simple", "scrubbing", "compcor"] = "simple"
    """Strategy of nilearn: motion, white matter and CSF, slow drifts (`simple`); these, and volumes
    with motion left out (`scrubbing`); components of white matter and CSF (`compcor`)."""
    displacement: float = Field(default=0.5, gt=0)
    """Framewise displacement (mm) from which on `scrubbing` leaves a volume out."""
    low_pass: float | None = Field(default=None, gt=0)
    """Hz; absent: fast fluctuations stay. Slow ones leave with the strategy's drifts."""
    covered: float = Field(default=0.5, ge=0, le=1)
    """A region with less than this share of its voxels in the person's brain mask is missing."""


class ConnectivitySection(Section):
    """Settings of the stage `connectivity`: regional signals, or connectomes made elsewhere."""

    series: str | None = None
    """Regional time series, volumes x regions: a path with `{participant}`
    (`data/sub-{participant}_series.tsv`), or a table with the columns `participant_id` and `file`,
    relative to the table, and perhaps `motion` (mm). `.mat`, `.npy`, or text: `.tsv`, `.csv`,
    `.1D`, perhaps with `.gz`."""
    matrices: str | None = None
    """Connectivity made elsewhere, a matrix or a vector of pairs per person: a path or a table as
    for `series`; or one file of all people: `.npz` with `participant` and one array (person, pair),
    or a table `.tsv` with `participant_id` and a column per pair."""
    fmriprep: FmriprepSection | None = None
    """Preprocessed images in place of either: signals are read in the regions of an atlas, and
    cleaned by a strategy of nilearn."""
    variable: str | None = None
    """Name of the array in `.mat` and `.npz` files; None: the only one of the right form."""
    values: Literal["correlation", "fisher_z"] = "correlation"
    """What `matrices` hold. Fisher z is turned back into correlations, once."""
    order: Literal["upper_rows", "upper_columns"] = "upper_rows"
    """How vectors of pairs run: along rows of the upper triangle (numpy), or along its columns,
    which is along rows of the lower one (MATLAB's `find(tril(…, -1))` is `upper_rows`)."""
    components: str | None = None
    """Table of the regions or components in the order of the data: `name`, `domain`, and perhaps
    `x`, `y`, `z` (mm, MNI). Vectors of pairs need it: without it nobody knows their order."""
    origin: Literal["template", "cohort", "unknown"] = "unknown"
    """Where regions or components come from: a `template` (an atlas, NeuroMark), or estimated on
    this `cohort` (group ICA): then held-out people shaped them, which the report says."""
    minimum_volumes: int = Field(default=60, ge=10)
    """People with fewer volumes after censoring are left out, and listed."""
    maximum_motion: float | None = Field(default=None, gt=0)
    """People whose mean framewise displacement (mm) is larger are left out, and listed."""
    constant_share: float = Field(default=0.2, ge=0, le=1)
    """People in whom more than this share of the regions is constant or missing are left out."""
    exclude: tuple[str, ...] = ()
    """Participants who are left out, without `sub-`."""

    @property
    def has_signals(self) -> bool:
        """Whether signals are read, so that amplitudes are known."""
        return self.matrices is None

    def files(self) -> list[str]:
        """Return the single files that the stage reads: inputs of the workflow."""
        paths = [
            self.components,
            *(path for path in (self.series, self.matrices) if path and PERSON not in path),
            self.fmriprep and self.fmriprep.atlas,
        ]
        return [path for path in paths if path]

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        forms = [name for name in ("series", "matrices", "fmriprep") if getattr(self, name)]
        if len(forms) != 1:
            yield (
                "give one of `series`, `matrices` and `fmriprep`; given:"
                f" {', '.join(forms) or 'none'}"
            )
        for_matrices = {"values": self.values != "correlation", "order": self.order != "upper_rows"}
        if self.matrices is None and (
            misplaced := [name for name, used in for_matrices.items() if used]
        ):
            yield f"{', '.join(misplaced)}: only with `matrices`"
