#!/usr/bin/env bash
# Makes sure that the system packages Anvil is built and tested with are there.  As root on Debian or Ubuntu it installs
# what is missing; anyone else is told what to install, and it stops.  Quick and silent when nothing is missing.
set -euo pipefail

packages=(
  g++                      # the compiler; brings the sanitizers' runtimes
  python3 python3-venv     # .venv
  libvulkan1               # the Vulkan loader
  libvulkan-dev            # Vulkan headers
  libvulkan-volk-dev       # loads Vulkan at run time
  mesa-vulkan-drivers      # lavapipe, the software GPU of the tests
  vulkan-validationlayers  # the tests run under them
  spirv-tools              # spirv-val
  zlib1g-dev               # the kernel pack is compressed
  clang-19                 # the Metal driver's tests: blocks, and kernels in Metal's language
  libgtest-dev libgmock-dev libbenchmark-dev
)

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is no Debian or Ubuntu; install the equivalents of: ${packages[*]}" >&2
  # On other systems we cannot tell what is missing; the build says so where it needs something.
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "setup: these system packages are missing; install them and run make again:" >&2
  echo "  sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
