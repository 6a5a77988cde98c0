/** What an operation requires of its operands before it looks at them. */
import { type DType, isFloating } from '../core/dtype';
import { ArgumentError, DeviceError, formatShape, ShapeError } from '../core/errors';
import { isExpanded } from '../core/shape';
import { requireDevice, Tensor } from '../tensor';

/** Throws, in the name of `operation`, unless `value` is a tensor whose device is still there. */
export function requireTensor(operation: string, value: unknown, argument = 'input'): asserts value is Tensor {
	if (!(value instanceof Tensor)) {
		throw new ArgumentError(`${operation}: ${argument} must be a tensor, not ${describe(value)}. Make one with tensor()`);
	}
	requireDevice(operation, value);
}

/** Throws a ShapeError, in the name of `operation`, where `x` is expanded: a write would meet one element several times. */
export function requireDistinct(operation: string, x: Tensor): void {
	if (isExpanded(x.shape, x.strides)) {
		throw new ShapeError(
			`${operation}: the tensor of shape ${formatShape(x.shape)} was expanded: several of its elements are one in memory. Clone it first`,
		);
	}
}

/** Throws an ArgumentError, in the name of `operation`, unless every operand is a tensor or a number and one is a tensor. */
export function requireOperands(operation: string, ...operands: readonly unknown[]): void {
	for (const operand of operands) {
		if (!(operand instanceof Tensor) && typeof operand !== 'number') {
			throw new ArgumentError(`${operation}: takes tensors and numbers, not ${describe(operand)}`);
		}
	}
	if (!operands.some((operand) => operand instanceof Tensor)) {
		throw new ArgumentError(`${operation}: at least one operand must be a tensor; of numbers alone use Math`);
	}
}

/** Throws an ArgumentError, in the name of `operation`, unless the value is a number and not NaN. */
export function requireNumber(operation: string, name: string, value: unknown): void {
	if (typeof value !== 'number' || Number.isNaN(value))
		throw new ArgumentError(`${operation}: ${name} must be a number, not ${shown(value)}`);
}

/** Throws an ArgumentError, in the name of `operation`, unless each of the named numbers is whole and at least `minimum`, if that is finite. */
export function requireCounts(operation: string, counts: Readonly<Record<string, unknown>>, minimum = 0): void {
	for (const [name, count] of Object.entries(counts)) {
		if (!Number.isSafeInteger(count) || (count as number) < minimum) {
			const least = Number.isFinite(minimum) ? ` of at least ${minimum}` : '';
			throw new ArgumentError(
				`${operation}: ${name} must be a whole number${least}, not ${shown(count)}${oneByOne(count, Object.keys(counts))}`,
			);
		}
	}
}

/** Throws an ArgumentError, in the name of a layer, unless each of the named sizes is a whole number of at least 1, or a list of such. */
export function requireSizes(layer: string, sizes: Readonly<Record<string, unknown>>): void {
	for (const [name, size] of Object.entries(sizes)) {
		const list = Array.isArray(size) && size.length > 0 ? size : [size];
		if (!list.every((value) => Number.isSafeInteger(value) && value >= 1)) {
			throw new ArgumentError(
				`${layer}: ${name} must be a whole number of at least 1, or a list of them, not ${shown(size)}${oneByOne(size, Object.keys(sizes))}`,
			);
		}
	}
}

/** What to do about an object of options in the place of one of the required arguments. */
function oneByOne(value: unknown, names: readonly string[]): string {
	if (typeof value !== 'object' || value === null || value instanceof Tensor) return '';
	return `. Required arguments come one by one, before the options: (${names.join(', ')}, { ... })`;
}

/** Throws an ArgumentError, in the name of `operation`, unless `p` is a probability. */
export function requireProbability(operation: string, p: unknown, name = 'p'): void {
	if (!(typeof p === 'number' && p >= 0 && p <= 1)) {
		throw new ArgumentError(`${operation}: ${name} must lie in [0, 1], not ${shown(p)}`);
	}
}

/** A wrong argument as messages show it. */
export function shown(value: unknown): string {
	if (value instanceof Tensor) return `a tensor of shape ${formatShape(value.shape)}`;
	if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
	if (typeof value === 'function') return 'a function';
	if (typeof value === 'bigint') return `the bigint ${value}n`;
	if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
	return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function describe(value: unknown): string {
	if (value === null || value === undefined) return String(value);
	if (Array.isArray(value)) return 'an array';
	if (typeof value === 'object') {
		const kind = value.constructor?.name ?? 'object';
		return kind.toLowerCase() === 'object' ? 'an object' : `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`;
	}
	return `${typeof value} ${String(value).slice(0, 40)}`;
}

/** Throws an ArgumentError, in the name of `operation`, unless `state` holds tensors by name. */
export function requireState(operation: string, state: unknown): asserts state is Readonly<Record<string, Tensor>> {
	if (typeof state !== 'object' || state === null)
		throw new ArgumentError(
			`${operation}: it takes tensors by name, such as module.stateDict() or what io.loadSafetensors(bytes) gives, not ${shown(state)}`,
		);
	if (state instanceof Promise) throw new ArgumentError(`${operation}: it takes tensors by name, not a promise. Await it first`);
	if (state instanceof Map)
		throw new ArgumentError(`${operation}: it takes tensors by name in an object, not a Map. Pass Object.fromEntries(map)`);
	if (typeof (state as { stateDict?: unknown }).stateDict === 'function')
		throw new ArgumentError(`${operation}: it takes tensors by name, not a module. Pass its stateDict()`);
	if (ArrayBuffer.isView(state) || state instanceof ArrayBuffer)
		throw new ArgumentError(`${operation}: it takes tensors by name, not bytes. Read them with io.loadSafetensors(bytes)`);
	if (state instanceof Tensor)
		throw new ArgumentError(`${operation}: it takes tensors by name, not one tensor. Name it: { name: tensor }`);
	for (const [name, value] of Object.entries(state)) {
		if (!(value instanceof Tensor)) throw new ArgumentError(`${operation}: '${name}' is no tensor, but ${typeof value}`);
	}
}

/** Throws a DeviceError, in the name of `operation`, unless all tensors are on one device. */
export function requireSameDevice(operation: string, ...tensors: readonly Tensor[]): void {
	const first = tensors[0];
	for (const tensor of tensors) {
		if (tensor.device !== first!.device) {
			throw new DeviceError(
				`${operation}: tensors are on different devices: ${formatShape(first!.shape)} on ${first!.device}, ${formatShape(tensor.shape)} on ${tensor.device}. Move one with .to('${first!.device}'). Tensors made before init() are on the CPU: call await init() first`,
			);
		}
	}
}

/** Throws an ArgumentError, in the name of `operation`, for a number 0 that whole numbers would be divided by. */
export function requireDivisor(operation: string, dtype: DType, divisor: Tensor | number): void {
	if (divisor === 0 && !isFloating(dtype))
		throw new ArgumentError(`${operation}: division of ${dtype} by zero. Convert with .to('float32') for infinity and NaN`);
}
