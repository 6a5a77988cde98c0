/**
 * Discrete Fourier transforms. A complex tensor has a last dim of 2, for the real and the imaginary part, as `torch.view_as_real` gives it.
 *
 * A transform is a chain of matrix products. Up to BASE elements it is one product. A longer one of a * b elements is b transforms of a
 * elements, a turn of each element, and a transforms of b elements (Cooley and Tukey). A length with a large prime factor becomes a
 * convolution of a length that is a power of 2 (Bluestein). The tables are made in float64.
 */
import type { Backend } from '../backends/contract';
import { requireInteger, requireOneOf } from '../core/checks';
import { isFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { normalizeDim, numel, type Shape } from '../core/shape';
import { Tensor } from '../tensor';
import { requireFloatingTensor, requireTensor } from '../tensorChecks';
import { keep } from '../tidy';
import { inFloat32 } from './composed';
import { tensor, zerosLike } from './creation';
import { addcmul, mul, to } from './elementwise';
import { cat, clone, flip, movedim, narrow, pad, permute, reshape, select, stack } from './layout';
import { matmul } from './matmul';

/** The most elements of a transform by one product of complex numbers, and of real ones. */
const BASE = 128;
const REAL_BASE = 512;

const NORMS = ['backward', 'ortho', 'forward'] as const;

export interface FourierOptions {
	/** The length of the signal: it is cut or filled with zeros at its end. Default the size of the dim. */
	readonly n?: number;
	/** The dim of the signal, not counting the dim of real and imaginary part. Default -1. */
	readonly dim?: number;
	/** Which transform divides by n: the inverse ('backward', the default), the other, or both by the square root of n ('ortho'). */
	readonly norm?: 'backward' | 'ortho' | 'forward';
}

type Direction = 1 | -1;

/** The transform of complex signals x [..., n, 2]. As `torch.fft.fft`. */
export function fft(x: Tensor, options: FourierOptions = {}): Tensor {
	return ofComplex('fft.fft', x, options, -1);
}

/** The inverse of `fft`. As `torch.fft.ifft`. */
export function ifft(x: Tensor, options: FourierOptions = {}): Tensor {
	return ofComplex('fft.ifft', x, options, 1);
}

function ofComplex(name: string, x: Tensor, options: FourierOptions, direction: Direction): Tensor {
	requireComplex(name, x);
	const { dim, n, norm } = settings(name, options, x.shape.slice(0, -1));
	return inFloat32(name, [x], (wide) => {
		const { rows, back } = alongLast(withLength(movedim(wide, dim, -2), -2, n), 2);
		return movedim(back(scaled(transformed(rows, direction), scaleOf(n, norm, direction))), -2, dim);
	});
}

/** The first n / 2 + 1 elements of the transform of real signals x [..., n], [..., n / 2 + 1, 2]: the others mirror them. As `torch.fft.rfft`. */
export function rfft(x: Tensor, options: FourierOptions = {}): Tensor {
	requireTensor('fft.rfft', x);
	const { dim, n, norm } = settings('fft.rfft', options, x.shape);
	const input = isFloating(x.dtype) ? x : to(x, 'float32');
	return inFloat32('fft.rfft', [input], (wide) => {
		const { rows, back } = alongLast(withLength(movedim(wide, dim, -1), -1, n), 1);
		const half = Math.floor(n / 2) + 1;
		const parts =
			n <= REAL_BASE
				? reshape(
						matmul(
							rows,
							table(`real ${n}`, [n, 2 * half], rows, () => realMatrix(n)),
						),
						[rows.shape[0]!, half, 2],
					)
				: narrow(transformed(stack([rows, zerosLike(rows)], -1), -1), 1, 0, half);
		return movedim(back(scaled(parts, scaleOf(n, norm, -1))), -2, dim);
	});
}

/** The inverse of `rfft`: real signals [..., n] from x [..., n / 2 + 1, 2]. Default n twice the size of the dim minus 2. As `torch.fft.irfft`. */
export function irfft(x: Tensor, options: FourierOptions = {}): Tensor {
	requireComplex('fft.irfft', x);
	const signal = x.shape.slice(0, -1);
	const at = normalizeDim('fft.irfft', options.dim ?? -1, signal.length);
	const { dim, n, norm } = settings('fft.irfft', options, signal, 2 * (signal[at]! - 1));
	return inFloat32('fft.irfft', [x], (wide) => {
		const half = Math.floor(n / 2) + 1;
		const { rows, back } = alongLast(withLength(movedim(wide, dim, -2), -2, half), 2);
		const count = rows.shape[0]!;
		const real =
			n <= REAL_BASE
				? matmul(
						reshape(rows, [count, 2 * half]),
						table(`inverse real ${n}`, [2 * half, n], rows, () => inverseRealMatrix(n)),
					)
				: select(transformed(mirrored(rows, n), 1), -1, 0);
		return movedim(back(scaled(real, scaleOf(n, norm, 1))), -1, dim);
	});
}

function requireComplex(name: string, x: Tensor): void {
	requireFloatingTensor(name, x);
	if (x.ndim < 2 || x.shape.at(-1) !== 2)
		throw new ShapeError(
			`${name}: needs complex numbers as [..., n, 2], with real and imaginary part in the last dim, not ${formatShape(x.shape)}`,
		);
}

function settings(name: string, options: FourierOptions, signal: Shape, size?: number) {
	checkOptions(name, options, ['n', 'dim', 'norm']);
	const { dim = -1, norm = 'backward' } = options;
	requireOneOf(name, 'norm', norm, NORMS);
	if (signal.length === 0) throw new ShapeError(`${name}: a scalar has no dim to transform`);
	const at = normalizeDim(name, dim, signal.length);
	const n = options.n ?? size ?? signal[at]!;
	if (options.n !== undefined) requireInteger(name, 'n', n, 1);
	else if (n < 1) throw new ArgumentError(`${name}: dim ${at} of ${formatShape(signal)} is too short for a transform. Give n`);
	return { dim: at, n, norm };
}

function withLength(x: Tensor, dim: -1 | -2, n: number): Tensor {
	const size = x.shape.at(dim)!;
	if (size === n) return x;
	if (size > n) return narrow(x, dim, 0, n);
	return pad(x, [...new Array<number>(-2 * dim - 2).fill(0), 0, n - size]);
}

/** x with all dims but the last `kept` merged into one, and the way back. */
function alongLast(x: Tensor, kept: 1 | 2): { rows: Tensor; back: (y: Tensor) => Tensor } {
	const lead = x.shape.slice(0, -kept);
	return {
		rows: reshape(x, [numel(lead), ...x.shape.slice(-kept)]),
		back: (y) => reshape(y, [...lead, ...y.shape.slice(1)]),
	};
}

function scaleOf(n: number, norm: NonNullable<FourierOptions['norm']>, direction: Direction): number {
	if (norm === 'ortho') return 1 / Math.sqrt(n);
	return (norm === 'backward') === (direction === 1) ? 1 / n : 1;
}

function scaled(x: Tensor, factor: number): Tensor {
	return factor === 1 ? x : mul(x, factor);
}

/** The transform of [rows, n, 2] without a factor: sums of x[j] exp(direction 2 pi i j k / n). */
function transformed(x: Tensor, direction: Direction): Tensor {
	const [rows, n] = x.shape as [number, number, number];
	if (n === 1) return clone(x);
	if (n <= BASE) {
		const matrix = table(`complex ${n} ${direction}`, [2 * n, 2 * n], x, () => complexMatrix(n, direction));
		return reshape(matmul(reshape(x, [rows, 2 * n]), matrix), [rows, n, 2]);
	}
	const a = factorOf(n);
	if (a === 1) return byConvolution(x, direction);
	const b = n / a;
	// Element j1 b + j2 becomes element k1 + a k2.
	const first = transformed(reshape(permute(reshape(x, [rows, a, b, 2]), [0, 2, 1, 3]), [rows * b, a, 2]), direction);
	const turns = (j2: number, k1: number) => (direction * 2 * Math.PI * ((j2 * k1) % n)) / n;
	const turned = multiplied(reshape(first, [rows, b, a, 2]), `turns ${a} ${b} ${direction}`, [b, a], (i) =>
		turns(Math.floor(i / a), i % a),
	);
	const second = transformed(reshape(permute(turned, [0, 2, 1, 3]), [rows * a, b, 2]), direction);
	return reshape(permute(reshape(second, [rows, a, b, 2]), [0, 2, 1, 3]), [rows, n, 2]);
}

/** The largest divisor of n that is at most BASE. */
function factorOf(n: number): number {
	for (let a = BASE; a > 1; a--) if (n % a === 0) return a;
	return 1;
}

/** Bluestein: j k = (j^2 + k^2 - (k - j)^2) / 2 makes the transform a convolution with a chirp. */
function byConvolution(x: Tensor, direction: Direction): Tensor {
	const n = x.shape[1]!;
	const length = 2 ** Math.ceil(Math.log2(2 * n - 1));
	const angle = (j: number) => (direction * Math.PI * ((j * j) % (2 * n))) / n;
	const name = `chirp ${n} ${direction}`;
	const chirped = multiplied(x, name, [n], angle);
	const filled = pad(chirped, [0, 0, 0, length - n]);
	const filter = table(`filter ${n} ${direction}`, [1, length, 2], x, () => {
		const values = new Float64Array(2 * length);
		for (let j = 0; j < n; j++) {
			for (const at of j === 0 ? [0] : [j, length - j]) values.set([Math.cos(angle(j)), -Math.sin(angle(j))], 2 * at);
		}
		return values;
	});
	const spectrum = transformed(filter, -1);
	const product = complexProduct(transformed(filled, -1), spectrum);
	const convolved = mul(narrow(transformed(product, 1), 1, 0, n), 1 / length);
	return multiplied(convolved, name, [n], angle);
}

function complexProduct(x: Tensor, y: Tensor): Tensor {
	const [a, b] = [select(y, -1, 0), select(y, -1, 1)];
	const [re, im] = [select(x, -1, 0), select(x, -1, 1)];
	return stack([addcmul(mul(re, a), im, b, { value: -1 }), addcmul(mul(re, b), im, a)], -1);
}

/** The complex x [..., ...shape, 2] times exp(i angle(k)), for element k of `shape`. */
function multiplied(x: Tensor, name: string, shape: Shape, angle: (k: number) => number): Tensor {
	const size = numel(shape);
	const real = table(`${name} cos`, [...shape, 1], x, () => Float64Array.from({ length: size }, (_, k) => Math.cos(angle(k))));
	const imaginary = table(`${name} sin`, [...shape, 2], x, () =>
		Float64Array.from({ length: 2 * size }, (_, k) => (k % 2 === 0 ? -1 : 1) * Math.sin(angle(k >> 1))),
	);
	return addcmul(mul(x, real), flip(x, -1), imaginary);
}

/** All n elements of a spectrum, from its first half: element n - k is the conjugate of element k. */
function mirrored(rows: Tensor, n: number): Tensor {
	const count = n - rows.shape[1]!;
	const conjugate = tensor([1, -1], { dtype: rows.dtype, device: rows.device });
	return cat([rows, mul(flip(narrow(rows, 1, 1, count), 1), conjugate)], 1);
}

/** exp(direction 2 pi i j k / n) as a real matrix of [j, part of x] by [k, part of y]. */
function complexMatrix(n: number, direction: Direction): Float64Array {
	const values = new Float64Array(4 * n * n);
	for (let j = 0; j < n; j++) {
		for (let k = 0; k < n; k++) {
			const angle = (direction * 2 * Math.PI * ((j * k) % n)) / n;
			const [c, s] = [Math.cos(angle), Math.sin(angle)];
			values.set([c, s], 2 * j * 2 * n + 2 * k);
			values.set([-s, c], (2 * j + 1) * 2 * n + 2 * k);
		}
	}
	return values;
}

/** [j] by [k, part of y], for k up to n / 2. */
function realMatrix(n: number): Float64Array {
	const half = Math.floor(n / 2) + 1;
	const values = new Float64Array(2 * n * half);
	for (let j = 0; j < n; j++) {
		for (let k = 0; k < half; k++) {
			const angle = (-2 * Math.PI * ((j * k) % n)) / n;
			values.set([Math.cos(angle), Math.sin(angle)], 2 * (j * half + k));
		}
	}
	return values;
}

/** [k, part of x] by [j]. Elements that stand for their mirror image count twice. */
function inverseRealMatrix(n: number): Float64Array {
	const half = Math.floor(n / 2) + 1;
	const values = new Float64Array(2 * n * half);
	for (let k = 0; k < half; k++) {
		const weight = k === 0 || 2 * k === n ? 1 : 2;
		for (let j = 0; j < n; j++) {
			const angle = (2 * Math.PI * ((j * k) % n)) / n;
			values[2 * k * n + j] = weight * Math.cos(angle);
			// The imaginary part of an element without a mirror image does not count.
			values[(2 * k + 1) * n + j] = weight === 1 ? 0 : -2 * Math.sin(angle);
		}
	}
	return values;
}

/** The latest tables of each device. They go with its backend: at shutdown, or when the device is lost. */
const TABLES = new WeakMap<Backend, Map<string, Tensor>>();
const MAX_TABLES = 32;

/** A constant by its name, which programs ask for again and again because they repeat few lengths. */
function table(name: string, shape: Shape, like: Tensor, make: () => Float64Array): Tensor {
	const { backend, dtype } = like;
	let tables = TABLES.get(backend);
	if (tables === undefined) {
		tables = new Map();
		TABLES.set(backend, tables);
	}
	const key = `${name} ${dtype}`;
	let found = tables.get(key);
	// The latest is last.
	tables.delete(key);
	if (found === undefined) {
		const values = make();
		const storage = backend.allocateForHost(values.length, dtype, shape);
		// Not an upload: in a recorded step, the table is a tensor from outside.
		void backend.write(storage, dtype === 'float64' ? values : Float32Array.from(values), 0);
		found = keep(new Tensor(storage, shape));
	}
	tables.set(key, found);
	if (tables.size > MAX_TABLES) {
		const [oldest, unused] = tables.entries().next().value!;
		tables.delete(oldest);
		unused.dispose();
	}
	return found;
}
