# SPDX-License-Identifier: Apache-2.0
"""KURE, pruning and the recipes of `sysmt train`."""

from dataclasses import fields, replace

import pytest

from sysmt.base.errors import UserError
from sysmt.cli.commands.train import NAMES
from sysmt.cli.commands.train import STATISTICS as CHOICES

pytest.importorskip("torch", reason="torch is not installed: pip install 'sysmt[train]'")

import torch

from sysmt.sim.train.architecture import ARCHITECTURES
from sysmt.sim.train.network import TrainedNetwork
from sysmt.sim.train.pruning import Pattern, mask, prune
from sysmt.sim.train.recipe import RECIPES, STATISTICS, Recipe
from sysmt.sim.train.regularise import kure, kurtosis

from .test_api_arguments import WRONG

torch.set_num_threads(1)


def test_kurtosis():
    random = torch.Generator().manual_seed(0)
    assert kurtosis(torch.rand(100_000, generator=random)).item() == pytest.approx(1.8, abs=0.02)
    assert kurtosis(torch.randn(100_000, generator=random)).item() == pytest.approx(3, abs=0.1)
    assert kurtosis(torch.tensor([1.0, -1.0])).item() == pytest.approx(1)


def test_kure_draws_weights_towards_a_uniform_distribution():
    network = TrainedNetwork(ARCHITECTURES["digits"], seed=3)
    optimiser = torch.optim.SGD(network.parameters.values(), lr=0.5)
    before = kure(network).item()
    for _ in range(50):
        optimiser.zero_grad()
        kure(network).backward()
        optimiser.step()
    assert kure(network).item() < 0.2 * before


def test_pruned_weights_do_not_count_for_kurtosis():
    network = TrainedNetwork(ARCHITECTURES["digits"], seed=3)
    prune(network, Pattern(share=0.5))
    weight = network.parameters["conv2.weight"].detach()
    before = kure(network).item()
    weight[network.masks["conv2.weight"] == 0] *= 7
    assert kure(network).item() == pytest.approx(before)


def test_magnitude_pruning_takes_the_smallest():
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(1))
    kept = mask(weight, Pattern(share=0.4)) == 1
    assert int((~kept).sum()) == round(0.4 * weight.numel())
    assert weight[kept].abs().min() >= weight[~kept].abs().max()


@pytest.mark.parametrize("channels", [8, 5])
def test_groups_follow_the_reduction_of_the_array(channels):
    weight = torch.randn(3, channels, 2, 3, generator=torch.Generator().manual_seed(1))
    kept = mask(weight, Pattern(keep=2, group=4)).permute(0, 2, 3, 1).reshape(3, -1)
    along = weight.permute(0, 2, 3, 1).reshape(3, -1).abs()
    for row, magnitudes in zip(kept, along, strict=True):
        for start in range(0, len(row), 4):
            group, sizes = row[start : start + 4], magnitudes[start : start + 4]
            assert int(group.sum()) == min(2, len(group))
            if len(group) == 4:
                assert sizes[group == 1].min() >= sizes[group == 0].max()


def test_layers_that_are_not_threaded_are_not_pruned():
    network = TrainedNetwork(ARCHITECTURES["dscnn"])
    prune(network, Pattern.parse("0.5"))
    assert set(network.masks) == {f"pointwise{stage}.weight" for stage in range(1, 5)}
    assert 0.3 < network.sparsity() < 0.5


@pytest.mark.parametrize("text", ["1", "-0.1", "x", "2:", "3:2", "0:4", "2:100"])
def test_patterns_that_are_none(text):
    with pytest.raises(UserError, match=rf"^prune must be a share from 0 to below 1, or N:M .*, not '{text}'$"):
        Pattern.parse(text)
    with pytest.raises(UserError, match=r"^prune must be"):
        replace(RECIPES["digits"], prune=text)


# Recipes.


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe)])
def test_fields_of_another_kind_are_refused(field):
    for name, wrong in WRONG.items():
        if name == "large" and isinstance(getattr(RECIPES["digits"], field), int) and field != "threads":
            continue
        with pytest.raises(UserError, match=rf"\A{field} must be .*\Z"):
            replace(RECIPES["digits"], **{field: wrong})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "network",
            "resnet",
            r"^network must be one of resnet8, dscnn, digits, not 'resnet' \(did you mean resnet8\?\)$",
        ),
        ("epochs", -1, r"^epochs must be a whole number from 0, not -1$"),
        ("batch", 1, r"^batch must be a whole number from 2, not 1$"),
        ("rate", float("nan"), r"^rate must be from 0 to below 10, not nan$"),
        ("distil", 1.5, r"^distil must be from 0 to 1, not 1\.5$"),
        ("statistics", "none", r"^statistics must be one of batch, running, not 'none'$"),
        ("policy", "S+B", r"^policy must be one of .*not 'S\+B'"),
        ("threads", 3, r"^threads must be one of 1, 2, 4, not 3$"),
    ],
)
def test_recipes_that_cannot_be(field, value, message):
    with pytest.raises(UserError, match=message):
        replace(RECIPES["digits"], **{field: value})


def test_recipes_of_the_command_line():
    assert tuple(RECIPES) == NAMES
    assert STATISTICS == CHOICES
    assert all(recipe.network == name for name, recipe in RECIPES.items())
    assert Recipe(network="digits", epochs=0, array_epochs=0).mode.threads == 4
