"""Estimates how long a batch takes."""

# Weight of earlier batches relative to the newest: an effective window of the last 20 batches.
DECAY = 0.95


class CostModel:
    """Linear model of a batch's duration, fitted by exponentially weighted least squares.

    A batch of n items takes `fixed_s + n * item_s` seconds. Both are 0 before the first batch. The
    items are units of work: equal images, or pixels of pictures.
    """

    def __init__(self) -> None:
        self.fixed_s = 0.0
        self.item_s = 0.0
        self._weight = self._n = self._nn = self._s = self._ns = 0.0

    def learn(self, items: int, seconds: float) -> None:
        """Update the model with a batch of `items` that took `seconds`."""
        self._weight = DECAY * self._weight + 1
        self._n = DECAY * self._n + items
        self._nn = DECAY * self._nn + items * items
        self._s = DECAY * self._s + seconds
        self._ns = DECAY * self._ns + items * seconds
        self._fit()

    def estimate_s(self, items: int, batches: int = 1) -> float:
        """Return the estimated seconds for `items` in `batches` batches; 0 before any data."""
        return batches * self.fixed_s + items * self.item_s

    def _fit(self) -> None:
        spread = self._weight * self._nn - self._n * self._n
        # With a single batch size the fixed part cannot be told apart: attribute all to the items.
        flat = spread <= 1e-6 * self._weight * self._nn
        slope = 0.0 if flat else (self._weight * self._ns - self._n * self._s) / spread
        fixed = (self._s - slope * self._n) / self._weight
        if flat or fixed < 0:
            self.fixed_s, self.item_s = 0.0, self._ns / self._nn
        else:
            self.fixed_s, self.item_s = fixed, max(0.0, slope)
