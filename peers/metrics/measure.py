#!/usr/bin/env python3
"""The Fréchet distance of two folders of pictures by a package that people use, with weights by a formula.

    measure.py weights OUT.pth                               writes the weights that all use
    measure.py pytorch-fid|torch-fidelity WEIGHTS.pth A B    prints it

It is what bench/evaluation times beside resgen; with these weights the distance means nothing but that all found the same.
"""

import sys
from unittest import mock

import torch

BATCH = 50


def pytorch_fid(weights: str, first: str, second: str) -> float:
    from pytorch_fid import fid_score, inception

    loaded = torch.load(weights, weights_only=True)
    with mock.patch.object(inception, "load_state_dict_from_url", return_value=loaded):
        return fid_score.calculate_fid_given_paths([first, second], BATCH, torch.device("cpu"), 2048, num_workers=2)


def torch_fidelity(weights: str, first: str, second: str) -> float:
    from torch_fidelity import calculate_metrics

    found = calculate_metrics(
        input1=first, input2=second, samples_find_deep=True, fid=True, cuda=False, cache=False, verbose=False,
        batch_size=BATCH, feature_extractor_weights_path=weights,
    )
    return found["frechet_inception_distance"]


def main() -> None:
    match sys.argv[1:]:
        case ["weights", out]:
            from golden.inception import formula_weights

            torch.save(formula_weights(), out)
        case ["pytorch-fid", weights, first, second]:
            print(pytorch_fid(weights, first, second))
        case ["torch-fidelity", weights, first, second]:
            print(torch_fidelity(weights, first, second))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
