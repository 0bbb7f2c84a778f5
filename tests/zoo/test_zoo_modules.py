"""Modules of every example under what PyTorch does with modules: save, copy, export, compile, trace, distribute."""

from __future__ import annotations

import copy
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

import itc
from itc.driver import Network
from itc.weights import save
from itc_torch import load_weights
from itc_torch.names import class_name
from tests.zoo.reduced import QUICK, first_networks, reduced, weights_and_inputs

Outputs = dict[str, Tensor]
Check = Callable[[nn.Module, tuple[Tensor, ...]], Outputs | None]

#: What is smaller still than in the quick suite: tracing takes time for every iteration.
FEW_ITERATIONS = {
    "iamnn": {"depths": [2, 2, 2, 2]},
    "itnet": {"iterations": 3, "exits": [1, 3], "f": 9},
    "faster_rcnn": {"count": 2},
    "faster_rcnn_iterative": {"count": 2},
}
HALTING = """
@loop(max=4)
@halt(act, epsilon=0.1)
iterative refine(carry x):
    x = x + (x |> conv(channels(x), 3) |> batch_norm)
    halt global_pool(x) |> linear(1) |> sigmoid

network halting:
    input image: f32[3, 6, 5]
    emit y = refine(image)
"""
LOOP = """
@share(all)
output head(x):
    return x |> global_pool |> linear(2)

@loop(times)
@share(all, private=norm)
iterative refine(carry x, times):
    x = x + (x |> conv(channels(x), 3) |> batch_norm |> relu)

network loop(times=4, exits=[1, 2, 4]):
    input image: f32[3, 6, 5]
    x = refine(image, times)
    emit y = head(x) at exits
"""


def saved(module: nn.Module, inputs: tuple[Tensor, ...]) -> Outputs:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    found: Outputs = torch.load(file, weights_only=False)(*inputs)
    return found


def exported(module: nn.Module, inputs: tuple[Tensor, ...]) -> Outputs:
    found: Outputs = torch.export.export(module, inputs).module()(*inputs)
    return found


def compiled(module: nn.Module, inputs: tuple[Tensor, ...]) -> Outputs:
    torch._dynamo.reset()
    found: Outputs = torch.compile(module, fullgraph=True, backend="eager")(*inputs)
    return found


def traced(module: nn.Module, inputs: tuple[Tensor, ...]) -> Outputs:
    found: Outputs = torch.jit.trace(module, inputs, strict=False, check_trace=False)(*inputs)
    return found


def distributed(module: nn.Module, inputs: tuple[Tensor, ...]) -> Outputs:
    found: Outputs = nn.parallel.DistributedDataParallel(module)(*inputs)
    return found


def functional(module: nn.Module, inputs: tuple[Tensor, ...]) -> Outputs:
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    found: Outputs = torch.func.functional_call(module, state, inputs)
    return found


def of_type(dtype: torch.dtype) -> Check:
    """Runs in another precision; the values are another test's."""

    def check(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given = [each.to(dtype) if each.is_floating_point() else each for each in inputs]
        for label, value in copy.deepcopy(module).to(dtype)(*given).items():
            assert value.dtype == dtype, label

    return check


def to_onnx(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """The file has the names of inputs and, of modules that are not written, of outputs."""
    file = io.BytesIO()
    torch.onnx.export(module, inputs, file, dynamo=False)
    if isinstance(module, torch.fx.GraphModule):
        for label in module(*inputs):
            assert label.encode() in file.getvalue(), label


CHECKS: dict[str, Check] = {
    "pickle": saved,
    "deepcopy": lambda module, inputs: copy.deepcopy(module)(*inputs),
    "export": exported,
    "compile": compiled,
    "trace": traced,
    "distributed": distributed,
    "half": of_type(torch.float16),
    "bfloat16": of_type(torch.bfloat16),
    "functional": functional,
    "onnx": to_onnx,
}


#: Checks that trace a module symbolically take seconds for a network: all examples have the others.
SYMBOLIC = ("export", "compile")
#: Examples of each kind: private statistics and exits, halting, attention, nested loops.
TRACED_SYMBOLICALLY = ("itnet", "iamnn", "universal_transformer")
#: Networks with operations that PyTorch does not export to ONNX, with its message.
ANY_BINS = "adaptive_avg_pool2d, output size that are not factor of input size"
NOT_IN_ONNX = {
    "espnetv2": ANY_BINS,
    "hrm": "aten::rms_norm",
    "recurrent_depth": "aten::rms_norm",
    "tiny_recursive_model": "aten::rms_norm",
    "upernet": ANY_BINS,
    "upernet_iterative": ANY_BINS,
}


@pytest.fixture(scope="module", autouse=True)
def process_group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A group of one process, on the CPU."""
    file = tmp_path_factory.mktemp("group") / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def written(net: Network) -> nn.Module:
    """The emitted module, importable as pickles need it; what halts is masked."""
    name = f"written_{net.ir.name}_{os.getpid()}"
    sys.modules[name] = module = ModuleType(name)
    text = net.emit()
    exec(compile(text, name, "exec", dont_inherit=True), module.__dict__)
    made = getattr(module, class_name(net.ir.name))
    masked = {"masked": True} if "masked: bool" in text else {}
    found: nn.Module = made(**masked)
    return found


def check_all(net: Network, without: tuple[str, ...] = ()) -> None:
    weights, arrays = weights_and_inputs(net, batch=2, seed=0)
    inputs = tuple(map(torch.from_numpy, arrays.values()))
    for module in (net.torch(halting="masked"), written(net)):
        load_weights(module.eval(), weights)
        with torch.no_grad():
            expected = module(*inputs)
            for name, check in CHECKS.items():
                if name in without or (name == "onnx" and not isinstance(module, torch.fx.GraphModule)):
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of PyTorch itself: tracers and the exporter
                    found = check(module, inputs)
                for label, value in expected.items() if found else ():
                    assert torch.allclose(found[label], value, rtol=1e-4, atol=1e-5), (name, label)


@pytest.mark.parametrize("text", [LOOP, HALTING], ids=["loop", "halting"])
def test_small_networks(tmp_path: Path, text: str) -> None:
    (tmp_path / "n.itn").write_text(text)
    check_all(itc.load(tmp_path / "n.itn"))


def example(path: Path, name: str) -> Network:
    return reduced(path, name, **QUICK.get(path.stem, {}) | FEW_ITERATIONS.get(path.stem, {}))


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), first_networks(), ids=[name for _, name in first_networks()])
def test_every_example(path: Path, name: str) -> None:
    symbolic = () if path.stem in TRACED_SYMBOLICALLY else SYMBOLIC
    check_all(example(path, name), (*symbolic, *["onnx"] * (path.stem in NOT_IN_ONNX)))


@pytest.mark.long
@pytest.mark.parametrize("stem", NOT_IN_ONNX)
def test_networks_that_onnx_lacks_operations_of(stem: str) -> None:
    path, name = next(each for each in first_networks() if each[0].stem == stem)
    net = example(path, name)
    _, arrays = weights_and_inputs(net, batch=2, seed=0)
    with warnings.catch_warnings(), pytest.raises(torch.onnx.errors.OnnxExporterError, match=NOT_IN_ONNX[stem]):
        warnings.simplefilter("ignore")
        to_onnx(net.torch().eval(), tuple(map(torch.from_numpy, arrays.values())))


def test_onnx_has_the_labels(tmp_path: Path) -> None:
    (tmp_path / "n.itn").write_text(LOOP)
    module = itc.load(tmp_path / "n.itn").torch().eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.rand(1, 3, 6, 5),), file, dynamo=False)
    for name in (b"image", b"y@1", b"y@2", b"y@4"):
        assert name in file.getvalue()


@pytest.mark.parametrize("form", ["rolled", "unrolled"])
def test_masked_loops_have_the_values_of_stopping_ones(tmp_path: Path, form: str) -> None:
    (tmp_path / "n.itn").write_text(HALTING)
    net = itc.load(tmp_path / "n.itn")
    weights, arrays = weights_and_inputs(net, batch=3, seed=1)
    (image,) = map(torch.from_numpy, arrays.values())
    stopping, masked = (net.torch(form, halting, weights).eval() for halting in ("stop", "masked"))
    for label, value in stopping(image).items():
        assert torch.equal(masked(image)[label], value), label


def test_weights_are_loaded_from_arrays_and_files(tmp_path: Path) -> None:
    (tmp_path / "n.itn").write_text(LOOP)
    net = itc.load(tmp_path / "n.itn")
    drawn = net.weights(seed=7)
    module = net.torch()
    module.load_state_dict(drawn)
    save(tmp_path / "state.safetensors", drawn)
    for other in (module, net.torch(weights=tmp_path / "state.safetensors"), net.torch("unrolled", weights=drawn)):
        assert all(torch.equal(value, torch.from_numpy(drawn[key])) for key, value in other.state_dict().items())
