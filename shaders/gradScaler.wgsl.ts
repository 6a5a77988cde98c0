/**
 * Loss scaling without a readback.
 *
 * unscale      one invocation for each element, or for four: divides gradients by the scale, and sets `found` to 1 if an element is infinite
 *              or NaN. One launch takes as many gradients as the adapter's bindings allow (tensorList.ts).
 * updateScale  one invocation: lowers the scale after a step with such an element, and raises it after enough steps without one.
 * countStep    one invocation: the next step count, which a skipped step does not raise, and the values that optimizers derive from it.
 *              Without a scaler the host computes these values in float64. Here 1 - beta^t is computed as -expm1(t log(beta)), because
 *              subtracting the power from 1 would lose digits.
 *
 * Ladder of unscale: scalar, for odd offsets; vec4. Each gradient is read and written once.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, type NoVariant, read, readWrite } from './shader';
import { EACH_PARAMS, type EachVariant, eachElement } from './tensorList';

/** Tests the bits, because compilers may assume that infinity and NaN do not occur. */
const IS_FINITE = `
fn isFinite(x: f32) -> bool {
	return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}
`;

export const unscale = defineKernel({
	name: 'gradScaler.unscale',
	params: { ...EACH_PARAMS, scaleOffset: 'u32', foundOffset: 'u32' },
	define(variant: EachVariant) {
		// Elements beyond the last one may be anything.
		const test = variant.vec4
			? 'any(((bitcast<vec4<u32>>(value) & vec4(0x7f800000u)) == vec4(0x7f800000u)) & (vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(row.w)))'
			: '!isFinite(value)';
		const { tensors, types, main } = eachElement(
			variant,
			'value * inverse(scale[p.scaleOffset])',
			`if (${test}) {\n\t\tatomicOr(&found[p.foundOffset], 1i);\n\t}`,
		);
		return {
			bindings: { ...tensors, scale: read('f32'), found: readWrite('atomic<i32>') },
			functions: `${IS_FINITE}${types}
// The inverse of a power of two is exact, but a division need not be.
fn inverse(x: f32) -> f32 {
	let bits = bitcast<u32>(x);
	let isPower = (bits & 0x007fffffu) == 0u && bits > 0x00800000u && bits < 0x7e800000u;
	return select(1.0 / x, bitcast<f32>(0x7f000000u - bits), isPower);
}
`,
			main,
		};
	},
});

export const updateScale = defineKernel({
	name: 'gradScaler.updateScale',
	params: {
		foundOffset: 'u32',
		scaleOffset: 'u32',
		trackerOffset: 'u32',
		growthFactor: 'f32',
		backoffFactor: 'f32',
		growthInterval: 'i32',
	},
	define: (_: NoVariant) => ({
		bindings: { found: read('i32'), scale: readWrite('f32'), tracker: readWrite('i32') },
		invocations: '1u',
		functions: IS_FINITE,
		main: wgsl`
	let before = scale[p.scaleOffset];
	if (found[p.foundOffset] != 0i) {
		scale[p.scaleOffset] = before * p.backoffFactor;
		tracker[p.trackerOffset] = 0i;
		return;
	}
	let steps = tracker[p.trackerOffset] + 1i;
	if (steps != p.growthInterval) {
		tracker[p.trackerOffset] = steps;
		return;
	}
	tracker[p.trackerOffset] = 0i;
	let grown = before * p.growthFactor;
	if (isFinite(grown)) {
		scale[p.scaleOffset] = grown;
	}
`,
	}),
});

type CountVariant = { readonly kind: 'count' | 'adam' | 'nadam' | 'radam'; readonly skips: boolean };

export const countStep = defineKernel({
	name: 'gradScaler.countStep',
	params: {
		stepOffset: 'u32',
		productOffset: 'u32',
		foundOffset: 'u32',
		/** log(beta1) and log(beta2). */
		log1: 'f32',
		log2: 'f32',
		beta1: 'f32',
		/** momentumDecay * log(0.96). */
		logDecay: 'f32',
		/** radam: 2 / (1 - beta2) - 1, and the same plus 2 / log(beta2). */
		longest: 'f32',
		rest: 'f32',
	},
	define: ({ kind, skips }: CountVariant) => ({
		bindings: {
			step: read('f32'),
			next: readWrite('f32'),
			control: readWrite('f32'),
			found: skips && read('i32'),
			product: kind === 'nadam' && read('f32'),
			nextProduct: kind === 'nadam' && readWrite('f32'),
		},
		invocations: '1u',
		functions: `
// exp(x) - 1 for x <= 0.
fn expMinus1(x: f32) -> f32 {
	let series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x * (1.0 / 5040.0
		+ x * (1.0 / 40320.0 + x / 362880.0))))))));
	return select(exp(max(x, -80.0)) - 1.0, series, x > -0.5);
}
// y / (exp(y) - 1) - 1 + y / 2 for y >= 0. A series replaces the difference for small y.
fn beyondLinear(y: f32) -> f32 {
	let square = y * y;
	let series = square * (1.0 / 12.0 - square * (1.0 / 720.0 - square * (1.0 / 30240.0 - square / 1209600.0)));
	let decayed = expMinus1(-y);
	return select(-y * (1.0 + decayed) / decayed - 1.0 + 0.5 * y, series, y < 1.0);
}
fn momentum(number: f32) -> f32 {
	return p.beta1 * (1.0 - 0.5 * exp(number * p.logDecay));
}
`,
		main: wgsl`
	let before = step[p.stepOffset];
	let t = before + 1.0;
	let skip = ${skips ? 'found[p.foundOffset] != 0i' : 'false'};
	next[0] = select(t, before, skip);
	control[0] = select(0.0, 1.0, skip);
	control[1] = t;
	let correction2 = -expMinus1(t * p.log2);
	control[2] = -expMinus1(t * p.log1);
	control[3] = correction2;
#if ${kind === 'nadam'}
	let soFar = product[p.productOffset];
	let now = soFar * momentum(t);
	nextProduct[0] = select(now, soFar, skip);
	control[4] = (1.0 - momentum(t)) / (1.0 - now);
	control[5] = momentum(t + 1.0) / (1.0 - now * momentum(t + 1.0));
#endif
#if ${kind === 'radam'}
	let length = p.rest + t + 2.0 / p.log2 * beyondLinear(-t * p.log2);
	let adaptive = length > 5.0;
	let ratio = (length - 4.0) / (p.longest - 4.0) * ((length - 2.0) / (p.longest - 2.0)) * (p.longest / length);
	control[4] = select(1.0, sqrt(max(ratio, 0.0) * correction2), adaptive);
	control[5] = select(0.0, 1.0, adaptive);
#endif
`,
	}),
});
