/** A training run with all stateful parts loses its device at random launches and gives the bits of an undisturbed run. */
import * as assert from 'uvu/assert';
import { add, crossEntropy, init, manualSeed, mul, nn, optim, randn, shutdown, sync, type Tensor, tidy } from 'wgrad';
import { DataLoader, TensorDataset } from 'wgrad/data';
import { Accuracy } from 'wgrad/metrics';
import { EarlyStopping, type FitOptions, fit, JsonlLogger, MemoryStore, ModelCheckpoint } from 'wgrad/train';
import { type Faults, type FaultyAdapter, faultyAdapter } from '../faults/adapter';
import { below, type Counts, type Random, requireEnd } from './campaign';
import { MemoryLog } from './memoryLog';

interface Outcome {
	readonly adapter: FaultyAdapter;
	/** Launches up to the first step. */
	readonly before: number;
	/** Launches of the whole run. */
	readonly launches: number;
	/** Everything that the run produced. */
	readonly result: unknown;
}

async function valuesOf(tree: unknown): Promise<unknown> {
	if (typeof tree !== 'object' || tree === null) return tree;
	if ('data' in tree && 'dtype' in tree) return [...(await (tree as Tensor).data())];
	if (Array.isArray(tree)) return Promise.all(tree.map(valuesOf));
	const entries = Object.entries(tree).map(async ([key, value]) => [key, await valuesOf(value)] as const);
	return Object.fromEntries(await Promise.all(entries));
}

/** Trains on a device with `faults`. With `saves`, ModelCheckpoint also writes, every three steps. */
async function train(faults: Faults, saves: boolean, onDeviceLost: FitOptions['onDeviceLost'] = 'resume'): Promise<Outcome> {
	await shutdown();
	const adapter = await faultyAdapter(faults);
	await init({ device: 'webgpu', adapter });
	manualSeed(3);
	const x = randn([44, 4]);
	const y = tidy(() => mul(x.select(1, 0), x.select(1, 1)).gt(0).to('int32'));
	const model = new nn.Sequential(
		new nn.Linear(4, 12),
		new nn.BatchNorm1d(12),
		new nn.ReLU(),
		new nn.Dropout(0.2),
		new nn.Linear(12, 2),
	);
	const optimizer = new optim.AdamW(model.parameters(), { lr: 0.02 });
	const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, 0.05, { totalSteps: 18 });
	const ema = new optim.EMA(model.parameters(), { decay: 0.8 });
	const loader = new DataLoader(new TensorDataset(x, y), {
		batchSize: 8,
		shuffle: true,
		seed: 4,
		transform: ([x, y]) => [add(x!, mul(randn(x!.shape), 0.1)), y!],
	});
	const log = new MemoryLog('');
	let before = 0;
	const history = await fit(model, loader, {
		loss: crossEntropy,
		optimizer,
		scheduler,
		ema,
		epochs: 3,
		validationData: [x, y],
		classWeight: { 1: 2 },
		metrics: { accuracy: new Accuracy() },
		clipGradNorm: 0.5,
		callbacks: [
			new JsonlLogger('log', { store: log, everySteps: 1 }),
			new EarlyStopping({ patience: 9 }),
			...(saves ? [new ModelCheckpoint('checkpoint', { store: new MemoryStore(), everySteps: 3 })] : []),
			{
				onBatchBegin: async ({ step }) => {
					if (step !== 1 || before !== 0) return;
					// Launches are counted only when their pipelines are compiled.
					await sync();
					before = adapter.launches;
				},
			},
		],
		onDeviceLost,
		verbose: 0,
	});
	const { launches } = adapter;
	const withoutTime = (text: string) => text.replace(/,"seconds":[\d.e-]+/g, '');
	const state = {
		model: model.stateDict(),
		optimizer: optimizer.stateDict(),
		ema: ema.stateDict(),
		scheduler: scheduler.stateDict(),
	};
	const result = {
		...((await valuesOf(state)) as object),
		next: await valuesOf(randn([3])),
		history: withoutTime(JSON.stringify({ ...history, settings: null, seconds: 0 })),
		log: withoutTime(log.text),
	};
	return { adapter, before, launches, result };
}

/** Runs, each on a device that is lost one or more times, until `deadline` or until `runs` are done. */
export async function lostDevices(random: Random, deadline: number, runs = Number.POSITIVE_INFINITY): Promise<Counts> {
	const counts = { runs: 0, losses: 0, withCheckpoints: 0 };
	const undisturbed = await train({}, false, 'throw');
	do {
		const saves = below(random, 2) === 0;
		const first = undisturbed.before + 1 + below(random, Math.floor(0.9 * (undisturbed.launches - undisturbed.before)));
		const times = below(random, 5) === 0 ? 3 : 1;
		const next = 100 + below(random, 400);
		const isLost = (launch: number) => (launch - first) % next === 0 && launch >= first && launch < first + times * next;
		const wait = below(random, 20);
		const what = `lost at launch ${first}${times > 1 ? `, ${times} times, every ${next} launches` : ''}, told ${wait} ms later${saves ? ', with checkpoints' : ''}`;
		const { adapter, result } = await requireEnd(what, train({ loses: isLost, notice: () => wait }, saves));
		assert.ok(adapter.losses > 0, `${what}: it was not lost`);
		assert.equal(result, undisturbed.result, what);
		counts.losses += adapter.losses;
		counts.runs++;
		if (saves) counts.withCheckpoints++;
	} while (counts.runs < runs && performance.now() < deadline);
	await shutdown();
	return counts;
}
