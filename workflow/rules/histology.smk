"""Features of slides: checked, made into one bag of patches for each person."""


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


rule collect_slides:
    """All slides: which can be used, a bag of patches for each person."""
    input:
        given=STUDY.histology.files(),
        # one that was not fetched is for the rule to list
        slides=SLIDES,
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
