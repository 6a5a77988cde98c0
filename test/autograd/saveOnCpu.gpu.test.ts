/** What the tape saves waits on the host: the bits of a run without, and less GPU memory. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	checkpoint,
	crossEntropy,
	type DType,
	grad,
	init,
	manualSeed,
	memory,
	nn,
	noGrad,
	optim,
	randint,
	randn,
	saveOnCpu,
	sync,
	type Tensor,
	tidy,
} from 'wgrad';
import { fit } from 'wgrad/train';
import { heldTensors } from '../collected';
import { hasFloat16 } from '../proofs/half';

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** Parts that hold nothing but their results, so that what they save can move. */
function parts(x: Tensor, w: Tensor): Tensor {
	let y = x;
	for (let i = 0; i < 4; i++) y = tidy(() => y.matmul(w).tanh().mul(y.sigmoid()).mul(0.5));
	return y.square().mean();
}

async function bits(...tensors: Tensor[]): Promise<number[][]> {
	return Promise.all(tensors.map(async (tensor) => Array.from(await tensor.detach().data())));
}

function inputs(): [x: Tensor, w: Tensor] {
	manualSeed(5);
	return [randn([64, 32]).requiresGrad_(), randn([32, 32]).requiresGrad_()];
}

async function rejects(run: () => Promise<unknown>, message: RegExp): Promise<void> {
	try {
		await run();
	} catch (error) {
		assert.match((error as Error).message, message);
		return;
	}
	assert.unreachable();
}

test('gradients have the same bits, and the memory is on the host before the backward pass', async () => {
	const [x, w] = inputs();
	await sync();
	const start = memory().gpu!.live;
	const plain = parts(x, w);
	const kept = memory().gpu!.live - start;
	const expected = await bits(...grad(plain, [x, w]));
	plain.dispose();
	await sync();
	const before = memory();
	const moved = await saveOnCpu(() => parts(x, w));
	const during = memory();
	assert.ok(during.savedOnCpu >= 10 * 64 * 32 * 4, `${during.savedOnCpu} bytes`);
	assert.ok(during.gpu!.live - before.gpu!.live < kept / 3, `${during.gpu!.live - before.gpu!.live} of ${kept}`);
	for (const retainGraph of [true, false]) assert.equal(await bits(...grad(moved, [x, w], { retainGraph })), expected);
	moved.dispose();
	assert.is(memory().savedOnCpu, 0);
});

test('second derivatives', async () => {
	const [x, w] = inputs();
	const second = (loss: Tensor) => {
		const [first] = grad(loss, [x], { createGraph: true });
		return grad(first!.square().sum(), [x, w]);
	};
	const expected = await bits(...second(parts(x, w)));
	assert.equal(await bits(...second(await saveOnCpu(() => parts(x, w)))), expected);
});

test('with checkpoints: inside one nothing moves, and one inside computes again', async () => {
	const [x, w] = inputs();
	const run = (y: Tensor) => checkpoint((a, b) => parts(a, b), y, w);
	const expected = await bits(...grad(parts(x, w), [x, w]));
	assert.equal(await bits(...grad(await saveOnCpu(() => run(x)), [x, w])), expected);
	const pending: Promise<Tensor>[] = [];
	const outer = checkpoint((y) => {
		pending.push(saveOnCpu(() => tidy(() => y.tanh().exp())));
		return parts(y, w);
	}, x);
	assert.is(memory().savedOnCpu, 0);
	assert.equal(await bits(...grad(outer, [x, w])), expected);
	await Promise.all(pending);
});

class Block extends nn.Module {
	readonly inner = new nn.Linear(32, 64);
	readonly drop = new nn.Dropout(0.2);
	readonly outer = new nn.Linear(64, 32);

	override forward(x: Tensor): Tensor {
		return x.add(this.outer.forward(this.drop.forward(this.inner.forward(x).tanh())));
	}
}

class Net extends nn.Module {
	readonly blocks = new nn.ModuleList([new Block(), new Block(), new Block()]);
	readonly head = new nn.Linear(32, 3);
	/** The most bytes that the last part has seen on the GPU, and on the host. */
	readonly most = { live: 0, savedOnCpu: 0 };

	override forward(x: Tensor): Tensor {
		let y = x;
		for (const block of this.blocks) y = block.forward(y);
		const { gpu, savedOnCpu } = memory();
		this.most.live = Math.max(this.most.live, gpu!.live);
		this.most.savedOnCpu = Math.max(this.most.savedOnCpu, savedOnCpu);
		return this.head.forward(y);
	}
}

test('fit moves what the named modules save, and its bits stay the same', async () => {
	assert.is(memory().savedOnCpu, 0);
	const train = async (options: { offload?: string[]; checkpoint?: string[]; precision?: Extract<DType, 'float16'> }) => {
		manualSeed(7);
		const model = new Net();
		const data = [randn([256, 32]), randint(0, 3, [256])];
		await sync();
		const before = memory().gpu!.live;
		await fit(model, data, {
			loss: crossEntropy,
			optimizer: new optim.SGD(model.parameters(), { lr: 0.01 }),
			batchSize: 64,
			accumulateSteps: 2,
			seed: 1,
			verbose: 0,
			...options,
		});
		assert.not.ok(Object.hasOwn(model.blocks.at(0), 'forward'));
		const state = await bits(...model.parameters());
		for (const tensor of [...data, ...model.parameters()]) tensor.dispose();
		return { state, live: model.most.live - before, savedOnCpu: model.most.savedOnCpu };
	};
	const plain = await train({});
	const moved = await train({ offload: ['blocks.*'] });
	assert.equal(moved.state, plain.state);
	assert.ok(moved.savedOnCpu > 3 * 64 * 64 * 4, `${moved.savedOnCpu} bytes`);
	assert.ok(plain.live - moved.live > 0.7 * moved.savedOnCpu, `${plain.live} and ${moved.live} bytes`);
	assert.equal((await train({ offload: ['blocks.*'], checkpoint: ['blocks.1'] })).state, plain.state);
	if (hasFloat16()) {
		const precision = 'float16';
		assert.equal((await train({ precision, offload: ['blocks.*'] })).state, (await train({ precision })).state);
	}
	assert.is(memory().savedOnCpu, 0);
	await rejects(() => train({ offload: ['layers.*'] }), /fit: no module matches 'layers\.\*' of offload; the model has: blocks/);
});

test('errors: too early, overwritten, not a synchronous function', async () => {
	const [x, w] = inputs();
	let early: Tensor | null = null;
	const pending = saveOnCpu(() => {
		early = parts(x, w);
		return early;
	});
	assert.throws(
		() => grad(early!, [x], { retainGraph: true }),
		/backward: a saved tensor of shape \[64, 32\] is still on its way to the host\. Await the promise of saveOnCpu\(\) before backward\(\)/,
	);
	assert.is(grad(await pending, [x]).length, 1);
	const overwritten = async () => {
		const written = await saveOnCpu(() => {
			const y = x.mul(1);
			const z = y.exp().mul(y);
			noGrad(() => y.add_(1));
			return tidy(() => z.sum());
		});
		assert.throws(() => grad(written, [x]), /backward: 'mul' saved a tensor of shape \[64, 32\] that 'add_' has overwritten/);
		assert.is(memory().savedOnCpu, 2 * 64 * 32 * 4);
	};
	await overwritten();
	// The graph lives on after a walk that fails, until the collector finds it.
	for (let i = 0; i < 20 && memory().savedOnCpu > 0; i++) await heldTensors();
	if (globalThis.gc !== undefined) assert.is(memory().savedOnCpu, 0);
	await rejects(() => saveOnCpu(async () => 1), /saveOnCpu: the function must not be async/);
	await rejects(() => saveOnCpu(5 as never), /saveOnCpu: fn must be a function such as/);
});

test.run();
