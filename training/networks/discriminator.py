"""What every family's discriminator is, beside a module."""

from abc import abstractmethod

from torch import Tensor, nn


class Discriminator(nn.Module):
    """Images float32 [N, C, H, W] in [-1, 1] and labels int64 [N] or None -> logits float32 [N].

    In two parts, so that the same images can be judged under several labels.
    """

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.judge(self.features(images), labels)

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """What does not depend on labels: [N, ...]."""

    @abstractmethod
    def judge(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits float32 [N] of `features` under these labels."""
