import numpy as np
import torch

from mirage.training.media.tokens import CELL, LINE, LINES, Tokens

WORDS = Tokens(length=5, alphabet="abc_", padding="_")
STORED = np.array([[0, 1, 2, 3, 3], [2, 3, 1, 1, 1]], np.uint8)


def test_stored_tokens_survive_the_networks_representation() -> None:
    values = WORDS.to_values(STORED)
    assert values.shape == (2, 4, 5)
    assert torch.equal(values.sum(1), torch.ones(2, 5))
    np.testing.assert_array_equal(WORDS.to_stored(values).numpy(), STORED)


def test_outputs_are_probabilities() -> None:
    shares = WORDS.outputs(torch.randn(3, 4, 5))
    torch.testing.assert_close(shares.sum(1), torch.ones(3, 5))


def test_a_text_ends_before_the_first_padding() -> None:
    assert WORDS.texts(STORED) == ["abc", "c"]
    assert Tokens(length=5, alphabet="abc_").texts(STORED) == ["abc__", "c_bbb"]


def test_pictures_show_symbols_and_black_after_the_end() -> None:
    pictures = WORDS.pictures(STORED)
    assert pictures.shape == (2, CELL[1], 5 * CELL[0], 1)
    assert not pictures[1, :, CELL[0] :].any()
    same = pictures[0, :, 2 * CELL[0] : 3 * CELL[0]]
    np.testing.assert_array_equal(same, pictures[1, :, : CELL[0]])


def test_pictures_of_long_sequences_have_a_limited_size() -> None:
    long = Tokens(length=5000, alphabet="ACGT")
    pictures = long.pictures(np.zeros((1, 5000), np.uint8))
    assert pictures.shape == (1, LINES * CELL[1], LINE * CELL[0], 1)
    assert pictures.shape[1:3] == long.picture_size


def test_pictures_of_a_length_that_fills_no_whole_lines_end_in_black() -> None:
    odd = Tokens(length=LINE + 1, alphabet="ACGT")
    picture = odd.pictures(np.zeros((1, LINE + 1), np.uint8))[0, ..., 0]
    assert picture[CELL[1] :, : CELL[0]].any()
    assert not picture[CELL[1] :, CELL[0] :].any()
