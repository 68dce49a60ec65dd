# SPDX-License-Identifier: Apache-2.0
"""Schedules: published energies, and the exact search against every blocking in every order, counted naively."""

import itertools
import math
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sysmt
from sysmt.sim.cost.schedule.count import STAYS, counted, overfull
from sysmt.sim.cost.schedule.machine import Level, Machine, machine_of
from sysmt.sim.cost.schedule.nest import LOOPS, Nest, Unrolling
from sysmt.sim.cost.schedule.search import search

CONV3 = (3, 3, 13, 13, 384, 256, 1)
LARGE = {"capacities": (256, 65536), "energies": (0.96, 20, 200)}


@pytest.mark.parametrize("half_full", [True, False])
@pytest.mark.parametrize(
    ("loops", "capacities", "energies", "unroll", "energy"),
    [
        (CONV3, (256, 65536), (0.96, 20, 200), {"OC": 16, "IC": 16}, "8.89704e+08"),
        (CONV3, (256, 65536), (0.96, 20, 200), {"FY": 3, "OY": 13, "OC": 4}, "8.89888e+08"),
        ((1, 1, 14, 14, 128, 512, 1), (32, 65536), (0.12, 20, 200), {"OC": 16, "IC": 16}, "5.74361e+07"),
    ],
)
def test_published_energies(loops, capacities, energies, unroll, energy, half_full):
    """SCHEDULES.md: minimum over blockings on the authors' machines, with their pruning and without."""
    best = sysmt.schedule(loops, capacities=capacities, energies=energies, unroll=unroll, half_full=half_full)
    assert f"{best.energy:.5e}" == energy


def test_published_levels():
    best = sysmt.schedule(CONV3, **LARGE, unroll={"OC": 16, "IC": 16}, half_full=True)
    assert [f"{part:.3e}" for part in best.levels] == ["6.217e+08", "6.197e+05", "4.002e+07", "2.274e+08"]
    assert best.energy == pytest.approx(sum(best.levels))


# --- every blocking, every order of the loops, the definition read literally ---

DEPENDS = {"input": "FX FY OX OY IC ON", "output": "OX OY OC ON", "weights": "FX FY IC OC"}
TURNS_STILL = {"input": ("FX", "FY", "OC"), "output": ("FX", "FY", "IC"), "weights": ("OX", "OY", "ON")}
COUNTS_AS_INDEX = {"input": "OX OY IC ON", "output": "OX OY OC ON", "weights": "FX FY IC OC"}


def chains(size, factor, depth):
    """Tiles of a loop per level, with the elements' share: divisors, each dividing the next, the last the whole."""

    def grow(tile, left):
        if left == 1:
            yield (size,)
            return
        for outer in range(tile, size + 1):
            if size % outer == 0 and outer % tile == 0 and outer >= min(factor, size):
                yield from ((outer, *rest) for rest in grow(outer, left - 1))

    return list(grow(1, depth))


def words(size, stride):
    wide, high = size["FX"] + (size["OX"] - 1) * stride[0], size["FY"] + (size["OY"] - 1) * stride[1]
    return {
        "input": wide * high * size["IC"] * size["ON"],
        "output": size["OX"] * size["OY"] * size["OC"] * size["ON"],
        "weights": size["FX"] * size["FY"] * size["IC"] * size["OC"],
    }


def passes(tensor, level, blocking, order):
    """Iterations of the loops that do not index the tensor; at the level itself only from its first index on."""
    count = 1
    for loop in TURNS_STILL[tensor]:
        count *= math.prod(blocking[loop][level + 1 :])
    turning = [loop for loop in order if blocking[loop][level] > 1]
    first = next((k for k, loop in enumerate(turning) if loop in COUNTS_AS_INDEX[tensor].split()), len(turning))
    for loop in turning[first:]:
        if loop in TURNS_STILL[tensor]:
            count *= blocking[loop][level]
    return count


def naive(nest, machine, axes):
    """The least energy over all blockings in all orders; infinite where none fits."""
    factor = dict.fromkeys(LOOPS, 1) | {loop: f for axis in axes for loop, f in axis.items()}
    size, depth, total = nest.size, len(machine.levels), words(nest.size, nest.stride)
    sx_sy = nest.stride[0] * nest.stride[1]
    hops = {}
    for tensor, still in TURNS_STILL.items():
        near, far = 1, 0
        for axis in axes:
            (loop, f), *behind = axis.items()
            near *= f if loop in still else 1
            for other, g in behind:
                far += f * g if other in still and g > 1 else 0
        hops[tensor] = near + far
    base = total["input"] * size["FX"] * size["FY"] * size["OC"] / sx_sy
    base += total["output"] * (2 * size["FX"] * size["FY"] * size["IC"] - 1)
    base += total["weights"] * size["OX"] * size["OY"] * size["ON"]
    least = math.inf
    for tiles in itertools.product(*(chains(size[loop], factor[loop], depth) for loop in LOOPS)):
        tile = dict(zip(LOOPS, tiles, strict=True))
        blocking = {
            loop: (-(-t[0] // factor[loop]), *(t[k] // t[k - 1] for k in range(1, depth))) for loop, t in tile.items()
        }
        held = [
            sum(words({loop: blocking[loop][0] for loop in LOOPS}, nest.stride).values()),
            *(sum(words({loop: tile[loop][k] for loop in LOOPS}, nest.stride).values()) for k in range(1, depth - 1)),
        ]
        rooms = [level.words for level in machine.levels[:-1]]
        if any(h > room or (machine.half_full and 2 * h < room) for h, room in zip(held, rooms, strict=True)):
            continue
        energy = machine.levels[0].energy * base
        for k in range(1, depth):
            costs = []
            turning = [loop for loop in LOOPS if blocking[loop][k] > 1]
            for order in itertools.permutations(turning):
                a = {tensor: passes(tensor, k, blocking, order) for tensor in TURNS_STILL}
                a["input"] /= sx_sy
                level = total["input"] * a["input"] + total["output"] * (2 * a["output"] - 1)
                level = machine.levels[k].energy * (level + total["weights"] * a["weights"])
                if k == 1:
                    level += machine.hop * sum(total[t] * a[t] * hops[t] for t in total)
                costs.append(level)
            energy += min(costs)
        least = min(least, energy)
    return least


@st.composite
def problems(draw):
    sizes = tuple(
        draw(st.sampled_from(options))
        for options in ((1, 2, 3), (1, 2), (1, 2, 4), (1, 3), (1, 4, 6), (1, 2, 5), (1, 2))
    )
    loops = draw(st.permutations(LOOPS))[: draw(st.integers(0, 3))]
    factors = [(loop, draw(st.integers(1, 3))) for loop in loops]
    together = draw(st.booleans()) and len(factors) > 1
    axes = [dict(factors[:2]), *({loop: f} for loop, f in factors[2:])] if together else [{k: f} for k, f in factors]
    capacities = tuple(sorted(draw(st.lists(st.sampled_from((3, 6, 12, 40, 200)), min_size=1, max_size=2))))
    energies = (1.0, *(draw(st.sampled_from((2.0, 7.0, 50.0))) for _ in capacities))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    return Nest(sizes, stride), machine_of(capacities, energies, 0.035, draw(st.booleans())), axes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems())
def test_search_is_exact(problem):
    nest, machine, axes = problem
    expected = naive(nest, machine, axes)
    if math.isinf(expected):
        with pytest.raises(sysmt.UserError):
            search(nest, machine, Unrolling.of(axes))
        return
    best = search(nest, machine, Unrolling.of(axes))
    assert best.energy == pytest.approx(expected, rel=1e-12)
    assert overfull(best) == []
    again = counted(nest, machine, best.unrolling, best.blocking, best.stays)
    assert again == best


def test_objectives_are_kept_one_after_the_other():
    """Fewest words, or cycles, of all; among those, least energy: no objective beats another on its own ground."""
    levels = (
        Level(name="registers", words=64, energy=1.0),
        Level(name="buffer", words=2048, energy=6.0, bandwidth=8.0),
        Level(name="memory", energy=200.0, bandwidth=0.5),
    )
    machine = Machine(levels=levels, hop=0.0)
    nest, unrolling = Nest((3, 3, 14, 14, 32, 16, 1)), Unrolling.of({"OC": 16, "IC": 16})
    found = {objective: search(nest, machine, unrolling, objective) for objective in ("energy", "cycles", "traffic")}
    for other in found.values():
        assert found["energy"].energy <= other.energy * (1 + 1e-9)
        assert found["cycles"].cycles <= other.cycles * (1 + 1e-9)
        assert found["traffic"].traffic <= other.traffic * (1 + 1e-9)
    assert found["cycles"].cycles >= found["cycles"].compute_cycles
    assert found["cycles"].bound in ("compute", "buffer", "memory")
    with pytest.raises(sysmt.UserError, match="^objective must be one of energy, cycles, traffic, not 'area'$"):
        search(nest, machine, unrolling, "area")


def test_separate_memories_and_a_second_level_in_the_element():
    """Input, output and weights each have their own room; what lies in the element is passed by every element."""
    levels = (
        Level(name="registers", words=(4, 1, 2), energy=(1.0, 2.0, 1.0)),
        Level(name="scratch", words=128, energy=3.0),
        Level(name="buffer", words=8192, energy=10.0),
        Level(name="memory", energy=100.0),
    )
    machine = Machine(levels=levels, array_level=1)
    best = search(Nest((3, 3, 12, 12, 32, 16, 2)), machine, Unrolling.of({"OC": 4, "IC": 4}))
    tile = best.tile(0)
    assert (tile["input"] <= 4, tile["output"] <= 1, tile["weights"] <= 2) == (True, True, True)
    assert overfull(best) == []
    assert all(math.prod(factors) >= -(-n // f) for factors, n, f in zip(
        best.blocking.values(), best.nest.sizes, best.unrolling.factor.values(), strict=True
    ))  # fmt: skip
    scratch, buffer = best.accesses[1], best.accesses[2]
    assert all(scratch[tensor] >= buffer[tensor] for tensor in scratch)
    with pytest.raises(
        sysmt.UserError, match="^unroll of OC must divide its size 32 where array_level = 1 is above 0, not be 5$"
    ):
        search(best.nest, machine, Unrolling.of({"OC": 5}))


def test_a_given_blocking_is_counted():
    nest = Nest((1, 1, 4, 1, 6, 8, 1))
    machine = machine_of((16, 64), (1, 5, 100), 0.5, False)
    blocking = {"FX": (1, 1, 1), "FY": (1, 1, 1), "OX": (2, 2, 1), "OY": (1, 1, 1), "OC": (1, 1, 3), "IC": (2, 4, 1)}
    found = counted(nest, machine, Unrolling.of({"OC": 2}), blocking | {"ON": (1, 1, 1)}, ("output", "weights"))
    assert found.accesses == (
        {"input": 32 * 6, "output": 24 * 15, "weights": 48 * 4},
        {"input": 32 * 3, "output": 24 * 1, "weights": 48 * 2},
        {"input": 32 * 3, "output": 24 * 1, "weights": 48 * 1},
    )
    assert found.moves == {"input": 32 * 3 * 2, "output": 24, "weights": 48 * 2}
    assert found.compute_cycles == 4 * 3 * 8
    with pytest.raises(
        sysmt.UserError, match=r"^blocking of OC must have 3 factors that cover 6, not \(1, 1, 2\) with"
    ):
        counted(nest, machine, Unrolling.of({"OC": 2}), blocking | {"OC": (1, 1, 2), "ON": (1, 1, 1)}, STAYS)


def test_other_hierarchies_and_numbers_of_numpy():
    """Two levels; four, with the array at the second: more memory never costs more energy at the same prices."""
    two = sysmt.schedule(CONV3, (1, 1), (256,), (0.96, 200), unroll={"OC": 16, "IC": 16})
    assert len(two.levels) == 3
    assert two.energy > sysmt.schedule(CONV3, unroll={"OC": 16, "IC": 16}).energy
    numbers = {"capacities": np.array((8, 64, 131072)), "energies": np.array((0.03, 0.24, 30.75, 200))}
    unroll = {"OC": np.int64(16), "IC": np.int64(16)}
    four = sysmt.schedule(np.array(CONV3), **numbers, unroll=unroll, array_level=1)
    assert [len(factors) for factors in four.blocking.values()] == [4] * 7
    assert len(four.levels) == 5
    assert four.levels[2] == four.hops
    assert four.energy < sysmt.schedule(CONV3, unroll={"OC": 16, "IC": 16}).energy


def test_one_layer_takes_milliseconds():
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        sysmt.schedule((3, 3, 224, 224, 64, 64, 16), **LARGE, unroll={"OC": 16, "IC": 16})
        best = min(best, time.process_time() - start)
    assert best < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loops": (3, 3)}, "loops must be 7 whole numbers of at least 1 (FX FY OX OY OC IC ON), not (3, 3)"),
        (
            {"loops": (3, 3, 13, 13, 384, 256, 0)},
            "loops must be 7 whole numbers of at least 1 (FX FY OX OY OC IC ON), not (3, 3, 13, 13, 384, 256, 0)",
        ),
        ({"loops": (1, 1, 1, 1, 1, 10**30, 1)}, f"IC must be at most 2147483647, not {10**30}"),
        (
            {"loops": (1, 1, 720, 720, 720, 720, 720)},
            "loops (1, 1, 720, 720, 720, 720, 720) must have at most 16777216 tiles of divisors, not 24300000: "
            "split the layer, or take sizes of fewer divisors",
        ),
        ({"stride": (1, 2**31)}, "stride must be at most 2147483647, not 2147483648"),
        ({"energies": (1, 2, 1e308)}, "energy of level 2 must be at most 1e+100, not 1e+308"),
        ({"hop": 1e300}, "hop must be at most 1e+100, not 1e+300"),
        ({"stride": (1, 1.5)}, "stride must be 2 whole numbers of at least 1 (x, y), not (1, 1.5)"),
        ({"unroll": {"oc": 16}}, "unroll must be one of FX, FY, OX, OY, OC, IC, ON, not 'oc'"),
        ({"unroll": {"OC": 0}}, "unroll of OC must be a whole number of at least 1, not 0"),
        ({"unroll": [{"OC": 2}, {"OC": 2}]}, "unroll must name a loop once, not OC OC"),
        (
            {"capacities": (256,)},
            "energies must be one more than capacities, which leave out the outermost level, not 3 for 1",
        ),
        ({"hop": -1}, "hop must be at least 0, not -1"),
        (
            {"capacities": (2, 65536)},
            "words of level 0 = 2 is too small for any tile of loops (3, 3, 13, 13, 384, 256, 1): "
            "enlarge it, unroll less, or give loops more divisors",
        ),
        (
            {"loops": (1, 1, 2, 2, 4, 4, 1), "unroll": {}, "half_full": True},
            "words of level 0 = 256 fits no tile at least half full of loops (1, 1, 2, 2, 4, 4, 1): "
            "set half_full to False",
        ),
    ],
)
def test_refusals(change, message):
    words = {"loops": CONV3, **LARGE, "unroll": {"OC": 16, "IC": 16}} | change
    with pytest.raises(sysmt.UserError, match=f"^{re.escape(message)}$"):
        sysmt.schedule(**words)
