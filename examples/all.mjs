#!/usr/bin/env node
/**
 * Runs every example program at full size, one after another, and prints a table of their results: `npm run examples`.
 *
 * A program is a .ts file below examples/ that begins with a hashbang. Full size means without options, except for the programs listed
 * below. Names on the command line select programs: `npm run examples -- digits gan`.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { formatTable } from './table.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * The options of each run, for programs with other than one run without options.
 *
 * @type {Readonly<Record<string, readonly (readonly string[])[]>>}
 */
const RUNS = {
	'autoencoder/train': [[], ['--variational']],
	'digits/train': [
		['--model', 'small'],
		['--model', 'deep', '--targets', 'onehot'],
	],
	// The introductory program has no goal; digits/train trains the same network.
	'mnist/train': [],
};

/** The line that `mustReach` of program.ts prints. */
const GOAL = /^must reach: (.*); reached (.*): (yes|no)$/;

/** @returns {Promise<string[]>} folder/file of every program, without extension */
async function findPrograms() {
	/** @type {string[]} */
	const programs = [];
	for (const file of (await readdir(join(root, 'examples'), { recursive: true })).sort()) {
		if (!file.endsWith('.ts')) continue;
		if ((await readFile(join(root, 'examples', file), 'utf8')).startsWith('#!')) programs.push(file.slice(0, -'.ts'.length));
	}
	return programs;
}

/**
 * Runs a program and passes its output through.
 *
 * @param {string} program
 * @param {readonly string[]} options
 * @returns {Promise<{ code: number | null, lines: string[], seconds: number }>}
 */
async function runProgram(program, options) {
	const start = performance.now();
	const file = join(root, 'dist/examples', `${program}.mjs`);
	if (!existsSync(file)) throw new Error(`${file} is not built: node build.mjs library examples`);
	const child = spawn(process.execPath, [file, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
	const ended = new Promise((resolve) => child.once('close', resolve));
	/** @type {string[]} */
	const lines = [];
	for await (const line of createInterface({ input: child.stdout })) {
		console.log(line);
		lines.push(line);
	}
	return { code: await ended, lines, seconds: (performance.now() - start) / 1000 };
}

/** @param {readonly string[]} chosen */
async function main(chosen) {
	const programs = await findPrograms();
	for (const name of chosen) {
		if (!programs.some((program) => program.startsWith(name))) {
			throw new Error(`examples: no program '${name}'; there are ${programs.join(', ')}`);
		}
	}
	const rows = [['program', 'must reach', 'reached', 'seconds', '']];
	for (const program of programs) {
		if (chosen.length > 0 && !chosen.some((name) => program.startsWith(name))) continue;
		for (const options of RUNS[program] ?? [[]]) {
			const title = [program, ...options].join(' ');
			console.log(`\n=== ${title}`);
			const { code, lines, seconds } = await runProgram(program, options);
			const goals = lines.flatMap((line) => [GOAL.exec(line)?.slice(1) ?? []]).filter((goal) => goal.length > 0);
			if (code !== 0) process.exitCode = 1;
			const failure = `exit code ${code}`;
			if (goals.length === 0) rows.push([title, '-', '-', seconds.toFixed(0), code === 0 ? 'yes' : failure]);
			goals.forEach(([goal = '', reached = '', verdict = ''], i) => {
				rows.push([i === 0 ? title : '', goal, reached, i === 0 ? seconds.toFixed(0) : '', verdict]);
			});
		}
	}
	console.log(`\n${formatTable(rows)}`);
}

await main(process.argv.slice(2)).catch((error) => {
	console.error(error.message);
	process.exitCode = 1;
});
