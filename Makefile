# gradflow.h is one header: nothing needs to be built to use it. This Makefile (GNU make) is for the examples and tests.
# It compiles gradflow.h and plot.h once, into objects that every example is linked with.
#   make          all examples, into build/            make demo     two studies, with their charts, in under 2 minutes
#   make NAME     one example, and how to run it       make data     fetch MNIST and CIFAR-10
#   make test     all tests                            make bench    speed, beside PyTorch where that is installed
#   make doctor   how often is the doctor right? 130 programs with a fault or none, SEEDS (20) seeds: half an hour
#   make clean    remove build/                        make playground   the page results/playground.html (clang, lld)
# CC, CFLAGS (-O2), OPENMP=1 (several cores, where the compiler can) and BUILD (build, the folder for all that is made) may
# be set on the command line.

ifeq ($(origin CC),default)
  CC := $(shell command -v cc >/dev/null 2>&1 && echo cc || echo gcc)
endif
CFLAGS ?= -O2
BUILD ?= build
export BUILD
NAMES := $(filter-out playground,$(patsubst examples/%.c,%,$(wildcard examples/*.c)))
SHARED := gradflow.h $(wildcard examples/*.h)
DATA := $(or $(GRADFLOW_DATA),data)

ifeq ($(OPENMP),1)
  OMP := $(shell dir=$$(mktemp -d) && echo 'int main(void) { return 0; }' >$$dir/a.c && \
           $(CC) -fopenmp $$dir/a.c -o $$dir/a 2>/dev/null && echo -fopenmp; rm -rf $$dir)
  ifeq ($(OMP),)
    $(warning OPENMP=1: $(CC) cannot build with -fopenmp here; building for one core)
  endif
endif

PAGE ?= results/playground.html

.PHONY: all demo playground data test doctor faults coverage mutants kill sanitizers portability fuzz bench clean stb $(NAMES)

all: $(NAMES:%=$(BUILD)/%)
	@echo "built: $(NAMES:%=$(BUILD)/%)"

# Rebuilt when the compiler or its flags change.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(CFLAGS) $(OMP)' | cmp -s - $@ || echo '$(CC) $(CFLAGS) $(OMP)' >$@
FORCE:

# stb_image_write.h writes the PNGs: the system's, or fetched once into third_party/.
$(BUILD)/stb: data_fetch.sh
	@mkdir -p $(BUILD)
	@echo "looking for stb_image_write.h"
	@./data_fetch.sh stb
	@touch $@
stb: $(BUILD)/stb

$(BUILD)/gradflow.o: gradflow.h $(BUILD)/flags
	@echo "building $@"
	@$(CC) $(CFLAGS) $(OMP) -x c -DGRADFLOW_IMPLEMENTATION -c gradflow.h -o $@

$(BUILD)/plot.o: examples/plot.h $(BUILD)/flags | $(BUILD)/stb
	@echo "building $@"
	@$(CC) $(CFLAGS) -x c -DPLOT_IMPLEMENTATION -c examples/plot.h -o $@

# An example asks for both implementations, for its single cc command; here it is told that they are there already.
# What takes an example's time is in the library: without other CFLAGS its own lines are compiled quickly, by -O1.
LINKED := -DGRADFLOW_IMPLEMENTATION_DONE -DPLOT_IMPLEMENTED
OWN := $(if $(filter-out -O2,$(CFLAGS)),$(CFLAGS),-O1)
$(BUILD)/%: examples/%.c $(SHARED) $(BUILD)/gradflow.o $(BUILD)/plot.o
	@echo "building $@"
	@$(CC) $(OWN) $(OMP) $(LINKED) $< $(BUILD)/gradflow.o $(BUILD)/plot.o -o $@ -lm

# These stand alone: no options, no charts, and one of them without the library.
ALONE := first by_hand from_pytorch
$(ALONE:%=$(BUILD)/%): $(BUILD)/%: examples/%.c gradflow.h $(BUILD)/flags
	@echo "building $@"
	@$(CC) $(CFLAGS) $< -o $@ -lm

$(filter-out doctor,$(NAMES)): %: $(BUILD)/%
	@echo "run it:    $(BUILD)/$@$(if $(filter $@,$(ALONE)),,          ($(BUILD)/$@ --help lists the options; charts go to results/$@/))"

demo: $(BUILD)/mnist_mlp $(BUILD)/cifar_cnn
	@echo "training MLPs on $$(if [ -f "$(DATA)/mnist/train-images-idx3-ubyte" ]; then echo "MNIST"; \
	    else echo "synthetic digits; 'make data' fetches MNIST"; fi)"
	@GRADFLOW_DATA="$(DATA)" $(BUILD)/mnist_mlp --out results/mnist_mlp $(DEMO)
	@echo
	@echo "training small CNNs, for a look at where in the picture their gradient stands"
	@GRADFLOW_DATA="$(DATA)" $(BUILD)/cifar_cnn --quick --out results/cifar_cnn
	@echo
	@echo "charts:"
	@for png in results/mnist_mlp/*.png results/cifar_cnn/*.png; do echo "    $$png"; done
	@echo "open first: results/index.html, which leads to a report of each; then results/mnist_mlp/practical.png"

# clang's wasm32 target and lld compile the net twice, with vectors of 128 bits and without; awk puts both into the page,
# compressed, as letters.
# There is no C library: freestanding.h stands in for it, and empty files for its headers.
WASM := clang --target=wasm32 -nostdlib -std=c99 -Wall -Wextra -Werror -I$(BUILD)/wasm \
        -Wl,--no-entry,--allow-undefined,--strip-all,-z,stack-size=262144 examples/playground.c
playground:
	@mkdir -p $(BUILD)/wasm $(dir $(PAGE))
	@for name in math stdlib string assert; do : >$(BUILD)/wasm/$$name.h; done
	@$(WASM) -O3 -msimd128 -o $(BUILD)/wasm/simd.wasm
	@$(WASM) -Os -o $(BUILD)/wasm/plain.wasm
	@for name in simd plain; do \
	    gzip -9n <$(BUILD)/wasm/$$name.wasm | base64 | tr -d '\n' >$(BUILD)/wasm/$$name.txt; done
	@clang --version | sed 1q >$(BUILD)/wasm/clang.txt
	@awk -v folder=$(BUILD)/wasm 'match($$0, /@(SIMD|PLAIN|CLANG)@/) { getline program <(folder "/" \
	    tolower(substr($$0, RSTART + 1, RLENGTH - 2)) ".txt"); \
	    $$0 = substr($$0, 1, RSTART - 1) program substr($$0, RSTART + RLENGTH) } { print }' \
	    examples/playground.html >$(PAGE).new
	@mv $(PAGE).new $(PAGE)
	@echo "open it in a browser: $(PAGE)"

data:
	@echo "fetching MNIST and CIFAR-10 into $(DATA)/"
	@GRADFLOW_DATA="$(DATA)" ./data_fetch.sh mnist cifar10

test:
	@echo "running all tests"
	@./data_fetch.sh stb || echo "without stb_image_write.h the tests of charts and examples are skipped"
	@CC='$(CC)' sh tests/run.sh

# A test script prints FAIL lines and ends with status 0, for tests/run.sh to count: here such a line fails the target.
judged = @mkdir -p $(BUILD); $(1) | tee $(BUILD)/$@.log; ! grep -q '^FAIL ' $(BUILD)/$@.log

# The doctor's rates on the table of tests/doctor/rows.h, into examples/results/doctor/.
doctor:
	@CC='$(CC)' GRADFLOW_DATA='$(DATA)' sh tests/doctor.sh

# A data set of more than 2^32 pixels, then every allocation of every example failing in turn, under the address
# sanitizer: about half an hour.
faults:
	@mkdir -p $(BUILD)
	@$(CC) $(CFLAGS) tests/large_data.c -o $(BUILD)/large_data -lm
	@$(BUILD)/large_data $(BUILD)
	$(call judged,GF_FAULTS=all CC='$(CC)' sh tests/test_alloc.sh)

# How many lines and branches of gradflow.h the C tests reach (LIST=1: which they do not), by gcc and gcov.
coverage:
	@CC='$(if $(findstring gcc,$(CC)),$(CC),gcc)' python3 tests/coverage.py

# Break gradflow.h in MUTANTS (300) places, one at a time: does the suite notice? Under an hour on two cores.
mutants:
	@CC='$(CC)' python3 tests/mutants.py $(or $(MUTANTS),300)

# A killed and resumed example, a hundred times.
kill:
	$(call judged,KILLS=100 CC='$(CC)' sh tests/test_kill.sh)

# The tests under gcc's and clang's address, undefined-behaviour, memory and thread sanitizers: about half an hour.
sanitizers:
	@sh tests/sanitizers.sh

# Every compiler, C and C++ standard and machine (qemu-user) at hand; says what it skipped.
portability:
	@CC='$(CC)' sh tests/portability.sh

# The fuzz targets, FUZZ_SECONDS (600) each.
fuzz:
	@sh tests/fuzz/run.sh

bench:
	@echo "measuring: ten minutes or so, on an otherwise idle machine"
	@./data_fetch.sh stb || echo "without stb_image_write.h no charts, and no XOR sweep"
	@CC='$(CC)' GRADFLOW_DATA='$(DATA)' sh tests/bench.sh

clean:
	@echo "removing $(BUILD)/"
	@rm -rf $(BUILD)
