"""All passes over the IR, one per file, and the named pipelines."""

from itc.passes import Pass, Pipeline, Transform
from itc.transforms.canonicalize import Canonicalize
from itc.transforms.common import CommonSubexpressions
from itc.transforms.dead import DeadCode
from itc.transforms.fold_norms import FoldNorms
from itc.transforms.hoist import Hoist
from itc.transforms.peel import Peel
from itc.transforms.quantize import Quantize
from itc.transforms.unroll import Unroll

PASSES: tuple[Pass, ...] = (
    Canonicalize(), CommonSubexpressions(), DeadCode(), Hoist(), Unroll(), Peel(), FoldNorms(), Quantize()
)  # fmt: skip

#: Canonicalisation first, since it exposes common subexpressions and loop invariants; CSE before code motion, so that a
#: single operation moves, and again after it, since motion brings equal operations together; dead code last.
CLEAN = (Canonicalize(), CommonSubexpressions(), Hoist(), CommonSubexpressions(), DeadCode())

#: The same with `training=false`; norms are folded before merging, while each layer has a single norm.
AT_INFERENCE = (
    Canonicalize(training=False),
    DeadCode(),
    FoldNorms(),
    CommonSubexpressions(training=False),
    Hoist(training=False),
    CommonSubexpressions(training=False),
    DeadCode(),
)

PIPELINES: tuple[Pipeline, ...] = (
    Pipeline("default", "what changes neither outputs nor training: canonicalize, cse, licm, cse, dce", CLEAN),
    Pipeline("inference", "without dropout and norms, whose weights are folded, and then as default", AT_INFERENCE),
    Pipeline("unrolled", "every loop written out, and then as default", (Unroll(), *CLEAN)),
)

_ALL: tuple[Transform, ...] = (*PASSES, *PIPELINES)
TRANSFORMS: dict[str, Transform] = {each.name: each for each in _ALL}
#: The names of those that keep the values of outputs but for rounding in f32.
EXACT = tuple(name for name in TRANSFORMS if name != Quantize.name)

__all__ = [
    "EXACT", "PASSES", "PIPELINES", "TRANSFORMS", "Canonicalize", "CommonSubexpressions", "DeadCode", "FoldNorms",
    "Hoist", "Peel", "Quantize", "Unroll",
]  # fmt: skip
