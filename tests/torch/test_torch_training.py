"""Training mode: the statistics of each iteration's own set, and a new dropout mask in every iteration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from torch import Tensor, nn

from itc.ir import Net, parse_net, verify
from itc_torch import load_weights, lower
from tests.random_nets import Case, cases, on_random_nets, random_inputs, random_weights
from tests.torch.forms import MAKERS, modules, tensors

NORMS = verify(
    parse_net("""
net @norms(%image: f32[3, 6, 6]) {
  param @s: 2 x f32[3] {role = scale, init = ones}
  param @b: 2 x f32[3] {role = shift, init = zeros}
  param @m: 2 x f32[3] {role = mean, init = zeros}
  param @v: 2 x f32[3] {role = var, init = ones}
  %r = loop %t in 1..4 carry (%x = %image) {
    %2 = when %t in {2, 4} {
      %3 = batch_norm(%x, @s[%t in {2, 4}], @b[%t in {2, 4}], @m[%t in {2, 4}], @v[%t in {2, 4}]): f32[3, 6, 6]
      yield %3
    } else {
      %4 = affine(%x) {factor = 2.0, offset = 1.0}: f32[3, 6, 6]
      yield %4
    }: f32[3, 6, 6]
    yield %2
  }: f32[3, 6, 6]
  return %r {name = r}
}
""")
)

MASKS = verify(
    parse_net("""
net @masks(%image: f32[2, 40, 40]) {
  %ms = loop %t in 1..3 carry () {
    %1 = dropout(%image) {rate = 0.25}: f32[2, 40, 40]
    emit when %t in {1..3} {
      yield %1
    }
    yield
  }: 3 x f32[2, 40, 40]
  return %ms {name = m, at = {1..3}}
}
""")
)


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


@pytest.mark.parametrize("form", MAKERS)
def test_statistics_go_into_the_iterations_own_set(form: str) -> None:
    weights, (x,) = random_weights(NORMS), tensors(random_inputs(NORMS, batch=4))
    module = MAKERS[form](NORMS).train()
    load_weights(module, weights)
    mean, var = weights["m"].copy(), weights["v"].copy()
    with torch.no_grad():
        found = module(x)["r"]
        for number in range(2):
            x = 2 * x + 1
            mean[number] = 0.9 * mean[number] + 0.1 * x.mean((0, 2, 3)).numpy()
            var[number] = 0.9 * var[number] + 0.1 * x.var((0, 2, 3)).numpy()
            x = batch_norm(x, torch.from_numpy(weights["s"][number]), torch.from_numpy(weights["b"][number]))
    assert torch.allclose(found, x, atol=1e-4)
    state = module.state_dict()
    np.testing.assert_allclose(state["m"].numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state["v"].numpy(), var, rtol=1e-5)


@pytest.mark.parametrize("form", MAKERS)
def test_evaluation_changes_nothing(form: str) -> None:
    module = MAKERS[form](NORMS).eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    module(*tensors(random_inputs(NORMS)))
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("form", MAKERS)
def test_every_iteration_draws_its_own_mask(form: str) -> None:
    torch.manual_seed(0)
    (x,) = tensors(random_inputs(MASKS))
    masks = [output / x for output in MAKERS[form](MASKS).train()(x).values()]
    for mask in masks:
        kept = mask > 0.5
        assert torch.allclose(mask[kept], torch.tensor(1 / 0.75))
        assert abs(kept.float().mean().item() - 0.75) < 0.03
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[1], masks[2])


@pytest.mark.parametrize("form", MAKERS)
def test_a_mask_of_channels(form: str) -> None:
    torch.manual_seed(0)
    net = verify(
        parse_net("""
net @channels(%x: f32[400, 2, 3]) {
  %0 = dropout(%x) {rate = 0.25, channels = true}: f32[400, 2, 3]
  return %0 {name = y}
}""")
    )
    (x,) = tensors(random_inputs(net))
    mask = MAKERS[form](net).train()(x)["y"] / x
    assert torch.allclose(mask, mask[..., :1, :1].expand_as(mask))
    assert abs((mask > 0.5).float().mean().item() - 0.75) < 0.08
    assert torch.allclose(mask[mask > 0.5], torch.tensor(1 / 0.75))


@pytest.mark.parametrize("form", MAKERS)
def test_no_mask_in_evaluation(form: str) -> None:
    (x,) = tensors(random_inputs(MASKS))
    assert all(torch.equal(output, x) for output in MAKERS[form](MASKS).eval()(x).values())


def trained(module: nn.Module, case: Case) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outputs and state of one pass in training mode, from the same seed, in float64."""
    torch.manual_seed(0)
    module.double().train()
    with torch.no_grad():
        outputs = module(*(tensor.double() for tensor in tensors(case.inputs)))
    return outputs, module.state_dict()


@settings(on_random_nets, max_examples=10)
@given(cases())
def test_forms_train_alike(case: Case) -> None:
    made = modules(case.net, case.weights)
    try:
        outputs, state = trained(made.pop("unrolled"), case)
    except ValueError as error:  # a norm of one number a channel has no statistics
        assert "Expected more than 1 value per channel" in str(error)
        assume(False)
    for name, module in made.items():
        found, after = trained(module, case)
        assert all(torch.allclose(found[label], outputs[label], rtol=1e-6, atol=1e-9) for label in outputs), name
        assert all(torch.allclose(after[key], state[key], rtol=1e-6, atol=1e-9) for key in state), name


def test_a_step_of_an_optimizer_lowers_the_loss() -> None:
    net: Net = NORMS
    module, (x,) = lower(net).train(), tensors(random_inputs(net, batch=4))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (module(x)["r"] - 3).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
