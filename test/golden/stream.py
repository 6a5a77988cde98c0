"""The generator of test/ops/database.ts: mulberry32, seeded by text. The scripts beside it share it."""


def stream(seed):
    state = 2166136261
    for char in seed:
        state = ((state ^ ord(char)) * 16777619) & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        t = ((t + (((t ^ (t >> 7)) * (61 | t)) & 0xFFFFFFFF)) & 0xFFFFFFFF) ^ t
        yield (t ^ (t >> 14)) / 4294967296
