#!/usr/bin/env bash
# Draws emoji of three vendors and writes tables of them with their names and tags in seven languages: items.csv, new.csv.
#
#   scripts/data/emoji.sh OUT                          gets four packages (12 MB) with npm
#   scripts/data/emoji.sh OUT --from FOLDER            takes their .tgz files from there
#   scripts/data/emoji.sh OUT -- --size 128 --languages en,ja,ko
#                                                      the options of the tool; see scripts/data/emoji/src/main.rs
#   scripts/data/emoji.sh $TAILOR_DATA/emoji           where the recipes t-emde-emoji look for it
#
# Needs Rust and npm; without npm, download the four files that are named below from registry.npmjs.org.
# Licences: Noto Emoji Apache-2.0, Twemoji CC-BY-4.0, Fluent Emoji MIT, emojibase-data MIT; OUT/ATTRIBUTION.md goes where the pictures go.
set -euo pipefail

# Package, version, file, sha256. The vendor that stands last is tested on.
packages=(
  "@iconify-json/noto 1.2.9 iconify-json-noto-1.2.9.tgz 3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"
  "@iconify-json/twemoji 1.2.5 iconify-json-twemoji-1.2.5.tgz 19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7"
  "@iconify-json/fluent-emoji-flat 1.2.6 iconify-json-fluent-emoji-flat-1.2.6.tgz 7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"
  "emojibase-data 17.0.0 emojibase-data-17.0.0.tgz d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a"
)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if [[ $# -eq 0 || $1 == -* ]]; then
  echo "usage: scripts/data/emoji.sh OUT [--from FOLDER] [-- OPTIONS OF THE TOOL]" >&2
  exit 2
fi
mkdir -p -- "$1"
out=$(realpath -- "$1")
shift
from=
if [[ $# -gt 1 && $1 == --from ]]; then
  from=$(realpath -- "$2")
  shift 2
fi
if [[ $# -gt 0 && $1 == -- ]]; then
  shift
elif [[ $# -gt 0 ]]; then
  echo "emoji.sh: $1 is unknown; write -- before options of the tool" >&2
  exit 2
fi
for tool in cargo tar sha256sum; do
  command -v "$tool" >/dev/null || { echo "emoji.sh: $tool is missing; install Rust (https://rustup.rs) and the packages tar and coreutils" >&2; exit 1; }
done
if [[ -z $from ]] && ! command -v npm >/dev/null; then
  echo "emoji.sh: npm is missing; install it, or download the four packages from https://registry.npmjs.org and give their folder with --from" >&2
  exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folders=()
for package in "${packages[@]}"; do
  read -r name version file sum <<<"$package"
  if [[ -z $from ]]; then
    (cd "$scratch" && npm pack --silent "$name@$version" >/dev/null) || { echo "emoji.sh: npm did not give $name@$version" >&2; exit 1; }
  elif [[ ! -e $from/$file ]]; then
    echo "emoji.sh: $from/$file is not there; save https://registry.npmjs.org/$name/-/${file#iconify-json-} under that name" >&2
    exit 1
  fi
  archive=${from:-$scratch}/$file
  if ! echo "$sum  $archive" | sha256sum --check --status; then
    echo "emoji.sh: $archive is not $name $version with sha256 $sum; remove it and download it again" >&2
    exit 1
  fi
  mkdir "$scratch/${file%.tgz}"
  tar xzf "$archive" -C "$scratch/${file%.tgz}" --strip-components=1
  folders+=("$scratch/${file%.tgz}")
done
cargo build --release --locked --manifest-path "$root/scripts/data/emoji/Cargo.toml"
"${CARGO_TARGET_DIR:-$root/scripts/data/emoji/target}/release/emoji" \
  "${folders[@]:0:3}" --names "${folders[3]}" --out "$out" "$@"
