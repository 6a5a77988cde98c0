/** Integrated gradients, at the input or at a layer: the mean gradient on a straight path from a baseline, times the way. */
import { requireBoolean, requireInteger, requireOneOf } from '../core/checks';
import { checkOptions } from '../core/options';
import type { Module } from '../nn/module';
import { tensor } from '../ops/creation';
import { add, mul, sub, to } from '../ops/elementwise';
import { expand, reshape } from '../ops/layout';
import { sum } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { Probe } from './layers';
import {
	type AttributionOptions,
	type Baseline,
	baselinesOf,
	gradientsOf,
	type Inputs,
	type Interpretable,
	inInference,
	type Like,
	like,
	listOf,
	repeated,
	requireContinuous,
	Subject,
} from './model';

const METHODS = ['gausslegendre', 'riemann_left', 'riemann_right', 'riemann_middle', 'riemann_trapezoid'] as const;

/** The rule of the integral. Gauss-Legendre is exact for polynomials of degree 2 nSteps - 1 along the path. */
export type PathMethod = (typeof METHODS)[number];

export interface IntegratedGradientsOptions extends AttributionOptions {
	/** Where the path begins. A list for several inputs. Default 0. */
	readonly baselines?: Baseline | readonly Baseline[];
	/** Points on the path. Default 50. */
	readonly nSteps?: number;
	/** Default 'gausslegendre'. */
	readonly method?: PathMethod;
	/** The most rows of one forward pass, for memory. At least one point of all examples runs at once. Default 64. */
	readonly internalBatchSize?: number;
	/** Also return how far the sums are from the completeness axiom. Default false. */
	readonly returnConvergenceDelta?: boolean;
}

/** Options that ask for the convergence delta. */
export type WithDelta = IntegratedGradientsOptions & { readonly returnConvergenceDelta: true };

const OPTIONS = [
	'target',
	'additionalForwardArgs',
	'baselines',
	'nSteps',
	'method',
	'internalBatchSize',
	'returnConvergenceDelta',
] as const;

/** The defaults of a batch that one forward pass takes. */
export const DEFAULT_ROWS = 64;

/**
 * (x - b) times the integral of the gradient of the target from the baseline b to the input x, [N, ...]. The attributions of an example sum
 * to target(x) - target(b): completeness. With `returnConvergenceDelta`, also the sums minus that difference, [N]; raise `nSteps` until it
 * is small. Sundararajan et al. 2017. As `captum.attr.IntegratedGradients`, except that the weights of 'riemann_trapezoid' sum to 1, where
 * captum's sum to 1 - 1 / nSteps.
 */
export function integratedGradients<I extends Inputs>(
	model: Interpretable,
	input: I,
	options: WithDelta,
): [attributions: Like<I>, delta: Tensor];
export function integratedGradients<I extends Inputs>(
	model: Interpretable,
	input: I,
	options?: IntegratedGradientsOptions,
): Like<I>;
export function integratedGradients<I extends Inputs>(
	model: Interpretable,
	input: I,
	options: IntegratedGradientsOptions = {},
): Like<I> | [Like<I>, Tensor] {
	const name = 'integratedGradients';
	const path = pathOf(name, options);
	const inputs = listOf(name, input);
	const subject = new Subject(name, model, inputs, options);
	requireContinuous(name, inputs);
	const baselines = baselinesOf(name, inputs, options.baselines);
	return tidy(() =>
		inInference(model, () => {
			const totals = integrate(path, subject.rows, baselines, inputs, (points, times) => subject.gradients(points, times));
			const results = totals.map((total, i) => mul(total, sub(inputs[i]!, baselines[i]!)));
			const found = like(input, results);
			return options.returnConvergenceDelta === true ? [found, deltaOf(subject, results, inputs, baselines)] : found;
		}),
	);
}

/**
 * Integrated gradients of a layer's output, in its shape: the path leads from the layer's output for the baseline to that for the input.
 * With an `nn.Embedding` as layer it explains token ids; sum over the last dim for a figure for each token. As
 * `captum.attr.LayerIntegratedGradients`.
 */
export function layerIntegratedGradients(
	model: Interpretable,
	layer: string | Module,
	input: Inputs,
	options: WithDelta,
): [attributions: Tensor, delta: Tensor];
export function layerIntegratedGradients(
	model: Interpretable,
	layer: string | Module,
	input: Inputs,
	options?: IntegratedGradientsOptions,
): Tensor;
export function layerIntegratedGradients(
	model: Interpretable,
	layer: string | Module,
	input: Inputs,
	options: IntegratedGradientsOptions = {},
): Tensor | [Tensor, Tensor] {
	const name = 'layerIntegratedGradients';
	const path = pathOf(name, options);
	const inputs = listOf(name, input);
	const subject = new Subject(name, model, inputs, options);
	const baselines = baselinesOf(name, inputs, options.baselines);
	const probe = new Probe(name, model, layer);
	return tidy(() =>
		inInference(model, () => {
			const full = baselines.map((baseline, i) => expand(baseline, inputs[i]!.shape));
			const end = probe.output(() => subject.values(inputs));
			const start = probe.output(() => subject.values(full));
			const [total] = integrate(path, subject.rows, [start], [end], (points, times) =>
				gradientsOf(name, points, ([own]) =>
					probe.replaced(own!, () =>
						subject.values(
							inputs.map((each) => repeated(each, times)),
							times,
						),
					),
				),
			);
			const found = mul(total!, sub(end, start));
			return options.returnConvergenceDelta === true ? [found, deltaOf(subject, [found], inputs, full)] : found;
		}),
	);
}

interface Path {
	/** Places on the path, from 0 to 1, and the weights of the gradients there. */
	readonly alphas: readonly number[];
	readonly weights: readonly number[];
	readonly rows: number;
}

function pathOf(name: string, options: IntegratedGradientsOptions): Path {
	const { nSteps = 50, method = 'gausslegendre', internalBatchSize = DEFAULT_ROWS } = checkOptions(name, options, OPTIONS);
	requireOneOf(name, 'method', method, METHODS);
	requireInteger(name, 'nSteps', nSteps, method === 'riemann_trapezoid' ? 2 : 1);
	requireInteger(name, 'internalBatchSize', internalBatchSize, 1);
	if (options.returnConvergenceDelta !== undefined)
		requireBoolean(name, 'returnConvergenceDelta', options.returnConvergenceDelta);
	const points = Array.from({ length: nSteps }, (_, i) => i);
	const even = points.map(() => 1 / nSteps);
	const rows = internalBatchSize;
	if (method === 'riemann_left') return { alphas: points.map((i) => i / nSteps), weights: even, rows };
	if (method === 'riemann_right') return { alphas: points.map((i) => (i + 1) / nSteps), weights: even, rows };
	if (method === 'riemann_middle') return { alphas: points.map((i) => (i + 0.5) / nSteps), weights: even, rows };
	if (method === 'riemann_trapezoid') {
		const last = nSteps - 1;
		return { alphas: points.map((i) => i / last), weights: points.map((i) => (i === 0 || i === last ? 0.5 : 1) / last), rows };
	}
	return { ...gaussLegendre(nSteps), rows };
}

/** Nodes and weights of the n-point Gauss-Legendre rule on [0, 1]: the roots of the Legendre polynomial, by Newton's method. */
export function gaussLegendre(n: number): { alphas: number[]; weights: number[] } {
	const nodes = Array.from({ length: n }, (_, i) => {
		let x = -Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
		let slope = 0;
		for (let round = 0; round < 100; round++) {
			let [before, value] = [1, x];
			for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
			slope = (n * (x * value - before)) / (x * x - 1);
			const step = value / slope;
			x -= step;
			if (Math.abs(step) < 1e-15) break;
		}
		return { alpha: (1 + x) / 2, weight: 1 / ((1 - x * x) * slope * slope) };
	});
	return { alphas: nodes.map(({ alpha }) => alpha), weights: nodes.map(({ weight }) => weight) };
}

/** The weighted sum of the gradients on the way from `starts` to `ends`, some points at a time. */
function integrate(
	{ alphas, weights, rows }: Path,
	batch: number,
	starts: readonly Tensor[],
	ends: readonly Tensor[],
	gradients: (points: Tensor[], times: number) => Tensor[],
): Tensor[] {
	const step = Math.max(1, Math.floor(rows / Math.max(1, batch)));
	let totals: Tensor[] | null = null;
	for (let begin = 0; begin < alphas.length; begin += step) {
		const before: Tensor[] | null = totals;
		totals = tidy(() => {
			const times = Math.min(step, alphas.length - begin);
			const along = (values: readonly number[], like: Tensor) =>
				to(
					tensor(Float64Array.from(values.slice(begin, begin + times)), {
						shape: [times, ...like.shape.map(() => 1)],
						dtype: like.dtype === 'float64' ? 'float64' : 'float32',
						device: like.device,
					}),
					like.dtype,
				);
			const points = ends.map((end, i) => {
				const way = sub(end, starts[i]!);
				return reshape(add(mul(along(alphas, end), way), starts[i]!), [times * end.shape[0]!, ...end.shape.slice(1)]);
			});
			return gradients(points, times).map((gradient, i) => {
				const end = ends[i]!;
				const part = sum(mul(reshape(gradient, [times, ...end.shape]), along(weights, end)), 0);
				return before === null ? part : add(before[i]!, part);
			});
		});
	}
	return totals!;
}

/** The sum of each example's attributions minus the difference that completeness demands, [N]. */
function deltaOf(subject: Subject, attributions: readonly Tensor[], ends: readonly Tensor[], starts: readonly Tensor[]): Tensor {
	const full = starts.map((start, i) => expand(start, ends[i]!.shape));
	const difference = sub(subject.values(ends), subject.values(full));
	const sums = attributions.map((each) => sum(reshape(each, [subject.rows, -1]), 1)).reduce((total, each) => add(total, each));
	return sub(sums, difference);
}
