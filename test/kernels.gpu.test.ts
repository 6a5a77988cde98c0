/** Kernels that users write: `defineKernel` and `kernelCheck`, on both devices. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	autocast,
	compile,
	customOp,
	defineKernel,
	grad,
	gradcheck,
	gradgradcheck,
	init,
	kernelCheck,
	noGrad,
	shutdown,
	type Tensor,
	tensor,
} from 'wgrad';

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(shutdown);

const VALUES = Array.from({ length: 35 }, (_, i) => Math.sin(3 * i) * 2);
const matrix = (device: 'cpu' | 'webgpu', dtype: 'float32' | 'float64' = 'float32') =>
	tensor(VALUES, { shape: [5, 7], device, dtype });

/** y = scale * x / (1 + |x|), with its gradient as a kernel, too. */
const softGradient = defineKernel({
	name: 'softGradient',
	inputs: { x: 'f32', g: 'f32' },
	outputs: { dx: 'f32' },
	params: { scale: 'f32' },
	main: 'let d = 1.0 + abs(x[i]);\ndx[i] = p.scale * g[i] / (d * d);',
	cpu: ({ x, g }, { dx }, { scale }) => {
		for (let i = 0; i < dx.data.length; i++) dx.data[i] = (scale * g.data[i]!) / (1 + Math.abs(x.data[i]!)) ** 2;
	},
});
const soft = defineKernel({
	name: 'soft',
	inputs: { x: 'f32' },
	outputs: { y: 'f32' },
	params: { scale: 'f32' },
	functions: 'fn soft(x: f32) -> f32 {\n\treturn x / (1.0 + abs(x));\n}',
	main: 'y[i] = p.scale * soft(x[i]);',
	cpu: ({ x }, { y }, { scale }) => {
		for (let i = 0; i < y.data.length; i++) y.data[i] = (scale * x.data[i]!) / (1 + Math.abs(x.data[i]!));
	},
	saves: ['x'],
	vjp: ({ y }, { x }, params) => ({ x: softGradient({ x, g: y }, params).dx }),
});

/** The sum of each row, by a workgroup with shared memory. Its gradient consists of operations. */
const rowSums = defineKernel({
	name: 'rowSums',
	inputs: { x: 'f32' },
	outputs: { sum: 'f32' },
	params: { columns: 'u32' },
	shapes: ({ x }) => ({ sum: [x[0]!] }),
	workgroups: ({ x }) => x[0]!,
	workgroupSize: 8,
	functions: 'var<workgroup> parts: array<f32, 8>;',
	main: `
var part = 0.0;
for (var k = lid; k < p.columns; k += 8u) {
	part += x[groupIndex * p.columns + k];
}
parts[lid] = part;
workgroupBarrier();
if (lid == 0u) {
	for (var k = 1u; k < 8u; k++) {
		part += parts[k];
	}
	sum[groupIndex] = part;
}`,
	cpu: ({ x }, { sum }, { columns }) => {
		sum.data.fill(0);
		for (let i = 0; i < x.data.length; i++) sum.data[Math.floor(i / columns)]! += x.data[i]!;
	},
	saves: ['x'],
	vjp: ({ sum }, { x }) => ({ x: sum.unsqueeze(1).expand(x.shape) }),
});

/** A count and a mask: integers, bools, a vector, several outputs. */
const within = defineKernel({
	name: 'within',
	inputs: { x: 'i32', skip: 'u32' },
	outputs: { kept: 'i32', mask: 'u32' },
	params: { bounds: 'vec4<i32>', invert: 'bool' },
	main: `let inside = x[i] >= p.bounds.x && x[i] <= p.bounds.y;
let ok = skip[i] == 0u && (inside != (p.invert == 1u));
mask[i] = select(0u, 1u, ok);
kept[i] = select(-1, x[i], ok);`,
	cpu: ({ x, skip }, { kept, mask }, { bounds: [low, high], invert }) => {
		for (let i = 0; i < x.data.length; i++) {
			const inside = x.data[i]! >= low! && x.data[i]! <= high!;
			const ok = skip.data[i] === 0 && inside !== invert;
			mask.data[i] = ok ? 1 : 0;
			kept.data[i] = ok ? x.data[i]! : -1;
		}
	},
});

function close(actual: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>): void {
	assert.is(actual.length, expected.length);
	for (let i = 0; i < expected.length; i++)
		assert.ok(
			Math.abs(Number(actual[i]) - Number(expected[i])) <= 1e-6 * (1 + Math.abs(Number(expected[i]))),
			`${i}: ${actual[i]}, not ${expected[i]}`,
		);
}

test('kernels compute on both devices, for any layout, and give gradients', async () => {
	for (const device of ['webgpu', 'cpu'] as const) {
		for (const layout of [(x: Tensor) => x, (x: Tensor) => x.t(), (x: Tensor) => x.narrow(0, 1, 3)]) {
			const x = matrix(device).requiresGrad_();
			const { y } = soft({ x: layout(x) }, { scale: 1.5 });
			const values = await layout(x).data();
			assert.equal(y.shape, layout(x).shape);
			close(
				await y.data(),
				Array.from(values, (v) => (1.5 * Number(v)) / (1 + Math.abs(Number(v)))),
			);
			const [dx] = grad([y], [x], { gradOutputs: [y.detach().mul(0).add(2)] });
			close(
				await layout(dx!).data(),
				Array.from(values, (v) => 3 / (1 + Math.abs(Number(v))) ** 2),
			);
		}
		const empty = soft({ x: matrix(device).narrow(0, 0, 0) }, { scale: 1 }).y;
		assert.equal([empty.shape, (await empty.data()).length], [[0, 7], 0]);
		const x = matrix(device).requiresGrad_();
		const { sum } = rowSums({ x }, { columns: 7 });
		close(await sum.data(), await x.sum(1).data());
		sum.sum().backward();
		close(await x.grad!.data(), new Array(35).fill(1));
		const { kept, mask } = within(
			{ x: tensor([1, 5, 9, 3], { dtype: 'int32', device }), skip: tensor([false, false, false, true], { device }) },
			{ bounds: [2, 9], invert: false },
		);
		assert.equal(
			[await kept.toArray(), await mask.toArray()],
			[
				[-1, 5, 9, -1],
				[false, true, true, false],
			],
		);
	}
});

test('gradcheck proves their gradients, and kernelCheck that both sides agree', async () => {
	const inputs = () => matrix('cpu', 'float64').requiresGrad_();
	assert.ok(await gradcheck((x) => soft({ x }, { scale: 1.5 }).y, [inputs()]));
	assert.ok(await gradgradcheck((x) => rowSums({ x: x.mul(x) }, { columns: 7 }).sum, [inputs()]));
	assert.ok(await kernelCheck(soft, { x: matrix('webgpu').t() }, { scale: -2 }));
	assert.ok(await kernelCheck(rowSums, { x: matrix('cpu') }, { columns: 7 }));
	const ints = { x: tensor([4, -7], { dtype: 'int32' }), skip: tensor([true, false]) };
	assert.ok(await kernelCheck(within, ints, { bounds: [-9, 0], invert: true }));
});

const half = { name: 'half', inputs: { x: 'f32' }, outputs: { y: 'f32' } } as const;
const halved = (main: string) =>
	defineKernel({
		...half,
		main,
		cpu: ({ x }, { y }) =>
			x.data.forEach((value, i) => {
				y.data[i] = Number(value) / 2;
			}),
	});

test('kernelCheck finds wrong and unwritten elements, and shows the lines of WGSL that do not compile', async () => {
	const x = tensor([1, 2, 3, 4]);
	const check = (main: string) => kernelCheck(halved(main), { x }, {});
	const fails = async (main: string, message: RegExp) => {
		const error = await check(main).then(
			() => null,
			(error) => error,
		);
		assert.ok(message.test(String(error?.message)), String(error?.message));
	};
	assert.ok(await check('y[i] = 0.5 * x[i];'));
	await fails(
		'y[i] = select(0.5, 0.25, i == 2u) * x[i];',
		/kernelCheck\(half\): 1 elements of y \[4\] differ; worst at \[2\]: GPU 0\.75, reference 1\.5/,
	);
	await fails(
		'if (i < 3u) { y[i] = 0.5 * x[i]; }',
		/1 elements of y \[4\] differ; worst at \[3\]: GPU NaN, reference 2.*does not write the element/,
	);
	await fails(
		'let half = 0.5;\ny[i] = halff * x[i];',
		/custom\.half.*does not compile:\n {2}main, line 2: .*\n {4}y\[i\] = halff \* x\[i\];/,
	);
	assert.is(await kernelCheck(halved('y[i] = x[i];'), { x }, {}, { raise: false }), false);
});

test('kernels run in compiled functions, in custom operations and under autocast', async () => {
	const weight = matrix('webgpu').requiresGrad_();
	const step = (x: Tensor) => grad([soft({ x: x.mul(weight) }, { scale: 2 }).y.sum()], [weight])[0]!;
	const compiled = compile(step);
	const x = matrix('webgpu');
	const expected = await step(x).data();
	for (let call = 0; call < 4; call++) assert.equal(await compiled(x).data(), expected);

	const operation = customOp({
		name: 'twice',
		forward: (context, x: Tensor) => {
			context.saveForBackward(x);
			return soft({ x }, { scale: 1 }).y;
		},
		backward: (context, g) => softGradient({ x: context.saved[0]!, g }, { scale: 1 }).dx,
	});
	const y = matrix('webgpu').requiresGrad_();
	operation(y).sum().backward();
	close(
		await y.grad!.data(),
		VALUES.map((v) => 1 / (1 + Math.abs(Math.fround(v))) ** 2),
	);
	assert.is(
		autocast(() => soft({ x: matrix('webgpu').matmul(matrix('webgpu').t()) }, { scale: 1 }).y.dtype),
		'float32',
	);
});

test('wrong definitions and calls are refused', () => {
	const cpu = () => {};
	const refuses = (fn: () => unknown, message: RegExp) => assert.throws(fn, message);
	const define = (changes: object) => defineKernel({ ...half, main: 'y[i] = x[i];', cpu, ...changes });
	refuses(() => define({ inputs: { x: 'f64' } }), /defineKernel\(half\): inputs\.x .*f32/);
	refuses(() => define({ inputs: { y: 'f32' } }), /'y' is both an input and an output/);
	refuses(() => define({ params: { lid: 'u32' } }), /'lid' cannot be a name in params/);
	for (const word of ['var', 'filter', 'array'])
		refuses(() => define({ inputs: { [word]: 'f32' } }), new RegExp(`'${word}' cannot be a name in inputs`));
	for (const name of ['', 'two\nlines']) refuses(() => define({ name }), /defineKernel: name must be one line of text/);
	refuses(() => define({ outputs: {} }), /outputs is empty/);
	refuses(() => define({ invocations: () => 1, workgroups: () => 1 }), /invocations or workgroups, not both/);
	refuses(() => define({ saves: ['z'] }), /saves/);
	refuses(() => define({ cpus: cpu }), /there is no option 'cpus'/);
	refuses(
		() => define({ inputs: Object.fromEntries([...'abcdefgh'].map((name) => [name, 'f32'])) }),
		/9 inputs and outputs; WebGPU guarantees 8/,
	);
	for (const device of ['cpu', 'webgpu'] as const) {
		const x = tensor([1, 2], { device });
		refuses(() => soft({ x }, {} as never), /soft: scale .*a number for f32/);
		refuses(() => soft({ x, z: x } as never, { scale: 1 }), /soft: there is no option 'z'/);
		refuses(() => soft({} as never, { scale: 1 }), /soft: x/);
		refuses(
			() => soft({ x: x.to('int32') }, { scale: 1 }),
			/soft: x is int32, but the kernel reads f32; convert with \.to\('float32'\)/,
		);
		refuses(() => rowSums({ x: x.unsqueeze(0) }, { columns: -1 }), /rowSums: columns .*a number for u32/);
		refuses(
			() => softGradient({ x: x.clone().requiresGrad_(), g: x }, { scale: 1 }),
			/softGradient: an input requires a gradient, but the kernel has none/,
		);
		assert.is(noGrad(() => softGradient({ x: x.clone().requiresGrad_(), g: x }, { scale: 1 })).dx.requiresGrad, false);
		const wrong = define({ shapes: () => ({ y: [0.5] }) });
		refuses(() => wrong({ x }), /half: shapes\(\)\.y must be a list of sizes/);
		refuses(() => define({ invocations: () => 2 ** 32 })({ x }), /the number of invocations must be a whole number/);
	}
	refuses(
		() => within({ x: tensor([1], { dtype: 'int32', device: 'cpu' }), skip: tensor([true]) }, { bounds: [1], invert: true }),
		/within/,
	);
});

test.run();
