"""Writes the table of options in docs/HACKING.md from the rows of src/base/options.cc.

    python tools/document_options.py [--check]

With --check nothing is written; it fails if the table is not up to date.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, PAGE = ROOT / "src" / "base" / "options.cc", ROOT / "docs" / "HACKING.md"
STRING = r'"((?:[^"\\]|\\.)*)"'
ROW = re.compile(rf'\{{\{{"(ANVIL_\w+)",\s*{STRING},\s*{STRING}\}}')
MARKS = re.compile(r"(<!-- options:[^\n]*-->\n).*(<!-- /options -->)", re.S)


def table(source: str) -> str:
    rows = ROW.findall(source)
    if len(rows) != source.count('{{"ANVIL_'):
        sys.exit("document_options: a row of src/base/options.cc is not understood")
    lines = ["| variable | value | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {value} | {meaning} |" for name, value, meaning in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    page = PAGE.read_text()
    if not MARKS.search(page):
        sys.exit(f"document_options: {PAGE.name} has no marks for the table")
    wanted = MARKS.sub(lambda found: found[1] + "\n" + table(SOURCE.read_text()) + "\n" + found[2], page)
    if "--check" in sys.argv:
        if page != wanted:
            print("docs/HACKING.md: the table of options is old; run python tools/document_options.py")
        return int(page != wanted)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
