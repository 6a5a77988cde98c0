/** The test runner: what it bundles again, and what --watch runs again, in a small copy of this repository. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Scratch, scratchTree } from './scratch';

const RUNNER = [
	'build.mjs',
	'sideEffects.mjs',
	'package.json',
	'package-lock.json',
	'tsconfig.json',
	'adapters',
	'test/runner',
	'test/run.mjs',
];
const FOLDERS = ['src', 'shaders', 'bench', 'test/ops', 'test/parity'];
const PATIENCE = 180_000;

const runner = suite<{ tree: Scratch; watching?: ChildProcess }>('the runner');

/** Writes a test file that passes if `value` of another file is 1. */
function write(tree: Scratch, name: string, value: string): void {
	writeFileSync(join(tree.folder, `test/${name}.ts`), `export const value: number = ${value};\n`);
	writeFileSync(
		join(tree.folder, `test/${name}.test.ts`),
		`import { test } from 'uvu';\nimport * as assert from 'uvu/assert';\nimport { value } from './${name}';\ntest('is 1', () => assert.is(value, 1));\ntest.run();\n`,
	);
}

async function run(tree: Scratch, ...args: string[]): Promise<string> {
	const { stdout } = await promisify(execFile)(process.execPath, ['test/run.mjs', ...args], { cwd: tree.folder });
	return stdout.trim().split('\n').at(-1)!;
}

const builds = (tree: Scratch) => readdirSync(join(tree.folder, 'dist/test')).filter((name) => name.startsWith('node-'));

runner.before.each((context) => {
	context.tree = scratchTree([...RUNNER, 'examples/serve.mjs']);
	for (const folder of FOLDERS) mkdirSync(join(context.tree.folder, folder), { recursive: true });
	for (const name of ['apple', 'pear']) write(context.tree, name, '1');
});
runner.after.each(({ tree, watching }) => {
	watching?.kill('SIGKILL');
	tree.remove();
});

runner('bundles again what has changed, and nothing else', async ({ tree }) => {
	const only = ['--filter', 'e', '--adapter', 'cpu', 'apple.test.ts', 'pear.test.ts'];
	assert.is(await run(tree, ...only), '2 passed, 0 failed');
	const first = builds(tree);
	assert.is(first.length, 1);
	assert.is(await run(tree, ...only), '2 passed, 0 failed');
	assert.equal(builds(tree), first);
	write(tree, 'pear', '0 + 1');
	assert.is(await run(tree, ...only), '2 passed, 0 failed');
	const [kept, added, ...others] = builds(tree);
	assert.is(kept, first[0]);
	assert.equal(
		readdirSync(join(tree.folder, 'dist/test', added!)).filter((name) => name.endsWith('.test.js')),
		['pear.test.js'],
	);
	assert.equal(others, []);
});

runner('two runs at once do not disturb each other', async ({ tree }) => {
	const results = [run(tree, 'apple.test.ts'), run(tree, 'apple.test.ts', 'pear.test.ts')];
	assert.equal(await Promise.all(results), ['1 passed, 0 failed', '2 passed, 0 failed']);
});

runner('--watch runs again what a change touches, outlives mistakes, and ends at Ctrl-C', async (context) => {
	const { tree } = context;
	const child = spawn(process.execPath, ['test/run.mjs', '--watch', 'apple.test.ts', 'pear.test.ts'], { cwd: tree.folder });
	context.watching = child;
	let output = '';
	let read = 0;
	child.stdout.on('data', (chunk) => {
		output += chunk;
	});
	child.stderr.pipe(process.stderr);
	/** The output until the watcher waits for the next change. */
	const printed = async () => {
		const deadline = Date.now() + PATIENCE;
		for (;;) {
			const end = output.indexOf('Ctrl-C ends', read);
			if (end >= 0) {
				const text = output.slice(read, end);
				read = end + 1;
				return text;
			}
			if (Date.now() > deadline) throw new Error(`nothing more is printed after:\n${output}`);
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	};
	assert.match(await printed(), /2 passed, 0 failed/);
	write(tree, 'pear', '2');
	const after = await printed();
	assert.match(after, /changed: test\/pear\.test\.ts, test\/pear\.ts|changed: test\/pear\.ts/);
	assert.match(after, /runs pear\.test\.ts\n/);
	assert.match(after, /0 passed, 1 failed/);
	write(tree, 'pear', '1 +');
	assert.match(await printed(), /pear\.test\.ts does not bundle for node: .*Unexpected ";"/s);
	write(tree, 'pear', '1');
	assert.match(await printed(), /1 passed, 0 failed/);
	writeFileSync(join(tree.folder, 'src/other.ts'), 'export {};\n');
	assert.match(await printed(), /no chosen test is made of that/);
	child.kill('SIGINT');
	const code = await new Promise((resolve) => child.on('exit', resolve));
	assert.is(code, 0);
});

runner.run();
