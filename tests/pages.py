"""pages.py PAGE NATIVE FOLDER: drives the playground in a headless Chromium and prints PASS and FAIL lines.

NATIVE is examples/playground.c compiled for this machine, plain loops; FOLDER takes screenshots.
"""
import subprocess
import sys
import time

from browser import Browser

SIGMOIDS = "depth=20&width=16&act=sigmoid&init=default"


def check(name, good, words=""):
    print(f"PASS {name}" if good else f"FAIL {name}: {words}", flush=True)


def load(page, url, address=""):
    page.open(url + ("#" + address if address else ""))
    return page.wait("typeof seen !== 'undefined' && seen && !waiting && seen.rows_left === 0")


def train(page, steps):
    """So many steps, at once; the worker takes its time, the page does not wait for it."""
    end = page.run("seen.step") + steps
    page.run(f"post({{steps: {steps}, time: 1e9, exact: true}})")
    return page.wait(f"seen.step === {end} || seen.stopped")


def same_numbers(page, url, native):
    worst, count = 0, 0
    for address in ("", SIGMOIDS, "data=digits&depth=3&width=32&act=gelu&init=kaiming&rate=0.001",
                    "data=spirals&depth=8&norm=batch&act=silu&optim=momentum&skip=yes"):
        load(page, url, address)
        train(page, 100)
        found = page.run("[...seen.losses, ...seen.scores, ...seen.layers]")
        printed = subprocess.run([native, address, "100"], capture_output=True, text=True, check=True).stdout
        expected = [float(line.split()[-1]) for line in printed.splitlines()[:-1]]
        for a, b in zip(found, expected):
            if a is not None and b == b:
                worst = max(worst, abs(a - b) / max(abs(a), abs(b), 1e-300))
                count += 1
        check(f"playground: as many numbers as natively ({address})", len(found) == len(expected), f"{len(found)}, {len(expected)}")
        said = page.run("seen.verdict")
        check(f"playground: the verdict as natively ({address})", said == printed.splitlines()[-1], f"{said}, {printed.splitlines()[-1]}")
    check(f"playground: {count} numbers as natively to 1e-5", worst <= 1e-5 and count > 600, f"off by {worst}")


def learns_and_recovers(page, url):
    load(page, url)
    train(page, 1000)
    check("playground: learns XOR to 90 %", page.run("seen.scores[2]") >= 0.9, page.run("seen.scores[2]"))
    load(page, url, SIGMOIDS)
    check("playground: twenty layers of sigmoid vanish", page.run("$('verdict').textContent").startswith("vanishing"),
          page.run("$('verdict').textContent"))
    train(page, 200)
    check("playground: and learn nothing", page.run("seen.scores[2]") < 0.6, page.run("seen.scores[2]"))
    page.run("$('speed').value = '25'; $('remedy').click()")
    good = page.wait("seen && seen.scores && seen.step > 100 && seen.scores[2] >= 0.88")
    check("playground: after the remedy they learn", good, page.run("[seen.step, seen.scores, seen.verdict]"))
    page.run("play(false)")


def behaves(page, url):
    load(page, url, "depth=12&width=16&act=relu&init=kaiming&gain=2&optim=sgd&rate=1")
    page.run("$('play').click()")
    good = page.wait("seen.stopped && !playing")
    check("playground: NaN stops the run with words", good and "non-finite" in page.run("$('verdict').textContent"),
          page.run("$('verdict').textContent"))
    load(page, url, "depth=99&act=tanh&nonsense&rate=x&width=4")
    said = page.run("$('notice').textContent")
    check("playground: a broken address falls back and says so",
          page.run("[settings.depth, settings.width, settings.rate]") == [3, 4, 0.01] and "depth=99" in said and "nonsense" in said
          and "rate=x" in said, said)
    load(page, url, "%")
    check("playground: a damaged address too", "damaged" in page.run("$('notice').textContent"), page.run("$('notice').textContent"))
    load(page, url)
    page.run("$('depth-more').click()")
    page.wait("!waiting && seen.layers.length === 5 * 9")
    page.run("document.querySelector('#act input[value=\"3\"]').click()")
    page.wait("!waiting")
    check("playground: the address holds the state", page.run("location.hash") == "#depth=4&act=relu", page.run("location.hash"))
    check("playground: all activations are there", page.run("document.querySelectorAll('#act label').length") == 21)
    page.run("$('step').click()")
    check("playground: Step makes one step", page.wait("seen.step === 1"), page.run("seen.step"))
    page.run("$('reset').click()")
    check("playground: Reset begins again", page.wait("!waiting && seen.step === 0"), page.run("seen.step"))
    page.run("$('layer').value = 3; $('layer').dispatchEvent(new Event('input'))")
    check("playground: the slider chooses a layer", page.run("$('readout').textContent").startswith("Layer 3 of 5"),
          page.run("$('readout').textContent"))
    wrong = []
    for i in range(page.run("lessons.length")):
        page.run(f"go(lessons[{i}][2])")
        page.wait("!waiting")
        if page.run("$('notice').hidden") is not True or page.run("Number($('preset').value)") != i or not page.run("seen.layers"):
            wrong.append(i)
    check("playground: every lesson is a setting of its own", not wrong, wrong)


def quick(page, url):
    """Smoothness. The machine may be busy, so only a page that is many times too slow fails."""
    load(page, url, "depth=8&width=16")
    page.run("play(true); slowest = 0")
    begun, first = time.time(), page.run("frames")
    time.sleep(2)
    rate, slowest = (page.run("frames") - first) / (time.time() - begun), page.run("slowest")
    page.run("play(false)")
    check(f"playground: draws smoothly (here {rate:.0f} frames/s, the longest {slowest:.0f} ms)", rate > 4, rate)
    load(page, url, "depth=30&width=64&batch=256")
    check("playground: thirty layers of 64 units still step", train(page, 3) and page.run("seen.step") == 3, page.run("seen.step"))


def looks(url, folder):
    for width in (380, 900, 1600):
        for dark in (False, True):
            with Browser(width, 900, dark) as page:
                wrong = []
                for address in ("", SIGMOIDS, "data=digits&depth=30&width=64&act=hard_sigmoid&rate=77"):
                    load(page, url, address)
                    train(page, 2)
                    page.run("$('picker').open = $('numbers').open = true; forget_sizes()")
                    wrong += page.run(page.OVERLAPS)
                    if address == SIGMOIDS:
                        page.picture(f"{folder}/playground_{width}{'_dark' if dark else ''}.png")
                check(f"playground: no text is cut or covered at {width} px{' (dark)' if dark else ''}", not wrong, wrong[:6])
                check(f"playground: enough contrast{' (dark)' if dark else ''} at {width} px", not page.run(page.PALE), page.run(page.PALE))
                check(f"playground: no complaint, no request at {width} px{' (dark)' if dark else ''}", not page.complaints,
                      page.complaints[:5])


def main():
    url, native, folder = "file://" + sys.argv[1], sys.argv[2], sys.argv[3]
    with Browser(1200, 900) as page:
        same_numbers(page, url, native)
        learns_and_recovers(page, url)
        behaves(page, url)
        quick(page, url)
        check("playground: no console error, no request", not page.complaints, page.complaints[:5])
    looks(url, folder)


main()
