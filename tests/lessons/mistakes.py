"""Common mistakes in the lessons: the code in a hole, the case that finds it, and a part of the complaint.

A head is ``== lesson hole: mistake | case | complaint``; a long complaint is in lines of its own, after ``= ``.
"""


def parsed(text):
    """Yield (lesson, hole, mistake) and (code, case, complaint) of each mistake in a text."""
    for head, *lines in (entry.splitlines() for entry in text.split("\n== ")[1:]):
        where, case, *said = head.removesuffix(" |").split(" | ")
        place, mistake = where.split(": ", 1)
        lesson, hole = place.split()
        said += ["\n".join(line[2:] for line in lines if line.startswith("= "))] * (not said)
        code = "\n".join(line for line in lines if not line.startswith("= "))
        yield (int(lesson) if lesson.isdigit() else lesson, hole, mistake), (code, case, said[0])


MISTAKES = dict(
    parsed(r"""
== 1 one_sided: the run of both sides | lines | , half of it.
return (f(x + h) - f(x)) / (2 * h)
== 1 one_sided: always to the right | of_one_side | evaluated f at
return (f(x + abs(h)) - f(x)) / abs(h)
== 1 one_sided: no return | lines | ) must return a number, got None.
slope = (f(x + h) - f(x)) / h
== 1 central: half the run | parabolas | , twice as much.
return (f(x + h) - f(x - h)) / h
== 1 central: on one side | parabolas | f has the slope
return one_sided(f, x, h)
== 1 central: another result at the seventh call | parabolas | this example failed once and passed once
central.calls = getattr(central, 'calls', 0) + 1
return (f(x + h) - f(x - h)) / (2 * h) + (central.calls == 7)
== 1 central: a name misspelled | parabolas | NameError: name 'hh' is not defined
return (f(x + h) - f(x - h)) / (2 * hh)
== 1 extrapolated: weights exchanged | quartics | f has the slope
return (4 * central(f, x, h) - central(f, x, h / 2)) / 3
== 1 has_kink: any bend | no_kink | has no corner
return abs(one_sided(f, x, h) - one_sided(f, x, -h)) > 1e-6
== 1 has_kink: a threshold | a_kink | is False for
return abs(one_sided(f, x, h) - one_sided(f, x, -h)) > 0.1
== 1 has_kink: the gap itself | no_kink | has no corner.
return abs(one_sided(f, x, h) - one_sided(f, x, -h))
== 1 has_kink: a tiny step, and a threshold | no_kink_in_a_bend | but a parabola has no corner.
return abs(one_sided(f, x, 1e-6) - one_sided(f, x, -1e-6)) > 1e-4
== 1 has_kink: a tinier step, and a threshold | a_small_kink | where the slope jumps by 2e-4
return abs(one_sided(f, x, 1e-9) - one_sided(f, x, -1e-9)) > 1e-2
== 1 has_kink: rounding errors of a line | no_kink | has no corner
def gap(h):
    return abs(one_sided(f, x, h) - one_sided(f, x, -h))

return gap(h / 8) > gap(h) / 2
== 1 error_of: a plain difference | a_strong_bend | but must be below 1e-10.
slopes = one_sided(lambda t: f(x + t * direction), 0.0, 1e-6)
numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction
== 1 error_of: a central difference | a_strong_bend | but must be below 1e-10.
slopes = central(lambda t: f(x + t * direction), 0.0, 1e-7)
numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction
== 1 error_of: a cotangent of ones | softmax_of_zeros | must be above
slopes = extrapolated(lambda t: f(x + t * direction), 0.0, 1e-3)
numeric, claimed = slopes, gradient(x, np.ones_like(cotangent)) * direction
== 1 error_of: a rough slope | right_gradients | must be below 1e-6
slopes = one_sided(lambda t: f(x + t * direction), 0.0, 1e-3)
numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction
== 1 error_of: only the first element | one_wrong_element | must be above
direction = np.eye(1, x.size).reshape(x.shape)
slopes = extrapolated(lambda t: f(x + t * direction), 0.0, 1e-3)
numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction
== 1 error_of: a name not assigned | right_gradients | NameError: name 'claimed' is not defined
slope = extrapolated(lambda t: f(x + t * direction), 0.0, 1e-3)
numeric = cotangent * slope
== 2 backward: the last contribution wins | a_leaf | is 3.0, expected 4.0
self.grad = g
if self.vjp is not None:
    for parent, c in zip(self.parents, self.vjp(g)):
        parent.backward(c)
== 2 backward: passes on the whole gradient again | random_programs | def program(
self.grad += g
if self.vjp is not None:
    for parent, c in zip(self.parents, self.vjp(self.grad)):
        parent.backward(c)
== 2 backward: calls the vjp of a leaf | a_leaf | TypeError: 'NoneType' object is not callable
self.grad += g
for parent, c in zip(self.parents, self.vjp(g)):
    parent.backward(c)
== 2 mul: factors exchanged | products | the gradient of x is wrong
return Value(self.data * other.data, (self, other), lambda g: (g * self.data, g * other.data))
== 2 mul: g forgotten | products | the gradient of x is wrong
return Value(self.data * other.data, (self, other), lambda g: (other.data, self.data))
== 2 mul: a number | products | the result must be a Value, got float.
return self.data * other.data
== 2 mul: Values in the vjp | products
= gradient 1 of 2 from the vjp in Value.__mul__ must be a number or an array, got Value.
return Value(self.data * other.data, (self, other), lambda g: (g * other, g * self))
== 2 power: no comma | powers
= in <lambda>
=     return Value(self.data**n, (self,), lambda g: g * n * self.data ** (n - 1))
= the vjp in Value.__pow__ must return a tuple of 1 gradient, got float.
return Value(self.data**n, (self,), lambda g: g * n * self.data ** (n - 1))
== 2 power: the power forgotten | powers | the gradient of x is wrong
return Value(self.data**n, (self,), lambda g: (g * n * self.data,))
== 2 power: parents without a tuple | powers | the parents of a Value must be a tuple of Values, got Value.
return Value(self.data**n, (self), lambda g: (g * n * self.data ** (n - 1),))
== 2 tanh: of the input | tanh | program: the gradient of
return Value(out, (self,), lambda g: (g * (1 - self.data**2),))
== 2 tanh: a vjp without return | tanh | the vjp in Value.tanh must return a tuple of 1 gradient, got None.
def vjp(g):
    g * (1 - out * out)
return Value(out, (self,), vjp)
== 2 relu: 1 at 0 | relu_at_its_corner | is 1.0, expected 0.0
return Value(max(self.data, 0.0), (self,), lambda g: (g if self.data >= 0 else 0.0,))
== 2 relu: passes all | relu | it should be zero
return Value(max(self.data, 0.0), (self,), lambda g: (g,))
== 3 order: preorder | parents_first | but comes before it
done, seen = [], set()
def visit(value):
    if value not in seen:
        seen.add(value)
        done.append(value)
        for parent in value.parents:
            visit(parent)
visit(root)
return done[::-1]
== 3 order: level by level | parents_first | but comes before it
done, level = [], [root]
while level:
    done += [x for x in level if x not in done]
    level = list(dict.fromkeys(p for x in level for p in x.parents))
return done[::-1]
== 3 order: with repeats | each_once | contains a value twice
return [x for parent in root.parents for x in order(parent)] + [root]
== 3 order: a set | each_once | order must return a list, got set.
seen = set()
def visit(v):
    if v not in seen:
        seen.add(v)
        for p in v.parents:
            visit(p)
visit(root)
return seen
== 3 paths: from the leaves on | doubled | paths returned 0
count = dict.fromkeys(values, 0)
count[root] = 1
for value in values:
    for parent in value.parents:
        count[parent] += count[value]
return count
== 3 paths: no path to root | doubled | the dict that paths returned has no number for the first x.
count = {}
for value in reversed(values):
    for parent in value.parents:
        count[parent] = count.get(parent, 0) + 1
return count
== 3 backward: passes on an earlier gradient | twice | after two backward passes
root.grad += g
for value in reversed(order(root)):
    if value.vjp is not None:
        for parent, c in zip(value.parents, value.vjp(value.grad)):
            parent.grad += c
== 3 backward: as in lesson 2 | each_rule_once | times
root.backward(g)
== 4 node: all the same | numbers_grow | [0, 0, 0, 0, 0]
self.time, self.parents, self.vjp, self.grad = 0, parents, vjp, None
== 4 node: the clock itself | numbers_grow | the numbers of five new nodes must increase
self.time, self.parents, self.vjp, self.grad = clock, parents, vjp, None
== 4 backward_pass: oldest first | newest_first | backward_pass visited fourth, first
queue = [(root.time, root)]
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):
        if parent is None:
            continue
        if parent in gradients:
            gradients[parent] = gradients[parent] + c
        else:
            gradients[parent] = c
            heappush(queue, (parent.time, parent))
== 4 backward_pass: in place | arrives_unchanged | the initial gradient, after backward_pass
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):
        if parent is None:
            continue
        if parent in gradients:
            gradients[parent] += c
        else:
            gradients[parent] = c
            heappush(queue, (-parent.time, parent))
== 4 computed: plain numbers have nodes | nodes_of_results | parents
return Value(data, Node(tuple(getattr(x, 'node', Node()) for x in inputs), vjp))
== 4 computed: Values as parents | nodes_of_results
= the parents of the result's node are (Value, float), expected (x.node, None).
return Value(data, Node(tuple(inputs), vjp))
== 4 mul: uses a Value | mul_keeps_numbers | still keeps the Value x alive
return computed(self.data * number_of(other), (self, other), lambda g: (g * number_of(other), g * self.data))
== 4 mul: one contribution, no tuple | products
= the vjp in Value.__mul__ must return a tuple of 2 gradients, got float.
x, y = self.data, number_of(other)
return computed(x * y, (self, other), lambda g: g * y)
== 4 tanh: uses its result | tanh_keeps_numbers | refers back to it
out = computed(math.tanh(self.data), (self,), lambda g: (g * (1 - out.data**2),))
return out
== 4 tanh: inputs without a tuple | tanh | TypeError: 'Value' object is not iterable
out = math.tanh(self.data)
return computed(out, self, lambda g: (g * (1 - out * out),))
== 5 unbroadcast: nothing | unbroadcast | It is not summed over the broadcast axes
return g
== 5 unbroadcast: only the first axes | unbroadcast | must have the shape of x
return g.sum(axis=tuple(range(g.ndim - len(shape))))
== 5 unbroadcast: no return | unbroadcast | ) must return an array, got None.
extra = g.ndim - len(shape)
g.sum(axis=tuple(range(extra)))
== 5 computed: always a node | nodes_where_they_are_needed | no Tensor requires a gradient, but the result has a node
return Tensor(data, node=Node(tuple(getattr(x, 'node', None) for x in inputs), vjp))
== 5 computed: no vjp | nodes_where_they_are_needed | the node of computed(data, inputs, vjp) does not have this vjp.
nodes = tuple(x.node if isinstance(x, Tensor) else None for x in inputs)
return Tensor(data, node=Node(nodes) if any(n is not None for n in nodes) else None)
== 5 backward: keeps the array itself | gradients_are_ones_own | x.grad is a view of g
leaf.grad = arrived if leaf.grad is None else leaf.grad + arrived
== 5 backward: adds in place | gradients_add_up | x.grad after the first backward pass
if leaf.grad is None:
    leaf.grad = np.array(arrived)
else:
    leaf.grad += arrived
== 5 mul: not summed back | products | It is not summed over the broadcast
return computed(x * y, (self, other), lambda g: (g * y, g * x))
== 5 mul: Tensors in the vjp | products
= gradient 1 of 2 from the vjp in Tensor.__mul__ must be a number or an array, got Tensor.
return computed(x * y, (self, other), lambda g: (unbroadcast(g * other, x.shape), unbroadcast(g * self, y.shape)))
== 5 mul: no tuple | products | the vjp in Tensor.__mul__ must return a tuple of 2 gradients, got
return computed(x * y, (self, other), lambda g: unbroadcast(g * y, x.shape))
== 5 matmul: a transpose forgotten | matrix_products |
return computed(x @ y, (self, other), lambda g: (unbroadcast(g @ y, x.shape), unbroadcast(transposed(x) @ g, y.shape)))
== 5 sum: the axis not restored | along_an_axis | is wrong
return (np.broadcast_to(g, x.shape),)
== 5 sum: no tuple | reductions | the vjp in Tensor.sum must return a tuple of 1 gradient, got ndarray of shape (
if axis is not None and not keepdims:
    g = np.expand_dims(g, axis)
return np.broadcast_to(g, x.shape)
== 5 reshape: unchanged | reshaped | must have the shape of x
return computed(x.reshape(shape), (self,), lambda g: (g,))
== 5 transpose: the same order again | three_axes | is wrong
return computed(self.data.transpose(axes), (self,), lambda g: (g.transpose(axes),))
== 6 known_name: no hint | names_that_are_not_there | does not suggest 'factor'
if name not in known:
    raise TypeError(f'op {self.name} has no {name}')
== 6 arguments_of: in another order | names_of_a_vjp | arguments_of(lambda g, y
return sorted(set(inspect.signature(function).parameters) - {'g'})
== 6 recorded: every value | saved_is_what_is_asked | but the node saves
saved = values
== 6 recorded: for every vjp | saved_is_what_is_asked | if x requires a gradient
wanted = {name for x in op.inputs for name in arguments_of(op.vjp_functions[x])}
saved = {name: values[name] for name in wanted}
== 6 recorded: only names | saved_is_what_is_asked | saved must be a dict of values by name, got set.
vjps = [op.vjp_functions[x] for x, node in zip(op.inputs, nodes) if node is not None]
saved = {name for vjp in vjps for name in arguments_of(vjp)}
== 6 pullback: every vjp | rules_that_nobody_needs | KeyError
vjps = self.op.vjp_functions
parts = [vjps[x](g, **{n: self.saved[n] for n in arguments_of(vjps[x])}) for x in self.op.inputs]
return [unbroadcast(part, shape or ()) for part, shape in zip(parts, self.shapes)]
== 6 pullback: broadcasting not undone | products | It is not summed over the broadcast axes
vjps = self.op.vjp_functions
return [None if shape is None else vjps[x](g, **{n: self.saved[n] for n in arguments_of(vjps[x])})
        for x, shape in zip(self.op.inputs, self.shapes)]
== 6 pullback: no entry for None | rules_that_nobody_needs
= the pullback of op product must return a list of 2 gradients, got list of length 1.
out = []
for x, shape in zip(self.op.inputs, self.shapes):
    if shape is None:
        continue
    vjp = self.op.vjp_functions[x]
    c = vjp(g, **{name: self.saved[name] for name in arguments_of(vjp)})
    out.append(unbroadcast(c, shape) if self.op.broadcasts else c)
return out
== 6 divide: a sign | quotients | its sign is flipped
divide.vjps(x=lambda g, y: g / y, y=lambda g, out, y: g * out / y)
== 6 divide: no vjp of y | quotients | op divide has no vjp for y.
divide.vjps(x=lambda g, y: g / y)
== 6 divide: tuples as in lesson 5 | quotients | op divide: the vjp of x must return an array, got tuple of length 1.
divide.vjps(x=lambda g, y: (g / y,), y=lambda g, out, y: (-g * out / y,))
== 6 divide: a name that does not exist | quotients
= TypeError: op divide has nothing named 'output'; did you mean 'out'?
divide.vjps(x=lambda g, y: g / y, y=lambda g, output, y: -g * output / y)
== 6 exp: saves its input | exp_saves_its_result | it uses ['x']
exp.vjps(x=lambda g, x: g * np.exp(x))
== 6 exp: no return | exponentials | op exp: the vjp of x must return an array, got None.
def vjp(g, out):
    g * out
exp.vjps(x=vjp)
== 6 exp: a name misspelled | exponentials | NameError: name 'outt' is not defined
def exp_vjp(g, out):
    return g * outt
exp.vjps(x=exp_vjp)
== 6 exp: the op misspelled | exponentials | NameError: name 'epx' is not defined
epx.vjps(x=lambda g, out: g * out)
== 6 tanh: not squared | tanh | the gradient of x is wrong
tanh.vjps(x=lambda g, out: g * (1 - out))
== 6 sum: saves an array | sum_saves_no_array | it uses x
broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))
sum.vjps(x=lambda g, x, axis: broadcast_to(reshape(g, shape=keepdims_shape(x.shape, axis)), shape=x.shape))
== 6 matmul: the whole transposed | matrix_products |
matmul.vjps(x=lambda g, y: g @ np.transpose(y), y=lambda g, x: np.transpose(x) @ g)
== 7 no_grad: ends with True | nothing_is_recorded | after a nested no_grad
recording.set(False)
try:
    yield
finally:
    recording.set(True)
== 7 no_grad: no finally | nothing_is_recorded | that ended with an error
before = recording.set(False)
yield
recording.reset(before)
== 7 no_grad: a global variable | of_a_thread | another thread records nothing
class Everywhere:
    get = lambda self: False
global recording
before, recording = recording, Everywhere()
try:
    yield
finally:
    recording = before
== 7 no_grad: no yield | nothing_is_recorded | no_grad has no yield, at which the block would run.
recording.set(False)
== 7 parameters_of: by the default only | inputs_without_a_mark | parameters_of returned
bare = tuple(p.name for p in parameters if p.default is p.empty)
return bare, {p.name: p.default for p in parameters if p.default is not p.empty}
== 7 parameters_of: only the inputs | inputs_without_a_mark
= parameters_of(f) for def f(x, y, axis=0, *, keepdims) must return a tuple and a dict, got tuple of length 3.
return tuple(p.name for p in parameters if p.default is p.empty)
== 7 arguments_of: two stars as a name | settings_by_two_stars | ['x', 'stride', 'window']
return [p.name for p in parameters]
== 7 recorded: always | no_node_without_a_reason | but the result has one
functions = [op.vjp_functions[x] for x, node in zip(names, nodes) if node is not None]
wanted = {name for function in functions for name in arguments_of(function, settings)}
saved = {name: values[name] for name in wanted & values.keys()}
== 7 recorded: for every vjp | saved_by_name | but the node saves
if not recording.get() or all(node is None for node in nodes):
    return Tensor(out)
wanted = {name for x in names for name in arguments_of(op.vjp_functions[x], settings)}
saved = {name: values[name] for name in wanted & values.keys()}
== 7 recorded: saves k | which_of_many | KeyError: 'k'
if not recording.get() or all(node is None for node in nodes):
    return Tensor(out)
functions = [op.vjp_functions[x] for x, node in zip(names, nodes) if node is not None]
saved = {name: values[name] for function in functions for name in arguments_of(function, settings)}
== 7 pullback: without k | which_of_many | KeyError: 'k'
vjps = self.op.vjp_functions
return [None if shape is None else vjps[x](g, **{n: self.saved[n] for n in arguments_of(vjps[x], {})})
        for x, shape in zip(self.names, self.shapes)]
== 7 pullback: k as the position only | a_setting_called_k |
parts, broadcasts = [], self.op.broadcasts
for k, (x, shape) in enumerate(zip(self.names, self.shapes)):
    vjp, known = self.op.vjp_functions[x], self.saved | {'k': k}
    part = None if shape is None else vjp(g, **{n: known[n] for n in arguments_of(vjp, self.op.settings)})
    parts.append(unbroadcast(part, shape) if broadcasts and shape is not None else part)
return parts
== 7 pullback: return in the loop | which_of_many
= the pullback of op weighted must return a list of 3 gradients, got list of length 1.
cs = []
for k, (x, shape) in enumerate(zip(self.names, self.shapes)):
    if shape is None:
        cs.append(None)
        continue
    vjp, known = self.op.vjp_functions[x], {'k': k} | self.saved
    c = vjp(g, **{n: known[n] for n in arguments_of(vjp, self.op.settings)})
    cs.append(unbroadcast(c, shape) if self.op.broadcasts else c)
    return cs
== 7 pullback: broadcasting not undone | the_ops_before | It is not summed over the broadcast axes.
cs = []
for k, (x, shape) in enumerate(zip(self.names, self.shapes)):
    if shape is None:
        cs.append(None)
        continue
    vjp, known = self.op.vjp_functions[x], {'k': k} | self.saved
    cs.append(vjp(g, **{n: known[n] for n in arguments_of(vjp, self.op.settings)}))
return cs
== 8 assign: other memory | writing | storage.version is 0
self.data = np.broadcast_to(values, self.shape)
== 8 assign: binds the name | writing | after assign, x.data is another array: views of x have not changed.
self.data = values
self.storage.version = next(clock)
== 8 assign: no clock | writing | but storage.version is 1.
self.data[...] = values
self.storage.version += 1
== 8 storage_of: always new | views_share_storage | must be the storage of the input
return Storage()
== 8 storage_of: the storage of any input | views_share_storage | storage_of a new array
return next((x.storage for x in inputs if isinstance(x, Tensor)), Storage())
== 8 storage_of: the class | views_share_storage | storage_of a new array must be a new Storage, got type.
for x in inputs:
    if isinstance(x, Tensor) and np.may_share_memory(out, x.data):
        return x.storage
return Storage
== 8 unchanged: never | a_view_with_an_old_history | but view * 2 raises no StaleValueError
pass
== 8 unchanged: at any change ever | computed_after_the_change | but view * 2 raises
if x.storage.version:
    raise StaleValueError(op.name)
== 8 guarded: not looked at | saved_and_changed | but no StaleValueError was raised
pass
== 8 guarded: at any change ever | changed_before | x was changed before x * x
for name, storage in self.storages.items():
    if storage.version:
        raise StaleValueError(f'op {self.pullback.op.name}: {name}')
== 8 kept: the array itself | arrays_of_others | after weights[:] = 0
return array
== 8 kept: always a copy | arrays_of_tensors | is a copy
return array.copy() if isinstance(array, np.ndarray) else array
== 8 kept: the Tensor | arrays_of_tensors | kept(x, x.data) must return an array, got Tensor.
return x if isinstance(x, Tensor) else np.copy(x)
== 8 in_place: of the overwritten values | recorded_in_place | StaleValueError
old = Tensor(tensor.data, node=tensor.node, storage=tensor.storage)
result = op(old, other)
tensor.assign(result.data)
tensor.node = result.node
if tensor.node is not None:
    tensor.node.time = next(clock)
return tensor
== 8 in_place: the number of the result | what_was_saved_before |
old = Tensor(tensor.data.copy(), node=tensor.node)
result = op(old, other)
tensor.assign(result.data)
tensor.node = result.node
return tensor
== 8 in_place: other is overwritten, too | with_itself |
old = Tensor(tensor.data.copy(), node=tensor.node)
result = op(old, other)
tensor.assign(result.data)
tensor.node = result.node
if tensor.node is not None:
    tensor.node.time = next(clock)
return tensor
== 8 in_place: no return | recorded_in_place | in_place must return the tensor itself, got None.
old = Tensor(tensor.data.copy(), node=tensor.node)
result = op(old, other)
tensor.assign(result.data)
tensor.node = result.node
if tensor.node is not None:
    tensor.node.time = next(clock)
== 8 in_place: the tensor itself | recorded_in_place
= StaleValueError: op multiply: an input was changed in place after it was computed.
result = op(tensor, other)
tensor.assign(result.data)
tensor.node = result.node
return tensor
== 9 lifted: nothing | gradients_are_recorded | has no node
saved = pullback.saved
== 9 lifted: constants | gradients_are_recorded | has no node
saved = {n: Tensor(v) if nodes.get(n) is not None else v for n, v in pullback.saved.items()}
== 9 lifted: only inputs | results_are_lifted | out was not lifted
lift = lambda n, v: Tensor(v, node=nodes[n], storage=guarded.storages[n]) if n in 'xy' else v
saved = {n: lift(n, v) for n, v in pullback.saved.items()}
== 9 lifted: without storages | still_guarded | no StaleValueError was raised
saved = {n: Tensor(v, node=nodes[n]) if nodes.get(n) is not None else v for n, v in pullback.saved.items()}
== 9 backward_pass: through the targets | ends_at_targets | the gradient of the target is missing
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, lifted(node)(gradients.pop(node))):
        if parent in gradients:
            gradients[parent] = gradients[parent] + c
        elif parent is not None:
            gradients[parent] = c
            heappush(queue, (-parent.time, parent))
== 9 grad: the result | third | expected 240
return lambda x: vjp(f, x)[0]
== 9 grad: a Tensor | first | grad(f) must return a function, got Tensor.
return vjp(f, 1.0)[1](1.0)
== 9 hvp: times the gradient | hessian_products | is wrong
return grad(f)(x) * u
== 9 hvp: a function | hessian_products | hvp(f, x, u) must be a Tensor, got function.
return grad(lambda x: (grad(f)(x) * u).sum())
== 9 hvp: a finite difference | no_difference | hvp(f, x, u) of the sum of x⁴ + 10⁶ x is
return (grad(f)(x + 1e-6 * u) - grad(f)(x - 1e-6 * u)) * 5e5
== 9 jvp: the pullback itself | forward |
return pullback(u)
== 9 jvp: the pullback, at x | of_another_shape | Error
return vjp(pullback, np.zeros(np.shape(x)))[1](u)
== 9 jvp: a pair | forward | jvp(f, x, u) must be a Tensor, got tuple of length 2.
return vjp(pullback, np.zeros(out.shape))
== 10 logsumexp: in place | values_of_logsumexp | the array x was changed in place
largest = np.max(x, axis=-1, keepdims=True)
x -= largest
return largest + np.log(np.sum(np.exp(x), axis=-1, keepdims=True))
== 10 logsumexp: as on paper | large_logsumexp | expected
return np.log(np.sum(np.exp(x), axis=-1, keepdims=True))
== 10 logsumexp: the largest of all rows | values_of_logsumexp | logsumexp(x) is
return np.max(x) + np.log(np.sum(np.exp(x - np.max(x, axis=-1, keepdims=True)), axis=-1, keepdims=True))
== 10 logsumexp: no keepdims | values_of_logsumexp | has shape (
largest = np.max(x, axis=-1)
return largest + np.log(np.sum(np.exp(x - largest), axis=-1))
== 10 logsumexp_vjp: as on paper | large_gradient | the gradient of logsumexp(
return g * exp(x) / exp(x).sum(axis=-1, keepdims=True)
== 10 logsumexp_vjp: with NumPy only | gradient_of_logsumexp |
x, out = getattr(x, 'data', x), getattr(out, 'data', out)
return g * np.exp(np.asarray(x) - np.asarray(out))
== 10 logsumexp_vjp: a tuple | gradient_of_logsumexp
= op logsumexp: the vjp of x must return an array, got tuple of length 1.
return (g * exp(x - out),)
== 10 logsumexp_vjp: exp of NumPy | gradient_of_logsumexp
= TypeError: operand 'Tensor' does not support ufuncs (__array_ufunc__=None)
return g * np.exp(x - out)
== 10 log_softmax: the logarithm of a quotient | impossible_classes | log_softmax([0, 1000]) is
p = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
return np.log(p)
== 10 put: one column | picked | the gradient of x is wrong
rows = np.zeros(shape)
rows[:, labels[0]] = g
return rows
== 10 put: no return | picked | op pick: the vjp of x must return an array, got None.
rows = np.zeros(shape)
rows[np.arange(len(labels)), labels] = g
== 10 cross_entropy: a sum | values_of_cross_entropy | cross_entropy(x, labels) is
return pick(log_softmax(logits), labels).sum() * -1.0
== 10 cross_entropy: a mask | wrong_and_sure | is nan
mask = np.eye(logits.shape[1])[labels]
return (log_softmax(logits) * mask).sum() * (-1 / len(labels))
== 10 sigmoid: as on paper | sigmoid_of_all_sizes | FloatingPointError
return 1 / (1 + np.exp(-x))
== 10 sigmoid: clipped | tiny_sigmoid | sigmoid(-40) is
return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
== 10 sigmoid: by tanh | tiny_sigmoid | sigmoid(-40) is 0.0
return 0.5 + 0.5 * np.tanh(x / 2)
== 10 softplus: as on paper | softplus_of_all_sizes | FloatingPointError
return np.log1p(np.exp(x))
== 10 softplus: without log1p | tiny_softplus | softplus(-40) is 0.0
return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))
== 11 windows: of a shape | all_windows | for a transposed and reversed view
row = images.itemsize * W
strides = (c * H * row, H * row, row, images.itemsize, row, images.itemsize)
== 11 windows: without overlap | all_windows | windows(images, ...) is
by_n, by_c, by_row, by_column = images.strides
strides = (by_n, by_c, height * by_row, width * by_column, by_row, by_column)
== 11 windows: a copy | no_copy | is a copy of the images
images = np.copy(images)
by_n, by_c, by_row, by_column = images.strides
strides = (by_n, by_c, by_row, by_column, by_row, by_column)
== 11 windows: four strides | all_windows | ValueError: mismatch in length of strides and shape
strides = images.strides
== 11 without_maps: the axes as they come | maps_of_the_form | has shape
return np.tensordot(windows(images, *kernels.shape[2:]), kernels, axes=((1, 4, 5), (1, 2, 3)))
== 11 without_maps: a flipped kernel | maps_of_the_form | expected
seen = windows(images, *kernels.shape[2:])
return np.tensordot(seen, kernels[:, :, ::-1, ::-1], axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
== 11 without_kernels: of the first image | kernels_of_the_form | expected
return np.tensordot(maps[0], windows(images, height, width)[0], axes=((1, 2), (1, 2)))
== 11 without_images: the last window wins | images_of_the_form | expected
for i in range(height):
    for j in range(width):
        images[:, :, i : i + rows, j : j + columns] = np.einsum('nkyx, kc -> ncyx', maps, kernels[:, :, i, j])
return images
== 11 correlate: exchanged | rules_of_correlate |
kernels = lambda g, images: correlate_kernels(images, g)
correlate.vjps(images=lambda g, kernels: correlate_images(g, kernels), kernels=kernels)
== 11 correlate: no vjp of kernels | rules_of_correlate | op correlate has no vjp for kernels.
correlate.vjps(images=lambda g, kernels: correlate_images(g, kernels))
== 11 correlate_kernels: itself | rules_of_correlate_kernels |
correlate_kernels.vjps(maps=lambda g, images: correlate(images, g), images=lambda g, maps: correlate_kernels(maps, g))
== 11 correlate_kernels: a name that does not exist | rules_of_correlate_kernels
= op correlate_kernels has nothing named 'kernels'; it has maps, images,
images = lambda g, kernels: correlate_images(g, kernels)
correlate_kernels.vjps(images=images, maps=lambda g, images: correlate(images, g))
== 11 correlate_images: maps and g exchanged | rules_of_correlate_images |
correlate_images.vjps(maps=lambda g, kernels: correlate(g, kernels), kernels=lambda g, maps: correlate_kernels(g, maps))
== 11 conv2d: added to the columns | a_layer |
return correlate(x, weight) + bias
== 12 kept_bytes: once per save | each_array_once | which saves x twice
while waiting:
    node = waiting.pop()
    if node is None or node in seen:
        continue
    seen.add(node)
    waiting += node.parents
    if node.vjp is not None:
        for a in node.vjp.pullback.saved.values():
            if isinstance(a, np.ndarray):
                found[len(found)] = a.nbytes

== 12 kept_bytes: along every path | of_a_long_graph | RecursionError
def visit(node):
    if node is not None and node.vjp is not None:
        for parent in node.parents:
            visit(parent)
        arrays = [a for a in node.vjp.pullback.saved.values() if isinstance(a, np.ndarray)]
        found.update((id(a), a.nbytes) for a in arrays)
visit(tensor.node)

== 12 kept_bytes: a leaf has a vjp | each_array_once | AttributeError: 'NoneType' object has no attribute 'pullback'
while waiting:
    node = waiting.pop()
    if node is None or node in seen:
        continue
    seen.add(node)
    waiting += node.parents
    found |= {id(a): a.nbytes for a in node.vjp.pullback.saved.values() if isinstance(a, np.ndarray)}
== 12 backward_pass: frees nothing | freed_on_the_way | alive when each vjp ran
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):
        if parent is None:
            continue
        if parent in own:
            gradients[parent] += c
        elif parent in gradients:
            gradients[parent] = gradients[parent] + c
            own.add(parent)
        else:
            gradients[parent] = c
            heappush(queue, (-parent.time, parent))

== 12 backward_pass: frees at the end | freed_on_the_way | alive when each vjp ran
passed = []
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):
        if parent is None:
            continue
        if parent in own:
            gradients[parent] += c
        elif parent in gradients:
            gradients[parent] = gradients[parent] + c
            own.add(parent)
        else:
            gradients[parent] = c
            heappush(queue, (-parent.time, parent))
    passed.append(node)
for node in passed:
    if not retain_graph:
        free(node)

== 12 backward_pass: ignores retain_graph | a_second_walk | after backward(g, retain_graph=True)
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):
        if parent is None:
            continue
        if parent in own:
            gradients[parent] += c
        elif parent in gradients:
            gradients[parent] = gradients[parent] + c
            own.add(parent)
        else:
            gradients[parent] = c
            heappush(queue, (-parent.time, parent))
    free(node)

== 12 backward_pass: as in lesson 4 | one_sum | backward_pass made 9 new arrays
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):
        if parent is None:
            continue
        if parent in gradients:
            gradients[parent] = gradients[parent] + c
        else:
            gradients[parent] = c
            heappush(queue, (-parent.time, parent))
    if not retain_graph:
        free(node)

== 12 backward_pass: in place at once | one_sum | the first is borrowed
while queue:
    node = heappop(queue)[1]
    if node.vjp is None:
        continue
    for parent, c in zip(node.parents, node.vjp(gradients.pop(node))):
        if parent is None:
            continue
        if parent in gradients:
            gradients[parent] += c
        else:
            gradients[parent] = c
            heappush(queue, (-parent.time, parent))
    if not retain_graph:
        free(node)

== 13 padded: at the beginning | transpose_of_part | padded(g, start=
row = np.zeros((*g.shape[:-1], size))
row[..., : g.shape[-1]] = g
return row
== 13 padded: a single row | transpose_of_part | could not broadcast
row = np.zeros(size)
row[start : start + len(g)] = g
return row
== 13 unpacked: from the beginning | there_and_back | array 1 of the row is
return reshape(part(row, start=0, stop=math.prod(shapes[k])), shape=shapes[k])
== 13 unpacked: an array | there_and_back | array 0 of a Tensor must be a Tensor
start = sum(math.prod(shape) for shape in shapes[:k])
return array_of(row)[start : start + math.prod(shapes[k])].reshape(shapes[k])
== 13 joint: recorded | one_node | forward was recorded
results, residuals = self.forward(*inputs)
row = pack(*results)
== 13 joint: all that forward returns | results | result 0 for arrays has shape (2, 2, 3), expected (2, 3)
with mode(False):
    residuals = results = self.forward(*inputs)
    row = pack(*results)
== 13 pullback: residuals as constants | residuals_are_recorded | the gradient of x is wrong
gradients = unpack(g, self.op.results)
contributions = backward(self.values('r'), *gradients)
== 13 pullback: the gradients as a list | of_both_results | missing 1 required positional argument
contributions = backward(self.values('r'), unpack(g, self.op.results))
== 13 pullback: forward each time | once_per_walk | forward, forward, backward
_, residuals = forward(*self.values('x'))
contributions = backward(residuals, *unpack(g, self.op.results))
== 13 checkpoint: the result saved, too | keeps_its_inputs | kept_bytes of ten tanh in a checkpoint
out = function(*inputs)
return [out], (*inputs, out)
== 13 checkpoint: not in a list | keeps_its_inputs | must be an iterable, not Tensor
return function(*inputs), inputs
== 13 checkpoint: one argument | keeps_its_inputs | AttributeError: 'tuple' object has no attribute 'tanh'
return [function(inputs)], inputs
== 13 again: not recorded | run_twice | x.grad
_, pullback = lesson09_second_order.vjp(function_of, pack(*tensors))
gradients = unpack(pullback(g), shapes)
== 13 again: with arrays only | second_order | the gradient of x is wrong
with mode(True):
    _, pullback = lesson09_second_order.vjp(function_of, pack(*(x.data for x in tensors)))
with mode(isinstance(g, Tensor)):
    gradients = unpack(pullback(g), shapes)
== 13 again: the pullback not recorded | second_order | the gradient of x is wrong
with mode(True):
    _, pullback = lesson09_second_order.vjp(function_of, pack(*tensors))
with mode(False):
    gradients = unpack(pullback(g), shapes)
== 14 aligned: as they are | broadcast_as_samples | when aligned; their sum must have the shape
return list(values)
== 14 aligned: at the end | broadcast_as_samples | when aligned; their sum must have the shape
ndim = max(np.ndim(x) - is_mapped for x, is_mapped in zip(values, mapped))
return [reshape(x, shape=(*x.shape, *[1] * (ndim + 1 - x.ndim))) if is_mapped else x
        for x, is_mapped in zip(values, mapped)]
== 14 aligned: a generator | broadcast_as_samples | aligned must return a list, got generator
ndim = max(np.ndim(x) - is_mapped for x, is_mapped in zip(values, mapped))
return (reshape(x, shape=(x.shape[0], *[1] * (ndim + 1 - x.ndim), *x.shape[1:])) if is_mapped else x
        for x, is_mapped in zip(values, mapped))
== 14 summed: not shifted | sums_of_samples | the sums of samples of shape
return op(x, axis=axis, keepdims=settings['keepdims'])
== 14 summed: negative axes shifted | sums_of_samples | the sums of samples of shape
axes = range(x.ndim - 1) if axis is None else (axis,) if isinstance(axis, int) else axis
return op(x, axis=tuple(position + 1 for position in axes), keepdims=settings['keepdims'])
== 14 by_loop: all at once | without_a_rule | IndexError: shape mismatch
return op(*values, **settings)
== 14 by_loop: without gradients | without_a_rule | 'numpy.ndarray' object has no attribute 'backward'
def one(x, k):
    return x.data[k] if isinstance(x, Tensor) else x[k]
rows = [op(*(one(x, k) if is_mapped else x for x, is_mapped in zip(values, mapped)), **settings)
        for k in range(size)]
return stack(rows)
== 14 call: every level at once | the_innermost_level | could not be broadcast
mapped = [isinstance(x, Mapped) for x in inputs]
values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]
return Mapped(BATCHING.get(op, by_loop)(op, values, mapped, op.settings | settings), level)
== 14 call: the axis not hidden | the_innermost_level
= an op of a mapped value must be Mapped, got ndarray of shape (3, 2)
mapped = [isinstance(x, Mapped) and x.level == level for x in inputs]
values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]
return BATCHING.get(op, by_loop)(op, values, mapped, op.settings | settings)
== 14 call: settings without defaults | the_innermost_level | KeyError: 'axis'
mapped = [isinstance(x, Mapped) and x.level == level for x in inputs]
values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]
return Mapped(BATCHING.get(op, by_loop)(op, values, mapped, settings), level)
== 14 shown: of any level | the_axis_of_a_level | both levels, outermost first
if isinstance(x, Mapped):
    return x.value
return broadcast_to(x, shape=(level.size, *np.shape(x)))
== 14 shown: axes not exchanged | the_axis_of_a_level | both levels, outermost first
if isinstance(x, Mapped) and x.level == level:
    return x.value
if isinstance(x, Mapped) and x.level > level:
    return Mapped(shown(x.value, level), x.level)
return broadcast_to(x, shape=(level.size, *np.shape(x)))
== 14 vmap: a loop | once | f was called with shapes [(2,), (2,), (2,)], expected one call
rows = [f(*(x if axis is None else x[k] for x, axis in zip(inputs, axes))) for k in range(level.size)]
return stack(rows)
== 14 vmap: no nested results | nests | object is not subscriptable
samples = [x if axis is None else hidden(x, level) for x, axis in zip(inputs, axes)]
with opened((*open_levels.get(), level)):
    out = f(*samples)
return shown(out, level)
== 14 vmap: the results as values inside | equals_the_loop | the result is a value inside of vmap, a Mapped
samples = [x if axis is None else each_of(lambda x: hidden(x, level), x) for x, axis in zip(inputs, axes)]
with opened((*open_levels.get(), level)):
    return f(*samples)
== 14 vjp: as in lesson 9 | a_gradient_for_each_sample | a number or an array was needed
out, pullback = vjp_of_lesson_9(f, x)
== 14 vjp: the result not shown | a_gradient_for_each_sample | the result is a value inside of vmap, a Mapped
out, pullback = vjp_of_lesson_9(lambda x: f(hide(x)), show(x))
== 14 jacobian: a loop | one_pullback | the pullback was called 4 times for 4 rows
rows = stack([pullback(row.reshape(out.shape)) for row in np.eye(count)])
== 14 jacobian: rows of ones | rows_at_once | the forward derivative along x is wrong
rows = vmap(pullback)(np.ones((count, *out.shape)))
== engine names: some | all_there | engine.py has no Op, op, no_grad, grad
from lesson08_views import StaleValueError, Tensor
from lesson06_ops import exp, reshape, tanh
== engine names: the Op of lesson 6 | every_op | Error
from lesson06_ops import Op, exp, reshape, tanh
from lesson07_recorder import no_grad, op
from lesson08_views import StaleValueError, Tensor
from lesson09_second_order import grad, hvp, jvp
from lesson10_softmax import cross_entropy, logsumexp, sigmoid, softplus
from lesson11_convolution import conv2d, correlate
from lesson12_memory import GraphFreedError
from lesson13_joint_rules import JointOp, checkpoint
from lesson14_vmap import jacobian, vmap
== engine names: a name misspelled | all_there | cannot import name 'no_gard' from 'lesson07_recorder'
from lesson06_ops import exp, reshape, tanh
from lesson07_recorder import Op, no_gard, op
== engine logits: no tanh | same_logits | logits(weights, images) of arrays is
maps = conv2d(images, weights['kernels'], weights['bias'])
return reshape(maps, shape=(len(images), weights['weight'].shape[0])) @ weights['weight']
== engine logits: attributes of a dict | same_logits | AttributeError: 'dict' object has no attribute 'kernels'
maps = tanh(conv2d(images, weights.kernels, weights.bias))
return reshape(maps, shape=(len(images), -1)) @ weights.weight
== engine step: uphill | same_step | the new kernels is
leaves = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}
loss = cross_entropy(logits(leaves, images), labels)
loss.backward()
return float(loss.data), {name: x.data + rate * x.grad for name, x in leaves.items()}
== engine step: into the old weights | same_step | after step, the old kernels
leaves = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}
loss = cross_entropy(logits(leaves, images), labels)
loss.backward()
for name, x in leaves.items():
    weights[name] -= rate * x.grad
return float(loss.data), weights
== engine step: no leaves | same_step | AttributeError: 'numpy.float64' object has no attribute 'backward'
loss = cross_entropy(logits(weights, images), labels)
loss.backward()
return float(loss.data), {name: x.data - rate * x.grad for name, x in weights.items()}
== engine step: the loss as a Tensor | same_step | the loss is Tensor, expected
leaves = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}
loss = cross_entropy(logits(leaves, images), labels)
loss.backward()
return loss, {name: x.data - rate * x.grad for name, x in leaves.items()}
""")
)
