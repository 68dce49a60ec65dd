# SPDX-License-Identifier: Apache-2.0
"""The counters of the array inside an engine, after a whole program in Amaranth's own simulator."""

from sysmt.hdl.engine.engine import Engine
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import EngineError, Operation
from sysmt.sim.engine.compiler import compile_network

from .accel import simulate
from .engine_networks import random_network, random_plan

CONFIG = EngineConfig(
    array=ArrayConfig(rows=2, cols=2).with_fields(threads=2, target="fpga"),
    **{"fill": 1, "lanes": 1, "x_depth": 256, "activation_words": 1024, "weight_words": 256, "scatter_words": 256},
    **{"parameter_words": 64, "layers": 16},
)


def test_steps_of_a_program_are_counted():
    """Of an input of zeros: the steps are those of the descriptors."""
    network, _ = random_network(1, layers=3)
    program = compile_network(network, random_plan(network, CONFIG, 1), CONFIG)
    engine, counted = Engine(CONFIG), {}

    async def bench(ctx):
        word = engine.i_write.payload
        for memory, words in program.images.items():
            ctx.set(word.memory, memory)
            for address, content in enumerate(words):
                ctx.set(word.address, address)
                ctx.set(word.word, int.from_bytes(content.tobytes(), "little"))
                ctx.set(engine.i_write.valid, 1)
                await ctx.tick().until(engine.i_write.ready)
        ctx.set(engine.i_write.valid, 0)
        ctx.set(engine.i_run.valid, 1)
        await ctx.tick().until(engine.i_run.ready)
        ctx.set(engine.i_run.valid, 0)
        await ctx.tick().until(engine.finished)
        counted.update(error=ctx.get(engine.error), steps=ctx.get(engine.counters.steps))

    simulate(engine, bench)
    steps = sum(
        ((layer["groups"] - 1) * layer["n_tiles"] + layer["last_n_tiles"]) * layer["m_tiles"] * layer["steps"]
        for layer in program.descriptors
        if layer["operation"] == Operation.MATMUL
    )
    assert steps > 0
    assert counted == {"error": EngineError.NONE, "steps": steps}
