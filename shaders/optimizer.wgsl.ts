/**
 * Optimizer steps and the moving average of weights. Each reads gradients and updates parameters and their state in place. One launch
 * takes as many tensors as the adapter's bindings allow (tensorList.ts). Only the formulas differ; `elementStep` makes the frame around
 * a formula.
 *
 * Layout: all buffers hold the elements of a tensor from their own offsets on. An invocation updates one element, or, with `vec4`, four.
 * The host chooses vec4 only if every offset is a multiple of 4; offsets then count vectors. A vec4 write may reach three
 * elements beyond the last one; the host allows that only if they are padding of the storage, which is never read as data.
 * Hyperparameters are data, so a schedule never compiles a pipeline. The host computes in float64 what depends on the step's
 * number.
 *
 *   sgd       plain, or with a momentum buffer (nesterov, dampening)
 *   adam      L2 or decoupled decay, with or without the running maximum of amsgrad
 *   rmsprop   running square; `mean` (centered) subtracts the square of the running mean, `buffer` adds momentum
 *   adagrad   sum of squares          adadelta  running squares of gradients and of changes
 *   adamax    largest gradient        nadam     Adam that looks one momentum step ahead
 *   radam     Adam that trusts its square only after enough steps
 *   lion      sign of a mean          ema       moving average of a parameter
 *
 * Gradient and parameter are of the storage type. The state is f32, because squares of gradients would vanish in f16. The state of all
 * tensors of a launch is in one buffer, the arena; or, for one tensor alone, each part of its state has its own buffer.
 *
 * Ladder: scalar, for odd offsets; vec4, which moves two to four times the bytes per second.
 */
import type { Parameters } from './parameters';
import { type Bindings, defineKernel, type Kernel, read, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';
import { findTensor, forTensor, tensorBindings } from './tensorList';

/** `state` holds the names of the variant's state buffers, separated by commas. */
type StepVariant = {
	readonly storage: StorageType;
	readonly vec4: boolean;
	readonly state: string;
	readonly controlled: boolean;
	readonly tensors: number;
	/** Whether the state is in an arena. */
	readonly arena: boolean;
};

/** The most tensors of a step: two tables must fit into the parameters. */
export const MOST_STEPPED = 8;

const STEP_PARAMS = {
	/** First workgroup, count, offset of the gradient, offset of the parameter. */
	tensors: `array<vec4<u32>, ${MOST_STEPPED}>`,
	/** The offsets of the state. */
	states: `array<vec4<u32>, ${MOST_STEPPED}>`,
	gradientSign: 'f32',
	weightDecay: 'f32',
	l1: 'f32',
} as const;

/** A step with the state `S`, in this order, and with its own scalars. */
export interface Step<S extends string, C extends Parameters> {
	readonly kernel: Kernel<StepVariant, typeof STEP_PARAMS & C, Bindings>;
	readonly state: readonly S[];
}

interface StepDefinition<S extends string, C extends Parameters> {
	/** The state; each part is a variable of that name in the formula. */
	readonly state: readonly S[];
	/** The step's own scalars, `p.<name>` in the formula. */
	readonly scalars: C;
	/** Declares what depends on the number of the step: from the parameters, or from `control` (see contract/gradScaler.ts). */
	readonly counted?: { readonly host: string; readonly device: string };
	/** Updates `param` and the state variables from `g`, the gradient with its penalties. `Value` is f32 or vec4<f32>. */
	formula(has: (slot: S) => boolean): string;
}

function elementStep<const S extends string, const C extends Parameters>(
	name: string,
	{ state, scalars, counted, formula }: StepDefinition<S, C>,
): Step<S, C> {
	const kernel = defineKernel({
		name: `optimizer.${name}`,
		params: { ...STEP_PARAMS, ...scalars },
		define({ storage, vec4, state: names, controlled, tensors, arena }: StepVariant) {
			const present = names.split(',');
			const has = (slot: S) => present.includes(slot);
			const own = state
				.map((slot, k) => ({ slot, k, place: `state${arena ? '' : k}[offsets[${k}] + i]` }))
				.filter(({ slot }) => has(slot));
			const states = arena ? ['state'] : own.map(({ k }) => `state${k}`);
			return {
				bindings: {
					...tensorBindings('gradients', tensors, read('Element')),
					...tensorBindings('params', tensors, readWrite('Element')),
					...Object.fromEntries(states.map((buffer) => [buffer, readWrite('Value')])),
					control: controlled && read('f32'),
				},
				functions: `
alias Element = ${vec4 ? `vec4<${storage}>` : storage};
alias Value = ${vec4 ? 'vec4<f32>' : 'f32'};
`,
				main: `
	${findTensor(tensors)}
	let i = at * ${WORKGROUP_SIZE}u + lid;
	if (i >= row.y) {
		return;
	}
	${controlled ? 'if (control[0] != 0.0) {\n\t\treturn;\n\t}' : ''}
	${counted === undefined ? '' : controlled ? counted.device : counted.host}
	var gradient: Element;
	var before: Element;
	${forTensor(tensors, (k) => `gradient = gradients${k}[row.z + i];\n\t\t\tbefore = params${k}[row.w + i];`)}
	var param = Value(before);
	let g = p.gradientSign * Value(gradient) + p.weightDecay * param + p.l1 * sign(param);
	${own.length > 0 ? 'let offsets = p.states[tensor];' : ''}
	${own.map(({ slot, place }) => `var ${slot} = ${place};`).join('\n\t')}
	${formula(has)}
	${own.map(({ slot, place }) => `${place} = ${slot};`).join('\n\t')}
	${forTensor(tensors, (k) => `params${k}[row.w + i] = Element(param);`)}
`,
			};
		},
	});
	return { kernel, state };
}

export const sgdStep = elementStep('sgd', {
	state: ['buffer'],
	scalars: { lr: 'f32', momentum: 'f32', keep: 'f32', first: 'bool', nesterov: 'bool' },
	counted: { host: 'let first = p.first != 0u;', device: 'let first = control[1] == 1.0;' },
	formula: (has) => `
	var direction = g;
	${
		has('buffer')
			? `if (!first) {
		direction = p.momentum * buffer + p.keep * g;
	}
	buffer = direction;
	if (p.nesterov != 0u) {
		direction = g + p.momentum * direction;
	}`
			: ''
	}
	param = param - p.lr * direction;`,
});

const MOMENTS = `
	m = p.beta1 * m + p.oneMinusBeta1 * g;
	v = p.beta2 * v + p.oneMinusBeta2 * g * g;`;

const MOMENT_SCALARS = { beta1: 'f32', oneMinusBeta1: 'f32', beta2: 'f32', oneMinusBeta2: 'f32', eps: 'f32' } as const;

export const adamStep = elementStep('adam', {
	state: ['m', 'v', 'largest'],
	scalars: { ...MOMENT_SCALARS, stepSize: 'f32', rootCorrection2: 'f32', shrink: 'f32' },
	counted: {
		host: 'let stepSize = p.stepSize;\n\tlet rootCorrection2 = p.rootCorrection2;',
		device: 'let stepSize = p.stepSize / control[2];\n\tlet rootCorrection2 = sqrt(control[3]);',
	},
	formula: (has) => `${MOMENTS}
	var scale = v;
	${has('largest') ? 'scale = max(largest, v);\n\tlargest = scale;' : ''}
	param = param - p.shrink * param - stepSize * m / (sqrt(scale) / rootCorrection2 + p.eps);`,
});

// The variance is a difference of rounded numbers. It may come out below zero, where the root is not defined.
export const rmspropStep = elementStep('rmsprop', {
	state: ['square', 'mean', 'buffer'],
	scalars: { lr: 'f32', alpha: 'f32', oneMinusAlpha: 'f32', eps: 'f32', momentum: 'f32' },
	formula: (has) => `
	square = p.alpha * square + p.oneMinusAlpha * g * g;
	var variance = square;
	${has('mean') ? 'mean = p.alpha * mean + p.oneMinusAlpha * g;\n\tvariance = max(square - mean * mean, Value(0.0));' : ''}
	var direction = g / (sqrt(variance) + p.eps);
	${has('buffer') ? 'buffer = p.momentum * buffer + direction;\n\tdirection = buffer;' : ''}
	param -= p.lr * direction;`,
});

export const adagradStep = elementStep('adagrad', {
	state: ['sum'],
	scalars: { lr: 'f32', eps: 'f32', lrDecay: 'f32' },
	counted: { host: 'let lr = p.lr;', device: 'let lr = p.lr / (1.0 + (control[1] - 1.0) * p.lrDecay);' },
	formula: () => `
	sum += g * g;
	param -= lr * g / (sqrt(sum) + p.eps);`,
});

export const adadeltaStep = elementStep('adadelta', {
	state: ['square', 'changes'],
	scalars: { lr: 'f32', rho: 'f32', oneMinusRho: 'f32', eps: 'f32' },
	formula: () => `
	square = p.rho * square + p.oneMinusRho * g * g;
	let change = sqrt(changes + p.eps) / sqrt(square + p.eps) * g;
	changes = p.rho * changes + p.oneMinusRho * change * change;
	param -= p.lr * change;`,
});

export const adamaxStep = elementStep('adamax', {
	state: ['m', 'largest'],
	scalars: { lr: 'f32', beta1: 'f32', oneMinusBeta1: 'f32', beta2: 'f32', eps: 'f32' },
	counted: { host: 'let lr = p.lr;', device: 'let lr = p.lr / control[2];' },
	formula: () => `
	m = p.beta1 * m + p.oneMinusBeta1 * g;
	largest = max(p.beta2 * largest, abs(g) + p.eps);
	param -= lr * m / largest;`,
});

export const nadamStep = elementStep('nadam', {
	state: ['m', 'v'],
	scalars: { ...MOMENT_SCALARS, shrink: 'f32', gradientRate: 'f32', meanRate: 'f32', rootCorrection2: 'f32' },
	counted: {
		host: 'let gradientRate = p.gradientRate;\n\tlet meanRate = p.meanRate;\n\tlet rootCorrection2 = p.rootCorrection2;',
		device:
			'let gradientRate = p.gradientRate * control[4];\n\tlet meanRate = p.meanRate * control[5];\n\tlet rootCorrection2 = sqrt(control[3]);',
	},
	formula: () => `${MOMENTS}
	param -= p.shrink * param + (gradientRate * g + meanRate * m) / (sqrt(v) / rootCorrection2 + p.eps);`,
});

export const radamStep = elementStep('radam', {
	state: ['m', 'v'],
	scalars: { ...MOMENT_SCALARS, shrink: 'f32', rate: 'f32', adaptive: 'bool' },
	counted: {
		host: 'let rate = p.rate;\n\tlet adaptive = p.adaptive != 0u;',
		device: 'let rate = p.rate / control[2] * control[4];\n\tlet adaptive = control[5] != 0.0;',
	},
	formula: () => `${MOMENTS}
	var scale = Value(1.0);
	if (adaptive) {
		scale = sqrt(v) + p.eps;
	}
	param -= p.shrink * param + rate * m / scale;`,
});

export const lionStep = elementStep('lion', {
	state: ['m'],
	scalars: { beta1: 'f32', oneMinusBeta1: 'f32', beta2: 'f32', oneMinusBeta2: 'f32', lr: 'f32', shrink: 'f32' },
	formula: () => `
	param -= p.shrink * param + p.lr * sign(p.beta1 * m + p.oneMinusBeta1 * g);
	m = p.beta2 * m + p.oneMinusBeta2 * g;`,
});

// The `gradient` input is the parameter here, and `param` is the average.
export const emaStep = elementStep('ema', {
	state: [],
	scalars: { decay: 'f32', oneMinusDecay: 'f32' },
	formula: () => `
	param = p.decay * param + p.oneMinusDecay * g;`,
});
