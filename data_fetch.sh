#!/bin/sh
# data_fetch.sh: fetches what the examples use and the repository does not carry. `./data_fetch.sh --help` says how.
# POSIX sh, curl or wget, gzip, tar; no root. Three rules hold throughout:
#   1. A file gets its final name by mv, after its SHA-256 was checked; so what has a final name is whole and right.
#   2. A download in progress is FOLDER/.fetch/NAME.part.PID. What a signal or a lost connection leaves of it becomes
#      NAME.part, which the next run continues; every other temporary file is removed on exit. A process takes a .part
#      over by renaming it to its own PID, so two runs at once do not write into one file.
#   3. Whatever was continued and turns out wrong is thrown away and fetched once more from its beginning.
set -u
unset CDPATH
LC_ALL=C # for messages of curl and wget that can be read below
export LC_ALL

here=$(cd "$(dirname "$0")" && pwd) || exit 1
data=${GRADFLOW_DATA:-$here/data}
timeout=${GRADFLOW_TIMEOUT:-10} # seconds to connect

mnist_files="train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte"
mnist_mirrors="https://ossci-datasets.s3.amazonaws.com/mnist
https://storage.googleapis.com/cvdf-datasets/mnist
https://raw.githubusercontent.com/fgnt/mnist/master"
fashion_mirrors="https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion
http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
kmnist_mirrors="http://codh.rois.ac.jp/kmnist/dataset/kmnist"
uci_mirror="https://archive.ics.uci.edu/ml/machine-learning-databases"
cifar_archive=cifar-10-binary.tar.gz
cifar_files="data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin"
cifar_mirrors="https://www.cs.toronto.edu/~kriz
https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10
https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets"
stb_file=stb_image_write.h
stb_commit=8b5f1f37b5b75829fc72d38e7b5d4bcbf8a26d55 # stb_image_write.h v1.16
stb_mirrors="https://raw.githubusercontent.com/nothings/stb/$stb_commit
https://cdn.jsdelivr.net/gh/nothings/stb@$stb_commit"

# SHA-256 of the unpacked MNIST files, of all others as they are fetched; bytes of each CIFAR-10 batch (10000 records of
# a label byte and 3 x 32 x 32 pixels) and of each file in MNIST's format.
checks() {
    if [ -n "${GRADFLOW_SHA256SUMS:-}" ]; then
        cat "$GRADFLOW_SHA256SUMS"
        return
    fi
    cat <<'END'
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  t10k-labels-idx1-ubyte
c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd  cifar-10-binary.tar.gz
30730000  cifar-10-batch
47040016  idx/train-images-idx3-ubyte
60008  idx/train-labels-idx1-ubyte
7840016  idx/t10k-images-idx3-ubyte
10008  idx/t10k-labels-idx1-ubyte
3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84  fashion_mnist/train-images-idx3-ubyte.gz
a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845  fashion_mnist/train-labels-idx1-ubyte.gz
346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073  fashion_mnist/t10k-images-idx3-ubyte.gz
67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5  fashion_mnist/t10k-labels-idx1-ubyte.gz
51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4  kmnist/train-images-idx3-ubyte.gz
e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17  kmnist/train-labels-idx1-ubyte.gz
edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5  kmnist/t10k-images-idx3-ubyte.gz
20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c  kmnist/t10k-labels-idx1-ubyte.gz
6f608b71a7317216319b4d27b4d9bc84e6abd734eda7872b71a458569e2656c0  iris.data
6be6b1203f3d51df0b553a70e57b8a723cd405683958204f96d23d7cd6aea659  wine.data
cbd5f0ad7a9cf4468affb36354a1d2338034f2c12473cf1a8e32053cb6914a05  stb_image_write.h
END
}

usage() {
    cat <<'END'
use: ./data_fetch.sh [stb] [mnist] [cifar10] [fashion_mnist] [kmnist] [iris] [wine]      (no name: the first three)

  stb      stb_image_write.h v1.16, which writes the PNGs   third_party/stb_image_write.h, unless the system has it
  mnist    the four MNIST files, 11 MB                      DATA/mnist/
  cifar10  CIFAR-10, binary version, 162 MB                 DATA/cifar-10-batches-bin/
  fashion_mnist, kmnist   clothes, Japanese letters, in MNIST's format, 30 and 20 MB    DATA/fashion_mnist/, DATA/kmnist/
  iris, wine              tables of UCI for gf_data_csv (the class stands last, first)  DATA/iris/iris.data, DATA/wine/wine.data

Everything is checked by SHA-256. What is there already is left alone; an interrupted download is continued.
Exit status: 0 all there, 1 something could not be had, 2 wrong use.

Environment:
  GRADFLOW_DATA=DIR        the folder DATA; default data/ beside this script
  GRADFLOW_MIRROR=URL      tried first: http://, https://, file:// or a folder that holds the files under their own
                           names (train-images-idx3-ubyte.gz or unpacked, cifar-10-binary.tar.gz, stb_image_write.h),
                           directly or in mnist/, cifar10/, stb/; those of the other sets in fashion_mnist/ and so on
  GRADFLOW_MIRROR_ONLY=1   nothing but GRADFLOW_MIRROR is tried
  GRADFLOW_TIMEOUT=10      seconds to wait for a connection; a transfer may stall three times as long
  GRADFLOW_STB_SYSTEM=no   do not look for the system's <stb/stb_image_write.h>
  GRADFLOW_SHA256SUMS=FILE for the tests: other checksums ("--checksums" prints those in force)
END
}

newline='
'
say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# The check of $1 from the table.
check_of() {
    checks | while read -r check_value check_name; do
        [ "$check_name" = "$1" ] && say "$check_value"
    done
}

hash_tool=
for tool in sha256sum shasum openssl; do
    have "$tool" && hash_tool=$tool && break
done

sha256_of() {
    case $hash_tool in
        sha256sum) sha256sum <"$1" ;;
        shasum) shasum -a 256 <"$1" ;;
        openssl) openssl dgst -sha256 -r <"$1" ;;
    esac | cut -d ' ' -f 1
}

is_right() { [ -f "$1" ] && [ "$(sha256_of "$1")" = "$2" ]; }

size_of() {
    if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi
}

# ---- Work folder and clean-up ------------------------------------------------------------------------------------

work=    # FOLDER/.fetch while something is fetched into FOLDER
child=   # process id of the running command
watcher= # process id of the loop that watches it

# Make folder $1 and its work folder; take back the downloads of processes that were killed.
open_work() {
    work=$1/.fetch
    if ! mkdir -p "$work" 2>/dev/null || ! : 2>/dev/null >"$work/log.$$"; then
        complain "data_fetch.sh: cannot write in folder $1"
        work=
        return 1
    fi
    for left in "$work"/*.[0-9]*; do
        kill -0 "${left##*.}" 2>/dev/null && continue
        case $left in
            *.part.*) mv -f "$left" "${left%.*}" ;;
            *) rm -rf "$left" ;;
        esac
    done
}

close_work() {
    [ -n "$work" ] || return 0
    for left in "$work"/*.part."$$"; do
        [ -s "$left" ] && mv -f "$left" "${left%.*}"
    done
    rm -rf "$work"/*."$$"
    rmdir "$work" "${work%/*}" 2>/dev/null # if empty
    work=
}

interrupted() {
    trap '' HUP INT TERM
    stop_watcher
    [ -n "$child" ] && kill -9 "$child" 2>/dev/null && wait "$child" 2>/dev/null
    complain "data_fetch.sh: interrupted; run it again to continue"
    exit "$1" # runs close_work
}
trap close_work EXIT
trap 'interrupted 129' HUP
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

# Watch file $1 while process $2 downloads it: end the process when nothing comes any more (BusyBox has no better
# way: its wget -T crashes in Debian 12) or when this script was killed; count on a terminal.
watch() {
    last=0
    idle=0
    while sleep 1; do
        now=$(size_of "$1")
        idle=$((idle + 1))
        [ "$now" = "$last" ] || idle=0
        last=$now
        [ -t 2 ] && [ "$now" -gt 1048576 ] && printf '\r%s MB ' $((now / 1048576)) >&2
        if [ "$idle" -ge "$stall" ] || ! kill -0 $$; then
            kill -9 "$2"
            return
        fi
    done
}

# Run a command in the background, so that a signal is acted upon at once; its output goes to the log. With $1 not
# empty this is a download into file $1.
run() {
    growing=$1
    shift
    "$@" >>"$work/log.$$" 2>&1 &
    child=$!
    if [ -n "$growing" ] && [ -t 2 ]; then
        watch "$growing" "$child" >/dev/null &
        watcher=$!
    elif [ -n "$growing" ]; then
        watch "$growing" "$child" >/dev/null 2>&1 &
        watcher=$!
    fi
    wait "$child" 2>/dev/null
    run_status=$?
    child=
    stop_watcher
    return $run_status
}

stop_watcher() {
    [ -n "$watcher" ] || return 0
    kill -9 "$watcher" 2>/dev/null # a new subshell may miss any other signal
    wait "$watcher" 2>/dev/null
    watcher=
    [ -t 2 ] && printf '\r          \r' >&2
    return 0
}

# ---- One file from several mirrors -------------------------------------------------------------------------------

tried=  # a line for every mirror tried, with the reason why it did not serve
silent= # hosts that did not answer; they are not asked again

tried_add() { tried="$tried  $1: $2$newline"; }

# Continue (or begin) file $2 with what URL or path $1 holds. On failure `reason` says why.
transfer() {
    : >"$work/log.$$"
    case $1 in
        http://* | https://*) ;;
        *)
            reason="no such file"
            [ -f "$1" ] || return 1
            run "" cp "$1" "$2" && return 0
            rm -f "$2"
            reason=$(tail -n 1 "$work/log.$$")
            return 1
            ;;
    esac
    if have curl; then
        continued=
        [ -s "$2" ] && continued="-C -"
        # shellcheck disable=SC2086 # two arguments or none
        run "$2" curl -sS -f -L --max-redirs 5 --connect-timeout "$timeout" $continued -o "$2" "$1"
    elif have wget && wget --version 2>/dev/null | grep -q GNU; then
        run "$2" wget -nv -t 1 --no-http-keep-alive --dns-timeout="$timeout" --connect-timeout="$timeout" \
            -c -O "$2" "$1"
    elif have wget; then # BusyBox
        run "$2" wget -q -c -O "$2" "$1"
    else
        reason="neither curl nor wget is installed"
        return 1
    fi
    transfer_status=$?
    [ $transfer_status -eq 0 ] && return 0
    reason="timed out: nothing came for $stall seconds"
    [ $transfer_status -eq 137 ] && return 1 # ended by watch
    reason=$(grep -v '^$' "$work/log.$$" | tail -n 1 |
        sed 's/^curl: ([0-9]*) //; s/^wget: //; s/^[-0-9]* [:0-9]* ERROR/HTTP error:/')
    reason=${reason:-"download failed with status $transfer_status"}
    return 1
}

# Does file $1 have the checksum $2, as it is or (where $3 is named) unpacked by gzip into $3? `good` is then the
# right file. A file named .gz may well arrive unpacked: some servers and browsers do that.
accept() {
    good=$1
    found=$(sha256_of "$1")
    [ "$found" = "$2" ] && return 0
    reason="wrong checksum: expected $2, found $found"
    [ -n "$3" ] || return 1
    if gzip -dc <"$1" >"$3" 2>/dev/null; then
        good=$3
        found=$(sha256_of "$3")
        reason="wrong checksum: expected $2, found $found"
        [ "$found" = "$2" ]
    else
        reason="does not unpack with gzip, and is not the unpacked file: expected $2, found $found"
        return 1
    fi
}

# Fetch URL $1 into $part and check it against $2, unpacking into $3. Continues as long as that brings more bytes;
# starts over once if the server does not continue or what was continued is wrong.
fetch_from() {
    attempts=0
    restarts=0
    while [ $attempts -lt 20 ] && [ $restarts -le 1 ]; do
        attempts=$((attempts + 1))
        before=$(size_of "$part")
        if transfer "$1" "$part"; then
            accept "$part" "$2" "$3" && return 0
        else
            [ "$(size_of "$part")" -gt "$before" ] && continue
            case $reason in
                *[Rr]ange* | *error:\ 416* | *resume*) ;;
                *) return 1 ;;
            esac
        fi
        rm -f "$part"
        [ "$before" -gt 0 ] || return 1
        restarts=$((restarts + 1))
    done
    return 1
}

# Fetch file $1 with checksum $2 from the first of the URLs (the other arguments, one a line each) that has it right.
# On success `good` is the checked file, still in the work folder, and `source` where it came from.
obtain() {
    name=$1
    want=$2
    shift 2
    tried=
    old_ifs=$IFS
    IFS=$newline
    # shellcheck disable=SC2048,SC2086 # one URL a line, split here
    set -- $*
    IFS=$old_ifs
    for url in "$@"; do
        part=$work/${url##*/}.part.$$
        [ -f "${part%.*}" ] && mv -f "${part%.*}" "$part"
        plain=
        case $url in "${url%/*}/$name.gz") plain=$work/$name.plain.$$ ;; esac
        source="an earlier download"
        [ -s "$part" ] && accept "$part" "$want" "$plain" && return 0
        source=$url
        host=${url#*://}
        host=${host%%/*}
        case " $silent " in
            *" ${host:-(a folder)} "*)
                tried_add "$url" "not asked again, $host did not answer before"
                continue
                ;;
        esac
        fetch_from "$url" "$want" "$plain" && return 0
        tried_add "$url" "$reason"
        [ -s "$part" ] && continue
        case $reason in
            *[Tt]imed\ out* | *[Tt]imeout* | *resolve* | *refused* | *nreachable* | *bad\ address*)
                silent="$silent $host"
                ;;
        esac
    done
    return 1
}

# Give the checked file its final name $1 and drop what else was downloaded of it. It gets the time of now, for make.
install_good() {
    if ! mkdir -p "${1%/*}" || ! touch "$good" || ! mv -f "$good" "$1"; then
        complain "data_fetch.sh: cannot write $1"
        return 1
    fi
    for left in "$work/$name" "$work/$name.gz"; do
        rm -f "$left.part" "$left.part.$$"
    done
}

# URLs of file $2 under the user's own mirror, of group $1.
own_mirror() {
    mirror=${GRADFLOW_MIRROR:-}
    [ -n "$mirror" ] || return 0
    case $mirror in
        file://localhost/*) mirror=${mirror#file://localhost} ;;
        file://*) mirror=${mirror#file://} ;;
    esac
    mirror=${mirror%/}
    say "$mirror/$2"
    say "$mirror/$1/$2"
}

# URLs of file $1 under the mirrors $2.
public_mirrors() {
    [ -z "${GRADFLOW_MIRROR_ONLY:-}" ] || return 0
    say "$2" | while read -r mirror; do say "$mirror/$1"; done
}

# Say that $2 of $1 could not be had; the other arguments are lines on what to do by hand.
give_up() {
    complain "data_fetch.sh: $1: could not get $2. Tried:"
    printf '%s' "${tried:-  nothing: GRADFLOW_MIRROR_ONLY is set and GRADFLOW_MIRROR is not$newline}" >&2
    shift 2
    for line in "$@"; do complain "  $line"; done
}

# ---- The things to fetch -----------------------------------------------------------------------------------

mnist_missing() {
    for name in $mnist_files; do
        is_right "$data/mnist/$name" "$(check_of "$name")" || printf '%s ' "$name"
    done
}

fetch_mnist() {
    missing=$(mnist_missing)
    if [ -z "$missing" ]; then
        say "mnist: already in $data/mnist, checksums right; nothing to do"
        return 0
    fi
    open_work "$data" || return 1
    for file in $missing; do
        final=$data/mnist/$file
        [ -f "$final" ] && say "mnist: $file is there with a wrong checksum; fetching it anew"
        by_hand=
        [ -f "$final.gz" ] && by_hand=$final.gz
        if ! obtain "$file" "$(check_of "$file")" "$by_hand" "$(own_mirror mnist "$file.gz")" \
            "$(own_mirror mnist "$file")" "$(public_mirrors "$file.gz" "$mnist_mirrors")"; then
            give_up mnist "$file" "By hand: put these, each with .gz from one of the addresses above or unpacked," \
                "into $data/mnist/ and run $0 mnist again:" "$(mnist_missing)"
            return 1
        fi
        install_good "$final" || return 1
        say "mnist: $file from $source, SHA-256 right"
    done
    close_work
}

# Set $1 in MNIST's format, from mirrors $2: its checksums are those of the packed files.
fetch_packed() {
    set_name=$1
    set_mirrors=$2
    fetched=
    for file in $mnist_files; do
        final=$data/$set_name/$file
        [ "$(size_of "$final")" = "$(check_of "idx/$file")" ] && continue
        open_work "$data/$set_name" || return 1
        by_hand=
        [ -f "$final.gz" ] && by_hand=$final.gz
        own=
        [ -n "${GRADFLOW_MIRROR:-}" ] && own=$(own_mirror "$set_name" "$file.gz" | tail -n 1)
        if ! obtain "$file.gz" "$(check_of "$set_name/$file.gz")" "$by_hand" "$own" \
            "$(public_mirrors "$file.gz" "$set_mirrors")"; then
            give_up "$set_name" "$file.gz" "By hand: put it from one of the addresses above into $data/$set_name/" \
                "and run $0 $set_name again."
            return 1
        fi
        gzip -dc <"$good" >"$work/plain.$$"
        good=$work/plain.$$
        if [ "$(size_of "$good")" != "$(check_of "idx/$file")" ]; then
            complain "data_fetch.sh: $set_name: $file unpacks to $(size_of "$good") bytes, not $(check_of "idx/$file")"
            return 1
        fi
        install_good "$final" || return 1
        fetched=yes
        say "$set_name: $file from $source, SHA-256 right"
        close_work
    done
    [ -n "$fetched" ] || say "$set_name: already in $data/$set_name, sizes right; nothing to do"
}
fetch_fashion_mnist() { fetch_packed fashion_mnist "$fashion_mirrors"; }
fetch_kmnist() { fetch_packed kmnist "$kmnist_mirrors"; }

# The table $1.data of UCI.
fetch_table() {
    final=$data/$1/$1.data
    if is_right "$final" "$(check_of "$1.data")"; then
        say "$1: already in $data/$1, checksum right; nothing to do"
        return 0
    fi
    open_work "$data/$1" || return 1
    if ! obtain "$1.data" "$(check_of "$1.data")" "$(own_mirror "$1" "$1.data")" \
        "$(public_mirrors "$1.data" "$uci_mirror/$1")"; then
        give_up "$1" "$1.data" "By hand: put it from one of the addresses above into $data/$1/."
        return 1
    fi
    install_good "$final" || return 1
    say "$1: $1.data from $source, SHA-256 right"
    close_work
}
fetch_iris() { fetch_table iris; }
fetch_wine() { fetch_table wine; }

# Is every CIFAR-10 batch in folder $1, with its right size?
cifar_is_whole() {
    for file in $cifar_files; do
        [ "$(size_of "$1/$file")" = "$(check_of cifar-10-batch)" ] || return 1
    done
}

cifar_unpack() {
    reason= # that of tar, in the log
    : >"$work/log.$$"
    mkdir -p "$work/unpacked.$$" && run "" tar -xzf "$good" -C "$work/unpacked.$$" || return 1
    reason="the archive does not hold six batches of $(check_of cifar-10-batch) bytes"
    cifar_is_whole "$work/unpacked.$$/cifar-10-batches-bin" || return 1
    reason=
    mkdir -p "$data/cifar-10-batches-bin" || return 1
    for file in $cifar_files; do
        mv -f "$work/unpacked.$$/cifar-10-batches-bin/$file" "$data/cifar-10-batches-bin/$file" || return 1
    done
}

fetch_cifar10() {
    if cifar_is_whole "$data/cifar-10-batches-bin"; then
        say "cifar10: already in $data/cifar-10-batches-bin, sizes right; nothing to do"
        return 0
    fi
    open_work "$data" || return 1
    by_hand=
    [ -f "$data/$cifar_archive" ] && by_hand=$data/$cifar_archive
    say "cifar10: fetching $cifar_archive (162 MB)"
    if ! obtain $cifar_archive "$(check_of $cifar_archive)" "$by_hand" "$(own_mirror cifar10 $cifar_archive)" \
        "$(public_mirrors $cifar_archive "$cifar_mirrors")"; then
        give_up cifar10 $cifar_archive "By hand: put $cifar_archive from one of the addresses above" \
            "into $data/ and run $0 cifar10 again."
        return 1
    fi
    if ! cifar_unpack; then
        complain "data_fetch.sh: cifar10: cannot unpack $cifar_archive: ${reason:-$(tail -n 1 "$work/log.$$")}"
        return 1
    fi
    rm -f "$work/$cifar_archive.part" "$work/$cifar_archive.part.$$"
    say "cifar10: $cifar_archive from $source, SHA-256 right; six batches in $data/cifar-10-batches-bin"
    close_work
}

# Can the compiler (or, without one, the eye) find the system's header?
stb_in_system() {
    [ "${GRADFLOW_STB_SYSTEM:-}" != no ] || return 1
    stb_cc=${CC:-cc}
    if have "${stb_cc%% *}"; then
        # shellcheck disable=SC2086 # CC may hold options
        say '#include <stb/stb_image_write.h>' | $stb_cc -E -x c - >/dev/null 2>&1
    else
        [ -f /usr/include/stb/stb_image_write.h ]
    fi
}

# stb_image_write.h out of Debian's package libstb-dev, with package lists of our own because those of the system
# may be empty and belong to root. On success `good` is the checked header.
stb_from_apt() {
    apt_dir=$work/apt.$$
    source="Debian's libstb-dev"
    reason="not a Debian system"
    have apt-get && have dpkg-deb || return 1
    mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial" || return 1
    set -- -q -y -o Dir::State::Lists="$apt_dir/lists" -o Dir::Cache="$apt_dir/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=0 \
        -o Acquire::http::Timeout="$timeout" -o Acquire::https::Timeout="$timeout"
    : >"$work/log.$$"
    run "" apt-get "$@" update # one broken source of many is no reason to stop: the download tells
    # shellcheck disable=SC2016 # expanded by the inner shell
    if ! run "" sh -c 'cd "$0" && exec "$@"' "$apt_dir" apt-get "$@" download libstb-dev ||
        ! run "" dpkg-deb -x "$apt_dir"/libstb-dev_*.deb "$apt_dir/root"; then
        reason=$(grep '^[EW]:' "$work/log.$$" | head -n 1)
        reason=${reason:-$(tail -n 1 "$work/log.$$")}
        return 1
    fi
    reason="no $stb_file in the package"
    good=$apt_dir/root/usr/include/stb/$stb_file
    [ -f "$good" ] && accept "$good" "$(check_of $stb_file)" ""
}

fetch_stb() {
    final=$here/third_party/$stb_file
    if stb_in_system; then
        say "stb: the system has <stb/$stb_file>; nothing to do"
        return 0
    fi
    if is_right "$final" "$(check_of $stb_file)"; then
        say "stb: already in $final, checksum right; nothing to do"
        return 0
    fi
    open_work "$here/third_party" || return 1
    [ -f "$final" ] && say "stb: $final has a wrong checksum; fetching it anew"
    if ! obtain $stb_file "$(check_of $stb_file)" "$(own_mirror stb $stb_file)" \
        "$(public_mirrors $stb_file "$stb_mirrors")"; then
        if [ -n "${GRADFLOW_MIRROR_ONLY:-}" ] || ! stb_from_apt; then
            [ -n "${GRADFLOW_MIRROR_ONLY:-}" ] || tried_add "apt-get download libstb-dev" "$reason"
            give_up stb $stb_file "By hand: install the package libstb-dev, or save $stb_file v1.16 of" \
                "https://github.com/nothings/stb as $final."
            return 1
        fi
    fi
    install_good "$final" || return 1
    say "stb: $stb_file from $source, SHA-256 right, in $here/third_party"
    close_work
}

# ---- Command line ------------------------------------------------------------------------------------------------

for argument in "$@"; do
    case $argument in
        stb | mnist | cifar10 | fashion_mnist | kmnist | iris | wine) ;;
        -h | --help)
            usage
            exit 0
            ;;
        --checksums)
            checks
            exit 0
            ;;
        *)
            complain "data_fetch.sh: unknown argument '$argument'; it takes stb, mnist, cifar10, fashion_mnist, kmnist, iris, wine or --help"
            exit 2
            ;;
    esac
done
case $timeout in
    '' | *[!0-9]* | 0)
        complain "data_fetch.sh: GRADFLOW_TIMEOUT must be a whole number of seconds above 0, not '$timeout'"
        exit 2
        ;;
esac
stall=$((timeout * 3))
if [ -z "$hash_tool" ]; then
    complain "data_fetch.sh: needs sha256sum, shasum or openssl to check what it fetches, and finds none of them"
    exit 1
fi
[ $# -gt 0 ] || set -- stb mnist cifar10
failures=0
for argument in "$@"; do
    "fetch_$argument" || failures=$((failures + 1))
    close_work
done
[ "$failures" -eq 0 ]
