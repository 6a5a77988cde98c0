/**
 * Random wrong calls: a correct call of a public function with one or two hostile arguments. Each must either
 * throw one of the library's errors or give a valid result, as loose arguments in JavaScript sometimes do.
 */
import fc from 'fast-check';
import * as w from 'wgrad';
import { INFRASTRUCTURE } from '../completeness/names';
import { CALLS, METHOD_CALLS, Some } from './calls';
import { Draw } from './draw';
import { setting } from './setting';

class Disposed {}
class OnOther {
	constructor(readonly some: Some) {}
}

/** A hostile argument to replace `right`. */
function hostile(d: Draw, right: unknown): unknown {
	const tensors = [
		new Some([]),
		new Some([2]),
		new Some([3, 2]),
		new Some([2, 3], 'int32'),
		new Some([2, 3], 'bool'),
		new Some([0, 3]),
		new Some([2, 3, 4]),
		new Some([1, 1, 1, 1, 1, 1, 1, 1]),
		new Disposed(),
		new OnOther(right instanceof Some ? right : new Some([2, 3])),
	];
	const numbers = [Number.NaN, -1, 1.5, 0, 7, -9, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53];
	const others = [null, undefined, 'text', '', true, [], {}, [Number.NaN], [1.5], [-1, -1], ['a'], [null], () => 1];
	return d.pick([...others, ...numbers, ...tensors]);
}

/** `args` with one or two replaced or one left out. Options may also get an unknown name. */
function spoiled(d: Draw, args: readonly unknown[]): unknown[] {
	const result = [...args];
	for (let count = d.oneIn(4) ? 2 : 1; count > 0; count--) {
		const at = d.int(0, result.length - 1);
		const right = result[at];
		if (Array.isArray(right) && right.length > 0 && d.bool()) {
			result[at] = right.with(d.int(0, right.length - 1), hostile(d, right[0]));
		} else if (right?.constructor === Object && Object.keys(right).length > 0 && d.int(0, 3) > 0) {
			const [key, value] = d.pick(Object.entries(right));
			result[at] = d.oneIn(6) ? { ...right, [`${key}s`]: value } : { ...right, [key]: hostile(d, value) };
		} else if (d.oneIn(8)) {
			result.splice(at, 1);
			if (result.length === 0) break;
		} else {
			result[at] = hostile(d, right);
		}
	}
	return result;
}

interface Call {
	readonly name: string;
	readonly method: boolean;
	readonly args: readonly unknown[];
}

function drawCall(d: Draw, name: string): Call {
	const method = name in METHOD_CALLS || (d.oneIn(4) && name in w.Tensor.prototype && CALLS[name]![0] instanceof Some);
	return { name, method, args: spoiled(d, METHOD_CALLS[name] ?? CALLS[name]!) };
}

/** The arguments with tensors in place of their descriptions. */
export function made(value: unknown, device: w.Device, other: w.Device | null): unknown {
	if (value instanceof Some) {
		const size = value.shape.reduce((a, b) => a * b, 1);
		const data = Array.from({ length: size }, (_, i) =>
			value.dtype === 'int32' || value.dtype === 'int8' || value.dtype === 'uint8'
				? value.whole
				: value.dtype === 'bool'
					? i % 2
					: 0.25 + 0.5 * (i % 2),
		);
		return w.tensor(data, { shape: value.shape, dtype: value.dtype, device });
	}
	if (value instanceof OnOther) return made(value.some, other ?? device, null);
	if (value instanceof Disposed) {
		const gone = w.ones([2, 3], { device });
		gone.dispose();
		return gone;
	}
	if (Array.isArray(value)) return value.map((item) => made(item, device, other));
	if (value?.constructor !== Object) return value;
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, made(item, device, other)]));
}

export function shown(value: unknown): string {
	if (value instanceof Some) return `${value.dtype}[${value.shape}]`;
	if (value instanceof OnOther) return `${shown(value.some)} on the other device`;
	if (value instanceof Disposed) return 'a disposed tensor';
	if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
	if (value?.constructor === Object)
		return `{ ${Object.entries(value)
			.map(([key, item]) => `${key}: ${shown(item)}`)
			.join(', ')} }`;
	return typeof value === 'string' ? `'${value}'` : String(value);
}

function tensorsIn(value: unknown): w.Tensor[] {
	if (value instanceof w.Tensor) return [value];
	return Array.isArray(value) ? value.flatMap(tensorsIn) : [];
}

/** Makes the call. Returns the shapes and dtypes of the results, or 'refused'. Throws if the call misbehaves. */
async function outcome({ name, method, args }: Call, device: w.Device, other: w.Device | null): Promise<string> {
	w.setDefaultDevice(device);
	const given = args.map((value) => made(value, device, other));
	if (method && !(given[0] instanceof w.Tensor)) return 'no call';
	try {
		return await described(await perform(name, method, given));
	} catch (error) {
		if (error instanceof w.WgradError) return 'refused';
		throw error;
	}
}

function perform(name: string, method: boolean, given: unknown[]): unknown {
	if (!method) return (w as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!(...given);
	const [self, ...rest] = given as [object, ...unknown[]];
	const call = (self as Record<string, (...rest: unknown[]) => unknown>)[name]!;
	const inPlace = name.endsWith('_') && name !== 'requiresGrad_';
	return inPlace ? w.noGrad(() => call.apply(self, rest)) : call.apply(self, rest);
}

/** Shapes and dtypes of a call's results; their elements must be readable. */
async function described(result: unknown): Promise<string> {
	const tensors = tensorsIn(result);
	for (const tensor of tensors) {
		const right = tensor.shape.every((size) => Number.isInteger(size) && size >= 0);
		if (!right) throw new Error(`gives a tensor of shape [${tensor.shape}]`);
		const { length } = await tensor.data();
		if (length !== tensor.size) throw new Error(`gives ${length} elements of shape [${tensor.shape}]`);
	}
	return tensors.map(({ shape, dtype }) => `${dtype === 'float64' ? 'float32' : dtype}[${shape}]`).join(', ');
}

/**
 * Every public function has a correct call in calls.ts. Infrastructure functions have none: they take no arguments, or callbacks,
 * or they switch devices, and their own tests check the errors.
 */
export function requireComplete(): void {
	const functions = Object.entries(w).filter(([, value]) => typeof value === 'function' && !/^class/.test(String(value)));
	const missing = functions.map(([name]) => name).filter((name) => !(name in CALLS) && !INFRASTRUCTURE.includes(name));
	const properties = Object.entries(Object.getOwnPropertyDescriptors(w.Tensor.prototype));
	const methods = properties.flatMap(([name, { value }]) => (value && /_$/.test(name) && !(name in METHOD_CALLS) ? [name] : []));
	const gone = Object.keys(CALLS).filter((name) => !(name in w));
	if (missing.length + methods.length > 0) throw new Error(`no right call in calls.ts of ${[...missing, ...methods].join(', ')}`);
	if (gone.length > 0) throw new Error(`calls.ts has calls of ${gone.join(', ')}, which are not public`);
}

/** The correct calls must succeed, or all wrong ones would throw for the wrong reason. */
export async function requireRight(device: w.Device): Promise<void> {
	for (const [name, args] of Object.entries({ ...CALLS, ...METHOD_CALLS })) {
		if (name === 'retainGrad' || name === 'backward') continue;
		const got = await outcome({ name, method: name in METHOD_CALLS, args }, device, null);
		if (got === 'refused') throw new Error(`the right call of ${name} is refused`);
	}
}

const BY_POSITION = /^(conv|max(Un)?[Pp]ool|avgPool|clamp|clip|dropout)/;

/** Everything that takes options rejects options that are not objects, and unknown names. */
export async function requireOptionsRefused(): Promise<void> {
	const accepted: string[] = [];
	for (const [name, args] of Object.entries({ ...CALLS, ...METHOD_CALLS })) {
		const options = args.at(-1);
		if (options?.constructor !== Object) continue;
		// A number may be the first option by position.
		const number = BY_POSITION.test(name) ? [] : [3];
		for (const wrong of [null, ...number, 'text', true, [], { ...(options as object), nonsense: 1 }]) {
			const call = { name, method: name in METHOD_CALLS, args: args.with(-1, wrong) };
			if ((await outcome(call, 'cpu', null)) !== 'refused') accepted.push(`${name}(..., ${shown(wrong)})`);
		}
	}
	if (accepted.length > 0) throw new Error(`accepted: ${accepted.join(', ')}`);
}

/** Makes `each` wrong calls of every function. The error lists all that misbehave, each function once. */
export async function makeWrongCalls(device: w.Device, each: number, seed: number): Promise<void> {
	const wrong: string[] = [];
	let refused = 0;
	let count = 0;
	const reference: w.Device | null = device === 'cpu' ? null : 'cpu';
	for (const name of Object.keys({ ...CALLS, ...METHOD_CALLS })) {
		const calls = fc.gen().map((value) => drawCall(new Draw(value, fc), name));
		for (const call of fc.sample(calls, { seed: seed + count, numRuns: each })) {
			count++;
			try {
				const got = await outcome(call, device, reference);
				await w.sync();
				if (got === 'refused') refused++;
				// Calls with mixed devices are mixed only on this device.
				const mixed = JSON.stringify(call.args, (_, value) => (value instanceof OnOther ? 'mixed' : value));
				if (reference !== null && !mixed.includes('"mixed"')) {
					const expected = await outcome(call, reference, null);
					if (got !== expected) throw new Error(`gives ${got}, on the CPU ${expected}`);
				}
			} catch (error) {
				const { name: kind, message, stack = '' } = error as Error;
				const place = /\/(src\/[^)\s]*)/.exec(stack)?.[1] ?? '';
				const how = call.method ? `x.${name} with x` : name;
				wrong.push(`${how}(${call.args.map(shown).join(', ')}): ${kind}: ${message} ${place}`);
			}
		}
	}
	w.setDefaultDevice(device);
	if (wrong.length > 0)
		throw new Error(`${wrong.length} of ${count} wrong calls misbehave (seed ${seed}):\n  ${wrong.join('\n  ')}`);
	if (refused < count / 2) throw new Error(`only ${refused} of ${count} calls were wrong`);
	console.log(`${count} wrong calls on ${device}: ${refused} refused, the others gave valid results`);
}

/** A call, given its arguments. */
export type Run = (args: readonly unknown[]) => unknown;

/** Runs each with correct arguments, which must succeed, and with wrong ones. */
export async function misuse(calls: Readonly<Record<string, readonly [args: readonly unknown[], run: Run]>>): Promise<void> {
	const cases = Math.ceil((setting('WGRAD_CASES') ?? 200) / 5);
	const wrong: string[] = [];
	let refused = 0;
	let count = 0;
	for (const [name, [args, run]] of Object.entries(calls)) {
		const fake = fc.gen().map((value) => spoiled(new Draw(value, fc), args));
		for (const given of [args, ...fc.sample(fake, { seed: (setting('WGRAD_SEED') ?? 10) + count, numRuns: cases })]) {
			count++;
			try {
				await run(given.map((value) => made(value, 'cpu', null)));
			} catch (error) {
				if (error instanceof w.WgradError && given !== args) {
					refused++;
					continue;
				}
				const { name: kind, message, stack = '' } = error as Error;
				wrong.push(`${name}(${given.map(shown).join(', ')}): ${kind}: ${message} ${/\/(src\/[^)\s]*)/.exec(stack)?.[1] ?? ''}`);
			}
		}
	}
	if (wrong.length > 0) throw new Error(`${wrong.length} of ${count} wrong calls misbehave:\n  ${wrong.join('\n  ')}`);
	console.log(`${count} wrong calls: ${refused} refused, the others gave valid results`);
}
