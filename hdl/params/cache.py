# SPDX-License-Identifier: Apache-2.0
"""Configuration of the sparse cache: geometry, policies and every latency that RTL and model share."""

from dataclasses import dataclass, field

from sysmt.base.errors import ConfigError

from .checks import in_range, one_of, power_of_two
from .config import Config

REPLACEMENTS = ("cover", "lru")
ON_STORE = ("split", "drop", "move")
APPROX_UNITS = ("byte", "word")

WORD_BYTES = 4
COUNTERS = (
    "accesses",
    "hits",
    "misses",
    "null_hits",
    "inserts",
    "merges",
    "removals",
    "splits",
    "evictions",
    "lost_lines",
    "covered_lines",
)
"""What RTL and model both count; `accesses = hits + misses + null_hits`. `NullCache` explains the last seven."""


@dataclass(frozen=True, kw_only=True)
class TCAMConfig(Config):
    """A ternary content-addressable memory.

    Parameters
    ----------
    entries : int
        2 to 1024.
    width : int
        Bits of the key, 1 to 128.
    ports : int
        Searches per cycle, 1 to 4. The version in FPGA memory has one port.
    latency : 0, 1 or 2
        Cycles from key to answer. The version in FPGA memory has latency 1.
    chunk : int
        Key bits that address one memory of the version in FPGA memory, 3 to 10: it takes `2**chunk` words of
        `entries` bits per chunk, and as many cycles to write an entry.
    memory : bool
        The version in FPGA memory instead of the one in flip-flops.
    """

    entries: int = 32
    width: int = 32
    ports: int = 1
    latency: int = 1
    chunk: int = 5
    memory: bool = False

    def __post_init__(self) -> None:
        in_range("entries", self.entries, 2, 1024)
        in_range("width", self.width, 1, 128)
        in_range("ports", self.ports, 1, 4)
        one_of("latency", self.latency, (0, 1, 2))
        in_range("chunk", self.chunk, 3, 10)
        one_of("memory", self.memory, (False, True))
        if self.memory and (self.ports, self.latency) != (1, 1):
            given = f"ports = {self.ports}, latency = {self.latency}"
            raise ConfigError(f"ports and latency of a TCAM in memory must be 1, not {given}")

    @property
    def index_bits(self) -> int:
        """Width of the number of an entry."""
        return (self.entries - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class NullCacheConfig(Config):
    """The null cache: a TCAM of zero lines (DATE 2020, section III).

    Parameters
    ----------
    entries : int
        Ternary entries, 2 to 1024. One entry is one address: 256 of 32 ternary bits are the paper's 1 KB, counted in
        ternary cells as the capacity of a TCAM is; 128 would be 1 KB of value and mask bits.
    replacement : "cover" or "lru"
        Who leaves a full null cache. `lru`: the least recently used entry. `cover`: among the older half (`protected`
        entries are spared) the one that covers the fewest lines, the least recently used of equals. Without the
        protection, large entries that nobody needs any more leave the others too little room to be used twice.
    on_store : "split", "drop" or "move"
        What a non-zero store to a covered line does: splits the entry so that only this line is lost (as far as
        entries are free), or drops the entry. `move` splits, and the line enters the data cache without being read:
        it is zero but for what is stored. Only with `approx` = 0, where that is exact.
    admit : int
        0: every zero line enters, and the cache waits for the merger and for a victim to be found. From 1 to 255:
        entering never waits. A zero line is treated as any other while the merger or the search is busy and when the
        null cache is full; every `admit`-th that finds it full makes an entry leave, in the background. Zero regions
        that do not fit then displace each other that much more rarely (compare BIP, Qureshi et al., ISCA 2007).
    approx : int
        Largest magnitude, in two's complement, that counts as zero: 0 (exact) to 127 for bytes, 32767 for words.
    approx_unit : "byte" or "word"
        What `approx` is compared with.
    """

    entries: int = 256
    replacement: str = "cover"
    on_store: str = "split"
    approx: int = 0
    approx_unit: str = "byte"
    admit: int = 0

    def __post_init__(self) -> None:
        in_range("null.entries", self.entries, 2, 1024)
        one_of("replacement", self.replacement, REPLACEMENTS)
        one_of("on_store", self.on_store, ON_STORE)
        one_of("approx_unit", self.approx_unit, APPROX_UNITS)
        in_range("approx", self.approx, 0, 127 if self.approx_unit == "byte" else 32767)
        in_range("admit", self.admit, 0, 255)
        if self.on_store == "move" and self.approx:
            raise ConfigError(f"approx must be 0 with on_store = 'move', not {self.approx}: use on_store = 'split'")

    @property
    def age_bits(self) -> int:
        """Width of the rank of an entry in the order of use."""
        return (self.entries - 1).bit_length()

    @property
    def protected(self) -> int:
        """How many of the most recently used entries `cover` spares: the largest power of two below `entries`."""
        return 1 << (self.age_bits - 1)


@dataclass(frozen=True, kw_only=True)
class CacheConfig(Config):
    """A data cache, write-through, no write-allocate, with a null cache beside it or without.

    Parameters
    ----------
    size : int
        Bytes of data: a power of two, 16 to 1 Mi.
    ways : int
        A power of two, 1 to 16; replacement is true LRU.
    line : int
        Bytes of a line: a power of two, 4 to 64.
    addr_width : int
        Bits of a byte address, up to 32.
    write_buffer : int
        Stores that may be on their way to memory at once, 1 to 32.
    memory_cycles : int
        The memory it is judged with: cycles from an accepted address to the last beat of a line, and to the answer to
        a store. The gates work with any memory; only the model and the fixed-latency memory of the tests read this.
    null : NullCacheConfig, optional
        None for a plain cache.
    """

    size: int = 16384
    ways: int = 4
    line: int = 32
    addr_width: int = 32
    write_buffer: int = 8
    memory_cycles: int = 100
    null: NullCacheConfig | None = field(default_factory=NullCacheConfig)

    def __post_init__(self) -> None:
        power_of_two("size", self.size, 16, 1 << 20)
        power_of_two("ways", self.ways, 1, 16)
        power_of_two("line", self.line, WORD_BYTES, 64)
        if self.size < 2 * self.ways * self.line:
            raise ConfigError(
                f"size must hold at least 2 sets of ways = {self.ways} lines of line = {self.line} bytes, "
                f"{2 * self.ways * self.line} bytes, not {self.size}"
            )
        in_range("write_buffer", self.write_buffer, 1, 32)
        low = (self.size // self.ways - 1).bit_length() + 1
        in_range("addr_width", self.addr_width, low, 32)
        in_range("memory_cycles", self.memory_cycles, self.words, 10000)
        if self.null is not None and not isinstance(self.null, NullCacheConfig):
            raise ConfigError(f"null must be a NullCacheConfig or None, not {self.null!r}")

    @property
    def words(self) -> int:
        """Words of a line, which are the beats of its burst."""
        return self.line // WORD_BYTES

    @property
    def sets(self) -> int:
        """Sets of `ways` lines."""
        return self.size // (self.line * self.ways)

    @property
    def offset_bits(self) -> int:
        """Address bits inside a line."""
        return self.line.bit_length() - 1

    @property
    def set_bits(self) -> int:
        """Address bits that choose the set."""
        return self.sets.bit_length() - 1

    @property
    def line_bits(self) -> int:
        """Bits of a line address, the key of the null cache."""
        return self.addr_width - self.offset_bits

    @property
    def tag_bits(self) -> int:
        """Bits of a line address that the set does not imply."""
        return self.line_bits - self.set_bits

    @property
    def null_cache(self) -> NullCacheConfig:
        """The null cache, refused where there is none."""
        if self.null is None:
            raise ConfigError("null must be a NullCacheConfig, not None: a plain cache has no null cache")
        return self.null

    @property
    def order_bits(self) -> int:
        """Width of the order of a null entry: how many bits its mask ignores."""
        return self.line_bits.bit_length()

    @property
    def miss_cycles(self) -> int:
        """Cycles a load miss answers later than a hit: one to send the address, one to hand the line over."""
        return self.memory_cycles + 2

    @property
    def write_cycles(self) -> int:
        """Cycles a store keeps its place in the write buffer: taken, sent, answered, acknowledged."""
        return self.memory_cycles + 3

    @property
    def victim_cycles(self) -> int:
        """Cycles an insertion into a full null cache takes longer: a bit-serial search, then the insertion itself."""
        if self.null is None:
            return 0
        return self.null.age_bits + (self.order_bits if self.null.replacement == "cover" else 0) + 1
