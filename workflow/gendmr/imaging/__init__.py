"""T1-weighted scans become grey-matter volumes of regions.

It takes a BIDS folder with one T1w image per participant, a label atlas with its table, and a
template: by default MNI152NLin2009aSym, which the package of nilearn carries, so that nothing is
downloaded. It leaves ``regions.nc`` (the modality `region`), ``quality.tsv`` with flags, and for
each participant a folder with volumes, quality, the warped scan, the map of modulated grey matter
and a picture.

One scan goes this way, one process and one thread each, so that a rerun gives the same bytes:

1. `scan` reads it. The affine is chosen by a written table (docs/reference/images.md); a scan
   without one is refused, for its left and right are unknown. Axes are turned to RAS+ without
   resampling, and scans finer than the preset needs are averaged in whole blocks.
2. `brain` finds the brain: what is above the background of a stripped scan, a mask that is given,
   or of a whole head what the networks of `network` or the template's mask say. Whether a scan is
   stripped is seen in the scan.
3. `registration` removes the slow change of brightness (N4) and maps the scan to the template:
   rigid, affine, SyN. Parameters are data, in `presets/*.yaml`.
4. `tissue` fits cerebrospinal fluid, grey and white matter to the scan's own intensities, with
   classes for voxels that hold two of them; no template decides there.
5. `volumes` carries the labels to the scan and sums the tissue of each region in its own space.
6. The share of grey matter comes to the template's grid and is multiplied by the Jacobian
   determinant of the mapping (affine part included): sums over a region are mm3 of the scan.

Intracranial volume is that of the brain mask with holes filled, and with `brain: template` that of
the template's brain mask carried to the scan; ``quality.json`` says which. Volumes are not divided
by it here: whoever compares people regresses it out within the training people of each fold.

Transforms are not kept; the same command makes them again. Nobody is dropped for a poor
registration but by a rule of the configuration: `collect` flags them, and eyes decide. A scan that
cannot be used leaves missing values and the reason; `collect` lists it, or stops.

A study may bring `measurements` of regions in place of images (`gendmr.imaging.measurements`): they
are checked, judged for outliers and handed on in the same two files.
"""
