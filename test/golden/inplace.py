"""Golden values for in-place operations: `npm run golden` (needs Debian's python3-torch).

Writes programs and PyTorch's results in float64 to inplace.json. A program has one step on each line, in a small language
(`v = y select 0 1`, `v add_ w 0.5`; see `step`). Results are the values that the loss reads, the gradients of the leaves, the gradients of
these gradients, the lines that PyTorch refuses, and whether backward() notices an overwritten tensor. Programs with names are written by
hand; the others are random.
"""
import ctypes
import json
import math
import os
import random

import torch

from stream import stream

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def draw(name, shape):
    source = stream(name)
    values = [ctypes.c_float(0.5 + next(source)).value for _ in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


VIEWS = {
    "select": lambda x, dim, index: x.select(dim, index),
    "narrow": lambda x, dim, start, length: x.narrow(dim, start, length),
    "slice": lambda x, dim, start, end, step: x[(slice(None),) * dim + (slice(start, end, step),)],
    "transpose": lambda x, a, b: x.transpose(a, b),
    "permute": lambda x, dims: x.permute(dims),
    "reshape": lambda x, shape: x.reshape(shape),
    "view": lambda x, shape: x.view(shape),
    "flatten": lambda x: x.reshape(-1),
    "unsqueeze": lambda x, dim: x.unsqueeze(dim),
    "squeeze": lambda x: x.squeeze(),
    "diagonal": lambda x, offset: x.diagonal(offset),
    "expand": lambda x, shape: x.expand(shape),
    "detach": lambda x: x.detach(),
    # The last argument chooses one result.
    "split": lambda x, size, dim, k: x.split(size, dim)[k],
    "chunk": lambda x, chunks, dim, k: x.chunk(chunks, dim)[k],
}
RESULTS = {
    "clone": lambda x: x.clone(),
    "exp": lambda x: x.exp(),
    "sin": lambda x: x.sin(),
    "square": lambda x: x.square(),
    "sum": lambda x: x.sum(),
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
}
WRITES = {
    "add_": lambda x, y, alpha=1: x.add_(y, alpha=alpha),
    "sub_": lambda x, y, alpha=1: x.sub_(y, alpha=alpha),
    "mul_": lambda x, y: x.mul_(y),
    "div_": lambda x, y: x.div_(y),
    "floor_": lambda x, y: x.div_(y, rounding_mode="floor"),
    "copy_": lambda x, y: x.copy_(y),
    "fill_": lambda x, y: x.fill_(y),
    "zero_": lambda x: x.zero_(),
}
OPERATIONS = {**VIEWS, **RESULTS, **WRITES}


def step(line, tensors):
    """Runs `[noGrad] [result =] tensor operation arguments`, or `name = leaf|plain|zeros shape`."""
    words = line.split(" ")
    if words[0] == "noGrad":
        with torch.no_grad():
            return step(" ".join(words[1:]), tensors)
    if words[1] == "=":
        name, words = words[0], words[2:]
    else:
        name = None
    if words[0] in ("leaf", "plain", "zeros"):
        shape = json.loads(words[1])
        tensors[name] = torch.zeros(shape) if words[0] == "zeros" else draw(name, shape)
        if words[0] == "leaf":
            tensors[name].requires_grad_()
        return
    if words[1] in WRITES:
        # Until its grad_fn is read, PyTorch treats a view of a plain tensor that was written since as a leaf, and refuses it.
        _ = tensors[words[0]].grad_fn
    arguments = [tensors[word] if word in tensors else json.loads(word) for word in words[2:]]
    result = OPERATIONS[words[1]](tensors[words[0]], *arguments)
    if name is not None:
        tensors[name] = result


def listed(tensor):
    return None if tensor is None else [float(f"{value:.12g}") for value in tensor.flatten().tolist()]


def usable(tensor):
    """False for one of several views of one operation if the base was written since."""
    try:
        tensor * 1
        return True
    except RuntimeError:
        return False


def weighed(tensors, what):
    return sum((tensor * draw(f"{what} {i}", list(tensor.shape))).sum() for i, tensor in enumerate(tensors))


def run(lines, read):
    tensors, refused = {}, []
    for i, line in enumerate(lines):
        try:
            step(line, tensors)
        except RuntimeError:
            refused.append(i)
    read = [name for name in read if name in tensors and usable(tensors[name])]
    leaves = [name for name in tensors if f"{name} = leaf" in "\n".join(lines)]
    result = {"lines": lines, "refused": refused, "read": read, "values": [listed(tensors[name]) for name in read]}
    loss = weighed([tensors[name] for name in read], "loss")
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return None
    try:
        inputs = [tensors[name] for name in leaves]
        gradients = torch.autograd.grad(loss, inputs, create_graph=True, allow_unused=True)
        result["gradients"] = [listed(gradient) for gradient in gradients]
        found = weighed([gradient for gradient in gradients if gradient is not None], "gradient")
        if isinstance(found, torch.Tensor) and found.requires_grad:
            result["second"] = [listed(gradient) for gradient in torch.autograd.grad(found, inputs, allow_unused=True)]
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error) and "has been modified inplace" not in str(error):
            raise
        result["overwritten"] = True
    return result


BY_HAND = {
    "a loss that adds up": ["w = leaf [2]", "t = zeros []", "a = w square", "s = a sum", "t add_ s", "u = w sum", "r = t add u"],
    "copy_ into a row": ["w = leaf [2]", "b = zeros [2,2]", "r = b select 0 0", "m = w mul 3", "r copy_ m", "y = b add w"],
    "a plain tensor times a leaf": ["w = leaf [2]", "o = plain [2]", "o mul_ w", "y = o add w"],
    "a plain tensor by a leaf": ["w = leaf [2]", "o = plain [2]", "o div_ w", "y = o mul w"],
    "a loop that accumulates": ["w = leaf [3]", "t = zeros []"]
    + [line for i in range(5) for line in (f"a{i} = w mul {i + 1}", f"b{i} = a{i} sin", f"c{i} = b{i} sum", f"t add_ c{i} 0.{i + 1}")],
    "a loop that fills rows": ["w = leaf [3]", "b = zeros [4,3]", "h0 = w clone"]
    + [line for i in range(4) for line in (f"h{i + 1} = h{i} sin", f"r{i} = b select 0 {i}", f"r{i} copy_ h{i + 1}")],
    "siblings see each other": ["w = leaf [2]", "x = leaf [2,3]", "y = x mul 2", "a = y transpose 0 1", "b = y reshape [6]", "a0 = a select 0 0", "a0 mul_ w", "c = b square", "d = a sin"],
    "a view that was made before its base was written": ["x = leaf [2,3]", "y = x mul 2", "v = y select 0 1", "y add_ x 0.5", "z = v square"],
    "a view of a plain tensor, written through the tensor": ["w = leaf [3]", "b = zeros [2,3]", "v = b select 0 1", "b add_ w", "z = v square"],
    "a view of a view of a view": ["w = leaf [2]", "x = leaf [4,3]", "y = x sin", "a = y narrow 0 1 2", "b = a transpose 0 1", "c = b slice 0 0 3 2", "c mul_ w", "a div_ 2", "z = y square", "u = c square"],
    "diagonal": ["w = leaf [3]", "b = zeros [3,3]", "d = b diagonal 0", "d add_ w", "e = b diagonal 1", "f = w narrow 0 0 2", "e copy_ f", "z = b square"],
    "reshape, squeeze, unsqueeze, flatten": ["x = leaf [2,1,3]", "y = x sin", "a = y squeeze", "b = a unsqueeze 1", "c = b flatten", "d = c narrow 0 1 3", "d mul_ 3", "e = b select 0 1", "e add_ 1", "z = y square", "u = a sin"],
    "a row of an expanded view": ["w = leaf [2]", "b = plain [1,2]", "e = b expand [3,2]", "r = e select 0 1", "r mul_ w", "z = e square"],
    "fill_ and zero_ cut what was there": ["w = leaf [2]", "x = leaf [2,2]", "s = w sum", "y = x sin", "a = y select 0 0", "a fill_ s", "b = y select 1 1", "b zero_", "z = y square"],
    "everything is cut": ["w = leaf [2]", "y = w sin", "y zero_", "z = y add 1"],
    "the source is broadcast": ["w = leaf [3]", "s = leaf []", "b = zeros [2,3]", "b copy_ w", "b mul_ s", "b sub_ w 2", "z = b square"],
    "the source is the target": ["x = leaf [3]", "y = x sin", "y add_ y", "a = y narrow 0 0 2", "b = y narrow 0 2 1", "a copy_ b", "z = y square"],
    "the target times itself": ["x = leaf [3]", "y = x sin", "y mul_ y"],
    "quotients and rounding": ["w = leaf [2]", "x = leaf [2,2]", "y = x mul 3", "y div_ w", "a = y select 0 0", "a floor_ w", "z = y mul w"],
    "a saved result that is overwritten": ["x = leaf [3]", "y = x exp", "y mul_ 2"],
    "a saved result that is overwritten through a view": ["x = leaf [3]", "y = x exp", "v = y narrow 0 0 1", "v mul_ 2"],
    "a saved result that is overwritten through detach": ["x = leaf [3]", "y = x exp", "d = y detach", "d add_ 1"],
    "a saved input that is overwritten": ["x = leaf [3]", "f = plain [3]", "y = x mul f", "f zero_"],
    "a saved input that is overwritten under noGrad": ["x = leaf [3]", "f = plain [3]", "y = x mul f", "noGrad f zero_"],
    "what saves nothing may be overwritten": ["x = leaf [3]", "y = x mul 2", "y add_ 1", "y sub_ x", "y div_ 3"],
    "detach shares memory and not the history": ["w = leaf [2]", "y = w mul 2", "d = y detach", "d add_ w", "z = y square", "u = d square"],
    "a result written under noGrad": ["w = leaf [2]", "y = w mul 2", "noGrad y add_ 1", "z = y square"],
    "leaves": ["x = leaf [2,2]", "x add_ 1", "noGrad x mul_ 2", "v = x select 0 0", "v zero_", "z = x square"],
    "several views": ["w = leaf [2]", "x = leaf [2,2]", "y = x mul 1", "a = y split 1 0 0", "a add_ 1", "p = zeros [2,2]", "b = p chunk 2 0 1", "b add_ 1", "b add_ w", "c = b select 0 0", "c copy_ w", "z = y square"],
    "several views of what was written": ["x = leaf [2,2]", "y = x mul 1", "a = y split 1 0 0", "b = a sin", "y mul_ 2", "c = a sin"],
    "views made under noGrad": ["w = leaf [2]", "p = zeros [2,2]", "noGrad v = p select 0 0", "v add_ 1", "v add_ w", "y = w sin", "noGrad u = y narrow 0 0 1", "u mul_ 2", "z = p add w"],
    "expanded": ["w = leaf [2]", "p = plain [1,2]", "e = p expand [3,2]", "e add_ w", "e add_ 1", "z = p mul w"],
    "a view made before its base required a gradient": ["w = leaf [2]", "p = plain [2,2]", "v = p select 0 0", "p add_ w", "u = v mul w", "v mul_ u", "z = p square"],
}


def program(seed):
    """Makes a random program with matching shapes. PyTorch may still refuse some of its lines."""
    rng = random.Random(seed)
    lines = ["x = leaf [2,3]", "w = leaf [3]", "s = leaf []"]
    tensors = {}
    for line in lines:
        step(line, tensors)
    names = []

    def add(line):
        before = dict(tensors)
        try:
            step(line, tensors)
        except RuntimeError as error:
            # PyTorch does not copy a source that shares some elements with its target here; wgrad does.
            words = ("leaf Variable", "multiple views", "more than one element of the written-to tensor")
            if not any(word in str(error) for word in words):
                tensors.clear()
                tensors.update(before)
                return False
        lines.append(line)
        return True

    def shape_of(name):
        return list(tensors[name].shape)

    def target():
        return rng.choice(names[-6:]) if names and rng.random() < 0.9 else "x"

    def source(of):
        """Chooses a tensor or number that broadcasts to the shape of a tensor."""
        fits = []
        for name in tensors:
            try:
                if torch.broadcast_shapes(tensors[name].shape, tensors[of].shape) == tensors[of].shape:
                    fits.append(name)
            except RuntimeError:
                pass
        return rng.choice(fits) if fits and rng.random() < 0.8 else str(rng.choice([2, -1, 0.5, 3]))

    def view(of):
        shape = shape_of(of)
        dims = [dim for dim, size in enumerate(shape) if size > 0]
        if not dims:
            return "unsqueeze 0"
        dim = rng.choice(dims)
        size = shape[dim]
        kind = rng.choice(["select", "narrow", "narrow", "slice", "transpose", "permute", "reshape", "flatten", "unsqueeze", "squeeze", "diagonal", "split", "detach", "expand"])
        if kind == "select":
            return f"select {dim} {rng.randrange(size)}"
        if kind == "narrow":
            start = rng.randrange(size)
            return f"narrow {dim} {start} {rng.randint(1, size - start)}"
        if kind == "slice":
            return f"slice {dim} {rng.randrange(size)} {size} 2"
        if kind == "transpose":
            return f"transpose {dim} {rng.choice(dims)}"
        if kind == "permute":
            order = list(range(len(shape)))
            rng.shuffle(order)
            return f"permute {json.dumps(order, separators=(',', ':'))}"
        if kind == "reshape":
            return f"reshape {json.dumps(shape[::-1], separators=(',', ':'))}"
        if kind == "unsqueeze":
            return f"unsqueeze {rng.randint(0, len(shape))}"
        if kind == "diagonal":
            return "diagonal 0" if len(shape) == 2 else "flatten"
        if kind == "split":
            return f"split 1 {dim} {rng.randrange(size)}" if rng.random() < 0.5 else "flatten"
        if kind == "expand":
            return f"expand {json.dumps([2] + shape, separators=(',', ':'))}" if rng.random() < 0.3 else "squeeze"
        return kind

    for i in range(rng.randint(8, 16)):
        name = f"v{i}"
        kind = rng.random()
        if not names or kind < 0.12:
            made = rng.choice(["zeros [2,3]", "plain [3]", "plain [2,3]", "zeros []", "x sin", "x mul 2", "w exp", "x add w", "s mul 3"])
            line = f"{name} = {made}"
        elif kind < 0.45:
            of = target()
            line = f"{name} = {of} {view(of)}"
        elif kind < 0.6:
            of = target()
            line = f"{name} = {of} {rng.choice(['sin', 'square', 'clone', 'clone', 'add s', 'mul 2', 'add w'])}"
        else:
            of = target()
            write = rng.choice(["add_", "add_", "add_", "sub_", "mul_", "mul_", "div_", "copy_", "copy_", "fill_", "zero_"])
            if write == "zero_":
                line = f"{of} zero_"
            elif write == "fill_":
                line = f"{of} fill_ {rng.choice(['s', '2'])}"
            else:
                from_ = source(of)
                if write == "copy_" and from_ not in tensors:
                    from_ = "s"
                line = f"{of} {write} {from_}" + (" 0.5" if write in ("add_", "sub_") and rng.random() < 0.3 else "")
        if add(line) and "=" in line and name in tensors:
            names.append(name)

    alive = [name for name in names if usable(tensors[name])]
    return run(lines, rng.sample(alive, min(4, len(alive))))


def tame(result):
    """Whether all numbers are finite and small, so that float32 follows them."""
    groups = [group for key in ("values", "gradients", "second") for group in result.get(key, [])]
    return all(math.isfinite(value) and abs(value) < 1e4 for group in groups for value in group or [])


def last(lines):
    """The last three results, which the loss of a handwritten program reads."""
    return [line.split(" ")[0] for line in lines if " = " in line and " leaf " not in line][-3:] + ["t"] * any(line.startswith("t add_") for line in lines)


def main():
    programs = {name: run(lines, last(lines)) for name, lines in BY_HAND.items()}
    overwritten = 0
    for seed in range(240):
        result = program(seed)
        if result is None or not tame(result):
            continue
        overwritten += "overwritten" in result
        # These show little.
        if "overwritten" not in result or overwritten <= 20:
            programs[f"random {seed}"] = result
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "inplace.json"), "w") as file:
        json.dump(programs, file, separators=(",", ":"))
        file.write("\n")


main()
