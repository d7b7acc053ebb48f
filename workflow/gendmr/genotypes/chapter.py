"""What the page shows of the stage."""

from __future__ import annotations

from gendmr.chapters import Chapter, ChapterFigure

CAPTIONS = {
    "components": (
        "Ancestry components",
        "The first components of the people, of LD-pruned variants; colours are ancestry groups."
        " They enter no model: each fold fits its own.",
    ),
    "person_missingness": (
        "Missing genotypes of people",
        "Share of genotypes that each person lacks; who lies beyond the line was removed.",
    ),
    "heterozygosity": (
        "Heterozygosity of people",
        "Far too much means a mixed sample, far too little inbreeding or a deletion.",
    ),
    "sex": ("Sex", "Homozygosity of chromosome X against the recorded sex."),
    "kinship": ("Kinship of pairs", "KING kinship of all pairs with the limits of relations."),
    "variant_missingness": (
        "Missing genotypes of variants",
        "Share of people without a genotype, variant by variant.",
    ),
    "maf": ("Allele frequencies", "Minor allele frequencies of all variants, and the limit."),
    "hwe": ("Hardy-Weinberg equilibrium", "p-values of the exact test, and the limit."),
}
CHAPTER = Chapter(
    title="Are the genotypes clean?",
    figures=tuple(
        ChapterFigure(path=f"genotypes/figures/{name}.png", alt=alt, caption=caption)
        for name, (alt, caption) in CAPTIONS.items()
    ),
)
