"""The generator that the oracle scripts share with tests/common/lcg.rs."""

import numpy as np


class Lcg:
    """Numerical Recipes' linear congruential generator; `uniform` gives its upper 24 bits as a fraction, exact in float32."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return self.state >> 8

    def uniform(self, count):
        return np.array([self.next() for _ in range(count)], np.float32) * np.float32(2.0**-24)

    def below(self, bound):
        return self.next() % bound

    def symmetric(self, count, limit):
        return ((2 * self.uniform(count).astype(np.float64) - 1) * limit).astype(np.float32)
