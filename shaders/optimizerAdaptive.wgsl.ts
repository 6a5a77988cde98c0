/**
 * Steps of the optimizers beyond SGD and Adam, and the moving average of weights: each reads a gradient and updates a parameter and
 * its state in place, in one launch. `elementStep` makes the frame around the formula, which is all that they differ in.
 *
 * Layout: all buffers hold n elements from their own offsets on; a thread updates one element, or, with `vec4`, four. `Params` is
 * { count, offset of each buffer in the order of the bindings, sign of the gradient, weightDecay, l1, the step's own scalars }.
 * Host: the vec4 variant only where every offset is a multiple of 4. It may write up to three elements behind the last one: the host
 * takes it only where those are padding of the storage, which is never read as data. Hyperparameters are data, so
 * a schedule never compiles a pipeline; what depends on the step's number comes from the host in float64's precision.
 *
 *   rmsprop   running square; `mean` (centered) subtracts the running mean's square, `buffer` adds momentum
 *   adagrad   sum of squares          adadelta  running squares of gradients and of changes
 *   adamax    largest gradient        nadam     Adam that looks one momentum step ahead
 *   radam     Adam that trusts its square when enough steps have been seen
 *   lion      sign of a mean          ema       moving average of a parameter
 *
 * Gradient and parameter are of the storage type, the state is f32, as in optimizer.wgsl.ts.
 *
 * Ladder: scalar, for odd offsets; vec4, which moves two to four times the bytes per second.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate, StorageType } from './shader';

export type StepVariant = { readonly storage: StorageType; readonly vec4: boolean };
export type RmspropVariant = StepVariant & { readonly mean: boolean; readonly buffer: boolean };

interface Step<V extends StepVariant> {
	/** State buffers, bound after gradient and parameter in this order; each is a variable of that name in the formula. */
	readonly state: (variant: V) => readonly string[];
	/** The step's own scalars, `p.<name>` in the formula. */
	readonly scalars: readonly string[];
	/** Updates `param` and the state variables from `g`, the gradient with its penalties. `Value` is f32 or vec4<f32>. */
	readonly formula: (variant: V) => string;
}

function elementStep<V extends StepVariant>(name: string, { state, scalars, formula }: Step<V>): ShaderTemplate<V> {
	return {
		name: `optimizer.${name}`,
		source(variant) {
			const names = state(variant);
			const element = variant.vec4 ? `vec4<${variant.storage}>` : variant.storage;
			return {
				bindings: ['read', 'read_write', ...names.map(() => 'read_write' as const)],
				code: wgsl`
#if ${variant.storage === 'f16'}
enable f16;
#endif
alias Element = ${element};
alias Value = ${variant.vec4 ? 'vec4<f32>' : 'f32'};
struct Params {
	count: u32,
	gradientOffset: u32,
	paramOffset: u32,
	${names.map((slot) => `${slot}Offset: u32,`).join('\n\t')}
	gradientSign: f32,
	weightDecay: f32,
	l1: f32,
	${scalars.map((scalar) => `${scalar}: f32,`).join('\n\t')}
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gradients: array<Element>;
@group(0) @binding(2) var<storage, read_write> params: array<Element>;
${names.map((slot, i) => `@group(0) @binding(${i + 3}) var<storage, read_write> ${slot}Buffer: array<Value>;`).join('\n')}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
	let i = id.x + id.y * groups.x * 64u;
	if (i >= p.count) {
		return;
	}
	var param = Value(params[p.paramOffset + i]);
	let g = p.gradientSign * Value(gradients[p.gradientOffset + i]) + p.weightDecay * param + p.l1 * sign(param);
	${names.map((slot) => `var ${slot} = ${slot}Buffer[p.${slot}Offset + i];`).join('\n\t')}
	${formula(variant)}
	${names.map((slot) => `${slot}Buffer[p.${slot}Offset + i] = ${slot};`).join('\n\t')}
	params[p.paramOffset + i] = Element(param);
}
`,
			};
		},
	};
}

// A difference of rounded numbers: it may come out below zero, where the root is not defined.
export const rmspropStep = elementStep<RmspropVariant>('rmsprop', {
	state: ({ mean, buffer }) => ['square', ...(mean ? ['mean'] : []), ...(buffer ? ['buffer'] : [])],
	scalars: ['lr', 'alpha', 'rest', 'eps', 'momentum'],
	formula: ({ mean, buffer }) => `
	square = p.alpha * square + p.rest * g * g;
	var variance = square;
	${mean ? 'mean = p.alpha * mean + p.rest * g;\n\tvariance = max(square - mean * mean, Value(0.0));' : ''}
	var direction = g / (sqrt(variance) + p.eps);
	${buffer ? 'buffer = p.momentum * buffer + direction;\n\tdirection = buffer;' : ''}
	param -= p.lr * direction;`,
});

export const adagradStep = elementStep<StepVariant>('adagrad', {
	state: () => ['sum'],
	scalars: ['lr', 'eps'],
	formula: () => `
	sum += g * g;
	param -= p.lr * g / (sqrt(sum) + p.eps);`,
});

export const adadeltaStep = elementStep<StepVariant>('adadelta', {
	state: () => ['square', 'changes'],
	scalars: ['lr', 'rho', 'rest', 'eps'],
	formula: () => `
	square = p.rho * square + p.rest * g * g;
	let change = sqrt(changes + p.eps) / sqrt(square + p.eps) * g;
	changes = p.rho * changes + p.rest * change * change;
	param -= p.lr * change;`,
});

export const adamaxStep = elementStep<StepVariant>('adamax', {
	state: () => ['m', 'largest'],
	scalars: ['lr', 'beta1', 'rest1', 'beta2', 'eps'],
	formula: () => `
	m = p.beta1 * m + p.rest1 * g;
	largest = max(p.beta2 * largest, abs(g) + p.eps);
	param -= p.lr * m / largest;`,
});

const MOMENTS = `
	m = p.beta1 * m + p.rest1 * g;
	v = p.beta2 * v + p.rest2 * g * g;`;

export const nadamStep = elementStep<StepVariant>('nadam', {
	state: () => ['m', 'v'],
	scalars: ['beta1', 'rest1', 'beta2', 'rest2', 'eps', 'shrink', 'gradientRate', 'meanRate', 'rootCorrection2'],
	formula: () => `${MOMENTS}
	param -= p.shrink * param + (p.gradientRate * g + p.meanRate * m) / (sqrt(v) / p.rootCorrection2 + p.eps);`,
});

export const radamStep = elementStep<StepVariant>('radam', {
	state: () => ['m', 'v'],
	scalars: ['beta1', 'rest1', 'beta2', 'rest2', 'eps', 'shrink', 'rate', 'adaptive'],
	formula: () => `${MOMENTS}
	var scale = Value(1.0);
	if (p.adaptive != 0.0) {
		scale = sqrt(v) + p.eps;
	}
	param -= p.shrink * param + p.rate * m / scale;`,
});

export const lionStep = elementStep<StepVariant>('lion', {
	state: () => ['m'],
	scalars: ['beta1', 'rest1', 'beta2', 'rest2', 'lr', 'shrink'],
	formula: () => `
	param -= p.shrink * param + p.lr * sign(p.beta1 * m + p.rest1 * g);
	m = p.beta2 * m + p.rest2 * g;`,
});

// What the others call the gradient is here the parameter, and the average stands in the parameter's place.
export const emaStep = elementStep<StepVariant>('ema', {
	state: () => [],
	scalars: ['decay', 'rest'],
	formula: () => `
	param = p.decay * param + p.rest * g;`,
});
