/**
 * CONTRIBUTING.md is correct: its steps add an operation to a copy of this repository, and the tests of that operation pass
 * there.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Scratch, scratchTree } from './scratch';

const FILES = [
	'build.mjs',
	'sideEffects.mjs',
	'package.json',
	'package-lock.json',
	'tsconfig.json',
	'src',
	'shaders',
	'test',
	'adapters',
	'examples',
];

const guide = readFileSync('CONTRIBUTING.md', 'utf8');
/** The guide's sentence before a block, and the block. */
const STEP = /^(?:Create `([^`]+)`|In `([^`]+)`, after `([^`]+)`):\n\n```\w+\n([\s\S]*?)```$/gm;

let tree: Scratch;
test.before(() => {
	tree = scratchTree(FILES);
});
test.after(() => tree.remove());

/** Follows the guide. Returns the paths of the files that it creates or changes. */
function apply(folder: string): string[] {
	return [...guide.matchAll(STEP)].map(([, created, changed, anchor, code]) => {
		const path = (created ?? changed)!;
		const file = join(folder, path);
		if (created !== undefined) {
			mkdirSync(dirname(file), { recursive: true });
			writeFileSync(file, code!);
			return path;
		}
		const lines = readFileSync(file, 'utf8').split('\n');
		const at = lines.findIndex((line) => line.trim() === anchor);
		if (at < 0) throw new Error(`${path} has no line '${anchor}'`);
		lines.splice(at + 1, 0, code!.trimEnd());
		writeFileSync(file, lines.join('\n'));
		return path;
	});
}

async function run(...args: string[]): Promise<string> {
	const options = { cwd: tree.folder, maxBuffer: 2 ** 26 };
	const { stdout } = await promisify(execFile)(process.execPath, args, options).catch((error) => {
		throw new Error(`${args.join(' ')}:\n${error.stdout}${error.stderr}`);
	});
	return stdout.trim().split('\n').at(-1)!;
}

test("the guide's steps add an operation that passes its tests", async () => {
	const paths = apply(tree.folder);
	assert.ok(paths.length >= 15);
	assert.is(guide.match(/^(Create|In) `/gm)!.length, paths.length);
	const { WGRAD_ADAPTER = '' } = globalThis as { WGRAD_ADAPTER?: string };
	// The native compiler, which takes a second, if it is installed.
	const compiler = join(process.cwd(), 'test/package/typescript-7/node_modules/typescript/bin/tsc');
	const project = { extends: './tsconfig.json', include: ['src', 'shaders', 'test/ops'] };
	writeFileSync(join(tree.folder, 'tsconfig.steps.json'), JSON.stringify(project));
	if (existsSync(compiler)) assert.is(await run(compiler, '-p', 'tsconfig.steps.json'), '');
	assert.is(await run('test/run.mjs', 'gradients/squareplus.test.ts', '--adapter', 'cpu'), '20 passed, 0 failed');
	assert.is(await run('test/run.mjs', 'parity/squareplus.gpu.test.ts', '--adapter', WGRAD_ADAPTER), '8 passed, 0 failed');
});

test.run();
