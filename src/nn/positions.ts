/** Position encodings: sinusoids and learned vectors to add to tokens, and rotations of queries and keys. */
import { requireCounts, requireFinite, requireOneOf, requirePositive, wrongArgument } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { tensor } from '../ops/creation';
import { add, mul, neg } from '../ops/elementwise';
import { indexSelect } from '../ops/indexing';
import { cat, chunk, narrow, reshape, unsqueeze } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireShape, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { emptyParameter, normal_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface PositionOptions extends FactoryOptions {
	/** Sequences are [N, L, E] instead of [L, N, E]. Default false. */
	readonly batchFirst?: boolean;
}

const POSITION_OPTIONS = ['batchFirst', 'device', 'dtype'] as const;

export interface PositionCall {
	/** The position of the first token. In generation, the length of the cache. Default 0. */
	readonly offset?: number;
}

/** The angles position * frequency in float64, as rows of size / 2. The frequencies are base^(-2i / size). */
function angles(length: number, size: number, base: number, scaled = (frequency: number) => frequency): Float64Array {
	const half = size / 2;
	const frequencies = Array.from({ length: half }, (_, i) => scaled(base ** ((-2 * i) / size)));
	return Float64Array.from({ length: length * half }, (_, n) => Math.floor(n / half) * frequencies[n % half]!);
}

function requirePositions(name: string, length: number, offset: number, maxLength: number): void {
	if (!Number.isInteger(offset) || offset < 0 || offset + length > maxLength) {
		throw new ArgumentError(`${name}: ${length} positions from offset ${offset} exceed maxLength ${maxLength}`);
	}
}

/** Adds a vector per position, from a table [maxLength, E]. */
abstract class AddedPositions extends Module {
	constructor(
		readonly maxLength: number,
		readonly embedDim: number,
		readonly options: PositionOptions,
	) {
		super();
		requireCounts(new.target.name, { maxLength, embedDim });
	}

	protected abstract table(): Tensor;

	/** x: [L, N, E], or [N, L, E] with `batchFirst`, or [L, E]. */
	override forward(x: Tensor, options: PositionCall = {}): Tensor {
		const name = this.constructor.name;
		const { offset = 0 } = checkOptions(`${name}.forward`, options, ['offset']);
		requireTensor(name, x);
		if ((x.ndim !== 2 && x.ndim !== 3) || x.shape.at(-1) !== this.embedDim) {
			throw new ShapeError(`${name}: it takes sequences of ${this.embedDim} features, not ${formatShape(x.shape)}`);
		}
		const lengthFirst = x.ndim === 2 || !this.options.batchFirst;
		const length = x.shape[lengthFirst ? 0 : 1]!;
		requirePositions(name, length, offset, this.maxLength);
		return tidy(() => {
			const rows = narrow(this.table(), 0, offset, length);
			return add(x, x.ndim === 3 && lengthFirst ? unsqueeze(rows, 1) : rows);
		});
	}

	override extraRepr(): string {
		return `${this.maxLength}, ${this.embedDim}`;
	}
}

/**
 * Interleaved sin and cos of the position at E / 2 wavelengths from 2 pi to 10000 * 2 pi. Vaswani et al. 2017. Has no parameters and no
 * state.
 */
export class SinusoidalPositions extends AddedPositions {
	constructor(maxLength: number, embedDim: number, options: PositionOptions = {}) {
		checkOptions('SinusoidalPositions', options, POSITION_OPTIONS);
		super(maxLength, embedDim, options);
		if (embedDim % 2 !== 0) throw new ArgumentError(`SinusoidalPositions: embedDim ${embedDim} must be even`);
		const values = new Float64Array(maxLength * embedDim);
		for (const [n, angle] of angles(maxLength, embedDim, 10000).entries()) {
			values[2 * n] = Math.sin(angle);
			values[2 * n + 1] = Math.cos(angle);
		}
		const { device, dtype = 'float32' } = options;
		const table = tensor(Array.from(values), { shape: [maxLength, embedDim], dtype, ...(device && { device }) });
		this.registerBuffer('table', table, { persistent: false });
	}

	protected override table(): Tensor {
		return this.buffer('table');
	}
}

/** Learned position vectors: `weight` [maxLength, E], initially normal with standard deviation 0.02, as in GPT-2 (Radford et al. 2019). */
export class LearnedPositions extends AddedPositions {
	readonly weight: Parameter;

	constructor(maxLength: number, embedDim: number, options: PositionOptions = {}) {
		checkOptions('LearnedPositions', options, POSITION_OPTIONS);
		super(maxLength, embedDim, options);
		this.weight = normal_(emptyParameter([maxLength, embedDim], options), 0, 0.02);
	}

	protected override table(): Tensor {
		return this.weight;
	}
}

export interface RotaryOptions extends FactoryOptions {
	/** Default 10000. */
	readonly base?: number;
	/** Pair elements 2i and 2i + 1, as in the paper, instead of i and i + size / 2, as in LLaMA. Default false. */
	readonly interleaved?: boolean;
	/** Lower frequencies, for longer texts than a model was first trained on. Default none. */
	readonly scaling?: RotaryScaling | null;
}

/**
 * 'linear' divides all frequencies by `factor`. 'llama3' does so for wavelengths above `originalMaxLength / lowFreqFactor`, leaves those below
 * `originalMaxLength / highFreqFactor` as they are, and interpolates between them, as Llama 3.1 does. Names and formulas are those of
 * `rope_scaling` in Hugging Face's configs.
 */
export type RotaryScaling =
	| { readonly type: 'linear'; readonly factor: number }
	| {
			readonly type: 'llama3';
			readonly factor: number;
			readonly lowFreqFactor: number;
			readonly highFreqFactor: number;
			readonly originalMaxLength: number;
	  };

function scaler(scaling: RotaryScaling | null): (frequency: number) => number {
	if (scaling === null) return (frequency) => frequency;
	requireOneOf('RotaryPositions', 'scaling.type', scaling.type, ['linear', 'llama3']);
	const { factor } = scaling;
	requirePositive('RotaryPositions', 'scaling.factor', factor);
	if (scaling.type === 'linear') return (frequency) => frequency / factor;
	const { lowFreqFactor, highFreqFactor, originalMaxLength } = scaling;
	requirePositive('RotaryPositions', 'scaling.lowFreqFactor', lowFreqFactor);
	requirePositive('RotaryPositions', 'scaling.originalMaxLength', originalMaxLength);
	if (!(highFreqFactor > lowFreqFactor))
		throw wrongArgument('RotaryPositions', 'scaling.highFreqFactor', `above lowFreqFactor ${lowFreqFactor}`, highFreqFactor);
	return (frequency) => {
		const turns = (originalMaxLength * frequency) / (2 * Math.PI);
		const kept = Math.min(1, Math.max(0, (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor)));
		return frequency * (kept + (1 - kept) / factor);
	};
}

export interface RotaryCall extends PositionCall {
	readonly positions?: Tensor | null;
}

/**
 * Rotates pairs of elements of queries and keys, [..., L, headSize], by the angle position / base^(2i / headSize). Their products then
 * depend only on the distance of the positions. Su et al. 2021 (RoFormer). Has no parameters and no state.
 */
export class RotaryPositions extends Module {
	constructor(
		readonly maxLength: number,
		readonly headSize: number,
		readonly options: RotaryOptions = {},
	) {
		super();
		checkOptions('RotaryPositions', options, ['base', 'interleaved', 'scaling', 'device', 'dtype']);
		requireCounts('RotaryPositions', { maxLength, headSize });
		if (headSize % 2 !== 0) throw new ArgumentError(`RotaryPositions: headSize ${headSize} must be even`);
		const { base = 10000, interleaved = false, scaling = null, device, dtype = 'float32' } = options;
		requireFinite('RotaryPositions', 'base', base);
		requirePositive('RotaryPositions', 'base', base);
		const table = angles(maxLength, headSize, base, scaler(scaling));
		const half = headSize / 2;
		const whole = (of: (angle: number) => number) =>
			tensor(
				Array.from({ length: maxLength * headSize }, (_, n) => {
					const d = n % headSize;
					return of(table[Math.floor(n / headSize) * half + (interleaved ? d >> 1 : d % half)]!);
				}),
				{ shape: [maxLength, headSize], dtype, ...(device && { device }) },
			);
		this.registerBuffer('cos', whole(Math.cos), { persistent: false });
		this.registerBuffer('sin', whole(Math.sin), { persistent: false });
	}

	/** `positions`, int32 [L], replaces `offset`: the position of each row, known to the device only. */
	override forward(x: Tensor, options: RotaryCall = {}): Tensor {
		const { offset = 0, positions = null } = checkOptions('RotaryPositions.forward', options, ['offset', 'positions']);
		requireTensor('RotaryPositions', x);
		if (x.ndim < 2 || x.shape.at(-1) !== this.headSize) {
			throw new ShapeError(`RotaryPositions: it takes [..., L, ${this.headSize}], not ${formatShape(x.shape)}`);
		}
		const length = x.shape.at(-2)!;
		if (positions === null) requirePositions('RotaryPositions', length, offset, this.maxLength);
		else {
			requireTensor('RotaryPositions', positions, 'positions');
			requireShape('RotaryPositions', 'positions', positions, [length], x);
		}
		return tidy(() => {
			const rows = (name: string) =>
				positions === null ? narrow(this.buffer(name), 0, offset, length) : indexSelect(this.buffer(name), 0, positions);
			return add(mul(x, rows('cos')), mul(this.turned(x), rows('sin')));
		});
	}

	/** Maps each pair (a, b) to (-b, a). */
	private turned(x: Tensor): Tensor {
		if (!this.options.interleaved) {
			const [a, b] = chunk(x, 2, -1) as [Tensor, Tensor];
			return cat([neg(b), a], -1);
		}
		const pairs = reshape(x, [...x.shape.slice(0, -1), this.headSize / 2, 2]);
		const [a, b] = chunk(pairs, 2, -1) as [Tensor, Tensor];
		return reshape(cat([neg(b), a], -1), x.shape);
	}

	override extraRepr(): string {
		return `${this.maxLength}, ${this.headSize}`;
	}
}
