import numpy as np

from edge_kernels import whiten


def test_a_steady_residual_whitens_to_the_same_from_the_first_on() -> None:
    residual = np.full((4, 2), 3.0, np.float32)
    phi = np.array([[0.9, 0.0]], np.float32)
    last = np.full((1, 2), np.nan, np.float32)
    got = whiten(residual, np.zeros(4, np.int64), phi, last)
    np.testing.assert_allclose(got, np.tile([[0.3, 3.0]], (4, 1)), rtol=1e-6)
    np.testing.assert_array_equal(last, [[3.0, 3.0]])
