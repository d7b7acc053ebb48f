"""PLINK sets merged and filtered; every removal listed with its reason. No diagnosis is read."""

DRAWN_CRITERIA = [
    *("person_missingness", "sex", "heterozygosity", "kinship"),
    *("variant_missingness", "maf", "hwe"),
]


localrules:
    genotypes,


rule genotypes:
    """Checked genotypes, who and what left, kinship, components."""
    input:
        study_files(
            "genotypes/qc.bed",
            "genotypes/qc.bim",
            "genotypes/qc.fam",
            "genotypes/attrition.tsv",
            "genotypes/kinship.tsv",
            "genotypes/components.tsv",
            "genotypes/summary.json",
            # a step that failed, or a file that was lost, is made again although later files exist
            "genotypes/work/merge.json",
            "genotypes/work/merge.attrition.tsv",
            "genotypes/work/merge.missingness.npy",
            "genotypes/work/participants.attrition.tsv",
            "genotypes/work/participants.measures.tsv",
            "genotypes/work/participants.json",
            "genotypes/work/variants.measures.npz",
            "genotypes/work/variants.json",
            "genotypes/work/pruned.txt",
            "genotypes/figures/components.png",
        ),
        study_files("genotypes/figures/{name}.png", name=DRAWN_CRITERIA),


rule merge_genotypes:
    """Check the input sets, merge them, drop variants with too many missing calls."""
    input:
        GENOTYPES,
    output:
        genotypes=nonempty(
            temp(
                multiext(
                    "results/{study}/genotypes/work/merged", ".bed", ".bim", ".fam"
                )
            )
        ),
        missingness=nonempty(temp("results/{study}/genotypes/work/merged.smiss")),
        variants=nonempty("results/{study}/genotypes/work/merge.missingness.npy"),
        attrition=nonempty("results/{study}/genotypes/work/merge.attrition.tsv"),
        summary=nonempty("results/{study}/genotypes/work/merge.json"),
    log:
        "logs/{study}/genotypes/merge.log",
    benchmark:
        "logs/{study}/genotypes/merge.benchmark.tsv"
    conda:
        "../../envs/genotypes.yaml"
    threads: 2
    resources:
        mem_mb=double_per_attempt(3000),
        runtime=double_per_attempt(60),
    params:
        options=options("genotypes"),
        folder=subpath(output.summary, parent=True),
        code=fingerprint("genotypes.merging"),
    shell:
        "python -m gendmr genotypes merge --options {params.options:q} --threads {threads}"
        " --memory $(({resources.mem_mb} * 2 / 3)) --work {params.folder} &> {log}"


rule filter_genotypes:
    """Remove people, then variants; list pairs of kin, compute components."""
    input:
        genotypes=rules.merge_genotypes.output.genotypes,
        missingness=rules.merge_genotypes.output.missingness,
        variants=rules.merge_genotypes.output.variants,
        attrition=rules.merge_genotypes.output.attrition,
        summary=rules.merge_genotypes.output.summary,
    output:
        genotypes=nonempty(
            multiext("results/{study}/genotypes/qc", ".bed", ".bim", ".fam")
        ),
        attrition=nonempty("results/{study}/genotypes/attrition.tsv"),
        kinship=nonempty("results/{study}/genotypes/kinship.tsv"),
        components=nonempty("results/{study}/genotypes/components.tsv"),
        summary=nonempty("results/{study}/genotypes/summary.json"),
        participants=nonempty(
            multiext(
                "results/{study}/genotypes/work/participants",
                ".attrition.tsv",
                ".measures.tsv",
                ".json",
            )
        ),
        variants=nonempty(
            multiext(
                "results/{study}/genotypes/work/variants", ".measures.npz", ".json"
            )
        ),
        pruned="results/{study}/genotypes/work/pruned.txt",
    log:
        "logs/{study}/genotypes/filter.log",
    benchmark:
        "logs/{study}/genotypes/filter.benchmark.tsv"
    conda:
        "../../envs/genotypes.yaml"
    threads: 2
    resources:
        mem_mb=double_per_attempt(3000),
        runtime=double_per_attempt(120),
    params:
        options=options("genotypes"),
        seed=STUDY.seed,
        folder=subpath(input.summary, parent=True),
        code=fingerprint(
            "genotypes.participants",
            "genotypes.variants",
            "genotypes.components",
        ),
    shell:
        "python -m gendmr genotypes filter --options {params.options:q} --threads {threads}"
        " --memory $(({resources.mem_mb} * 2 / 3)) --seed {params.seed}"
        " --work {params.folder} &> {log}"


rule draw_genotypes:
    """A figure for each criterion, and the components; one that is lost costs no other step."""
    input:
        people="results/{study}/genotypes/work/participants.measures.tsv",
        variants="results/{study}/genotypes/work/variants.measures.npz",
        missingness="results/{study}/genotypes/work/merge.missingness.npy",
        kinship="results/{study}/genotypes/kinship.tsv",
        components="results/{study}/genotypes/components.tsv",
        summary="results/{study}/genotypes/summary.json",
    output:
        figures=nonempty(
            report(
                expand(
                    "results/{{study}}/genotypes/figures/{name}.png",
                    name=DRAWN_CRITERIA,
                ),
                caption="../report/genotypes.rst",
                category="Genotypes",
            )
        ),
        picture=nonempty(
            report(
                "results/{study}/genotypes/figures/components.png",
                caption="../report/components.rst",
                category="Genotypes",
            )
        ),
    log:
        "logs/{study}/genotypes/figures.log",
    benchmark:
        "logs/{study}/genotypes/figures.benchmark.tsv"
    conda:
        "../../envs/genotypes.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        options=options("genotypes"),
        seed=STUDY.seed,
        folder=subpath(input.people, parent=True),
        code=fingerprint("genotypes.figures"),
    shell:
        "python -m gendmr genotypes figures --options {params.options:q} --seed {params.seed}"
        " --work {params.folder} &> {log}"
