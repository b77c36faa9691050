#!/usr/bin/env bash
# Puts LLVM where the build with `--features cuda` looks for it, without reaching GitHub.
#
# burn's CUDA compiler links LLVM 23.1 statically. Its build script downloads a prepared copy from GitHub releases, unless one is
# in its folder already, marked by an empty file. The same libraries, with NVIDIA's target, are published as two Python packages;
# this script fetches those by hash and lays them out. Not needed where GitHub can be reached, nor to check or lint
# (`DOCS_RS=1 cargo check --features cuda`). Linux on x86-64; 100 MB to fetch, 400 MB on disk; needs python3 with pip.
set -euo pipefail

packages='mlc-llvm-static==23.1.1.post0 --hash=sha256:dcfec888abfaa418be77d41af585805f31463584cf9c90582992c00f392c1ac5
mlc-llvm-static-extra-targets==23.1.1.post0 --hash=sha256:c36e834d9a4e9cf9759f27fece65711ece7a2fc2b5a96dbb15d66f5e9e787929'
place=${XDG_DATA_HOME:-$HOME/.local/share}/tracel/tracel-llvm-23.1.0-4
mark=$place/.tracel-llvm-installed

if [[ -e $mark ]]; then
  echo "LLVM is there: $place"
  exit 0
fi
if [[ $(uname -sm) != 'Linux x86_64' ]]; then
  echo "these packages are for Linux on x86-64; elsewhere the build downloads LLVM itself" >&2
  exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '%s\n' "$packages" >"$scratch/packages.txt"
# With hashes given, pip refuses any other file.
python3 -m pip download --quiet --no-deps --only-binary :all: --platform manylinux_2_28_x86_64 \
  --require-hashes --requirement "$scratch/packages.txt" --dest "$scratch/wheels"
for wheel in "$scratch"/wheels/*.whl; do
  python3 -m zipfile --extract "$wheel" "$scratch/tree"
done

# Both packages unpack into one tree; zip files carry no permission to run.
tree=$scratch/tree/mlc_llvm_static/static
chmod +x "$tree"/bin/*
if ! "$tree/bin/llvm-config" --link-static --libs | grep -q NVPTX; then
  echo "the packages lack the NVPTX target: their layout has changed" >&2
  exit 1
fi
mkdir -p "${place%/*}"
rm -rf "$place"
mv "$tree" "$place"
touch "$mark"
echo "LLVM $("$place/bin/llvm-config" --version) is installed in $place"
