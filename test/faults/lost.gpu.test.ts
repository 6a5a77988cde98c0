/** A lost device: pending work rejects, later calls throw, nothing moves to the CPU, and a new device takes over. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	cat,
	crossEntropy,
	DeviceLostError,
	defaultDevice,
	init,
	memory,
	nn,
	ones,
	optim,
	profile,
	randn,
	setDefaultDevice,
	shutdown,
	sync,
	tensor,
	tidy,
	where,
	zeros,
} from 'wgrad';
import { evaluate, fit, predict } from 'wgrad/train';
import { points } from '../train/setting';
import { type Faults, type FaultyAdapter, faultyAdapter, realAdapter } from './adapter';

async function start(faults: Faults = {}): Promise<FaultyAdapter> {
	await shutdown();
	const adapter = await faultyAdapter(faults);
	assert.is((await init({ device: 'webgpu', adapter })).device, 'webgpu');
	return adapter;
}

/** The loss that `promise` rejects with. The promise must neither hang nor reject with another error. */
async function loss(promise: Promise<unknown>, what: string): Promise<DeviceLostError> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise((resolve) => {
		timer = setTimeout(resolve, 120_000, 'it hangs');
	});
	const found = await Promise.race([promise.catch((error: unknown) => error), late]);
	clearTimeout(timer);
	if (!(found instanceof DeviceLostError)) throw new Error(`${what}: ${found instanceof Error ? found.stack : String(found)}`);
	assert.match(found.message, /the WebGPU device was lost \(on purpose\) .*await init\(\)/, what);
	return found;
}

test.after(() => shutdown());

for (const notice of [0, 10]) {
	test(`all pending work rejects with the loss, which is announced after ${notice} ms`, async () => {
		const adapter = await start({ notice: () => notice });
		const model = new nn.Linear(4, 2);
		const [x, y] = points(64, 'webgpu');
		const optimizer = new optim.SGD(model.parameters());
		const pending = {
			data: x.mul(2).data(),
			item: x.sum().item(),
			toArray: x.add(1).toArray(),
			sync: sync(),
			fit: fit(model, [x, y], { loss: crossEntropy, optimizer, epochs: 1000, verbose: 0 }),
			evaluate: evaluate(new nn.Linear(4, 2), [x, y], { loss: crossEntropy }),
			predict: predict(new nn.Linear(4, 2), x).then((output) => output.data()),
			profile: profile(() => x.mul(3).data()),
		};
		for (const promise of Object.values(pending)) promise.catch(() => {});
		await new Promise((resolve) => setTimeout(resolve, 5));
		if (notice === 0) Object.assign(pending, { data: x.mul(7).data(), item: x.amax().item(), sync: sync() });
		adapter.lose();
		for (const [name, promise] of Object.entries(pending)) {
			if (name === 'fit' || notice === 0) await loss(promise, name);
		}
		await loss(sync(), 'a later sync');
		await loss(x.data(), 'a later read');
		assert.is(adapter.losses, 1);
	});
}

test('a loss at any launch of a fit rejects it', async () => {
	for (let launch = 1; launch < 90; launch += 17) {
		await start({ loses: (count) => count === launch, notice: () => launch % 3 });
		const [x, y] = points(64, 'cpu');
		const run = async () => {
			const model = new nn.Sequential(new nn.Linear(4, 8), new nn.Dropout(0.5), new nn.Linear(8, 2));
			const optimizer = new optim.Adam(model.parameters());
			await fit(model, [x, y], { loss: crossEntropy, optimizer, epochs: 1000, verbose: 0, clipGradNorm: 1 });
		};
		await loss(run(), `launch ${launch}`);
	}
});

test('after a loss nothing moves to the CPU unless the program chooses it', async () => {
	const adapter = await start();
	adapter.lose();
	await loss(sync(), 'sync');
	assert.is(defaultDevice(), 'webgpu');
	assert.is(memory().gpu, null);
	for (const make of [() => zeros([2]), () => tensor([1]), () => randn([3]), () => new nn.Linear(2, 2)]) {
		assert.throws(make, (error: Error) => error instanceof DeviceLostError && /was lost \(on purpose\)/.test(error.message));
	}
	assert.throws(() => setDefaultDevice('webgpu'), /was lost/);
	assert.is(ones([2], { device: 'cpu' }).device, 'cpu');
	await init({ device: 'cpu' });
	assert.is(zeros([2]).device, 'cpu');
});

test('after a shutdown nothing moves to the CPU either, and errors name the shutdown', async () => {
	await start();
	const x = ones([2]);
	await shutdown();
	assert.is(defaultDevice(), 'webgpu');
	assert.throws(() => zeros([2]), /the WebGPU device was shut down; call await init\(\)/);
	assert.throws(() => x.add(1), /add: the tensor of shape \[2\] is gone: the WebGPU device was shut down/);
	await sync();
});

test('every call with a tensor of a lost device throws at once, with its own name', async () => {
	const adapter = await start();
	const old = ones([2, 3]);
	const leaf = ones([2, 3], { requiresGrad: true });
	const product = leaf.mul(2).sum();
	const model = new nn.Linear(3, 2);
	const optimizer = new optim.Adam(model.parameters());
	model.forward(old).sum().backward();
	adapter.lose();
	await loss(sync(), 'sync');
	await init({ device: 'webgpu' });
	const fresh = ones([2, 3]);
	const calls: [string, () => unknown][] = [
		['add', () => old.add(fresh)],
		['add', () => fresh.add(old)],
		['mul', () => old.mul(2)],
		['exp', () => old.exp()],
		['reshape', () => old.reshape([6])],
		['detach', () => old.detach()],
		['clone', () => old.clone()],
		['to', () => old.to('webgpu')],
		['to', () => old.to('int32')],
		['add_', () => fresh.add_(old)],
		['mul_', () => old.mul_(2)],
		['fill_', () => old.fill_(1)],
		['copy_', () => fresh.copy_(old)],
		['permute', () => old.permute([1, 0])],
		['cat', () => cat([fresh, old])],
		['where', () => where(fresh.gt(0), fresh, old)],
		['matmul', () => ones([2, 2]).matmul(old)],
		['linear', () => model.forward(fresh)],
		['Adam.step', () => optimizer.step()],
		['Module.to', () => model.to('webgpu')],
	];
	for (const [name, call] of calls) {
		let error: unknown;
		try {
			error = call();
		} catch (thrown) {
			error = thrown;
		}
		assert.instance(error, DeviceLostError, `${name} gave ${String(error)}`);
		const { message } = error as Error;
		assert.match(message, new RegExp(`^${name}: the tensor of shape \\[[\\d, ]+\\] is gone: the WebGPU device was lost`));
		assert.match(message, /await init\(\) .* loadStateDict\(\), or by restore\(\)/);
	}
	assert.throws(() => product.backward(), /was lost/);
	for (const promise of [old.data(), old.toArray(), predict(model, fresh), evaluate(model, [fresh, fresh], {})]) {
		await loss(promise, 'a promise');
	}
	old.dispose();
	assert.is(await fresh.sum().item(), 6, 'the new device is not touched');
});

test('loadStateDict restores a model and its optimizer', async () => {
	const adapter = await start();
	const model = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Linear(4, 2));
	const optimizer = new optim.Adam(model.parameters());
	const x = ones([5, 3], { device: 'cpu' });
	const step = () =>
		tidy(() => {
			const loss = model.forward(x.to('webgpu')).square().sum();
			optimizer.zeroGrad();
			loss.backward();
			optimizer.step();
		});
	step();
	const onHost = async (state: Readonly<Record<string, unknown>>) => {
		const entries = Object.entries(state).map(async ([key, value]) => [
			key,
			typeof value === 'object' && value !== null && 'dtype' in value
				? await (value as ReturnType<typeof ones>).to('cpu')
				: value,
		]);
		return Object.fromEntries(await Promise.all(entries));
	};
	const saved = await onHost(model.stateDict());
	const { state, paramGroups } = optimizer.stateDict();
	const savedState = Object.fromEntries(
		await Promise.all(Object.entries(state).map(async ([key, value]) => [key, await onHost(value)])),
	);
	step();
	const expected = await Promise.all(model.parameters().map((parameter) => parameter.data()));
	adapter.lose();
	await loss(sync(), 'sync');
	await init({ device: 'webgpu' });
	model.loadStateDict(saved);
	optimizer.loadStateDict({ state: savedState, paramGroups });
	assert.is(model.to('webgpu'), model);
	step();
	assert.equal(await Promise.all(model.parameters().map((parameter) => parameter.data())), expected);
});

test('init asks for another adapter if the first has expired, and not for a third', async () => {
	const good = await realAdapter();
	const { features, limits, info } = good;
	const expired = { features, limits, info, requestDevice: () => Promise.reject(new Error('the adapter has expired')) };
	const own = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
	const give = (...adapters: unknown[]) =>
		Object.defineProperty(globalThis, 'navigator', {
			value: { gpu: { requestAdapter: async () => adapters.shift() } },
			configurable: true,
		});
	try {
		await shutdown();
		give(expired, good);
		assert.is((await init({ device: 'webgpu' })).device, 'webgpu');
		assert.is(await ones([3]).sum().item(), 3);
		await shutdown();
		give(expired, expired, good);
		const refused = await init({ device: 'webgpu' }).catch((error: unknown) => error);
		assert.match(String(refused), /^DeviceError: init: the adapter .* gave no device: Error: the adapter has expired/);
	} finally {
		if (own === undefined) Reflect.deleteProperty(globalThis, 'navigator');
		else Object.defineProperty(globalThis, 'navigator', own);
	}
	await shutdown();
});

test('concurrent init and shutdown never choose the CPU, and the last call wins', async () => {
	const warn = console.warn;
	const warnings: unknown[] = [];
	console.warn = (...words: unknown[]) => void warnings.push(words);
	try {
		for (let round = 0; round < 12; round++) {
			const turns = Math.floor(round / 3);
			const calls = [init()];
			for (let turn = 0; turn < turns; turn++) await Promise.resolve();
			if (round % 3 > 0) await new Promise((resolve) => setTimeout(resolve, turns));
			const down = shutdown();
			if (round % 2 === 0) calls.push(init());
			for (const { device } of await Promise.all(calls)) assert.is(device, 'webgpu');
			await down;
			if (round % 2 === 0) assert.is(await ones([3]).sum().item(), 3);
			else assert.throws(() => ones([3]), /shut down/);
			await shutdown();
		}
	} finally {
		console.warn = warn;
	}
	assert.equal(warnings, []);
});

test.run();
