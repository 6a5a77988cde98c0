/**
 * Training with rare communication, for slow networks: each rank trains alone for some steps, then the ranks average what they have learned.
 * Local SGD: Stich 2019. DiLoCo: Douillard et al. 2023, which treats the averaged change as the gradient of an outer optimizer.
 */
import { requireBoolean, requireCounts, requireFraction, requirePositive } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { tensor } from '../ops/creation';
import { Tensor } from '../tensor';
import { requireParameters } from '../tensorChecks';
import { type Bucket, bucketsOf, readFlat, writeFlat } from './buckets';
import type { Communicator, Values } from './communicator';
import { broadcastTensors } from './dataParallel';
import { communicatorOf } from './group';
import { inOrder } from './order';

export interface DiLoCoOptions {
	/** Steps between two averages. */
	readonly innerSteps: number;
	/** The outer learning rate. Default 0.7. */
	readonly outerLr?: number;
	/** The outer momentum. Default 0.9. */
	readonly outerMomentum?: number;
	/** Whether the momentum looks ahead, as Nesterov's. Default true. */
	readonly nesterov?: boolean;
}

/** For a checkpoint, beside the model and the inner optimizer; take it right after an average, when all ranks are equal. */
export interface DiLoCoState {
	readonly count: number;
	readonly anchors: readonly Tensor[];
	readonly velocities: readonly Tensor[];
	readonly [key: string]: number | readonly Tensor[];
}

const BUCKET_BYTES = 25 * 2 ** 20;

/**
 * The outer optimizer. Wrap nothing: train the model as alone, with an inner optimizer (AdamW in the paper), and call `await outer.step()` after
 * each of its steps.
 *
 * Each `innerSteps`: d = anchor - mean(parameters), v = outerMomentum v + d, anchor -= outerLr (d + outerMomentum v), and all ranks go on from the
 * anchor. `outerLr: 1, outerMomentum: 0` is local SGD, which averages the parameters.
 */
export class DiLoCo {
	readonly innerSteps: number;
	readonly #options: Required<DiLoCoOptions>;
	readonly #communicator: Communicator;
	readonly #buckets: readonly Bucket[];
	readonly #anchors: Values[];
	readonly #velocities: Values[];
	#count = 0;

	private constructor(
		communicator: Communicator,
		buckets: readonly Bucket[],
		anchors: Values[],
		options: Required<DiLoCoOptions>,
	) {
		this.#communicator = communicator;
		this.#buckets = buckets;
		this.#anchors = anchors;
		this.#velocities = anchors.map((values) => values.slice().fill(0));
		this.#options = options;
		this.innerSteps = options.innerSteps;
	}

	/** Gives all ranks the parameters of rank 0, the first anchor. Collective. */
	static async start(params: Iterable<Tensor>, options: DiLoCoOptions): Promise<DiLoCo> {
		checkOptions('DiLoCo', options, ['innerSteps', 'outerLr', 'outerMomentum', 'nesterov']);
		const { innerSteps, outerLr = 0.7, outerMomentum = 0.9, nesterov = true } = options;
		requireCounts('DiLoCo', { innerSteps }, 1);
		requirePositive('DiLoCo', 'outerLr', outerLr);
		requireFraction('DiLoCo', 'outerMomentum', outerMomentum, '[0, 1)');
		requireBoolean('DiLoCo', 'nesterov', nesterov);
		const communicator = communicatorOf('DiLoCo');
		const parameters = requireParameters('DiLoCo', params);
		await broadcastTensors(communicator, parameters, BUCKET_BYTES);
		const buckets = bucketsOf(parameters, BUCKET_BYTES);
		const anchors = await Promise.all(buckets.map((bucket) => readFlat(bucket)));
		return new DiLoCo(communicator, buckets, anchors, { innerSteps, outerLr, outerMomentum, nesterov });
	}

	/** Counts an inner step. After each `innerSteps` averages, and resolves to true: then all ranks have the same parameters. Collective. */
	async step(): Promise<boolean> {
		this.#count++;
		if (this.#count % this.innerSteps !== 0) return false;
		const reads = this.#buckets.map((bucket, i) =>
			inOrder(readFlat(bucket), async (own) => {
				const sum = own.slice();
				if (this.#communicator.size > 1) await this.#communicator.allReduce(own, sum, 'sum', `the parameters of bucket ${i}`);
				return sum;
			}),
		);
		for (const [i, bucket] of this.#buckets.entries()) {
			this.#move(this.#anchors[i]!, this.#velocities[i]!, await reads[i]!);
			writeFlat(bucket, this.#anchors[i]!);
		}
		return true;
	}

	#move(anchor: Values, velocity: Values, sum: Values): void {
		const { outerLr, outerMomentum, nesterov } = this.#options;
		const { size } = this.#communicator;
		for (let i = 0; i < anchor.length; i++) {
			const change = anchor[i]! - sum[i]! / size;
			velocity[i] = outerMomentum * velocity[i]! + change;
			const step = nesterov ? change + outerMomentum * velocity[i]! : velocity[i]!;
			anchor[i] = anchor[i]! - outerLr * step;
		}
	}

	stateDict(): DiLoCoState {
		const asTensors = (all: readonly Values[]) => all.map((values) => tensor(values, { device: 'cpu' }));
		return { count: this.#count, anchors: asTensors(this.#anchors), velocities: asTensors(this.#velocities) };
	}

	/** Restores a state of the same parameters. */
	async loadStateDict({ count, anchors, velocities }: DiLoCoState): Promise<void> {
		for (const [name, own, saved] of [
			['anchors', this.#anchors, anchors],
			['velocities', this.#velocities, velocities],
		] as const) {
			if (saved.length !== own.length || saved.some((one, i) => !(one instanceof Tensor) || one.size !== own[i]!.length))
				throw new ArgumentError(`DiLoCo.loadStateDict: the ${name} are those of other parameters`);
			const values = await Promise.all(saved.map((one) => one.data()));
			values.forEach((value, i) => {
				own[i]!.set(value);
			});
		}
		this.#count = count;
	}
}
