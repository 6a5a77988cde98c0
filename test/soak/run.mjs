#!/usr/bin/env node
/**
 * Tries to break the library for a long time: `npm run soak -- --help`.
 *
 * Every campaign of campaigns.ts has the same share of the time, in rounds; each round is a child process with the next seed.
 * Campaigns that compute on a device run on lavapipe and on SwiftShader, or on the adapter that --adapter names. A failure,
 * including a crash or a hang, is shown with its seed, and the next round starts. The last lines are a table; the exit code is 1
 * if anything failed.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { forNode, root, withSources } from '../../build.mjs';
import { formatTable } from '../../examples/table.mjs';
import { findEnvironments, start } from '../runner/node.mjs';

/** @typedef {import('../runner/node.mjs').NodeEnvironment} NodeEnvironment */

const ROUND_SECONDS = 60;
/** A round that takes this much longer than its limit counts as a hang. */
const PATIENCE_SECONDS = 120;
const ADAPTERS = ['gpu', 'lavapipe', 'swiftshader'];

const USAGE = `npm run soak -- [options]

  --minutes N      how long it runs, shared by all campaigns (default 20)
  --seed N         the seed of each campaign's first round; the next rounds count on (default 1)
  --adapter NAME   only on gpu, lavapipe or swiftshader
  --only TEXT      only campaigns whose name holds TEXT
  --help           this text`;

function readOptions() {
	try {
		const { values } = parseArgs({
			options: {
				minutes: { type: 'string', default: '20' },
				seed: { type: 'string', default: '1' },
				adapter: { type: 'string' },
				only: { type: 'string', default: '' },
				help: { type: 'boolean', default: false },
			},
		});
		if (!(Number(values.minutes) > 0)) throw new Error(`--minutes ${values.minutes} must be a number above 0`);
		if (!Number.isInteger(Number(values.seed))) throw new Error(`--seed ${values.seed} must be a whole number`);
		if (values.adapter !== undefined && !ADAPTERS.includes(values.adapter))
			throw new Error(`--adapter ${values.adapter} is not one of ${ADAPTERS.join(', ')}`);
		return values;
	} catch (error) {
		return refuse(error instanceof Error ? error.message : String(error));
	}
}

/** @param {string} what @returns {never} */
function refuse(what) {
	console.error(`soak: ${what}; see --help`);
	process.exit(2);
}

const options = readOptions();
if (options.help) {
	console.log(USAGE);
	process.exit();
}
const minutes = Number(options.minutes);
const firstSeed = Number(options.seed);

/** Bundles the campaigns. Returns the path and the campaigns. */
async function bundle() {
	const folder = join(root, `dist/soak-${process.pid}`);
	process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
	const outfile = join(folder, 'campaigns.mjs');
	const contents = `export { CAMPAIGNS } from './test/soak/campaigns';\nexport { runFor } from './test/soak/campaign';\n`;
	await esbuild.build({
		...forNode,
		alias: withSources('node'),
		stdin: { contents, resolveDir: root, loader: 'ts' },
		outfile,
	});
	/** @type {{ CAMPAIGNS: Record<string, { onDevice: boolean }> }} */
	const { CAMPAIGNS } = await import(outfile);
	return { outfile, campaigns: CAMPAIGNS };
}

/**
 * @typedef {object} Round
 * @property {Record<string, number>} counts
 * @property {number} peak resident bytes
 * @property {string} [failure]
 */

/**
 * Runs one round in a child process.
 *
 * @param {string} bundled
 * @param {string} name
 * @param {NodeEnvironment} environment
 * @param {number} seconds
 * @param {number} seed
 * @returns {Promise<Round>}
 */
function runRound(bundled, name, environment, seconds, seed) {
	return new Promise((resolve) => {
		const child = start('test/soak/child.mjs', [bundled, name, String(seconds * 1000), String(seed)], environment, 'pipe');
		let output = '';
		/** @type {{ counts: Record<string, number>, peak: number } | undefined} */
		let result;
		let hangs = false;
		const collect = (/** @type {Buffer} */ chunk) => {
			output = (output + chunk).slice(-20_000);
		};
		child.stdout?.on('data', collect);
		child.stderr?.on('data', collect);
		child.on('message', (/** @type {{ counts: Record<string, number>, peak: number }} */ message) => {
			result = message;
		});
		const timer = setTimeout(
			() => {
				hangs = true;
				child.kill('SIGKILL');
			},
			(seconds + PATIENCE_SECONDS) * 1000,
		);
		child.on('close', (code, signal) => {
			clearTimeout(timer);
			const { counts, peak } = result ?? { counts: {}, peak: 0 };
			if (code === 0 && result !== undefined) return resolve({ counts, peak });
			const how = hangs ? 'it hangs' : signal === null ? `exit code ${code}` : `died of ${signal}`;
			resolve({ counts, peak, failure: `${how}\n${output.trim()}` });
		});
	});
}

/** @param {Record<string, number>} sums @param {Record<string, number>} counts */
function add(sums, counts) {
	for (const [what, count] of Object.entries(counts)) sums[what] = (sums[what] ?? 0) + count;
}

const { outfile, campaigns } = await bundle();
/** @type {NodeEnvironment[]} */
const adapters = [];
for await (const environment of findEnvironments(({ name }) =>
	options.adapter === undefined ? ADAPTERS.includes(name) : name === options.adapter,
)) {
	adapters.push(environment);
}
const host = { name: 'cpu', adapter: 'Node alone', env: {} };
const jobs = Object.entries(campaigns)
	.filter(([name]) => name.includes(options.only))
	.flatMap(([name, { onDevice }]) => (onDevice ? adapters : [host]).map((environment) => ({ name, environment })));
if (jobs.length === 0)
	refuse(`no campaign of ${Object.keys(campaigns).join(', ')} is named '${options.only}', or there is no adapter`);

const share = (minutes * 60) / jobs.length;
console.log(`${jobs.length} campaigns of ${share.toFixed(0)} s each, seeds from ${firstSeed} on`);
const rows = [['campaign', 'adapter', 'seeds', 'tries', 'failures', 'peak memory', 'seconds']];
let failures = 0;
for (const { name, environment } of jobs) {
	/** @type {Record<string, number>} */
	const sums = {};
	const began = performance.now();
	const elapsed = () => (performance.now() - began) / 1000;
	let [failed, peak, rounds] = [0, 0, 0];
	do {
		const seconds = Math.max(1, Math.min(ROUND_SECONDS, share - elapsed()));
		const seed = firstSeed + rounds++;
		const round = await runRound(outfile, name, environment, seconds, seed);
		add(sums, round.counts);
		peak = Math.max(peak, round.peak);
		if (round.failure !== undefined) {
			failed++;
			console.log(`FAILED: ${name} on ${environment.name}, --seed ${seed}: ${round.failure}\n`);
		}
	} while (elapsed() < share - 1);
	failures += failed;
	const tries = Object.entries(sums).map(([what, count]) => `${count} ${what}`);
	const seeds = rounds === 1 ? `${firstSeed}` : `${firstSeed} to ${firstSeed + rounds - 1}`;
	const memory = peak === 0 ? '-' : `${(peak / 1e6).toFixed(0)} MB`;
	rows.push([name, environment.name, seeds, tries.join(', ') || '-', String(failed), memory, elapsed().toFixed(0)]);
	console.log(rows.at(-1)?.join('  '));
}
console.log(`\n${formatTable(rows)}\n\n${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
