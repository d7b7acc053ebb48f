"""Make up demo_sets.gmt and demo_loci.tsv from demo_genes.tsv, the same ones each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
SIZE = 15
SEED = 20250101


def main() -> None:
    """Write both files beside this one."""
    genes = pd.read_csv(HERE / "demo_genes.tsv", sep="\t", dtype={"chromosome": str})
    risk = genes.loc[genes["candidate"], "symbol"].tolist()
    others = genes[~genes["candidate"]]
    rng = np.random.default_rng(SEED)
    drawn = rng.permutation(others["symbol"].to_numpy()).tolist()
    length = others["end"] - others["start"]
    # Every other risk gene from the second on: APOE, the first, would decide alone.
    half = risk[1::2]
    sets = {
        "DEMO_DILUTED": ("six of the twelve risk genes among others", [*half, *drawn[:9]]),
        "DEMO_RANDOM_A": ("genes drawn at random", drawn[9:24]),
        "DEMO_RANDOM_B": ("genes drawn at random", drawn[24:39]),
        "DEMO_LONG_GENES": (
            "the longest genes without effect",
            others.loc[length.nlargest(SIZE).index, "symbol"].tolist(),
        ),
        "DEMO_TINY": ("too small to be tested", risk[:2]),
    }
    lines = ["\t".join([name, text, *sorted(held)]) for name, (text, held) in sets.items()]
    (HERE / "demo_sets.gmt").write_text("\n".join(lines) + "\n")
    loci = genes[genes["candidate"]]
    pd.DataFrame(
        {
            "chromosome": loci["chromosome"],
            "position": (loci["start"] + loci["end"]) // 2,
            "name": loci["symbol"],
            "build": "GRCh37",
        }
    ).to_csv(HERE / "demo_loci.tsv", sep="\t", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
