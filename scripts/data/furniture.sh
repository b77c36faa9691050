#!/usr/bin/env bash
# Renders the furniture libraries of Sweet Home 3D as the embedded catalogue, assets/furniture.tar.
#
#   scripts/data/furniture.sh                                downloads the Debian package where apt has it
#   scripts/data/furniture.sh path/to/package.deb            uses a copy of it
#   scripts/data/furniture.sh [package.deb] -- --size 224 --views 12 --quality 90 --folder --out furniture-224
#                                                            another rendition: the options of the renderer
#
# Needs Rust and dpkg-deb (package dpkg).
set -euo pipefail

version=1.8-1
sum=3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668
file=sweethome3d-furniture_${version}_all.deb
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# The embedded rendition. --baseline prints how far bare pixels go on it.
arguments=(--views 3 --street-views 2 --size 64 --quality 75 --seed 1 --limit-bytes 8000000 --baseline --out "$root/assets/furniture.tar")

package=
if [[ $# -gt 0 && $1 != -- ]]; then
  package=$(realpath -- "$1")
  shift
fi
if [[ $# -gt 0 ]]; then
  shift
  arguments=("$@")
fi
for tool in cargo dpkg-deb sha256sum; do
  command -v "$tool" >/dev/null || { echo "furniture.sh: $tool is missing; install Rust (https://rustup.rs) and the packages dpkg and coreutils" >&2; exit 1; }
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [[ -z $package ]]; then
  if ! (cd "$scratch" && command -v apt-get >/dev/null && apt-get download "sweethome3d-furniture=$version"); then
    cat >&2 <<TEXT
furniture.sh: apt does not offer sweethome3d-furniture $version. Get it from Debian's archive,
  https://deb.debian.org/debian/pool/main/s/sweethome3d-furniture/$file
  (once it has left the mirrors: https://snapshot.debian.org/package/sweethome3d-furniture/$version/)
and give its path: scripts/data/furniture.sh $file
TEXT
    exit 1
  fi
  package=$scratch/$file
fi
if ! echo "$sum  $package" | sha256sum --check --status; then
  echo "furniture.sh: $package is not $file with sha256 $sum; remove it and download it again" >&2
  exit 1
fi
dpkg-deb -x "$package" "$scratch/package"
cargo build --release --locked --manifest-path "$root/scripts/data/furniture/Cargo.toml"
"${CARGO_TARGET_DIR:-$root/scripts/data/furniture/target}/release/furniture" \
  "$scratch/package/usr/share/sweethome3d/furniture" "${arguments[@]}"
