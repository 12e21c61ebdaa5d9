"""The foot of the page: what made it, how to cite it, how to hand in."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import xarray as xr

REPOSITORY = ""
"""Address of the project, where it has a public one."""


def entries_html(board: xr.DataTree) -> str:
    """Write who handed in what; nothing for boards that nobody handed anything in to."""
    cells = board["cells"].to_dataset()
    if "submitter" not in cells or "entry" not in cells:
        return ""
    counted: dict[str, dict[str, int]] = {}
    entries: dict[str, set[str]] = {}
    flat = (cells[n].values.ravel() for n in ("submitter", "entry", "verified"))
    for who, entry, verified in zip(*flat, strict=True):
        if not str(entry):
            continue
        entries.setdefault(str(who), set()).add(str(entry))
        own = counted.setdefault(str(who), {})
        own[str(verified)] = own.get(str(verified), 0) + 1
    body = "".join(
        f'<tr><th scope="row">{escape(who)}</th><td>{len(entries[who])}</td>'
        f"<td>{sum(own.values())}</td><td>{own.get('verified', 0)} of {sum(own.values())}</td></tr>"
        for who, own in sorted(counted.items())
    )
    if not body:
        return ""
    head = "".join(f'<th scope="col">{h}</th>' for h in ("submitter", "entries", "cells",
                                                        "verified"))  # fmt: skip
    return (
        '<h2 id="entries">Who submitted</h2><div class="scroll" tabindex="0" role="region" '
        f'aria-label="submitters"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div><p>Verified: somebody scored the cell again and found the same number. "
        "Unverified: files, keys and plausibility were checked, the score was not made again.</p>"
    )


def foot_html(board: xr.DataTree, about: Mapping[str, object], made: str) -> str:
    """Write the foot.

    Parameters
    ----------
    board : DataTree
    about : mapping
        Numbers of models, controls and so on.
    made : str
        When, in words; empty where a page has to be the same bytes for the same board.
    """
    cells = board["cells"].to_dataset()
    entries = cells["entry"].values.ravel() if "entry" in cells else np.array([], object)
    counted = len({str(e) for e in entries if str(e)})
    done = int(np.isfinite(cells["value"].values).sum())
    said = [f"{done} scores", *([f"{counted} accepted entries"] if counted else [])]
    bib = (
        "@software{brainpress,\n"
        "  title   = {brainpress: which small and compressed language models still predict the "
        "brain},\n"
        "  author  = {{The brainpress authors}},\n"
        f"  version = {{{_version()}}},\n"
        f"  note    = {{board of {done} scores{', ' + made if made else ''}}}\n}}"
    )
    return f"""<footer id="foot">
<p>Made by brainpress {escape(_version())}{escape(", " + made) if made else ""}: {", ".join(said)}.
Code BSD-3-Clause; scores carry the licences of their data sets, which stand in each benchmark's
section.</p>
<details id="cite"><summary>Cite (BibTeX)</summary><pre>{escape(bib)}</pre>
<p>Cite the data sets and methods, too: their sections say how.</p></details>
<details id="submit"><summary>Submit</summary>
<pre>brainpress run -m MODEL,untrained:MODEL,static:MODEL -b BENCHMARK
brainpress submit --as 'NAME' -o mine.zip
brainpress board check mine.zip</pre></details></footer>"""


def _version() -> str:
    try:
        return version("brainpress")
    except PackageNotFoundError:
        return "of a checkout"
