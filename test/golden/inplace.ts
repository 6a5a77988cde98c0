/** Runs the programs of in-place operations of inplace.py and compares the results with PyTorch's. */
import * as w from 'wgrad';
import { stream } from '../ops/database';
import { type Allowed, requireClose } from '../proofs/compare';
import golden from './inplace.json';

interface Golden {
	readonly lines: readonly string[];
	/** The lines that PyTorch rejects. */
	readonly refused: readonly number[];
	/** The names that the loss reads. */
	readonly read: readonly string[];
	readonly values: readonly (readonly number[])[];
	readonly gradients?: readonly (readonly number[] | null)[];
	readonly second?: readonly (readonly number[] | null)[];
	/** Whether backward() fails because a saved tensor was overwritten. */
	readonly overwritten?: boolean;
}

export const PROGRAMS: Readonly<Record<string, Golden>> = golden;

export interface Where {
	readonly device: w.Device;
	readonly dtype: w.DType;
}

type Argument = w.Tensor | number | number[];

const OPERATIONS: Readonly<Record<string, (x: w.Tensor, ...rest: never[]) => w.Tensor>> = {
	split: (x, size: number, dim: number, k: number) => x.split(size, dim)[k]!,
	chunk: (x, count: number, dim: number, k: number) => x.chunk(count, dim)[k]!,
	add_: (x, y: w.Tensor, alpha = 1) => x.add_(y, { alpha }),
	sub_: (x, y: w.Tensor, alpha = 1) => x.sub_(y, { alpha }),
	floor_: (x, y: w.Tensor) => x.div_(y, { roundingMode: 'floor' }),
};

export function draw(name: string, shape: readonly number[], where: Where): w.Tensor {
	const next = stream(name);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(0.5 + next()));
	return w.tensor(values, { shape, ...where });
}

/** Runs `[noGrad] [result =] tensor operation arguments`, or `name = leaf|plain|zeros shape`. */
export function step(line: string, tensors: Map<string, w.Tensor>, where: Where): void {
	let words = line.split(' ');
	if (words[0] === 'noGrad') {
		w.noGrad(() => step(words.slice(1).join(' '), tensors, where));
		return;
	}
	const name = words[1] === '=' ? words[0]! : null;
	if (name !== null) words = words.slice(2);
	const [subject, operation, ...rest] = words as [string, string, ...string[]];
	if (name !== null && ['leaf', 'plain', 'zeros'].includes(subject)) {
		const shape = JSON.parse(operation) as number[];
		const made = subject === 'zeros' ? w.zeros(shape, where) : draw(name, shape, where);
		tensors.set(name, subject === 'leaf' ? made.requiresGrad_() : made);
		return;
	}
	const x = tensors.get(subject)!;
	const given = rest.map((word): Argument => tensors.get(word) ?? JSON.parse(word));
	const own = OPERATIONS[operation] as ((x: w.Tensor, ...rest: Argument[]) => w.Tensor) | undefined;
	const method = x[operation as 'add'] as (...rest: Argument[]) => w.Tensor;
	const result = own === undefined ? method.apply(x, given) : own(x, ...given);
	if (name !== null) tensors.set(name, result);
}

export function weighed(tensors: readonly w.Tensor[], what: string, where: Where): w.Tensor {
	return tensors
		.map((tensor, i) => tensor.mul(draw(`${what} ${i}`, tensor.shape, where)).sum())
		.reduce((total, part) => total.add(part));
}

/** Runs a program, and compares refusals, values, gradients and second gradients with PyTorch's. */
export async function compareProgram(name: string, where: Where, allowed: Allowed): Promise<void> {
	const { lines, refused, read, values, gradients, second, overwritten } = PROGRAMS[name]!;
	const tensors = new Map<string, w.Tensor>();
	const found = lines.flatMap((line, i) => {
		try {
			step(line, tensors, where);
			return [];
		} catch (error) {
			if (!(error instanceof w.WgradError)) throw error;
			return [i];
		}
	});
	if (String(found) !== String(refused)) throw new Error(`${name}: lines ${found} were refused; PyTorch refuses ${refused}`);
	const results = read.map((key) => tensors.get(key)!);
	const same = async (what: string, tensor: w.Tensor | null | undefined, expected: readonly number[] | null) => {
		// No gradient and a gradient of zeros mean the same.
		const zeros = (expected ?? []).map(() => 0);
		if (expected !== null) requireClose(`${name}: ${what}`, (await tensor?.data()) ?? zeros, expected, allowed);
		else if (tensor != null) requireClose(`${name}: ${what}`, await tensor.data(), new Float64Array(tensor.size), allowed);
	};
	for (const [i, tensor] of results.entries()) await same(read[i]!, tensor, values[i]!);
	const leaves = [...tensors.values()].filter((tensor) => tensor.requiresGrad && tensor.isLeaf);
	const differentiate = () => w.grad(weighed(results, 'loss', where), leaves, { createGraph: true, allowUnused: true });
	if (overwritten === true) {
		let message = '';
		try {
			differentiate();
		} catch (error) {
			message = (error as Error).message;
		}
		if (!message.includes('has overwritten since')) throw new Error(`${name}: backward did not detect the overwritten tensor`);
		return;
	}
	const first = differentiate();
	for (const [i, gradient] of first.entries()) await same(`gradient ${i}`, gradient, gradients![i]!);
	if (second === undefined) return;
	const present = first.filter((gradient) => gradient !== null);
	const again = w.grad(weighed(present, 'gradient', where), leaves, { allowUnused: true });
	for (const [i, gradient] of again.entries()) await same(`second gradient ${i}`, gradient, second[i]!);
}
