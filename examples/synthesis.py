# SPDX-License-Identifier: Apache-2.0
"""What threads cost: the area of three arrays by block, in NAND2 equivalents, without a cell library.

With a liberty file as argument the same in its cells, with um2 and a clock.

    pip install 'sysmt[silicon]'
    python examples/synthesis.py
    python examples/synthesis.py my_cells.lib.gz
"""

import sys

import sysmt

ARRAYS = ("os4", "sysmt2_4", "sysmt4_4")


def main() -> None:
    """Synthesise the arrays and print one column for each."""
    target = sys.argv[1] if len(sys.argv) > 1 else "generic"
    results = {name: sysmt.synthesise(name, target=target) for name in ARRAYS}

    blocks = sorted(results["os4"].blocks, key=results["os4"].blocks.get, reverse=True)
    print(f"{'block':14}" + "".join(f"{name:>12}" for name in ARRAYS))
    for block in blocks:
        print(f"{block:14}" + "".join(f"{results[name].blocks.get(block, 0):12.0f}" for name in ARRAYS))
    print(f"{'all, in NAND2':14}" + "".join(f"{results[name].nand2:12.0f}" for name in ARRAYS))

    # Two threads do up to twice the work per cycle: they pay off while they cost less than twice the area.
    for name, threads in (("sysmt2_4", 2), ("sysmt4_4", 4)):
        ratio = results[name].nand2 / results["os4"].nand2
        print(f"{name}: {ratio:.2f} times the area, up to {threads} times the products per cycle")
    if results["os4"].fmax_mhz:
        print("clock in MHz:", {name: round(results[name].fmax_mhz, 1) for name in ARRAYS})


if __name__ == "__main__":
    main()
