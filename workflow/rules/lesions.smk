"""Images with masks of lesions: volumes, measures, quality, pictures."""


localrules:
    lesions,


rule lesions:
    """Volumes with masks, measures of the lesions, and the quality of all people."""
    input:
        study_files(
            "lesions/volumes.h5",
            "lesions/measures.nc",
            "lesions/quality.tsv",
            "lesions/summary.json",
            "lesions/figures/lesions.png",
        ),


rule collect_lesions:
    """All images: copied channels, masks, normalisation by volume; who cannot be used and why.

    Also leaves lesions/pictures/<participant>.png of everybody who is measured: who that is is
    known afterwards only, so these are no outputs.
    """
    input:
        # one that was not fetched is for the rule to list
        LESION_FILES,
    output:
        volumes=nonempty("results/{study}/lesions/volumes.h5"),
        measures=nonempty("results/{study}/lesions/measures.nc"),
        quality=nonempty("results/{study}/lesions/quality.tsv"),
        summary=nonempty("results/{study}/lesions/summary.json"),
        figure=nonempty(
            report(
                "results/{study}/lesions/figures/lesions.png",
                caption="../report/lesions.rst",
                category="Lesions",
                labels={"figure": "lesions of all people"},
            )
        ),
    log:
        "logs/{study}/lesions/collect.log",
    benchmark:
        "logs/{study}/lesions/collect.benchmark.tsv"
    conda:
        "../../envs/lesions.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(3000),
        runtime=double_per_attempt(60),
    params:
        options=options("lesions"),
        folder=subpath(output.measures, parent=True),
        code=fingerprint("lesions.collect"),
    shell:
        "python -m gendmr lesions collect --options {params.options:q}"
        " --output {params.folder} &> {log}"
