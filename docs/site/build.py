"""Build the documentation as a site: `make site`, into build/site/html. Nothing is loaded from elsewhere.

The pages keep the paths that they have in the repository, so that their links hold; what they link to is copied too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "site"
MERMAID = "mermaid@11.12.0"
"""The npm package that draws diagrams; the theme would load it from a CDN."""

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class References(HTMLParser):
    """What a page loads and links to, and the anchors that it has."""

    def __init__(self, page: Path) -> None:
        """Read a page."""
        super().__init__()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's references."""
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        elif tag in LOADS and LOADS[tag] in values and values.get("rel") != "canonical":
            self.loads.add(values[LOADS[tag]])


def gather(pages: Path) -> None:
    """Copy the pages, and whatever of the repository they link to."""
    site = ROOT / "docs" / "site"
    for name in ("index.md", "api.md"):
        shutil.copy(site / name, pages)
    wanted = [*ROOT.glob("*.md"), *(file for file in (ROOT / "docs").rglob("*.md") if site not in file.parents)]
    done: set[Path] = set()
    while wanted:
        file = wanted.pop().resolve()
        if file in done or not file.is_relative_to(ROOT) or not file.exists():
            continue
        done.add(file)
        if file.is_dir():
            wanted += list_folder(file, pages / file.relative_to(ROOT))
            continue
        copy = pages / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
        if file.suffix == ".md":
            wanted += [file.parent / unquote(link) for link in LINK.findall(file.read_text()) if "://" not in link]


def list_folder(folder: Path, page: Path) -> list[Path]:
    """Write a page for a folder that a page links to; return what it lists."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    page.mkdir(parents=True, exist_ok=True)
    lines = [f"- [{file.name}]({file.name})" for file in files]
    (page / "index.md").write_text("\n".join([f"# {folder.relative_to(ROOT)}", "", *lines, ""]))
    return files


def add_mermaid(pages: Path) -> None:
    """Put the drawing of diagrams among the site's own files; raises CalledProcessError where npm has it not."""
    with TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", MERMAID], cwd=folder, check=True, capture_output=True, text=True
        )
        with tarfile.open(Path(folder, packed.stdout.strip())) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)  # not in 3.11.2
            archive.extract("package/dist/mermaid.min.js", folder)
        shutil.copy(Path(folder, "package/dist/mermaid.min.js"), pages / "mermaid.min.js")


def faults(html: Path) -> list[str]:
    """Return each reference that leads nowhere, and each thing that a page would load from elsewhere."""
    read = {page: References(page) for page in html.rglob("*.html")}
    found = []
    for page, references in read.items():
        where = page.relative_to(html)
        found += [f"{where} loads {url}" for url in references.loads if urlsplit(url).netloc]
        for url in references.loads | references.links:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc or (page.name == "404.html"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() and (target / "index.html").exists() else target
            if not target.exists():
                found.append(f"{where}: {url} leads nowhere")
            elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].anchors:
                found.append(f"{where}: {url} has no such anchor")
    return found


def main() -> None:
    """Build, and check what was built."""
    shutil.rmtree(BUILD, ignore_errors=True)
    pages = BUILD / "pages"
    pages.mkdir(parents=True)
    gather(pages)
    add_mermaid(pages)
    shutil.copy(ROOT / "docs" / "site" / "zensical.toml", BUILD)
    subprocess.run([str(Path(sys.executable).with_name("zensical")), "build", "--strict"], cwd=BUILD, check=True)
    if wrong := faults(BUILD / "html"):
        sys.exit("\n".join(wrong))
    sys.stdout.write(f"The site is in {(BUILD / 'html').relative_to(ROOT)}: open index.html.\n")


if __name__ == "__main__":
    main()
