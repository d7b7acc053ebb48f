"""What a run will cost, said before it starts. It reads the configuration and Snakemake's plan."""
