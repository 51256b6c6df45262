"""The online half: requests become batches, batches become images."""
