import numpy as np

from paperlib.face3d.fitting_chain import Prior, chain_prior, solve_chain


def test_chain_solver_matches_dense():
    rng = np.random.default_rng(0)
    t, n, m = 5, 3, 2
    links = rng.uniform(0, 1, (t - 1, n))
    blocks = np.stack([(lambda a: a @ a.T + 4 * np.eye(n))(rng.normal(size=(n, n))) for _ in range(t)])
    right = rng.normal(size=(t, n, m))
    dense = np.zeros((t * n, t * n))
    for k in range(t):
        dense[k * n : k * n + n, k * n : k * n + n] = blocks[k]
        if k + 1 < t:
            dense[k * n : k * n + n, (k + 1) * n : (k + 2) * n] = dense[(k + 1) * n : (k + 2) * n, k * n : k * n + n] = -np.diag(links[k])
    expected = np.linalg.solve(dense, right.reshape(t * n, m)).reshape(t, n, m)
    np.testing.assert_allclose(solve_chain(blocks, links, right), expected, atol=1e-12)


def test_expression_prior_is_autoregressive():
    gaps = np.array([1, 1, 3, 1])
    diagonal, links, _ = chain_prior(gaps, 0.8, np.zeros(5))
    precision = np.diag(diagonal[:, 0]) - np.diag(links[:, 0], 1) - np.diag(links[:, 0], -1)
    times = np.concatenate([[0], gaps.cumsum()])
    np.testing.assert_allclose(np.linalg.inv(precision), 0.8 ** np.abs(times[:, None] - times), atol=1e-12)
    diagonal, links, _ = chain_prior(gaps, 0.0, np.zeros(5))
    assert (diagonal[:, :64] == 1).all() and (links == 0).all()


def test_prior_multiplies_like_its_dense_matrix():
    rng = np.random.default_rng(1)
    prior = Prior(rng.uniform(2, 3, (4, 70)), rng.uniform(0, 1, (3, 70)), rng.normal(size=(4, 70)))
    x = rng.normal(size=(4, 70))
    for k in (0, 69):
        dense = np.diag(prior.diagonal[:, k]) - np.diag(prior.links[:, k], 1) - np.diag(prior.links[:, k], -1)
        np.testing.assert_allclose(prior.times(x)[:, k], dense @ x[:, k], atol=1e-12)
        np.testing.assert_allclose(prior.pull(x)[:, k], prior.linear[:, k] - dense @ x[:, k], atol=1e-12)


def test_a_proposed_expression_is_the_priors_mean_with_its_variance():
    rng = np.random.default_rng(2)
    proposed, precision = rng.normal(size=(6, 64)), rng.uniform(1, 9, 64)
    prior = chain_prior(np.ones(5, int), 0.7, np.zeros(6), proposed, precision)
    solved = solve_chain(prior.diagonal[:, :64, None] * np.eye(64), prior.links[:, :64], prior.linear[:, :64, None])[..., 0]
    np.testing.assert_allclose(solved, proposed, atol=1e-12)
    k = 5
    dense = np.diag(prior.diagonal[:, k]) - np.diag(prior.links[:, k], 1) - np.diag(prior.links[:, k], -1)
    np.testing.assert_allclose(np.diag(np.linalg.inv(dense)), 1 / precision[k], atol=1e-12)
