# setup.sh: how the shell tests begin, read with `. tests/setup.sh` in the repository's root: a scratch folder, $dir, that
# goes when the test does, and with it the process $child if there is one.
dir=$(mktemp -d) || exit 1
child=
trap '[ -z "$child" ] || kill -9 $child 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

have_stb() {
    ls third_party/stb_image_write.h /usr/include/stb/stb_image_write.h /usr/local/include/stb/stb_image_write.h \
        2>/dev/null | grep -q .
}
# Without stb_image_write.h there is nothing to test.
need_stb() {
    have_stb && return
    echo "SKIP $1: no stb_image_write.h (./data_fetch.sh stb)"
    exit 0
}
