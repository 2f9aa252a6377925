"""reports.py FOLDER AGAIN [browser SHOTS]: is FOLDER/report.html true to the files beside it, and whole on its own?

AGAIN is the report of the same command in another folder. Prints PASS and FAIL lines.
"""
import base64
import html.parser
import os
import sys


def check(name, good, words=""):
    print(f"PASS report: {name}" if good else f"FAIL report: {name}: {words}", flush=True)


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.csv, self.pictures, self.rows, self.open = {}, [], [], []
        self.name = None
        self.links, self.cell = [], None

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        self.links += [v for k, v in attributes if k in ("src", "href") and not (v or "").startswith("data:")]
        if tag == "script" and a.get("type") == "text/csv":
            self.name = a["data-name"]
            self.csv[self.name] = ""
        if tag == "img":
            self.pictures.append((a["alt"], a["src"]))
        if tag in ("td", "th"):
            self.cell = ""
        if tag == "tr":
            self.rows.append([])
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            check("every tag is closed in turn", False, f"</{tag}> at {self.getpos()}")
        if tag == "script":
            self.name = None
        if tag in ("td", "th"):
            self.rows[-1].append(self.cell)
            self.cell = None

    def handle_data(self, data):
        if self.name:
            self.csv[self.name] += data
        if self.cell is not None:
            self.cell += data


def compare(folder, page):
    wrong, columns = [], 0
    for name in sorted(f for f in os.listdir(folder) if f.endswith(".csv")):
        if name not in page.csv:
            wrong.append(f"{name} is not in it")
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            theirs = [line.rstrip("\n").split(",") for line in file]
        ours = [line.split(",") for line in page.csv[name].strip().split("\n")]
        places = [theirs[0].index(column) for column in ours[0]]
        columns += len(places)
        if [[row[i] for i in places] for row in theirs] != ours:
            wrong.append(f"{name} differs")
        if len(places) < len(theirs[0]) - 1 and name != "layers.csv":
            wrong.append(f"{name} lacks columns")
    check(f"{columns} columns of {len(page.csv)} tables are those of the CSV files", not wrong and columns > 10, wrong)
    wrong = []
    for name in sorted(f for f in os.listdir(folder) if f.endswith(".png")):
        with open(os.path.join(folder, name), "rb") as file:
            picture = "data:image/png;base64," + base64.b64encode(file.read()).decode()
        if not any(src == picture and len(alt) > 20 for alt, src in page.pictures):
            wrong.append(name)
    check(f"{len(page.pictures)} charts are in it, each with a text", not wrong and page.pictures, wrong)
    wrong = []
    for name in sorted(f for f in os.listdir(folder) if f.endswith(".md")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for i, line in enumerate(file):
                cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
                if i != 1 and cells not in page.rows:
                    wrong.append(line.strip())
    check("the tables say what the .md files say", not wrong, wrong[:3])


def browse(path, shots):
    from browser import Browser
    for width in (380, 900, 1600):
        for dark in (False, True):
            with Browser(width, 900, dark) as page:
                look = f"{width} px{', dark' if dark else ''}"
                page.open("file://" + path)
                page.wait("document.querySelector('#maps canvas') !== null")
                page.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
                page.wait("[...document.querySelectorAll('details[data-csv]')].every(d => d.querySelector('table'))")
                check(f"no text is cut or covered ({look})", not page.run(page.OVERLAPS), page.run(page.OVERLAPS)[:5])
                check(f"enough contrast ({look})", not page.run(page.PALE), page.run(page.PALE))
                page.run("document.querySelectorAll('details').forEach(d => { d.open = false; })")
                page.picture(f"{shots}/report_{width}{'_dark' if dark else ''}.png")
                if width == 900 and not dark:
                    works(page)
                check(f"no console error, no request ({look})", not page.complaints, page.complaints[:5])


def works(page):
    page.run("$('field').value = 'layers.csv delta.rms'; $('field').onchange()")
    before = page.run("[$('now').textContent, $('profile').innerHTML, $('maps').querySelector('canvas').toDataURL()]")
    page.run("$('time').value = 0; $('time').oninput()")
    after = page.run("[$('now').textContent, $('profile').innerHTML, $('maps').querySelector('canvas').toDataURL()]")
    check("the slider moves the map", all(a != b for a, b in zip(before, after)) and after[0].startswith("epoch 1 of"), after[0])
    said = page.run("""(() => { const c = document.querySelector('#maps canvas'); c.focus();
        const press = key => c.dispatchEvent(new KeyboardEvent('keydown', {key, cancelable: true}));
        press('ArrowUp'); press('ArrowRight'); return [$('readout').textContent, short(series[0].value[1][1])]; })()""")
    check("the arrow keys read it", "layer 2, epoch 2: " + said[1] in said[0], said)
    expected = page.run("""(() => { const { head, rows } = tables['layers.csv'], i = n => head.indexOf(n);
        const row = rows.find(r => r[i('layer')] === '2' && r[i('epoch')] === '2'); return short(Number(row[i('delta.rms')])); })()""")
    check("and what it says stands in layers.csv", said[1] == expected, [said[1], expected])
    count = page.run("document.querySelectorAll('#maps canvas').length")
    page.run("$('beside').value = 'seeds'; $('beside').onchange()")
    seeds = page.run("document.querySelectorAll('#maps canvas').length")
    check("nets and seeds stand side by side", count == 3 and seeds == 2, [count, seeds])
    sorted_rows = page.run("""(() => { const t = document.querySelector('table'), column = () => [...t.tBodies[0].rows].map(r => r.cells[0].textContent);
        t.querySelector('th button').click(); const up = column(); t.querySelector('th button').click();
        return [up, column().reverse(), [...up].sort()]; })()""")
    check("a click on a head sorts", sorted_rows[0] == sorted_rows[1] == sorted_rows[2], sorted_rows)
    check("the theory is drawn over MLPs", page.run("!$('law').hidden"))


def main():
    folder = sys.argv[1]
    path = os.path.abspath(os.path.join(folder, "report.html"))
    with open(path, "rb") as file:
        data = file.read()
    with open(sys.argv[2], "rb") as file:
        check("the same results give the same bytes", file.read() == data)
    page = Reader()
    page.feed(data.decode("utf-8"))
    page.close()
    check("every tag is closed", page.open == [], page.open)
    check(f"at most 3 MB ({len(data) // 1024} KB)", len(data) <= 3 << 20)
    check("nothing outside is loaded or linked", not page.links and b"http" not in data, page.links)
    compare(folder, page)
    if sys.argv[3:]:
        browse(path, sys.argv[4])


main()
