# setup.sh: how the shell tests begin, read with `. tests/setup.sh` in the repository's root: a scratch folder, $dir, that
# goes when the test does, and with it the process $child if there is one; compilers and library from build.sh.
. tests/build.sh
freshen
dir=$(mktemp -d) || exit 1
child=
trap '[ -z "$child" ] || kill -9 $child 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# need TITLE TOOL...: without these there is nothing to test.
need() {
    title=$1
    shift
    for tool in "$@"; do
        have "${tool%% *}" && continue
        echo "SKIP $title: no ${tool%% *}"
        exit 0
    done
}
have_stb() {
    ls third_party/stb_image_write.h /usr/include/stb/stb_image_write.h /usr/local/include/stb/stb_image_write.h \
        2>/dev/null | grep -q .
}
need_stb() {
    have_stb && return
    echo "SKIP $1: no stb_image_write.h (./data_fetch.sh stb)"
    exit 0
}
# Wait until a file holds these words or the process $child has ended. A hang is run.sh's to notice.
wait_for() { # words, file
    until grep -q "$1" "$2" 2>/dev/null || ! kill -0 "$child" 2>/dev/null; do
        sleep 0.1 2>/dev/null || sleep 1
    done
}
