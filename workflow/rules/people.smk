"""Files of single people that a study brings, as far as they are there: inputs of its rules."""

from gendmr.cli.preflight import check_methods
from gendmr.connectivity.people import find_people
from gendmr.errors import Problems
from gendmr.files.bids import if_exists
from gendmr.histology.slides import find_slides
from gendmr.imaging.bids import files_of, find_images, unusable_images
from gendmr.lesions.people import find_people as find_lesions
from gendmr.simulate.lesion_names import planned_lesions, refuse_other_lesions
from gendmr.simulate.roster import planned_images, planned_maps
from gendmr.simulate.slide_names import planned_slides

try:
    # participant -> T1w images, the first counts; a simulated cohort is known before it is made
    IMAGES = {}
    # who has images of which none counts -> why
    UNUSABLE = {}
    if STUDY.imaging and STUDY.imaging.bids:
        IMAGES = (
            planned_images(STUDY.simulate, STUDY.imaging.bids)
            if STUDY.simulate
            else find_images(
                STUDY.imaging.bids,
                exclude=STUDY.imaging.exclude,
                wanted=STUDY.imaging.select.wanted(),
            )
        )
        if not STUDY.simulate:
            UNUSABLE = unusable_images(
                STUDY.imaging.bids, wanted=STUDY.imaging.select.wanted()
            )
    # time series or connectomes of each person, those that are there
    FUNCTIONAL_FILES = (STUDY.connectivity and find_people(STUDY.connectivity)) or {}
    FUNCTIONAL = [
        path
        for person in FUNCTIONAL_FILES.values()
        for file in person.files
        for path in if_exists(file)
    ]
    # images with masks of lesions, slides, and files of people that a modality lists
    LESION_FILES = []
    if STUDY.lesions and STUDY.simulate:
        # A simulated study knows its images before they are made.
        refuse_other_lesions(STUDY.lesions, f"results/{STUDY.study}/simulate")
        LESION_FILES = planned_lesions(
            STUDY.simulate, f"results/{STUDY.study}/simulate"
        )
    elif STUDY.lesions:
        LESION_FILES = [
            path
            for images in find_lesions(STUDY.lesions).values()
            for file in images.files()
            for path in if_exists(file)
        ]
    # A simulated study knows its slides before they are made.
    SLIDES = []
    if STUDY.histology:
        SLIDES = (
            planned_slides(STUDY.simulate, STUDY.histology.slides)
            if STUDY.simulate
            else [
                path
                for slide in find_slides(STUDY.histology)
                for path in if_exists(slide.path)
            ]
        )
    # slide -> its image; those that nobody owns or the configuration excludes are not read
    SLIDE_IMAGES = {}
    if STUDY.histology and STUDY.histology.tiles:
        SLIDE_IMAGES = {
            slide.slide: slide.path
            for slide in find_slides(STUDY.histology)
            if slide.participant and slide.slide not in STUDY.histology.exclude
        }
    # A simulated study knows its maps before they are made.
    SIMULATED_MAPS = f"results/{STUDY.study}/simulate/maps.tsv"
    LISTED_FILES = {
        name: (
            planned_maps(STUDY.simulate, SIMULATED_MAPS)
            if STUDY.simulate and SIMULATED_MAPS in section.user_files()
            else [path for file in section.people_files() for path in if_exists(file)]
        )
        for name, section in STUDY.modality_sections().items()
    }
    # What files lack that a method needs would otherwise show in its first fold, after all stages.
    if workflow.is_main_process and not STUDY.simulate:
        unfit = Problems()
        check_methods(STUDY, unfit)
        unfit.refuse()
except GendmrError as error:
    raise WorkflowError(refusal(STUDY, error)) from None


def image_of(wildcards):
    """The T1w image of one participant."""
    return IMAGES[wildcards.participant][0]


def existing_image(wildcards):
    """The same as an input: one that was not fetched is for the rule to list."""
    return image_of(wildcards) if STUDY.simulate else files_of(image_of(wildcards))


def mask_of(wildcards):
    """The brain mask of one participant, where masks are given and it is there."""
    return if_exists(STUDY.imaging.mask_of(wildcards.participant))


def functional_of(wildcards):
    """The files of one participant's functional image that are there."""
    files = FUNCTIONAL_FILES[wildcards.participant].files
    return [path for file in files for path in if_exists(file)]


def path_of_slide(wildcards):
    """The image of one slide."""
    return SLIDE_IMAGES[wildcards.slide]


def image_of_slide(wildcards):
    """The same as an input: one that was not fetched is for the rule to list."""
    return if_exists(path_of_slide(wildcards))
