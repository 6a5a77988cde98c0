/**
 * Indices out of range on the GPU: when and how often they are reported, and what continues afterwards. The database tests the
 * messages of every operation; this file tests who receives them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	ArgumentError,
	crossEntropy,
	embedding,
	embeddingBag,
	gather,
	init,
	memory,
	nn,
	oneHot,
	ones,
	optim,
	scatterAdd,
	shutdown,
	sync,
	type Tensor,
	take,
	tensor,
	tidy,
	zeros,
} from 'wgrad';
import { fit } from 'wgrad/train';
import { heldTensors, settled } from '../collected';
import { stream } from '../ops/database';
import { assertRejects } from '../train/setting';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const int = (values: readonly number[]) => tensor(values, { dtype: 'int32' });
const OUT = /^take: index 5 is out of range for the elements of \[3\] of size 3/;
const outOfRange = (): Tensor => take(ones([3]), int([1, 5]));

const TOLD: Record<string, () => Promise<unknown>> = {
	'data() of the result': () => outOfRange().data(),
	'data() of another tensor': () => {
		const other = ones([2]);
		outOfRange();
		return other.data();
	},
	'data() of a view': () => {
		const other = zeros([2, 3]);
		outOfRange();
		return other.transpose(0, 1).data();
	},
	'data() of an empty tensor': () => {
		const other = ones([0]);
		outOfRange();
		return other.data();
	},
	'item()': () => outOfRange().sum().item(),
	'toArray()': () => outOfRange().toArray(),
	"to('cpu')": () => outOfRange().to('cpu'),
	'sync()': () => {
		outOfRange();
		return sync();
	},
};

for (const [name, call] of Object.entries(TOLD)) {
	test(`${name} reports an index out of range, once`, async () => {
		await assertRejects(call, OUT);
		await sync();
		assert.equal(await take(ones([3]), int([2])).toArray(), [1]);
	});
}

const CALLED: Readonly<Record<string, () => Tensor>> = {
	embedding: () => embedding(int([0, 3]), zeros([3, 2])),
	// Composed of other operations: more of the library's own frames are above the caller's.
	embeddingBag: () => embeddingBag(int([0, 1, 3]), zeros([3, 2]), { offsets: int([0, 2]) }),
};
for (const [name, call] of Object.entries(CALLED)) {
	test(`the error of ${name} names the index and the place of the call`, async () => {
		function theCaller() {
			return call();
		}
		const error = await theCaller()
			.data()
			.catch((caught: unknown) => caught);
		assert.instance(error, ArgumentError);
		const { message } = error as Error;
		assert.match(
			message,
			new RegExp(`^${name}: index 3 is out of range for the rows of \\[3, 2\\] of size 3\\. It was called at\n`),
		);
		assert.match(message, /theCaller.*:\d+:\d+/);
		// In Node the stack names source files, so folders tell the library's frames from the caller's.
		if (typeof document === 'undefined')
			assert.match(message, /called at\n {4}at .*\(.*outOfRange\.gpu\.test\.ts:\d+:\d+\)\n {4}at theCaller \(/);
	});
}

test('step() throws the errors that have arrived, before it changes a parameter', async () => {
	const weight = ones([3], { requiresGrad: true });
	const optimizer = new optim.SGD([weight], { lr: 1 });
	let thrown: unknown;
	let steps = 0;
	for (; thrown === undefined && steps < 1000; steps++) {
		optimizer.zeroGrad();
		take(weight, int(steps === 2 ? [7] : [1]))
			.sum()
			.backward();
		try {
			optimizer.step();
		} catch (error) {
			thrown = error;
		}
		// Without a read, an idle program gets the report all the same.
		await new Promise((resolve) => setTimeout(resolve));
	}
	assert.instance(thrown, ArgumentError);
	assert.match((thrown as Error).message, /^take: index 7 is out of range/);
	const moved = (await weight.data())[1]!;
	optimizer.step();
	assert.is((await weight.data())[1], moved - 1);
});

test('concurrent reads all reject with the error, later reads do not', async () => {
	const results = await Promise.allSettled([outOfRange().data(), gather(ones([2]), 0, int([4])).data(), sync()]);
	for (const result of results)
		assert.match(result.status === 'rejected' ? result.reason.message : 'nothing', /^(take|gather): index/);
	await sync();
});

const SCORES: Record<string, (x: Tensor, isWrong: boolean) => Tensor> = {
	embedding: (x, isWrong) => embedding(int([0, isWrong ? 3 : 2]), x).sum(),
	crossEntropy: (x, isWrong) => crossEntropy(x, int([0, isWrong ? 3 : 1, 2])),
	'a masked crossEntropy': (x, isWrong) => crossEntropy(x, int([-100, isWrong ? -1 : 1, 2]), { reduction: 'sum' }),
};

for (const [name, loss] of Object.entries(SCORES)) {
	test(`step() throws the error of ${name} in a loop without reads, each time again`, async () => {
		const x = zeros([3, 3], { requiresGrad: true });
		const optimizer = new optim.SGD([x], { lr: 1 });
		const thrown: string[] = [];
		let wrongAt = 2;
		let steps = 0;
		for (; thrown.length < 2 && steps < 1000; steps++) {
			optimizer.zeroGrad();
			loss(x, steps === wrongAt).backward();
			try {
				optimizer.step();
			} catch (error) {
				thrown.push((error as Error).message);
				wrongAt = steps + 3;
			}
			await new Promise((resolve) => setTimeout(resolve));
		}
		assert.is(thrown.length, 2, `after ${steps} steps`);
		for (const message of thrown) assert.match(message, /^(embedding: index 3|crossEntropy: target (3|-1) is no class)/);
		assert.equal(await ones([2]).toArray(), [1, 1]);
		await sync();
	});

	test(`the first read after a loop without awaits throws the error of ${name}`, async () => {
		const x = zeros([3, 3], { requiresGrad: true });
		const optimizer = new optim.SGD([x], { lr: 1 });
		for (let step = 0; step < 20; step++) {
			optimizer.zeroGrad();
			loss(x, step === 5).backward();
			optimizer.step();
		}
		const other = ones([2]);
		await assertRejects(() => other.data(), /^(embedding: index 3|crossEntropy: target (3|-1) is no class)/);
		assert.equal(await other.toArray(), [1, 1]);
	});
}

test('one error reports several launches, each with its largest index', async () => {
	gather(ones([4]), 0, int([1, -1, 9, 4, -9]));
	oneHot(int([8]), 2);
	const found = await sync().catch((error: unknown) => error);
	assert.instance(found, ArgumentError);
	assert.match((found as Error).message, /^gather: index 9 is out of range for dim 0 of \[4\]/);
	assert.match((found as Error).message, /\nReported after it:\n {4}oneHot: index 8 is out of range/);
	await sync();
	oneHot(int([8]), 2);
	await assertRejects(sync, /^oneHot: index 8 is out of range/);
});

test('reports that arrive before the throw are included', async () => {
	gather(ones([4]), 0, int([9]));
	// The program is idle, so the report arrives without a read.
	await new Promise((resolve) => setTimeout(resolve, 100));
	oneHot(int([8]), 2);
	await new Promise((resolve) => setTimeout(resolve, 100));
	for (let i = 0; i < 9; i++) take(ones([3]), int([4]));
	await assertRejects(
		sync,
		/^gather: index 9[\s\S]*Reported after it:\n {4}oneHot: index 8[\s\S]*\n {4}take: index 4[\s\S]*\n {4}take: index 4/,
	);
	await sync();
});

test('the extremes of int32 are out of range, too', async () => {
	const { data } = { data: int([-(2 ** 31)]) };
	await assertRejects(() => gather(ones([4]), 0, data).data(), /^gather: index -214748364[78] is out of range/);
	await assertRejects(() => gather(ones([4]), 0, int([2 ** 31 - 1])).data(), /^gather: index 2147483647 is out of range/);
});

for (const place of [0, 254, 255, 700]) {
	test(`launch ${place} of a thousand without awaits is reported`, async () => {
		const table = ones([3]);
		tidy(() => {
			for (let i = 0; i < 1000; i++) take(table, int([i === place ? 3 : i % 3]));
		});
		await assertRejects(sync, /^take: index 3 is out of range/);
		assert.equal(await take(table, int([0])).toArray(), [1]);
		await sync();
	});
}

test('the backward pass does not report it again', async () => {
	const weight = zeros([3, 2], { requiresGrad: true });
	const rows = embedding(int([1, 3]), weight);
	await assertRejects(sync, /^embedding: index 3/);
	rows.sum().backward();
	assert.equal(await weight.grad!.toArray(), [
		[0, 0],
		[1, 1],
		[0, 0],
	]);
	const scores = zeros([2, 3], { requiresGrad: true });
	const loss = crossEntropy(scores, int([0, 3]));
	await assertRejects(sync, /^crossEntropy: target 3 is no class/);
	loss.backward();
	assert.ok((await scores.grad!.data())[0]! < 0);
});

test('checks hold neither memory nor tensors', async () => {
	await sync();
	// The runner starts Node with --expose-gc, but not pages.
	if (globalThis.gc === undefined) return;
	const before = await settled();
	for (let i = 0; i < 40; i++) ones([3]).gather(0, int([i % 3]));
	// No read and no sync: the program is idle until the GPU has answered.
	for (let i = 0; i < 100 && (await heldTensors()) > before.tensors; i++) await new Promise((resolve) => setTimeout(resolve, 10));
	assert.equal({ tensors: await heldTensors(), live: memory().gpu!.live }, before);
});

test('fit ends with the error', async () => {
	const model = new nn.Sequential(new nn.Linear(2, 3));
	const y = int([0, 1, 2, 3, 0, 1, 2, 0]);
	const run = fit(model, [ones([8, 2]), y], {
		loss: crossEntropy,
		optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
		batchSize: 2,
		epochs: 200,
		verbose: 0,
	});
	await assertRejects(() => run, /^crossEntropy: target 3 is no class: they are 0 to 2/);
	await sync();
});

test("random valid and invalid indices give the CPU's result or its error", async () => {
	const next = stream('out of range');
	const below = (n: number) => Math.floor(next() * n);
	for (let round = 0; round < 120; round++) {
		const [rows, columns] = [1 + below(6), 1 + below(5)];
		const place = () => (next() < 0.05 ? [-1 - below(3), rows + below(3)][below(2)]! : below(rows));
		const list = Array.from({ length: 1 + below(9) }, place);
		const values = Array.from({ length: rows * columns }, () => below(100));
		const operation = below(4);
		const run = (device: 'cpu' | 'webgpu') => {
			const x = tensor(values, { shape: [rows, columns], device });
			const index = tensor(list, { dtype: 'int32', device });
			if (operation === 0) return embedding(index, x);
			if (operation === 1) return x.indexSelect(0, index);
			if (operation === 2) return gather(x.select(1, 0), 0, index);
			return scatterAdd(x.select(1, 0), 0, index, ones([list.length], { device }));
		};
		const wrong = list.filter((value) => value < 0 || value >= rows);
		if (wrong.length === 0) {
			assert.equal(await run('webgpu').toArray(), await run('cpu').toArray());
			continue;
		}
		let refusal = '';
		try {
			run('cpu');
		} catch (error) {
			refusal = (error as Error).message;
		}
		assert.match(refusal, `index ${wrong[0]} is out of range`);
		const told = refusal.replace(`index ${wrong[0]}`, `index ${Math.max(...wrong)}`);
		const found = await run('webgpu')
			.data()
			.then(
				() => 'nothing',
				(error: Error) => error.message,
			);
		assert.is(found.split('. It was called at')[0], told);
	}
});

test('after shutdown a second init starts clean', async () => {
	outOfRange();
	await shutdown();
	await init({ device: 'webgpu' });
	assert.equal(await take(ones([3]), int([0])).toArray(), [1]);
	await sync();
});

test.run();
