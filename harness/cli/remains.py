"""What a run that is stopped says of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.store.stopping import Stopped

if TYPE_CHECKING:
    from harness.runner.plan import Plan


@contextmanager
def telling_what_remains(plan: Plan) -> Iterator[None]:
    """Count, when a run is stopped, the cells of its plan that are done by then."""
    try:
        yield
    except Stopped as stopped:
        from harness.runner.plan import still

        mine = {variant.name for variant in plan.shard()}
        cells = [cell for cell in plan.todo if cell.variant.name in mine]
        wanted = {(cell.variant.name, cell.benchmark.name) for cell in cells}
        left = sum((c.variant.name, c.benchmark.name) in wanted for c in still(plan).todo)
        done = len(cells) - left
        stopped.remains = f"{done} of {len(cells)} cells were scored and are kept; to "
        raise
