/**
 * Random wrong constructions and calls of layers, optimizers, schedulers and metrics give one of the library's errors or a valid result.
 */
import { test } from 'uvu';
import * as w from 'wgrad';
import { LAYERS, OPTIMIZERS, SCHEDULERS } from './layers';
import { misuse, type Run } from './wrong';

type Class = new (...args: unknown[]) => unknown;

function constructorOf(library: object, name: string): Class {
	return (library as Record<string, Class>)[name]!;
}

test('layers', () =>
	misuse(
		Object.fromEntries(
			Object.entries(LAYERS).map(([name, [constructing, forward]]) => {
				const run: Run = async (args) => {
					const layer = new (constructorOf(w.nn, name))(...args.slice(0, constructing.length)) as w.nn.Module;
					const result = (layer.forward as (...args: unknown[]) => unknown)(...args.slice(constructing.length));
					for (const tensor of [result].flat(2)) if (tensor instanceof w.Tensor) await tensor.data();
				};
				return [name, [[...constructing, ...forward], run]];
			}),
		),
	));

test('optimizers', () =>
	misuse(
		Object.fromEntries(
			Object.entries(OPTIMIZERS).map(([name, args]) => {
				const run: Run = (given) => {
					const optimizer = new (constructorOf(w.optim, name))(...given) as w.optim.SGD;
					for (const { params } of optimizer.paramGroups) for (const param of params) param.grad = w.onesLike(param);
					optimizer.step();
				};
				return [name, [args, run]];
			}),
		),
	));

test('schedulers', () =>
	misuse(
		Object.fromEntries(
			Object.entries(SCHEDULERS).map(([name, args]) => {
				const run: Run = (given) => {
					const optimizer = new w.optim.SGD([w.zeros([2])], { lr: 0.1, momentum: 0.5 });
					const scheduler = new (constructorOf(w.optim.lrScheduler, name))(optimizer, ...given);
					(scheduler as { step(metric?: number): void }).step(1);
					if (!hasRates(optimizer)) throw new Error(`a rate of ${optimizer.paramGroups[0]!.lr}`);
				};
				return [name, [args, run]];
			}),
		),
	));

function hasRates(optimizer: w.optim.SGD): boolean {
	return optimizer.paramGroups.every(({ lr }) => Number.isFinite(lr));
}

test.run();
