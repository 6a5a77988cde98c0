/**
 * Files of savePyTorch(), read again here, and optimizers that go on where PyTorch's stopped. With WGRAD_PYTORCH=/usr/bin/python3, a Python that has
 * torch, PyTorch reads the files too, and goes on where ours stopped.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, nn, optim, type Tensor, tensor, zeros } from 'wgrad';
import { loadPyTorch, loadPyTorchOptimizer, pyTorchOptimizerState, savePyTorch } from 'wgrad/formats';
import { refuses } from '../data/refuses';
import { optimizers } from './optimizers.fixture';

const python = process.env.WGRAD_PYTORCH;
let folder: string;
test.before(async () => {
	await init({ device: 'cpu' });
	folder = mkdtempSync(join(tmpdir(), 'wgrad-pt-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const DTYPES = {
	float64: [0.1, -2.5, Number.POSITIVE_INFINITY],
	float32: [0.5, -3, Number.NaN],
	float16: [1.5, -65504, 2 ** -24],
	bfloat16: [1, -3.140625, 2 ** 100],
	int32: [-2147483648, 2147483647, 6],
	int8: [-128, 127, 8],
	uint8: [0, 255, 9],
	bool: [1, 0, 1],
} as const;

function state() {
	const base = tensor([
		[0, 1, 2],
		[3, 4, 5],
	]);
	const list = ['naïve 中', ''];
	return {
		weights: { ...new nn.Sequential(new nn.Linear(2, 1), new nn.BatchNorm1d(1)).stateDict(), n: 3 },
		dtypes: Object.fromEntries(
			Object.entries(DTYPES).map(([dtype, values]) => [dtype, tensor([...values], { dtype: dtype as 'float32' })]),
		),
		shared: { base, row: base.select(0, 1), transposed: base.transpose(0, 1), empty: zeros([0, 3]), scalar: tensor(7) },
		parameters: [new nn.Parameter(tensor([1, 2])), new nn.Parameter(tensor([3]), false), tensor([4], { requiresGrad: true })],
		numbers: [
			0,
			-1,
			255,
			65536,
			2 ** 31,
			-(2 ** 31) - 1,
			2 ** 53 - 1,
			2n ** 60n,
			-(2n ** 200n),
			-128n,
			0.1,
			-0,
			Number.NaN,
			-Infinity,
		],
		others: [
			null,
			true,
			new Map<unknown, unknown>([
				[0, 'a'],
				[-5, list],
			]),
			new Set([7]),
			Uint8Array.of(0, 65, 255),
			[],
			{},
		],
		lists: [list, list],
	};
}

test('what savePyTorch writes, loadPyTorch reads: dtypes, views, parameters and plain values', async () => {
	const path = join(folder, 'state.pt');
	const progress: number[] = [];
	const own = state();
	await savePyTorch(own, path, { onProgress: ({ loaded, total }) => progress.push(loaded / total) });
	assert.is(progress.at(-1), 1);
	const read = await loadPyTorch<typeof own>(path);
	for (const [name, values] of Object.entries(DTYPES)) {
		const found = read.dtypes[name]!;
		assert.is(found.dtype, name === 'float16' ? 'float32' : name);
		assert.equal(Array.from(await found.data()), [...values]);
	}
	for (const name of ['base', 'row', 'transposed', 'empty', 'scalar'] as const) {
		const [a, b] = [read.shared[name], own.shared[name]];
		assert.equal([a.shape, a.strides, a.offset, await a.toArray()], [b.shape, b.strides, b.offset, await b.toArray()]);
	}
	assert.is(read.shared.base.storage, read.shared.row.storage);
	assert.equal(
		read.parameters.map((each) => [each instanceof nn.Parameter, each.requiresGrad]),
		[
			[true, true],
			[true, false],
			[false, true],
		],
	);
	// Integers up to 2^53 become numbers.
	assert.equal(
		read.numbers,
		own.numbers.map((each) => (each === -128n ? -128 : each)),
	);
	assert.equal(
		read.others,
		[null, true, { 0: 'a', '-5': own.lists[0] }, new Set([7]), Uint8Array.of(0, 65, 255), [], {}].map((each) =>
			each?.constructor === Object ? Object.assign(Object.create(null), each) : each,
		),
	);
	assert.is(read.lists[0], read.lists[1]);
	if (python === undefined) return;
	const weights = join(folder, 'weights.pt');
	await savePyTorch({ ...own.weights, dtypes: own.dtypes, parameters: own.parameters }, weights);
	const told = JSON.parse(execFileSync(python, ['test/formats/readBack.py', path, weights], { encoding: 'utf8' })) as {
		value: Record<string, Record<string, unknown>>;
		isShared: boolean;
		same: boolean;
		weights: Record<string, unknown>;
	};
	assert.ok(told.isShared && told.same);
	assert.equal(told.weights, { ...told.value.weights, dtypes: told.value.dtypes, parameters: told.value.parameters });
	for (const [name, values] of Object.entries(DTYPES)) {
		const [kind, dtype, shape, , , , numbers] = told.value.dtypes![name] as [string, string, number[], ...unknown[]];
		assert.equal([kind, dtype, shape], ['Tensor', `torch.${name}`, [3]]);
		assert.equal(
			(numbers as unknown as string[]).map((text) => Number(text.replace(/^(-?)inf$/, '$1Infinity'))),
			[...values],
		);
	}
	const shared = told.value.shared as Record<string, unknown[]>;
	assert.equal(shared.transposed!.slice(2, 5), [[3, 2], [1, 3], 0]);
	assert.equal(shared.empty!.slice(2, 3), [[0, 3]]);
	assert.equal(
		Object.values(told.value.parameters!).map((each) => [(each as unknown[])[0], (each as unknown[])[5]]),
		[
			['Parameter', true],
			['Parameter', false],
			['Tensor', true],
		],
	);
	assert.equal(told.value.numbers, [
		'0',
		'-1',
		'255',
		'65536',
		'2147483648',
		'-2147483649',
		'9007199254740991',
		'1152921504606846976',
		String(-(2n ** 200n)),
		'-128',
		'0.1',
		'-0.0',
		'nan',
		'-inf',
	]);
	assert.equal(told.value.others, ['None', 'True', { 0: "'a'", '-5': ["'naïve 中'", "''"] }, '{7}', "b'\\x00A\\xff'", [], {}]);
});

test('wrong values and targets are refused with their place', async () => {
	const path = join(folder, 'wrong.pt');
	const cycle: unknown[] = [];
	cycle.push({ a: cycle });
	await refuses(
		() => savePyTorch({ a: [1, () => 2] }, path),
		/savePyTorch: item 1 of 'a' of the value is a function; it takes tensors/,
	);
	await refuses(() => savePyTorch({ a: new Date() }, path), /'a' of the value is .*; it takes tensors/);
	await refuses(() => savePyTorch({ a: undefined }, path), /'a' of the value is undefined/);
	await refuses(() => savePyTorch(cycle, path), /holds itself/);
	await refuses(
		() => savePyTorch({}, 12 as never),
		/savePyTorch: it writes to a path, a WritableStream or a FileSystemFileHandle, not 12/,
	);
	const stopped = AbortSignal.abort(new RangeError('enough'));
	await refuses(() => savePyTorch({}, path, { signal: stopped }), /enough/, RangeError);
	assert.ok(!readdirSync(folder).includes('wrong.pt'));
});

const OPTIONS = { lr: 0.1 };
const MADE: Record<string, (groups: { params: Tensor[]; lr?: number }[]) => optim.Optimizer<never>> = {
	Adam: (groups) => new optim.Adam(groups, OPTIONS) as never,
	AdamW: (groups) => new optim.AdamW(groups, OPTIONS) as never,
	SGD: (groups) => new optim.SGD(groups, OPTIONS) as never,
	'plain SGD': (groups) => new optim.SGD(groups, OPTIONS) as never,
	RMSprop: (groups) => new optim.RMSprop(groups, OPTIONS) as never,
	Adagrad: (groups) => new optim.Adagrad(groups, OPTIONS) as never,
	RAdam: (groups) => new optim.RAdam(groups, OPTIONS) as never,
};

/** Steps towards 1. */
function train(optimizer: optim.Optimizer<never>, params: readonly Tensor[], steps: number): void {
	for (let step = 0; step < steps; step++) {
		for (const param of params) param.grad = param.detach().sub(1);
		optimizer.step();
	}
}

async function near(params: readonly Tensor[], expected: readonly (readonly number[])[], what: string): Promise<void> {
	for (const [i, param] of params.entries()) {
		for (const [k, value] of Array.from(await param.data()).entries())
			assert.ok(Math.abs(value - expected[i]![k]!) < 1e-6, `${what}: ${value} instead of ${expected[i]![k]}`);
	}
}

test("optimizers go on where PyTorch's stopped, and PyTorch's where ours do", async () => {
	const paths: string[] = [];
	const ends: Tensor[][] = [];
	for (const [kind, { file, parameters }] of Object.entries(optimizers)) {
		const bytes = new Uint8Array(gunzipSync(Buffer.from(file, 'base64')));
		const saved = await loadPyTorch<{ parameters: Tensor[]; optimizer: unknown }>(bytes);
		const params = saved.parameters.map((each) => new nn.Parameter(each));
		const groups = (list: readonly Tensor[]) => list.map((param) => ({ params: [param] }));
		const optimizer = MADE[kind]!(groups(params));
		await loadPyTorchOptimizer(optimizer, saved.optimizer);
		const path = join(folder, `${kind}.pt`);
		paths.push(path);
		await savePyTorch(
			{ kind, parameters: params.map((each) => each.detach()), optimizer: await pyTorchOptimizerState(optimizer) },
			path,
		);
		train(optimizer, params, 3);
		await near(params, parameters, kind);
		ends.push(params);
		// Our own file, read again, goes on alike.
		const own = await loadPyTorch<{ parameters: Tensor[]; optimizer: unknown }>(path);
		const again = own.parameters.map((each) => new nn.Parameter(each));
		const resumed = MADE[kind]!(groups(again));
		await loadPyTorchOptimizer(resumed, own.optimizer);
		train(resumed, again, 3);
		await near(again, parameters, `${kind} from our file`);
	}
	if (python === undefined) return;
	const output = execFileSync(python, ['test/formats/optimizers.fixture.py', 'resume', ...paths], { encoding: 'utf8' });
	for (const [i, expected] of (JSON.parse(output) as number[][][]).entries())
		await near(ends[i]!, expected, `${paths[i]} in PyTorch`);
});

test('states of other optimizers are refused', async () => {
	const params = [new nn.Parameter(tensor([1, 2]))];
	const optimizer = new optim.Adam(params);
	await refuses(() => loadPyTorchOptimizer(optimizer, { state: {} }), /must be that of PyTorch's optimizer\.state_dict\(\)/);
	await refuses(
		() => loadPyTorchOptimizer(new optim.SGD(params) as never, { state: {}, param_groups: [{ params: [0], lr: 1, rho: 2 }] }),
		/another kind of optimizer: its group 0 has rho/,
	);
	await refuses(() => loadPyTorchOptimizer({} as never, {}), /the optimizer must be an optimizer/);
	await refuses(() => pyTorchOptimizerState(new optim.SGD(params, { l1: 0.1 })), /PyTorch has no option l1/);
});

test.run();
