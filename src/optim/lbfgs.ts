/** L-BFGS. */
import { noGrad } from '../autograd/modes';
import { requireCounts, requireNonNegative, requireOneOf, wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { pickOptions } from '../core/options';
import { checkState, isNumber, isObject } from '../core/state';
import { widened } from '../ops/composed';
import { zeros, zerosLike } from '../ops/creation';
import { abs, add, mul, neg, sign, sub } from '../ops/elementwise';
import { add_, copy_, writeInFloat32 } from '../ops/inplace';
import { cat, clone, contiguous, detach, narrow, reshape } from '../ops/layout';
import { dot } from '../ops/matmul';
import { amax, sum } from '../ops/reduce';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type LinePoint, strongWolfe } from './lineSearch';
import { type CommonOptions, type GroupInput, Optimizer, type OptimizerState, type ParamGroup } from './optimizer';
import type { ParamState } from './state';

export interface LBFGSOptions extends CommonOptions {
	/** Iterations in one `step()`. Default 20. */
	maxIter: number;
	/** Evaluations of the closure in one `step()`; a running line search may exceed it. Default null: maxIter * 5 / 4. */
	maxEval: number | null;
	/** Stop when no element of the gradient exceeds this size. Default 1e-7. */
	toleranceGrad: number;
	/** Stop when neither the loss nor a parameter changes by more than this. Default 1e-9. */
	toleranceChange: number;
	/**
	 * Number of stored pairs of step and gradient change, which approximate the Hessian. Each pair takes twice the memory of the
	 * parameters. Default 100.
	 */
	historySize: number;
	/** The step length: 'strongWolfe' searches for it, null takes `lr`. Default null. */
	lineSearchFn: 'strongWolfe' | null;
}

interface Evaluation {
	readonly result: unknown;
	readonly loss: number;
	readonly gradient: Tensor;
}

/**
 * Limited-memory BFGS, with a single parameter group. One `step` runs up to `maxIter` iterations and reads the loss in each, so both `step`
 * and its closure are async:
 *
 *     await optimizer.step(async () => {
 *       optimizer.zeroGrad();
 *       const loss = mseLoss(model.forward(x), y);
 *       loss.backward();
 *       return loss; // or a number
 *     });
 *
 * `step` resolves to the result of the closure's first call. The line search also sees the penalties `weightDecay` and `l1`. Nocedal 1980.
 * Default lr 1. As `torch.optim.LBFGS`.
 */
export class LBFGS extends Optimizer<LBFGSOptions> {
	#iterations = 0;
	#evaluations = 0;
	#t = 0;
	/** The scale of the first approximation of the inverse Hessian. */
	#scale = 1;
	#direction: Tensor | null = null;
	#previousGradient: Tensor | null = null;
	/** Gradient changes, the steps that caused them, and 1 / (change . step), oldest first. */
	#changes: Tensor[] = [];
	#steps: Tensor[] = [];
	#inverses: number[] = [];

	constructor(params: Iterable<Tensor> | Iterable<GroupInput<LBFGSOptions>>, options: Partial<LBFGSOptions> = {}) {
		super(
			params,
			{
				lr: 1,
				maxIter: 20,
				maxEval: null,
				toleranceGrad: 1e-7,
				toleranceChange: 1e-9,
				historySize: 100,
				lineSearchFn: null,
				weightDecay: 0,
				l1: 0,
				maximize: false,
			},
			options,
		);
	}

	override addParamGroup(input: GroupInput<LBFGSOptions>): void {
		if (this.paramGroups.length > 0)
			throw new ArgumentError('LBFGS: it takes one group of parameters, because a direction spans all of them');
		super.addParamGroup(input);
	}

	protected override validate(group: ParamGroup<LBFGSOptions>): void {
		const { maxIter, maxEval, toleranceGrad, toleranceChange, historySize, lineSearchFn } = group;
		requireNonNegative('LBFGS', 'toleranceGrad', toleranceGrad);
		requireNonNegative('LBFGS', 'toleranceChange', toleranceChange);
		requireCounts('LBFGS', { maxIter, historySize, maxEval: maxEval ?? 1 }, 1);
		requireOneOf('LBFGS', 'lineSearchFn', lineSearchFn, ['strongWolfe', null]);
	}

	/** Never called: `step` moves all parameters at once. */
	protected override update(): void {}

	/** Runs up to `maxIter` iterations; see the class. `closure` is async and returns the loss as a number or a one-element tensor. */
	override step<T>(closure: () => T): T;
	override step(): void;
	override step<T>(closure?: () => T): T | undefined {
		if (closure === undefined)
			throw new ArgumentError(
				'LBFGS.step: it needs an async closure that computes the loss and its gradients, and returns the loss',
			);
		return this.#run(closure) as T;
	}

	async #run(closure: () => unknown): Promise<unknown> {
		const group = this.paramGroups[0]!;
		const { lr, maxIter, toleranceGrad, toleranceChange } = group;
		const maxEval = group.maxEval ?? Math.floor((maxIter * 5) / 4);
		let { result, loss, gradient } = await this.#evaluate(closure);
		let evaluations = 1;
		if ((await largest(gradient)) <= toleranceGrad) return result;
		for (let iteration = 1; iteration <= maxIter; iteration++) {
			this.#iterations++;
			const direction = await this.#nextDirection(gradient);
			if (this.#previousGradient !== gradient) this.#previousGradient?.dispose();
			this.#previousGradient = gradient;
			const previousLoss = loss;
			const [slope, size] = await numbers(
				dot(gradient, direction),
				tidy(() => sum(abs(gradient))),
			);
			this.#t = this.#iterations === 1 ? Math.min(1, 1 / size!) * lr : lr;
			if (slope! > -toleranceChange) break;
			if (group.lineSearchFn !== null) {
				const found = await this.#search(closure, { t: 0, loss, slope: slope!, gradient }, direction);
				({ loss, gradient, t: this.#t } = found.point);
				this.#move(this.#t, direction);
				evaluations += found.evaluations;
			} else {
				this.#move(this.#t, direction);
				// Nothing reads the last iteration's loss.
				if (iteration === maxIter) break;
				({ loss, gradient } = await this.#evaluate(closure));
				evaluations++;
			}
			if (iteration === maxIter || evaluations >= maxEval) break;
			const [steepest, reach] = await numbers(greatest(gradient), greatest(direction));
			if (steepest! <= toleranceGrad || reach! * this.#t <= toleranceChange) break;
			if (Math.abs(loss - previousLoss) < toleranceChange) break;
		}
		if (gradient !== this.#previousGradient) gradient.dispose();
		return result;
	}

	/** Runs the closure and reads the loss. Adds the penalties to loss and gradient. */
	async #evaluate(closure: () => unknown): Promise<Evaluation> {
		const pending = closure();
		if (!(pending instanceof Promise)) {
			throw new ArgumentError(
				'LBFGS.step: the closure must be async, because the step reads the loss: await optimizer.step(async () => { ...; return loss; })',
			);
		}
		const result: unknown = await pending;
		const own = result instanceof Tensor ? await result.item() : result;
		if (typeof own !== 'number')
			throw wrongArgument('LBFGS.step', 'the result of the closure', 'the loss, as a tensor or a number', own);
		this.#evaluations++;
		const { params, weightDecay, l1, maximize } = this.paramGroups[0]!;
		const direct = maximize ? -own : own;
		const gradient = noGrad(() =>
			tidy(() => {
				const flat = cat(params.map((param) => reshape(widened(param.grad ?? zerosLike(param))[0], [-1])));
				return maximize ? neg(flat) : flat;
			}),
		);
		if (weightDecay === 0 && l1 === 0) return { result, loss: direct, gradient };
		const flat = this.#flatParameters();
		const penalized = noGrad(() => tidy(() => add(add(gradient, flat, { alpha: weightDecay }), sign(flat), { alpha: l1 })));
		const [squares, sizes] = await numbers(
			dot(flat, flat),
			tidy(() => sum(abs(flat))),
		);
		flat.dispose();
		gradient.dispose();
		return { result, loss: direct + (weightDecay / 2) * squares! + l1 * sizes!, gradient: penalized };
	}

	#flatParameters(): Tensor {
		return noGrad(() =>
			tidy(() => cat(this.paramGroups[0]!.params.map((param) => reshape(widened(contiguous(detach(param)))[0], [-1])))),
		);
	}

	/** Adds the last step, if any, to the history and applies the inverse Hessian to the gradient (two-loop recursion). */
	async #nextDirection(gradient: Tensor): Promise<Tensor> {
		const last = this.#direction;
		if (this.#iterations === 1 || last === null || this.#previousGradient === null) {
			this.#direction = noGrad(() => neg(gradient));
			return this.#direction;
		}
		const previous = this.#previousGradient;
		const [change, step] = noGrad(() => [sub(gradient, previous), mul(last, this.#t)] as const);
		const [product, square] = await numbers(dot(change, step), dot(change, change));
		if (product! > 1e-10) {
			if (this.#changes.length === this.paramGroups[0]!.historySize) {
				this.#changes.shift()!.dispose();
				this.#steps.shift()!.dispose();
				this.#inverses.shift();
			}
			this.#changes.push(change);
			this.#steps.push(step);
			this.#inverses.push(1 / product!);
			this.#scale = product! / square!;
		} else {
			change.dispose();
			step.dispose();
		}
		last.dispose();
		this.#direction = noGrad(() => tidy(() => this.#inverseHessianTimes(neg(gradient))));
		return this.#direction;
	}

	/** Keeps the factors on the device as scalars and reads nothing back. */
	#inverseHessianTimes(vector: Tensor): Tensor {
		const factors: Tensor[] = [];
		let q = vector;
		for (let i = this.#changes.length - 1; i >= 0; i--) {
			const factor = mul(dot(this.#steps[i]!, q), this.#inverses[i]!);
			factors[i] = factor;
			q = sub(q, mul(this.#changes[i]!, factor));
		}
		let r = mul(q, this.#scale);
		for (let i = 0; i < this.#changes.length; i++) {
			const factor = mul(dot(this.#changes[i]!, r), this.#inverses[i]!);
			r = add(r, mul(this.#steps[i]!, sub(factors[i]!, factor)));
		}
		return r;
	}

	/** Adds t times the direction to the parameters. */
	#move(t: number, direction: Tensor): void {
		noGrad(() =>
			tidy(() => {
				let offset = 0;
				for (const param of this.paramGroups[0]!.params) {
					const step = reshape(narrow(direction, 0, offset, param.size), param.shape);
					writeInFloat32(param, (target) => add_(target, step, { alpha: t }));
					offset += param.size;
				}
			}),
		);
	}

	async #search(
		closure: () => unknown,
		start: LinePoint<Tensor>,
		direction: Tensor,
	): Promise<{ point: LinePoint<Tensor>; evaluations: number }> {
		const { params, toleranceChange } = this.paramGroups[0]!;
		const origin = noGrad(() => params.map((param) => clone(param)));
		const tried: Tensor[] = [];
		const evaluate = async (t: number): Promise<LinePoint<Tensor>> => {
			this.#move(t, direction);
			const { loss, gradient } = await this.#evaluate(closure);
			tried.push(gradient);
			noGrad(() => {
				for (const [i, param] of params.entries()) copy_(param, origin[i]!);
			});
			const [slope] = await numbers(dot(gradient, direction));
			return { t, loss, slope: slope!, gradient };
		};
		const found = await strongWolfe(evaluate, start, this.#t, await largest(direction), toleranceChange);
		for (const tensor of [...origin, ...tried]) if (tensor !== found.point.gradient) tensor.dispose();
		return found;
	}

	/** As for every optimizer. The state of parameter 0 holds the history, as vectors over all parameters. */
	override stateDict(): OptimizerState<LBFGSOptions> {
		const own: ParamState = {
			nIter: this.#iterations,
			funcEvals: this.#evaluations,
			t: this.#t,
			hDiag: this.#scale,
		};
		if (this.#direction !== null) own.d = clone(this.#direction);
		if (this.#previousGradient !== null) own.prevFlatGrad = clone(this.#previousGradient);
		this.#inverses.forEach((inverse, i) => {
			own[`ro.${i}`] = inverse;
			own[`oldDirs.${i}`] = clone(this.#changes[i]!);
			own[`oldStps.${i}`] = clone(this.#steps[i]!);
		});
		return { ...super.stateDict(), state: { 0: own } };
	}

	/** @internal */
	override requireLoadable(saved: OptimizerState<LBFGSOptions>): void {
		const size = this.#size();
		const name = 'LBFGS.loadStateDict';
		const { state } = checkState<Pick<OptimizerState<LBFGSOptions>, 'state'>>(name, saved, { state: isObject });
		const own = checkState<ParamState>(name, state[0] ?? {}, {});
		for (const [key, value] of Object.entries(own)) {
			const vector = /^(d|prevFlatGrad|old(Dirs|Stps)\.\d+)$/.test(key);
			if (vector !== value instanceof Tensor || (!vector && !isNumber(value)))
				throw new ArgumentError(`${name}: '${key}' must be a ${vector ? 'tensor' : 'number'}`);
			if (value instanceof Tensor && value.size !== size)
				throw new ArgumentError(`${name}: '${key}' has ${value.size} elements, but all parameters together have ${size}`);
		}
		for (let i = 0; own[`ro.${i}`] !== undefined; i++) {
			for (const key of [`oldDirs.${i}`, `oldStps.${i}`])
				if (own[key] === undefined) throw new ArgumentError(`${name}: the state lacks '${key}'`);
		}
		super.requireLoadable({ ...saved, state: {} });
	}

	override loadStateDict(saved: OptimizerState<LBFGSOptions>): void {
		this.requireLoadable(saved);
		super.loadStateDict({ ...saved, state: {} });
		const own: ParamState = saved.state[0] ?? {};
		const size = this.#size();
		const vector = (key: string): Tensor | null => {
			const value = own[key];
			if (!(value instanceof Tensor)) return null;
			const [like] = widened(this.paramGroups[0]!.params[0]!);
			return noGrad(() => copy_(zeros([size], pickOptions(like, 'dtype', 'device')), reshape(value, [size])));
		};
		const number = (key: string, otherwise: number) => (own[key] as number | undefined) ?? otherwise;
		this.#iterations = number('nIter', 0);
		this.#evaluations = number('funcEvals', 0);
		this.#t = number('t', 0);
		this.#scale = number('hDiag', 1);
		this.#direction = vector('d');
		this.#previousGradient = vector('prevFlatGrad');
		[this.#inverses, this.#changes, this.#steps] = [[], [], []];
		for (let i = 0; own[`ro.${i}`] !== undefined; i++) {
			this.#inverses.push(number(`ro.${i}`, 0));
			this.#changes.push(vector(`oldDirs.${i}`)!);
			this.#steps.push(vector(`oldStps.${i}`)!);
		}
	}

	/** The number of elements of all parameters together. */
	#size(): number {
		return this.paramGroups[0]!.params.reduce((total, { size }) => total + size, 0);
	}
}

/** Reads several scalars at once and disposes of them. */
async function numbers(...scalars: readonly Tensor[]): Promise<number[]> {
	const values = await Promise.all(scalars.map((scalar) => scalar.item()));
	for (const scalar of scalars) scalar.dispose();
	return values;
}

/** The largest absolute element, on the device. */
function greatest(vector: Tensor): Tensor {
	return tidy(() => amax(abs(vector)));
}

async function largest(vector: Tensor): Promise<number> {
	return (await numbers(greatest(vector)))[0]!;
}
