#!/usr/bin/env python3
"""Writes fixtures/random.csv: numbers of [GF:RNG] computed a second time, in Python, for test_data.c.

use: python3 tests/make_fixtures_random.py        needs nothing but Python 3
Rows: bits,seed,stream,index,hexadecimal   uniform and normal,seed,stream,index,value   shuffle,seed,stream,n,order
"""
import math
import os

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def bits(seed, stream, index):
    key = mix((mix((seed + GAMMA) & MASK) + (stream + 1) * 0xD1342543DE82EF95) & MASK)
    return mix((key + (index + 1) * GAMMA) & MASK)


def uniform(seed, stream, index):
    return (bits(seed, stream, index) >> 11) / 2**53


def normal(seed, stream, index):
    draw = bits(seed, stream, index)
    while True:
        u = (2 * (draw >> 38) + 1 - 2**26) / 2**26
        v = (2 * ((draw >> 12) % 2**26) + 1 - 2**26) / 2**26
        s = u * u + v * v
        if s < 1:
            return u * math.sqrt(-2 * math.log(s) / s)
        draw = mix((draw + GAMMA) & MASK)


def below(draw, n):
    """Uniform in 0..n-1 from the high 32 bits; the smallest low words are drawn again."""
    while ((draw >> 32) * n) % 2**32 < 2**32 % n:
        draw = mix((draw + GAMMA) & MASK)
    return ((draw >> 32) * n) >> 32


def shuffle(seed, stream, n):
    order = list(range(n))
    for i in range(n, 1, -1):
        j = below(bits(seed, stream, i), i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def main():
    places = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (42, 257, 1000), (MASK, MASK, MASK), (7, 5 << 40, 1 << 33)]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "random.csv")
    with open(path, "w", encoding="ascii") as out:
        for place in places:
            text = "%d,%d,%d" % place
            out.write("bits,%s,%016x\n" % (text, bits(*place)))
            out.write("uniform,%s,%.17g\n" % (text, uniform(*place)))
        for i in range(40):
            out.write("normal,3,%d,%d,%.17g\n" % (i // 8, i, normal(3, i // 8, i)))
        for seed in range(4):
            out.write("shuffle,%d,4,12,%s\n" % (seed, " ".join(map(str, shuffle(seed, 4, 12)))))


main()
