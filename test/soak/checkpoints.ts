/**
 * Checkpoints of runs with every kind of state. Damaged ones throw. Forged ones, with a correct checksum, throw one of the
 * library's errors or do no harm beyond the run that resumes from them.
 */
import * as assert from 'uvu/assert';
import { crossEntropy, nn, optim, type Tensor, tensor, WgradError } from 'wgrad';
import { Accuracy, AveragePrecision } from 'wgrad/metrics';
import { EarlyStopping, fit, JsonlLogger, MemoryStore, ModelCheckpoint, type Scheduler } from 'wgrad/train';
import { decodeSafetensors, encodeSafetensors } from '../../src/io/safetensors';
import { below, type Counts, pick, type Random } from './campaign';
import { MemoryLog } from './memoryLog';

const x = tensor(
	Array.from({ length: 20 }, (_, i) => [Math.sin(i), Math.cos(3 * i)]),
	{ device: 'cpu' },
);
const y = tensor(
	Array.from({ length: 20 }, (_, i) => i % 2),
	{ dtype: 'int32', device: 'cpu' },
);

const { lrScheduler } = optim;
type Kind = readonly [
	optimizer: (params: Tensor[]) => optim.Optimizer<optim.CommonOptions>,
	scheduler: (optimizer: optim.Optimizer<optim.CommonOptions>) => Scheduler,
];

export const kinds: readonly Kind[] = [
	[(params) => new optim.Adam(params, { amsgrad: true }), (own) => new lrScheduler.OneCycleLR(own, 0.1, { totalSteps: 20 })],
	[
		(params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9 }),
		(own) => new lrScheduler.WarmupLR(own, 3, { after: new lrScheduler.CosineAnnealingWarmRestarts(own, 3) }),
	],
	[(params) => new optim.LBFGS(params, { lr: 0.1, maxIter: 3 }), (own) => new lrScheduler.ReduceLROnPlateau(own)],
	[
		(params) => new optim.NAdam(params),
		(own) => new lrScheduler.ChainedScheduler([new lrScheduler.StepLR(own, 2), new lrScheduler.ExponentialLR(own, 0.9)]),
	],
];

const columnOf = (output: Tensor): Tensor => output.select(1, 1);

/** Trains one epoch of three steps, or continues from `name` for one more. */
export async function run([makeOptimizer, makeScheduler]: Kind, store: MemoryStore, name?: string): Promise<void> {
	const model = new nn.Sequential(new nn.Linear(2, 3, { device: 'cpu' }), new nn.BatchNorm1d(3, { device: 'cpu' }));
	const optimizer = makeOptimizer(model.parameters());
	const scheduler = makeScheduler(optimizer);
	const ranking = new AveragePrecision();
	await fit(model, [x, y], {
		loss: crossEntropy,
		optimizer,
		scheduler: { scheduler, interval: scheduler instanceof lrScheduler.ReduceLROnPlateau ? 'epoch' : 'step' },
		ema: new optim.EMA(model.parameters()),
		epochs: name === undefined ? 1 : 2,
		batchSize: 7,
		seed: 3,
		validationData: [x, y],
		metrics: {
			accuracy: new Accuracy(),
			ranking: {
				update: (output, target) => ranking.update(columnOf(output), target),
				compute: () => ranking.compute(),
				reset: () => ranking.reset(),
				stateDict: () => ranking.stateDict(),
				loadStateDict: (state) => ranking.loadStateDict(state),
			},
			mean: (output) => output.mean(),
		},
		callbacks: [
			new ModelCheckpoint('run-{step}', { store, everySteps: 2, keep: 2 }),
			new EarlyStopping({ patience: 9 }),
			// Longer than the log of the first part, so that the second part finds text to cut off.
			new JsonlLogger('log', { store: new MemoryLog(' '.repeat(name === undefined ? 0 : 5000)) }),
		],
		verbose: 0,
		...(name !== undefined && { resumeFrom: { name, store } }),
	});
}

/** A checkpoint with a changed state, signed like a good one. */
export async function forged(bytes: Uint8Array, change: (state: string) => string): Promise<Uint8Array> {
	const { tensors, metadata } = decodeSafetensors(bytes);
	const unsigned = '0'.repeat(64);
	const result = encodeSafetensors(tensors, { ...metadata, sha256: unsigned, state: change(metadata.state!) });
	const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', result as Uint8Array<ArrayBuffer>));
	const text = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
	const at = new TextDecoder('latin1').decode(result.subarray(0, 1024)).indexOf(unsigned);
	result.set(new TextEncoder().encode(text), at);
	return result;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const VALUES: readonly Json[] = [
	null,
	true,
	0,
	-1,
	1.5,
	-0,
	1e300,
	2 ** 32,
	2 ** 53,
	'',
	'text',
	'__proto__',
	[],
	{},
	[null],
	[[]],
	{ $number: 'NaN' },
	{ $number: 'Infinity' },
	{ $tensor: 'none' },
	{ $tensor: 'parts/model/0.weight' },
	{ $tensor: 'parts/model/0.bias' },
	{ $tensor: 'parts/model/1.num_batches_tracked' },
];

/** Every position in a tree: its container, and its key there. */
function placesIn(tree: Json): [holder: Json[] | { [key: string]: Json }, key: string][] {
	if (typeof tree !== 'object' || tree === null) return [];
	return Object.keys(tree).flatMap(
		(key): ReturnType<typeof placesIn> => [[tree, key], ...placesIn((tree as { [key: string]: Json })[key]!)],
	);
}

/** Changes one position of the state at random. Returns a description of the change. */
function mutate(random: Random, tree: Json): string {
	const [holder, key] = pick(random, placesIn(tree));
	const fields = holder as { [key: string]: Json };
	const kind = below(random, 10);
	if (kind === 0 && !Array.isArray(holder)) {
		delete fields[key];
		return `${key} deleted`;
	}
	if (kind === 1) {
		const other = pick(random, placesIn(tree));
		fields[key] = structuredClone((other[0] as { [key: string]: Json })[other[1]]!);
		return `${key} = what stood at ${other[1]}`;
	}
	if (kind === 2 && Array.isArray(holder)) {
		holder.push(structuredClone(holder[0]!));
		return `one more beside ${key}`;
	}
	if (kind === 3 && !Array.isArray(holder)) {
		const name = pick(random, ['extra', '__proto__', 'constructor', '0', '01', 'length']);
		Object.defineProperty(holder, name, { value: pick(random, VALUES), enumerable: true, configurable: true, writable: true });
		return `${name} beside ${key}`;
	}
	fields[key] = pick(random, VALUES);
	return `${key} = ${JSON.stringify(fields[key])}`;
}

/** Whether a run resumes from these bytes. Errors that are not the library's own are thrown. */
async function goesOn(kind: Kind, bytes: Uint8Array, what: string): Promise<boolean> {
	const store = new MemoryStore();
	const others = ['epochs.csv', 'run-0', 'run-1x', 'run-'];
	for (const name of others) await store.write(name, new Uint8Array(1));
	await store.write('forged', bytes);
	let went = true;
	try {
		await run(kind, store, 'forged');
	} catch (error) {
		if (!(error instanceof WgradError)) throw new Error(`${what}: ${(error as Error).stack}`, { cause: error });
		went = false;
	}
	for (const name of [...others.filter((name) => name !== 'run-0'), 'forged'])
		assert.ok((await store.read(name)) !== null, `${what}: the file ${name} was removed`);
	return went;
}

/** Good checkpoints of each kind of run: one within an epoch and one at its end. */
async function good(kind: Kind): Promise<Uint8Array[]> {
	const store = new MemoryStore();
	await run(kind, store);
	return Promise.all((await store.list('')).map(async (name) => (await store.read(name))!));
}

/** Flipped bits, truncated ends and inserted bytes: every damaged file must throw. */
export async function damagedCheckpoints(random: Random, deadline: number): Promise<Counts> {
	const counts = { flipped: 0, cut: 0, longer: 0 };
	const [bytes] = await good(kinds[0]!);
	for (let tries = 0; tries < 10 || performance.now() < deadline; tries++) {
		const flipped = bytes!.slice();
		const at = below(random, flipped.length);
		flipped[at]! ^= 1 << below(random, 8);
		assert.not.ok(await goesOn(kinds[0]!, flipped, `byte ${at} of ${flipped.length}`), `byte ${at} of ${flipped.length}`);
		counts.flipped++;
		const length = below(random, bytes!.length);
		assert.not.ok(await goesOn(kinds[0]!, bytes!.slice(0, length), `${length} bytes`), `cut after ${length} bytes`);
		counts.cut++;
		const longer = new Uint8Array(bytes!.length + 1 + below(random, 9));
		longer.set(bytes!);
		assert.not.ok(await goesOn(kinds[0]!, longer, `${longer.length} bytes`), `${longer.length} bytes`);
		counts.longer++;
	}
	return counts;
}

/** States changed at random and signed again. */
export async function forgedCheckpoints(random: Random, deadline: number): Promise<Counts> {
	const counts = { tried: 0, refused: 0 };
	const files = await Promise.all(kinds.map(good));
	for (const [i, kind] of kinds.entries())
		for (const bytes of files[i]!) assert.ok(await goesOn(kind, bytes, `kind ${i} unchanged`), `kind ${i} unchanged`);
	for (let tries = 0; tries < 40 || performance.now() < deadline; tries++) {
		const which = below(random, kinds.length);
		let what = '';
		const bytes = await forged(pick(random, files[which]!), (state) => {
			const tree = JSON.parse(state) as Json;
			what = Array.from({ length: 1 + below(random, 2) }, () => mutate(random, tree)).join(', ');
			return JSON.stringify(tree);
		});
		if (!(await goesOn(kinds[which]!, bytes, `kind ${which}, ${what}`))) counts.refused++;
		counts.tried++;
	}
	return counts;
}
