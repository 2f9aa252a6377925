#!/bin/sh
# doctor.sh: how often is the doctor right? Every row of doctor/rows.h, faulty program and repaired twin, with SEEDS (20)
# seeds by JOBS (2) processes; about half a minute of one core a seed. Files go to OUT (examples/results/doctor).
# Environment: CC, BUILD, GRADFLOW_DATA (data; drawn pictures where MNIST or CIFAR-10 are not there), IDS: rows, by the
# first letters of their names.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
seeds=${SEEDS:-20} jobs=${JOBS:-2} out=${OUT:-examples/results/doctor}
export GRADFLOW_DATA="${GRADFLOW_DATA:-data}"
mkdir -p "$build" "$out"
for set in mnist/train-images-idx3-ubyte cifar-10-batches-bin/data_batch_1.bin; do
    [ -f "$GRADFLOW_DATA/$set" ] || echo "no $GRADFLOW_DATA/$set: drawn pictures stand in"
done
${CC:-cc} -O2 -x c -DGRADFLOW_IMPLEMENTATION -c gradflow.h -o "$build/doctor_table.o"
${CC:-cc} -O1 tests/doctor.c "$build/doctor_table.o" -o "$build/doctor_table" -lm
part=0 files= running=
while [ $part -lt "$jobs" ]; do
    # shellcheck disable=SC2086 # IDS are words
    "$build/doctor_table" run "$seeds" $part "$jobs" "$build/doctor.$part.csv" ${IDS:-} &
    running="$running $!" files="$files $build/doctor.$part.csv" part=$((part + 1))
done
for process in $running; do wait "$process"; done
# shellcheck disable=SC2086 # files are words
"$build/doctor_table" report "$seeds" "$out" $files
echo "$out/README.md"
