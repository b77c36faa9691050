#!/usr/bin/env bash
# Installs a Vulkan loader and Mesa's software device where there is no Vulkan driver, so that the wgpu backend can be tested
# without a GPU. Debian and Ubuntu; does nothing where a driver is there. Root or sudo.
set -euo pipefail
shopt -s nullglob

have_loader() { ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'; }
have_driver() {
  local manifests=(/usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json)
  ((${#manifests[@]} > 0)) || [[ -n ${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-} ]]
}

if have_loader && have_driver; then
  echo "a Vulkan loader and driver are there"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "no Vulkan driver, and no apt-get to install one: install your system's Vulkan loader and Mesa's Vulkan drivers" >&2
  exit 1
fi
as_root=()
if ((EUID != 0)); then
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers
have_loader && have_driver
echo "installed libvulkan1 and mesa-vulkan-drivers"
