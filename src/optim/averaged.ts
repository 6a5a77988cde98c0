/** Stochastic weight averaging. Izmailov et al. 2018, https://arxiv.org/abs/1803.05407. */

import { noGrad } from '../autograd/modes';
import type { DeviceName } from '../backends/contract';
import { wrongArgument } from '../core/checks';
import { ArgumentError, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { sameShape } from '../core/shape';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d, Module, Parameter } from '../nn';
import { requireModule } from '../nn/module';
import { full } from '../ops/creation';
import { add, div, eq, sub, to, where } from '../ops/elementwise';
import { add_, copy_, fill_ } from '../ops/inplace';
import { clone, detach } from '../ops/layout';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';

export interface AveragedModelOptions {
	/** The new average from the old one, the weight, and the int32 number of weights averaged so far. Default: their mean. */
	readonly avgFn?: (average: Tensor, weight: Tensor, numAveraged: Tensor) => Tensor;
	/** Whether to average buffers too, such as running statistics. Default false: they keep their first values; see `updateBn`. */
	readonly useBuffers?: boolean;
}

/** Copies of the parameters and buffers of a module and its descendants, under the same names. */
class Copies extends Module {
	readonly #children: readonly [string, Module][];
	readonly #parameters: readonly [string, Parameter][];

	constructor(source: Module, state: ReadonlySet<string>, copies: Map<Tensor, Parameter> = new Map(), prefix = '') {
		super();
		this.training = source.training;
		this.#parameters = source.ownParameters().map(([name, parameter]) => {
			const copy = copies.get(parameter) ?? new Parameter(clone(detach(parameter)), parameter.requiresGrad);
			copies.set(parameter, copy);
			return [name, copy];
		});
		const below = source.namedChildren();
		const ownBuffers = source.namedBuffers().filter(([path]) => !below.some(([name]) => path.startsWith(`${name}.`)));
		for (const [name, buffer] of ownBuffers)
			this.registerBuffer(name, clone(buffer), { persistent: state.has(`${prefix}${name}`) });
		this.#children = below.map(([name, child]) => [name, new Copies(child, state, copies, `${prefix}${name}.`)]);
	}

	override namedChildren(): [string, Module][] {
		return [...this.#children];
	}

	override ownParameters(): [string, Parameter][] {
		return [...this.#parameters];
	}

	override forward(): never {
		throw new ArgumentError('AveragedModel: call its own forward');
	}
}

/**
 * Averages a model's weights over the calls of `updateParameters`. `forward` runs the model with the averages instead of the weights,
 * without recording. Has its own training mode and buffers, and the keys of `torch.optim.swa_utils.AveragedModel`.
 */
export class AveragedModel<M extends Module = Module> extends Module {
	/** The averages. */
	readonly module: Module;
	readonly #model: M;
	readonly #options: AveragedModelOptions;

	/** Starts with copies of the current weights. */
	constructor(model: M, options: AveragedModelOptions = {}) {
		super();
		requireModule('AveragedModel', 'model', model);
		this.#model = model;
		this.#options = checkOptions('AveragedModel', options, ['avgFn', 'useBuffers']);
		const state = new Set(Object.keys(model.stateDict()));
		this.module = noGrad(() => tidy(() => new Copies(model, state)));
		this.training = model.training;
		const device = model.parameters()[0]?.device;
		this.registerBuffer('n_averaged', full([], 0, { dtype: 'int32', ...(device && { device }) }));
	}

	/** The model that provides the weights. */
	get model(): M {
		return this.#model;
	}

	/** Adds the weights of `model` to the averages. Default: the model of the constructor. */
	updateParameters(model: Module = this.#model): void {
		const { avgFn = mean, useBuffers = false } = this.#options;
		const tensors = (module: Module) => [...module.parameters(), ...(useBuffers ? module.buffers() : [])];
		const [averages, weights] = [tensors(this.module), tensors(model)];
		if (averages.length !== weights.length || averages.some(({ shape }, i) => !sameShape(shape, weights[i]!.shape)))
			throw new ShapeError('AveragedModel.updateParameters: the model must have the parameters of the first one');
		const count = this.buffer('n_averaged');
		noGrad(() =>
			tidy(() => {
				const isFirst = eq(count, 0);
				for (const [i, average] of averages.entries()) {
					const weight = to(weights[i]!, average.dtype);
					const next = avgFn(average, weight, count);
					copy_(average, where(isFirst, to(weight, next.dtype), next));
				}
				add_(count, 1);
			}),
		);
	}

	/** The model's forward with the averages, their buffers, and this module's training mode. */
	override forward(...inputs: Parameters<M['forward']>): ReturnType<M['forward']> {
		const exchange = () => {
			const own = [...this.module.parameters(), ...this.module.buffers()];
			for (const [i, tensor] of [...this.#model.parameters(), ...this.#model.buffers()].entries()) swap(tensor, own[i]!);
		};
		const modules = this.#model.modules();
		const modes = modules.map(({ training }) => training);
		const copies = this.module.modules();
		modules.forEach((module, i) => {
			module.training = copies[i]!.training;
		});
		exchange();
		try {
			return noGrad(() => this.#model.forward(...(inputs as never[]))) as ReturnType<M['forward']>;
		} finally {
			exchange();
			modules.forEach((module, i) => {
				module.training = modes[i]!;
			});
		}
	}
}

/** Exchanges the memory of two tensors of one shape. */
function swap(a: Tensor, b: Tensor): void {
	const [fromA, fromB] = [detach(a), detach(b)];
	a.adopt(fromB);
	b.adopt(fromA);
}

function mean(average: Tensor, weight: Tensor, numAveraged: Tensor): Tensor {
	return add(average, div(sub(weight, average), add(numAveraged, 1)));
}

type Norm = BatchNorm1d | BatchNorm2d | BatchNorm3d;

/**
 * Recomputes the running statistics of all batch norms in one pass over `loader`, because averaged weights produce other activations. A
 * batch is an input, or a list that begins with the input. Moves inputs to `device`, and disposes of none. As
 * `torch.optim.swa_utils.update_bn`.
 */
export async function updateBn(
	loader: Iterable<unknown> | AsyncIterable<unknown>,
	model: Module,
	options: { readonly device?: DeviceName } = {},
): Promise<void> {
	const { device } = checkOptions('updateBn', options, ['device']);
	const [source, holder] = model instanceof AveragedModel ? [model.model as Module, model.module] : [model, model];
	const norms = source
		.namedModules()
		.filter(
			(entry): entry is [string, Norm] =>
				entry[1] instanceof BatchNorm1d || entry[1] instanceof BatchNorm2d || entry[1] instanceof BatchNorm3d,
		)
		.filter(([, { options }]) => options.trackRunningStats ?? true);
	if (norms.length === 0) return;
	const modes = model.modules().map((module) => [module, module.training] as const);
	const earlier = norms.map(([, norm]) => norm.options);
	noGrad(() => {
		for (const [path] of norms)
			for (const [name, value] of [
				['running_mean', 0],
				['running_var', 1],
				['num_batches_tracked', 0],
			] as const)
				fill_(holder.getBuffer(path === '' ? name : `${path}.${name}`), value);
	});
	model.train();
	try {
		// A momentum of null averages over all batches.
		for (const [, norm] of norms) (norm as { options: Norm['options'] }).options = { ...norm.options, momentum: null };
		for await (const batch of loader) {
			const input = Array.isArray(batch) ? (batch[0] as unknown) : batch;
			if (!(input instanceof Tensor))
				throw wrongArgument('updateBn', 'a batch', 'a tensor or a list that begins with one', batch);
			const moved = device === undefined || device === input.device ? input : await to(input, device);
			noGrad(() => tidy(() => void (model.forward as (x: Tensor) => unknown)(moved)));
			if (moved !== input) moved.dispose();
		}
	} finally {
		norms.forEach(([, norm], i) => {
			(norm as { options: Norm['options'] }).options = earlier[i]!;
		});
		for (const [module, training] of modes) module.training = training;
	}
}
