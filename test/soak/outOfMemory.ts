/**
 * Trainings on a device that refuses random buffers: each refusal has a clear error, nothing is lost, and the training continues.
 */
import * as assert from 'uvu/assert';
import {
	crossEntropy,
	DeviceError,
	init,
	manualSeed,
	memory,
	nn,
	optim,
	randint,
	randn,
	shutdown,
	sync,
	Tensor,
	tidy,
} from 'wgrad';
import { loadCheckpoint, MemoryStore, saveCheckpoint } from 'wgrad/train';
import { faultyAdapter } from '../faults/adapter';
import { below, type Counts, pick, type Random, requireEnd } from './campaign';

const STEPS = 12;
const LARGEST_BATCH = 600;
/** Refusals of a run. Afterwards the device grants every buffer, so the run must come to its end. */
const MOST_REFUSALS = 20;
/** One buffer in this many is refused. */
const RARITIES = [3, 10, 40];

interface Step {
	readonly batch: number;
	readonly seed: number;
}

/** A device that refuses random buffers, but only during `survives`. */
class Shortage {
	refusals = 0;
	private isOn = false;

	constructor(
		private readonly random: Random,
		private readonly rarity: number,
	) {}

	async start(): Promise<void> {
		await shutdown();
		const adapter = await faultyAdapter({ refuses: () => this.refuses() });
		await init({ device: 'webgpu', adapter });
	}

	private refuses(): boolean {
		if (!this.isOn || this.refusals >= MOST_REFUSALS || below(this.random, this.rarity) > 0) return false;
		this.refusals++;
		return true;
	}

	/** Whether `fn` succeeded despite the refusals. If it did not, it must have thrown the clear error. */
	async survives(fn: () => Promise<void>): Promise<boolean> {
		const before = this.refusals;
		this.isOn = true;
		try {
			await fn();
		} catch (error) {
			this.isOn = false;
			requireRefusal(error);
			assert.ok(this.refusals > before, `nothing was refused, and yet: ${(error as Error).message}`);
			return false;
		}
		this.isOn = false;
		assert.is(this.refusals, before, 'a refusal of which nobody was told');
		return true;
	}
}

function requireRefusal(error: unknown): void {
	if (!(error instanceof DeviceError)) throw error;
	const { message } = error;
	assert.match(
		message,
		/^[\w. ]+: a.*: the GPU has no [\d.]+ \w+ left\. Take smaller batches, or dispose of tensors\. Its memory:\n {2}live /,
		message,
	);
	assert.match(message, /\nLive, by the operation that made it:\n/, message);
	assert.not.match(message, /Reported after it/, message);
}

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor;

/** A model with its optimizer, and tensors that no step changes. */
class Training {
	readonly model: nn.Sequential;
	readonly optimizer: optim.SGD | optim.AdamW;
	private readonly kept: readonly Tensor[];

	/**
	 * Only a checkpoint restores running statistics, which may include a batch that is then refused, and the optimizer's counts.
	 */
	constructor(hasCheckpoints: boolean) {
		manualSeed(1);
		const layers = [
			new nn.Linear(8, 16),
			new nn.ReLU(),
			new nn.Dropout(0.3),
			new nn.Linear(16, 16),
			new nn.ReLU(),
			new nn.Linear(16, 4),
		];
		this.model = new nn.Sequential(...(hasCheckpoints ? [new nn.BatchNorm1d(8)] : []), ...layers);
		const parameters = this.model.parameters();
		this.optimizer = hasCheckpoints
			? new optim.AdamW(parameters, { lr: 1e-2 })
			: new optim.SGD(parameters, { lr: 0.05, momentum: 0.9 });
		this.kept = [randn([100]), randn([3000]), randn([50, 7]).transpose(0, 1)];
	}

	/** Returns the loss. */
	step({ batch, seed }: Step): Tensor {
		manualSeed(seed);
		return tidy(() => {
			const loss = crossEntropy(this.model.forward(randn([batch, 8])), randint(0, 4, [batch]));
			this.optimizer.zeroGrad();
			loss.backward();
			this.optimizer.step();
			return loss;
		});
	}

	/** The bits of all live tensors, and their number on the device. */
	async values(): Promise<unknown> {
		const { state } = this.optimizer.stateDict();
		const states = Object.values(state as Record<string, Record<string, unknown>>).flatMap((own) =>
			Object.values(own).filter(isTensor),
		);
		const bits = async (tensor: Tensor) => [...new Int32Array(new Float32Array(await tensor.data()).buffer)];
		const own = [...Object.values(this.model.stateDict()), ...states];
		const values = await Promise.all([...own, ...this.kept].map(bits));
		for (const tensor of own) tensor.dispose();
		await sync();
		return values;
	}
}

/** Repeats each refused step with half the batch. Until then nothing may have changed. */
async function withSmallerBatches(training: Training, shortage: Shortage, random: Random): Promise<Step[]> {
	const done: Step[] = [];
	for (let seed = 1; seed <= STEPS; seed++) {
		const before = await training.values();
		let step = { batch: 1 + below(random, LARGEST_BATCH), seed };
		const isRead = below(random, 2) === 0;
		const train = async () => {
			const loss = training.step(step);
			try {
				await (isRead ? loss.item() : sync());
			} finally {
				loss.dispose();
			}
		};
		while (!(await shortage.survives(train))) {
			assert.equal(await training.values(), before, 'a step that was refused');
			step = { batch: Math.ceil(step.batch / 2), seed };
		}
		done.push(step);
	}
	return done;
}

/** Several steps run at once. Refused steps are repeated from the last checkpoint. */
async function fromCheckpoints(training: Training, shortage: Shortage, random: Random): Promise<Step[]> {
	const store = new MemoryStore();
	// batchNorm refuses a batch of one example.
	const steps = Array.from({ length: STEPS }, (_, i) => ({ batch: 2 + below(random, LARGEST_BATCH - 1), seed: i + 1 }));
	const save = () => saveCheckpoint('last', training, { store });
	const load = async () => {
		await loadCheckpoint('last', training, { store });
		await sync();
	};
	await save();
	for (let done = 0; done < STEPS; ) {
		const end = Math.min(STEPS, done + 1 + below(random, 4));
		const train = async () => {
			for (const step of steps.slice(done, end)) training.step(step).dispose();
			await save();
		};
		if (await shortage.survives(train)) done = end;
		else while (!(await shortage.survives(load)));
	}
	return steps;
}

/** Trains with refusals, then repeats the successful steps without refusals. Both must end with the same bits and as many tensors. */
async function compareRuns(random: Random, rarity: number, hasCheckpoints: boolean): Promise<number> {
	const shortage = new Shortage(random, rarity);
	await shortage.start();
	const training = new Training(hasCheckpoints);
	const steps = await (hasCheckpoints ? fromCheckpoints : withSmallerBatches)(training, shortage, random);
	const values = await training.values();
	const { liveStorages } = memory().gpu!;
	await shutdown();
	await init({ device: 'webgpu' });
	const undisturbed = new Training(hasCheckpoints);
	for (const step of steps) undisturbed.step(step).dispose();
	assert.equal(values, await undisturbed.values(), 'the bits of an undisturbed run');
	assert.is(liveStorages, memory().gpu!.liveStorages, 'tensors on the device');
	return shortage.refusals;
}

export async function outOfMemory(random: Random, deadline: number): Promise<Counts> {
	const counts = { runs: 0, refusals: 0, withCheckpoints: 0 };
	do {
		const hasCheckpoints = below(random, 2) === 0;
		const rarity = pick(random, RARITIES);
		const what = `one of ${rarity} buffers refused, ${hasCheckpoints ? 'with checkpoints' : 'with smaller batches'}`;
		counts.refusals += await requireEnd(what, compareRuns(random, rarity, hasCheckpoints));
		counts.runs++;
		if (hasCheckpoints) counts.withCheckpoints++;
	} while (performance.now() < deadline);
	await shutdown();
	return counts;
}
