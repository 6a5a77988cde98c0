import * as w from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

function places(d: Draw): Case {
	const shape = d.shape(d.int(1, 4), { empty: false, elements: 300 });
	const dim = d.dim(shape.length);
	const at = dim < 0 ? dim + shape.length : dim;
	const size = shape[at]!;
	const dtype = d.oneIn(5) ? 'int32' : 'float32';
	const x = d.input(shape, dtype, { low: -9, high: 9 });
	const smaller = shape.map((n, i) => (i === at ? d.pick([d.int(0, 9), 40]) : d.oneIn(4) ? d.int(0, n) : n));
	const index = d.indices(smaller, size);
	const source = d.input(smaller, dtype);
	const count = d.pick([d.int(0, 9), 70]);
	const rows = d.indices([count], size);
	const rowSource = d.input(shape.with(at, count), dtype);
	const anywhere = d.indices(
		d.shape(d.int(0, 3), { elements: 100 }),
		shape.reduce((a, b) => a * b, 1),
	);
	const alpha = dtype === 'int32' ? 2 : 0.5;
	const along = d.indices(shape.with(at, d.int(1, 7)), size);
	return d.pick<() => Case>([
		() => d.case('gather', [x, index], ([t, i]) => w.gather(t!, dim, i!), dim),
		() => d.case('scatter', [x, index, source], ([t, i, s]) => w.scatter(t!, dim, i!, s!), dim),
		() => d.case('scatterAdd', [x, index, source], ([t, i, s]) => w.scatterAdd(t!, dim, i!, s!), dim),
		() => d.case('indexSelect', [x, rows], ([t, i]) => w.indexSelect(t!, dim, i!), dim),
		() => d.case('indexAdd', [x, rows, rowSource], ([t, i, s]) => w.indexAdd(t!, dim, i!, s!, { alpha }), { dim, alpha }),
		() => d.case('take', [x, anywhere], ([t, i]) => w.take(t!, i!)),
		() => d.case('takeAlongDim', [x, along], ([t, i]) => w.takeAlongDim(t!, i!, dim), dim),
	])();
}

function masks(d: Draw): Case {
	const shape = d.shape(d.int(0, 4));
	const x = d.input(shape, d.pick(['float32', 'int32'] as const));
	const mask = d.input(d.broadcast(shape), 'bool');
	const classes = d.int(1, 9);
	const labels = d.indices(d.shape(d.int(0, 3), { elements: 100 }), classes);
	return d.pick<() => Case>([
		() => d.case('maskedFill', [x, mask], ([t, m]) => w.maskedFill(t!, m!, -3), { value: -3 }),
		() => d.case('oneHot', [labels], ([t]) => w.oneHot(t!, classes), { classes }),
	])();
}

function order(d: Draw): Case {
	const long = d.oneIn(10);
	const shape = d.shape(d.int(1, 3), { elements: long ? 4 : 400 });
	if (long) shape[d.int(0, shape.length - 1)] = d.pick([257, 600, 1025]);
	const dim = d.dim(shape.length);
	const ties = d.bool();
	const x = d.input(
		shape,
		d.pick(['float32', 'float32', 'int32'] as const),
		ties ? { multipleOf: 0.5 } : { distinct: true, low: -99, high: 99 },
	);
	const descending = d.bool();
	const different = d.input(shape, 'float32', { distinct: true });
	const k = d.int(0, shape.at(dim)!);
	const largest = d.bool();
	const right = d.bool();
	const sequence = d.input([d.size()], 'float32', { distinct: true });
	return d.pick<() => Case>([
		() => d.case('sort', [x], ([t]) => [...w.sort(t!, dim, { descending })], { dim, descending }, { ties }),
		() => d.case('argsort', [x], ([t]) => w.argsort(t!, dim, { descending }), { dim, descending }, { ties }),
		() => d.case('topk', [different], ([t]) => [...w.topk(t!, k, dim, { largest })], { k, dim, largest }),
		() => d.case('searchsorted', [sequence, x], ([s, t]) => w.searchsorted(w.sort(s!)[0], t!, { right }), { right }, { ties }),
	])();
}

testRandom('indexing', (d) => d.pick([places, places, places, masks, order])(d));
