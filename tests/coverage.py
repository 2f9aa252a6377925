#!/usr/bin/env python3
"""make coverage: how much of gradflow.h the C tests reach, by gcc --coverage.

    python3 tests/coverage.py [NAME...]      as in tests/test_NAME.c; none: all. LIST=1 prints what is uncovered

Every test is built in the variants its "// build:" line names (openmp and cxx apart) and run once. The kernels are
compiled once for each instruction set from the same lines: a line or branch counts when any set or variant took it.
A branch is one way out of a condition: each part of an && or || has two, each case of a switch one. Both targets of
GOALS are demanded; tests/coverage.md says why the rest is not reached.
"""
import collections
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "coverage")
VARIANTS = {"float": [], "double": ["-DGF_REAL=double"], "nosimd": ["-DGF_NO_SIMD"]}
GCC = os.environ.get("CC", "gcc")
GOALS = {"lines": 97, "branches": 90}
LEFT_OUT = """Left out: the
compiler's own jumps for C++ exceptions (the C builds are measured, which have none), what the preprocessor takes away
here (OpenMP, neon, Windows, GF_NO_STDIO: their own tests and make portability run them), examples/plot.h."""
SUFFIX = re.compile(r"_(plain|avx2|avx512|neon)$")


def build_line(path):
    """The words of a test's "// build:" line."""
    with open(path, encoding="utf-8") as file:
        for line in [next(file, "") for _ in range(3)]:
            if line.startswith("// build:"):
                return line.split()[2:]
    return []


def variants_of(path):
    return [v for v in build_line(path) if v in VARIANTS] or ["float"]


def compiler(variant):
    return [GCC, "-std=c99", "-O1", "--coverage", "-fno-inline"] + VARIANTS[variant]


def library(variant):
    """The library as an object, compiled once: every test that is linked with it adds to its counts."""
    folder = os.path.join(BUILD, "library." + variant)
    path = os.path.join(folder, "library.o")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        subprocess.call(compiler(variant) + ["-c", os.path.join(ROOT, "tests", "library.c"), "-o", path], cwd=folder)
    return path


def run(name, variant):
    """Build and run one test in a folder of its own."""
    folder = os.path.join(BUILD, name + "." + variant)
    os.makedirs(folder)
    program, source = os.path.join(folder, name), os.path.join(ROOT, "tests", name + ".c")
    objects = [] if "inside" in build_line(source) else [library(variant)]
    if subprocess.call(compiler(variant) + [source] + objects + ["-o", program, "-lm"], cwd=folder) != 0:
        print(f"{name} ({variant}): does not compile")
        return
    try:
        status = subprocess.run([program], cwd=ROOT, stdout=subprocess.DEVNULL, timeout=3600, check=False).returncode
    except subprocess.TimeoutExpired:
        status = "a timeout"
    print(f"{name} ({variant}): status {status}", flush=True)


def counted(folder):
    """The parsed answers of gcov for what was built and run in a folder."""
    counts = glob.glob(folder + "/*.gcda")
    if not counts:  # stopped before it could write them
        return []
    subprocess.check_call(["gcov", "--json-format", "--branch-probabilities"] + counts,
                          cwd=folder, stdout=subprocess.DEVNULL)
    answers = []
    for path in glob.glob(folder + "/*.gcov.json.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            answers.append(json.load(file))
    return answers


def add(answers, lines, branches):
    """Into lines: number → taken; branches: (number, function without its set) → taken or not, one by one."""
    for answer in answers:
        for source in answer["files"]:
            if os.path.basename(source["file"]) != "gradflow.h":
                continue
            for line in source["lines"]:
                number = line["line_number"]
                lines[number] = lines[number] or line["count"] > 0
                if not line["branches"]:
                    continue
                taken = [branch["count"] > 0 for branch in line["branches"]]
                key = number, SUFFIX.sub("", line.get("function_name", "")), len(taken)
                old = branches.setdefault(key, [False] * len(taken))
                branches[key] = [a or b for a, b in zip(old, taken)]


def main():
    names = ["test_" + n for n in sys.argv[1:]]
    if not names:
        names = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(ROOT, "tests", "test_*.c")))
        names.remove("test_plot")  # plot.h's
    lines, branches = collections.defaultdict(bool), {}
    shutil.rmtree(BUILD, ignore_errors=True)
    for name in names:
        for variant in variants_of(os.path.join(ROOT, "tests", name + ".c")):
            run(name, variant)
    for folder in glob.glob(os.path.join(BUILD, "*.*")):
        add(counted(folder), lines, branches)
    sides = [side for key in branches for side in branches[key]]
    if not lines or not sides:
        sys.exit("nothing was measured")
    if os.environ.get("LIST"):
        with open(os.path.join(ROOT, "gradflow.h"), encoding="utf-8") as file:
            text = file.read().split("\n")
        for number in sorted(n for n in lines if not lines[n]):
            print(f"gradflow.h:{number}: never: {text[number - 1].strip()}")
        for number, _, _ in sorted(k for k in branches if lines[k[0]] and not all(branches[k])):
            print(f"gradflow.h:{number}: one way only: {text[number - 1].strip()}")
    print(LEFT_OUT)
    missed = False
    for what, taken in (("lines", list(lines.values())), ("branches", sides)):
        share = 100 * sum(taken) / len(taken)
        missed = missed or share < GOALS[what]
        print(f"{what:8} {sum(taken)} of {len(taken)}: {share:.1f} % (at least {GOALS[what]} %)")
    sys.exit(missed)


if __name__ == "__main__":
    main()
