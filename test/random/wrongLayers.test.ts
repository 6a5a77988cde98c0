/** Random wrong constructions and calls of what is built on the operations: one of the library's own errors, or a valid result. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as w from 'wgrad';
import { Draw } from './draw';
import { LAYERS, OPTIMIZERS, SCHEDULERS } from './layers';
import { setting } from './setting';
import { made, shown, spoiled } from './wrong';

type Class = new (...args: unknown[]) => unknown;
type Run = (args: readonly unknown[]) => unknown;

const CASES = Math.ceil((setting('WGRAD_CASES') ?? 200) / 5);

function constructorOf(library: object, name: string): Class {
	return (library as Record<string, Class>)[name]!;
}

/** Runs each with right arguments, which must do, and with wrong ones. */
async function misuse(calls: Readonly<Record<string, readonly [args: readonly unknown[], run: Run]>>): Promise<void> {
	const wrong: string[] = [];
	let refused = 0;
	let count = 0;
	for (const [name, [args, run]] of Object.entries(calls)) {
		const fake = fc.gen().map((value) => spoiled(new Draw(value, fc), args));
		for (const given of [args, ...fc.sample(fake, { seed: (setting('WGRAD_SEED') ?? 10) + count, numRuns: CASES })]) {
			count++;
			try {
				await run(given.map((value) => made(value, 'cpu', null)));
			} catch (error) {
				if (error instanceof w.WgradError && given !== args) {
					refused++;
					continue;
				}
				const { name: kind, message, stack = '' } = error as Error;
				wrong.push(`${name}(${given.map(shown).join(', ')}): ${kind}: ${message} ${/\/(src\/[^)\s]*)/.exec(stack)?.[1] ?? ''}`);
			}
		}
	}
	if (wrong.length > 0) throw new Error(`${wrong.length} of ${count} wrong calls misbehave:\n  ${wrong.join('\n  ')}`);
	console.log(`${count} wrong calls: ${refused} refused, the others gave valid results`);
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
