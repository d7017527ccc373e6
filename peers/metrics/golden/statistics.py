"""Distances of sets of features: Fréchet and kernel distance, precision and recall, Inception score."""

import warnings
from pathlib import Path

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from scipy import linalg
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_mmd, kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from .files import Arrays, report, save, scalar

WIDTH = 12
NEIGHBOURS = 3
SPLITS = 5


def features(seed: int) -> Arrays:
    """Correlated features: `a` is wider than `b` and moved; `few` has fewer rows than columns."""
    random = np.random.default_rng(seed)
    mix_a = random.normal(size=(5, WIDTH)) * 0.8
    mix_b = mix_a + random.normal(size=(5, WIDTH)) * 0.35
    offset = random.normal(size=WIDTH) * 0.3

    def drawn(count: int, mix: np.ndarray, mean: np.ndarray | float) -> np.ndarray:
        own = 0.25 * random.normal(size=(count, WIDTH))
        return (random.normal(size=(count, 5)) @ mix + own + mean).astype(np.float32)

    return {
        "a": drawn(200, mix_a * 1.25, offset),
        "b": drawn(150, mix_b, 0.0),
        "few": drawn(9, mix_b, 0.5),
        "logits": (2.5 * random.normal(size=(60, 7))).astype(np.float32),
    }


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = rows.astype(np.float64)
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def frechet_authors(x: np.ndarray, y: np.ndarray) -> float:
    """pytorch-fid. It adds eps = 1e-6 to both diagonals only where the root is not finite, never here.

    Of a singular product, scipy's root comes out complex; its imaginary part is dropped.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scipy's `disp`
        return float(calculate_frechet_distance(*moments(x), *moments(y)))


def frechet_fidelity(x: np.ndarray, y: np.ndarray) -> float:
    """torch-fidelity: roots of the product's eigenvalues. It takes the mean in the features' own type."""
    found = [fid_features_to_statistics(torch.from_numpy(rows).double()) for rows in (x, y)]
    return fid_statistics_to_metric(*found, verbose=False)["frechet_inception_distance"]


def frechet_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    """The formula as it is written, with scipy's matrix root."""
    (mean_x, cov_x), (mean_y, cov_y) = moments(x), moments(y)
    root = linalg.sqrtm(cov_x @ cov_y).real
    return float(np.sum((mean_x - mean_y) ** 2) + np.trace(cov_x + cov_y - 2 * root))


def frechet_symmetric(x: np.ndarray, y: np.ndarray) -> float:
    """The root of one covariance on both sides of the other, by eigenvalues; negative ones count as 0."""
    (mean_x, cov_x), (mean_y, cov_y) = moments(x), moments(y)
    values, vectors = np.linalg.eigh(cov_x)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    inner = np.linalg.eigvalsh(root @ cov_y @ root).clip(0)
    return float(np.sum((mean_x - mean_y) ** 2) + np.trace(cov_x + cov_y) - 2 * np.sqrt(inner).sum())


def frechet_nuclear(x: np.ndarray, y: np.ndarray) -> float:
    """Without a root of a rounding error: singular values of the product of the centred rows."""
    (mean_x, cov_x), (mean_y, cov_y) = moments(x), moments(y)
    centred = [(rows - rows.astype(np.float64).mean(axis=0)) / np.sqrt(len(rows) - 1) for rows in (x, y)]
    values = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False)
    return float(np.sum((mean_x - mean_y) ** 2) + np.trace(cov_x + cov_y) - 2 * values.sum())


def frechet(x: np.ndarray, y: np.ndarray, name: str) -> Arrays:
    """pytorch-fid's value and the exact one; prints how far each of the others is."""
    expected, exact = frechet_authors(x, y), frechet_nuclear(x, y)
    others = [frechet_authors, frechet_fidelity, frechet_sqrtm, frechet_symmetric]
    for other in others:
        off = abs(other(x, y) - exact)
        print(f"statistics   fid.{name:8} {other.__name__:20} off by {off:.1e} of {exact:.6g}")
    return {f"fid.{name}": scalar(expected), f"fid.{name}.exact": scalar(exact)}


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x.astype(np.float64) @ y.astype(np.float64).T / WIDTH + 1) ** 3


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD^2 of sets of any sizes: no row is paired with itself, every pair across counts."""

    def within(rows: np.ndarray) -> float:
        found = kernel(rows, rows)
        return (found.sum() - np.trace(found)) / (len(rows) * (len(rows) - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def kernel_distances(x: np.ndarray, y: np.ndarray) -> Arrays:
    """torch-fidelity's `kernel_mmd` on equal sizes, and ours on unequal ones."""
    equal = x[: len(y)]
    expected = float(kernel_mmd(equal.astype(np.float64), y.astype(np.float64)))
    single = float(kernel_mmd(equal, y))
    settings = {"kid_subsets": 1, "kid_subset_size": len(y), "verbose": False}
    drawn = kid_features_to_metric(torch.from_numpy(equal).double(), torch.from_numpy(y).double(), **settings)
    others = {
        "numpy": kernel_distance(equal, y),
        "one subset of all": drawn["kernel_inception_distance_mean"],
        "f32": single,
    }
    for name, other in others.items():
        report("statistics", f"kid.a-b, {name}", scalar(expected), scalar(other))
    return {"kid.a-b": scalar(expected), "kid.uneven": scalar(kernel_distance(x, y))}


def coverage(samples: np.ndarray, reference: np.ndarray) -> float:
    """The share of samples within a ball of the reference, surface included (arXiv 1904.06991).

    The ball of a row reaches to its k-th nearest other row.
    """
    reference, samples = reference.astype(np.float64), samples.astype(np.float64)
    own = np.linalg.norm(reference[:, None] - reference, axis=2)
    radius = np.sort(own, axis=1)[:, NEIGHBOURS]  # a row is its own nearest, at 0
    across = np.linalg.norm(samples[:, None] - reference, axis=2)
    margin = np.abs(across / radius - 1).min()
    print(f"statistics   distances over radii stay {margin:.1e} away from 1")
    return float((across <= radius).any(axis=1).mean())


def precision_recall(samples: np.ndarray, reference: np.ndarray) -> Arrays:
    """torch-fidelity's, whose first argument is the samples."""
    given = [torch.from_numpy(rows).double() for rows in (samples, reference)]
    found = prc_features_to_metric(*given, prc_neighborhood=NEIGHBOURS, verbose=False)
    expected = {"precision": coverage(samples, reference), "recall": coverage(reference, samples)}
    for name, value in expected.items():  # torch-fidelity averages in f32
        assert abs(found[name] - value) < 1e-7 and 0.2 < value < 0.9, (name, found[name], value)
    return {f"{name}.a-b": scalar(value) for name, value in expected.items()}


def inception_score(logits: np.ndarray) -> Arrays:
    """torch-fidelity's: splits in order, the spread of their scores without Bessel's correction."""
    found = isc_features_to_metric(torch.from_numpy(logits), splits=SPLITS, shuffle=False)
    mean, spread = found["inception_score_mean"], found["inception_score_std"]
    return {"isc.mean": scalar(mean), "isc.std": scalar(spread)}


def statistics_golden(folder: Path, seed: int) -> None:
    given = features(seed)
    a, b, few = given["a"], given["b"], given["few"]
    mean, covariance = moments(a)
    results = {
        "mean.a": mean,
        "covariance.a": covariance,
        **frechet(a, b, "a-b"),
        **frechet(few, b, "few-b"),
        **frechet(a, a, "a-a"),
        **kernel_distances(a, b),
        **precision_recall(a, b),
        **inception_score(given["logits"]),
    }
    for name, value in results.items():
        if value.size == 1:
            print(f"statistics   {name:20} {value[0]:.17g}")
    report("statistics", "mean.a, f32", mean, a.mean(axis=0))
    save(folder, "metrics-statistics", {**given, **results})
