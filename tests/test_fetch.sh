#!/bin/sh
# test_fetch.sh: data_fetch.sh against a local web server with bad habits (fetch_server.py), on small stand-ins.
# Nothing outside this machine is asked: GRADFLOW_MIRROR_ONLY is set, or neither curl nor wget is on the PATH.
set -u
repository=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null; fi; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
unset GRADFLOW_DATA GRADFLOW_MIRROR http_proxy HTTP_PROXY ALL_PROXY all_proxy
failures=0

pass() { echo "PASS fetch: $1"; }
fail() {
    echo "FAIL fetch: $1: $2"
    failures=$((failures + 1))
}
skip() { echo "SKIP fetch: $1: $2"; }

for tool in python3 gzip tar "curl wget" "sha256sum shasum openssl"; do
    found=
    for name in $tool; do command -v "$name" >/dev/null 2>&1 && found=yes; done
    [ -n "$found" ] || { skip "everything" "no $(echo "$tool" | sed 's/ / or /g')"; exit 0; }
done
if ! python3 -c 'import http.server' 2>/dev/null; then
    skip "everything" "no python3 with http.server"
    exit 0
fi

# ---- Checks of one test; the first that fails is its reason ------------------------------------------------------

begin() {
    test_name=$1
    why=
    box="$tmp/a folder with spaces"
    rm -rf "$box"
    mkdir -p "$box"
    cp "$repository/data_fetch.sh" "$box/"
    data=$box/data
    : >"$tmp/requests"
}
finish() { if [ -z "$why" ]; then pass "$test_name"; else fail "$test_name" "$why"; fi; }
because() { why=${why:-"$1 ($(tr '\n' '|' <"$tmp/err" | cut -c 1-300))"}; }

shell="sh"
# fetch MIRROR ARGUMENT...: run the script; status and messages are kept.
fetch() {
    GRADFLOW_MIRROR=$1
    export GRADFLOW_MIRROR
    shift
    $shell "$box/data_fetch.sh" "$@" >"$tmp/out" 2>"$tmp/err"
    status=$?
}
want_status() { [ "$status" -eq "$1" ] || because "status $status, expected $1"; }
want_error() { grep -q -- "$1" "$tmp/err" || because "no \"$1\" on stderr"; }
want_asked() { grep -q -- "$1" "$tmp/requests" || because "the server was never asked for \"$1\""; }
want_lines() { [ "$(wc -l <"$tmp/out")" -eq "$1" ] || because "$(wc -l <"$tmp/out") lines of output, expected $1"; }
want_mnist() {
    for name in $mnist; do cmp -s "$files/$name" "$data/mnist/$name" || because "$name is not what it should be"; done
}
want_cifar() {
    for name in $cifar; do
        cmp -s "$tmp/cifar/cifar-10-batches-bin/$name" "$data/cifar-10-batches-bin/$name" || because "$name is wrong"
    done
}
want_stb() { cmp -s "$files/stb_image_write.h" "$box/third_party/stb_image_write.h" || because "wrong stb"; }
# Nothing but the script itself is in its folder.
want_nothing_left() {
    left=$(cd "$box" && find . ! -name data_fetch.sh ! -name . ! -name data | tr '\n' ' ')
    [ -z "$left" ] || because "left behind: $left"
}
want_no_work_left() {
    left=$(find "$box" -name .fetch)
    [ -z "$left" ] || because "left behind: $left"
}

# ---- Stand-ins, their checksums, the server ----------------------------------------------------------------------

mnist="train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte"
cifar="data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin"
files=$tmp/files
mkdir -p "$files" "$tmp/cifar/cifar-10-batches-bin"

# noise SEED BYTES: characters that gzip cannot shrink to nothing, the same every time
noise() {
    awk -v seed="$1" -v n="$2" 'BEGIN { for (i = 0; i < n; i++) { seed = (seed * 16807) % 2147483647
        printf "%c", 33 + int(seed / 1000) % 90 } }'
}

seed=1
for name in $mnist stb_image_write.h; do
    seed=$((seed + 1))
    noise $seed 20000 >"$files/$name"
done
for name in $cifar; do
    seed=$((seed + 1))
    noise $seed 3073 >"$tmp/cifar/cifar-10-batches-bin/$name"
done
for name in $mnist; do gzip -c "$files/$name" >"$files/$name.gz"; done
mkdir -p "$files/fashion_mnist" "$files/kmnist" "$files/iris" "$files/wine"
for set in fashion_mnist kmnist; do
    for name in $mnist; do
        seed=$((seed + 1))
        noise $seed 5000 >"$tmp/$set.$name"
        gzip -c "$tmp/$set.$name" >"$files/$set/$name.gz"
    done
done
noise 71 900 >"$files/iris/iris.data"
noise 72 900 >"$files/wine/wine.data"
(cd "$tmp/cifar" && tar -cf - cifar-10-batches-bin) | gzip -c >"$files/cifar-10-binary.tar.gz"
(
    cd "$files" || exit 1
    for name in $mnist cifar-10-binary.tar.gz stb_image_write.h fashion_mnist/* kmnist/* iris/* wine/*; do
        key=$name
        case $name in *.data) key=${name#*/} ;; esac
        { sha256sum <"$name" 2>/dev/null || shasum -a 256 <"$name"; } | sed "s| .*|  $key|"
    done
    echo "3073  cifar-10-batch"
    for name in $mnist; do echo "5000  idx/$name"; done
) >"$tmp/sums"
GRADFLOW_SHA256SUMS=$tmp/sums
GRADFLOW_MIRROR_ONLY=1
GRADFLOW_STB_SYSTEM=no
export GRADFLOW_SHA256SUMS GRADFLOW_MIRROR_ONLY GRADFLOW_STB_SYSTEM

python3 "$repository/tests/fetch_server.py" "$files" "$tmp/requests" >"$tmp/port" 2>"$tmp/server_errors" &
server=$!
until [ -s "$tmp/port" ] || ! kill -0 "$server" 2>/dev/null; do # run.sh notices when it hangs
    sleep 0.1 2>/dev/null || sleep 1
done
web=http://127.0.0.1:$(cat "$tmp/port")
: >"$tmp/err"

# ---- Tests -------------------------------------------------------------------------------------------------------

begin "built-in checksums are the official ones"
cat >"$tmp/official" <<'END'
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
GRADFLOW_SHA256SUMS='' sh "$box/data_fetch.sh" --checksums >"$tmp/out"
cmp -s "$tmp/official" "$tmp/out" || because "the table differs"
finish

begin "--help and wrong arguments"
fetch "" --help
want_status 0
grep -q GRADFLOW_MIRROR "$tmp/out" || because "--help does not explain GRADFLOW_MIRROR"
fetch "" mnist cifar100
want_status 2
want_error cifar100
GRADFLOW_TIMEOUT=soon fetch "" mnist
want_status 2
want_nothing_left
finish

begin "all three from a web server"
fetch "$web/good"
want_status 0
want_mnist
want_cifar
want_stb
want_no_work_left
finish

test_name="a second run does nothing and says so in a line each" # in the same folder
: >"$tmp/requests"
find "$box" -type f -exec ls -li {} + >"$tmp/before"
fetch "$web/good" stb mnist cifar10
want_status 0
want_lines 3
find "$box" -type f -exec ls -li {} + | cmp -s - "$tmp/before" || because "files were touched"
[ -s "$tmp/requests" ] && because "the server was asked"
finish

# Are the files of the set $1 right?
want_set() {
    for name in $mnist; do cmp -s "$tmp/$1.$name" "$data/$1/$name" || because "$1/$name is not what it should be"; done
}
want_table() { cmp -s "$files/$1/$1.data" "$data/$1/$1.data" || because "$1.data is not what it should be"; }

begin "the smaller sets, on request"
fetch "$web/good" fashion_mnist kmnist iris wine
want_status 0
want_set fashion_mnist
want_set kmnist
want_table iris
want_table wine
want_no_work_left
: >"$tmp/requests"
fetch "$web/good" fashion_mnist kmnist iris wine
want_status 0
want_lines 4
[ -s "$tmp/requests" ] && because "the server was asked"
rm "$data/fashion_mnist/t10k-labels-idx1-ubyte" "$data/iris/iris.data"
fetch "$web/cut" fashion_mnist iris
want_status 0
want_set fashion_mnist
want_table iris
finish

begin "the smaller sets: wrong bytes, nothing there, put there by hand"
fetch "$web/corrupt" fashion_mnist wine
want_status 1
want_error "corrupt/fashion_mnist/train-images-idx3-ubyte.gz: wrong checksum"
want_error "corrupt/wine.data: HTTP\|corrupt/wine/wine.data: wrong checksum"
fetch "$web/missing" kmnist iris
want_status 1
want_error "By hand: .*$data/kmnist/"
want_error "By hand: .*$data/iris/"
want_no_work_left
mkdir -p "$data/kmnist"
cp "$files"/kmnist/*.gz "$data/kmnist/"
fetch "" kmnist
want_status 0
want_set kmnist
finish

begin "file:// mirror"
fetch "file://$files/"
want_status 0
want_mnist
want_cifar
want_stb
finish

begin "plain folder mirror with groups, MNIST unpacked"
mkdir -p "$tmp/grouped/mnist" "$tmp/grouped/cifar10" "$tmp/grouped/stb"
for name in $mnist; do cp "$files/$name" "$tmp/grouped/mnist/"; done
cp "$files/cifar-10-binary.tar.gz" "$tmp/grouped/cifar10/"
cp "$files/stb_image_write.h" "$tmp/grouped/stb/"
fetch "$tmp/grouped"
want_status 0
want_mnist
want_cifar
want_stb
finish

begin "GRADFLOW_DATA names the data folder"
data=$tmp/elsewhere
GRADFLOW_DATA=$data fetch "$web/good" mnist
want_status 0
want_mnist
want_nothing_left
finish

begin "404: every address tried is named, and what to do by hand"
fetch "$web/missing"
want_status 1
for name in train-images-idx3-ubyte.gz cifar-10-binary.tar.gz stb_image_write.h; do
    want_error "$web/missing/$name: .*404"
done
want_error "By hand: .*"
want_error "$data/mnist/"
want_nothing_left
finish

begin "redirect"
fetch "$web/redirect" mnist
want_status 0
want_mnist
want_asked /good/train-images-idx3-ubyte.gz
finish

begin "truncated transfer is continued"
fetch "$web/cut" mnist cifar10
want_status 0
want_mnist
want_cifar
want_asked "/cut/train-images-idx3-ubyte.gz bytes="
want_no_work_left
finish

begin "truncated transfer from a server that cannot continue"
fetch "$web/cutplain" mnist stb
want_status 1
want_error "$web/cutplain/stb_image_write.h: "
want_nothing_left
finish

begin "corrupted bytes: expected and found checksums are named"
fetch "$web/corrupt" mnist cifar10 stb
want_status 1
expected=$(sed -n 's/  stb_.*//p' "$tmp/sums")
want_error "corrupt/stb_image_write.h: wrong checksum: expected $expected, found [0-9a-f]\{64\}"
want_error "corrupt/cifar-10-binary.tar.gz: wrong checksum"
want_error "corrupt/train-images-idx3-ubyte.gz: does not unpack"
want_nothing_left
finish

begin "a web page instead of the file"
fetch "$web/junk" mnist
want_status 1
want_error "junk/train-images-idx3-ubyte.gz: does not unpack with gzip"
want_nothing_left
finish

begin "a wrong file first, the right one at the next address"
cp "$tmp/grouped/mnist/train-labels-idx1-ubyte" "$tmp/grouped/train-images-idx3-ubyte"
fetch "$tmp/grouped" mnist
want_status 0
want_mnist
finish

begin "archive whose batches have a wrong size"
mkdir -p "$tmp/odd"
cp "$files/cifar-10-binary.tar.gz" "$tmp/odd/"
sed 's/^3073 /3074 /' "$tmp/sums" >"$tmp/odd_sums"
GRADFLOW_SHA256SUMS=$tmp/odd_sums fetch "$tmp/odd" cifar10
want_status 1
want_error "six batches of 3074 bytes"
[ ! -e "$data/cifar-10-batches-bin" ] || because "batches were installed"
finish

begin "a silent server: time runs out, the host is not asked again"
started=$(date +%s)
GRADFLOW_TIMEOUT=1 fetch "$web/hang" mnist # gives up after 3 seconds
want_status 1
took=$(($(date +%s) - started))
[ "$took" -le 120 ] || because "it took $took seconds, not 3: does it wait for the server, or is the machine that busy?"
want_error "hang/train-images-idx3-ubyte.gz: "
want_error "not asked again"
want_nothing_left
finish

begin "half of an earlier download is continued"
mkdir -p "$data/.fetch"
head -c 5000 "$files/train-images-idx3-ubyte.gz" >"$data/.fetch/train-images-idx3-ubyte.gz.part"
fetch "$web/good" mnist
want_status 0
want_mnist
want_asked "/good/train-images-idx3-ubyte.gz bytes=5000-"
want_no_work_left
finish

begin "an earlier download that was whole needs no server"
mkdir -p "$data/.fetch"
cp "$files/cifar-10-binary.tar.gz" "$data/.fetch/cifar-10-binary.tar.gz.part"
fetch "$web/missing" cifar10
want_status 0
want_cifar
[ -s "$tmp/requests" ] && because "the server was asked"
want_no_work_left
finish

begin "an earlier download that was wrong is started over"
mkdir -p "$data/.fetch"
noise 99 5000 >"$data/.fetch/train-images-idx3-ubyte.gz.part"
noise 98 50000 >"$data/.fetch/train-labels-idx1-ubyte.gz.part"
fetch "$web/good" mnist
want_status 0
want_mnist
want_asked "/good/train-images-idx3-ubyte.gz whole"
want_no_work_left
finish

begin "an earlier download and a server that cannot continue"
mkdir -p "$data/.fetch"
head -c 5000 "$files/train-images-idx3-ubyte.gz" >"$data/.fetch/train-images-idx3-ubyte.gz.part"
fetch "$web/norange" mnist
want_status 0
want_mnist
finish

# kill_midway SIGNAL: begin a download that never ends and kill it when half is there
kill_midway() {
    GRADFLOW_MIRROR=$web/slow sh "$box/data_fetch.sh" mnist >"$tmp/out" 2>"$tmp/err" &
    victim=$!
    until [ -s "$data/.fetch/train-images-idx3-ubyte.gz.part.$victim" ] || ! kill -0 "$victim" 2>/dev/null; do
        sleep 0.1 2>/dev/null || sleep 1
    done
    [ -s "$data/.fetch/train-images-idx3-ubyte.gz.part.$victim" ] || because "nothing was downloaded"
    kill "-$1" "$victim"
    wait "$victim" 2>/dev/null
    status=$?
    [ ! -e "$data/mnist" ] || because "something has a final name"
}

begin "killed midway: nothing half-written, the next run continues"
kill_midway TERM
want_status 143
left=$(cd "$data/.fetch" && echo *)
[ "$left" = train-images-idx3-ubyte.gz.part ] || because "left behind: $left"
fetch "$web/good" mnist
want_status 0
want_mnist
want_asked "/good/train-images-idx3-ubyte.gz bytes="
want_no_work_left
finish

begin "killed without mercy: the next run continues"
kill_midway KILL
fetch "$web/good" mnist
want_status 0
want_mnist
want_asked "/good/train-images-idx3-ubyte.gz bytes="
want_no_work_left
finish

begin "a damaged file is replaced, and only by a good one"
fetch "$web/good" mnist
echo damage >>"$data/mnist/t10k-labels-idx1-ubyte"
cp "$data/mnist/t10k-labels-idx1-ubyte" "$tmp/damaged"
fetch "$web/corrupt" mnist
want_status 1
cmp -s "$tmp/damaged" "$data/mnist/t10k-labels-idx1-ubyte" || because "the old file is gone before there is a new one"
fetch "$web/good" mnist
want_status 0
want_mnist
finish

begin "files put there by hand, as downloaded"
mkdir -p "$data/mnist"
for name in $mnist; do cp "$files/$name.gz" "$data/mnist/"; done
cp "$files/cifar-10-binary.tar.gz" "$data/"
fetch "" mnist cifar10
want_status 0
want_mnist
want_cifar
[ -f "$data/cifar-10-binary.tar.gz" ] || because "the user's archive is gone"
finish

begin "a folder that cannot be written"
echo file >"$tmp/regular"
GRADFLOW_DATA=$tmp/regular/data fetch "$web/good" mnist cifar10
want_status 1
want_error "cannot write in folder $tmp/regular/data"
echo file >"$box/third_party"
fetch "$web/good" stb
want_status 1
want_error "cannot write in folder"
finish

# tools FOLDER NAME...: a folder of links to these commands, to serve as the whole PATH
tools() {
    tools_folder=$1
    shift
    mkdir -p "$tools_folder"
    for link in "$@"; do
        target=$(command -v "$link") && ln -s "$target" "$tools_folder/$link"
    done
}
usual="sh cat cp cut dirname grep gzip head id ls mkdir mv rm rmdir sed sleep tail tar touch tr wc"

begin "no tool for checksums"
# shellcheck disable=SC2086 # a list of names
tools "$tmp/no_hash" $usual curl wget
PATH=$tmp/no_hash fetch "$web/good" mnist
want_status 1
want_error "sha256sum, shasum or openssl"
want_nothing_left
finish

for tool in sha256sum shasum openssl; do
    if ! command -v $tool >/dev/null 2>&1; then
        skip "checksums by $tool" "no $tool here"
        continue
    fi
    begin "checksums by $tool"
    # shellcheck disable=SC2086 # a list of names
    tools "$tmp/by_$tool" $usual $tool perl
    PATH=$tmp/by_$tool fetch "$files" mnist cifar10 stb
    want_status 0
    want_mnist
    want_cifar
    want_stb
    finish
done

# downloader NAME: with a $shell that sees another downloader
downloader() {
    begin "$1: good, redirect, truncated"
    fetch "$web/good"
    want_status 0
    want_mnist
    want_cifar
    want_stb
    rm -rf "$data"
    fetch "$web/redirect" mnist
    want_status 0
    want_mnist
    rm -rf "$data"
    fetch "$web/cut" mnist
    want_status 0
    want_mnist
    want_asked "/cut/train-images-idx3-ubyte.gz bytes="
    finish
    begin "$1: 404, corrupted, cannot continue"
    fetch "$web/missing" mnist
    want_status 1
    want_error "missing/train-images-idx3-ubyte.gz: .*404"
    fetch "$web/corrupt" stb
    want_status 1
    want_error "wrong checksum"
    want_nothing_left
    mkdir -p "$data/.fetch"
    head -c 5000 "$files/train-images-idx3-ubyte.gz" >"$data/.fetch/train-images-idx3-ubyte.gz.part"
    noise 97 5000 >"$data/.fetch/train-labels-idx1-ubyte.gz.part"
    fetch "$web/norange" mnist
    want_status 0
    want_mnist
    finish
}

if command -v wget >/dev/null 2>&1; then
    # shellcheck disable=SC2086 # a list of names
    tools "$tmp/wget_only" $usual sha256sum shasum openssl perl wget
    shell="env PATH=$tmp/wget_only sh"
    downloader "wget alone"
else
    skip "wget alone" "no wget here"
fi
if command -v busybox >/dev/null 2>&1; then
    mkdir "$tmp/busybox_only"
    for tool in $(busybox --list); do ln -s "$(command -v busybox)" "$tmp/busybox_only/$tool"; done
    shell="env PATH=$tmp/busybox_only sh"
    downloader "BusyBox alone"
else
    skip "BusyBox alone" "no busybox here"
fi
for shell in dash "bash --posix"; do
    if ! command -v "${shell%% *}" >/dev/null 2>&1; then
        skip "$shell" "no ${shell%% *} here"
        continue
    fi
    begin "$shell"
    fetch "$web/cut"
    want_status 0
    want_mnist
    want_cifar
    want_stb
    finish
done
shell="sh"

begin "stb: the header that the compiler finds is enough"
mkdir -p "$tmp/include/stb"
echo '/* a header */' >"$tmp/include/stb/stb_image_write.h"
CC="cc -I$tmp/include" GRADFLOW_STB_SYSTEM=yes fetch "" stb
want_status 0
want_lines 1
want_nothing_left
finish

# A stand-in for Debian's tools: "download" leaves a package, which "dpkg-deb -x" turns into the header.
# shellcheck disable=SC2086 # a list of names
tools "$tmp/apt" $usual sha256sum shasum openssl perl
cat >"$tmp/apt/apt-get" <<'END'
#!/bin/sh
case "$*" in
    *Dir::State::Lists=*" update") ;;
    *Dir::State::Lists=*" download libstb-dev") [ -n "${FAKE_HEADER:-}" ] && echo deb >libstb-dev_1_all.deb && exit 0 ;;
esac
echo "E: Unable to locate package libstb-dev"
exit 100
END
cat >"$tmp/apt/dpkg-deb" <<'END'
#!/bin/sh
[ "$1" = -x ] && [ -f "$2" ] && mkdir -p "$3/usr/include/stb" &&
    cp "$FAKE_HEADER" "$3/usr/include/stb/stb_image_write.h"
END
chmod +x "$tmp/apt/apt-get" "$tmp/apt/dpkg-deb"

begin "stb: out of Debian's package"
GRADFLOW_MIRROR_ONLY='' FAKE_HEADER=$files/stb_image_write.h PATH=$tmp/apt fetch "" stb
want_status 0
want_stb
want_no_work_left
finish

begin "stb: a package without it, with another version of it, or no package"
GRADFLOW_MIRROR_ONLY='' FAKE_HEADER=$tmp/nothing PATH=$tmp/apt fetch "" stb
want_status 1
GRADFLOW_MIRROR_ONLY='' FAKE_HEADER=$tmp/sums PATH=$tmp/apt fetch "" stb
want_status 1
want_error "apt-get download libstb-dev: wrong checksum: expected"
GRADFLOW_MIRROR_ONLY='' PATH=$tmp/apt fetch "" stb
want_status 1
want_error "raw.githubusercontent.com/nothings/stb/.*: neither curl nor wget"
want_error "apt-get download libstb-dev: E: Unable to locate"
want_nothing_left
finish

[ "$failures" -eq 0 ]
