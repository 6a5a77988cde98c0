/** Sums of products in Einstein's notation, computed as batched matrix products. */
import { currentAutocast } from '../autograd/modes';
import { requireInteger, wrongArgument } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { normalizeDim, normalizeDims, numel } from '../core/shape';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { composed, inFloat32 } from './composed';
import { mul } from './elementwise';
import { diagonal, expand, permute, reshape, squeeze } from './layout';
import { matmul, multiply } from './matmul';
import { promote } from './operands';
import { sum } from './reduce';

/** A tensor with a label for each dim. */
interface Term {
	readonly x: Tensor;
	readonly labels: readonly string[];
}

type Sizes = ReadonlyMap<string, number>;

/**
 * Multiplies tensors along labelled dims and sums over the labels that the output does not have: `einsum('bij,bjk->bik', a, b)`.
 *
 * Labels are letters. '...' stands for further dims, which broadcast. A label that occurs twice in a term takes the diagonal. Without '->'
 * the output has the dims of '...', then the labels that occur once, in alphabetical order. With more than two operands, pairs are
 * multiplied in an order that keeps intermediate results small. Throws an ArgumentError for a wrong equation, and a ShapeError if the sizes
 * of a label differ. As `torch.einsum`.
 */
export function einsum(equation: string, ...tensors: Tensor[]): Tensor {
	if (Array.isArray(tensors[0]))
		throw new ArgumentError('einsum: tensors come one by one, not as a list: einsum(equation, a, b)');
	const casting = currentAutocast();
	if (casting !== null) return casting.call('einsum', [...tensors], (inputs) => einsum(equation, ...inputs));
	const operands = promote('einsum', ...tensors);
	const { inputs, output } = parse(equation, operands);
	const sizes = labelSizes(equation, inputs, operands);
	const isAlone = (label: string, i: number) =>
		!output.includes(label) && inputs.every((labels, j) => j === i || !labels.includes(label));
	const isProduct = operands.length === 2 && !inputs.some((labels, i) => labels.some((label) => isAlone(label, i)));
	const evaluate = (...factors: readonly Tensor[]) => {
		let terms = factors.map((x, i) => prepared({ x, labels: inputs[i]! }, sizes));
		while (terms.length > 1) {
			const [i, j] = cheapestPair(terms, output, sizes);
			const others = terms.filter((_, k) => k !== i && k !== j);
			const needed = new Set([...output, ...others.flatMap(({ labels }) => labels)]);
			terms = [...others, contracted(terms[i]!, terms[j]!, needed)];
		}
		return arranged(terms[0]!, output, sizes);
	};
	// A single product or sum has no intermediate result that could lose precision.
	return isProduct || operands.length === 1
		? composed('einsum', () => evaluate(...operands))
		: inFloat32('einsum', operands, evaluate);
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: string[][]; output: string[] } {
	const fail = (reason: string) => new ArgumentError(`einsum: '${equation}': ${reason}`);
	if (typeof equation !== 'string') throw wrongArgument('einsum', 'the equation', 'a string', equation);
	if (operands.length === 0) throw fail('needs at least one tensor');
	const [left, right, rest] = equation.replace(/\s/g, '').split('->');
	if (rest !== undefined) throw fail(`has more than one '->'`);
	const terms = left!.split(',');
	if (terms.length !== operands.length) throw fail(`has ${terms.length} terms for ${operands.length} tensors`);
	for (const part of right === undefined ? terms : [...terms, right]) {
		if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(part)) throw fail(`'${part}' is not made of letters and at most one '...'`);
	}
	// The dims of '...' get labels that count from the right, because broadcasting aligns dims from the right.
	let ellipsis = 0;
	const inputs = terms.map((term, i) => {
		const { shape } = operands[i]!;
		const letters = term.replace('...', '').length;
		const extra = shape.length - letters;
		if (extra < 0 || (extra > 0 && !term.includes('...')))
			throw fail(`'${term}' has ${letters} labels for ${formatShape(shape)}`);
		ellipsis = Math.max(ellipsis, extra);
		return labelsOf(term, extra);
	});
	const all = inputs.flat();
	if (right === undefined) {
		const once = [...new Set(all)].filter((label) => label.length === 1 && all.indexOf(label) === all.lastIndexOf(label));
		return { inputs, output: [...labelsOf('...', ellipsis), ...once.sort()] };
	}
	const output = labelsOf(right, right.includes('...') ? ellipsis : 0);
	for (const label of output) {
		if (!all.includes(label)) throw fail(`the output has '${label}', which no term has`);
		if (output.indexOf(label) !== output.lastIndexOf(label)) throw fail(`the output has '${label}' twice`);
	}
	return { inputs, output };
}

function labelsOf(term: string, extra: number): string[] {
	const [before, after] = term.split('...') as [string, string?];
	const dims = Array.from({ length: extra }, (_, i) => `...${extra - i}`);
	return after === undefined ? [...before] : [...before, ...dims, ...after];
}

function labelSizes(equation: string, inputs: readonly string[][], operands: readonly Tensor[]): Sizes {
	const sizes = new Map<string, number>();
	inputs.forEach((labels, i) => {
		labels.forEach((label, d) => {
			const size = operands[i]!.shape[d]!;
			const before = sizes.get(label) ?? 1;
			if (before !== size && before !== 1 && size !== 1) {
				throw new ShapeError(
					`einsum: '${equation}': label '${label}' has size ${before} and size ${size} in ${operands.map((x) => formatShape(x.shape)).join(', ')}`,
				);
			}
			sizes.set(label, before === 1 ? size : before);
		});
	});
	return sizes;
}

/** Takes the diagonal of repeated labels, and drops dims of size 1 that broadcast. */
function prepared({ x, labels }: Term, sizes: Sizes): Term {
	const repeated = labels.find((label, d) => labels.indexOf(label) !== d);
	if (repeated !== undefined) {
		const first = labels.indexOf(repeated);
		const second = labels.indexOf(repeated, first + 1);
		const rest = labels.filter((_, d) => d !== first && d !== second);
		return prepared({ x: diagonal(x, 0, first, second), labels: [...rest, repeated] }, sizes);
	}
	const thin = labels.flatMap((label, d) => (x.shape[d] === 1 && sizes.get(label) !== 1 ? [d] : []));
	return thin.length === 0 ? { x, labels } : { x: squeeze(x, thin), labels: labels.filter((_, d) => !thin.includes(d)) };
}

/** The pair of terms with the product that adds the fewest elements to the intermediate results. */
function cheapestPair(terms: readonly Term[], output: readonly string[], sizes: Sizes): readonly [number, number] {
	let best: readonly [number, number] = [0, 1];
	let least = Number.POSITIVE_INFINITY;
	if (terms.length === 2) return best;
	for (let i = 0; i < terms.length; i++) {
		for (let j = i + 1; j < terms.length; j++) {
			const needed = new Set([...output, ...terms.flatMap(({ labels }, k) => (k === i || k === j ? [] : labels))]);
			const joined = new Set([...terms[i]!.labels, ...terms[j]!.labels]);
			let size = 1;
			for (const label of joined) if (needed.has(label)) size *= sizes.get(label)!;
			const growth = size - terms[i]!.x.size - terms[j]!.x.size;
			if (growth < least) {
				least = growth;
				best = [i, j];
			}
		}
	}
	return best;
}

/** The product of two terms, summed over the labels that nothing needs any more. */
function contracted(left: Term, right: Term, needed: ReadonlySet<string>): Term {
	const a = reduced(left, (label) => needed.has(label) || right.labels.includes(label));
	const b = reduced(right, (label) => needed.has(label) || left.labels.includes(label));
	const shared = a.labels.filter((label) => b.labels.includes(label));
	const batch = shared.filter((label) => needed.has(label));
	const inner = shared.filter((label) => !needed.has(label));
	const rows = a.labels.filter((label) => !shared.includes(label));
	const columns = b.labels.filter((label) => !shared.includes(label));
	const labels = [...batch, ...rows, ...columns];
	if (inner.length === 0) {
		return { x: mul(aligned(a, labels), aligned(b, labels)), labels };
	}
	const size = ({ x, labels: own }: Term, list: readonly string[]) => list.map((label) => x.shape[own.indexOf(label)]!);
	const [batchSize, rowSize, innerSize, columnSize] = [size(a, batch), size(a, rows), size(a, inner), size(b, columns)];
	const x = multiply(
		'einsum',
		reshape(ordered(a, [...batch, ...rows, ...inner]), [...batchSize, numel(rowSize), numel(innerSize)]),
		reshape(ordered(b, [...batch, ...inner, ...columns]), [...batchSize, numel(innerSize), numel(columnSize)]),
	);
	return { x: reshape(x, [...batchSize, ...rowSize, ...columnSize]), labels };
}

function reduced({ x, labels }: Term, keeps: (label: string) => boolean): Term {
	const dims = labels.flatMap((label, d) => (keeps(label) ? [] : [d]));
	return dims.length === 0 ? { x, labels } : { x: sum(x, dims), labels: labels.filter(keeps) };
}

function ordered({ x, labels }: Term, order: readonly string[]): Tensor {
	const dims = order.map((label) => labels.indexOf(label));
	return dims.every((dim, i) => dim === i) ? x : permute(x, dims);
}

/** The term with the dims of `labels`. A dim that it lacks has size 1. */
function aligned(term: Term, labels: readonly string[]): Tensor {
	const own = labels.filter((label) => term.labels.includes(label));
	const x = ordered(term, own);
	const shape = labels.map((label) => (own.includes(label) ? x.shape[own.indexOf(label)]! : 1));
	return shape.length === x.ndim ? x : reshape(x, shape);
}

/** The term with the dims of the output in order. Sums over other dims, and expands dims that broadcast. */
function arranged(term: Term, output: readonly string[], sizes: Sizes): Tensor {
	const x = aligned(
		reduced(term, (label) => output.includes(label)),
		output,
	);
	const shape = output.map((label) => sizes.get(label)!);
	return shape.every((size, d) => size === x.shape[d]) ? reshape(x, shape) : expand(x, shape);
}

/**
 * Multiplies a and b along pairs of dims and sums over these: the last `dims` dims of a and the first of b, or the listed dims of each. Default
 * 2. The result has the other dims of a, then those of b. As `torch.tensordot`.
 */
export function tensordot(
	a: Tensor,
	b: Tensor,
	dims: number | readonly [ofA: readonly number[], ofB: readonly number[]] = 2,
): Tensor {
	requireTensor('tensordot', a, 'a');
	requireTensor('tensordot', b, 'b');
	const [ofA, ofB] = pairedDims(a, b, dims);
	const differs = ofA.findIndex((dim, i) => a.shape[dim] !== b.shape[ofB[i]!]);
	if (differs >= 0)
		throw new ShapeError(
			`tensordot: dim ${ofA[differs]} of ${formatShape(a.shape)} and dim ${ofB[differs]} of ${formatShape(b.shape)} must have one size`,
		);
	const isOther = (paired: readonly number[]) => (dim: number) => !paired.includes(dim);
	const restA = [...a.shape.keys()].filter(isOther(ofA));
	const restB = [...b.shape.keys()].filter(isOther(ofB));
	const sizes = (x: Tensor, some: readonly number[]) => some.map((dim) => x.shape[dim]!);
	const inner = numel(sizes(a, ofA));
	return composed('tensordot', () => {
		const left = reshape(permute(a, [...restA, ...ofA]), [numel(sizes(a, restA)), inner]);
		const right = reshape(permute(b, [...ofB, ...restB]), [inner, numel(sizes(b, restB))]);
		return reshape(matmul(left, right), [...sizes(a, restA), ...sizes(b, restB)]);
	});
}

function pairedDims(
	a: Tensor,
	b: Tensor,
	dims: number | readonly [readonly number[], readonly number[]],
): readonly [number[], number[]] {
	if (typeof dims === 'number') {
		requireInteger('tensordot', 'dims', dims, 0, Math.min(a.ndim, b.ndim) + 1);
		const counted = Array.from({ length: dims }, (_, i) => i);
		return [counted.map((i) => a.ndim - dims + i), counted];
	}
	if (!Array.isArray(dims) || dims.length !== 2 || !dims.every(Array.isArray) || dims[0].length !== dims[1].length)
		throw wrongArgument('tensordot', 'dims', 'a number, or [dims of a, dims of b] with equally many of both', dims);
	const of = (x: Tensor, list: readonly number[]) => {
		normalizeDims('tensordot', list, x.ndim);
		return list.map((dim) => normalizeDim('tensordot', dim, x.ndim));
	};
	return [of(a, dims[0]), of(b, dims[1])];
}
