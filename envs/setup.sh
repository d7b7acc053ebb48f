#!/usr/bin/env bash
# Sets up everything that the workflow needs; a second run installs nothing.
#   envs/setup.sh VENV          TORCH=auto|cpu|cuda  TORCH_INDEX=<package index of PyTorch>  PYTHON=python3
set -euo pipefail
venv=$1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
torch=${TORCH:-auto}
say() { printf '\033[1m[setup]\033[0m %s\n' "$*" >&2; }
fail() { printf '[setup] %s\n' "$@" >&2; exit 1; }

if [ "$torch" = auto ]; then
  if command -v nvidia-smi > /dev/null && nvidia-smi -L > /dev/null 2>&1; then torch=cuda; else torch=cpu; fi
fi
case $torch in cpu | cuda) ;; *) fail "TORCH=$torch: must be auto, cpu or cuda" ;; esac

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else return 1; fi; }
apt_install() {
  command -v apt-get > /dev/null || return 1
  say "installing Debian packages: $*"
  as_root env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' sh "$@" > "$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# --- Python ---------------------------------------------------------------------------------
command -v "$python" > /dev/null \
  || fail "no $python found" "next step: apt install python3 python3-venv, or make PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || fail "$("$python" --version) is too old: 3.11 or newer is needed" "next step: make PYTHON=/path/to/newer/python"

wanted=$(cat "$here/requirements.lock" "$here/../pyproject.toml" "$here/setup.sh" | sha256sum | cut -c1-16)-$torch-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$(cat "$venv/.installed" 2> /dev/null)" != "$wanted" ]; then
  say "creating $venv with $("$python" --version), torch for $torch (3 GB, some minutes, once)"
  if ! "$python" -m venv "$venv" > "$log" 2>&1; then
    apt_install python3-venv || fail "the module venv is missing" "next step: apt install python3-venv"
    "$python" -m venv --clear "$venv"
  fi
  pip="$venv/bin/python -m pip --disable-pip-version-check install --quiet"
  version=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$here/requirements.in")
  constraint="$here/requirements.lock"
  index=${TORCH_INDEX:+--extra-index-url $TORCH_INDEX}
  if [ "$torch" = cpu ] && [ "$(uname -s)" = Linux ]; then
    # The CPU build has its own version label; an index without it offers only the build with CUDA.
    if ! $pip $index -c "$constraint" "torch==$version+cpu" > "$log" 2>&1; then
      say "no CPU build of torch on the package index: taking the default build (several GB)."
      say "to avoid that: make TORCH_INDEX=<the CPU index named on PyTorch's installation page>"
      $pip -c "$constraint" "torch==$version" 2> "$log" || { tail -5 "$log" >&2; fail "torch could not be installed" "next step: check the network and the package index, then run make again"; }
    fi
  else
    $pip $index -c "$constraint" "torch==$version" 2> "$log" || { tail -5 "$log" >&2; fail "torch could not be installed" "next step: check the network and the package index, then run make again"; }
  fi
  # torchvision belongs to torch. Its build for CUDA serves a torch for CPUs as well: networks for
  # pictures need none of its compiled operators.
  vision=$(sed -n 's/^torchvision==\([0-9.]*\).*/\1/p' "$here/requirements.in")
  $pip $index --no-deps "torchvision==$vision+$torch" > "$log" 2>&1 \
    || $pip $index --no-deps "torchvision==$vision" 2> "$log" \
    || { tail -5 "$log" >&2; fail "torchvision could not be installed" "next step: check the network and the package index, then run make again"; }
  # The lock names every package, so that nothing else is resolved or pulled in.
  locked() { $pip --no-deps -r "$here/requirements.lock" 2> "$log"; }
  # A Python too new for the ready-made wheels of one package needs a compiler.
  locked || { ! command -v cc > /dev/null && apt_install gcc libc6-dev python3-dev && locked; } || { tail -5 "$log" >&2; fail "the locked packages could not be installed" "next step: check the network and the package index, then run make again"; }
  $pip --no-deps --no-build-isolation -e "$here/.." 2> "$log" || { tail -5 "$log" >&2; fail "the package itself could not be installed"; }
  echo "$wanted" > "$venv/.installed"
  say "installed in $((SECONDS / 60)) min: $(du -sh "$venv" | cut -f1) in $venv. Commands of the pages need it once per shell:"
  say "  source $venv/bin/activate"
  say "the demo: make demo (some 15 minutes of processor time, 165 MB of results)"
fi

# --- PLINK 1.9 and 2 --------------------------------------------------------------------------
have_plink() { "$venv/bin/python" -m gendmr genotypes find-plink > /dev/null 2> "$log"; }
if ! have_plink; then
  if ! apt_install plink1.9 plink2 || ! have_plink; then
    for tool in micromamba mamba conda; do
      if command -v "$tool" > /dev/null; then
        say "installing PLINK with $tool into $venv/plink"
        "$tool" create -y -q -p "$venv/plink" -c conda-forge -c bioconda plink=1.90b6.21 plink2=2.00a3.7 > "$log" 2>&1 || tail -5 "$log" >&2
        break
      fi
    done
  fi
  have_plink || {
    cat "$log" >&2
    fail "PLINK 1.9 and 2 are needed and could not be installed" \
      "next step, one of:  sudo apt install plink1.9 plink2" \
      "                    conda create -p $venv/plink -c conda-forge -c bioconda plink=1.90b6.21 plink2=2.00a3.7" \
      "                    put the programs on the PATH (any of the names plink1.9, plink, plink2)"
  }
fi
