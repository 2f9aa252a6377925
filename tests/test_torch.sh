#!/bin/sh
# tests/test_torch.sh: nets go from gradflow to PyTorch and back by safetensors files; examples/from_pytorch.c runs without
# a file, with one of PyTorch's, and says what is wrong with one that is none.
# build: float
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
need "from_pytorch" "$CC"
example="$dir/from_pytorch"
if ! "$CC" -O1 examples/from_pytorch.c -o "$example" -lm >"$dir/log" 2>&1; then
    echo "FAIL from_pytorch: does not compile"
    head -n 12 "$dir/log"
elif "$example" >"$dir/log" 2>&1 && grep -q '^accuracy 0\.[5-9]' "$dir/log"; then echo "PASS from_pytorch without a file"
else
    echo "FAIL from_pytorch without a file"
    head -n 12 "$dir/log"
fi
echo 'no tensors' >"$dir/net.safetensors"
if "$example" "$dir/net.safetensors" >"$dir/log" 2>&1 || ! grep -q 'no whole safetensors' "$dir/log"; then
    echo "FAIL from_pytorch refuses what is no safetensors file"
    head -n 12 "$dir/log"
else echo "PASS from_pytorch refuses what is no safetensors file"; fi

python=
for candidate in python3 /usr/bin/python3; do
    if [ -z "$python" ] && $candidate -c 'import torch' >/dev/null 2>&1; then python=$candidate; fi
done
if [ -z "$python" ]; then
    echo "SKIP nets between PyTorch and gradflow: no PyTorch (Debian: python3-torch)"
    exit 0
fi
variant float
# shellcheck disable=SC2086 # flags are words
if ! library float || ! $compiler $flags -O0 tests/test_safetensors.c "$lib/float.o" -o "$dir/program" -lm >"$dir/log" 2>&1; then
    echo "FAIL nets between PyTorch and gradflow: does not compile"
    head -n 12 "$dir/log"
    exit 1
fi
$python tests/torch_safetensors.py check "$dir/program"
