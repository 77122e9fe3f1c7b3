# SPDX-License-Identifier: Apache-2.0
"""Ways in which a good file goes bad: bytes, values, and what stands for more than it is."""

import copy
import random
from contextlib import suppress
from typing import Any

STRANGE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    255,
    2**31,
    2**63,
    10**12,
    10**400,
    -(10**30),
    float("nan"),
    float("inf"),
    -1e308,
    1e-320,
    "",
    "0",
    "a\0b",
    "\ud800",
    "x" * 20_000,
    "../../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    [],
    {},
    [[]],
    [0] * 5000,
    {"a": {"b": {"c": []}}},
)
"""Values that a program may not be ready for."""

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**64 - 1)


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change a few bytes, numbers or stretches; or cut the file."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 2, 4, 8, 64, 1000)), len(data) - place)
        kind = rng.randrange(8)
        if kind == 0 and length:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + length] = rng.randbytes(length)
        elif kind in (2, 3):
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(NUMBERS) % 256**width
            data[place : place + width] = number.to_bytes(width, rng.choice(("little", "big")))
        elif kind == 4:
            del data[place : place + length]
        elif kind == 5:
            data[place:place] = data[place : place + length] * rng.choice((1, 3))
        elif kind == 6:
            data[place : place + length] = bytes(length)
        elif rng.random() < 0.5:
            del data[place:]
    return bytes(data)


def mutated_value(value: Any, rng: random.Random) -> Any:
    """Change one to three parts of a value made of dicts and lists."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 3))):
        parents = list(_parents(value))
        if not parents:
            return rng.choice(STRANGE)
        parent = rng.choice(parents)
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        key = rng.choice(list(keys))
        kind = rng.randrange(8)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        elif kind == 1:
            parent[rng.choice(("a", "", "x" * 300, "\u202e", "1"))] = parent[key]
        elif kind == 2:
            parent[key] = copy.deepcopy(rng.choice(parents))  # something from elsewhere
        elif kind == 3 and isinstance(parent[key], int | float):
            with suppress(OverflowError):  # what is strange already may be beyond any float
                parent[key] = parent[key] * rng.choice((-1, 0, 1e-9, 1e3, 1e9, 10**18))
        elif kind == 4 and isinstance(parent[key], str):
            text = parent[key]
            parent[key] = rng.choice(
                (text + text, text[::-1], text.replace("/", "\\"), "../" + text)
            )
        else:
            parent[key] = copy.deepcopy(rng.choice(STRANGE))
    return value


def mutated_text(text: str, rng: random.Random) -> str:
    """Change lines of a YAML or JSON file, or add to it what stands for more than it is."""
    kind = rng.randrange(6)
    lines = text.splitlines(keepends=True) or [""]
    place = rng.randrange(len(lines))
    if kind == 0:
        return text + rng.choice(_bombs(rng))
    if kind == 1:
        return rng.choice(_bombs(rng)) + text
    if kind == 2:
        lines[place] = rng.choice(lines)
    elif kind == 3:
        lines.insert(place, rng.choice((" " * rng.randrange(9), "- ", "? ", "<<: ", "&a ", "*a ")))
    elif kind == 4:
        del lines[place]
    else:
        data = mutated_bytes(text.encode(errors="surrogatepass"), rng)
        return data.decode("latin1")
    return "".join(lines)


def _parents(value: Any):
    """Yield every list and dict that is not empty."""
    if isinstance(value, dict | list) and value:
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _parents(each)


def _bombs(rng: random.Random) -> list[str]:
    deep = rng.choice((20, 500, 50_000))
    aliases = "\nz0: &z0 [x, x]\n"
    for level in range(1, 12):
        aliases += f"z{level}: &z{level} [{', '.join(9 * [f'*z{level - 1}'])}]\n"
    merges = "\nm0: &m0 {x: 1}\n"
    for level in range(1, 40):
        merges += f"m{level}: &m{level} {{<<: [*m{level - 1}, *m{level - 1}]}}\n"
    return [
        aliases,
        merges,
        "\nself: &self [*self]\n",
        "\ndeep: " + "[" * deep + "]" * deep + "\n",
        "\ndeep: " + "{a: " * deep + "}" * deep + "\n",
        "\nlong: " + "9" * 100_000 + "\n",
        "\nbase60: " + ":".join(5000 * ["59"]) + "\n",
        '\nsurrogate: "\\ud800"\n',
        "\nwhen: 2001-99-99\n",
        "\ntag: !!python/object/apply:os.getcwd []\n",
        "\ntag: !!float x\n",
        "\n" + "- a\n" * 50_000,
        "\n" + "".join(f"k{number}: v\n" for number in range(20_000)),
    ]
