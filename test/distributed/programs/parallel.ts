/** What DistributedDataParallel promises, on two ranks: each check runs on both. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { init, manualSeed, mseLoss, nn, ones, optim, randn, type Tensor, tensor } from 'wgrad';
import {
	allGatherObject,
	convertSyncBatchNorm,
	crossValidate,
	DiLoCo,
	DistributedDataParallel,
	DistributedSampler,
	initProcessGroup,
	manualSeedByRank,
	rank,
	SharedStore,
	search,
	type Trial,
	ZeroRedundancyOptimizer,
} from 'wgrad/distributed';
import { fit } from 'wgrad/train';

/** Runs all checks, which throw. */
export async function parallelChecks(): Promise<void> {
	const { rank } = await initProcessGroup({ timeout: 60_000 });
	await init({ device: 'cpu' });
	const checks = {
		syncBatchNorm,
		shardedState,
		outerSteps,
		hyperParameters,
		folds,
		fitted,
		incompleteGradients,
		unusedParameters,
		differentModels,
		buffers,
		sharedStore,
		seeds,
		samplers,
	};
	for (const [name, check] of Object.entries(checks)) {
		await check(rank);
		if (rank === 0) console.log(`${name} hold`);
	}
}

/** A few steps of one model by an optimizer, with this rank's part of each batch. */
async function trained(step: (net: nn.Sequential, parts: (n: number) => [Tensor, Tensor]) => Promise<void>): Promise<number[]> {
	manualSeed(3);
	const net = new nn.Sequential(new nn.Linear(4, 5), new nn.Tanh(), new nn.Linear(5, 2));
	await step(net, (n) => {
		manualSeed(10 + n);
		const [x, y] = [randn([8, 4]), randn([8, 2])];
		return [x.narrow(0, 4 * rank(), 4), y.narrow(0, 4 * rank(), 4)];
	});
	return (await Promise.all(net.parameters().map(async (parameter) => [...(await parameter.data())]))).flat();
}

function distance(a: readonly number[], b: readonly number[]): number {
	return Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...b);
}

async function shardedState(): Promise<void> {
	const make = (params: Iterable<Tensor>) => new optim.AdamW(params, { lr: 0.01 });
	let whole: object | null = null;
	const plain = await trained(async (net, parts) => {
		const model = await DistributedDataParallel.wrap(net);
		const optimizer = make(net.parameters());
		for (let n = 0; n < 6; n++) {
			optimizer.zeroGrad();
			const [x, y] = parts(n);
			mseLoss(model.forward(x as never) as Tensor, y).backward();
			await model.synchronize();
			optim.clipGradNorm(net.parameters(), 0.1);
			optimizer.step();
		}
		whole = optimizer.stateDict();
	});
	for (const stage of [1, 2]) {
		const sharded = await trained(async (net, parts) => {
			const optimizer = new ZeroRedundancyOptimizer(net.parameters(), make);
			const model = await DistributedDataParallel.wrap(net, { shard: stage === 1 ? null : optimizer });
			for (let n = 0; n < 6; n++) {
				optimizer.zeroGrad();
				const [x, y] = parts(n);
				mseLoss(model.forward(x as never) as Tensor, y).backward();
				await model.synchronize();
				if (stage === 1) optim.clipGradNorm(net.parameters(), 0.1);
				else await optimizer.clipGradNorm(0.1);
				await optimizer.step();
				if (n !== 2) continue;
				// Resumes from the state of all ranks.
				const saved = await optimizer.stateDict();
				optimizer.loadStateDict(saved);
			}
			const state = await optimizer.stateDict();
			assert.equal(Object.keys(state.state), Object.keys((whole as unknown as typeof state).state));
			const [mine, theirs] = await allGatherObject(optimizer.stateBytes());
			// Two float32 for each of 37 parameters.
			assert.is(mine! + theirs!, 37 * 8);
			assert.ok(Math.max(mine!, theirs!) < 37 * 8 * 0.6);
			if (stage === 2) {
				const kept = net.parameters().filter(({ grad }) => grad !== null);
				assert.ok(kept.every((parameter) => optimizer.ownerOf(parameter) === rank()));
			}
		});
		assert.ok(distance(sharded, plain) < 1e-6, `stage ${stage}: ${distance(sharded, plain)}`);
	}
}

async function syncBatchNorm(rank: number): Promise<void> {
	manualSeed(6);
	// Batches of different sizes.
	const [whole, target] = [randn([6, 3, 2, 2]).mul(3).add(1), randn([6, 3, 2, 2])];
	const [start, length] = rank === 0 ? [0, 4] : [4, 2];
	const alone = new nn.BatchNorm2d(3);
	const x = whole.clone().requiresGrad_();
	alone.forward(x).mul(target).sum().backward();
	const parted = convertSyncBatchNorm(new nn.Sequential(new nn.BatchNorm2d(3)));
	const part = whole.narrow(0, start, length).clone().requiresGrad_();
	const y = parted.forward(part);
	y.mul(target.narrow(0, start, length))
		.sum()
		.backward();
	const near = async (a: Tensor, b: Tensor) => {
		const [found, wanted] = [[...(await a.data())], [...(await b.data())]];
		assert.ok(distance(found, wanted) < 1e-6, `${found} is not ${wanted}`);
	};
	await near(part.grad!, x.grad!.narrow(0, start, length));
	await near(parted.getBuffer('0.running_mean'), alone.runningMean);
	await near(parted.getBuffer('0.running_var'), alone.runningVar);
	assert.equal(Object.keys(parted.stateDict()), Object.keys(new nn.Sequential(new nn.BatchNorm2d(3)).stateDict()));
	parted.eval();
	alone.eval();
	await near(parted.forward(part), alone.forward(part));
}

async function outerSteps(rank: number): Promise<void> {
	// Local SGD of one step is SGD with the mean gradient.
	const plain = await trained(async (net, parts) => {
		const model = await DistributedDataParallel.wrap(net);
		const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
		for (let n = 0; n < 4; n++) {
			optimizer.zeroGrad();
			const [x, y] = parts(n);
			mseLoss(model.forward(x as never) as Tensor, y).backward();
			await model.synchronize();
			optimizer.step();
		}
	});
	const local = await trained(async (net, parts) => {
		const outer = await DiLoCo.start(net.parameters(), { innerSteps: 1, outerLr: 1, outerMomentum: 0 });
		const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
		for (let n = 0; n < 4; n++) {
			optimizer.zeroGrad();
			const [x, y] = parts(n);
			mseLoss(net.forward(x as never) as Tensor, y).backward();
			optimizer.step();
			assert.is(await outer.step(), true);
		}
	});
	assert.ok(distance(local, plain) < 1e-6, `local SGD: ${distance(local, plain)}`);
	// Nesterov by hand: the ranks move 1 and 3 down, so the mean change is 2.
	const x = tensor([10]);
	const outer = await DiLoCo.start([x], { innerSteps: 2, outerLr: 0.5, outerMomentum: 0.5 });
	x.sub_(rank === 0 ? 1 : 3);
	assert.is(await outer.step(), false);
	assert.is(await outer.step(), true);
	// v = 2; the anchor moves by 0.5 (2 + 0.5 * 2).
	assert.is(await x.item(), 8.5);
	const saved = outer.stateDict();
	x.sub_(2);
	await outer.step();
	await outer.step();
	// v = 0.5 * 2 + 2 = 3; 0.5 (2 + 0.5 * 3).
	assert.is(await x.item(), 6.75);
	await outer.loadStateDict(saved);
	assert.equal(Array.from(await outer.stateDict().anchors[0]!.data()), [8.5]);
}

async function hyperParameters(rank: number): Promise<void> {
	const [folder] = await allGatherObject(rank === 0 ? mkdtempSync(join(tmpdir(), 'wgrad-search-')) : '');
	const options = {
		space: { lr: { logUniform: [1e-5, 1e-1] }, width: [8, 16], layers: { integer: [1, 3] } },
		strategy: 'asha',
		trials: 9,
		maxBudget: 9,
		folder: folder!,
	} as const;
	let runs = 0;
	const objective = async ({ config, budget }: Trial) => {
		runs++;
		await new Promise((resolve) => setTimeout(resolve, 1));
		return (Math.log10(config.lr as number) + 3) ** 2 + 1 / budget;
	};
	const table = await search(objective, options);
	const total = (await allGatherObject(runs)).reduce((a, b) => a + b, 0);
	assert.is(total, table.length);
	assert.is(table.filter(({ budget }) => budget === 1).length, 9);
	assert.ok(table.filter(({ budget }) => budget === 3).length >= 3);
	assert.ok(table.some(({ budget }) => budget === 9));
	const best = [...table].filter(({ budget }) => budget === 1).sort((a, b) => a.score - b.score)[0]!;
	assert.is(table[0]!.id, best.id);
	// A search that was killed: a claim without a result, which another call takes up.
	if (rank === 0) rmSync(join(folder!, `trial-${table[0]!.id}-9.result.json`));
	runs = 0;
	const again = await search(objective, options);
	assert.is(
		(await allGatherObject(runs)).reduce((a, b) => a + b, 0),
		1,
	);
	assert.equal(
		again.map(({ id, budget, score }) => [id, budget, score]),
		table.map(({ id, budget, score }) => [id, budget, score]),
	);
	await rejects(
		search(objective, { ...options, trials: 8 }),
		rank === 0 ? /holds a search with other options/ : /rank 0: search: .* other options/,
	);
	if (rank === 0) rmSync(folder!, { recursive: true });
}

async function folds(rank: number): Promise<void> {
	const scores = await crossValidate([10, 20, 30], (fold, index) => ({ fold, index, rank }));
	assert.equal(scores, [
		{ fold: 10, index: 0, rank: 0 },
		{ fold: 20, index: 1, rank: 1 },
		{ fold: 30, index: 2, rank: 0 },
	]);
}

async function fitted(rank: number): Promise<void> {
	manualSeed(4);
	const data = [randn([12, 3]), randn([12, 1])] as const;
	const run = async (distributed: boolean, batchSize: number) => {
		manualSeed(5);
		const net = new nn.Linear(3, 1);
		const history = await fit(net, data, {
			loss: mseLoss,
			optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }),
			epochs: 3,
			batchSize,
			shuffle: false,
			seed: 1,
			distributed,
			verbose: 0,
		});
		return [...(await net.weight.data()), ...(await net.bias!.data()), ...history.epochs.map(({ loss }) => loss as number)];
	};
	// Samples 0, 2, 4 and 1, 3, 5 together are the batch 0 to 5.
	const [whole, parts] = [await run(false, 6), await run(true, 3)];
	assert.ok(distance(parts, whole) < 1e-6, `fit on rank ${rank}: ${distance(parts, whole)}`);
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
