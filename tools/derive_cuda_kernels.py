"""Writes data/cuda_kernels.txt: which ops TensorFlow's CUDA build runs on the GPU, and for which types.

    python tools/derive_cuda_kernels.py KERNELS.json > data/cuda_kernels.txt

KERNELS.json is a dump of a CUDA build's kernel registry: {op: [{"constraints": {attr: [type]}, "host": [argument]}]}.
Needed again only when the list is to follow a newer TensorFlow.  Kernels whose arguments are all in host memory are left
out: they compute on the host in the CUDA build, too.
"""

import itertools
import json
import sys

from tensorflow.python.framework import op_def_registry

HEADER = """\
# What TensorFlow's CUDA build runs on the GPU: op, then for each type attribute the types.  An op on the CPU that is in
# this list, and that we have no kernel for, counts as fallen back.  Written by tools/derive_cuda_kernels.py.
"""


def on_device(op: str, kernel: dict) -> bool:
    definition = op_def_registry.get(op)
    if definition is None:
        return False
    arguments = {arg.name for arg in [*definition.input_arg, *definition.output_arg]}
    return not arguments or not arguments <= set(kernel["host"])


def products(rows: list[dict[str, str]]):
    """The rows as few cross products: for all attributes but the first, rows that share them are merged."""
    attrs = list(rows[0])
    merged: dict[frozenset, list] = {}
    for rest, group in itertools.groupby(
        sorted(rows, key=lambda r: [r[a] for a in attrs[1:]]), key=lambda r: tuple(r[a] for a in attrs[1:])
    ):
        merged.setdefault(frozenset(r[attrs[0]] for r in group), []).append(rest)
    for first, rests in merged.items():
        columns = [sorted(set(column)) for column in zip(*rests, strict=True)]
        if len(list(itertools.product(*columns))) == len(rests):
            yield [sorted(first), *columns]
        else:
            for rest in rests:
                yield [sorted(first), *([value] for value in rest)]


def main() -> None:
    with open(sys.argv[1]) as file:
        registry = json.load(file)
    print(HEADER, end="")
    for op in sorted(registry):
        kernels = [k["constraints"] for k in registry[op] if on_device(op, k)]
        by_attrs: dict[tuple, list] = {}
        for constraints in kernels:
            attrs = tuple(sorted(constraints))
            choices = itertools.product(*(constraints[a] for a in attrs))
            by_attrs.setdefault(attrs, []).extend(dict(zip(attrs, choice, strict=True)) for choice in choices)
        for attrs, rows in by_attrs.items():
            if not rows:  # TensorFlow lists no type for it
                continue
            if not attrs:
                print(op)
                continue
            for columns in products([dict(t) for t in {tuple(r.items()) for r in rows}]):
                print(op, *(f"{attr}={','.join(types)}" for attr, types in zip(attrs, columns, strict=True)))


if __name__ == "__main__":
    main()
