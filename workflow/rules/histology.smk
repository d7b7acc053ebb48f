"""Features of slides: checked, made into one bag of patches for each person."""

# Images of slides: the files that one job each makes of them.
EXTRACTED_SLIDES = (
    study_files(
        "histology/slides/{slide}/{name}",
        slide=SLIDE_IMAGES,
        name=["features.h5", "tiles.json", "tissue.png"],
    )
    if STUDY.histology.tiles
    else []
)
TISSUE = (
    ["results/{study}/histology/figures/tissue.png"] if STUDY.histology.tiles else []
)


localrules:
    histology,


rule histology:
    """Bags of patches of all people, and what became of each slide."""
    input:
        study_files(
            "histology/patches.nc",
            "histology/slides.tsv",
            "histology/attrition.tsv",
            "histology/summary.json",
            "histology/figures/quality.png",
        ),
        expand(TISSUE, study=STUDY.study),
        EXTRACTED_SLIDES,


if STUDY.histology.tiles:

    rule extract_features:
        """Tiles of one slide's image and their features; or why there are none."""
        input:
            weights=STUDY.histology.tiles.weights,
            image=image_of_slide,
        output:
            features=nonempty("results/{study}/histology/slides/{slide}/features.h5"),
            tiles=nonempty("results/{study}/histology/slides/{slide}/tiles.json"),
            picture=nonempty("results/{study}/histology/slides/{slide}/tissue.png"),
        log:
            "logs/{study}/histology/{slide}.log",
        benchmark:
            "logs/{study}/histology/{slide}.benchmark.tsv"
        group:
            "slides"
        conda:
            "../../envs/histology.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(3000),
            runtime=double_per_attempt(120),
            gpu=int(STUDY.histology.tiles.gpu),
        params:
            options=options(STUDY.histology.tiles),
            image=path_of_slide,
            folder=subpath(output.features, parent=True),
            code=fingerprint("histology.extract"),
        shell:
            "python -m gendmr histology extract --slide {wildcards.slide:q}"
            " --image {params.image:q} --options {params.options:q}"
            " --output {params.folder:q} &> {log:q}"


rule collect_slides:
    """All slides: which can be used, a bag of patches for each person."""
    input:
        given=STUDY.histology.files(),
        # one that was not fetched is for the rule to list
        slides=EXTRACTED_SLIDES or SLIDES,
    output:
        patches=nonempty("results/{study}/histology/patches.nc"),
        slides=nonempty("results/{study}/histology/slides.tsv"),
        attrition=nonempty("results/{study}/histology/attrition.tsv"),
        summary=nonempty("results/{study}/histology/summary.json"),
        figure=nonempty(
            report(
                "results/{study}/histology/figures/quality.png",
                caption="../report/histology.rst",
                category="Histology",
                labels={"figure": "patches of all slides"},
            )
        ),
        tissue=nonempty(TISSUE),
    log:
        "logs/{study}/histology/collect.log",
    benchmark:
        "logs/{study}/histology/collect.benchmark.tsv"
    conda:
        "../../envs/histology.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(30, per_input_mb=0.005),
    params:
        options=options("histology"),
        folder=subpath(output.patches, parent=True),
        code=fingerprint("histology.collect", "histology.figures"),
    shell:
        "python -m gendmr histology collect --options {params.options:q}"
        " --output {params.folder} &> {log}"
