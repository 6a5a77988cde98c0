/** A run that is killed again and again comes to the same bits as one that never was. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const KILLS = 20;

let folder: string;
let program: string;
test.before(async () => {
	mkdirSync('dist', { recursive: true });
	folder = mkdtempSync(join(process.cwd(), 'dist/killed-'));
	program = join(folder, 'killed.mjs');
	// Not bundled into this file: it finds its folder by its own place.
	const settings = pathToFileURL(join(process.cwd(), 'build.mjs')).href;
	const { forNode, withSources } = (await import(settings)) as typeof import('../../build.mjs');
	await esbuild.build({ ...forNode, alias: withSources('node'), entryPoints: ['test/train/killed.ts'], outfile: program });
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the program in a folder; with `kill`, for so many steps and milliseconds more. Whether it came to its end. */
function run(where: string, kill?: { steps: number; milliseconds: number }): Promise<boolean> {
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, [program, where], { stdio: ['ignore', 'pipe', 'inherit'] });
		let steps = 0;
		child.stdout.on('data', (text: Buffer) => {
			const before = steps;
			steps += text.toString().split('\n').length - 1;
			if (kill === undefined || before >= kill.steps || steps < kill.steps) return;
			setTimeout(() => child.kill('SIGKILL'), kill.milliseconds);
		});
		child.on('error', reject);
		child.on('exit', (code, signal) => {
			if (signal === 'SIGKILL') resolve(false);
			else if (code === 0) resolve(true);
			else reject(new Error(`the program ended with code ${code}`));
		});
	});
}

/** A log's lines without the time that epochs took. */
function lines(file: string): string[] {
	const text = readFileSync(file, 'utf8');
	return text
		.split('\n')
		.map((line) => (file.endsWith('.csv') ? line.replace(/,[^,]*$/, '') : line.replace(/"seconds":[^,}]*/, '')));
}

test(`killed ${KILLS} times at random moments, and resumed`, async () => {
	const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
	assert.ok(await run(whole), 'the run that is never killed');
	// A fixed sequence, so that a failure comes again; the moment still depends on the machine.
	let state = 2024;
	const random = (below: number) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
	let kills = 0;
	while (!(await run(killed, kills < KILLS ? { steps: 1 + random(10), milliseconds: random(6) } : undefined))) kills++;
	assert.is(kills, KILLS, 'the run must be long enough to be killed so often');
	const file = (name: string) => [join(whole, name), join(killed, name)] as const;
	const [expected, found] = file('final.safetensors').map((name) => readFileSync(name));
	assert.ok(expected!.equals(found!), 'weights, running statistics and averages are equal bit by bit');
	const [history, resumed] = file('history.json').map((name) => readFileSync(name, 'utf8'));
	assert.is(resumed, history);
	for (const name of ['log.csv', 'log.jsonl']) {
		const [log, continued] = file(name).map(lines);
		assert.equal(continued, log, `${name} has each line once`);
	}
});

test.run();
