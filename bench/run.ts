/**
 * `npm run bench`: every kernel family on WebGPU and on the CPU reference, with the same inputs.
 *
 * For each case it prints the median of at least 7 runs after warm-ups with its quartiles, GFLOP/s or GB/s, the share of the
 * adapter's own roofline (measured in this run), the launches of one call, the ratio to the CPU reference, and the times of other
 * libraries on a similar machine. The last line is the overhead of `fit` over a handwritten loop.
 */
import { parseArgs } from 'node:util';
import { init, matmul, randn, tidy } from 'wgrad';
import { ensureAdapter } from '../adapters/driver.mjs';
import { withoutNotices } from '../adapters/notices.mjs';
import { cases } from './cases';
import { compileLines, measureCompile } from './compile';
import { callOnce, firstStepLine, measureFirstStep } from './firstStep';
import { fitLine, measureFit } from './fit';
import { measureMixed, mixedLines } from './mixed';
import { measureRoofline } from './roofline';
import { type Result, runCase } from './runCase';

const USAGE = `Measures the kernels on WebGPU and on the CPU reference.

  npm run bench -- [options]

  --filter TEXT     only cases whose name or family holds TEXT
  --json            the results as JSON
  --no-reference    leave the CPU reference out, which takes most of the time
  --runs N          timed runs of each case (default 7)
  --first-step      instead: from process start to the end of the first call, with an empty shader cache and a filled one
                    (default 3 runs of each)
  --mixed           instead: small networks trained in float32 and in mixed precision: losses, times, memory
  --compile         instead: training steps with and without compile: JavaScript, times, memory
  --once NAME       instead: one call of the case of that name
  --help            this text
`;

function row(result: Result): string {
	const { webgpu, cpu, gflops, gbps, share, launches, microsecondsPerOperation, others } = result;
	const ms = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(1));
	const rate = gflops !== null ? `${gflops.toFixed(2)} GFLOP/s` : gbps !== null ? `${gbps.toFixed(2)} GB/s` : '';
	const each = microsecondsPerOperation === null ? '' : `${microsecondsPerOperation.toFixed(1)} us each`;
	return [
		result.name.padEnd(46),
		`${ms(webgpu.median)} ms`.padStart(12),
		`${ms(webgpu.low)} to ${ms(webgpu.high)}`.padStart(16),
		(rate || each).padStart(15),
		(share === null ? '' : `${(100 * share).toFixed(0)} %`).padStart(6),
		`${launches}`.padStart(9),
		(cpu === null ? '' : `${ms(cpu.median)} ms`).padStart(12),
		(cpu === null ? '' : `${(cpu.median / webgpu.median).toFixed(1)} x`).padStart(9),
		(others === null ? '' : others.map(ms).join(' / ')).padStart(14),
	].join(' ');
}

const HEADER = [
	'case'.padEnd(46),
	'WebGPU'.padStart(12),
	'quartiles'.padStart(16),
	'rate'.padStart(15),
	'roof'.padStart(6),
	'launches'.padStart(9),
	'CPU'.padStart(12),
	'ratio'.padStart(9),
	'tfjs / jax-js'.padStart(14),
].join(' ');

const { values } = parseArgs({
	options: {
		filter: { type: 'string' },
		json: { type: 'boolean' },
		'no-reference': { type: 'boolean' },
		runs: { type: 'string' },
		'first-step': { type: 'boolean' },
		mixed: { type: 'boolean' },
		compile: { type: 'boolean' },
		once: { type: 'string' },
		help: { type: 'boolean' },
	},
});
const chosen = cases.filter(({ family, name }) => `${family} ${name}`.includes(values.filter ?? ''));

/** Prints a line, unless the results are printed as JSON. */
function say(line: string): void {
	if (!values.json) console.log(line);
}

async function startAdapter() {
	const { adapter } = await withoutNotices(async () => {
		await ensureAdapter();
		return init({ device: 'webgpu' });
	});
	return adapter;
}

async function runAll(): Promise<void> {
	const started = performance.now();
	const runs = Math.max(7, Number(values.runs ?? 7));
	const adapter = await startAdapter();
	const first = await tidy(() => matmul(randn([64, 64]), randn([64, 64])).sum()).item();
	const firstResultMs = performance.now() - started;
	const roofline = await measureRoofline();
	say(`adapter: ${adapter?.description || adapter?.vendor}`);
	say(`roofline: ${roofline.gflops.toFixed(1)} GFLOP/s multiply-add, ${roofline.gbps.toFixed(1)} GB/s copy`);
	say(`first result ${firstResultMs.toFixed(0)} ms after the program began (a random 64x64 product: ${first.toFixed(3)})\n`);
	say(HEADER);
	const results: Result[] = [];
	for (const benchmark of chosen) {
		const result = await runCase(benchmark, roofline, runs, !values['no-reference']);
		results.push(result);
		say(row(result));
	}
	const fit = 'fit'.includes(values.filter ?? 'fit') ? await measureFit(runs) : null;
	if (fit !== null) say(`\n${fitLine(fit)}`);
	if (values.json) console.log(JSON.stringify({ adapter, roofline, firstResultMs, results, fit }, null, '\t'));
}

async function runFirstSteps(): Promise<void> {
	const firstSteps = [];
	for (const benchmark of chosen) {
		firstSteps.push(await measureFirstStep(benchmark, Number(values.runs ?? 3)));
		say(firstStepLine(firstSteps.at(-1)!));
	}
	if (values.json) console.log(JSON.stringify({ firstSteps }, null, '\t'));
}

async function runCompile(): Promise<void> {
	const rows = await measureCompile(Number(values.runs ?? 7), false);
	if (values.json) console.log(JSON.stringify({ compile: rows }, null, '\t'));
	else for (const line of compileLines(rows)) console.log(line);
}

async function runMixed(): Promise<void> {
	await startAdapter();
	const results = await measureMixed();
	if (values.json) console.log(JSON.stringify({ mixed: results }, null, '\t'));
	else say(mixedLines(results));
}

async function runOnce(name: string): Promise<void> {
	const benchmark = cases.find((other) => other.name === name);
	if (benchmark === undefined) throw new Error(`there is no case named '${name}'`);
	await startAdapter();
	await callOnce(benchmark);
}

if (values.help) console.log(USAGE);
else if (values.once !== undefined) await runOnce(values.once);
else if (values['first-step']) await runFirstSteps();
else if (values.mixed) await runMixed();
else if (values.compile) await runCompile();
else await runAll();
