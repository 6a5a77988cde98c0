import * as w from 'wgrad';
import type { Draw } from './draw';
import { testRandom } from './drive';

const SUMS = { sum: w.sum, mean: w.mean, prod: w.prod, amax: w.amax, amin: w.amin, logsumexp: w.logsumexp, norm: w.norm };
const SPREADS = { var: w.var, std: w.std };
const PICKS = { max: w.max, min: w.min, median: w.median };
const PLACES = { argmax: w.argmax, argmin: w.argmin };
const SCANS = { cumsum: w.cumsum, cumprod: w.cumprod };
const LOGIC = { any: w.any, all: w.all };

function one<T>(d: Draw, table: Record<string, T>): [string, T] {
	return d.pick(Object.entries(table));
}

testRandom(
	'reduce',
	(d) => {
		const rank = d.int(0, 4);
		const kind = d.int(0, 9);
		const shape = d.shape(rank, { elements: d.oneIn(6) ? 5000 : 500, empty: kind < 3 });
		const keepdim = d.bool();
		const dim = d.oneIn(4) ? undefined : d.oneIn(3) ? d.dim(rank) : rank === 0 ? 0 : d.dims(rank);
		if (kind < 4) {
			const [name, operation] = one(d, SUMS);
			const picks = name === 'amax' || name === 'amin';
			const dtype = d.oneIn(6) && name !== 'mean' && name !== 'logsumexp' && name !== 'norm' ? 'int32' : 'float32';
			const options = name === 'norm' ? { keepdim, p: d.pick([2, 1, 3, 0.5, Infinity, -Infinity, 0]) } : { keepdim };
			// Away from zero, where the derivative of a norm explodes; near 1, so that a product stays within float32.
			const values = name === 'prod' ? { low: 0.7, high: 1.4 } : name === 'norm' ? { low: 0.1, high: 2 } : {};
			const ties = picks && d.bool();
			const spacing = picks ? (ties ? { multipleOf: 0.5 } : { distinct: true }) : {};
			const x = d.input(shape, dtype, dtype === 'int32' ? { low: -3, high: 4 } : { ...values, ...spacing });
			return d.case(name, [x], ([t]) => operation(t!, dim, options), { dim, ...options }, { ties });
		}
		if (kind === 4) {
			const [name, operation] = one(d, SPREADS);
			const options = { keepdim, correction: d.pick([1, 0]) };
			const x = d.input(shape, 'float32', { distinct: true, low: d.pick([-2, 98]), high: 100 });
			return d.case(name, [x], ([t]) => operation(t!, dim, options), { dim, ...options });
		}
		const along = d.dim(rank);
		const x = d.input(shape, 'float32', { distinct: true });
		const tied = d.input(shape, d.pick(['float32', 'int32'] as const), { multipleOf: 0.5 });
		if (kind === 5 || kind === 6) {
			const [name, operation] = one(d, PICKS);
			const whole = d.oneIn(4);
			const ties = d.bool();
			const call = ([t]: w.Tensor[]) => (whole ? operation(t!) : [...operation(t!, along, { keepdim })]);
			return d.case(name, [ties ? tied : x], call, whole ? {} : { dim: along, keepdim }, { ties });
		}
		if (kind === 7) {
			const [name, operation] = one(d, PLACES);
			const whole = d.oneIn(4) ? undefined : along;
			return d.case(
				name,
				[d.bool() ? tied : x],
				([t]) => operation(t!, whole, { keepdim }),
				{ dim: whole, keepdim },
				{ ties: true },
			);
		}
		if (kind === 8) {
			const [name, operation] = one(d, LOGIC);
			const flags = d.input(shape, d.pick(['bool', 'int32', 'float32'] as const), { multipleOf: 2, low: -1, high: 2 });
			return d.case(name, [flags], ([t]) => operation(t!, dim, { keepdim }), { dim, keepdim });
		}
		const [name, operation] = one(d, SCANS);
		const near = d.input(shape, 'float32', name === 'cumprod' ? { low: 0.7, high: 1.4 } : {});
		return d.case(name, [near], ([t]) => operation(t!, along), { dim: along });
	},
	{ half: true },
);
