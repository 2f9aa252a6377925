#!/bin/sh
# build: examples
# tests/test_examples.sh: every example in --quick mode on synthetic data: the charts it promises are pictures, its CSV
# files have their columns and sane numbers, wrong options are refused, Ctrl-C leaves whole files. An example that has no
# line in `promises` below must still run and write at least one chart. Environment: EXAMPLES, which ("mnist_mlp xor_mlp").
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
need examples "$CC" make
need_stb examples
library examples
bin=$root/examples
GRADFLOW_DATA=$dir/none
export GRADFLOW_DATA

pass() { echo "PASS $1"; }
fail() { # name, reason, file with details
    echo "FAIL $1: $2"
    [ ! -s "${3:-}" ] || tail -n 20 "$3" | sed 's/^/    /'
}

python=
for candidate in python3 python; do
    if [ -z "$python" ] && $candidate -c 'import csv, glob, struct, sys, zlib; sys.exit(sys.version_info < (3,))' 2>/dev/null; then python=$candidate; fi
done
[ -n "$python" ] || echo "SKIP examples: charts and CSV files are not looked into: no python3 with zlib"

# Charts and CSV files (name:columns) of each example's --quick run.
epochs=activation,init,seed,epoch,train_loss,train_acc,test_loss,test_acc,grad_norm,seconds
layers=activation,init,seed,epoch,layer,name,dw.l2,dw.rms
grads=activation,init,seed,epoch,layer,name,mean_abs,l2
findings=activation,init,seed,epoch,rank,finding,layer,sure,measured,limit,first,last,cause,sentence
promises() {
    case $1 in
        activation_curves)
            echo "activations.png derivatives.png"
            for name in identity sigmoid tanh relu leaky_relu elu selu celu softplus softsign arctan gelu gelu_tanh silu mish telu \
                hard_sigmoid hard_tanh hard_swish relu6 prelu; do echo "activation_$name.png"; done
            echo "properties.csv:activation,lower,upper,smooth,monotone,zero_centred,saturates_left,saturates_right" ;;
        mnist_mlp)
            echo "practical.png loss.png accuracy.png grad_norm.png confusion.png"
            echo "epochs.csv:$epochs layers.csv:$layers steps.csv:activation,init,seed,epoch,step,loss,grad_norm findings.csv:$findings" ;;
        doctor) echo "doctor.png cures.png" ;;
        my_study) echo "my_study.png findings.csv:$findings epochs.csv:$epochs layers.csv:$layers steps.csv:activation,init,seed,epoch,step,loss,grad_norm" ;;
        signal_propagation)
            echo "factors.png gain.png dead.png phase.png factors.csv:activation,init,layer,q_theory,q,delta_theory,delta,factor_theory,factor"
            echo "dead.csv:width,depth,one_input,formula,line,line_low,line_high trainability.csv:activation,weight_variance,bias_variance,depth" ;;
        landscape)
            echo "descent.png sharpness.png plateau.png smoothness.png surface.png"
            echo "descent.csv:activation,seed,step,loss,grad_square,lambda,fall,promised"
            echo "sharpness.csv:activation,loss_kind,rate,seed,step,loss,lambda plateau.csv:place,seed,loss,grad_norm,rank,eigenvalue"
            echo "smoothness.csv:net,seed,step,loss_low,loss_high,gradient_low,gradient_high,beta"
            echo "surface.csv:net,seed,loss,lowest,highest,share_within_one" ;;
        rescue) echo "rescue.png cells.csv:structure,activation,init,optim,seed,test_acc,diverged,rms_dw_first,delta_ratio" ;;
        mnist_deep) echo "findings.csv:$findings loss.png grad_norm.png grad_by_layer.png epochs.csv:$epochs layers.csv:$layers" ;;
        xor_mlp) echo "runs.csv summary.csv final.csv" ;;
        cifar_cnn)
            echo "loss_acc_comparison.png grad_norms_per_layer.png activation_gradmaps_conv1.png conv1_filters.png grad_by_layer.png"
            echo "gradmaps.csv:activation,y,x,dz,dh grads.csv:$grads findings.csv:$findings"
            echo "epochs.csv:$epochs layers.csv:$layers steps.csv:activation,init,seed,epoch,step,loss,grad_norm" ;;
        cifar_activations)
            echo "loss.png accuracy.png gradient_flow.png grad_by_layer.png grad_heatmap.png dataset.png grads.csv:$grads findings.csv:$findings"
            for name in relu sigmoid tanh leaky_relu swish; do
                echo "${name}_loss_curve.png ${name}_accuracy.png ${name}_gradient_flow.png"
            done
            echo "epochs.csv:$epochs layers.csv:$layers steps.csv:activation,init,seed,epoch,step,loss,grad_norm" ;;
    esac
}

cat >"$dir/look.py" <<'END'
# look.py FOLDER PROMISE...: prints what is wrong with the PNG and CSV files of a run.
import csv, glob, math, os, struct, sys, zlib

def png(path):
    data = open(path, "rb").read()
    if data[:8] != b"\x89PNG\r\n\x1a\n": return "is not a PNG"
    at, pixels, kinds, size = 8, b"", [], None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if zlib.crc32(kind + body) != struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0]: return "has a bad checksum"
        if kind == b"IHDR": size = struct.unpack(">IIBB", body[:10])
        if kind == b"IDAT": pixels += body
        kinds.append(kind)
        at += 12 + length
    if kinds[-1] != b"IEND": return "is cut short"
    width, height, depth, colour = size
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    raw = zlib.decompress(pixels)
    if depth != 8 or len(raw) != height * (1 + width * channels): return "has the wrong amount of pixels"
    if width < 300 or height < 200: return "is only %d x %d" % (width, height)
    if len(set(raw)) < 8: return "is blank"

# Instruments that have no value for a layer without activation behind it, or before the first measured step.
may_be_nan = ("z_", "q", "h_", "dphi_", "limit_share", "flat_share", "dead_share", "update_ratio", "adam_starved", "noise_", "decay")

def table(path, columns):
    rows = list(csv.reader(open(path, newline="")))
    if len(rows) < 2: return "has no rows"
    if columns and rows[0][:len(columns)] != columns: return "has columns %s" % ",".join(rows[0])
    if os.path.basename(path) == "epochs.csv" and rows[0] != columns: return "has more columns: %s" % ",".join(rows[0])
    layers = "layer" in rows[0] and max(r[rows[0].index("layer")] for r in rows[1:])
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(rows[0]): return "line %d has %d fields, the header %d" % (number, len(row), len(rows[0]))
        for name, text in zip(rows[0], row):
            try: value = float(text)
            except ValueError:
                if text == "": return "line %d: %s is empty" % (number, name)
                continue
            nan_allowed = math.isnan(value) and (layers and name.startswith(may_be_nan) or name.startswith("epoch_of_"))  # never reached
            inf_allowed = name in ("lower", "upper", "noise_scale", "bend")
            if not math.isfinite(value) and not nan_allowed and not inf_allowed: return "line %d: %s is %s" % (number, name, text)
            if name.endswith("_acc") and not 0 <= value <= 100: return "line %d: %s is %s" % (number, name, text)

folder, promises = sys.argv[1], dict(p.partition(":")[::2] for p in sys.argv[2:])
for name in promises:
    if not os.path.exists(os.path.join(folder, name)): print(name, "was not written")
for path in sorted(glob.glob(folder + "/*")):
    name = os.path.basename(path)
    complaint = None
    try:
        if name.endswith(".png"): complaint = png(path)
        elif name.endswith(".csv"): complaint = table(path, [c for c in promises.get(name, "").split(",") if c])
        elif name.endswith(".tmp"): complaint = "was left behind"
    except Exception as e: complaint = "cannot be read: %r" % e
    if complaint: print(name, complaint)
if not glob.glob(folder + "/*.png"): print("no charts at all")
END

# refused NAME TEXT OPTION...: status 2, one line on standard error that says TEXT, nothing written.
refused() {
    example=$1 text=$2
    shift 2
    title="$example refuses $*"
    "$bin/$example" --out "$dir/refused" "$@" >"$dir/log" 2>"$dir/err"
    status=$?
    if [ $status -ne 2 ]; then fail "$title" "status $status" "$dir/err"
    elif [ "$(wc -l <"$dir/err")" -ne 1 ] || ! grep -q -- "$text" "$dir/err"; then fail "$title" "said" "$dir/err"
    elif [ -d "$dir/refused" ]; then fail "$title" "made its folder all the same"
    else pass "$title"; fi
}

# Ctrl-C in mid-run: soon over, status 130, files whole.
interrupted() {
    title="$1 ends well on Ctrl-C"
    "$bin/$1" --out "$dir/stopped" --epochs 1000 >"$dir/log" 2>&1 &
    child=$!
    wait_for 'epoch  *1[/ ]' "$dir/log"
    if ! kill -INT $child; then
        fail "$title" "had ended before" "$dir/log"
        return
    fi
    wait $child
    status=$?
    child=
    if [ $status -ne 130 ]; then
        fail "$title" "status $status" "$dir/log"
    elif ! grep -q interrupted "$dir/log"; then
        fail "$title" "does not say so" "$dir/log"
    elif [ -n "$python" ] && [ -n "$($python "$dir/look.py" "$dir/stopped" epochs.csv:$epochs | tee "$dir/log")" ]; then
        fail "$title" "files" "$dir/log"
    else
        pass "$title"
    fi
}

# What the --quick runs below are made with: two epochs show the long ones, too.
options_of() {
    case $1 in cifar_*) echo --quick --epochs 2 ;; *) echo --quick ;; esac
}

# Killed twice, once in either half, and resumed: every file as after the unbroken run before, but for the seconds.
resumed() {
    title="$1 killed and resumed equals an unbroken run"
    whole="$dir/out $1"
    for last_words in 'epoch  1 ' '^relu .*epoch  1 ' end; do
        # shellcheck disable=SC2046 # options are words
        "$bin/$1" $(options_of "$1") --resume --out "$dir/parts" >"$dir/log" 2>&1 &
        child=$!
        if [ "$last_words" != end ]; then
            wait_for "$last_words" "$dir/log"
            kill -9 $child 2>/dev/null
        fi
        wait $child 2>/dev/null
        child=
    done
    rm -f "$dir/wrong"
    for file in "$whole"/*; do
        name=$(basename "$file")
        case $name in
            epochs.csv)
                cut -d, -f1-9 "$file" >"$dir/whole.cut"
                cut -d, -f1-9 "$dir/parts/$name" >"$dir/parts.cut"
                cmp "$dir/whole.cut" "$dir/parts.cut" >>"$dir/wrong" 2>&1 ;;
            table.md | findings.csv | report.html) ;;  # the doctor forgets what it saw before the kill
            *) cmp "$file" "$dir/parts/$name" >>"$dir/wrong" 2>&1 ;;
        esac
    done
    if [ ! -s "$whole/epochs.csv" ]; then fail "$title" "the unbroken run failed" "$dir/log"
    elif [ -s "$dir/wrong" ]; then fail "$title" "differs" "$dir/wrong"
    else pass "$title"; fi
    # shellcheck disable=SC2046
    if "$bin/$1" $(options_of "$1") --resume --lr 0.1 --out "$dir/parts" >"$dir/log" 2>&1; then
        fail "$1 --resume with other options" "was not refused"
    elif grep -q 'is of another run' "$dir/log"; then pass "$1 --resume with other options"
    else fail "$1 --resume with other options" "said" "$dir/log"; fi
}

for name in ${EXAMPLES:-$(for source in examples/*.c; do basename "$source" .c; done)}; do
    case $name in first | by_hand | from_pytorch | playground) continue ;; esac  # no options, no charts: test_readme.sh, test_by_hand.c, test_torch.sh, test_pages.sh
    if [ ! -x "$bin/$name" ]; then
        fail "$name" "does not compile" "$lib/examples.log"
        continue
    fi
    "$bin/$name" --help >"$dir/log" 2>&1
    if [ $? -eq 0 ] && grep -q -- '--out' "$dir/log" && [ "$(wc -l <"$dir/log")" -lt 50 ]; then pass "$name --help"
    else fail "$name --help" "see" "$dir/log"; fi

    # shellcheck disable=SC2046
    "$bin/$name" $(options_of "$name") --out "$dir/out $name" >"$dir/log" 2>&1
    status=$?
    if [ $status -ne 0 ]; then
        fail "$name --quick" "status $status" "$dir/log"
        continue
    else pass "$name --quick"; fi
    if [ -n "$python" ]; then
        # shellcheck disable=SC2046 # promises are words
        $python "$dir/look.py" "$dir/out $name" $(promises "$name") >"$dir/wrong" 2>&1
        if [ -s "$dir/wrong" ]; then fail "$name: charts and tables" "see" "$dir/wrong"; else pass "$name: charts and tables"; fi
    fi

    refused "$name" 'unknown option --nonsense;' --nonsense
    refused "$name" 'unknown option --quic;' --quic
    refused "$name" "unexpected 'word'" word
    refused "$name" 'needs a value' --out
    refused "$name" 'takes no value' --quick=1
    if "$bin/$name" --help | grep -q -- '--epochs'; then
        refused "$name" "--epochs: expected a whole number from 1 to 1e+06, found 'many'" --epochs many
        refused "$name" "found '0'" --epochs 0
        refused "$name" "found '1.5'" --epochs=1.5
        refused "$name" "found 'nan'" --epochs nan
        refused "$name" "found '9e99'" --epochs 9e99
    fi
    if "$bin/$name" --help | grep -q -- '--lr'; then refused "$name" "--lr: expected a number" --lr 1e-3x; fi
    if "$bin/$name" --help | grep -q -- '--activations'; then
        refused "$name" "unknown 'rellu'; there are identity, sigmoid" --activations relu,rellu
        refused "$name" "unknown ''" --activations relu,
    fi
    if "$bin/$name" --help | grep -q -- '--init '; then refused "$name" "unknown 'magic'; there are default" --init magic; fi
    if "$bin/$name" --help | grep -q -- '--optim '; then refused "$name" "unknown 'magic'; there are sgd" --optim magic; fi
    if "$bin/$name" --help | grep -q -- '--threads'; then
        refused "$name" 'cc -O2 -fopenmp' --threads 2
    fi
done
looked_at() { case " ${EXAMPLES:-$1} " in *" $1 "*) [ -x "$bin/$1" ] ;; *) return 1 ;; esac; }
if looked_at mnist_mlp; then interrupted mnist_mlp; fi
if looked_at cifar_cnn; then
    resumed cifar_cnn
    refused cifar_cnn "--depth: expected N or N-M, whole numbers from 4 to 20, found '3'" --depth 3
    refused cifar_cnn "found '8-4'" --depth 8-4
    refused cifar_cnn "found '4-'" --depth 4-
    refused cifar_cnn "found '4-99'" --depth 4-99
fi
if looked_at xor_mlp; then refused xor_mlp "--inits: unknown 'magic'" --inits magic; fi
if looked_at signal_propagation; then refused signal_propagation "--phase: unknown activation 'x'" --phase x; fi
if looked_at mnist_mlp; then
    refused mnist_mlp "--data $dir/typo: there is no" --data "$dir/typo"
    refused mnist_mlp "--set: unknown 'fashion'; there are mnist, fashion_mnist, kmnist" --set fashion
    refused mnist_mlp "there is no .*/kmnist/.*data_fetch.sh kmnist" --set kmnist
    mkdir -p "$dir/packed/mnist" "$dir/plain/FashionMNIST/raw" "$dir/plain/fashion_mnist"
    printf 'x' >"$dir/packed/mnist/train-images-idx3-ubyte.gz"
    refused mnist_mlp "run gunzip" --data "$dir/packed"
fi
