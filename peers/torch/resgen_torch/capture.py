"""A function recorded once as a graph of CUDA kernels, and replayed: no time goes into launching them."""

from collections.abc import Callable

import torch
from torch.utils import _pytree as pytree


class Captured:
    """The function for inputs of the shapes of `example`. Its outputs are overwritten by the next call."""

    def __init__(self, function: Callable, *example):
        leaves, self.structure = pytree.tree_flatten(example)
        self.inputs = [leaf.clone() for leaf in leaves]
        arguments = pytree.tree_unflatten(self.inputs, self.structure)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # compilation and choices of kernels happen here, not in the recording
                function(*arguments)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = function(*arguments)

    def __call__(self, *arguments):
        given = pytree.tree_flatten(arguments)[0]
        changed = [(mine, leaf) for mine, leaf in zip(self.inputs, given, strict=True) if mine is not leaf]
        torch._foreach_copy_([mine for mine, _ in changed], [leaf for _, leaf in changed])
        self.graph.replay()
        return self.outputs
