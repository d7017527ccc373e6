"""Schedules: how many tokens stay masked as a function of time, and scalars that move over sampling steps."""

import math

GAMMAS = {
    # cos(π/2) is not 0 in floating point, and would mask a token that should be visible.
    "cosine": lambda r: 0.0 if r == 1.0 else math.cos(math.pi / 2 * r),
    "circle": lambda r: math.sqrt((1.0 - r) * (1.0 + r)),
    "linear": lambda r: 1.0 - r,
    "square": lambda r: (1.0 - r) * (1.0 + r),
}


def gamma(schedule: str, r: float) -> float:
    """The fraction of tokens masked at time `r`, from 1 at 0 to 0 at 1."""
    return GAMMAS[schedule](min(max(r, 0.0), 1.0))


def masked_count(schedule: str, r: float, total: int) -> int:
    """How many of `total` tokens are masked at time `r`: rounded up, but not for rounding noise."""
    exact = gamma(schedule, r) * total
    whole = round(exact)
    is_whole = abs(exact - whole) <= 1e-9 * max(exact, 1.0)
    return min(whole if is_whole else math.ceil(exact), total)


def step_counts(schedule: str, steps: int, total: int) -> list[int]:
    """How many of `total` tokens are masked before the first and after each of `steps` sampling steps.

    Strictly decreasing: where the schedule is so flat that a step would reveal nothing, it reveals one token.
    """
    if not 1 <= steps <= total:
        raise ValueError(f"steps: expected 1 to {total}, found {steps}")
    counts = [total]
    for step in range(1, steps + 1):
        counts.append(min(masked_count(schedule, step / steps, total), counts[-1] - 1))
    return counts


def ramp(kind: str, start: float, end: float, progress: float) -> float:
    """The scalar at `progress` on the way from `start` (at 0) to `end` (at 1)."""
    progress = min(max(progress, 0.0), 1.0)
    weight = {"constant": 0.0, "linear": progress, "cosine": (1.0 - math.cos(math.pi * progress)) / 2.0}[kind]
    return start * (1.0 - weight) + end * weight
