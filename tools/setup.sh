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
  libgtest-dev libgmock-dev libbenchmark-dev
)

# Where the distribution has them; without one the tests that need it are left out, and say so.
if_offered=(
  clang-19                 # the Metal driver's tests: blocks, and kernels in Metal's language
  libclang-rt-19-dev       # the same under sanitizers, and which lines they run
  llvm-19                  # llvm-cov, for that
)

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is no Debian or Ubuntu; install the equivalents of: ${packages[*]}" >&2
  # On other systems we cannot tell what is missing; the build says so where it needs something.
  exit 0
fi

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }
offered() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [0-9]'; }

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
wanted=()
for package in "${if_offered[@]}"; do
  installed "$package" || wanted+=("$package")
done
# What is only wanted stops nobody who may not install it.
[ ${#missing[@]} -eq 0 ] && { [ ${#wanted[@]} -eq 0 ] || [ "$(id -u)" -ne 0 ]; } && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "setup: these system packages are missing; install them and run make again:" >&2
  echo "  sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
for package in "${wanted[@]}"; do
  ! offered "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "setup: installing ${missing[*]}"
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
