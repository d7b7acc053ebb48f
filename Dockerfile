# The workflow with everything that it needs. Built by:  docker build -t gendmr .
# Run in a folder with data and configuration:
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD:/work" gendmr run --configfile mine.yaml --cores 4
FROM python:3.12-slim-bookworm

LABEL org.opencontainers.image.title="GenDMR" \
      org.opencontainers.image.licenses="MIT"

# PLINK 1.9 and 2 for genotypes, a compiler for packages that have no wheel for this Python. No
# versions are pinned, because Debian removes each one that it replaces.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
       plink1.9=1.90~b6.26* plink2=2.00~a3.5* gcc libc6-dev procps \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/gendmr
# The locked packages first, because they change seldom and take longest.
COPY envs envs
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE Snakefile ./
COPY workflow workflow
COPY resources resources
COPY config config
# TORCH=cuda for an image for GPUs, which is larger by several GB.
ARG TORCH=cpu
RUN TORCH=${TORCH} envs/setup.sh /opt/venv && rm -rf /root/.cache

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONNOUSERSITE=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib

WORKDIR /work
ENTRYPOINT ["gendmr"]
CMD ["--help"]
