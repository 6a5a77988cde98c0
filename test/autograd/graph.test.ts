/** `graph`: the tape as data. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError, AutogradError, add, checkpoint, graph, memory, nn, ones, type Tensor, tensor } from 'wgrad';

const leaf = (shape: number[], name = '') => Object.assign(ones(shape).requiresGrad_(), { name });

test('nodes, edges, leaves and what operations keep', () => {
	const [x, w] = [leaf([2, 3], 'x'), leaf([3, 4], 'w')];
	const loss = x.matmul(w).tanh().sum();
	const { nodes, edges, roots, savedBytes } = graph(loss);
	assert.equal(
		nodes.map(({ id, operation, name, outputs }) => [id, operation, name, outputs]),
		[
			[0, 'leaf', 'x', [{ shape: [2, 3], dtype: 'float32' }]],
			[1, 'leaf', 'w', [{ shape: [3, 4], dtype: 'float32' }]],
			[2, 'matmul', '', [{ shape: [2, 4], dtype: 'float32' }]],
			[3, 'tanh', '', [{ shape: [2, 4], dtype: 'float32' }]],
			[4, 'sum', '', [{ shape: [], dtype: 'float32' }]],
		],
	);
	assert.equal(
		edges.map(({ from, to, output, input, shape, dtype }) => [from, to, output, input, shape, dtype]),
		[
			[0, 2, 0, 0, [2, 3], 'float32'],
			[1, 2, 0, 1, [3, 4], 'float32'],
			[2, 3, 0, 0, [2, 4], 'float32'],
			[3, 4, 0, 0, [2, 4], 'float32'],
		],
	);
	assert.equal(roots, [4]);
	// The product keeps both leaves, which are there anyway; tanh keeps its result.
	assert.equal(
		nodes[2]!.saved.map(({ shape, bytes, isLeaf }) => [shape, bytes, isLeaf]),
		[
			[[2, 3], 24, true],
			[[3, 4], 48, true],
		],
	);
	assert.equal(nodes[3]!.saved, [{ name: 'output', shape: [2, 4], dtype: 'float32', bytes: 32, memory: 2, isLeaf: false }]);
	assert.is(savedBytes, 32);
	loss.backward();
	const after = graph(loss);
	assert.is(after.savedBytes, 0);
	assert.ok(after.nodes.every(({ isLeaf, isReleased, saved }) => saved.length === 0 && isReleased !== isLeaf));
});

test('memory that several operations keep counts once', () => {
	const y = leaf([5]).exp();
	const { nodes, savedBytes } = graph([y.sin(), y.cos()]);
	assert.equal(
		nodes.flatMap(({ saved }) => saved.map(({ memory }) => memory)),
		[0, 0, 0],
	);
	assert.is(savedBytes, 20);
});

test('parameters of a model have their paths, and a checkpoint says so', () => {
	const model = new nn.Sequential(new nn.Linear(3, 2), new nn.Tanh());
	const { nodes } = graph(
		checkpoint((x) => model.forward(x), ones([1, 3])),
		{ model },
	);
	assert.equal(
		nodes.filter(({ isLeaf }) => isLeaf).map(({ name }) => name),
		['0.weight', '0.bias'],
	);
	assert.equal([...new Set(nodes.filter(({ isLeaf }) => !isLeaf).map(({ savedBy }) => savedBy))], ['checkpoint']);
});

test('it holds no tensor, survives JSON, and takes long chains', () => {
	const x = leaf([1]);
	const before = memory().tensors;
	let y: Tensor = x.mul(2);
	for (let i = 0; i < 20_000; i++) {
		const next = add(y, 1);
		y.dispose();
		y = next;
	}
	const seen = graph(y);
	assert.is(memory().tensors, before + 1);
	assert.is(seen.nodes.length, 20_002);
	assert.equal(JSON.parse(JSON.stringify(seen)).edges, seen.edges);
});

test('Mermaid and DOT, with names that they would take for syntax', () => {
	const loss = leaf([2], 'a"b\\<c>\n#1').exp();
	const drawn = graph(loss);
	assert.is(
		drawn.toMermaid(),
		'flowchart TD\n\tn0(["a#34;b#92;#60;c#62; #35;1<br/>[2] float32"])\n\tn1[["exp<br/>[2] float32<br/>saves 8 B"]]\n\tn0 -->|"[2]"| n1\n',
	);
	assert.is(
		drawn.toDot(),
		'digraph {\n\tnode [shape=box]\n\tn0 [label="a\\"b\\\\<c> #1\\n[2] float32", shape=ellipse]\n\tn1 [label="exp\\n[2] float32\\nsaves 8 B", peripheries=2]\n\tn0 -> n1 [label="[2]"]\n}\n',
	);
});

test('refusals', () => {
	assert.throws(
		() => graph(ones([2])),
		(error: Error) =>
			error instanceof AutogradError && /^graph: the output of shape \[2\] does not depend on a tensor/.test(error.message),
	);
	assert.throws(
		() => graph(leaf([1]), { model: tensor(1) as never }),
		(error: Error) => error instanceof ArgumentError && /^graph: model.namedParameters must be a module/.test(error.message),
	);
	assert.throws(() => graph(3 as never), /graph: output must be a tensor or an array of tensors/);
});

test.run();
