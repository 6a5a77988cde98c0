/**
 * Numbers that follow the sizes of the inputs, such as a size of 4 * batch. Several runs at different sizes show how each number in a trace
 * follows them: a polynomial that is linear in each of the dynamic axes is fitted, and another run checks it.
 */

/** A sum of products of symbols: coefficients by product, such as '0' or '0,1', in terms of the positions of the symbols; '' is 1. */
export class Dim {
	constructor(readonly terms: ReadonlyMap<string, number>) {}

	plus(other: Size): Size {
		const terms = new Map(this.terms);
		for (const [product, factor] of termsOf(other)) terms.set(product, (terms.get(product) ?? 0) + factor);
		return simplified(terms);
	}

	times(other: Size): Size {
		const terms = new Map<string, number>();
		for (const [a, left] of this.terms) {
			for (const [b, right] of termsOf(other)) {
				const product = [a, b]
					.filter((part) => part !== '')
					.join(',')
					.split(',')
					.sort()
					.join(',');
				terms.set(product, (terms.get(product) ?? 0) + left * right);
			}
		}
		return simplified(terms);
	}

	/** The name of a single symbol, or undefined. */
	symbol(): number | undefined {
		const [first, ...rest] = this.terms;
		return rest.length === 0 && first![1] === 1 && !first![0].includes(',') ? Number(first![0]) : undefined;
	}
}

/** A size that is fixed, or follows the dynamic axes. */
export type Size = number | Dim;

export function termsOf(size: Size): ReadonlyMap<string, number> {
	return typeof size === 'number' ? new Map([['', size]]) : size.terms;
}

function simplified(terms: ReadonlyMap<string, number>): Size {
	const left = [...terms].filter(([, factor]) => factor !== 0);
	if (left.length === 0) return 0;
	if (left.length === 1 && left[0]![0] === '') return left[0]![1];
	return new Dim(new Map(left));
}

export function sum(a: Size, b: Size): Size {
	if (typeof a === 'number') return typeof b === 'number' ? a + b : b.plus(a);
	return a.plus(b);
}

export function product(a: Size, b: Size): Size {
	if (typeof a === 'number') return typeof b === 'number' ? a * b : b.times(a);
	return a.times(b);
}

export function difference(a: Size, b: Size): Size {
	return sum(a, product(b, -1));
}

export function sameSize(a: Size, b: Size): boolean {
	return difference(a, b) === 0;
}

export function sameSizes(a: readonly Size[], b: readonly Size[]): boolean {
	return a.length === b.length && a.every((size, d) => sameSize(size, b[d]!));
}

export function count(sizes: readonly Size[]): Size {
	return sizes.reduce<Size>(product, 1);
}

/** The sizes of the symbols in one run. */
export type Assignment = readonly number[];

/**
 * The sizes of the runs: all combinations of two sizes for each symbol, the base first, then one run that checks. Sizes below 4 are replaced,
 * because with a batch of 1 broadcasting would hide what follows the batch.
 */
export function assignments(given: Assignment): Assignment[] {
	if (given.length === 0) return [[]];
	const choices = given.map((size) => (size < 4 ? [2, 3, 5] : [size, size - 1, size - 2]));
	const runs = Array.from({ length: 2 ** given.length }, (_, mask) => choices.map((sizes, i) => sizes[(mask >> i) & 1]!));
	return [...runs, choices.map((sizes) => sizes[2]!)];
}

/** How a number follows the symbols, from its values in the runs of `assignments`; null if no polynomial does. */
export function fitted(values: readonly number[], runs: readonly Assignment[]): Size | null {
	const first = values[0]!;
	if (values.every((value) => Object.is(value, first))) return first;
	const base = runs[0]!;
	const far = runs.at(-2)!;
	let result: Size = 0;
	for (let set = 0; set < values.length - 1; set++) {
		const members = base.map((_, i) => i).filter((i) => (set >> i) & 1);
		let slope = 0;
		for (let part = 0; part <= set; part++) {
			if ((part & set) !== part) continue;
			slope += (bits(set) - bits(part)) % 2 === 0 ? values[part]! : -values[part]!;
		}
		for (const i of members) slope /= far[i]! - base[i]!;
		if (!Number.isInteger(slope)) return null;
		const factors = members.map((i) => new Dim(new Map([[String(i), 1]])).plus(-base[i]!));
		result = sum(result, product(slope, count(factors)));
	}
	return evaluate(result, runs.at(-1)!) === values.at(-1) ? result : null;
}

function bits(mask: number): number {
	return mask === 0 ? 0 : (mask & 1) + bits(mask >> 1);
}

export function evaluate(size: Size, symbols: Assignment): number {
	let total = 0;
	for (const [product, factor] of termsOf(size)) {
		const factors = product === '' ? [] : product.split(',').map((i) => symbols[Number(i)]!);
		total += factors.reduce((result, value) => result * value, factor);
	}
	return total;
}
