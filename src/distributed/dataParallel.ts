/**
 * Data-parallel training: each rank has a copy of the model, and its own part of each batch. The gradients are averaged over the ranks.
 *
 * A bucket of gradients travels as soon as the backward walk has completed it: it is read, reduced and uploaded while the walk goes on. The
 * reading of a GPU is asynchronous, so the program awaits the averages before it steps: `await model.synchronize()`.
 */

import { noGrad } from '../autograd/modes';
import { markComplete, markPending } from '../autograd/pending';
import { addPostAccumulateHook, type HookHandle } from '../autograd/tape';
import { requireBoolean, requireInstance, requirePositive } from '../core/checks';
import { isFloating } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { Module } from '../nn';
import { zerosLike } from '../ops/creation';
import type { Tensor } from '../tensor';
import { keep } from '../tidy';
import { type Bucket, bucketsOf, readFlat, writeFlat } from './buckets';
import { finished } from './collectives';
import type { Communicator, Values } from './communicator';
import { type GradientCompression, plainReduction, type Reduction } from './compression';
import { DistributedError } from './errors';
import { communicatorOf, exchange } from './group';
import { alone, inOrder } from './order';

export interface DataParallelOptions {
	/** Mebibytes of gradients that travel together. Default 25. */
	readonly bucketCapMb?: number;
	/** Allow parameters that get no gradient on this rank. Costs a small exchange in each step. Default false. */
	readonly findUnusedParameters?: boolean;
	/** Give every rank the floating buffers of rank 0, such as running statistics, in each `synchronize`. Default true. */
	readonly broadcastBuffers?: boolean;
	/**
	 * Reduce gradients while the backward walk goes on. Without it `synchronize` does all the work, and the backward pass may be one that
	 * `compile` replays, which calls no hooks. Default true.
	 */
	readonly overlap?: boolean;
	/**
	 * Leaves each gradient with the rank that `shard` names as its owner (ZeRO stage 2); the others free it. Then step by this optimizer, and clip
	 * by its `clipGradNorm`. Default none.
	 */
	readonly shard?: { ownerOf(parameter: Tensor): number } | null;
	/** Sends fewer bytes: see `Float16Compression`, `TopKCompression` and `PowerSGDCompression`. Default none. */
	readonly compression?: GradientCompression | null;
}

const MEBIBYTE = 2 ** 20;
const CURE = 'Call await model.synchronize() between backward() and the step, or compute within model.noSync(...)';

/** The way of a bucket through one step. */
interface Travel {
	readonly bucket: Bucket;
	readonly index: number;
	readonly reduction: Reduction;
	/** The only rank that gets the mean; null for all. */
	readonly owner: number | null;
	readonly arrived: Set<Tensor>;
	result: Promise<Values> | null;
}

/**
 * A model with parameters that are equal on all ranks, before and after each step. As `torch.nn.parallel.DistributedDataParallel`; make it by
 * `await DistributedDataParallel.wrap(model)`, which gives all ranks the parameters and buffers of rank 0.
 *
 *     const model = await DistributedDataParallel.wrap(net);
 *     crossEntropy(model.forward(x), y).backward();
 *     await model.synchronize();
 *     optimizer.step();
 *
 * The gradient is the mean over the ranks. For a loss that is a mean over equal parts of a batch, it is the gradient of the whole batch.
 */
export class DistributedDataParallel<M extends Module = Module> extends Module {
	readonly module: M;
	readonly #communicator: Communicator;
	readonly #options: Required<DataParallelOptions>;
	readonly #travels: readonly Travel[];
	readonly #hooks: readonly HookHandle[];
	readonly #buffers: readonly Bucket[];
	/** The next bucket to start: all ranks start them in one order. */
	#next = 0;
	#isSynchronizing = true;

	private constructor(module: M, communicator: Communicator, options: Required<DataParallelOptions>) {
		super();
		this.module = module;
		this.#communicator = communicator;
		this.#options = options;
		// The walk completes the gradients of the last layers first.
		const parameters = module.parameters().filter(({ requiresGrad }) => requiresGrad);
		const { shard } = options;
		const ownerOf = (parameter: Tensor) => shard?.ownerOf(parameter) ?? null;
		const buckets = bucketsOf([...parameters].reverse(), options.bucketCapMb * MEBIBYTE, ownerOf);
		this.#travels = buckets.map((bucket, index) => ({
			bucket,
			index,
			reduction: options.compression?.reductionFor(bucket.tensors.map(({ shape }) => shape)) ?? plainReduction,
			owner: ownerOf(bucket.tensors[0]!),
			arrived: new Set<Tensor>(),
			result: null,
		}));
		this.#buffers = options.broadcastBuffers ? bucketsOf(floatingBuffers(module), options.bucketCapMb * MEBIBYTE) : [];
		this.#hooks = options.overlap
			? this.#travels.flatMap((travel) =>
					travel.bucket.tensors.map((parameter) => addPostAccumulateHook(parameter, () => this.#arrive(travel, parameter))),
				)
			: [];
	}

	/**
	 * Wraps a model. Collective: throws a DistributedError on every rank if the models differ in names, shapes or dtypes. Gives all ranks the
	 * parameters and buffers of rank 0. Do it after `model.to(device)`, and give the optimizer the parameters of either.
	 */
	static async wrap<M extends Module>(module: M, options: DataParallelOptions = {}): Promise<DistributedDataParallel<M>> {
		requireInstance('DistributedDataParallel', 'the model', module, Module, 'a module');
		const names = ['bucketCapMb', 'findUnusedParameters', 'broadcastBuffers', 'overlap', 'shard', 'compression'] as const;
		checkOptions('DistributedDataParallel', options, names);
		const {
			bucketCapMb = 25,
			findUnusedParameters = false,
			broadcastBuffers = true,
			overlap = true,
			shard = null,
			compression = null,
		} = options;
		if (shard !== null && compression !== null)
			throw new ArgumentError('DistributedDataParallel: shard and compression do not go together. Leave one out');
		requirePositive('DistributedDataParallel', 'bucketCapMb', bucketCapMb);
		for (const [name, value] of Object.entries({ findUnusedParameters, broadcastBuffers, overlap }))
			requireBoolean('DistributedDataParallel', name, value);
		const communicator = communicatorOf('DistributedDataParallel');
		await requireOneModel(communicator, module);
		await broadcastTensors(communicator, [...module.parameters(), ...module.buffers()], bucketCapMb * MEBIBYTE);
		const all = { bucketCapMb, findUnusedParameters, broadcastBuffers, overlap, shard, compression };
		return new DistributedDataParallel(module, communicator, all);
	}

	override forward(...inputs: Parameters<M['forward']>): ReturnType<M['forward']> {
		return this.module.forward(...inputs) as ReturnType<M['forward']>;
	}

	/** Runs `fn`. Its backward passes keep their gradients on this rank, and the next pass outside averages the sums. For accumulation. */
	noSync<T>(fn: () => T): T {
		const before = this.#isSynchronizing;
		this.#isSynchronizing = false;
		try {
			return fn();
		} finally {
			this.#isSynchronizing = before;
		}
	}

	/** A gradient is in `.grad`. */
	#arrive(travel: Travel, parameter: Tensor): void {
		if (!this.#isSynchronizing) return;
		if (travel.arrived.has(parameter))
			throw new DistributedError(
				'DistributedDataParallel: a second backward() before await model.synchronize(). Compute all but the last within model.noSync(...)',
			);
		travel.arrived.add(parameter);
		markPending(parameter, CURE);
		this.#startComplete();
		// The walk on the CPU holds the event loop.
		if (parameter.device === 'cpu') this.#communicator.progress();
	}

	#startComplete(): void {
		for (; this.#next < this.#travels.length; this.#next++) {
			const travel = this.#travels[this.#next]!;
			if (travel.arrived.size < travel.bucket.tensors.length) return;
			this.#start(travel);
		}
	}

	#start(travel: Travel): void {
		const communicator = this.#communicator;
		const { bucket, index, reduction } = travel;
		const what = `the gradients of bucket ${index} (${bucket.size} elements)`;
		const read = readFlat(bucket, ({ grad }) => grad);
		if (communicator.size === 1) travel.result = read;
		else if (travel.owner !== null) travel.result = inOrder(read, (own) => meanAt(travel.owner!, own, communicator, what));
		else if (reduction.isOneCall) travel.result = inOrder(read, (own) => reduction.mean(own, communicator, what));
		else travel.result = alone(async () => reduction.mean(await read, communicator, what));
		// synchronize() throws it.
		travel.result.catch(() => {});
	}

	/** Completes the gradients of the last backward pass: afterwards `.grad` is the mean over the ranks. Collective. */
	async synchronize(): Promise<void> {
		const parameters = this.#travels.flatMap(({ bucket }) => bucket.tensors);
		const own = parameters.map(({ grad }) => grad !== null);
		const used = this.#options.findUnusedParameters ? await this.#usedByAny(own) : own;
		if (!this.#options.findUnusedParameters && own.includes(false)) throw this.#unusedError(parameters);
		for (; this.#next < this.#travels.length; this.#next++) this.#start(this.#travels[this.#next]!);
		let at = 0;
		for (const travel of this.#travels) {
			const { bucket } = travel;
			const values = await travel.result!;
			if (this.#communicator.size > 1) {
				const first = at;
				bucket.tensors.forEach((parameter, i) => {
					if (used[first + i] && parameter.grad === null) setZeroGrad(parameter);
				});
				const isUsed = new Map(bucket.tensors.map((parameter, i) => [parameter, used[first + i]!]));
				if (travel.owner === null || travel.owner === this.#communicator.rank)
					writeFlat(bucket, values, (parameter) => (isUsed.get(parameter) ? parameter.grad : null));
				else for (const parameter of bucket.tensors) parameter.clearGrad();
			}
			at += bucket.tensors.length;
			for (const parameter of bucket.tensors) markComplete(parameter);
			travel.arrived.clear();
			travel.result = null;
		}
		this.#next = 0;
		if (this.#communicator.size === 1) return;
		for (const bucket of this.#buffers) await broadcastBucket(this.#communicator, bucket);
	}

	async #usedByAny(own: readonly boolean[]): Promise<boolean[]> {
		const mine = Uint8Array.from(own, Number);
		const any = new Uint8Array(own.length);
		await inOrder(Promise.resolve(), () => this.#communicator.allReduce(mine, any, 'max', 'the parameters in use'));
		return Array.from(any, Boolean);
	}

	#unusedError(parameters: readonly Tensor[]): DistributedError {
		const names = new Map(this.module.namedParameters().map(([name, parameter]) => [parameter as Tensor, name]));
		const unused = parameters.filter(({ grad }) => grad === null).map((parameter) => names.get(parameter));
		return new DistributedError(
			`DistributedDataParallel: ${unused.slice(0, 5).join(', ')}${unused.length > 5 ? ` and ${unused.length - 5} others` : ''} got no gradient. If the loss need not depend on every parameter, pass findUnusedParameters: true`,
		);
	}

	/** Takes the hooks off the model, which stays as it is. */
	unwrap(): M {
		for (const hook of this.#hooks) hook.remove();
		return this.module;
	}
}

/** The mean on rank `owner`; the others do not need what they get. */
async function meanAt(owner: number, own: Values, communicator: Communicator, what: string): Promise<Values> {
	const sum = own.slice();
	await communicator.reduce(own, sum, 'sum', owner, what);
	return finished(sum, 'mean', communicator.size);
}

function setZeroGrad(parameter: Tensor): void {
	parameter.grad = keep(noGrad(() => zerosLike(parameter)));
}

function floatingBuffers(module: Module): Tensor[] {
	return module.buffers().filter(({ dtype }) => isFloating(dtype));
}

/** Throws a DistributedError on every rank unless all have the model of rank 0. */
async function requireOneModel(communicator: Communicator, module: Module): Promise<void> {
	const own = [...module.namedParameters(), ...module.namedBuffers()].map(
		([name, x]) => `${name} ${x.dtype} [${x.shape.join(', ')}]${x.requiresGrad ? '' : ' without gradient'}`,
	);
	const all = await alone(() => exchange(communicator, own, 'DistributedDataParallel: the model'));
	for (const [rank, other] of all.entries()) {
		const at = Array.from({ length: Math.max(other.length, all[0]!.length) }, (_, i) => i).find((i) => other[i] !== all[0]![i]);
		if (at === undefined) continue;
		throw new DistributedError(
			`DistributedDataParallel: the models differ: tensor ${at} is '${all[0]![at] ?? 'missing'}' on rank 0 and '${other[at] ?? 'missing'}' on rank ${rank}`,
		);
	}
}

/** Gives all ranks the values of rank 0. */
export async function broadcastTensors(communicator: Communicator, tensors: readonly Tensor[], capacity: number): Promise<void> {
	if (communicator.size === 1) return;
	for (const bucket of bucketsOf(tensors, capacity)) await broadcastBucket(communicator, bucket);
}

async function broadcastBucket(communicator: Communicator, bucket: Bucket): Promise<void> {
	const what = `the values of rank 0 (${bucket.size} elements)`;
	const values = await inOrder(readFlat(bucket), async (values) => {
		await communicator.broadcast(values, 0, what);
		return values;
	});
	if (communicator.rank !== 0) writeFlat(bucket, values);
}
