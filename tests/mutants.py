#!/usr/bin/env python3
"""make mutants: does the suite notice when gradflow.h is broken?

    python3 tests/mutants.py [COUNT [FIRST]]      COUNT (300) mutants of the fixed sample, from number FIRST (0) on

A mutant is gradflow.h with one operator, number, index or condition of its implementation changed. The C tests are run
against it one after another, those that test its section first, until one does not compile, fails, or takes far longer
than on the sound header: the mutant is noticed. Programs are built with the plain kernels alone (-O1 -DGF_NO_SIMD)
unless the change lies in the kernels; last come the section's own tests once more with the address and undefined-
behaviour sanitizers, as in the suite. JOBS (2) mutants at a time. The survivors are printed, each as a diff line.
The size in an array's declaration is left alone: one element more is no fault.
"""
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "mutants")
CC = os.environ.get("CC", "cc")
SEED = 20240607
with open(os.path.join(ROOT, "tests", "fixtures", "bits.txt"), "rb") as known:
    BITS = known.read()
# Cheap and wide tests first; before them the ones of the section where the change lies. The slowest are left out.
ORDER = ["portable", "net", "errors", "format", "checkpoint", "kernels", "pytorch", "data", "gradcheck", "probe",
         "theory", "activations", "conv"]
FIRST = {"BACKPROP": ["pytorch", "net", "gradcheck"], "ACT": ["activations", "kernels"],
         "LAYER": ["pytorch", "conv", "gradcheck"], "NET": ["net", "errors"],
         "PROBE": ["probe"], "CHECK": ["gradcheck"],
         "THEORY": ["theory"], "DATA": ["data"], "SAVE": ["checkpoint"], "KERNEL": ["kernels", "pytorch", "conv"]}
WITH_KERNELS = {"conv", "pytorch"}  # too slow, or held to the order of sums, without the vector kernels
SWAPS = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=",
         "!=": "==", "&&": "||", "||": "&&", "&": "|", "|": "&", "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=",
         "*=": "/=", "/=": "*=", "++": "--", "--": "++", "^": "|", "!": ""}
TOKEN = re.compile(r'''//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|^[ \t]*\#(?:\\\n|[^\n])*|[A-Za-z_]\w*|
                       \.?\d(?:[eEpP][+-]|[\w.])*|<<=|>>=|\.\.\.|->|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|[-+*/%&|^]=|.''',
                   re.S | re.M | re.X)
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
# "float x[" and "int a[9], *b[" at the end of what stands before a number
DECLARED = re.compile(r"\n\s*(?:(?:static|const|unsigned) )*(?:[a-z]\w*) (?:[^;()={}]*, *)?\**\w+(?:\[\w+\])*\[$")


def mutate(token, before, after):
    """What may stand in this token's place, or None."""
    if re.match(r"\.?\d", token):
        if re.fullmatch(r"\d+", token):
            return str(int(token) + 1)
        return f"({token} * 1.25)" if re.fullmatch(r"[\d.]+(e[-+]?\d+)?f?", token) else None
    if token not in SWAPS:
        return None
    operand = bool(re.match(r"[\w)\]]", before))  # a value stands before: the operator takes two
    if token in ("*", "&", "-", "+") and (not operand or before in ("return", "case")):
        return None  # a pointer, an address, a sign
    if token == "*" and (re.fullmatch(r"(const|void|char|int|long|double|float|unsigned|FILE|gf_\w+|gfi_\w+|\w+_t)", before)
                         or after in (")", ",", "*", "const")):
        return None  # a type
    if token == "!" and after == "=":
        return None
    return SWAPS[token]


def places(text):
    """(position, length, replacement, section) of every mutation of the implementation."""
    found, section, before = [], None, ""
    start = text.index("#if defined(GRADFLOW_IMPLEMENTATION)")
    tokens = [m for m in TOKEN.finditer(text)]
    code = [m for m in tokens if m.group().strip() and not re.match(r"//|/\*|[ \t]*#", m.group())]
    following = {m.start(): code[i + 1].group() if i + 1 < len(code) else "" for i, m in enumerate(code)}
    for m in tokens:
        token = m.group()
        name = re.match(r"// \[GF:([A-Z]+)\]", token)
        if name:
            section = name.group(1)
        if m.start() not in following:
            continue
        if section and (m.start() > start or section == "KERNEL"):
            new = mutate(token, before, following[m.start()])
            if new is not None and not (before == "[" and DECLARED.search(text[text.rfind("\n", 0, m.start()):m.start()])):
                found.append((m.start(), len(token), new, section))
        before = token
    return found


def sample(text, count, first):
    chosen = places(text)
    random.Random(SEED).shuffle(chosen)
    return chosen[first:first + count], len(chosen)


def runs_of(section):
    """(name, test, flags): the tests in order, then the section's own (no section: every section's) with sanitizers."""
    own = FIRST[section] if section else list(dict.fromkeys(sum(FIRST.values(), [])))
    ordered = dict.fromkeys((own if section else []) + ORDER)
    return [(test, test, ()) for test in ordered] + [(f"sanitized {test}", test, SANITIZE) for test in own]


def source(test):
    return os.path.join("tests", "portable.c" if test == "portable" else f"test_{test}.c")


def quiet(command):
    """Does the command succeed?"""
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def library(folder, flags):
    """tests/library.c with this folder's header, compiled once for each set of flags; missing if it does not compile."""
    path = os.path.join(folder, "library" + "".join(flags).replace("/", "_") + ".o")
    if not os.path.exists(path):
        quiet([CC] + flags + ["-c", os.path.join(folder, "tests", "library.c"), "-o", path])
    return path


def noticed_by(folder, test, section, limit, extra=()):
    """Why this test notices the header in this folder, or None."""
    program = os.path.join(folder, test)
    plain = test == "portable" or section != "KERNEL" and test not in WITH_KERNELS
    flags = ["-std=c99", "-w", "-O1", *extra] + (["-DGF_NO_SIMD"] if plain else [])
    with open(os.path.join(ROOT, source(test)), encoding="utf-8") as file:
        line = re.search(r"^// build:(.*)", file.read(400), re.M)
    words = line.group(1).split() if line else ["inside"]
    if words[0] == "double":
        flags.append("-DGF_REAL=double")
    objects = [] if "inside" in words else [library(folder, flags)]
    if not quiet([CC] + flags + [os.path.join(folder, source(test))] + objects + ["-o", program, "-lm"]):
        return "does not compile"
    try:
        ran = subprocess.run([program], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=limit,
                             check=False)
    except subprocess.TimeoutExpired:
        return "takes too long"
    finally:
        os.remove(program)
    if test == "portable" and ran.stdout != BITS:
        return "other bits"
    return f"status {ran.returncode}" if ran.returncode != 0 or b"\nFAIL " in b"\n" + ran.stdout else None


def examine(number, text, place, limits):
    position, length, new, section = place
    folder = os.path.join(BUILD, str(number))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(ROOT, "tests"), os.path.join(folder, "tests"),
                    ignore=shutil.ignore_patterns("fuzz", "__pycache__"))
    with open(os.path.join(folder, "gradflow.h"), "w", encoding="utf-8") as file:
        file.write(text[:position] + new + text[position + length:])
    why = None
    for name, test, flags in runs_of(section):
        if name in limits:
            why = noticed_by(folder, test, section, limits[name], flags)
        if why:
            why = f"{name} {why}"
            break
    shutil.rmtree(folder)
    start = text.rfind("\n", 0, position) + 1
    line = text[start:text.index("\n", position)]
    at = position - start
    shown = f"gradflow.h:{text.count(chr(10), 0, position) + 1}: {line[:at].lstrip()}[{line[at:at + length]} → {new}]{line[at + length:]}"
    print(f"{'noticed ' if why else 'SURVIVED'} {number:3d} {section:7s} {why or ''}  {shown}", flush=True)
    return None if why else shown


def sound(text):
    """Seconds that each test may take: a minute and twenty times what it needs here; tests that fail are left out."""
    limits, folder = {}, os.path.join(BUILD, "sound")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(ROOT, "tests"), os.path.join(folder, "tests"))
    with open(os.path.join(folder, "gradflow.h"), "w", encoding="utf-8") as file:
        file.write(text)
    for name, test, flags in runs_of(None):
        start = time.time()
        why = noticed_by(folder, test, None, 600, flags)
        if why:
            print(f"left out: {name} {why} on the sound header", flush=True)
        else:
            limits[name] = 60 + 20 * (time.time() - start)
            print(f"sound: {name} builds and runs in {time.time() - start:.1f} s", flush=True)
    shutil.rmtree(folder)
    return limits


def main():
    count, first = (int(a) for a in (sys.argv[1:] + ["300", "0"][len(sys.argv) - 1:])[:2])
    with open(os.path.join(ROOT, "gradflow.h"), encoding="utf-8") as file:
        text = file.read()
    chosen, total = sample(text, count, first)
    print(f"{len(chosen)} of {total} places", flush=True)
    limits, start = sound(text), time.time()
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        survivors = [s for s in pool.map(lambda i: examine(first + i, text, chosen[i], limits), range(len(chosen))) if s]
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} noticed "
          f"({100 - 100 * len(survivors) / max(1, len(chosen)):.1f} %) in {(time.time() - start) / 60:.0f} min; survivors:")
    for shown in survivors:
        print(shown)
    sys.exit(1 if len(survivors) > 0.05 * len(chosen) else 0)


if __name__ == "__main__":
    main()
