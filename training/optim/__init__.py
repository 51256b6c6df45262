"""Pure functions of tensors and pixels that training is made of."""
