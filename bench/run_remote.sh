#!/bin/sh
# The micro benchmarks on a machine that has nothing but a Vulkan driver, and the vendor's libraries beside them where
# PyTorch with CUDA is installed.
#
#   bench/run_remote.sh --pack FILE.tgz     here: put the program, its kernels and the Vulkan loader into one file
#   ./run_remote.sh [OUT] [options]         there: run, and write OUT/micro.{json,txt}, OUT/vendor.json, OUT/vendor.md
#
# Options go to anvil_bench, e.g. --rounds 5 --filter gemm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$here
[ -x "$programs/anvil_bench" ] || programs=${ANVIL_BUILD:-$here/../build/release}/bench
[ -x "$programs/anvil_bench" ] || { echo "run_remote: no anvil_bench in $here or $programs; build it first" >&2; exit 1; }

if [ "${1:-}" = --pack ]; then
    [ $# -eq 2 ] || { echo "run_remote: --pack needs a file name" >&2; exit 1; }
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir "$folder/anvil_bench"
    cp "$programs/anvil_bench" "$programs/kernels.pack" "$programs/probes.pack" "$here/run_remote.sh" "$here/vendor_torch.py" "$folder/anvil_bench/"
    loader=$(ldconfig -p | awk '/libvulkan\.so\.1 .*x86-64/ {print $NF; exit}')
    [ -z "$loader" ] || { mkdir "$folder/anvil_bench/loader"; cp -L "$loader" "$folder/anvil_bench/loader/libvulkan.so.1"; }
    tar -C "$folder" -czf "$2" anvil_bench
    echo "$2: $(du -h "$2" | cut -f1)"
    exit 0
fi

out=${1:-.}
[ $# -eq 0 ] || shift
mkdir -p "$out"
# The machine's own loader comes first; ours only where there is none.
if ! ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1' && [ -d "$here/loader" ]; then
    LD_LIBRARY_PATH="$here/loader${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    export LD_LIBRARY_PATH
fi
status=0
"$programs/anvil_bench" --json "$out/micro.json" "$@" > "$out/micro.txt" || status=$?
cat "$out/micro.txt"
[ -s "$out/micro.json" ] || exit "$status"
if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    python3 "$here/vendor_torch.py" --against "$out/micro.json" --out "$out"
else
    echo "no PyTorch with CUDA here: no comparison with the vendor's libraries"
fi
exit "$status"
