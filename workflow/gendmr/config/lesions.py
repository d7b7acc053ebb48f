"""The section `lesions` of the configuration: images with masks of lesions."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from gendmr.config.base import Section

PERSON = "{participant}"
CHANNEL = "{channel}"


class LesionsSection(Section):
    """Settings of the stage `lesions`: images of one or several channels, and masks of lesions."""

    tif: str | None = None
    """A folder with a folder for each person that holds `<name>_<number>.tif` and
    `<name>_<number>_mask.tif` for each slice. Folders of TCGA (`TCGA_HT_7860_19960513`) name the
    person `TCGA-HT-7860`; others are the person's label."""
    nifti: str | None = None
    """Images: a path with `{participant}`, and with `{channel}` where each channel has a file
    (`{participant}/{participant}_{channel}.nii.gz`); without it, one file of four dimensions."""
    masks: str | None = None
    """With `nifti`: the label maps, a path with `{participant}`
    (`derivatives/manual/sub-{participant}/anat/sub-{participant}_label-lesion_mask.nii.gz`)."""
    channels: tuple[str, ...] = Field(min_length=1)
    """Names of the channels in the order of the files, and in the names of files of `nifti`."""
    reference: str | None = None
    """Of channels that are copies of one another the one that stays; None: the first."""
    lesion: tuple[int, ...] = ()
    """Values of the masks that are lesion. Empty: the only value besides `background`, where 255
    in one file and 1 in another are the same."""
    background: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Values of the masks that are not lesion."""
    voxel_size: tuple[float, float, float] | None = None
    """With `tif`, whose files do not hold it: distance of slices, of rows, of columns, mm. None:
    unknown; then sizes are counted in voxels, and nothing is given in mm."""
    percentiles: tuple[float, float] = (10.0, 99.0)
    """Intensities of a channel are clipped to these percentiles of its volume, then centred and
    scaled by the volume's mean and SD."""
    minimum_slices: int = Field(default=3, ge=1)
    """People with fewer slices are left out, and listed: theirs are no statistics of a volume."""
    outside_share: float = Field(default=0.1, ge=0, le=1)
    """People are flagged where more than this share of the lesion lies outside of the image."""
    exclude: tuple[str, ...] = ()
    """Participants who are left out, without `sub-`."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        forms = [name for name in ("tif", "nifti") if getattr(self, name)]
        if len(forms) != 1:
            yield f"give either `tif` or `nifti`; given: {', '.join(forms) or 'none'}"
        if (self.nifti is None) != (self.masks is None):
            yield "`masks` go with `nifti`: both are paths with `{participant}`"
        for path in (self.nifti, self.masks):
            if path and PERSON not in path:
                yield f"{path}: no {PERSON} in it"
        if self.nifti is not None and self.voxel_size is not None:
            yield "`voxel_size`: only with `tif`; NIfTI files hold theirs"
        if self.voxel_size is not None and min(self.voxel_size) <= 0:
            yield "`voxel_size`: three lengths above 0, in mm"
        if len(set(self.channels)) != len(self.channels):
            yield f"`channels`: a name stands twice in {', '.join(self.channels)}"
        if self.reference is not None and self.reference not in self.channels:
            yield f"`reference`: {self.reference} is none of {', '.join(self.channels)}"
        shared_channels = sorted(set(self.lesion) & set(self.background))
        if shared_channels:
            yield f"{shared_channels[0]} is named both in `lesion` and in `background`"
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            yield "`percentiles`: the lower one first, both from 0 to 100"
