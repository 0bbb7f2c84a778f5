"""The parameters of a net as the tree of modules that their keys spell, and as the attributes that read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from keyword import iskeyword

from itc.ir import Net, Param
from itc.ir.op import split_init
from itc_torch.precision import METHODS
from itc_torch.source.expressions import constant, prefixed, quoted
from itc_torch.source.layout import Bracket, Code, lines

Tree = Mapping[str, "Tree | Param"]

DEFINITIONS = {
    "kaiming": '''\
def kaiming(*shape: int, sets: tuple[int, ...] = ()) -> nn.Parameter:
    """Normal weights of variance 2 / fan-in; `sets` are leading axes."""
    std = math.sqrt(2 / (math.prod(shape[1:]) or 1))
    return nn.Parameter(torch.randn(*sets, *shape) * std)''',
    "xavier": '''\
def xavier(*shape: int, sets: tuple[int, ...] = ()) -> nn.Parameter:
    """Weights in +-sqrt(6 / (fan-in + fan-out)); `sets` are leading axes."""
    fans = math.prod(shape[1:]) + math.prod(shape[:1] + shape[2:])
    bound = math.sqrt(6 / fans)
    return nn.Parameter(torch.empty((*sets, *shape)).uniform_(-bound, bound))''',
    "lecun": '''\
def lecun(*shape: int, sets: tuple[int, ...] = ()) -> nn.Parameter:
    """Normal weights of variance 1 / fan-in, cut off at two standard deviations."""
    std = 1 / math.sqrt(math.prod(shape[1:]) or 1)
    weight = torch.empty((*sets, *shape))
    return nn.Parameter(nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std))''',
    "normal": '''\
def normal(*shape: int, sets: tuple[int, ...] = (), std: float = 1.0) -> nn.Parameter:
    """Normal weights; `sets` are leading axes."""
    return nn.Parameter(torch.randn((*sets, *shape)) * std)''',
    "sinusoid": '''\
def sinusoid(*shape: int, sets: tuple[int, ...] = ()) -> Tensor:
    """A table of sines and cosines, one position for each row of all sets."""
    pairs = -(-shape[-1] // 2)
    position = torch.arange(math.prod((*sets, *shape[:-1])), dtype=torch.float64)
    angle = position[:, None] / 10000 ** (torch.arange(pairs) / pairs)
    table = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)
    return table[:, : shape[-1]].reshape(*sets, *shape).float()''',
    "uniform": '''\
def uniform(*shape: int, sets: tuple[int, ...] = ()) -> nn.Parameter:
    """Weights in +-1 / sqrt(fan-in); `sets` are leading axes."""
    bound = 1 / math.sqrt(math.prod(shape[1:]) or 1)
    return nn.Parameter(torch.empty(*sets, *shape).uniform_(-bound, bound))''',
}

GROUP = '''\
class Group(nn.Module):
    """Named parts: modules, parameters, and tensors that are not trained."""

    def __init__(self, /, **parts: nn.Module | Tensor) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)'''

NORM = '''\
def norm(*shape: int) -> Group:
    """Scale, shift and running statistics of a batch norm; leading axes are sets."""
    return Group(
        weight=nn.Parameter(torch.ones(shape)),
        bias=nn.Parameter(torch.zeros(shape)),
        running_mean=torch.zeros(shape),
        running_var=torch.ones(shape),
    )'''

NORM_PARTS = [
    ("weight", "ones", True),
    ("bias", "zeros", True),
    ("running_mean", "zeros", False),
    ("running_var", "ones", False),
]


def tree(net: Net) -> Tree:
    """Parameters by the segments of their keys."""
    root: dict[str, Tree | Param] = {}
    for param in net.params:
        *path, last = param.key.split(".")
        at = root
        for segment in path:
            at = at.setdefault(segment, {})  # type: ignore[assignment]
        at[last] = param
    return root


def declarations(net: Net, indent: int) -> Iterator[str]:
    """The lines of `__init__` that make all parameters."""
    for name, part in tree(net).items():
        if isinstance(part, Param) and not part.trained:
            yield from lines(Bracket("self.register_buffer(", (quoted(name), _tensor(part))), indent)
        elif _plain(name):
            yield from lines(_part(part), indent, f"self.{name} = ")
        else:
            yield from lines(Bracket("setattr(", ("self", quoted(name), _part(part))), indent)


def _part(part: Tree | Param) -> Code:
    if isinstance(part, Param):
        return _made(part) if part.trained else _tensor(part)
    if _is_norm(part):
        shape = next(value.shape for value in part.values() if isinstance(value, Param))
        return Bracket("norm(", tuple(map(str, shape)))
    if _is_list(part):
        return _list(tuple(map(_part, part.values())))
    plain = tuple(prefixed(f"{name}=", _part(value)) for name, value in part.items() if _plain(name))
    odd = tuple(prefixed(f"{quoted(name)}: ", _part(value)) for name, value in part.items() if not _plain(name))
    return Bracket("Group(", (*plain, Bracket("**{", odd, "}")) if odd else plain)


def _is_norm(part: Tree | Param) -> bool:
    """Whether a group is what `batch_norm` makes."""
    params = [] if isinstance(part, Param) else [value for value in part.values() if isinstance(value, Param)]
    if isinstance(part, Param) or len(params) < len(part) or len({param.shape for param in params}) != 1:
        return False
    return [(name, param.init, param.trained) for name, param in zip(part, params, strict=True)] == NORM_PARTS


def _list(parts: tuple[Code, ...]) -> Code:
    """A list of modules; of equal ones, a comprehension."""
    if len(parts) > 1 and len(set(parts)) == 1:
        return Bracket("nn.ModuleList(", (parts[0], f"for _ in range({len(parts)})"), commas=False)
    return Bracket("nn.ModuleList(", (Bracket("[", parts, "]"),))


def _plain(name: str) -> bool:
    """Whether a name can stand behind a dot, where Python does not change it: names private to a class it does."""
    return name.isidentifier() and not iskeyword(name) and not name.startswith("__")


def _is_list(part: Tree) -> bool:
    """Whether the keys count from 0 and all hold modules, as in a list of layers."""
    counted = all(name == str(number) for name, number in zip(part, count(), strict=False))
    return counted and not any(isinstance(value, Param) for value in part.values())


def _made(param: Param) -> Code:
    """A trained parameter with fresh values."""
    word, numbers = split_init(param.init)
    if word in DEFINITIONS and word != "sinusoid" and param.type.dtype == "f32":
        return _filled(word, param, numbers)
    return Bracket("nn.Parameter(", (_tensor(param),))


def _filled(word: str, param: Param, numbers: tuple[str, ...]) -> Bracket:
    """A call of one of the definitions."""
    sets = (f"sets={param.sets}",) if param.sets else ()
    std = (f"std={float(numbers[0])!r}",) if numbers else ()
    return Bracket(f"{word}(", (*map(str, param.type.shape), *sets, *std))


def _tensor(param: Param) -> Code:
    """A tensor of the parameter's element type."""
    made = _floats(param)
    return made if param.type.dtype == "f32" else replace(made, tail=f"{made.tail}.{METHODS[param.type.dtype]}()")


def _floats(param: Param) -> Bracket:
    """A tensor that is not trained: of one number, of listed ones, a table of positions, or random."""
    sizes = tuple(map(str, param.shape))
    word, numbers = split_init(param.init)
    shape = Bracket("(", sizes, ",)" if len(sizes) == 1 else ")")
    if word in ("zeros", "ones"):
        return Bracket(f"torch.{word}(", sizes or ("()",))
    if word == "sinusoid":
        return _filled(word, param, ())
    if word in DEFINITIONS:
        made = _filled(word, param, numbers)
        return replace(made, tail=f"{made.tail}.data")
    if word == "values":
        listed = Bracket("[", tuple(constant(float(number)) for number in numbers), "]")
        return Bracket("torch.tensor(", (listed,), f").reshape({shape})")
    return Bracket("torch.full(", (shape, constant(float(word))))


def definitions(net: Net) -> list[str]:
    """The functions and classes that the declarations call."""
    words = {split_init(param.init)[0] for param in net.params}
    used = [text for name, text in DEFINITIONS.items() if name in words]
    nested = any("." in param.key for param in net.params)
    return used + [GROUP] * nested + [NORM] * any(map(_is_norm, _groups(tree(net))))


def _groups(part: Tree | Param) -> Iterator[Tree]:
    """A tree and all trees in it."""
    if not isinstance(part, Param):
        yield part
        for inner in part.values():
            yield from _groups(inner)


def attribute_text(owner: str, name: str) -> str:
    """The expression that reads an attribute of what `owner` is."""
    return f"{owner}.{name}" if _plain(name) else f"getattr({owner}, {quoted(name)})"


def attribute(net: Net, key: str) -> str:
    """The expression that reads the parameter of a key."""
    text, at = "self", tree(net)
    for segment in key.split("."):
        if text != "self" and _is_list(at):
            text += f"[{segment}]"
        else:
            text = attribute_text(text, segment)
        inner = at[segment]
        at = {} if isinstance(inner, Param) else inner
    return text
