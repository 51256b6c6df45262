"""Learns what a batch costs: n items take fixed_s + n · item_s seconds."""

MEMORY = 0.95  # what a batch still counts after the next one


class Cost:
    """A straight line through the batches so far, by least squares that forget exponentially."""

    def __init__(self) -> None:
        self.fixed_s = 0.0
        self.item_s = 0.0
        self._weight = self._n = self._nn = self._s = self._ns = 0.0

    def learn(self, items: int, seconds: float) -> None:
        """Take in one batch of `items` that took `seconds`."""
        self._weight = MEMORY * self._weight + 1
        self._n = MEMORY * self._n + items
        self._nn = MEMORY * self._nn + items * items
        self._s = MEMORY * self._s + seconds
        self._ns = MEMORY * self._ns + items * seconds
        self._fit()

    def estimate_s(self, items: int, batches: int = 1) -> float:
        """The seconds that `items` in so many batches take; 0 while nothing is known."""
        return batches * self.fixed_s + items * self.item_s

    def _fit(self) -> None:
        spread = self._weight * self._nn - self._n * self._n
        # Batches of one size tell nothing about the fixed part: all goes to the items.
        flat = spread <= 1e-6 * self._weight * self._nn
        slope = 0.0 if flat else (self._weight * self._ns - self._n * self._s) / spread
        fixed = (self._s - slope * self._n) / self._weight
        if flat or fixed < 0:
            self.fixed_s, self.item_s = 0.0, self._ns / self._nn
        else:
            self.fixed_s, self.item_s = fixed, max(0.0, slope)
