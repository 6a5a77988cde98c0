/** What DistributedDataParallel promises, on two ranks: each check runs on both. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { init, manualSeed, nn, ones, optim, randn, tensor } from 'wgrad';
import {
	allGatherObject,
	DistributedDataParallel,
	DistributedSampler,
	initProcessGroup,
	manualSeedByRank,
	SharedStore,
} from 'wgrad/distributed';

/** Runs all checks, which throw. */
export async function parallelChecks(): Promise<void> {
	const { rank } = await initProcessGroup({ timeout: 60_000 });
	await init({ device: 'cpu' });
	const checks = { incompleteGradients, unusedParameters, differentModels, buffers, sharedStore, seeds, samplers };
	for (const [name, check] of Object.entries(checks)) {
		await check(rank);
		if (rank === 0) console.log(`${name} hold`);
	}
}

async function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
	const error = await promise.then(
		() => null,
		(error: Error) => error,
	);
	assert.match(error?.message ?? 'no error', message);
}

async function incompleteGradients(rank: number): Promise<void> {
	const model = await DistributedDataParallel.wrap(new nn.Linear(2, 1));
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	const pass = () =>
		model
			.forward(tensor([[rank, 1]]))
			.sum()
			.backward();
	pass();
	assert.throws(() => optimizer.step(), /SGD\.step: a gradient is not complete\. Call await model\.synchronize\(\)/);
	assert.throws(pass, /a second backward\(\) before await model\.synchronize\(\)/);
	await model.synchronize();
	// The second pass added its gradient of the weight or of the bias before it threw, on both ranks alike.
	optimizer.zeroGrad();
	model.noSync(pass);
	pass();
	await model.synchronize();
	optimizer.step();
	assert.equal(await model.module.weight.grad!.toArray(), [[1, 2]]);
	assert.equal(await model.module.bias!.grad!.toArray(), [2]);
	assert.equal(Object.keys(model.stateDict()), ['module.weight', 'module.bias']);
}

class Branches extends nn.Module {
	readonly first = new nn.Linear(2, 1, { bias: false });
	readonly second = new nn.Linear(2, 1, { bias: false });
	readonly third = new nn.Linear(2, 1, { bias: false });

	override forward(which: 'first' | 'second') {
		return this[which].forward(ones([1, 2])).sum();
	}
}

async function unusedParameters(rank: number): Promise<void> {
	const strict = await DistributedDataParallel.wrap(new Branches());
	strict.forward('first').backward();
	await rejects(
		strict.synchronize(),
		/second\.weight got no gradient.*findUnusedParameters: true|third\.weight, second\.weight got no gradient/,
	);
	const model = await DistributedDataParallel.wrap(new Branches(), { findUnusedParameters: true });
	model.forward(rank === 0 ? 'first' : 'second').backward();
	await model.synchronize();
	const { first, second, third } = model.module;
	assert.equal(await first.weight.grad!.toArray(), [[0.5, 0.5]]);
	assert.equal(await second.weight.grad!.toArray(), [[0.5, 0.5]]);
	assert.is(third.weight.grad, null);
}

async function differentModels(rank: number): Promise<void> {
	await rejects(
		DistributedDataParallel.wrap(new nn.Linear(2, 1 + rank)),
		/the models differ: tensor 0 is 'weight float32 \[1, 2\]' on rank 0 and 'weight float32 \[2, 2\]' on rank 1/,
	);
}

async function buffers(rank: number): Promise<void> {
	manualSeed(rank);
	const model = await DistributedDataParallel.wrap(new nn.BatchNorm1d(3));
	model
		.forward(randn([4, 3]))
		.square()
		.sum()
		.backward();
	await model.synchronize();
	const [first, second] = await allGatherObject(Array.from(await model.module.runningMean.data()));
	assert.equal(second, first);
	assert.ok(first!.every((value) => value !== 0));
}

async function sharedStore(rank: number): Promise<void> {
	const store = new SharedStore();
	const [name] = await allGatherObject(join(tmpdir(), `wgrad-shared-${process.pid}`));
	assert.is(await store.read(name!), null);
	await store.write(name!, Uint8Array.of(rank, 7));
	assert.equal(await store.read(name!), Uint8Array.of(0, 7));
	await store.remove(name!);
	assert.is(await store.read(name!), null);
	await rejects(store.write('/proc/nothing', Uint8Array.of(1)), /./);
}

async function seeds(): Promise<void> {
	manualSeedByRank(5);
	const [first, second] = await allGatherObject(Array.from(await randn([3]).data()));
	manualSeed(5);
	assert.equal(first, Array.from(await randn([3]).data()));
	assert.not.equal(second, first);
}

async function samplers(): Promise<void> {
	const sampler = new DistributedSampler(7, { seed: 3 });
	sampler.setEpoch(1);
	const parts = await allGatherObject(Array.from(sampler.indices()));
	assert.equal(
		parts.map(({ length }) => length),
		[4, 4],
	);
	assert.equal([...new Set(parts.flat())].sort(), [0, 1, 2, 3, 4, 5, 6]);
}
