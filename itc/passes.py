"""The pass interface: maps a net to an equivalent net, and the weights of a checkpoint to those of the new net."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import ClassVar, Protocol

from itc.diagnostics import CompileError
from itc.ir.net import Net, applies
from itc.ir.op import Array
from itc.ir.verifier import verify
from itc.records import dataclass

Weights = Mapping[str, Array]
Adapt = Callable[[Weights], Weights]


class WrongPass(ValueError):
    """An unknown name or option of a pass; the message lists the known ones."""


def unchanged(weights: Weights) -> Weights:
    return weights


@dataclass(frozen=True)
class Rewritten:
    """The result of a pass: a net, and `adapt`, which converts weights of the original net."""

    net: Net
    adapt: Adapt = unchanged

    def then(self, after: Rewritten) -> Rewritten:
        """The composition with `after`, a rewriting of this net."""
        if unchanged in (self.adapt, after.adapt):
            return Rewritten(after.net, after.adapt if self.adapt is unchanged else self.adapt)
        return Rewritten(after.net, lambda weights: after.adapt(self.adapt(weights)))


class Transform(Protocol):
    """A pass or a pipeline."""

    @property
    def name(self) -> str:
        """Its name on the command line."""

    @property
    def summary(self) -> str:
        """Its effect, in one line."""

    def __call__(self, net: Net) -> Rewritten:
        """The rewritten net: well formed, with the outputs of `net` under the same labels."""


@dataclass(frozen=True)
class Pass(ABC):
    """A single pass: a frozen dataclass whose fields are its options."""

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def rewrite(self, net: Net) -> Rewritten:
        """The rewriting; unused parameters may remain."""

    def __call__(self, net: Net) -> Rewritten:
        found = self.rewrite(net)
        result = found.then(without_unread(found.net))
        try:
            verify(result.net)
        except CompileError as error:
            raise AssertionError(f"the pass `{self.name}` produced an invalid net from {net.name}: {error}") from error
        return result


@dataclass(frozen=True)
class Pipeline:
    """A named sequence of passes."""

    name: str
    summary: str
    passes: tuple[Transform, ...]

    def __call__(self, net: Net) -> Rewritten:
        result = Rewritten(net)
        for each in flat(self.passes):
            result = result.then(each(result.net))
        return result


def flat(transforms: Iterable[Transform]) -> Iterator[Transform]:
    """The single passes of pipelines."""
    for each in transforms:
        if isinstance(each, Pipeline):
            yield from flat(each.passes)
        else:
            yield each


def without_unread(net: Net) -> Rewritten:
    """`net` without unused parameters; adapting a checkpoint drops them too."""
    read = {ref.key for apply in applies(net.body) for ref in apply.refs}
    if len(read) == len(net.params):
        return Rewritten(net)
    params = tuple(param for param in net.params if param.key in read)
    return Rewritten(replace(net, params=params), lambda weights: {p.key: weights[p.key] for p in params})


def named(text: str, known: Mapping[str, Transform]) -> Transform:
    """The pass or pipeline of a text: `dce`, or `unroll(factor=2)` with options. Raises WrongPass."""
    name, opened, rest = text.strip().partition("(")
    name = name.strip()
    if name not in known:
        close = get_close_matches(name[:100], known, 1)
        help = f"did you mean `{close[0]}`? " if close else ""
        raise WrongPass(f"unknown pass `{name}`; {help}known passes: {', '.join(known)}")
    found = known[name]
    if not opened:
        return found
    if not rest.endswith(")"):
        raise WrongPass(f"missing closing parenthesis in `{text}`")
    return _with_options(found, [part for part in rest[:-1].split(",") if part.strip()])


def _with_options(found: Transform, texts: list[str]) -> Transform:
    if not isinstance(found, Pass):
        raise WrongPass(f"the pipeline `{found.name}` has no options")
    options = {f.name: getattr(found, f.name) for f in fields(found)}
    given: dict[str, int] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if name not in options:
            has = ", ".join(f"{n}={_text(v)}" for n, v in options.items()) or "no options"
            raise WrongPass(f"`{found.name}` has no option `{name}`; it has {has}")
        given[name] = _option(found.name, name, value, options[name])
    return replace(found, **given) if given else found


def _option(owner: str, name: str, text: str, default: object) -> int:
    """The value of an option: a boolean if its default is one, else a non-negative integer."""
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise WrongPass(f"`{name}` of `{owner}` must be true or false, not `{text}`")
        return text == "true"
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise WrongPass(f"`{name}` of `{owner}` must be a non-negative integer, not `{text}`")
    return int(text)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
