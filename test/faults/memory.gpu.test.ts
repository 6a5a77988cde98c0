/**
 * A device without memory for a tensor: the error shows what uses the memory, existing tensors do not change, and smaller work
 * continues.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	crossEntropy,
	DeviceError,
	init,
	manualSeed,
	memory,
	nn,
	ones,
	optim,
	randint,
	randn,
	shutdown,
	sync,
	type Tensor,
	tensor,
	tidy,
} from 'wgrad';
import { fit } from 'wgrad/train';
import { runFor } from '../soak/campaign';
import { outOfMemory } from '../soak/outOfMemory';
import { assertRejects, points, weightsOf } from '../train/setting';
import { type FaultyAdapter, faultyAdapter } from './adapter';

test.after(() => shutdown());

const REFUSAL = /: the GPU has no .* left\. Take smaller batches/;

async function start(refuses: (bytes: number, buffer: number) => boolean): Promise<FaultyAdapter> {
	await shutdown();
	const adapter = await faultyAdapter({ refuses });
	await init({ device: 'webgpu', adapter });
	manualSeed(1);
	return adapter;
}

for (const bytes of [2 ** 16, 2 ** 24]) {
	test(`the error of a tensor of ${bytes} bytes without memory names it and shows a table`, async () => {
		const adapter = await start((size) => size >= bytes);
		const model = new nn.Linear(16, 16);
		const small = ones([8, 16]);
		const before = [...(await model.forward(small).data())];
		const failing = () => tidy(() => model.forward(randn([bytes / 64, 16])).sum()).item();
		const message = /^randn: a float32 tensor \[\d+, 16\] of \d+ elements: the GPU has no .* left\. Take smaller batches/;
		await assertRejects(failing, message);
		assert.ok(adapter.refusals > 0);
		const error: unknown = await failing().catch((error) => error);
		assert.instance(error, DeviceError);
		const table = (error as Error).message;
		assert.match(table, /Live, by the operation that made it:\n(.*\n)* +[\d.]+ [KM]?i?B {2}ones, 1 tensors/);
		assert.match(table, /The largest:\n +[\d.]+ [KM]iB {2}randn: a float32 tensor \[\d+, 16\] of \d+ elements/);
		assert.not.match(table, /Reported after it/);
		await sync();
		assert.equal([...(await model.forward(small).data())], before, 'what was live computes as before');
	});
}

const SMALL = 8;
const LARGE = 4096;

class Setting {
	readonly model = new nn.Sequential(
		new nn.Linear(16, 32),
		new nn.BatchNorm1d(32),
		new nn.ReLU(),
		new nn.Dropout(0.2),
		// Enough launches for several submits; the device runs those that bind no refused buffer.
		...Array.from({ length: 8 }, () => [new nn.Linear(32, 32), new nn.ReLU()]).flat(),
		new nn.Linear(32, 4),
	);
	readonly optimizer = new optim.Adam(this.model.parameters(), { lr: 1e-2 });

	/** A step on samples that are the same for every step with the same seed. Returns the loss. */
	step(batch: number, seed: number): Tensor {
		manualSeed(seed);
		return tidy(() => {
			const y = randint(0, 4, [batch]);
			const x = randn([batch, 16]).add(y.to('float32').unsqueeze(1));
			const loss = crossEntropy(this.model.forward(x), y);
			this.optimizer.zeroGrad();
			loss.backward();
			this.optimizer.step();
			return loss;
		});
	}

	async train(batch: number, seed: number): Promise<number> {
		const loss = this.step(batch, seed);
		const value = await loss.item();
		loss.dispose();
		return value;
	}

	/** The bits of parameters, buffers and state tensors. */
	async values(): Promise<Map<string, number[]>> {
		const found = new Map<string, number[]>();
		const { state } = this.optimizer.stateDict();
		const states = Object.entries(state).flatMap(([index, own]) =>
			Object.entries(own).flatMap(([key, value]): [string, Tensor][] =>
				typeof value === 'number' ? [] : [[`${key} of ${index}`, value]],
			),
		);
		for (const [name, tensor] of [...Object.entries(this.model.stateDict()), ...states]) {
			found.set(name, [...new Int32Array(new Float32Array(await tensor.data()).buffer)]);
			tensor.dispose();
		}
		return found;
	}
}

/** The number of large buffers that a step on a large batch makes, and the values after that step. */
async function undisturbed(): Promise<{ most: number; complete: Map<string, number[]> }> {
	let count = 0;
	await start((bytes) => {
		if (bytes >= LARGE) count++;
		return false;
	});
	const setting = new Setting();
	await setting.train(LARGE / 2, 1);
	await setting.train(SMALL, 2);
	const before = count;
	await setting.train(LARGE, 4);
	return { most: count - before, complete: await setting.values() };
}

/** Each refusal needs a new device, for which a page compiles every kernel again. */
const STRIDE = typeof document === 'undefined' ? 1 : 4;

const WAYS = ['by the loss', 'by sync', 'by the next step'];

test('a step without memory does not change the training, whichever buffer is refused', async () => {
	const { most, complete } = await undisturbed();
	assert.ok(most > 5, `${most} buffers`);
	for (let refused = 1; refused <= most; refused += 4 * STRIDE) {
		const told = WAYS[refused % WAYS.length]!;
		const what = `buffer ${refused}, told ${told}`;
		let armed = false;
		let count = 0;
		const adapter = await start((bytes) => armed && bytes >= LARGE && ++count === refused);
		const setting = new Setting();
		// Pipelines are compiled first: a step that waits for them would not show what runs before the refusal arrives.
		await setting.train(LARGE / 2, 1);
		await setting.train(SMALL, 2);
		const before = await setting.values();
		const live = memory();
		armed = true;
		const failing = async () => {
			const loss = setting.step(LARGE, 4);
			try {
				if (told === 'by the loss') await loss.item();
				else if (told === 'by sync') await sync();
				else {
					for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 5));
					setting.step(SMALL, 5);
				}
			} finally {
				loss.dispose();
			}
		};
		await assertRejects(failing, REFUSAL);
		assert.is(adapter.refusals, 1, what);
		const after = await setting.values();
		for (const [name, bits] of before) {
			// Work before the refused tensor has run.
			const hasRun = refused > 1 && name.startsWith('1.') && String(after.get(name)) !== String(bits);
			assert.equal(after.get(name), hasRun ? complete.get(name) : bits, `${what}: ${name}`);
			assert.ok(!hasRun || /running|num_batches/.test(name), `${what}: ${name}`);
		}
		assert.is(memory().gpu!.liveStorages, live.gpu!.liveStorages, what);
		assert.is(memory().gpu!.staging, live.gpu!.staging, what);
		const losses: number[] = [];
		for (let seed = 6; seed < 26; seed++) losses.push(await setting.train(SMALL * 4, seed));
		assert.ok(losses.every(Number.isFinite), `${what}: ${losses}`);
		const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
		assert.ok(mean(losses.slice(-5)) < mean(losses.slice(0, 5)), `${what}: ${losses}`);
		assert.is(memory().gpu!.liveStorages, live.gpu!.liveStorages, what);
	}
});

test('after a first step without memory, training gives the bits of a run that never tried it', async () => {
	const run = async (refused: number) => {
		let count = 0;
		let armed = false;
		const adapter = await start(() => armed && ++count === refused);
		const model = new nn.Sequential(new nn.Linear(16, 32), new nn.Dropout(0.2), new nn.Linear(32, 4));
		const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
		const step = async (batch: number, seed: number) => {
			manualSeed(seed);
			const loss = tidy(() => {
				const loss = crossEntropy(model.forward(randn([batch, 16])), randint(0, 4, [batch]));
				optimizer.zeroGrad();
				loss.backward();
				optimizer.step();
				return loss;
			});
			await loss.item();
		};
		await sync();
		if (refused > 0) {
			armed = true;
			await assertRejects(() => step(1024, 1), REFUSAL);
			armed = false;
			assert.is(adapter.refusals, 1);
			await sync();
		}
		for (let seed = 2; seed < 5; seed++) await step(16, seed);
		return [await weightsOf(model), count] as const;
	};
	const [undisturbed] = await run(0);
	const [, buffers] = await run(1);
	assert.ok(buffers > 10, `${buffers} buffers`);
	for (let refused = 1; refused <= buffers; refused += 3 * STRIDE)
		assert.equal((await run(refused))[0], undisturbed, `buffer ${refused}`);
});

test('a tensor that could not be computed for lack of memory throws a clear error, also later', async () => {
	let armed = true;
	await start((bytes) => armed && bytes >= 2 ** 20);
	const base = ones([4]);
	const y = tidy(() =>
		randn([2 ** 20])
			.sum()
			.add(base),
	);
	await assertRejects(() => sync(), REFUSAL);
	armed = false;
	const message = /: a tensor has no values, because the device had no memory to compute it\. Compute it again/;
	await assertRejects(() => y.data(), message);
	assert.throws(() => y.mul(2), message);
	assert.equal([...(await base.mul(2).data())], [2, 2, 2, 2]);
});

test('an upload without memory is named, and no other error appears', async () => {
	let armed = true;
	await start((bytes) => armed && bytes >= 2 ** 20);
	const upload = () =>
		tensor(new Float32Array(2 ** 20), { shape: [1024, 1024] })
			.add(1)
			.data();
	const error: unknown = await upload().catch((error) => error);
	assert.match(
		(error as Error).message,
		/^tensor: a float32 tensor \[1024, 1024\] of 1048576 elements: the GPU has no 4\.0\d* MiB left/,
	);
	assert.not.match((error as Error).message, /Reported after it/);
	armed = false;
	assert.is((await upload())[5], 1);
});

test('a fit without memory rejects, and continues with smaller batches', async () => {
	await start((bytes) => bytes >= 2 ** 15);
	const [x, y] = points(2048, 'cpu');
	const model = new nn.Sequential(new nn.Linear(4, 32), new nn.BatchNorm1d(32), new nn.ReLU(), new nn.Linear(32, 2));
	const before = await weightsOf(model);
	const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 });
	const options = { loss: crossEntropy, optimizer, epochs: 3, verbose: 0 } as const;
	await assertRejects(() => fit(model, [x, y], { ...options, batchSize: 2048 }), REFUSAL);
	assert.equal(await weightsOf(model), before);
	const { epochs } = await fit(model, [x, y], { ...options, batchSize: 32 });
	assert.ok(epochs[2]!.loss < epochs[0]!.loss, JSON.stringify(epochs));
});

test('trainings on a device that refuses random buffers give the bits of undisturbed ones', async () => {
	const { refusals } = await runFor(3000, 'out of memory', outOfMemory);
	assert.ok(refusals! > 0);
});

test.run();
