/** Collective communication of tensors, with the meaning of `torch.distributed`. All of it works on both devices and for every dtype. */
import { noGrad } from '../autograd/modes';
import { requireInteger, requireOneOf } from '../core/checks';
import { isFloating, type TypedArray } from '../core/dtype';
import { DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import type { Shape } from '../core/shape';
import { tensor } from '../ops/creation';
import { copy_ } from '../ops/inplace';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import type { Communicator, ReduceOp, Values } from './communicator';
import { DistributedError } from './errors';
import { communicatorOf, exchange } from './group';
import { alone, inOrder } from './order';

export interface ReduceOptions {
	/** How the values of the ranks become one. NaN in 'max' and 'min' is as MPI has it. Default 'sum'. */
	readonly op?: ReduceOp;
}

export interface RootOptions {
	/** The rank whose values the others get. Default 0. */
	readonly src?: number;
}

export interface MessageOptions {
	/** Tells messages between two ranks apart. Default 0. */
	readonly tag?: number;
}

const OPS = ['sum', 'mean', 'prod', 'max', 'min'] as const;
const LARGEST_TAG = 32767;

/**
 * Replaces the values of `x`, of one shape and dtype on all ranks, by their sum over the ranks (or what `op` says). Resolves to `x`. All ranks
 * get the same bits. Half precision is summed in float32. As `torch.distributed.all_reduce`.
 */
export async function allReduce(x: Tensor, options: ReduceOptions = {}): Promise<Tensor> {
	const communicator = begin('allReduce', x);
	const op = reduceOp('allReduce', x, options);
	const what = describeCall('allReduce', x, op);
	const result = await inOrder(
		valuesOf(x),
		async (own) => {
			const total = alike(own, own.length);
			await communicator.allReduce(own, total, engineOp(op), what);
			return total;
		},
		agreement(communicator, what),
	);
	return write(x, finished(result, op, communicator.size));
}

/** Replaces the values of `x` by those of rank `src`. Resolves to `x`. As `torch.distributed.broadcast`. */
export async function broadcast(x: Tensor, options: RootOptions = {}): Promise<Tensor> {
	const communicator = begin('broadcast', x);
	const { src = 0 } = checkOptions('broadcast', options, ['src']);
	requireRankNumber('broadcast', 'src', src, communicator);
	const what = describeCall('broadcast', x, `from rank ${src}`);
	const values = await inOrder(
		valuesOf(x),
		async (values) => {
			await communicator.broadcast(values, src, what);
			return values;
		},
		agreement(communicator, what),
	);
	return communicator.rank === src ? x : write(x, values);
}

/**
 * Resolves to the values of all ranks, [worldSize, ...x.shape]; part r is that of rank r. `x` has one shape and dtype on all ranks. As
 * `torch.distributed.all_gather_into_tensor`.
 */
export async function allGather(x: Tensor): Promise<Tensor> {
	const communicator = begin('allGather', x);
	const { size } = communicator;
	const what = describeCall('allGather', x);
	const { dtype, device, shape } = x;
	const all = await inOrder(
		valuesOf(x),
		async (own) => {
			const all = alike(own, own.length * size);
			await communicator.allGather(own, all, what);
			return all;
		},
		agreement(communicator, what),
	);
	return tensor(all, { dtype, device, shape: [size, ...shape] });
}

/**
 * Sums `x`, [worldSize * n, ...], over the ranks (or what `op` says), and resolves to this rank's part, [n, ...]: rank r gets rows r * n to
 * (r + 1) * n. As `torch.distributed.reduce_scatter_tensor`.
 */
export async function reduceScatter(x: Tensor, options: ReduceOptions = {}): Promise<Tensor> {
	const communicator = begin('reduceScatter', x);
	const op = reduceOp('reduceScatter', x, options);
	const { size } = communicator;
	const { dtype, device } = x;
	const [rows] = x.shape;
	if (rows === undefined || rows % size !== 0)
		throw new ShapeError(
			`reduceScatter: ${formatShape(x.shape)} does not divide into ${size} equal parts along dim 0, one for each rank`,
		);
	const shape: Shape = [rows / size, ...x.shape.slice(1)];
	const what = describeCall('reduceScatter', x, op);
	const own = await inOrder(
		valuesOf(x),
		async (parts) => {
			const own = alike(parts, parts.length / size);
			await communicator.reduceScatter(parts, own, engineOp(op), what);
			return own;
		},
		agreement(communicator, what),
	);
	return tensor(finished(own, op, size), { dtype, device, shape });
}

/** Resolves when every rank has called it. As `torch.distributed.barrier`. */
export async function barrier(): Promise<void> {
	const communicator = communicatorOf('barrier');
	await inOrder(Promise.resolve(), () => communicator.barrier('barrier'), agreement(communicator, 'barrier'));
}

/** Sends the values of `x` to rank `dst`, which receives them by `recv` into a tensor of the same shape and dtype. As `torch.distributed.send`. */
export async function send(x: Tensor, dst: number, options: MessageOptions = {}): Promise<void> {
	const communicator = begin('send', x);
	requireOther('send', 'dst', dst, communicator);
	const tag = tagOf('send', options);
	await inPairOrder(valuesOf(x), (values) => communicator.send(values, dst, tag));
}

/** Replaces the values of `x` by those that rank `src` sends. Resolves to `x`. As `torch.distributed.recv`. */
export async function recv(x: Tensor, src: number, options: MessageOptions = {}): Promise<Tensor> {
	const communicator = begin('recv', x);
	requireOther('recv', 'src', src, communicator);
	const tag = tagOf('recv', options);
	const values = await inPairOrder(valuesOf(x), async (values) => {
		await communicator.receive(values, src, tag);
		return values;
	});
	return write(x, values);
}

/** Resolves to the values of all ranks, in their order: anything that survives JSON. As `torch.distributed.all_gather_object`. */
export async function allGatherObject<T>(value: T): Promise<T[]> {
	const communicator = communicatorOf('allGatherObject');
	const agree = agreement(communicator, 'allGatherObject');
	return alone(async () => {
		await agree();
		return exchange(communicator, value, 'allGatherObject');
	});
}

/** Resolves to the value of rank `src`: anything that survives JSON. As `torch.distributed.broadcast_object_list`. */
export async function broadcastObject<T>(value: T, options: RootOptions = {}): Promise<T> {
	const communicator = communicatorOf('broadcastObject');
	const { src = 0 } = checkOptions('broadcastObject', options, ['src']);
	requireRankNumber('broadcastObject', 'src', src, communicator);
	const all = await allGatherObject(communicator.rank === src ? value : null);
	return all[src] as T;
}

/** Messages have an order of their own: a rank may wait in `recv` while it takes part in collective calls. */
let pairTurn: Promise<unknown> = Promise.resolve();

function inPairOrder<R, T>(ready: Promise<R>, issue: (values: R) => Promise<T>): Promise<T> {
	const started = pairTurn.then(async () => ({ result: issue(await ready) }));
	pairTurn = started.catch(() => {});
	return started.then(({ result }) => result);
}

function begin(operation: string, x: Tensor): Communicator {
	const communicator = communicatorOf(operation);
	requireTensor(operation, x);
	return communicator;
}

function describeCall(operation: string, x: Tensor, more = ''): string {
	return `${operation} of ${x.dtype} ${formatShape(x.shape)}${more === '' ? '' : ` ${more}`}`;
}

/**
 * The check that all ranks make the same call, before it: what MPI does with different ones is undefined. On a difference every rank throws a
 * DistributedError.
 */
function agreement(communicator: Communicator, what: string): () => Promise<void> {
	return async () => {
		if (communicator.size === 1) return;
		const own = Int32Array.of(hash(what));
		const all = new Int32Array(communicator.size);
		await communicator.allGather(own, all, what);
		if (all.every((mark) => mark === own[0])) return;
		const calls = await exchange(communicator, what);
		throw new DistributedError(
			`the ranks make different calls: ${calls.map((call, rank) => `rank ${rank} ${call}`).join('; ')}. Every rank must make the same collective calls in the same order`,
		);
	};
}

/** FNV-1a. */
function hash(text: string): number {
	let value = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
	return value | 0;
}

async function valuesOf(x: Tensor): Promise<Values> {
	return (await x.data()) as Values;
}

/** A fresh array of the type of `values`. */
export function alike(values: Values, length: number): Values {
	return new (values.constructor as new (length: number) => Values)(length);
}

function reduceOp(operation: string, x: Tensor, options: ReduceOptions): ReduceOp {
	const { op = 'sum' } = checkOptions(operation, options, ['op']);
	requireOneOf(operation, 'op', op, OPS);
	if (op === 'mean' && !isFloating(x.dtype))
		throw new DTypeError(`${operation}: 'mean' needs a floating tensor, not ${x.dtype}. Convert with .to('float32')`);
	if (x.dtype === 'bool' && op !== 'max' && op !== 'min')
		throw new DTypeError(`${operation}: bool takes 'max' (any) and 'min' (all), not '${op}'. Convert with .to('int32')`);
	return op;
}

export function engineOp(op: ReduceOp): Exclude<ReduceOp, 'mean'> {
	return op === 'mean' ? 'sum' : op;
}

/** The values that the engine has reduced by `op`, complete. */
export function finished(values: Values, op: ReduceOp, size: number): Values {
	if (op === 'mean') for (let i = 0; i < values.length; i++) values[i] = values[i]! / size;
	return values;
}

/** Writes values into `x`, off the tape. */
export function write(x: Tensor, values: TypedArray): Tensor {
	const from = tensor(values, { dtype: x.dtype, shape: x.shape, device: x.device });
	noGrad(() => copy_(x, from));
	from.dispose();
	return x;
}

function requireRankNumber(operation: string, name: string, rank: unknown, { size }: Communicator): void {
	requireInteger(operation, name, rank, 0, size);
}

function requireOther(operation: string, name: string, other: unknown, communicator: Communicator): void {
	if (communicator.size === 1)
		throw new DistributedError(`${operation}: this job has one rank, so there is no other one. Start it with mpirun -np 2`);
	requireRankNumber(operation, name, other, communicator);
	if (other === communicator.rank) throw new DistributedError(`${operation}: ${name} ${other} is this rank itself`);
}

function tagOf(operation: string, options: MessageOptions): number {
	const { tag = 0 } = checkOptions(operation, options, ['tag']);
	requireInteger(operation, 'tag', tag, 0, LARGEST_TAG + 1);
	return tag;
}
