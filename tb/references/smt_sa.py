# SPDX-License-Identifier: Apache-2.0
"""SMT-SA, slow and obvious: PEs, links and queues that hold operands, multiplied and added up.

Rules as in `sysmt.sim.cost.smt_sa`; nothing but them is shared with it. All PEs see what was there before the cycle.
"""

from collections import deque

import numpy as np

LINK = 2


class Link:
    """Operands of one thread on their way from a PE to its neighbour: what is put in is there in the next cycle."""

    def __init__(self):
        self.held, self.coming = deque(), []
        self.had = 0

    def clock(self):
        self.held.extend(self.coming)
        self.coming = []
        self.had = len(self.held)

    @property
    def room(self):
        return self.had < LINK


class Element:
    """A PE: for every thread two links in and two out, and a queue of (tile, x, w)."""

    def __init__(self, threads, depth):
        self.threads, self.depth = threads, depth
        self.queues = [deque() for _ in range(threads)]
        self.place = [(0, 0)] * threads  # of every thread: the tile and the step that come next
        self.tile = self.turn = self.total = 0
        self.drain = None
        self.results = []

    def step(self, cycle, links, steps, tiles, may_hand_over):
        started = list(self.place)
        idle = all(not queue or queue[0][0] > self.tile for queue in self.queues)
        if self.tile < tiles and may_hand_over and idle and all(tile > self.tile for tile, _ in started):
            self.results.append((cycle, self.total))
            self.tile, self.total = self.tile + 1, 0
        if self.tile == tiles:
            return
        of_tile = [sum(tile == self.tile for tile, *_ in queue) for queue in self.queues]
        order = [(self.turn + s) % self.threads for s in range(self.threads)]
        if any(of_tile):
            thread = max(order, key=lambda t: of_tile[t])
            _, x, w = self.queues[thread].popleft()
            self.total += x * w
            self.turn = (thread + 1) % self.threads
        for t in range(self.threads):
            (left, above), (right, below) = links[t]
            tile, step = started[t]
            if tile > min(self.tile + 1, tiles - 1):
                continue
            if not left.had or not above.had or not all(link.room for link in (right, below) if link):
                continue
            x, w = left.held[0], above.held[0]
            if x and w:
                if len(self.queues[t]) == self.depth:
                    continue
                self.queues[t].append((tile, x, w))
            left.held.popleft()
            above.held.popleft()
            for link, operand in ((right, x), (below, w)):
                if link:
                    link.coming.append(operand)
            self.place[t] = (tile, step + 1) if step + 1 < steps else (tile + 1, 0)


def smt_sa(x, w, rows, cols, threads, depth):
    """Cycles, and sums int64 [M, N]."""
    (m, k), n = x.shape, w.shape[1]
    steps = -(-k // threads)
    down, across = -(-m // rows), -(-n // cols)
    tiles = down * across
    xs = np.zeros((down * rows, threads, steps), int)
    ws = np.zeros((across * cols, threads, steps), int)
    for t in range(threads):
        part = slice(t * steps, min((t + 1) * steps, k))
        width = max(0, part.stop - part.start)
        xs[:m, t, :width], ws[:n, t, :width] = x[:, part], w.T[:, part]
    grid = {(r, c): Element(threads, depth) for r in range(rows) for c in range(cols)}
    xlinks = {(r, c, t): Link() for r in range(rows) for c in range(cols) for t in range(threads)}
    wlinks = {key: Link() for key in xlinks}
    sources = {}
    for r in range(rows):
        for t in range(threads):
            sources[xlinks[r, 0, t]] = iter([v for i in range(down) for v in list(xs[i * rows + r, t]) * across])
    for c in range(cols):
        for t in range(threads):
            sources[wlinks[rows - 1, c, t]] = iter([v for j in range(across) for v in ws[j * cols + c, t]] * down)
    exits = {c: [] for c in range(cols)}  # of every column: when every row of every tile is at its exit
    cycle = 0
    while any(len(found) < tiles * rows for found in exits.values()):
        for link in (*xlinks.values(), *wlinks.values()):
            link.clock()
        for link, source in sources.items():
            if len(link.held) < LINK:
                link.coming += [v for v in [next(source, None)] if v is not None]
        for (r, c), element in grid.items():
            links = [
                (
                    (xlinks[r, c, t], wlinks[r, c, t]),
                    (xlinks.get((r, c + 1, t)), wlinks.get((r - 1, c, t))),
                )
                for t in range(threads)
            ]
            # The drain register of row r is free when the last row of the tile before has passed it.
            tile = element.tile
            free = tile == 0 or len(exits[c]) >= tile * rows and cycle >= exits[c][tile * rows - 1] - r
            element.step(cycle, links, steps, tiles, free)
        for c, found in exits.items():
            tile = len(found) // rows
            if tile < tiles and all(len(grid[r, c].results) > tile for r in range(rows)):
                for r in range(rows):
                    at = grid[r, c].results[tile][0] + 1 + r
                    found.append(max(at, found[-1] + 1 if found else 0))
        cycle += 1
    sums = np.zeros((down * rows, across * cols), int)
    for (r, c), element in grid.items():
        for tile, (_, total) in enumerate(element.results):
            sums[tile // across * rows + r, tile % across * cols + c] = total
    return max(found[-1] for found in exits.values()) + 1, sums[:m, :n]
