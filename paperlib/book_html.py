"""Pages of an executed book: one HTML file per notebook with embedded pictures, and an index."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paperlib.book import Outcome

# Cells tagged `solution` arrive folded; nbconvert marks them with the class celltag_solution.
_FOLD = """
<style>
.paperlib-stamp { font: 13px sans-serif; background: #fff3d6; border-left: 4px solid #E69F00; padding: 6px 12px; margin: 0 0 12px; }
.paperlib-fold { margin: 4px 0 4px 90px; font: 13px sans-serif; }
</style>
<script>
document.addEventListener("DOMContentLoaded", () => {
  for (const cell of document.querySelectorAll(".celltag_solution")) {
    const button = document.createElement("button");
    button.className = "paperlib-fold";
    button.textContent = "Show the solution";
    cell.hidden = true;
    button.onclick = () => { cell.hidden = !cell.hidden; button.textContent = cell.hidden ? "Show the solution" : "Hide the solution"; };
    cell.before(button);
  }
});
</script>
"""


def stamp(profile: str) -> str:
    """One sentence that says what the numbers of a page are."""
    what = {
        "smoke": "tiny networks on a few embedded clips, to show that everything runs",
        "classroom": "small networks on the embedded corpus",
        "paper": "the paper's widths, on the data named beside each number",
    }.get(profile, profile)
    return f"Profile {profile}: {what}. These are not the paper's numbers unless marked Published."


def write_page(notebook: Path, target: Path, profile: str) -> None:
    """The executed notebook as one HTML file."""
    import nbformat
    from nbconvert import HTMLExporter

    nb = nbformat.read(notebook, as_version=4)
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(nb, resources={"metadata": {"name": notebook.stem}})
    page = page.replace("</head>", _FOLD + "</head>", 1)
    at = page.find(">", page.find("<body")) + 1
    page = f'{page[:at]}<p class="paperlib-stamp">{html.escape(stamp(profile))} <a href="../index.html">Index</a></p>{page[at:]}'
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")


def write_index(root: Path, profile: str, outcomes: Sequence[Outcome]) -> None:
    """build/<profile>/index.html: every notebook with its minutes and result, the figures and the results files."""
    from paperlib.results import git_commit

    rows = "".join(
        f'<tr><td><a href="html/{o.name}.html">{html.escape(o.name.replace("_", " "))}</a></td><td>{o.minutes:.2f}</td>'
        f"<td>{html.escape(o.error) or 'ok'}</td></tr>"
        for o in outcomes
    )
    figures = "".join(
        f'<figure><img src="figures/{p.name}" alt="{html.escape(p.stem.replace("_", " "))}" width="480">'
        f"<figcaption>{html.escape(p.stem)}</figcaption></figure>"
        for p in sorted((root / "figures").glob("*.png"))
    )
    results = "".join(f'<li><a href="results/{p.name}">{html.escape(p.name)}</a></li>' for p in sorted((root / "results").glob("*.json")))
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The book, profile {html.escape(profile)}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }}
td, th {{ padding: 2px 16px 2px 0; text-align: left }}
.stamp {{ background: #fff3d6; border-left: 4px solid #E69F00; padding: 6px 12px }}</style></head><body>
<h1>The book, executed under {html.escape(profile)}</h1>
<p class="stamp">{html.escape(stamp(profile))}</p>
<p>Commit {html.escape(git_commit())}; {sum(o.minutes for o in outcomes):.1f} minutes in all.</p>
<table><tr><th>notebook</th><th>minutes</th><th>result</th></tr>{rows}</table>
<h2>Results</h2><ul>{results}</ul>
<h2>Figures</h2>{figures}
</body></html>
"""
    (root / "index.html").write_text(page, encoding="utf-8")
