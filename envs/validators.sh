#!/usr/bin/env bash
# Installs the validators of exported formats beside the workflow's environment; tests find them there.
#   envs/validators.sh VENV
set -euo pipefail
venv=$1
here=$(cd "$(dirname "$0")" && pwd)
for name in validators validators-gwas; do
  wanted=$(sha256sum < "$here/$name.txt" | cut -c1-16)
  folder=$venv/$name
  [ "$(cat "$folder/.installed" 2> /dev/null)" = "$wanted" ] && continue
  rm -rf "$folder"
  "$venv/bin/python" -m venv "$folder"
  "$folder/bin/python" -m pip --disable-pip-version-check install --quiet -r "$here/$name.txt"
  echo "$wanted" > "$folder/.installed"
done
