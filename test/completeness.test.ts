/** Every public name is in the exports, the methods, the operation database and the documentation. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as wgrad from 'wgrad';
import { type Counts, count } from './completeness/counts';
import {
	CREATION,
	DRAWN,
	FURTHER,
	GRADIENT_ELSEWHERE,
	INFRASTRUCTURE,
	MEMBERS,
	MODULES,
	NO_ENTRY,
	NO_METHOD,
	NOT_DIFFERENTIABLE,
	OPERATIONS,
} from './completeness/names';
import { namesIn, operationsTable, withTable } from './completeness/table';
import { entries, families } from './ops/index';
import { WITHOUT_FLOAT16 } from './proofs/halfOutcomes';

const exported = wgrad as unknown as Readonly<Record<string, unknown>>;

function requireNone(problem: string, names: readonly string[]): void {
	if (names.length > 0) throw new Error(`${problem}: ${names.join(', ')}`);
}

const documented = namesIn(readFileSync('docs/operations.md', 'utf8'));

test('every public name is exported', () => {
	requireNone(
		'not exported',
		[...INFRASTRUCTURE, ...CREATION, ...documented].filter((name) => exported[name] === undefined),
	);
	requireNone(
		'exported, but not in docs/operations.md',
		OPERATIONS.filter((name) => !documented.includes(name)),
	);
});

test('the further names of the page exist, and what it says of random draws is of the database', () => {
	const found = (name: string) => name.split('.').reduce<unknown>((owner, key) => memberOf(owner, key), exported);
	requireNone(
		'not there',
		Object.keys(FURTHER)
			.flatMap((some) => some.split(' '))
			.filter((name) => found(name) === undefined),
	);
	requireNone(
		'compared with PyTorch, or not in the database',
		Object.keys(DRAWN).filter((name) => !entries.some((entry) => entry.name === name && entry.torch === null)),
	);
});

/** A member of an object or, for a class, of its instances. */
function memberOf(owner: unknown, key: string): unknown {
	if (owner === wgrad.Tensor) return (wgrad.zeros([1, 1], { device: 'cpu' }) as unknown as Record<string, unknown>)[key];
	return (owner as Record<string, unknown> | undefined)?.[key];
}

test('every operation that takes a tensor first is a method', () => {
	const instance = wgrad.zeros([1], { device: 'cpu' }) as unknown as Readonly<Record<string, unknown>>;
	const likes = CREATION.filter((name) => name.endsWith('Like'));
	const wanted = [...OPERATIONS, ...likes].filter((name) => !Object.hasOwn(NO_METHOD, name));
	requireNone(
		'no method',
		wanted.filter((name) => typeof instance[name] !== 'function'),
	);
	requireNone(
		'no member of a tensor',
		MEMBERS.filter((name) => !(name in instance)),
	);
	requireNone(
		'a method after all',
		Object.keys(NO_METHOD).filter((name) => name in instance),
	);
	if (typeof instance[Symbol.dispose as unknown as string] !== 'function') throw new Error('a tensor lacks Symbol.dispose');
});

test('every family of the database has a column in float16', () => {
	// The layers of `rnn` share a file with tests of their own.
	const fileOf = (family: string) => `test/float16/${family === 'rnn' ? 'recurrent' : family}.gpu.test.ts`;
	requireNone(
		'no proveFloat16',
		Object.keys(families).filter(
			(family) => !existsSync(fileOf(family)) || !readFileSync(fileOf(family), 'utf8').includes('proveFloat16('),
		),
	);
	const names = new Set(entries.map(({ name }) => name));
	requireNone(
		'without a column, and not in the database',
		Object.keys(WITHOUT_FLOAT16).filter((name) => !names.has(name)),
	);
});

test('every operation is in the database, under its family, with samples, and with refusals if it can fail', () => {
	const listed = new Set(entries.map(({ name }) => name));
	requireNone(
		'missing from the database',
		OPERATIONS.filter((name) => !listed.has(name) && !Object.hasOwn(NO_ENTRY, name)),
	);
	requireNone(
		'in the database after all',
		Object.keys(NO_ENTRY).filter((name) => listed.has(name)),
	);
	requireNone(
		'without a sample',
		entries.filter(({ samples }) => samples.length === 0).map(({ name }) => name),
	);
	const wrong = Object.entries(families).flatMap(([family, list]) => list.filter((entry) => entry.family !== family));
	requireNone(
		'under another family',
		wrong.map(({ name, family }) => `${name} (${family})`),
	);
	const keys = entries.flatMap(({ name, samples }) => samples.map(({ label }) => `${name}/${label}`));
	requireNone(
		'twice in the database',
		keys.filter((key, i) => keys.indexOf(key) !== i),
	);
});

test('every family is tested: gradients, parity on WebGPU, and golden values if PyTorch has the operation', async () => {
	// Not bundled into this file, because the runner finds its folder by its own path.
	const runner = pathToFileURL(join(process.cwd(), 'test/runner/bundle.mjs')).href;
	const { findTests } = (await import(runner)) as typeof import('./runner/bundle.mjs');
	const files = await findTests();
	const proofs = (family: string) => [`gradients/${family}.test.ts`, `parity/${family}.gpu.test.ts`];
	requireNone(
		'no file',
		Object.keys(families)
			.flatMap(proofs)
			.filter((file) => !files.includes(file)),
	);
	const golden = Object.entries(families).filter(([, list]) => count(list).golden > 0);
	requireNone(
		'no file',
		golden.map(([family]) => `test/golden/${family}.safetensors`).filter((file) => !existsSync(file)),
	);
});

test('every operation that PyTorch differentiates has a first and second gradient', () => {
	const checked = entries.filter(({ name }) => OPERATIONS.includes(name));
	const without = checked.filter(({ gradient, name }) => gradient !== 'yes' && !NOT_DIFFERENTIABLE.has(name));
	requireNone(
		'listed without a gradient',
		without.map(({ name }) => name),
	);
	requireNone(
		'listed without a second gradient',
		checked.filter(({ secondGradient }) => secondGradient).map(({ name }) => name),
	);
	const unproven = checked.filter(
		({ gradient, samples, name }) =>
			gradient === 'yes' && samples.every((sample) => sample.gradient === false) && !Object.hasOwn(GRADIENT_ELSEWHERE, name),
	);
	requireNone(
		'with a gradient that no sample checks',
		unproven.map(({ name }) => name),
	);
});

test('every layer exists', () => {
	const layers = wgrad.nn as unknown as Readonly<Record<string, unknown>>;
	requireNone(
		'not in nn',
		MODULES.filter((name) => typeof layers[name] !== 'function'),
	);
	requireNone(
		'in nn, but without a construction in test/random/layers.ts',
		Object.keys(layers).filter((name) => /^[A-Z]/.test(name) && !MODULES.includes(name)),
	);
});

test('the table of operations is up to date', () => {
	const page = readFileSync('docs/operations.md', 'utf8');
	if (withTable(page, operationsTable(families)) !== page)
		throw new Error('docs/operations.md is out of date; run npm run table');
});

function counted(name: string, c: Counts): string {
	return `${name}: ${c.operations} operations, ${c.samples} samples; ${c.gradients} gradients, ${c.secondGradients} second gradients, ${c.parity} parity, ${c.golden} golden, ${c.refusals} refusals`;
}

test.after(() => {
	for (const [family, list] of Object.entries(families)) console.log(counted(family, count(list)));
	console.log(counted('all', count(entries)));
});

test.run();
