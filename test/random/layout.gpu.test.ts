import * as w from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

const DTYPES = ['float32', 'float32', 'float32', 'int32', 'bool'] as const;

function some(d: Draw, least: number, most: number, options = {}): { shape: number[]; x: ReturnType<Draw['input']> } {
	const shape = d.shape(d.int(least, most), options);
	return { shape, x: d.input(shape, d.pick(DTYPES), { low: -50, high: 50 }) };
}

/** Operations that return a view. A product reads the view afterwards. */
function views(d: Draw): Case {
	const { shape, x } = some(d, 1, 4);
	const rank = shape.length;
	const order = d.order(rank).map((dim) => (d.oneIn(4) ? dim - rank : dim));
	const dim = d.dim(rank);
	const size = shape.at(dim)!;
	const start = d.int(0, size);
	const end = d.int(start, size);
	const step = d.int(1, 3);
	const other = d.dim(rank);
	const index = d.int(-Math.max(size, 1), Math.max(size, 1) - 1);
	const offset = d.int(-3, 3);
	const target = d.order(rank).map((at) => shape[at]!);
	const wide = [...d.shape(d.int(0, 1), { elements: 3 }), ...shape.map((n) => (n === 1 ? d.int(1, 4) : n))];
	return d.pick<() => Case>([
		() => d.case('permute', [x], ([t]) => t!.permute(order), order),
		() => d.case('transpose', [x], ([t]) => t!.transpose(dim, other), [dim, other]),
		() => d.case('movedim', [x], ([t]) => t!.movedim(dim, other), [dim, other]),
		() => d.case('reshape', [x], ([t]) => t!.reshape(target), target),
		() => d.case('flatten', [x], ([t]) => t!.flatten()),
		() => d.case('squeeze', [x], ([t]) => t!.squeeze()),
		() => d.case('unsqueeze', [x], ([t]) => t!.unsqueeze(dim), [dim]),
		() => d.case('expand', [x], ([t]) => t!.expand(wide), wide),
		() => d.case('narrow', [x], ([t]) => t!.narrow(dim, start, end - start), [dim, start, end - start]),
		() => d.case('slice', [x], ([t]) => t!.slice(dim, start, end, step), [dim, start, end, step]),
		() => d.case('select', [x], ([t]) => t!.select(dim, index), [dim, index]),
		() => d.case('contiguous', [x], ([t]) => t!.permute(order).contiguous(), order),
		() => d.case('clone', [x], ([t]) => t!.clone()),
		() => d.case('diagonal', [x], ([t]) => t!.diagonal(offset, 0, rank - 1), [offset, 0, rank - 1]),
	])();
}

function copies(d: Draw): Case {
	const { shape, x } = some(d, 1, 4, { elements: 300 });
	const rank = shape.length;
	const dims = d.dims(rank);
	const shifts = dims.map(() => d.int(-5, 5));
	const repeats = [...(d.oneIn(3) ? [d.int(0, 2)] : []), ...shape.map(() => d.int(1, 3))];
	const offset = d.int(-4, 4);
	return d.pick<() => Case>([
		() => d.case('flip', [x], ([t]) => t!.flip(dims), dims),
		() => d.case('roll', [x], ([t]) => t!.roll(shifts, dims), [shifts, dims]),
		() => d.case('roll', [x], ([t]) => t!.roll(shifts[0]!), shifts[0]),
		() => d.case('repeat', [x], ([t]) => t!.repeat(repeats), repeats),
		() => d.case('tile', [x], ([t]) => t!.tile(repeats), repeats),
		() => d.case('tril', [x], ([t]) => t!.tril(offset), offset),
		() => d.case('triu', [x], ([t]) => t!.triu(offset), offset),
		() => d.case('diag', [{ ...x, shape: x.shape.slice(0, 2), placement: null }], ([t]) => t!.diag(offset), offset),
	])();
}

function padded(d: Draw): Case {
	const mode = d.pick(['constant', 'reflect', 'replicate', 'circular'] as const);
	const spatial = d.int(1, 2);
	const shape = d.shape(mode === 'constant' ? d.int(spatial, 4) : spatial + d.int(1, 2), { empty: false, elements: 300 });
	const x = d.input(shape);
	// Cropping one on either side leaves something, and the circular border cannot be wider than the rest.
	const least = mode === 'constant' || shape.slice(-spatial).every((size) => size > 2) ? -1 : 0;
	const most = (size: number) => ({ constant: 3, reflect: size - 1, replicate: 4, circular: size + 2 * least })[mode];
	const amount = (size: number) => d.int(least, Math.min(most(size), 4));
	const sizes = shape.slice(-spatial).reverse();
	const pad = sizes.flatMap((size) => [amount(size), amount(size)]);
	return d.case('pad', [x], ([t]) => t!.pad(pad, { mode, ...(mode === 'constant' && { value: 1.5 }) }), { pad, mode });
}

function joined(d: Draw): Case {
	const { shape, x } = some(d, 1, 4, { elements: 200 });
	const dim = d.dim(shape.length);
	const at = dim < 0 ? dim + shape.length : dim;
	const more = Array.from({ length: d.int(0, 3) }, () => d.input(shape.with(at, d.int(0, 5)), x.dtype));
	const alike = Array.from({ length: d.int(0, 3) }, () => d.input(shape, x.dtype));
	const sizes = [d.int(0, shape[at]!)];
	sizes.push(shape[at]! - sizes[0]!);
	const chunks = d.int(1, 4);
	const vectors = Array.from({ length: d.int(1, 3) }, () => d.input([d.int(1, 5)]));
	const indexing = d.pick(['ij', 'xy'] as const);
	return d.pick<() => Case>([
		() => d.case('cat', [x, ...more], (given) => w.cat(given, dim), dim),
		() => d.case('stack', [x, ...alike], (given) => w.stack(given, dim), dim),
		() => d.case('split', [x], ([t]) => t!.split(sizes, dim), [sizes, dim]),
		() => d.case('chunk', [x], ([t]) => t!.chunk(chunks, dim), [chunks, dim]),
		() => d.case('meshgrid', vectors, (given) => w.meshgrid(given, { indexing }), indexing),
	])();
}

function windows(d: Draw): Case {
	const pair = (min: number, max: number) => [d.int(min, max), d.int(min, max)];
	const [kernel, dilation, padding, stride] = [pair(1, 3), pair(1, 2), pair(0, 2), pair(1, 3)];
	const size = kernel.map((taps, i) => (taps - 1) * dilation[i]! + d.int(1, 5));
	const [batch, channels] = [d.int(0, 2), d.int(1, 3)];
	const options = { dilation, padding, stride };
	const counts = size.map((n, i) => Math.floor((n + 2 * padding[i]! - dilation[i]! * (kernel[i]! - 1) - 1) / stride[i]!) + 1);
	const image = d.input([batch, channels, ...size]);
	const columns = d.input([batch, channels * kernel[0]! * kernel[1]!, counts[0]! * counts[1]!]);
	return d.bool()
		? d.case('unfold', [image], ([t]) => t!.unfold(kernel, options), { kernel, ...options })
		: d.case('fold', [columns], ([t]) => t!.fold(size, kernel, options), { size, kernel, ...options });
}

testRandom('layout', (d) => d.pick([views, views, copies, copies, padded, joined, windows])(d));
