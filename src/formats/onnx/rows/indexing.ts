/** Reading and writing by index as ONNX nodes, and losses. */
import type { DType } from '../../../core/dtype';
import type { Call, Row, Rows } from '../call';
import type { Name } from '../graph';
import { type Size, sameSizes } from '../symbols';
import { Formula, working } from './elementwise';
import { reshaped } from './layout';

interface Along {
	readonly dim: number;
}

/** Whether `index` is one vector along `dim`, repeated along the other dims of x. Then a plain Gather does it. */
function vectorAlong(c: Call, dim: number): Name | null {
	const index = c.value('index');
	const x = c.shape('x');
	const others = (shape: readonly Size[]) => shape.filter((_, d) => d !== dim);
	const maker = c.makerOf(index);
	const source = maker?.kind === 'expand' ? maker.inputs.x! : index;
	if (!sameSizes(others(index.shape), others(x)) || source.shape.length > x.length) return null;
	const added = x.length - source.shape.length;
	if (source.shape.some((size, d) => d + added !== dim && size !== 1)) return null;
	if (source.shape.length === 0 || dim < added) return null;
	return reshaped(c, c.names.get(source)!, source.shape, [source.shape[dim - added]!]);
}

const gather: Row = (c) => {
	const { dim } = c.attributes<Along>();
	const vector = vectorAlong(c, dim);
	if (vector !== null) return c.add('Gather', [c.in('x'), vector], { axis: dim });
	return c.add('GatherElements', [c.in('x'), c.in('index')], { axis: dim });
};

function filled(c: Call, shape: readonly Size[], value: number, dtype: DType): Name {
	return c.add('Expand', [c.scalar(value, dtype), c.graph.integers(shape)]);
}

function scattered(c: Call, base: Name, source: Name, reduction: 'none' | 'add' | 'mul' | 'max' | 'min'): Name {
	const { dim } = c.attributes<Along>();
	return c.add('ScatterElements', [base, c.in('index'), source], { axis: dim, reduction });
}

const scatterAdd: Row = (c) => {
	const { shape } = c.attributes<{ readonly shape?: readonly Size[] }>();
	const base = shape === undefined ? c.in('x') : filled(c, shape, 0, c.dtype('source'));
	return scattered(c, base, c.in('source'), 'add');
};

const scatter: Row = (c) => {
	if (!c.has('x')) {
		const { shape } = c.attributes<{ readonly shape: readonly Size[] }>();
		return scattered(c, filled(c, shape, 1, c.dtype('source')), c.in('source'), 'mul');
	}
	const { value } = c.attributes<{ readonly value?: number }>();
	const source = c.has('source') ? c.in('source') : filled(c, c.shape('index'), value!, c.dtype('x'));
	return scattered(c, c.in('x'), source, 'none');
};

const scatterReduce: Row = (c) => {
	const { isLargest } = c.attributes<{ readonly isLargest: boolean }>();
	return scattered(c, c.in('base'), c.in('source'), isLargest ? 'max' : 'min');
};

const maskedFill: Row = (c) => {
	const { value } = c.attributes<{ readonly value: number }>();
	const dtype = working(c.dtype('x'));
	const y = c.add('Where', [c.in('mask'), c.scalar(value, dtype), c.as('x', dtype)]);
	return c.graph.cast(y, dtype, c.output().dtype);
};

const oneHot: Row = (c) => {
	const { numClasses } = c.attributes<{ readonly numClasses: number }>();
	const column = c.add('Unsqueeze', [c.as('indices', 'int32'), c.graph.integers([-1])]);
	const classes = c.graph.constant('int32', [numClasses], [...new Array(numClasses).keys()]);
	return c.graph.cast(c.add('Equal', [column, classes]), 'bool', 'int32');
};

interface ClassLoss {
	readonly reduction: 'none' | 'mean' | 'sum';
	readonly ignoreIndex: number;
	readonly labelSmoothing: number;
	readonly logits: boolean;
}

/** Cross-entropy with classes as targets. */
const classLoss: Row = (c) => {
	const { reduction, ignoreIndex, labelSmoothing, logits } = c.attributes<ClassLoss>();
	const shape = c.shape('input');
	const single = shape.length === 1;
	const whole = single ? [1, shape[0]!] : shape;
	const input = reshaped(c, c.in('input'), shape, whole);
	const target = reshaped(c, c.as('target', 'int32'), c.shape('target'), single ? [1] : c.shape('target'));
	const scores = logits ? c.add('LogSoftmax', [input], { axis: 1 }) : input;
	const weight = c.optional('weight');
	const loss = (values: Name, how: string) =>
		c.add('NegativeLogLikelihoodLoss', [values, target, weight], { reduction: how, ignore_index: ignoreIndex });
	const rows = single ? [1] : c.shape('target');
	if (labelSmoothing === 0) return reshaped(c, loss(scores, reduction), reduction === 'none' ? rows : [], c.output().shape);
	const f = new Formula(c, c.output().dtype);
	const classes = c.number(whole[1]!, 'the number of classes');
	const weighted =
		weight === null ? scores : f.mul(scores, c.graph.reshape(weight, [classes], [classes, ...whole.slice(2).map(() => 1)]));
	const sums = f.op('Neg', c.add('ReduceSum', [weighted, c.graph.integers([1])], { keepdims: 0 }));
	const isIgnored = c.add('Equal', [target, c.scalar(ignoreIndex, 'int32')]);
	const smooth = f.mul(f.where(isIgnored, 0, sums), labelSmoothing / classes);
	const each = f.add(f.mul(loss(scores, 'none'), 1 - labelSmoothing), smooth);
	if (reduction === 'none') return reshaped(c, each, rows, c.output().shape);
	const total = c.add('ReduceSum', [each], { keepdims: 0 });
	if (reduction === 'sum') return total;
	// The loss of scores of -1 is the weight of each target.
	return f.div(total, loss(c.add('Expand', [c.scalar(-1, f.dtype), c.graph.integers(whole)]), 'sum'));
};

const pointwiseLoss: Row = (c) => {
	const { op, parameter } = c.attributes<{ readonly op: string; readonly parameter: number }>();
	const { dtype } = c.output();
	const f = new Formula(c, c.wide(dtype));
	const [a, b] = [c.as('a', f.dtype), c.as('b', f.dtype)];
	const away = () => f.op('Abs', f.sub(a, b));
	const square = (x: Name) => f.mul(x, x);
	const log = (x: Name) => f.op('Max', f.op('Log', x), -100);
	const result = () => {
		switch (op) {
			case 'mse':
				return square(f.sub(a, b));
			case 'l1':
				return away();
			case 'smoothL1': {
				const near = f.div(f.mul(square(away()), 0.5), parameter);
				return f.where(f.op('Less', away(), parameter), near, f.sub(away(), 0.5 * parameter));
			}
			case 'huber': {
				const far = f.mul(f.sub(away(), 0.5 * parameter), parameter);
				return f.where(f.op('LessOrEqual', away(), parameter), f.mul(square(away()), 0.5), far);
			}
			case 'bce':
				return f.op('Neg', f.add(f.mul(b, log(a)), f.mul(f.sub(1, b), log(f.sub(1, a)))));
			case 'bceWithLogits':
				return f.add(f.sub(f.op('Max', a, 0), f.mul(a, b)), f.softplus(f.op('Neg', f.op('Abs', a))));
			case 'klDiv': {
				const isZero = f.op('LessOrEqual', b, 0);
				return f.where(isZero, 0, f.mul(b, f.sub(f.op('Log', f.where(isZero, 1, b)), a)));
			}
			case 'klDivLog':
				return f.mul(f.op('Exp', b), f.sub(b, a));
			default:
				return c.refuse(`the loss ${op} has no ONNX counterpart`);
		}
	};
	return c.graph.cast(result(), f.dtype, dtype);
};

const random: Row = (c) => c.refuse('it draws random numbers. Export in inference mode, or pass the numbers as an input');

function without(what: string): Row {
	return (c) => c.refuse(`ONNX has no ${what}`);
}

export const INDEXING: Rows = {
	embedding: (c) => c.add('Gather', [c.in('weight'), c.in('indices')], { axis: 0 }),
	gather,
	scatterAdd,
	scatter,
	scatterReduce,
	maskedFill,
	oneHot,
	crossEntropy: classLoss,
	mseLoss: pointwiseLoss,
	dropout: random,
	lgamma: without('gamma function'),
	digamma: without('gamma function'),
	polygamma: without('gamma function'),
	ctcLoss: without('CTC loss'),
	'linalg.slogdet': without('logarithm of a determinant'),
	'linalg.solve': without('solution of linear systems'),
	'linalg.solveTriangular': without('solution of linear systems'),
	'linalg.cholesky': without('Cholesky decomposition'),
};
