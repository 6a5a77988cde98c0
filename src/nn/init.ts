/** Fills parameters with initial values, in place, without recording. Formulas and defaults are those of `torch.nn.init`. */
import { layoutKernels, randomKernels } from '../backends/kernels';
import { deviceOfNew } from '../backends/registry';
import { requireFinite, requireFraction, requireInteger, requireNonNegative, requireOneOf } from '../core/checks';
import { requireDType, requireFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { defaultGenerator } from '../core/generator';
import { halfBelow, storedArray } from '../core/halves';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { checkShape, MAX_RANK, numel, type Shape } from '../core/shape';
import { empty, emptyOn, markWritten, Tensor, viewOf } from '../tensor';
import { requireDistinct, requireRank, requireTensor } from '../tensorChecks';
import type { FactoryOptions } from './module';
import { Parameter } from './parameter';
import { areValuesSkipped } from './skipInit';

/** A parameter without values yet; fill it with one of the functions below. */
export function emptyParameter(shape: Shape, { device, dtype = 'float32' }: FactoryOptions): Parameter {
	requireDType('Parameter', dtype, ['float32', 'float64', 'float16', 'bfloat16'], 'dtype');
	checkShape('Parameter', shape);
	const data = runOperation('Parameter', () => {
		if (!areValuesSkipped()) return empty(shape, dtype, device ?? deviceOfNew());
		using one = empty([1], dtype, device ?? deviceOfNew());
		return viewOf(
			one,
			shape,
			shape.map(() => 0),
			0,
		);
	});
	const parameter = new Parameter(data);
	data.dispose();
	return parameter;
}

/** Convolutions have the gain of 'linear'. */
type Linear = 'linear' | 'conv1d' | 'conv2d' | 'conv3d' | 'convTranspose1d' | 'convTranspose2d' | 'convTranspose3d';
export type Nonlinearity = Linear | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';

/** The recommended scale of weights before a nonlinearity. `param` is the negative slope of leakyRelu. Default 0.01. */
export function calculateGain(nonlinearity: Nonlinearity, param = 0.01): number {
	switch (nonlinearity) {
		case 'linear':
		case 'conv1d':
		case 'conv2d':
		case 'conv3d':
		case 'convTranspose1d':
		case 'convTranspose2d':
		case 'convTranspose3d':
		case 'sigmoid':
			return 1;
		case 'tanh':
			return 5 / 3;
		case 'relu':
			return Math.SQRT2;
		case 'leakyRelu':
			return Math.sqrt(2 / (1 + param ** 2));
		case 'selu':
			return 3 / 4;
		default:
			throw new ArgumentError(
				`calculateGain: nonlinearity '${String(nonlinearity)}' is not one of linear, sigmoid, tanh, relu, leakyRelu, selu, nor a convolution such as conv2d`,
			);
	}
}

/** Checks that `tensor` may be written, and counts the write, so that autograd notices if it saved the old values. */
function written<T extends Tensor>(tensor: T, operation: string): T {
	requireTensor(operation, tensor);
	requireDistinct(operation, tensor);
	markWritten(tensor, operation);
	return tensor;
}

/** Whether `tensor` gets its values, and its memory, later. */
function isFilledLater(tensor: Tensor): boolean {
	return areValuesSkipped() && tensor instanceof Parameter;
}

/** Fills `tensor` with a kernel that fills whole storages. A view gets a temporary storage. */
function drawn<T extends Tensor>(tensor: T, operation: string, draw: (out: Tensor) => void): T {
	if (isFilledLater(tensor)) return tensor;
	const target = written(tensor, operation);
	requireFloating(operation, target.dtype);
	runOperation(operation, () => {
		if (target.isContiguous && target.storage.length === target.size) {
			draw(target);
			return;
		}
		const out = emptyOn(target, target.shape);
		draw(out);
		layoutKernels(target.backend).copyInto({ x: out }, { y: target }, {});
		out.dispose();
	});
	return tensor;
}

/** Fills with numbers uniform in [low, high). Default [0, 1). */
export function uniform_<T extends Tensor>(tensor: T, low = 0, high = 1): T {
	if (!(low <= high)) throw new ArgumentError(`uniform_: low ${low} must be at most high ${high}`);
	return drawn(tensor, 'uniform_', (out) => {
		randomKernels(out.backend).randomUniform(
			{},
			{ out },
			{ ...defaultGenerator.next(), low, high, largest: halfBelow(out.dtype, high) },
		);
	});
}

/** Fills with normal numbers. Default mean 0, std 1. */
export function normal_<T extends Tensor>(tensor: T, mean = 0, std = 1): T {
	requireFinite('normal_', 'mean', mean);
	requireNonNegative('normal_', 'std', std);
	return drawn(tensor, 'normal_', (out) => {
		randomKernels(out.backend).randomNormal({}, { out }, { ...defaultGenerator.next(), mean, std });
	});
}

/** Fills with `value`. */
export function constant_<T extends Tensor>(tensor: T, value: number): T {
	if (isFilledLater(tensor)) return tensor;
	const y = written(tensor, 'constant_');
	runOperation('constant_', () => layoutKernels(y.backend).fill({}, { y }, { value }));
	return tensor;
}

/** Fills with ones. */
export function ones_<T extends Tensor>(tensor: T): T {
	return constant_(tensor, 1);
}

/** Fills with zeros. */
export function zeros_<T extends Tensor>(tensor: T): T {
	return constant_(tensor, 0);
}

/** Copies values that the host computed. */
function assign<T extends Tensor>(tensor: T, values: Float64Array, operation: string): T {
	if (isFilledLater(tensor)) return tensor;
	const y = written(tensor, operation);
	requireFloating(operation, tensor.dtype);
	const data = tensor.dtype === 'float64' ? values : storedArray(tensor.dtype, Float32Array.from(values));
	runOperation(operation, () => {
		const source = new Tensor(tensor.backend.upload(data, tensor.dtype), tensor.shape);
		layoutKernels(y.backend).copyInto({ x: source }, { y }, {});
		source.dispose();
	});
	return tensor;
}

/** Fills a 2-D tensor with the identity matrix. */
export function eye_<T extends Tensor>(tensor: T): T {
	const [rows, columns] = matrix('eye_', tensor);
	const values = new Float64Array(rows * columns);
	for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
	return assign(tensor, values, 'eye_');
}

/** Fills a 3-D to 5-D convolution weight with identity filters: each output channel of a group passes one input channel through. */
export function dirac_<T extends Tensor>(tensor: T, groups = 1): T {
	requireTensor('dirac_', tensor);
	const { shape } = tensor;
	requireRank('dirac_', 'tensor', tensor, 'a convolution weight of 3 to 5 dims', 3, 5);
	requireInteger('dirac_', 'groups', groups, 1);
	if (shape[0]! % groups !== 0)
		throw new ArgumentError(`dirac_: ${shape[0]} output channels must be a multiple of the ${groups} groups`);
	const values = new Float64Array(numel(shape));
	const [outputs, inputs] = [shape[0]! / groups, shape[1]!];
	const plane = numel(shape.slice(2));
	let centre = 0;
	for (const size of shape.slice(2)) centre = centre * size + Math.floor(size / 2);
	for (let g = 0; g < groups; g++) {
		for (let d = 0; d < Math.min(outputs, inputs); d++) values[((g * outputs + d) * inputs + d) * plane + centre] = 1;
	}
	return assign(tensor, values, 'dirac_');
}

/** The inputs and outputs of one unit of a weight [out, in, ...kernel]. */
function fans(operation: string, tensor: Tensor): { fanIn: number; fanOut: number } {
	requireTensor(operation, tensor);
	const { shape } = tensor;
	if (shape.length < 2)
		throw new ShapeError(`${operation}: fan in and fan out need at least 2 dimensions, not shape ${formatShape(shape)}`);
	const receptive = numel(shape.slice(2));
	return { fanIn: shape[1]! * receptive, fanOut: shape[0]! * receptive };
}

/** Glorot and Bengio 2010: uniform in +-gain sqrt(6 / (fanIn + fanOut)). */
export function xavierUniform_<T extends Tensor>(tensor: T, options: { gain?: number } = {}): T {
	const { gain = 1 } = checkOptions('xavierUniform_', options, ['gain']);
	const { fanIn, fanOut } = fans('xavierUniform_', tensor);
	const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
	return uniform_(tensor, -bound, bound);
}

/** Glorot and Bengio 2010: normal of standard deviation gain sqrt(2 / (fanIn + fanOut)). */
export function xavierNormal_<T extends Tensor>(tensor: T, options: { gain?: number } = {}): T {
	const { gain = 1 } = checkOptions('xavierNormal_', options, ['gain']);
	const { fanIn, fanOut } = fans('xavierNormal_', tensor);
	return normal_(tensor, 0, gain * Math.sqrt(2 / (fanIn + fanOut)));
}

export interface KaimingOptions {
	/** Negative slope of the leakyRelu after the layer. Default 0. */
	readonly a?: number;
	/** Preserve the variance of the forward ('fanIn', default) or the backward pass. */
	readonly mode?: 'fanIn' | 'fanOut';
	/** Default 'leakyRelu', which equals relu for a = 0. */
	readonly nonlinearity?: Nonlinearity;
}

const KAIMING_OPTIONS = ['a', 'mode', 'nonlinearity'] as const;

function kaimingStd(
	operation: string,
	tensor: Tensor,
	{ a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' }: KaimingOptions,
): number {
	requireOneOf(operation, 'mode', mode, ['fanIn', 'fanOut']);
	const fan = fans(operation, tensor)[mode];
	return fan === 0 ? 0 : calculateGain(nonlinearity, a) / Math.sqrt(fan);
}

/** He et al. 2015: uniform in +-gain sqrt(3 / fan). */
export function kaimingUniform_<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
	checkOptions('kaimingUniform_', options, KAIMING_OPTIONS);
	const bound = Math.sqrt(3) * kaimingStd('kaimingUniform_', tensor, options);
	return uniform_(tensor, -bound, bound);
}

/** He et al. 2015: normal of standard deviation gain / sqrt(fan). */
export function kaimingNormal_<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
	checkOptions('kaimingNormal_', options, KAIMING_OPTIONS);
	return normal_(tensor, 0, kaimingStd('kaimingNormal_', tensor, options));
}

/** Standard normal numbers on the host, from the default generator. */
function hostNormals(operation: string, count: number): Float64Array {
	const draws = runOperation(operation, () => empty([count], 'float64', 'cpu'));
	normal_(draws);
	const values = draws.storage.hostData!() as Float64Array;
	draws.dispose();
	return values;
}

/** Fills with normal numbers of `mean` and `std`; draws again while outside [a, b]. Default 0, 1, -2, 2. */
export function truncNormal_<T extends Tensor>(tensor: T, mean = 0, std = 1, a = -2, b = 2): T {
	requireTensor('truncNormal_', tensor);
	if (!(a < b) || !(std >= 0) || !(mean + 5 * std >= a && mean - 5 * std <= b)) {
		throw new ArgumentError(
			`truncNormal_: [${a}, ${b}] is empty or lies more than 5 standard deviations (std ${std}, at least 0) from mean ${mean}`,
		);
	}
	const values = new Float64Array(tensor.size);
	for (let filled = 0; filled < values.length; ) {
		for (const draw of hostNormals('truncNormal_', Math.max(16, 2 * (values.length - filled)))) {
			const value = mean + std * draw;
			if (filled < values.length && value >= a && value <= b) values[filled++] = value;
		}
	}
	return assign(tensor, values, 'truncNormal_');
}

/**
 * Saxe et al. 2013: a (semi-)orthogonal matrix times `gain`. Dims after the first count as columns. The Gram-Schmidt process on normal
 * vectors gives the uniform distribution; it runs twice for full precision.
 */
export function orthogonal_<T extends Tensor>(tensor: T, options: { gain?: number } = {}): T {
	const { gain = 1 } = checkOptions('orthogonal_', options, ['gain']);
	requireTensor('orthogonal_', tensor);
	requireRank('orthogonal_', 'tensor', tensor, '[rows, ...]', 2, MAX_RANK);
	const rows = tensor.shape[0]!;
	const columns = rows === 0 ? 0 : tensor.size / rows;
	const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
	const vectors = hostNormals('orthogonal_', count * length);
	for (let i = 0; i < count; i++) {
		const vector = vectors.subarray(i * length, (i + 1) * length);
		for (let pass = 0; pass < 2; pass++) {
			for (let j = 0; j < i; j++) {
				const other = vectors.subarray(j * length, (j + 1) * length);
				const projection = dotProduct(vector, other);
				for (let k = 0; k < length; k++) vector[k] = vector[k]! - projection * other[k]!;
			}
		}
		const scale = 1 / Math.sqrt(dotProduct(vector, vector));
		for (let k = 0; k < length; k++) vector[k] = vector[k]! * scale;
	}
	const values = new Float64Array(rows * columns);
	for (let i = 0; i < count; i++) {
		for (let k = 0; k < length; k++) values[rows < columns ? i * columns + k : k * columns + i] = gain * vectors[i * length + k]!;
	}
	return assign(tensor, values, 'orthogonal_');
}

/** Martens 2010: in each column a fraction `sparsity` (rounded up) of zeros, the rest normal of `std` (default 0.01). tensor: 2-D. */
export function sparse_<T extends Tensor>(tensor: T, sparsity: number, options: { std?: number } = {}): T {
	const { std = 0.01 } = checkOptions('sparse_', options, ['std']);
	requireFraction('sparse_', 'sparsity', sparsity);
	const [rows, columns] = matrix('sparse_', tensor);
	const values = hostNormals('sparse_', rows * columns).map((value) => value * std);
	const zeros = Math.ceil(sparsity * rows);
	for (let c = 0; c < columns; c++) {
		const order = hostNormals('sparse_', rows);
		const chosen = Array.from(order.keys()).sort((i, j) => order[i]! - order[j]!);
		for (const r of chosen.slice(0, zeros)) values[r * columns + c] = 0;
	}
	return assign(tensor, values, 'sparse_');
}

function matrix(operation: string, tensor: Tensor): [rows: number, columns: number] {
	requireTensor(operation, tensor);
	requireRank(operation, 'tensor', tensor, 'a matrix', 2);
	return [tensor.shape[0]!, tensor.shape[1]!];
}

function dotProduct(a: Float64Array, b: Float64Array): number {
	let total = 0;
	for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
	return total;
}
