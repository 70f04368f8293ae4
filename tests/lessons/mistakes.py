"""Common mistakes in the lessons: the code in a hole, the case that finds it, and a part of the complaint."""

MISTAKES = {
    (1, "one_sided", "the run of both sides"): (
        "return (f(x + h) - f(x)) / (2 * h)",
        "lines",
        ", half of it.",
    ),
    (1, "one_sided", "always to the right"): (
        "return (f(x + abs(h)) - f(x)) / abs(h)",
        "of_one_side",
        "evaluated f at",
    ),
    (1, "one_sided", "no return"): ("slope = (f(x + h) - f(x)) / h", "lines", ") must return a number, got None."),
    (1, "central", "half the run"): ("return (f(x + h) - f(x - h)) / h", "parabolas", ", twice as much."),
    (1, "central", "on one side"): ("return one_sided(f, x, h)", "parabolas", "f has the slope "),
    (1, "central", "another result at the seventh call"): (
        "central.calls = getattr(central, 'calls', 0) + 1\n"
        "return (f(x + h) - f(x - h)) / (2 * h) + (central.calls == 7)",
        "parabolas",
        "this example failed once and passed once",
    ),
    (1, "central", "a name misspelled"): (
        "return (f(x + h) - f(x - h)) / (2 * hh)",
        "parabolas",
        "NameError: name 'hh' is not defined",
    ),
    (1, "extrapolated", "weights exchanged"): (
        "return (4 * central(f, x, h) - central(f, x, h / 2)) / 3",
        "quartics",
        "f has the slope ",
    ),
    (1, "has_kink", "any bend"): (
        "return abs(one_sided(f, x, h) - one_sided(f, x, -h)) > 1e-6",
        "no_kink",
        "has no corner",
    ),
    (1, "has_kink", "a threshold"): (
        "return abs(one_sided(f, x, h) - one_sided(f, x, -h)) > 0.1",
        "a_kink",
        "is False for",
    ),
    (1, "has_kink", "the gap itself"): (
        "return abs(one_sided(f, x, h) - one_sided(f, x, -h))",
        "no_kink",
        "has no corner.",
    ),
    (1, "has_kink", "a tiny step, and a threshold"): (
        "return abs(one_sided(f, x, 1e-6) - one_sided(f, x, -1e-6)) > 1e-4",
        "no_kink_in_a_bend",
        "but a parabola has no corner.",
    ),
    (1, "has_kink", "a tinier step, and a threshold"): (
        "return abs(one_sided(f, x, 1e-9) - one_sided(f, x, -1e-9)) > 1e-2",
        "a_small_kink",
        "where the slope jumps by 2e-4",
    ),
    (1, "has_kink", "rounding errors of a line"): (
        "def gap(h):\n    return abs(one_sided(f, x, h) - one_sided(f, x, -h))\n\nreturn gap(h / 8) > gap(h) / 2",
        "no_kink",
        "has no corner",
    ),
    (1, "error_of", "a plain difference"): (
        "slopes = one_sided(lambda t: f(x + t * direction), 0.0, 1e-6)\n"
        "numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction",
        "a_strong_bend",
        "but must be below 1e-10.",
    ),
    (1, "error_of", "a central difference"): (
        "slopes = central(lambda t: f(x + t * direction), 0.0, 1e-7)\n"
        "numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction",
        "a_strong_bend",
        "but must be below 1e-10.",
    ),
    (1, "error_of", "a cotangent of ones"): (
        "slopes = extrapolated(lambda t: f(x + t * direction), 0.0, 1e-3)\n"
        "numeric, claimed = slopes, gradient(x, np.ones_like(cotangent)) * direction",
        "softmax_of_zeros",
        "must be above",
    ),
    (1, "error_of", "a rough slope"): (
        "slopes = one_sided(lambda t: f(x + t * direction), 0.0, 1e-3)\n"
        "numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction",
        "right_gradients",
        "must be below 1e-6",
    ),
    (1, "error_of", "only the first element"): (
        "direction = np.eye(1, x.size).reshape(x.shape)\n"
        "slopes = extrapolated(lambda t: f(x + t * direction), 0.0, 1e-3)\n"
        "numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction",
        "one_wrong_element",
        "must be above",
    ),
    (1, "error_of", "a name not assigned"): (
        "slope = extrapolated(lambda t: f(x + t * direction), 0.0, 1e-3)\nnumeric = cotangent * slope",
        "right_gradients",
        "NameError: name 'claimed' is not defined",
    ),
    (2, "backward", "the last contribution wins"): (
        "self.grad = g\nif self.vjp is not None:\n    for parent, c in zip(self.parents, self.vjp(g)):\n"
        "        parent.backward(c)",
        "a_leaf",
        "is 3.0, expected 4.0",
    ),
    (2, "backward", "passes on the whole gradient again"): (
        "self.grad += g\nif self.vjp is not None:\n    for parent, c in zip(self.parents, self.vjp(self.grad)):\n"
        "        parent.backward(c)",
        "random_programs",
        "def program(",
    ),
    (2, "backward", "calls the vjp of a leaf"): (
        "self.grad += g\nfor parent, c in zip(self.parents, self.vjp(g)):\n    parent.backward(c)",
        "a_leaf",
        "TypeError: 'NoneType' object is not callable",
    ),
    (2, "mul", "factors exchanged"): (
        "return Value(self.data * other.data, (self, other), lambda g: (g * self.data, g * other.data))",
        "products",
        "the gradient of x is wrong",
    ),
    (2, "mul", "g forgotten"): (
        "return Value(self.data * other.data, (self, other), lambda g: (other.data, self.data))",
        "products",
        "the gradient of x is wrong",
    ),
    (2, "mul", "a number"): ("return self.data * other.data", "products", "the result must be a Value, got float."),
    (2, "mul", "Values in the vjp"): (
        "return Value(self.data * other.data, (self, other), lambda g: (g * other, g * self))",
        "products",
        "gradient 1 of 2 from the vjp in Value.__mul__ must be a number or an array, got Value.",
    ),
    (2, "power", "no comma"): (
        "return Value(self.data**n, (self,), lambda g: g * n * self.data ** (n - 1))",
        "powers",
        "in <lambda>\n    return Value(self.data**n, (self,), lambda g: g * n * self.data ** (n - 1))\n"
        "the vjp in Value.__pow__ must return a tuple of 1 gradient, got float.",
    ),
    (2, "power", "the power forgotten"): (
        "return Value(self.data**n, (self,), lambda g: (g * n * self.data,))",
        "powers",
        "the gradient of x is wrong",
    ),
    (2, "power", "parents without a tuple"): (
        "return Value(self.data**n, (self), lambda g: (g * n * self.data ** (n - 1),))",
        "powers",
        "the parents of a Value must be a tuple of Values, got Value.",
    ),
    (2, "tanh", "of the input"): (
        "return Value(out, (self,), lambda g: (g * (1 - self.data**2),))",
        "tanh",
        "program: the gradient of",
    ),
    (2, "tanh", "a vjp without return"): (
        "def vjp(g):\n    g * (1 - out * out)\nreturn Value(out, (self,), vjp)",
        "tanh",
        "the vjp in Value.tanh must return a tuple of 1 gradient, got None.",
    ),
    (2, "relu", "1 at 0"): (
        "return Value(max(self.data, 0.0), (self,), lambda g: (g if self.data >= 0 else 0.0,))",
        "relu_at_its_corner",
        "is 1.0, expected 0.0",
    ),
    (2, "relu", "passes all"): (
        "return Value(max(self.data, 0.0), (self,), lambda g: (g,))",
        "relu",
        "it should be zero",
    ),
    (3, "order", "preorder"): (
        "done, seen = [], set()\ndef visit(value):\n    if value not in seen:\n        seen.add(value)\n"
        "        done.append(value)\n        for parent in value.parents:\n            visit(parent)\n"
        "visit(root)\nreturn done[::-1]",
        "parents_first",
        "but comes before it",
    ),
    (3, "order", "level by level"): (
        "done, level = [], [root]\nwhile level:\n    done += [x for x in level if x not in done]\n"
        "    level = list(dict.fromkeys(p for x in level for p in x.parents))\nreturn done[::-1]",
        "parents_first",
        "but comes before it",
    ),
    (3, "order", "with repeats"): (
        "return [x for parent in root.parents for x in order(parent)] + [root]",
        "each_once",
        "contains a value twice",
    ),
    (3, "order", "a set"): (
        "seen = set()\ndef visit(v):\n    if v not in seen:\n        seen.add(v)\n        for p in v.parents:\n"
        "            visit(p)\nvisit(root)\nreturn seen",
        "each_once",
        "order must return a list, got set.",
    ),
    (3, "paths", "from the leaves on"): (
        "count = dict.fromkeys(values, 0)\ncount[root] = 1\nfor value in values:\n    for parent in value.parents:\n"
        "        count[parent] += count[value]\nreturn count",
        "doubled",
        "paths returned 0",
    ),
    (3, "paths", "no path to root"): (
        "count = {}\nfor value in reversed(values):\n    for parent in value.parents:\n"
        "        count[parent] = count.get(parent, 0) + 1\nreturn count",
        "doubled",
        "the dict that paths returned has no number for the first x.",
    ),
    (3, "backward", "passes on an earlier gradient"): (
        "root.grad += g\nfor value in reversed(order(root)):\n    if value.vjp is not None:\n"
        "        for parent, c in zip(value.parents, value.vjp(value.grad)):\n            parent.grad += c",
        "twice",
        "after two backward passes",
    ),
    (3, "backward", "as in lesson 2"): ("root.backward(g)", "each_rule_once", "times"),
    (4, "node", "all the same"): (
        "self.time, self.parents, self.vjp, self.grad = 0, parents, vjp, None",
        "numbers_grow",
        "[0, 0, 0, 0, 0]",
    ),
    (4, "node", "the clock itself"): (
        "self.time, self.parents, self.vjp, self.grad = clock, parents, vjp, None",
        "numbers_grow",
        "the numbers of five new nodes must increase",
    ),
    (4, "backward_pass", "oldest first"): (
        "queue = [(root.time, root)]\nwhile queue:\n    node = heappop(queue)[1]\n    if node.vjp is None:\n"
        "        continue\n    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):\n"
        "        if parent is None:\n            continue\n        if parent in gradients:\n"
        "            gradients[parent] = gradients[parent] + c\n        else:\n            gradients[parent] = c\n"
        "            heappush(queue, (parent.time, parent))",
        "newest_first",
        "backward_pass visited fourth, first",
    ),
    (4, "backward_pass", "in place"): (
        "while queue:\n    node = heappop(queue)[1]\n    if node.vjp is None:\n"
        "        continue\n    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):\n"
        "        if parent is None:\n            continue\n        if parent in gradients:\n"
        "            gradients[parent] += c\n        else:\n            gradients[parent] = c\n"
        "            heappush(queue, (-parent.time, parent))",
        "arrives_unchanged",
        "the initial gradient, after backward_pass",
    ),
    (4, "computed", "plain numbers have nodes"): (
        "return Value(data, Node(tuple(getattr(x, 'node', Node()) for x in inputs), vjp))",
        "nodes_of_results",
        "parents",
    ),
    (4, "computed", "Values as parents"): (
        "return Value(data, Node(tuple(inputs), vjp))",
        "nodes_of_results",
        "the parents of the result's node are (Value, float), expected (x.node, None).",
    ),
    (4, "mul", "uses a Value"): (
        "return computed(self.data * number_of(other), (self, other), lambda g: (g * number_of(other), g * self.data))",
        "mul_keeps_numbers",
        "still keeps the Value x alive",
    ),
    (4, "mul", "one contribution, no tuple"): (
        "x, y = self.data, number_of(other)\nreturn computed(x * y, (self, other), lambda g: g * y)",
        "products",
        "the vjp in Value.__mul__ must return a tuple of 2 gradients, got float.",
    ),
    (4, "tanh", "uses its result"): (
        "out = computed(math.tanh(self.data), (self,), lambda g: (g * (1 - out.data**2),))\nreturn out",
        "tanh_keeps_numbers",
        "refers back to it",
    ),
    (4, "tanh", "inputs without a tuple"): (
        "out = math.tanh(self.data)\nreturn computed(out, self, lambda g: (g * (1 - out * out),))",
        "tanh",
        "TypeError: 'Value' object is not iterable",
    ),
    (5, "unbroadcast", "nothing"): ("return g", "unbroadcast", "It is not summed over the broadcast axes"),
    (5, "unbroadcast", "only the first axes"): (
        "return g.sum(axis=tuple(range(g.ndim - len(shape))))",
        "unbroadcast",
        "must have the shape of x",
    ),
    (5, "unbroadcast", "no return"): (
        "extra = g.ndim - len(shape)\ng.sum(axis=tuple(range(extra)))",
        "unbroadcast",
        ") must return an array, got None.",
    ),
    (5, "computed", "always a node"): (
        "return Tensor(data, node=Node(tuple(getattr(x, 'node', None) for x in inputs), vjp))",
        "nodes_where_they_are_needed",
        "no Tensor requires a gradient, but the result has a node",
    ),
    (5, "computed", "no vjp"): (
        "nodes = tuple(x.node if isinstance(x, Tensor) else None for x in inputs)\n"
        "return Tensor(data, node=Node(nodes) if any(n is not None for n in nodes) else None)",
        "nodes_where_they_are_needed",
        "the node of computed(data, inputs, vjp) does not have this vjp.",
    ),
    (5, "backward", "keeps the array itself"): (
        "leaf.grad = arrived if leaf.grad is None else leaf.grad + arrived",
        "gradients_are_ones_own",
        "x.grad is a view of g",
    ),
    (5, "backward", "adds in place"): (
        "if leaf.grad is None:\n    leaf.grad = np.array(arrived)\nelse:\n    leaf.grad += arrived",
        "gradients_add_up",
        "x.grad after the first backward pass",
    ),
    (5, "mul", "not summed back"): (
        "return computed(x * y, (self, other), lambda g: (g * y, g * x))",
        "products",
        "It is not summed over the broadcast",
    ),
    (5, "mul", "Tensors in the vjp"): (
        "return computed(x * y, (self, other), lambda g: (unbroadcast(g * other, x.shape), unbroadcast(g * self, "
        "y.shape)))",
        "products",
        "gradient 1 of 2 from the vjp in Tensor.__mul__ must be a number or an array, got Tensor.",
    ),
    (5, "mul", "no tuple"): (
        "return computed(x * y, (self, other), lambda g: unbroadcast(g * y, x.shape))",
        "products",
        "the vjp in Tensor.__mul__ must return a tuple of 2 gradients, got ",
    ),
    (5, "matmul", "a transpose forgotten"): (
        "return computed(x @ y, (self, other), lambda g: (unbroadcast(g @ y, x.shape), "
        "unbroadcast(transposed(x) @ g, y.shape)))",
        "matrix_products",
        "",
    ),
    (5, "sum", "the axis not restored"): ("return (np.broadcast_to(g, x.shape),)", "along_an_axis", "is wrong"),
    (5, "sum", "no tuple"): (
        "if axis is not None and not keepdims:\n    g = np.expand_dims(g, axis)\nreturn np.broadcast_to(g, x.shape)",
        "reductions",
        "the vjp in Tensor.sum must return a tuple of 1 gradient, got ndarray of shape (",
    ),
    (5, "reshape", "unchanged"): (
        "return computed(x.reshape(shape), (self,), lambda g: (g,))",
        "reshaped",
        "must have the shape of x",
    ),
    (5, "transpose", "the same order again"): (
        "return computed(self.data.transpose(axes), (self,), lambda g: (g.transpose(axes),))",
        "three_axes",
        "is wrong",
    ),
    (6, "known_name", "no hint"): (
        "if name not in known:\n    raise TypeError(f'op {self.name} has no {name}')",
        "names_that_are_not_there",
        "does not suggest 'factor'",
    ),
    (6, "arguments_of", "in another order"): (
        "return sorted(set(inspect.signature(function).parameters) - {'g'})",
        "names_of_a_vjp",
        "arguments_of(lambda g, y",
    ),
    (6, "recorded", "every value"): ("saved = values", "saved_is_what_is_asked", "but the node saves"),
    (6, "recorded", "for every vjp"): (
        "wanted = {name for x in op.inputs for name in arguments_of(op.vjp_functions[x])}\n"
        "saved = {name: values[name] for name in wanted}",
        "saved_is_what_is_asked",
        "if x requires a gradient",
    ),
    (6, "recorded", "only names"): (
        "vjps = [op.vjp_functions[x] for x, node in zip(op.inputs, nodes) if node is not None]\n"
        "saved = {name for vjp in vjps for name in arguments_of(vjp)}",
        "saved_is_what_is_asked",
        "saved must be a dict of values by name, got set.",
    ),
    (6, "pullback", "every vjp"): (
        "vjps = self.op.vjp_functions\n"
        "parts = [vjps[x](g, **{n: self.saved[n] for n in arguments_of(vjps[x])}) for x in self.op.inputs]\n"
        "return [unbroadcast(part, shape or ()) for part, shape in zip(parts, self.shapes)]",
        "rules_that_nobody_needs",
        "KeyError",
    ),
    (6, "pullback", "broadcasting not undone"): (
        "vjps = self.op.vjp_functions\n"
        "return [None if shape is None else vjps[x](g, **{n: self.saved[n] for n in arguments_of(vjps[x])})\n"
        "        for x, shape in zip(self.op.inputs, self.shapes)]",
        "products",
        "It is not summed over the broadcast axes",
    ),
    (6, "pullback", "no entry for None"): (
        "out = []\nfor x, shape in zip(self.op.inputs, self.shapes):\n    if shape is None:\n        continue\n"
        "    vjp = self.op.vjp_functions[x]\n    c = vjp(g, **{name: self.saved[name] for name in arguments_of(vjp)})\n"
        "    out.append(unbroadcast(c, shape) if self.op.broadcasts else c)\nreturn out",
        "rules_that_nobody_needs",
        "the pullback of op product must return a list of 2 gradients, got list of length 1.",
    ),
    (6, "divide", "a sign"): (
        "divide.vjps(x=lambda g, y: g / y, y=lambda g, out, y: g * out / y)",
        "quotients",
        "its sign is flipped",
    ),
    (6, "divide", "no vjp of y"): ("divide.vjps(x=lambda g, y: g / y)", "quotients", "op divide has no vjp for y."),
    (6, "divide", "tuples as in lesson 5"): (
        "divide.vjps(x=lambda g, y: (g / y,), y=lambda g, out, y: (-g * out / y,))",
        "quotients",
        "op divide: the vjp of x must return an array, got tuple of length 1.",
    ),
    (6, "divide", "a name that does not exist"): (
        "divide.vjps(x=lambda g, y: g / y, y=lambda g, output, y: -g * output / y)",
        "quotients",
        "TypeError: op divide has nothing named 'output'; did you mean 'out'?",
    ),
    (6, "exp", "saves its input"): ("exp.vjps(x=lambda g, x: g * np.exp(x))", "exp_saves_its_result", "it uses ['x']"),
    (6, "exp", "no return"): (
        "def vjp(g, out):\n    g * out\nexp.vjps(x=vjp)",
        "exponentials",
        "op exp: the vjp of x must return an array, got None.",
    ),
    (6, "exp", "a name misspelled"): (
        "def exp_vjp(g, out):\n    return g * outt\nexp.vjps(x=exp_vjp)",
        "exponentials",
        "NameError: name 'outt' is not defined",
    ),
    (6, "exp", "the op misspelled"): (
        "epx.vjps(x=lambda g, out: g * out)",
        "exponentials",
        "NameError: name 'epx' is not defined",
    ),
    (6, "tanh", "not squared"): ("tanh.vjps(x=lambda g, out: g * (1 - out))", "tanh", "the gradient of x is wrong"),
    (6, "sum", "saves an array"): (
        "broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))\n"
        "sum.vjps(x=lambda g, x, axis: broadcast_to(reshape(g, shape=keepdims_shape(x.shape, axis)), shape=x.shape))",
        "sum_saves_no_array",
        "it uses x",
    ),
    (6, "matmul", "the whole transposed"): (
        "matmul.vjps(x=lambda g, y: g @ np.transpose(y), y=lambda g, x: np.transpose(x) @ g)",
        "matrix_products",
        "",
    ),
    (7, "no_grad", "ends with True"): (
        "recording.set(False)\ntry:\n    yield\nfinally:\n    recording.set(True)",
        "nothing_is_recorded",
        "after a nested no_grad",
    ),
    (7, "no_grad", "no finally"): (
        "before = recording.set(False)\nyield\nrecording.reset(before)",
        "nothing_is_recorded",
        "that ended with an error",
    ),
    (7, "no_grad", "a global variable"): (
        "class Everywhere:\n    get = lambda self: False\nglobal recording\n"
        "before, recording = recording, Everywhere()\n"
        "try:\n    yield\nfinally:\n    recording = before",
        "of_a_thread",
        "another thread records nothing",
    ),
    (7, "no_grad", "no yield"): (
        "recording.set(False)",
        "nothing_is_recorded",
        "no_grad has no yield, at which the block would run.",
    ),
    (7, "parameters_of", "by the default only"): (
        "return (tuple(p.name for p in parameters if p.default is p.empty), "
        "{p.name: p.default for p in parameters if p.default is not p.empty})",
        "inputs_without_a_mark",
        "parameters_of returned",
    ),
    (7, "parameters_of", "only the inputs"): (
        "return tuple(p.name for p in parameters if p.default is p.empty)",
        "inputs_without_a_mark",
        "parameters_of(f) for def f(x, y, axis=0, *, keepdims) must return a tuple and a dict, got tuple of length 3.",
    ),
    (7, "arguments_of", "two stars as a name"): (
        "return [p.name for p in parameters]",
        "settings_by_two_stars",
        "['x', 'stride', 'window']",
    ),
    (7, "recorded", "always"): (
        "functions = [op.vjp_functions[x] for x, node in zip(names, nodes) if node is not None]\n"
        "wanted = {name for function in functions for name in arguments_of(function, settings)}\n"
        "saved = {name: values[name] for name in wanted & values.keys()}",
        "no_node_without_a_reason",
        "but the result has one",
    ),
    (7, "recorded", "for every vjp"): (
        "if not recording.get() or all(node is None for node in nodes):\n    return Tensor(out)\n"
        "wanted = {name for x in names for name in arguments_of(op.vjp_functions[x], settings)}\n"
        "saved = {name: values[name] for name in wanted & values.keys()}",
        "saved_by_name",
        "but the node saves",
    ),
    (7, "recorded", "saves k"): (
        "if not recording.get() or all(node is None for node in nodes):\n    return Tensor(out)\n"
        "functions = [op.vjp_functions[x] for x, node in zip(names, nodes) if node is not None]\n"
        "saved = {name: values[name] for function in functions for name in arguments_of(function, settings)}",
        "which_of_many",
        "KeyError: 'k'",
    ),
    (7, "pullback", "without k"): (
        "vjps = self.op.vjp_functions\n"
        "return [None if shape is None else vjps[x](g, **{n: self.saved[n] for n in arguments_of(vjps[x], {})})\n"
        "        for x, shape in zip(self.names, self.shapes)]",
        "which_of_many",
        "KeyError: 'k'",
    ),
    (7, "pullback", "k as the position only"): (
        "parts, broadcasts = [], self.op.broadcasts\n"
        "for k, (x, shape) in enumerate(zip(self.names, self.shapes)):\n"
        "    vjp, known = self.op.vjp_functions[x], self.saved | {'k': k}\n"
        "    part = None if shape is None else vjp(g, **{n: known[n] for n in arguments_of(vjp, self.op.settings)})\n"
        "    parts.append(unbroadcast(part, shape) if broadcasts and shape is not None else part)\nreturn parts",
        "a_setting_called_k",
        "",
    ),
    (7, "pullback", "return in the loop"): (
        "cs = []\nfor k, (x, shape) in enumerate(zip(self.names, self.shapes)):\n    if shape is None:\n"
        "        cs.append(None)\n        continue\n    vjp, known = self.op.vjp_functions[x], {'k': k} | self.saved\n"
        "    c = vjp(g, **{n: known[n] for n in arguments_of(vjp, self.op.settings)})\n"
        "    cs.append(unbroadcast(c, shape) if self.op.broadcasts else c)\n    return cs",
        "which_of_many",
        "the pullback of op weighted must return a list of 3 gradients, got list of length 1.",
    ),
    (7, "pullback", "broadcasting not undone"): (
        "cs = []\nfor k, (x, shape) in enumerate(zip(self.names, self.shapes)):\n    if shape is None:\n"
        "        cs.append(None)\n        continue\n    vjp, known = self.op.vjp_functions[x], {'k': k} | self.saved\n"
        "    cs.append(vjp(g, **{n: known[n] for n in arguments_of(vjp, self.op.settings)}))\nreturn cs",
        "the_ops_before",
        "It is not summed over the broadcast axes.",
    ),
    (8, "assign", "other memory"): (
        "self.data = np.broadcast_to(values, self.shape)",
        "writing",
        "storage.version is 0",
    ),
    (8, "assign", "binds the name"): (
        "self.data = values\nself.storage.version = next(clock)",
        "writing",
        "after assign, x.data is another array: views of x have not changed.",
    ),
    (8, "assign", "no clock"): (
        "self.data[...] = values\nself.storage.version += 1",
        "writing",
        "but storage.version is 1.",
    ),
    (8, "storage_of", "always new"): ("return Storage()", "views_share_storage", "must be the storage of the input"),
    (8, "storage_of", "the storage of any input"): (
        "return next((x.storage for x in inputs if isinstance(x, Tensor)), Storage())",
        "views_share_storage",
        "storage_of a new array",
    ),
    (8, "storage_of", "the class"): (
        "for x in inputs:\n    if isinstance(x, Tensor) and np.may_share_memory(out, x.data):\n"
        "        return x.storage\nreturn Storage",
        "views_share_storage",
        "storage_of a new array must be a new Storage, got type.",
    ),
    (8, "unchanged", "never"): ("pass", "a_view_with_an_old_history", "but view * 2 raises no StaleValueError"),
    (8, "unchanged", "at any change ever"): (
        "if x.storage.version:\n    raise StaleValueError(op.name)",
        "computed_after_the_change",
        "but view * 2 raises",
    ),
    (8, "guarded", "not looked at"): ("pass", "saved_and_changed", "but no StaleValueError was raised"),
    (8, "guarded", "at any change ever"): (
        "for name, storage in self.storages.items():\n    if storage.version:\n"
        "        raise StaleValueError(f'op {self.pullback.op.name}: {name}')",
        "changed_before",
        "x was changed before x * x",
    ),
    (8, "kept", "the array itself"): ("return array", "arrays_of_others", "after weights[:] = 0"),
    (8, "kept", "always a copy"): (
        "return array.copy() if isinstance(array, np.ndarray) else array",
        "arrays_of_tensors",
        "is a copy",
    ),
    (8, "kept", "the Tensor"): (
        "return x if isinstance(x, Tensor) else np.copy(x)",
        "arrays_of_tensors",
        "kept(x, x.data) must return an array, got Tensor.",
    ),
    (8, "in_place", "of the overwritten values"): (
        "old = Tensor(tensor.data, node=tensor.node, storage=tensor.storage)\nresult = op(old, other)\n"
        "tensor.assign(result.data)\n"
        "tensor.node = result.node\nif tensor.node is not None:\n    tensor.node.time = next(clock)\nreturn tensor",
        "recorded_in_place",
        "StaleValueError",
    ),
    (8, "in_place", "the number of the result"): (
        "old = Tensor(tensor.data.copy(), node=tensor.node)\nresult = op(old, other)\ntensor.assign(result.data)\n"
        "tensor.node = result.node\nreturn tensor",
        "what_was_saved_before",
        "",
    ),
    (8, "in_place", "other is overwritten, too"): (
        "old = Tensor(tensor.data.copy(), node=tensor.node)\nresult = op(old, other)\ntensor.assign(result.data)\n"
        "tensor.node = result.node\nif tensor.node is not None:\n    tensor.node.time = next(clock)\nreturn tensor",
        "with_itself",
        "",
    ),
    (8, "in_place", "no return"): (
        "old = Tensor(tensor.data.copy(), node=tensor.node)\nresult = op(old, other)\n"
        "tensor.assign(result.data)\ntensor.node = result.node\nif tensor.node is not None:\n"
        "    tensor.node.time = next(clock)",
        "recorded_in_place",
        "in_place must return the tensor itself, got None.",
    ),
    (8, "in_place", "the tensor itself"): (
        "result = op(tensor, other)\ntensor.assign(result.data)\ntensor.node = result.node\nreturn tensor",
        "recorded_in_place",
        "StaleValueError: op multiply: an input was changed in place after it was computed.",
    ),
    (9, "lifted", "nothing"): ("saved = pullback.saved", "gradients_are_recorded", "has no node"),
    (9, "lifted", "constants"): (
        "saved = {n: Tensor(v) if nodes.get(n) is not None else v for n, v in pullback.saved.items()}",
        "gradients_are_recorded",
        "has no node",
    ),
    (9, "lifted", "only inputs"): (
        "lift = lambda n, v: Tensor(v, node=nodes[n], storage=guarded.storages[n]) if n in 'xy' else v\n"
        "saved = {n: lift(n, v) for n, v in pullback.saved.items()}",
        "results_are_lifted",
        "out was not lifted",
    ),
    (9, "lifted", "without storages"): (
        "saved = {n: Tensor(v, node=nodes[n]) if nodes.get(n) is not None else v for n, v in pullback.saved.items()}",
        "still_guarded",
        "no StaleValueError was raised",
    ),
    (9, "backward_pass", "through the targets"): (
        "while queue:\n    node = heappop(queue)[1]\n    if node.vjp is None:\n        continue\n"
        "    for parent, c in zip(node.parents, lifted(node)(gradients.pop(node))):\n"
        "        if parent in gradients:\n            gradients[parent] = gradients[parent] + c\n"
        "        elif parent is not None:\n            gradients[parent] = c\n"
        "            heappush(queue, (-parent.time, parent))",
        "ends_at_targets",
        "the gradient of the target is missing",
    ),
    (9, "grad", "the result"): ("return lambda x: vjp(f, x)[0]", "third", "expected 240"),
    (9, "grad", "a Tensor"): ("return vjp(f, 1.0)[1](1.0)", "first", "grad(f) must return a function, got Tensor."),
    (9, "hvp", "times the gradient"): ("return grad(f)(x) * u", "hessian_products", "is wrong"),
    (9, "hvp", "a function"): (
        "return grad(lambda x: (grad(f)(x) * u).sum())",
        "hessian_products",
        "hvp(f, x, u) must be a Tensor, got function.",
    ),
    (9, "hvp", "a finite difference"): (
        "return (grad(f)(x + 1e-6 * u) - grad(f)(x - 1e-6 * u)) * 5e5",
        "no_difference",
        "hvp(f, x, u) of the sum of x⁴ + 10⁶ x is ",
    ),
    (9, "jvp", "the pullback itself"): ("return pullback(u)", "forward", ""),
    (9, "jvp", "the pullback, at x"): (
        "return vjp(pullback, np.zeros(np.shape(x)))[1](u)",
        "of_another_shape",
        "Error",
    ),
    (9, "jvp", "a pair"): (
        "return vjp(pullback, np.zeros(out.shape))",
        "forward",
        "jvp(f, x, u) must be a Tensor, got tuple of length 2.",
    ),
    (10, "logsumexp", "in place"): (
        "largest = np.max(x, axis=-1, keepdims=True)\nx -= largest\n"
        "return largest + np.log(np.sum(np.exp(x), axis=-1, keepdims=True))",
        "values_of_logsumexp",
        "the array x was changed in place",
    ),
    (10, "logsumexp", "as on paper"): (
        "return np.log(np.sum(np.exp(x), axis=-1, keepdims=True))",
        "large_logsumexp",
        "expected",
    ),
    (10, "logsumexp", "the largest of all rows"): (
        "return np.max(x) + np.log(np.sum(np.exp(x - np.max(x, axis=-1, keepdims=True)), axis=-1, keepdims=True))",
        "values_of_logsumexp",
        "logsumexp(x) is",
    ),
    (10, "logsumexp", "no keepdims"): (
        "largest = np.max(x, axis=-1)\nreturn largest + np.log(np.sum(np.exp(x - largest), axis=-1))",
        "values_of_logsumexp",
        " has shape (",
    ),
    (10, "logsumexp_vjp", "as on paper"): (
        "return g * exp(x) / exp(x).sum(axis=-1, keepdims=True)",
        "large_gradient",
        "the gradient of logsumexp(",
    ),
    (10, "logsumexp_vjp", "with NumPy only"): (
        "x, out = getattr(x, 'data', x), getattr(out, 'data', out)\nreturn g * np.exp(np.asarray(x) - np.asarray(out))",
        "gradient_of_logsumexp",
        "",
    ),
    (10, "logsumexp_vjp", "a tuple"): (
        "return (g * exp(x - out),)",
        "gradient_of_logsumexp",
        "op logsumexp: the vjp of x must return an array, got tuple of length 1.",
    ),
    (10, "logsumexp_vjp", "exp of NumPy"): (
        "return g * np.exp(x - out)",
        "gradient_of_logsumexp",
        "TypeError: operand 'Tensor' does not support ufuncs (__array_ufunc__=None)",
    ),
    (10, "log_softmax", "the logarithm of a quotient"): (
        "p = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)\nreturn np.log(p)",
        "impossible_classes",
        "log_softmax([0, 1000]) is",
    ),
    (10, "put", "one column"): (
        "rows = np.zeros(shape)\nrows[:, labels[0]] = g\nreturn rows",
        "picked",
        "the gradient of x is wrong",
    ),
    (10, "put", "no return"): (
        "rows = np.zeros(shape)\nrows[np.arange(len(labels)), labels] = g",
        "picked",
        "op pick: the vjp of x must return an array, got None.",
    ),
    (10, "cross_entropy", "a sum"): (
        "return pick(log_softmax(logits), labels).sum() * -1.0",
        "values_of_cross_entropy",
        "cross_entropy(x, labels) is",
    ),
    (10, "cross_entropy", "a mask"): (
        "mask = np.eye(logits.shape[1])[labels]\nreturn (log_softmax(logits) * mask).sum() * (-1 / len(labels))",
        "wrong_and_sure",
        "is nan",
    ),
    (10, "sigmoid", "as on paper"): ("return 1 / (1 + np.exp(-x))", "sigmoid_of_all_sizes", "FloatingPointError"),
    (10, "sigmoid", "clipped"): ("return 1 / (1 + np.exp(-np.clip(x, -30, 30)))", "tiny_sigmoid", "sigmoid(-40) is "),
    (10, "sigmoid", "by tanh"): ("return 0.5 + 0.5 * np.tanh(x / 2)", "tiny_sigmoid", "sigmoid(-40) is 0.0"),
    (10, "softplus", "as on paper"): ("return np.log1p(np.exp(x))", "softplus_of_all_sizes", "FloatingPointError"),
    (10, "softplus", "without log1p"): (
        "return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))",
        "tiny_softplus",
        "softplus(-40) is 0.0",
    ),
    (11, "windows", "of a shape"): (
        "row = images.itemsize * W\nstrides = (c * H * row, H * row, row, images.itemsize, row, images.itemsize)",
        "all_windows",
        "for a transposed and reversed view",
    ),
    (11, "windows", "without overlap"): (
        "by_n, by_c, by_row, by_column = images.strides\n"
        "strides = (by_n, by_c, height * by_row, width * by_column, by_row, by_column)",
        "all_windows",
        "windows(images, ...) is",
    ),
    (11, "windows", "a copy"): (
        "images = np.copy(images)\nby_n, by_c, by_row, by_column = images.strides\n"
        "strides = (by_n, by_c, by_row, by_column, by_row, by_column)",
        "no_copy",
        "is a copy of the images",
    ),
    (11, "windows", "four strides"): (
        "strides = images.strides",
        "all_windows",
        "ValueError: mismatch in length of strides and shape",
    ),
    (11, "without_maps", "the axes as they come"): (
        "return np.tensordot(windows(images, *kernels.shape[2:]), kernels, axes=((1, 4, 5), (1, 2, 3)))",
        "maps_of_the_form",
        "has shape",
    ),
    (11, "without_maps", "a flipped kernel"): (
        "seen = windows(images, *kernels.shape[2:])\n"
        "return np.tensordot(seen, kernels[:, :, ::-1, ::-1], axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)",
        "maps_of_the_form",
        "expected",
    ),
    (11, "without_kernels", "of the first image"): (
        "return np.tensordot(maps[0], windows(images, height, width)[0], axes=((1, 2), (1, 2)))",
        "kernels_of_the_form",
        "expected",
    ),
    (11, "without_images", "the last window wins"): (
        "for i in range(height):\n    for j in range(width):\n"
        "        images[:, :, i : i + rows, j : j + columns] = "
        "np.einsum('nkyx, kc -> ncyx', maps, kernels[:, :, i, j])\nreturn images",
        "images_of_the_form",
        "expected",
    ),
    (11, "correlate", "exchanged"): (
        "correlate.vjps(images=lambda g, kernels: correlate_images(g, kernels), "
        "kernels=lambda g, images: correlate_kernels(images, g))",
        "rules_of_correlate",
        "",
    ),
    (11, "correlate", "no vjp of kernels"): (
        "correlate.vjps(images=lambda g, kernels: correlate_images(g, kernels))",
        "rules_of_correlate",
        "op correlate has no vjp for kernels.",
    ),
    (11, "correlate_kernels", "itself"): (
        "correlate_kernels.vjps(maps=lambda g, images: correlate(images, g), "
        "images=lambda g, maps: correlate_kernels(maps, g))",
        "rules_of_correlate_kernels",
        "",
    ),
    (11, "correlate_kernels", "a name that does not exist"): (
        "correlate_kernels.vjps(images=lambda g, kernels: correlate_images(g, kernels), maps=lambda g, images: "
        "correlate(images, g))",
        "rules_of_correlate_kernels",
        "op correlate_kernels has nothing named 'kernels'; it has maps, images, ",
    ),
    (11, "correlate_images", "maps and g exchanged"): (
        "correlate_images.vjps(maps=lambda g, kernels: correlate(g, kernels), "
        "kernels=lambda g, maps: correlate_kernels(g, maps))",
        "rules_of_correlate_images",
        "",
    ),
    (11, "conv2d", "added to the columns"): ("return correlate(x, weight) + bias", "a_layer", ""),
    (12, "kept_bytes", "once per save"): (
        (
            "while waiting:\n"
            "    node = waiting.pop()\n"
            "    if node is None or node in seen:\n"
            "        continue\n"
            "    seen.add(node)\n"
            "    waiting += node.parents\n"
            "    if node.vjp is not None:\n"
            "        for a in node.vjp.pullback.saved.values():\n"
            "            if isinstance(a, np.ndarray):\n"
            "                found[len(found)] = a.nbytes\n"
        ),
        "each_array_once",
        "which saves x twice",
    ),
    (12, "kept_bytes", "along every path"): (
        (
            "def visit(node):\n"
            "    if node is not None and node.vjp is not None:\n"
            "        for parent in node.parents:\n"
            "            visit(parent)\n"
            "        arrays = [a for a in node.vjp.pullback.saved.values() if isinstance(a, np.ndarray)]\n"
            "        found.update((id(a), a.nbytes) for a in arrays)\n"
            "visit(tensor.node)\n"
        ),
        "of_a_long_graph",
        "RecursionError",
    ),
    (12, "kept_bytes", "a leaf has a vjp"): (
        "while waiting:\n    node = waiting.pop()\n    if node is None or node in seen:\n        continue\n"
        "    seen.add(node)\n    waiting += node.parents\n"
        "    found |= {id(a): a.nbytes for a in node.vjp.pullback.saved.values() if isinstance(a, np.ndarray)}",
        "each_array_once",
        "AttributeError: 'NoneType' object has no attribute 'pullback'",
    ),
    (12, "backward_pass", "frees nothing"): (
        (
            "while queue:\n"
            "    node = heappop(queue)[1]\n"
            "    if node.vjp is None:\n"
            "        continue\n"
            "    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):\n"
            "        if parent is None:\n"
            "            continue\n"
            "        if parent in own:\n"
            "            gradients[parent] += c\n"
            "        elif parent in gradients:\n"
            "            gradients[parent] = gradients[parent] + c\n"
            "            own.add(parent)\n"
            "        else:\n"
            "            gradients[parent] = c\n"
            "            heappush(queue, (-parent.time, parent))\n"
        ),
        "freed_on_the_way",
        "alive when each vjp ran",
    ),
    (12, "backward_pass", "frees at the end"): (
        (
            "passed = []\n"
            "while queue:\n"
            "    node = heappop(queue)[1]\n"
            "    if node.vjp is None:\n"
            "        continue\n"
            "    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):\n"
            "        if parent is None:\n"
            "            continue\n"
            "        if parent in own:\n"
            "            gradients[parent] += c\n"
            "        elif parent in gradients:\n"
            "            gradients[parent] = gradients[parent] + c\n"
            "            own.add(parent)\n"
            "        else:\n"
            "            gradients[parent] = c\n"
            "            heappush(queue, (-parent.time, parent))\n"
            "    passed.append(node)\n"
            "for node in passed:\n"
            "    if not retain_graph:\n"
            "        free(node)\n"
        ),
        "freed_on_the_way",
        "alive when each vjp ran",
    ),
    (12, "backward_pass", "ignores retain_graph"): (
        (
            "while queue:\n"
            "    node = heappop(queue)[1]\n"
            "    if node.vjp is None:\n"
            "        continue\n"
            "    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):\n"
            "        if parent is None:\n"
            "            continue\n"
            "        if parent in own:\n"
            "            gradients[parent] += c\n"
            "        elif parent in gradients:\n"
            "            gradients[parent] = gradients[parent] + c\n"
            "            own.add(parent)\n"
            "        else:\n"
            "            gradients[parent] = c\n"
            "            heappush(queue, (-parent.time, parent))\n"
            "    free(node)\n"
        ),
        "a_second_walk",
        "after backward(g, retain_graph=True)",
    ),
    (12, "backward_pass", "as in lesson 4"): (
        (
            "while queue:\n"
            "    node = heappop(queue)[1]\n"
            "    if node.vjp is None:\n"
            "        continue\n"
            "    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):\n"
            "        if parent is None:\n"
            "            continue\n"
            "        if parent in gradients:\n"
            "            gradients[parent] = gradients[parent] + c\n"
            "        else:\n"
            "            gradients[parent] = c\n"
            "            heappush(queue, (-parent.time, parent))\n"
            "    if not retain_graph:\n"
            "        free(node)\n"
        ),
        "one_sum",
        "backward_pass made 9 new arrays",
    ),
    (12, "backward_pass", "in place at once"): (
        (
            "while queue:\n"
            "    node = heappop(queue)[1]\n"
            "    if node.vjp is None:\n"
            "        continue\n"
            "    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):\n"
            "        if parent is None:\n"
            "            continue\n"
            "        if parent in gradients:\n"
            "            gradients[parent] += c\n"
            "        else:\n"
            "            gradients[parent] = c\n"
            "            heappush(queue, (-parent.time, parent))\n"
            "    if not retain_graph:\n"
            "        free(node)\n"
        ),
        "one_sum",
        "the first is borrowed",
    ),
    (13, "padded", "at the beginning"): (
        "row = np.zeros((*g.shape[:-1], size))\nrow[..., : g.shape[-1]] = g\nreturn row",
        "transpose_of_part",
        "padded(g, start=",
    ),
    (13, "padded", "a single row"): (
        "row = np.zeros(size)\nrow[start : start + len(g)] = g\nreturn row",
        "transpose_of_part",
        "could not broadcast",
    ),
    (13, "unpacked", "from the beginning"): (
        "return reshape(part(row, start=0, stop=math.prod(shapes[k])), shape=shapes[k])",
        "there_and_back",
        "array 1 of the row is ",
    ),
    (13, "unpacked", "an array"): (
        "start = sum(math.prod(shape) for shape in shapes[:k])\n"
        "return array_of(row)[start : start + math.prod(shapes[k])].reshape(shapes[k])",
        "there_and_back",
        "array 0 of a Tensor must be a Tensor",
    ),
    (13, "joint", "recorded"): (
        "results, residuals = self.forward(*inputs)\nrow = pack(*results)",
        "one_node",
        "forward was recorded",
    ),
    (13, "joint", "all that forward returns"): (
        "with mode(False):\n    residuals = results = self.forward(*inputs)\n    row = pack(*results)",
        "results",
        "result 0 for arrays has shape (2, 2, 3), expected (2, 3)",
    ),
    (13, "pullback", "residuals as constants"): (
        "gradients = unpack(g, self.op.results)\ncontributions = backward(self.values('r'), *gradients)",
        "residuals_are_recorded",
        "the gradient of x is wrong",
    ),
    (13, "pullback", "the gradients as a list"): (
        "contributions = backward(self.values('r'), unpack(g, self.op.results))",
        "of_both_results",
        "missing 1 required positional argument",
    ),
    (13, "pullback", "forward each time"): (
        "_, residuals = forward(*self.values('x'))\ncontributions = backward(residuals, *unpack(g, self.op.results))",
        "once_per_walk",
        "forward, forward, backward",
    ),
    (13, "checkpoint", "the result saved, too"): (
        "out = function(*inputs)\nreturn [out], (*inputs, out)",
        "keeps_its_inputs",
        "kept_bytes of ten tanh in a checkpoint",
    ),
    (13, "checkpoint", "not in a list"): (
        "return function(*inputs), inputs",
        "keeps_its_inputs",
        "must be an iterable, not Tensor",
    ),
    (13, "checkpoint", "one argument"): (
        "return [function(inputs)], inputs",
        "keeps_its_inputs",
        "AttributeError: 'tuple' object has no attribute 'tanh'",
    ),
    (13, "again", "not recorded"): (
        "_, pullback = lesson09_second_order.vjp(function_of, pack(*tensors))\ngradients = unpack(pullback(g), shapes)",
        "run_twice",
        "x.grad",
    ),
    (13, "again", "with arrays only"): (
        "with mode(True):\n"
        "    _, pullback = lesson09_second_order.vjp(function_of, pack(*(x.data for x in tensors)))\n"
        "with mode(isinstance(g, Tensor)):\n    gradients = unpack(pullback(g), shapes)",
        "second_order",
        "the gradient of x is wrong",
    ),
    (13, "again", "the pullback not recorded"): (
        "with mode(True):\n    _, pullback = lesson09_second_order.vjp(function_of, pack(*tensors))\n"
        "with mode(False):\n    gradients = unpack(pullback(g), shapes)",
        "second_order",
        "the gradient of x is wrong",
    ),
    (14, "aligned", "as they are"): (
        "return list(values)",
        "broadcast_as_samples",
        "when aligned; their sum must have the shape",
    ),
    (14, "aligned", "at the end"): (
        "ndim = max(np.ndim(x) - is_mapped for x, is_mapped in zip(values, mapped))\n"
        "return [reshape(x, shape=(*x.shape, *[1] * (ndim + 1 - x.ndim))) if is_mapped else x\n"
        "        for x, is_mapped in zip(values, mapped)]",
        "broadcast_as_samples",
        "when aligned; their sum must have the shape",
    ),
    (14, "aligned", "a generator"): (
        "ndim = max(np.ndim(x) - is_mapped for x, is_mapped in zip(values, mapped))\n"
        "return (reshape(x, shape=(x.shape[0], *[1] * (ndim + 1 - x.ndim), *x.shape[1:])) if is_mapped else x\n"
        "        for x, is_mapped in zip(values, mapped))",
        "broadcast_as_samples",
        "aligned must return a list, got generator",
    ),
    (14, "summed", "not shifted"): (
        "return op(x, axis=axis, keepdims=settings['keepdims'])",
        "sums_of_samples",
        "the sums of samples of shape ",
    ),
    (14, "summed", "negative axes shifted"): (
        "axes = range(x.ndim - 1) if axis is None else (axis,) if isinstance(axis, int) else axis\n"
        "return op(x, axis=tuple(position + 1 for position in axes), keepdims=settings['keepdims'])",
        "sums_of_samples",
        "the sums of samples of shape ",
    ),
    (14, "by_loop", "all at once"): (
        "return op(*values, **settings)",
        "without_a_rule",
        "IndexError: shape mismatch",
    ),
    (14, "by_loop", "without gradients"): (
        "def one(x, k):\n    return x.data[k] if isinstance(x, Tensor) else x[k]\n"
        "rows = [op(*(one(x, k) if is_mapped else x for x, is_mapped in zip(values, mapped)), **settings)\n"
        "        for k in range(size)]\nreturn stack(rows)",
        "without_a_rule",
        "'numpy.ndarray' object has no attribute 'backward'",
    ),
    (14, "call", "every level at once"): (
        "mapped = [isinstance(x, Mapped) for x in inputs]\n"
        "values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]\n"
        "return Mapped(BATCHING.get(op, by_loop)(op, values, mapped, op.settings | settings), level)",
        "the_innermost_level",
        "could not be broadcast",
    ),
    (14, "call", "the axis not hidden"): (
        "mapped = [isinstance(x, Mapped) and x.level == level for x in inputs]\n"
        "values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]\n"
        "return BATCHING.get(op, by_loop)(op, values, mapped, op.settings | settings)",
        "the_innermost_level",
        "an op of a mapped value must be Mapped, got ndarray of shape (3, 2)",
    ),
    (14, "call", "settings without defaults"): (
        "mapped = [isinstance(x, Mapped) and x.level == level for x in inputs]\n"
        "values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]\n"
        "return Mapped(BATCHING.get(op, by_loop)(op, values, mapped, settings), level)",
        "the_innermost_level",
        "KeyError: 'axis'",
    ),
    (14, "shown", "of any level"): (
        "if isinstance(x, Mapped):\n    return x.value\nreturn broadcast_to(x, shape=(level.size, *np.shape(x)))",
        "the_axis_of_a_level",
        "both levels, outermost first",
    ),
    (14, "shown", "axes not exchanged"): (
        "if isinstance(x, Mapped) and x.level == level:\n    return x.value\n"
        "if isinstance(x, Mapped) and x.level > level:\n    return Mapped(shown(x.value, level), x.level)\n"
        "return broadcast_to(x, shape=(level.size, *np.shape(x)))",
        "the_axis_of_a_level",
        "both levels, outermost first",
    ),
    (14, "vmap", "a loop"): (
        "rows = [f(*(x if axis is None else x[k] for x, axis in zip(inputs, axes))) for k in range(level.size)]\n"
        "return stack(rows)",
        "once",
        "f was called with shapes [(2,), (2,), (2,)], expected one call",
    ),
    (14, "vmap", "no nested results"): (
        "samples = [x if axis is None else hidden(x, level) for x, axis in zip(inputs, axes)]\n"
        "with opened((*open_levels.get(), level)):\n    out = f(*samples)\nreturn shown(out, level)",
        "nests",
        "object is not subscriptable",
    ),
    (14, "vmap", "the results as values inside"): (
        "samples = [x if axis is None else each_of(lambda x: hidden(x, level), x) for x, axis in zip(inputs, axes)]\n"
        "with opened((*open_levels.get(), level)):\n    return f(*samples)",
        "equals_the_loop",
        "the result is a value inside of vmap, a Mapped",
    ),
    (14, "vjp", "as in lesson 9"): (
        "out, pullback = vjp_of_lesson_9(f, x)",
        "a_gradient_for_each_sample",
        "a number or an array was needed",
    ),
    (14, "vjp", "the result not shown"): (
        "out, pullback = vjp_of_lesson_9(lambda x: f(hide(x)), show(x))",
        "a_gradient_for_each_sample",
        "the result is a value inside of vmap, a Mapped",
    ),
    (14, "jacobian", "a loop"): (
        "rows = stack([pullback(row.reshape(out.shape)) for row in np.eye(count)])",
        "one_pullback",
        "the pullback was called 4 times for 4 rows",
    ),
    (14, "jacobian", "rows of ones"): (
        "rows = vmap(pullback)(np.ones((count, *out.shape)))",
        "rows_at_once",
        "the forward derivative along x is wrong",
    ),
    ("engine", "names", "some"): (
        "from lesson08_views import StaleValueError, Tensor\nfrom lesson06_ops import exp, reshape, tanh",
        "all_there",
        "engine.py has no Op, op, no_grad, grad",
    ),
    ("engine", "names", "the Op of lesson 6"): (
        "from lesson06_ops import Op, exp, reshape, tanh\nfrom lesson07_recorder import no_grad, op\n"
        "from lesson08_views import StaleValueError, Tensor\nfrom lesson09_second_order import grad, hvp, jvp\n"
        "from lesson10_softmax import cross_entropy, logsumexp, sigmoid, softplus\n"
        "from lesson11_convolution import conv2d, correlate\nfrom lesson12_memory import GraphFreedError\n"
        "from lesson13_joint_rules import JointOp, checkpoint\nfrom lesson14_vmap import jacobian, vmap",
        "every_op",
        "Error",
    ),
    ("engine", "names", "a name misspelled"): (
        "from lesson06_ops import exp, reshape, tanh\nfrom lesson07_recorder import Op, no_gard, op",
        "all_there",
        "cannot import name 'no_gard' from 'lesson07_recorder'",
    ),
    ("engine", "logits", "no tanh"): (
        "maps = conv2d(images, weights['kernels'], weights['bias'])\n"
        "return reshape(maps, shape=(len(images), weights['weight'].shape[0])) @ weights['weight']",
        "same_logits",
        "logits(weights, images) of arrays is ",
    ),
    ("engine", "logits", "attributes of a dict"): (
        "maps = tanh(conv2d(images, weights.kernels, weights.bias))\n"
        "return reshape(maps, shape=(len(images), -1)) @ weights.weight",
        "same_logits",
        "AttributeError: 'dict' object has no attribute 'kernels'",
    ),
    ("engine", "step", "uphill"): (
        "leaves = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}\n"
        "loss = cross_entropy(logits(leaves, images), labels)\nloss.backward()\n"
        "return float(loss.data), {name: x.data + rate * x.grad for name, x in leaves.items()}",
        "same_step",
        "the new kernels is",
    ),
    ("engine", "step", "into the old weights"): (
        "leaves = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}\n"
        "loss = cross_entropy(logits(leaves, images), labels)\nloss.backward()\n"
        "for name, x in leaves.items():\n    weights[name] -= rate * x.grad\nreturn float(loss.data), weights",
        "same_step",
        "after step, the old kernels",
    ),
    ("engine", "step", "no leaves"): (
        "loss = cross_entropy(logits(weights, images), labels)\nloss.backward()\n"
        "return float(loss.data), {name: x.data - rate * x.grad for name, x in weights.items()}",
        "same_step",
        "AttributeError: 'numpy.float64' object has no attribute 'backward'",
    ),
    ("engine", "step", "the loss as a Tensor"): (
        "leaves = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}\n"
        "loss = cross_entropy(logits(leaves, images), labels)\nloss.backward()\n"
        "return loss, {name: x.data - rate * x.grad for name, x in leaves.items()}",
        "same_step",
        "the loss is Tensor, expected ",
    ),
}
