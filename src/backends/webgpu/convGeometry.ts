/** How a convolution and its transposes walk their dimensions, as plain numbers for the launches in conv.ts. */
import { numel } from '../../core/shape';
import type { View } from '../contract';
import { asTriple, type ConvAttributes, type Triple } from '../contract/conv';

export type Dimension = 0 | 1 | 2;

export const triple = (make: (dimension: Dimension) => number): Triple => [make(0), make(1), make(2)];

/** The sizes that the three directions share. `channels` and `outputs` belong to one group. */
export interface Geometry {
	readonly batch: number;
	readonly groups: number;
	readonly channels: number;
	readonly outputs: number;
	readonly size: Triple;
	readonly out: Triple;
	readonly kernel: Triple;
	readonly stride: Triple;
	readonly padding: Triple;
	readonly dilation: Triple;
}

export function geometry(x: View, weight: View, y: View, { stride, padding, dilation, groups }: ConvAttributes): Geometry {
	return {
		batch: x.shape[0]!,
		groups,
		channels: weight.shape[1]!,
		outputs: weight.shape[0]! / groups,
		size: asTriple(x.shape.slice(2), 1),
		out: asTriple(y.shape.slice(2), 1),
		kernel: asTriple(weight.shape.slice(2), 1),
		stride: asTriple(stride, 1),
		padding: asTriple(padding, 0),
		dilation: asTriple(dilation, 1),
	};
}

export const flopsOf = (g: Geometry): number => 2 * g.batch * g.groups * g.outputs * g.channels * numel(g.out) * numel(g.kernel);

/** How a launch of `correlate` walks one dimension (see shaders/conv.wgsl.ts). */
export interface Walk {
	readonly out: number;
	readonly outStep: number;
	readonly outStart: number;
	readonly inStep: number;
	readonly inStart: number;
	readonly tapStep: number;
	readonly taps: number;
	/** The first tap in the kernel, and the distance to the next: a launch may skip taps. */
	readonly firstTap: number;
	readonly tapJump: number;
}

export function forwardWalk(g: Geometry, dimension: Dimension): Walk {
	return {
		out: g.out[dimension],
		outStep: 1,
		outStart: 0,
		inStep: g.stride[dimension],
		inStart: -g.padding[dimension],
		tapStep: g.dilation[dimension],
		taps: g.kernel[dimension],
		firstTap: 0,
		tapJump: 1,
	};
}

/** Reverses the taps of a walk if they go backwards. */
function forwards(walk: Walk): Walk {
	if (walk.tapStep > 0 || walk.taps === 0) return walk;
	const last = walk.taps - 1;
	return {
		...walk,
		inStart: walk.inStart + last * walk.tapStep,
		tapStep: -walk.tapStep,
		firstTap: walk.firstTap + last * walk.tapJump,
		tapJump: -walk.tapJump,
	};
}

function gcd(a: number, b: number): number {
	return b === 0 ? a : gcd(b, a % b);
}

/**
 * One walk for each residue of the position j in x modulo the stride s. Output i and tap k meet j where s i = j + padding -
 * dilation k, so the taps of one residue are `jump` apart, and each step of j by s is a step of i by one.
 */
export function backwardWalks(g: Geometry, dimension: Dimension): Walk[] {
	const size = g.size[dimension];
	const kernel = g.kernel[dimension];
	const stride = g.stride[dimension];
	const dilation = g.dilation[dimension];
	const jump = stride / gcd(stride, dilation);
	const walks: Walk[] = [];
	for (let residue = 0; residue < Math.min(stride, size); residue++) {
		const position = residue + g.padding[dimension];
		let firstTap = 0;
		while (firstTap < kernel && (position - dilation * firstTap) % stride !== 0) firstTap++;
		const walk = {
			out: Math.ceil((size - residue) / stride),
			outStep: stride,
			outStart: residue,
			inStep: 1,
			inStart: Math.floor((position - dilation * firstTap) / stride),
			tapStep: -(dilation * jump) / stride,
			taps: Math.ceil((kernel - firstTap) / jump),
			firstTap,
			tapJump: jump,
		};
		walks.push(forwards(walk));
	}
	return walks;
}
