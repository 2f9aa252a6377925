#!/bin/sh
# tests/test_bare.sh: a test that needs what this machine has not got says SKIP and names it, and does not fail. Tried with
# a PATH of POSIX tools alone, where every test must skip, and with gcc and make beside them.
# build: float asan-float
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
posix='awk basename cat chmod cmp comm cp cut date diff dirname env expr find grep head id kill ln ls mkdir mktemp mv rm rmdir
    sed sh sleep sort tail tee touch tr uname uniq wc'
mkdir "$dir/posix" "$dir/gcc"
for tool in $posix; do
    path=$(command -v "$tool") || continue
    case $path in /*) ln -s "$path" "$dir/posix/$tool" ;; esac
done
# An xargs as POSIX has it, without -0.
cat >"$dir/posix/xargs" <<END
#!/bin/sh
case " \$* " in *" -0 "*) echo "xargs: no such option: -0" >&2; exit 1 ;; esac
exec $(command -v xargs) "\$@"
END
chmod +x "$dir/posix/xargs"

# bare PATH NAME...: run.sh sees this PATH and nothing else of the environment.
bare() {
    path=$1
    shift
    env -i PATH="$path" TMPDIR="$dir" HOME="$dir" BUILD="$dir/build" GF_FRESH=1 TEST_TIMEOUT="${TEST_TIMEOUT:-1800}" \
        sh tests/run.sh "$@" >"$dir/log" 2>&1
}
# verdict TITLE TEXT...: no FAIL line, a last line that counts none, and SKIP lines with these texts.
verdict() {
    title=$1
    shift
    for text in "$@"; do
        grep -q "^SKIP .*$text" "$dir/log" && continue
        echo "FAIL $title: nothing was skipped with '$text'"
        tail -n 40 "$dir/log"
        return
    done
    if grep -q '^FAIL ' "$dir/log" || ! tail -n 1 "$dir/log" | grep -q '^[0-9]* passed, 0 failed$'; then
        echo "FAIL $title: see"
        grep '^FAIL ' "$dir/log"
        grep -v '^PASS ' "$dir/log" | tail -n 40
    else echo "PASS $title: $(tail -n 1 "$dir/log"), $(grep -c '^SKIP ' "$dir/log") skipped"; fi
}

all=$(for file in tests/test_*.c tests/test_*.sh; do basename "$file" | sed 's/^test_//; s/\..*//'; done | grep -v bare)
# shellcheck disable=SC2086 # names
bare "$dir/posix" $all
verdict "POSIX tools alone: everything is skipped" 'no cc' 'no gcc' 'no python3' 'no clang'

if ! have gcc || ! have make || ! library float; then
    echo "SKIP POSIX tools, gcc and make: not here"
    exit 0
fi
for tool in gcc as ld make; do ln -s "$(command -v $tool)" "$dir/gcc/$tool"; done
mkdir -p "$dir/build/lib"
rm -f "$dir/build/lib"/*
for file in float.o asan-float.o; do [ ! -f "$lib/$file" ] || cp "$lib/$file" "$dir/build/lib/"; done
bare "$dir/gcc:$dir/posix" errors fetch fuzz sanitizers stb_missing
verdict "POSIX tools, gcc and make: the rest is skipped" 'no python3' 'no clang' 'fuzz: no clang' 'msan: no clang'
