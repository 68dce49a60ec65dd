# SPDX-License-Identifier: Apache-2.0
"""The commands: what `sysmt --help` says of each, and where its implementation lies.

A module here holds one command, or a few that belong together, and is imported when its command is called: it parses,
calls one function of a room and returns a `Result`. It prints nothing but progress, on standard error.
"""

from sysmt.cli.output import Command

COMMANDS = (
    Command(
        "list",
        "List the presets.",
        "sysmt list --json",
        "presets",
        "LIST",
    ),
    Command(
        "show",
        "Show one preset and what follows from it.",
        "sysmt show sysmt2_8",
        "presets",
        "SHOW",
    ),
    Command(
        "generate",
        "Write an array, a cache, a TCAM or an accelerator as Verilog, with a manifest of its ports and configuration.",
        "sysmt generate sysmt2_8 --set policy=S+Aw --set pipeline=1 --package --clock 250 -o build",
        "generate",
        "GENERATE",
    ),
    Command(
        "matmul",
        "Multiply two matrices as the array does, and count what happens.",
        "sysmt matmul X.npy W.npy -o O.npy --threads 4 --policy S+A --on rtl --json",
        "matmul",
        "MATMUL",
    ),
    Command(
        "board",
        "Say what is on a board, or simulate one behind a pseudo-terminal.",
        "sysmt board --virtual sysmt2_8 (prints a port)\n  sysmt board info --port /dev/pts/7 --json",
        "board",
        "BOARD",
    ),
    Command(
        "boards",
        "List the boards and what fits on them.",
        "sysmt boards --json",
        "bitstreams",
        "BOARDS_COMMAND",
    ),
    Command(
        "build",
        "Build the bitstream of a board: synthesis, place and route, with a report and a manifest.",
        "sysmt build icebreaker -o build/boards",
        "bitstreams",
        "BUILD",
    ),
    Command(
        "flash",
        "Load a bitstream onto a board.",
        "sysmt flash icebreaker -o build/boards",
        "bitstreams",
        "FLASH",
    ),
    Command(
        "conv1d",
        "Convolve every channel of an image with its own 1-D filter, as a FuSe stage does.",
        "sysmt conv1d X.npy W.npy -o O.npy --axis col --stride 2 2 --padding 1 1 --on rtl --json",
        "conv1d",
        "CONV1D",
    ),
    Command(
        "demo",
        "Classify handwritten digits on arrays of 1, 2 and 4 threads and on an engine: simulated, beside the models.",
        "sysmt demo --images 16 --waves",
        "demo",
        "DEMO",
    ),
    Command(
        "infer",
        "Run an int8 .tflite model on the array.",
        "sysmt infer MODEL.tflite IN.npz --policy S+aW --budget 1 --reorder --recalibrate --calibrate CALIB.npz",
        "infer",
        "INFER",
    ),
    Command(
        "compile",
        "Compile a network into a program of the engine, which runs it whole.",
        "sysmt compile MODEL.tflite --preset engine_sysmt2_8 -o model.sysmt",
        "programs",
        "COMPILE",
    ),
    Command(
        "run",
        "Run a program of the engine on inputs.",
        "sysmt run model.sysmt INPUTS.npz --on golden -o OUT.npy --json",
        "programs",
        "RUN",
    ),
    Command(
        "inspect",
        "Show the operators of a model: shapes, weights, work, what runs on the array, what is in the way.",
        "sysmt inspect MODEL.tflite --json",
        "inspect",
        "INSPECT",
    ),
    Command(
        "zeros",
        "Predict which outputs are zero, and show what leaving them out saves and costs.",
        "sysmt zeros MODEL.tflite IN.npz --calibrate CALIB.npz --method zap",
        "zeros",
        "ZEROS",
    ),
    Command(
        "train",
        "Train a network for the array: NB-SMT in the forward pass, KURE, pruning; interrupted, it goes on.",
        "sysmt train --recipe digits -o build/digits --policy S+aW --threads 4",
        "train",
        "TRAIN",
    ),
    Command(
        "cycles",
        "Count the cycles of every layer of a network.",
        "sysmt cycles model.tflite --array 8x8 --threads 2",
        "cycles",
        "CYCLES",
    ),
    Command(
        "networks",
        "List the networks, or the layers of one.",
        "sysmt networks mobilenet_v2 --variant half",
        "networks",
        "NETWORKS_COMMAND",
    ),
    Command(
        "schedule",
        "Find the best blocking of every layer on a hierarchy of memories: accesses, energy, stalls, roofline.",
        "sysmt schedule --network mobilenet_v2 --array 16x16 --machine eyeriss --objective energy --plot schedule.png\n"
        "  sysmt schedule --gemm 512,1152,256 --array 8x8 --threads 2 --machine accelerator --json",
        "schedule",
        "SCHEDULE",
    ),
    Command(
        "explore",
        "Find the accelerators that no other beats, for networks, on a board or in cells.",
        "sysmt explore mobilenet_v2 --board ulx3s --points 2000 -o explore.html\n"
        "  sysmt explore MODEL.tflite --inputs IN.npz --budget 1 --objective latency --json",
        "explore",
        "EXPLORE",
    ),
    Command(
        "fuseconv",
        "Compare FuSeConv's speed-ups with the published ones.",
        "sysmt fuseconv --out build",
        "fuseconv",
        "FUSECONV",
    ),
    Command(
        "trace",
        "Write the memory accesses of a network.",
        "sysmt trace digits -o digits.npz",
        "trace",
        "TRACE",
    ),
    Command(
        "cache",
        "Play a trace on a cache.",
        "sysmt cache digits.npz --null-cache on --json",
        "cache",
        "CACHE",
    ),
    Command(
        "synth",
        "Synthesise a preset: area by block, cells and clock, in standard cells or on an FPGA.",
        "sysmt synth sysmt2_16 --target sky130hd_tt.lib.gz --clock 50",
        "synth",
        "SYNTH",
    ),
    Command(
        "report",
        "Show area, clock, energy and cycles of arrays on one page, or where the cycles of a program go.",
        "sysmt report os16 sysmt2_16 sysmt4_16 -o report.html\n  sysmt report --program model.sysmt -o model.html",
        "report",
        "REPORT",
    ),
)
