import numpy as np

from skyworld.satellite.tone import tone


def test_gain_and_offset_are_found_in_spite_of_shadows():
    random = np.random.default_rng(0)
    own = random.uniform(0.05, 0.8, (4000, 3)).astype(np.float32)
    wanted = own * (1.2, 1.0, 0.8) + (0.02, -0.01, 0.05)
    wanted[:800] *= 0.3  # a fifth lies in the shade on the other date
    gain, offset = tone(own, wanted + random.normal(0, 0.01, own.shape), np.ones(4000))
    np.testing.assert_allclose(gain, (1.2, 1.0, 0.8), atol=0.03)
    np.testing.assert_allclose(offset, (0.02, -0.01, 0.05), atol=0.02)


def test_what_cannot_be_told_stays_as_it_is():
    random = np.random.default_rng(0)
    own, wanted = random.uniform(0, 1, (2, 1000, 3))
    few = np.zeros(1000)
    few[:50] = 1
    for pair in ((own, wanted * 0.5, few), (own, wanted, np.ones(1000)), (np.ones((1000, 3)), wanted, np.ones(1000))):
        gain, offset = tone(*pair)
        assert (gain == 1).all() and (offset == 0).all()
