/**
 * Connectionist temporal classification: the likelihood of label sequences under all their alignments, and its gradient. Graves
 * et al. 2006.
 *
 * x is [steps, count, classes], log-probabilities, contiguous from its offset; labels are [count, most]. The states of a sequence
 * are its labels with blanks before, between and behind them: width = 2 most + 1. For each state, alpha [count, steps, width]
 * holds the log-probability of all alignments of the steps so far that end there. Impossible states hold -1e30, a finite number,
 * so that no difference is NaN.
 *
 * These logarithms grow with the steps, and the gradient is the exponential of their differences: a float32 near -10,000 would
 * leave it three digits. So each logarithm has two parts, a float32 and its rounding error.
 *
 * A workgroup does one sequence, step after step. Its 64 threads stride over the states, since there may be more states than
 * threads. A barrier separates the steps, because a step reads what the previous one has stored. Loops run over all steps, so
 * that barriers are in uniform control flow; steps beyond a sequence's length do nothing. There is one variant: the steps form a
 * chain, and one launch for the whole chain is what matters.
 *
 *   ctc      alpha, and the likelihood from its end.
 *   ctcGrad  the same chain backwards (beta), which keeps two steps. alpha + beta - likelihood is the log-probability
 *            of being at a state, which gives the gradient of the state's class. The thread of a class's first state adds up
 *            all states of that class, in order.
 */
import { wgsl } from 'wgsl-preprocessor';
import { mathFunctions } from './math.wgsl';
import { defineKernel, type NoVariant, read, readWrite, WORKGROUP_SIZE } from './shader';

const CTC_PARAMS = {
	steps: 'u32',
	count: 'u32',
	classes: 'u32',
	most: 'u32',
	blank: 'u32',
	xOffset: 'u32',
	labelsOffset: 'u32',
	inputsOffset: 'u32',
	targetsOffset: 'u32',
	gradientOffset: 'u32?',
} as const;

const SEQUENCES = { x: read('f32'), labels: read('i32'), inputs: read('i32'), targets: read('i32') };

const COMMON = wgsl`
const IMPOSSIBLE = -1e30;
const NO_WAY = vec2(IMPOSSIBLE, 0.0);

${mathFunctions('exponential(x) logarithm(x) isNan(x)')}

// Adds to the bits of x a 0 that compilers do not know to be 0, so that they round here.
fn rounded(x: f32) -> f32 {
	return bitcast<f32>(bitcast<u32>(x) + (p.count >> 31u));
}

fn plus(a: vec2<f32>, b: f32) -> vec2<f32> {
	let first = abs(a.x) >= abs(b);
	let large = select(b, a.x, first);
	let small = select(a.x, b, first);
	let sum = rounded(large + small);
	return vec2(sum, a.y + (small - rounded(sum - large)));
}

fn difference(a: vec2<f32>, b: vec2<f32>) -> f32 {
	return rounded(a.x - b.x) + (a.y - b.y);
}

// Clamps lengths, because they are on the device and the host may not have checked them.
fn lengthOf(n: u32) -> u32 {
	return min(u32(max(inputs[p.inputsOffset + n], 0)), p.steps);
}

fn labelsOf(n: u32) -> u32 {
	return min(u32(max(targets[p.targetsOffset + n], 0)), p.most);
}

fn classAt(n: u32, state: u32) -> u32 {
	if (state % 2u == 0u) {
		return p.blank;
	}
	return min(u32(labels[p.labelsOffset + n * p.most + state / 2u]), p.classes - 1u);
}

fn emission(t: u32, n: u32, state: u32) -> f32 {
	let value = x[p.xOffset + (t * p.count + n) * p.classes + classAt(n, state)];
	return select(max(value, IMPOSSIBLE), value, isNan(vec4(value)).x);
}

// Whether an alignment may reach a state from two states before it: over a blank between unlike labels.
fn skips(n: u32, state: u32) -> bool {
	if (state < 2u || state % 2u == 0u) {
		return false;
	}
	let own = classAt(n, state);
	return own != p.blank && own != classAt(n, state - 2u);
}

fn logSum(a: vec2<f32>, b: vec2<f32>, c: vec2<f32>) -> vec2<f32> {
	var most = a;
	if (difference(b, most) > 0.0) {
		most = b;
	}
	if (difference(c, most) > 0.0) {
		most = c;
	}
	let e = exponential(vec4(difference(a, most), difference(b, most), difference(c, most), 0.0));
	return plus(most, logarithm(vec4(e.x + e.y + e.z)).x);
}

// The end is the last label or the blank behind it. An input without steps spells only the empty sequence.
fn likelihoodOf(n: u32) -> vec2<f32> {
	let length = lengthOf(n);
	let end = 2u * labelsOf(n);
	if (length == 0u) {
		return vec2(select(IMPOSSIBLE, 0.0, end == 0u), 0.0);
	}
	let last = (n * p.steps + length - 1u) * (2u * p.most + 1u) + end;
	if (end == 0u) {
		return alpha[last];
	}
	return logSum(alpha[last], alpha[last - 1u], NO_WAY);
}
`;

/** The start of both kernels: one workgroup for each item n of the batch. */
const MAIN = `	let n = groupIndex;
	if (n >= p.count) {
		return;
	}
	let width = 2u * p.most + 1u;
	let length = lengthOf(n);
`;

export const ctc = defineKernel({
	name: 'loss.ctc',
	params: CTC_PARAMS,
	define: (_: NoVariant) => ({
		bindings: { ...SEQUENCES, likelihood: readWrite('f32'), alpha: readWrite('vec2<f32>') },
		functions: COMMON,
		main: wgsl`
${MAIN}	for (var t = 0u; t < p.steps; t++) {
		if (t < length) {
			let now = (n * p.steps + t) * width;
			for (var state = lid; state < width; state += ${WORKGROUP_SIZE}u) {
				var value = vec2(select(IMPOSSIBLE, 0.0, state < 2u), 0.0);
				if (t > 0u) {
					let before = now - width + state;
					var one = NO_WAY;
					var two = NO_WAY;
					if (state > 0u) {
						one = alpha[before - 1u];
					}
					if (skips(n, state)) {
						two = alpha[before - 2u];
					}
					value = logSum(alpha[before], one, two);
				}
				alpha[now + state] = plus(value, emission(t, n, state));
			}
		}
		storageBarrier();
	}
	if (lid == 0u) {
		let both = likelihoodOf(n);
		likelihood[n] = both.x + both.y;
	}
`,
	}),
});

/**
 * `scratch` is [count, 3, width] in two parts: beta of even and of odd steps, including the step's own emission, and the
 * log-probability of each state at this step.
 */
export const ctcGrad = defineKernel({
	name: 'loss.ctcGrad',
	params: CTC_PARAMS,
	define: (_: NoVariant) => ({
		bindings: {
			...SEQUENCES,
			alpha: read('vec2<f32>'),
			gradient: read('f32'),
			dx: readWrite('f32'),
			scratch: readWrite('vec2<f32>'),
		},
		functions: COMMON,
		main: wgsl`
${MAIN}	let end = 2u * labelsOf(n);
	let likelihood = likelihoodOf(n);
	let scale = gradient[p.gradientOffset + n];
	let possible = !(likelihood.x < 0.1 * IMPOSSIBLE);
	let probability = (n * 3u + 2u) * width;
	for (var left = p.steps; left > 0u; left--) {
		let t = left - 1u;
		let row = (t * p.count + n) * p.classes;
		let counts = possible && t < length;
		for (var c = lid; c < p.classes; c += ${WORKGROUP_SIZE}u) {
			dx[row + c] = 0.0;
		}
		if (counts) {
			let now = (n * 3u + t % 2u) * width;
			let after = (n * 3u + left % 2u) * width;
			for (var state = lid; state < width; state += ${WORKGROUP_SIZE}u) {
				var value = vec2(select(IMPOSSIBLE, 0.0, state == end || state + 1u == end), 0.0);
				if (left < length) {
					var one = NO_WAY;
					var two = NO_WAY;
					if (state + 1u < width) {
						one = scratch[after + state + 1u];
					}
					if (state + 2u < width && skips(n, state + 2u)) {
						two = scratch[after + state + 2u];
					}
					value = logSum(scratch[after + state], one, two);
				}
				scratch[now + state] = plus(value, emission(t, n, state));
				let both = plus(alpha[(n * p.steps + t) * width + state], value.x) + vec2(0.0, value.y);
				scratch[probability + state].x = exponential(vec4(difference(both, likelihood))).x;
			}
		}
		storageBarrier();
		if (counts) {
			for (var state = lid; state < width; state += ${WORKGROUP_SIZE}u) {
				let own = classAt(n, state);
				var first = state == 0u || own != p.blank;
				for (var other = 1u; other < state && first && state > 0u; other += 2u) {
					first = classAt(n, other) != own;
				}
				if (first) {
					var sum = 0.0;
					for (var other = state; other < width; other++) {
						if (classAt(n, other) == own) {
							sum += scratch[probability + other].x;
						}
					}
					dx[row + own] = sum * scale;
				}
			}
		}
		storageBarrier();
	}
`,
	}),
});
