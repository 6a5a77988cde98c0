/** Every operation allocates memory under its own name, which errors of allocation and profiles show. */
import { test } from 'uvu';
import { cpuBackend } from '../src/backends/cpu/backend';
import { currentOperation } from '../src/core/currentOperation';
import { makeInputs } from './ops/database';
import { entries } from './ops/index';

const { allocate, upload } = cpuBackend;

/** The names under which `fn` allocates memory on the CPU. */
function namesDuring(fn: () => unknown): Set<string> {
	const names = new Set<string>();
	const noting =
		<A extends readonly unknown[], R>(take: (...args: A) => R) =>
		(...args: A) => {
			names.add(currentOperation());
			return take(...args);
		};
	Object.assign(cpuBackend, { allocate: noting(allocate), upload: noting(upload) });
	try {
		fn();
	} finally {
		Object.assign(cpuBackend, { allocate, upload });
	}
	return names;
}

/** Operations that the samples' calls use in addition. */
const BESIDES: Readonly<Record<string, string>> = { batchNorm: 'clone', instanceNorm: 'clone', ctcLoss: 'logSoftmax' };

// A layer allocates under the names of its parts: parameters, products, steps.
for (const entry of entries.filter(({ name }) => !name.startsWith('nn.'))) {
	test(entry.name, () => {
		for (const sample of entry.samples) {
			const inputs = makeInputs(entry, sample, 'cpu');
			const names = namesDuring(() => entry.call(inputs, sample.options ?? {}));
			names.delete(entry.name);
			names.delete(BESIDES[entry.name] ?? '');
			if (names.size > 0)
				throw new Error(`'${sample.label}' takes memory as ${[...names].map((name) => `'${name}'`).join(', ')}`);
		}
	});
}

test.run();
