"""QR codes of short texts (ISO/IEC 18004): byte mode, correction level M, versions 1–9.

A telephone reads a verification key from the screen, so that nobody types it.

>>> from shahrdad.node.http.portal.qr import modules
>>> len(modules("kerman")), modules("kerman")[0][:8]
(21, [True, True, True, True, True, True, True, False])
"""

from collections.abc import Callable, Iterator
from functools import cache

Grid = list[list[bool]]
Shape = tuple[
    int, tuple[int, ...]
]  # correction bytes a block; data bytes of each block
VERSIONS: tuple[Shape, ...] = (
    (10, (16,)), (16, (28,)), (26, (44,)), (18, (32,) * 2), (24, (43,) * 2),
    (16, (27,) * 4), (18, (31,) * 4), (22, (38,) * 2 + (39,) * 2),
    (22, (36,) * 3 + (37,) * 2),
)  # fmt: skip
LETTERS_MAX = sum(VERSIONS[-1][1]) - 2  # bytes of text; mode and length take two
ALIGNED: tuple[tuple[int, ...], ...] = (
    (), (6, 18), (6, 22), (6, 26), (6, 30), (6, 34), (6, 22, 38), (6, 24, 42),
    (6, 26, 46),
)  # fmt: skip
MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda row, column: (row + column) % 2 == 0,
    lambda row, column: row % 2 == 0,
    lambda row, column: column % 3 == 0,
    lambda row, column: (row + column) % 3 == 0,
    lambda row, column: (row // 2 + column // 3) % 2 == 0,
    lambda row, column: row * column % 2 + row * column % 3 == 0,
    lambda row, column: (row * column % 2 + row * column % 3) % 2 == 0,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2 == 0,
)
FORMAT_POLYNOMIAL, FORMAT_MASK, LEVEL_M = 0x537, 0x5412, 0b00
VERSION_POLYNOMIAL = 0x1F25
FINDER_LIKE = ([1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1])


def modules(text: str) -> Grid:
    """Return the dark and light modules of a text, row by row, without the margin.

    Raises:
        ValueError: the text is longer than `LETTERS_MAX` bytes.
    """
    data = text.encode()
    version = next(
        (
            n
            for n, (_, blocks) in enumerate(VERSIONS, 1)
            if len(data) + 2 <= sum(blocks)
        ),
        None,
    )
    if version is None:
        raise ValueError(f"{len(data)} bytes are more than a code holds: {LETTERS_MAX}")
    bits = [
        byte >> place & 1 == 1
        for byte in codewords(data, version)
        for place in range(7, -1, -1)
    ]
    return min((drawn(version, bits, mask) for mask in range(len(MASKS))), key=penalty)


def svg_path(grid: Grid) -> str:
    """Return the dark modules as the path of a drawing, one stroke for each run."""
    found = []
    for y, row in enumerate(grid):
        x = 0
        while x < len(row):
            run = 0
            while x + run < len(row) and row[x + run]:
                run += 1
            if run:
                found.append(f"M{x} {y}h{run}v1h-{run}z")
            x += run or 1
    return "".join(found)


def codewords(data: bytes, version: int) -> bytes:
    """Return data and correction, block beside block, as they are drawn."""
    each, blocks = VERSIONS[version - 1]
    room = sum(blocks)
    # Four bits of mode, eight of length, the text, four of end: whole bytes again.
    value = int.from_bytes(bytes([0x4, len(data)]) + data, "big") << 4
    stream = value.to_bytes(len(data) + 3, "big")[1:]
    stream = stream[:room] + bytes([0xEC, 0x11] * room)[: room - len(stream)]
    parts, at = [], 0
    for size in blocks:
        parts.append(stream[at : at + size])
        at += size
    checks = [remainder(part, each) for part in parts]
    return bytes(
        [part[i] for i in range(max(blocks)) for part in parts if i < len(part)]
        + [check[i] for i in range(each) for check in checks]
    )


@cache
def powers() -> tuple[list[int], list[int]]:
    """Return powers of 2 and their logarithms in the field of 256 elements."""
    exponents, logs, value = [0] * 512, [0] * 256, 1
    for place in range(255):
        exponents[place] = exponents[place + 255] = value
        logs[value] = place
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    return exponents, logs


@cache
def generator(degree: int) -> list[int]:
    """Return the polynomial whose roots are the first powers of 2, highest first."""
    exponents, logs = powers()
    found = [1]
    for place in range(degree):
        longer = [*found, 0]
        for at, factor in enumerate(found):
            longer[at + 1] ^= exponents[logs[factor] + place]
        found = longer
    return found


def remainder(data: bytes, degree: int) -> list[int]:
    """Return the correction bytes of a block (Reed and Solomon)."""
    exponents, logs = powers()
    rest = [*data, *[0] * degree]
    for at in range(len(data)):
        factor = rest[at]
        if factor:
            for place, one in enumerate(generator(degree)):
                rest[at + place] ^= exponents[logs[one] + logs[factor]]
    return rest[len(data) :]


def check_bits(value: int, polynomial: int) -> int:
    """Return a value with its check bits behind it (Bose, Chaudhuri, Hocquenghem)."""
    degree = polynomial.bit_length() - 1
    rest = value << degree
    while rest.bit_length() > degree:
        rest ^= polynomial << (rest.bit_length() - degree - 1)
    return value << degree | rest


def drawn(version: int, bits: list[bool], mask: int) -> Grid:
    """Return the code of these bits under a mask."""
    fixed = frame(version, mask)
    size = 17 + 4 * version
    grid = [[fixed.get((y, x), False) for x in range(size)] for y in range(size)]
    waiting = iter(bits)
    for y, x in free_places(size, fixed):
        grid[y][x] = next(waiting, False) != MASKS[mask](y, x)
    return grid


def free_places(
    size: int, fixed: dict[tuple[int, int], bool]
) -> Iterator[tuple[int, int]]:
    """Yield the places of data: in pairs of columns from the last, up and down."""
    upward = True
    for right in (*range(size - 1, 6, -2), *range(5, 0, -2)):
        rows = range(size - 1, -1, -1) if upward else range(size)
        for y in rows:
            for x in (right, right - 1):
                if (y, x) not in fixed:
                    yield y, x
        upward = not upward


def frame(version: int, mask: int) -> dict[tuple[int, int], bool]:
    """Return what is drawn around the data: marks to find it by, format, version."""
    size = 17 + 4 * version
    found: dict[tuple[int, int], bool] = {}
    for top, left in ((0, 0), (0, size - 7), (size - 7, 0)):
        for y in range(-1, 8):
            for x in range(-1, 8):
                if 0 <= top + y < size and 0 <= left + x < size:
                    ring = max(abs(y - 3), abs(x - 3))
                    found[top + y, left + x] = ring in {0, 1, 3}
    centres = ALIGNED[version - 1]
    for y in centres:
        for x in centres:
            if (y, x) not in found:
                for down in range(-2, 3):
                    for along in range(-2, 3):
                        ring = max(abs(down), abs(along))
                        found[y + down, x + along] = ring != 1
    for at in range(8, size - 8):
        found[6, at] = found[at, 6] = at % 2 == 0
    found |= format_marks(size, mask)
    if version >= 7:
        value = check_bits(version, VERSION_POLYNOMIAL)
        for place in range(18):
            y, x = place // 3, size - 11 + place % 3
            found[y, x] = found[x, y] = value >> place & 1 == 1
    return found


def format_marks(size: int, mask: int) -> dict[tuple[int, int], bool]:
    """Return the fifteen bits of level and mask, twice, and the dark module."""
    value = check_bits(LEVEL_M << 3 | mask, FORMAT_POLYNOMIAL) ^ FORMAT_MASK
    found = {(size - 8, 8): True}
    down = [*range(6), 7, 8, *range(size - 7, size)]
    along = [*range(size - 1, size - 9, -1), 7, *range(5, -1, -1)]
    for place in range(15):
        dark = value >> place & 1 == 1
        found[down[place], 8] = dark
        found[8, along[place]] = dark
    return found


def penalty(grid: Grid) -> int:
    """Return how hard a code is to read: long runs, blocks, false marks, imbalance."""
    size = len(grid)
    lines = [[int(one) for one in row] for row in grid]
    lines += [[int(row[x]) for row in grid] for x in range(size)]
    points = sum(line_penalty(line) for line in lines)
    for y in range(size - 1):
        for x in range(size - 1):
            square = {grid[y][x], grid[y][x + 1], grid[y + 1][x], grid[y + 1][x + 1]}
            points += 3 * (len(square) == 1)
    dark = sum(map(sum, grid))
    return points + 10 * (abs(20 * dark - 10 * size * size) // (size * size))


def line_penalty(line: list[int]) -> int:
    """Return the penalty of one row or column."""
    points, run = 0, 1
    for before, one in zip(line, [*line[1:], -1], strict=True):
        if before == one:
            run += 1
            continue
        points += run - 2 if run >= 5 else 0
        run = 1
    ends = len(line) - 10
    return points + 40 * sum(line[at : at + 11] in FINDER_LIKE for at in range(ends))
