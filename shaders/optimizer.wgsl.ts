/**
 * Optimizer steps: each reads a gradient and updates a parameter and its state in place, in one launch.
 *
 * Layout: all buffers hold n elements from their own offsets on; a thread updates one element, or, with `vec4`, four.
 * Host: the vec4 variant only where every offset is a multiple of 4. It may write up to three elements behind the last one: the host
 * takes it only where those are padding of the storage, which is never read as data.
 * Hyperparameters are data, so a schedule never compiles a pipeline; 1 - beta^t and lr / (1 - beta1^t) come from the host in
 * float64's precision.
 *
 *   sgd   plain, or with a momentum buffer (nesterov, dampening)
 *   adam  L2 or decoupled decay, with or without the running maximum of amsgrad
 *
 * Gradient and parameter are of the storage type, the state is f32: in f16 squares of gradients would vanish.
 *
 * Ladder: scalar, for odd offsets and f16 rows; vec4, which moves two to four times the bytes per second.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { Access, ShaderTemplate, StorageType } from './shader';

export type OptimizerVariant = {
	readonly storage: StorageType;
	readonly vec4: boolean;
	/** sgd: a momentum buffer. adam: the running maximum of amsgrad. */
	readonly extra: boolean;
};

/** Element and arithmetic types, and `main`'s index. */
function types({ storage, vec4 }: OptimizerVariant): { element: string; value: string } {
	return { element: vec4 ? `vec4<${storage}>` : storage, value: vec4 ? 'vec4<f32>' : 'f32' };
}

const INDEX = wgsl`
fn index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
	return id.x + id.y * groups.x * 64u;
}
`;

export const sgdStep: ShaderTemplate<OptimizerVariant> = {
	name: 'optimizer.sgd',
	source(variant) {
		const { element, value } = types(variant);
		const bindings: Access[] = variant.extra ? ['read', 'read_write', 'read_write'] : ['read', 'read_write'];
		return {
			bindings,
			code: wgsl`
#if ${variant.storage === 'f16'}
enable f16;
#endif
struct Params {
	count: u32,
	gradientOffset: u32,
	paramOffset: u32,
	bufferOffset: u32,
	lr: f32,
	momentum: f32,
	keep: f32,
	gradientSign: f32,
	weightDecay: f32,
	l1: f32,
	first: u32,
	nesterov: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gradients: array<${element}>;
@group(0) @binding(2) var<storage, read_write> params: array<${element}>;
#if ${variant.extra}
@group(0) @binding(3) var<storage, read_write> buffers: array<${value}>;
#endif
${INDEX}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
	let i = index(id, groups);
	if (i >= p.count) {
		return;
	}
	let param = ${value}(params[p.paramOffset + i]);
	let g = p.gradientSign * ${value}(gradients[p.gradientOffset + i]) + p.weightDecay * param + p.l1 * sign(param);
	var direction = g;
#if ${variant.extra}
	if (p.first == 0u) {
		direction = p.momentum * buffers[p.bufferOffset + i] + p.keep * g;
	}
	buffers[p.bufferOffset + i] = direction;
	if (p.nesterov != 0u) {
		direction = g + p.momentum * direction;
	}
#endif
	params[p.paramOffset + i] = ${element}(param - p.lr * direction);
}
`,
		};
	},
};

export const adamStep: ShaderTemplate<OptimizerVariant> = {
	name: 'optimizer.adam',
	source(variant) {
		const { element, value } = types(variant);
		const bindings: Access[] = ['read', 'read_write', 'read_write', 'read_write'];
		if (variant.extra) bindings.push('read_write');
		return {
			bindings,
			code: wgsl`
#if ${variant.storage === 'f16'}
enable f16;
#endif
struct Params {
	count: u32,
	gradientOffset: u32,
	paramOffset: u32,
	mOffset: u32,
	vOffset: u32,
	largestOffset: u32,
	beta1: f32,
	rest1: f32,
	beta2: f32,
	rest2: f32,
	stepSize: f32,
	rootCorrection2: f32,
	eps: f32,
	gradientSign: f32,
	weightDecay: f32,
	l1: f32,
	shrink: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gradients: array<${element}>;
@group(0) @binding(2) var<storage, read_write> params: array<${element}>;
@group(0) @binding(3) var<storage, read_write> means: array<${value}>;
@group(0) @binding(4) var<storage, read_write> squares: array<${value}>;
#if ${variant.extra}
@group(0) @binding(5) var<storage, read_write> largest: array<${value}>;
#endif
${INDEX}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
	let i = index(id, groups);
	if (i >= p.count) {
		return;
	}
	let param = ${value}(params[p.paramOffset + i]);
	let g = p.gradientSign * ${value}(gradients[p.gradientOffset + i]) + p.weightDecay * param + p.l1 * sign(param);
	let m = p.beta1 * means[p.mOffset + i] + p.rest1 * g;
	let v = p.beta2 * squares[p.vOffset + i] + p.rest2 * g * g;
	means[p.mOffset + i] = m;
	squares[p.vOffset + i] = v;
	var scale = v;
#if ${variant.extra}
	scale = max(largest[p.largestOffset + i], v);
	largest[p.largestOffset + i] = scale;
#endif
	params[p.paramOffset + i] = ${element}(param - p.shrink * param - p.stepSize * m / (sqrt(scale) / p.rootCorrection2 + p.eps));
}
`,
		};
	},
};
