#!/usr/bin/env bash
# Resolves requirements.in into requirements.lock in a scratch environment.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch"
"$scratch/bin/pip" install --quiet --upgrade pip
grep -v -E '^(pandas-plink|deepbet)==' "$here/requirements.in" > "$scratch/most.in"
"$scratch/bin/pip" install --quiet -r "$scratch/most.in"
for name in pandas-plink deepbet; do
  "$scratch/bin/pip" install --quiet --no-deps "$(sed -n "s/^\($name==[0-9.]*\).*/\1/p" "$here/requirements.in")"
done
{
  echo "# Resolved from requirements.in by \`make lock\`; torch itself is installed first by setup.sh (CPU or CUDA build)."
  "$scratch/bin/pip" freeze --all | grep -v -i -E '^(torch|torchvision|pip|triton|nvidia-.*|cuda-.*)=='
} > "$here/requirements.lock"
