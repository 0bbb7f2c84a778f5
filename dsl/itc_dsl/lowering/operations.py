"""Elaborates calls of operations: binds arguments by the layer function's signature and adds the operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field, replace

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.ir import LAYERS, Index, IterationSet, Layer, Op, Param, ParamRef, ParamSpec, RuleError, TensorType, Value
from itc.ir.op import NORM_ROLES
from itc.ir.ops import table
from itc.ir.ops.conv import Convolution
from itc.ir.ops.norm import GroupNorm
from itc.ir.ops.pointwise import Dropout
from itc.ir.ops.pool import Pool
from itc.records import dataclass
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.arguments import convert
from itc_dsl.lowering.given_weights import given_weights
from itc_dsl.lowering.masks import tied_dropout
from itc_dsl.lowering.scope import Axis, Scope
from itc_dsl.lowering.tables import Groups, by_value, each_by_its_own
from itc_dsl.lowering.values import Items
from itc_dsl.sharing import KINDS
from itc_dsl.signature import Bound, Parameter, bind, of_operation

#: Operations on the height and width of maps, and what to write for volumes.
MAPS_ALONE = (Convolution, Pool, GroupNorm)
MAPS_ALONE_HELP = {
    "conv": "write `conv3d(x, out)`, with `kernel=[1, 3, 3]` for each depth by itself",
    "max_pool": "write `max_pool3d(x)`, with `kernel=[1, 2, 2]` for each depth by itself",
    "avg_pool": "write `avg_pool3d(x)`, with `kernel=[1, 2, 2]` for each depth by itself",
    "group_norm": "use `batch_norm` or `layer_norm`, or reshape it to a map",
}
#: Characters of a key per elaboration step.
KEY_STEP = 100


@dataclass(frozen=True, slots=True)
class Piped:
    """The piped value of a call, and its source."""

    value: object
    span: Span


def given_value(scope: Scope, expr: ast.Expr | None, piped: Piped | None) -> object:
    """The value of an argument, or the piped value without an expression."""
    if expr is not None:
        return scope.value(expr)
    assert piped is not None
    return piped.value


@dataclass
class _Call:
    """The converted arguments of a call: tensors in signature order, each with its span, and everything else."""

    name: str
    call: ast.Call
    spans: dict[str, Span] = field(default_factory=dict)
    tensors: list[tuple[Value, Span]] = field(default_factory=list)
    variadic: list[TensorType] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)

    def layer(self) -> Layer:
        return LAYERS[self.name](*self.variadic, **self.values)


def call_operation(scope: Scope, name: str, call: ast.Call, piped: Piped | None, segment: tuple[str, ...]) -> object:
    """The result of an operation. Raises CompileError for invalid arguments (E0208-E0210, E0301-E0305)."""
    signature = of_operation(name)
    bound, faults = bind(signature, call, piped is not None)
    if faults:
        raise CompileError(faults)
    given = _given(scope, name, call, bound, piped)
    differing = by_value([argument.value for argument in given], call.span)
    if differing is None:
        ready = _converted(name, call, given)
        return _applied(scope, ready, _layer(scope, ready), segment)
    frame, groups = differing
    if any(argument.parameter.name == "tied" for argument in given):
        raise fail(
            "E0412",
            "the rate of `tied` dropout must be equal in all iterations",
            call.span,
            "differs between iterations",
        )
    made: Groups[tuple[_Call, Layer]] = []
    for iterations, values in groups:
        with _in_iterations(iterations):
            ready = _converted(name, call, [replace(a, value=v) for a, v in zip(given, values, strict=True)])
            made.append((iterations, (ready, _layer(scope, ready))))
    _alike(made, call)
    params = _params(scope, made[0][1][1], segment, call.span)

    def run(pair: tuple[_Call, Layer]) -> Value:
        with _in_iterations(frame.reach):
            return _applied(scope, *pair, segment, params)

    return each_by_its_own(scope, frame, made, run, call.span)


@contextmanager
def _in_iterations(iterations: IterationSet) -> Iterator[None]:
    """Adds the iterations of an error to its label."""
    try:
        yield
    except CompileError as error:
        raise CompileError([_said_of(diagnostic, iterations) for diagnostic in error.diagnostics]) from None


def _said_of(diagnostic: Diagnostic, iterations: IterationSet) -> Diagnostic:
    label = diagnostic.primary
    return replace(diagnostic, primary=label and replace(label, text=f"{label.text}, in iterations {iterations}"))


def _layer(scope: Scope, ready: _Call) -> Layer:
    try:
        return ready.layer()
    except RuleError as error:
        raise CompileError([_broken_rule(scope, error, ready)]) from None


def _applied(
    scope: Scope, ready: _Call, layer: Layer, segment: tuple[str, ...], params: list[ParamRef] | None = None
) -> Value:
    """Adds the operation of a layer, with its parameters unless they exist."""
    call = ready.call
    try:
        if isinstance(layer.op, Dropout) and ready.values.get("tied"):
            return tied_dropout(scope, layer.op, ready.tensors[0][0], call.span)
        params = _params(scope, layer, segment, call.span) if params is None else params
        batch = _batch(scope, ready.name, call) if layer.op.reads_batch else ()
        one_map_at_a_time(scope, ready, layer.op)
        op, tensors = given_weights(scope, layer, ready.tensors, f"`{ready.name}`")
        result = scope.lowering.apply(op, [*batch, *tensors, *params], call.span, scope.origin(call.span))
        if isinstance(op, table.Parameter):
            scope.lowering.parameters[result.name] = params[0]
        return result
    except RuleError as error:
        raise CompileError([_broken_rule(scope, error, ready)]) from None


def one_map_at_a_time(scope: Scope, ready: _Call, op: Op) -> None:
    """Raises CompileError (E0311) for an operation on maps of each depth of a volume alone, which is hardly meant."""
    if not isinstance(op, MAPS_ALONE):
        return
    value, span = ready.tensors[0]
    if value.name in scope.lowering.volumes:
        message = f"`{ready.name}` is for maps; of a volume it would take each depth by itself"
        help = f"{MAPS_ALONE_HELP.get(op.name, 'use `conv3d`, `max_pool3d` or `avg_pool3d`')}: a volume is "
        help += "[depth, channels, height, width]"
        raise CompileError([Diagnostic("E0311", message, Label(span, f"this is {value.type}"), help=help)])


def _alike(made: Groups[tuple[_Call, Layer]], call: ast.Call) -> None:
    """Raises CompileError (E0412) if the parameters of a layer differ between iterations."""
    if any(layer.params != made[0][1][1].params for _, (_, layer) in made):
        message = f"the parameters of `{call.callee.text}` would differ between iterations"
        help = "call it in the branches of an `if` on `iteration`; each call has its own parameters"
        raise fail("E0412", message, call.span, "differs between iterations", help)


def _batch(scope: Scope, name: str, call: ast.Call) -> tuple[Value]:
    """An input of the network, which gives the batch size (E0302)."""
    inputs = scope.lowering.builder.inputs
    if not inputs:
        raise fail("E0302", f"`{name}` needs an `input` before it", call.span, "no input so far")
    return (inputs[0],)


@dataclass(frozen=True, slots=True)
class _Given:
    """An argument of a call: its parameter, value and span."""

    parameter: Parameter
    value: object
    expr: ast.Expr | None
    span: Span


def _given(scope: Scope, name: str, call: ast.Call, bound: Bound, piped: Piped | None) -> list[_Given]:
    """The arguments, evaluated in text order, in the order of the signature."""
    values = {p: [(_argument(scope, e, p, name, piped), e) for e in bound[p]] for p in bound}
    flow = piped.span if piped else call.span
    return [
        _Given(parameter, value, expr, expr.span if expr else flow)
        for parameter in of_operation(name).parameters
        for value, expr in values.get(parameter.name, ())
    ]


def _converted(name: str, call: ast.Call, given: list[_Given]) -> _Call:
    ready = _Call(name, call)
    for argument in given:
        ready.spans.setdefault(argument.parameter.name, argument.span)
        _take(ready, argument.parameter, argument.value, argument.expr, argument.span)
    return ready


def _argument(scope: Scope, expr: ast.Expr | None, parameter: str, name: str, piped: Piped | None) -> object:
    """The value of an argument; a bare word of the parameter is a string, unless it is a variable."""
    words = next(p.accepts.words for p in of_operation(name).parameters if p.name == parameter)
    if isinstance(expr, ast.Name) and expr.text in words and expr.text not in scope.names:
        return expr.text
    return given_value(scope, expr, piped)


def _take(ready: _Call, parameter: Parameter, value: object, expr: ast.Expr | None, span: Span) -> None:
    what = f"`{parameter.name}` of `{ready.name}`"
    if parameter.kind == "variadic":
        for item in value.items if isinstance(value, Items) else (value,):
            tensor = convert(parameter.accepts, item, expr, what, span)
            assert isinstance(tensor, Value)
            ready.tensors.append((tensor, span))
            ready.variadic.append(tensor.tensor)
        return
    converted = convert(parameter.accepts, value, expr, what, span)
    if isinstance(converted, Value):
        ready.tensors.append((converted, span))
        converted = converted.tensor
    ready.values[parameter.name] = converted


def _broken_rule(scope: Scope, error: RuleError, ready: _Call) -> Diagnostic:
    """A violated type rule as a diagnostic at the argument."""
    callee = ready.call.callee.span
    if error.attribute:
        label = Label(ready.spans.get(error.attribute, callee), "here")
        return Diagnostic("E0302", error.message, label, help=error.help)
    primary, *others = (_operand_label(scope, ready, at) for at in (error.operand, error.other) if at is not None)
    secondary = [label for label in others if label.span != primary.span]
    code = "E0301" if error.other is not None and error.other < len(ready.tensors) else "E0302"
    if primary.span != callee:
        secondary = [label for label in secondary if label.span != callee]
    return Diagnostic(code, error.message, primary, tuple(secondary), error.help)


def _operand_label(scope: Scope, ready: _Call, at: int) -> Label:
    if at >= len(ready.tensors):
        return Label(ready.call.callee.span, "")
    value, span = ready.tensors[at]
    own = len([other for _, other in ready.tensors if other == span]) == 1
    origin = scope.lowering.origins.get(value.name)
    if not own and origin is not None and origin != span:
        return Label(origin, f"{value.type} comes from here")
    return Label(span if own else ready.call.callee.span, f"this is {value.type}")


# Parameters


def _params(scope: Scope, layer: Layer, segment: tuple[str, ...], span: Span) -> list[ParamRef]:
    return [_param(scope, spec, segment, span) for spec in layer.params]


def _param(scope: Scope, spec: ParamSpec, segment: tuple[str, ...], span: Span) -> ParamRef:
    """A parameter with its key and a set axis for each loop with more than one set (E0207, E0417)."""
    path = scope.path + segment
    indices = [index for axis in scope.axes if (index := _index(axis, spec, path)) is not None]
    param = Param(
        ".".join((*path, spec.name)),
        TensorType("f32", spec.shape),
        spec.role,
        spec.init,
        tuple(index.count for index in indices),
    )
    scope.lowering.sized(param.size, f"`{param.key}`", span)
    known = scope.lowering.builder.params.get(param.key)
    if known is not None and not (scope.shared and known == param):
        raise CompileError([_taken(known, param, scope.shared, span)])
    scope.lowering.count(len(param.key) // KEY_STEP, span)
    ref = scope.lowering.builder.param(param)
    return ParamRef(ref.key, tuple(indices))


def _taken(known: Param, param: Param, shared: bool, span: Span) -> Diagnostic:
    if not shared:
        message = f"two parameters have the key `{param.key}`"
        return Diagnostic("E0207", message, Label(span, "the second"), help='give the call another name: `name="..."`')
    message = f"calls with shared parameters differ in `{param.key}`"
    note = f"{param.type} here, {known.type} in the call before" if param.type != known.type else "shared differently"
    help = "give all calls the same widths, or remove `@share(calls)`"
    return Diagnostic("E0417", message, Label(span, note), help=help)


def _index(axis: Axis, spec: ParamSpec, path: tuple[str, ...]) -> Index | None:
    """The set index of a parameter in one loop; none if all iterations share one set."""
    match _exception(axis, spec, path[axis.depth :]) or axis.sharing.mode:
        case "private" | "none":
            return Index(axis.frame.var, axis.frame.reach)
        case "every":
            return Index(axis.frame.var, axis.frame.reach, axis.every)
    return None


def _exception(axis: Axis, spec: ParamSpec, segments: tuple[str, ...]) -> str:
    """`private` or `shared` if an exception names the parameter: by the innermost segment, then by narrowest kind."""
    found = {-len(NORM_ROLES) - 1: ""}
    for word, names in (("private", axis.sharing.private), ("shared", axis.sharing.shared)):
        for name in names:
            if spec.role in KINDS.get(name.text, ()):
                found[-len(KINDS[name.text])] = word
            elif name.text in segments:
                found[max(i for i, segment in enumerate(segments) if segment == name.text)] = word
    return found[max(found)]
