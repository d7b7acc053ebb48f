"""T1w scans registered and measured, one job each; or measurements made elsewhere, checked."""

TEMPLATE_FILES = [
    *("t1.nii.gz", "brain.nii.gz", "grey.nii.gz", "white.nii.gz", "csf.nii.gz"),
    *("atlas.nii.gz", "labels.nii.gz", "regions.tsv", "template.json"),
]
# image and labels of each head, where the atlas is several labelled ones
LABELLED_HEADS = STUDY.imaging.labelled_heads if STUDY.imaging else 0
HEAD_FILES = expand(
    "results/{{study}}/imaging/template/heads/{number:02d}_{kind}.nii.gz",
    number=range(1, LABELLED_HEADS + 1),
    kind=["image", "labels"],
)


localrules:
    imaging,
    fetch_atlas,


rule imaging:
    """The region modality and the quality of every scan."""
    input:
        study_files(
            "imaging/regions.nc",
            "imaging/quality.tsv",
            "imaging/summary.json",
            "imaging/figures/quality.png",
        ),
        # each scan by name: one that failed, or whose files were lost, is run again although later
        # files exist
        study_files(
            "imaging/{participant}/{file}",
            participant=IMAGES,
            file=[
                *("quality.json", "regions.tsv", "registration.png"),
                *("warped.nii.gz", "grey.nii.gz"),
            ],
        ),
        study_files("imaging/template/{file}", file=TEMPLATE_FILES if IMAGES else []),
        expand(HEAD_FILES if IMAGES else [], study=STUDY.study),
        FETCHED_ATLAS,


rule fetch_atlas:
    """An atlas that the study names, from TemplateFlow: image and table of its regions."""
    output:
        labels=nonempty("results/{study}/imaging/atlas/labels.nii.gz"),
        table=nonempty("results/{study}/imaging/atlas/table.tsv"),
    log:
        "logs/{study}/imaging/atlas.log",
    benchmark:
        "logs/{study}/imaging/atlas.benchmark.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(500),
        runtime=double_per_attempt(30),
    params:
        options=options("imaging"),
        folder=subpath(output.labels, parent=True),
        code=fingerprint("imaging.atlas"),
    shell:
        "python -m gendmr imaging atlas --options {params.options:q} --output {params.folder}"
        " &> {log}"


rule prepare_template:
    """Template, brain mask, tissue priors and atlas on the working grid of the preset."""
    input:
        STUDY.imaging.files(),
        FETCHED_ATLAS,
    output:
        t1=nonempty("results/{study}/imaging/template/t1.nii.gz"),
        brain=nonempty("results/{study}/imaging/template/brain.nii.gz"),
        grey=nonempty("results/{study}/imaging/template/grey.nii.gz"),
        white=nonempty("results/{study}/imaging/template/white.nii.gz"),
        csf=nonempty("results/{study}/imaging/template/csf.nii.gz"),
        atlas=nonempty("results/{study}/imaging/template/atlas.nii.gz"),
        labels=nonempty("results/{study}/imaging/template/labels.nii.gz"),
        regions=nonempty("results/{study}/imaging/template/regions.tsv"),
        summary=nonempty("results/{study}/imaging/template/template.json"),
        heads=nonempty(HEAD_FILES),
    log:
        "logs/{study}/imaging/template.log",
    benchmark:
        "logs/{study}/imaging/template.benchmark.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(3000),
        runtime=double_per_attempt(10 + 3 * LABELLED_HEADS),
    params:
        options=options(SCANS),
        folder=subpath(output.t1, parent=True),
        code=fingerprint("imaging.template"),
    shell:
        "python -m gendmr imaging template --options {params.options:q}"
        " --output {params.folder} &> {log}"


rule register_t1w:
    """One scan: header, bias, brain, registration, tissues, volumes, a picture; or why not."""
    input:
        image=existing_image,
        mask=mask_of,
        template=rules.prepare_template.output,
        described=rules.prepare_template.output.summary,
    output:
        regions=nonempty("results/{study}/imaging/{participant}/regions.tsv"),
        quality=nonempty("results/{study}/imaging/{participant}/quality.json"),
        picture=nonempty("results/{study}/imaging/{participant}/registration.png"),
        warped=nonempty("results/{study}/imaging/{participant}/warped.nii.gz"),
        grey=nonempty("results/{study}/imaging/{participant}/grey.nii.gz"),
    log:
        "logs/{study}/imaging/{participant}.log",
    benchmark:
        "logs/{study}/imaging/{participant}.benchmark.tsv"
    wildcard_constraints:
        participant="(?!template/)[^/]+",
    group:
        "registration"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000 + 60 * LABELLED_HEADS),
        runtime=double_per_attempt(60),
    params:
        image=image_of,
        options=options(SCANS),
        seed=STUDY.seed,
        template=subpath(input.described, parent=True),
        folder=subpath(output.regions, parent=True),
        code=fingerprint("imaging.participant"),
    shell:
        "python -m gendmr imaging register --image {params.image:q}"
        " --participant {wildcards.participant:q} --template {params.template}"
        " --options {params.options:q} --seed {params.seed} --output {params.folder:q} &> {log:q}"


if STUDY.imaging.measurements:

    rule read_measurements:
        """Region measurements made elsewhere: checked, flagged, handed on."""
        input:
            measurements=MEASUREMENTS,
            places=STUDY.imaging.places or [],
        output:
            regions=nonempty("results/{study}/imaging/regions.nc"),
            quality=nonempty("results/{study}/imaging/quality.tsv"),
            summary=nonempty("results/{study}/imaging/summary.json"),
            figure=nonempty(
                report(
                    "results/{study}/imaging/figures/quality.png",
                    caption="../report/quality.rst",
                    category="Imaging",
                    labels={"figure": "measurements of all people"},
                )
            ),
        log:
            "logs/{study}/imaging/measurements.log",
        benchmark:
            "logs/{study}/imaging/measurements.benchmark.tsv"
        conda:
            "../../envs/imaging.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(2000),
            runtime=double_per_attempt(10),
        params:
            options=options("imaging"),
            folder=subpath(output.regions, parent=True),
            code=fingerprint("imaging.measurements"),
        shell:
            "python -m gendmr imaging measurements --options {params.options:q}"
            " --output {params.folder} &> {log}"

else:

    rule collect_regions:
        """All participants: the region modality, the quality table with flags, a figure."""
        input:
            regions=study_files(
                "imaging/{participant}/regions.tsv", participant=list(IMAGES)
            ),
            quality=study_files(
                "imaging/{participant}/quality.json", participant=list(IMAGES)
            ),
            template=rules.prepare_template.output.summary,
        output:
            regions=nonempty("results/{study}/imaging/regions.nc"),
            quality=nonempty("results/{study}/imaging/quality.tsv"),
            summary=nonempty("results/{study}/imaging/summary.json"),
            figure=nonempty(
                report(
                    "results/{study}/imaging/figures/quality.png",
                    caption="../report/quality.rst",
                    category="Imaging",
                    labels={"figure": "quality of all registrations"},
                )
            ),
        log:
            "logs/{study}/imaging/collect.log",
        benchmark:
            "logs/{study}/imaging/collect.benchmark.tsv"
        conda:
            "../../envs/imaging.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(2000),
            runtime=double_per_attempt(10),
        params:
            options=options("imaging"),
            # listed in the quality table, although no other file depends on them
            several=[paths for paths in IMAGES.values() if len(paths) > 1],
            unusable=UNUSABLE,
            template=subpath(input.template, parent=True),
            folder=subpath(output.regions, parent=True),
            code=fingerprint("imaging.collect"),
        shell:
            "python -m gendmr imaging collect --template {params.template}"
            " --options {params.options:q} --output {params.folder} {input.regions:q} &> {log}"
