/**
 * The time to a program's first step: from the start of its process to the end of the first call. Each measurement starts a new
 * process, first with an empty shader cache, as after an installation, and then with the cache that the first process left.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sync, tidy } from 'wgrad';
import type { Case } from './cases';
import { type Measurement, summarize } from './measure';

const DONE = 'done';

interface FirstStep {
	readonly name: string;
	/** Milliseconds from the start of the process. */
	readonly cold: Measurement;
	readonly warm: Measurement;
}

/** The work of a process with `--once NAME`: calls a case once, and prints DONE when the device has finished. */
export async function callOnce(benchmark: Case): Promise<void> {
	const call = benchmark.prepare('webgpu');
	tidy(() => void call());
	await sync();
	console.log(DONE);
}

/** Milliseconds until a new process has called a case once, with Mesa's shader cache in a folder. */
function timeOnce(name: string, cache: string): Promise<number> {
	return new Promise((resolve, reject) => {
		const start = performance.now();
		const child = spawn(process.execPath, [process.argv[1] ?? '', '--once', name], {
			env: { ...process.env, MESA_SHADER_CACHE_DIR: cache },
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		let milliseconds: number | undefined;
		child.stdout.on('data', (text) => {
			if (`${text}`.includes(DONE)) milliseconds = performance.now() - start;
		});
		child.on('error', reject);
		child.on('exit', (code) => {
			if (milliseconds !== undefined && code === 0) resolve(milliseconds);
			else reject(new Error(`the process of '${name}' ended with ${code} before its first call`));
		});
	});
}

/** Times the first call of a case, `runs` times with an empty cache and `runs` times with a filled one. */
export async function measureFirstStep({ name }: Case, runs: number): Promise<FirstStep> {
	const [cold, warm]: [number[], number[]] = [[], []];
	for (let i = 0; i < runs; i++) {
		const cache = mkdtempSync(join(tmpdir(), 'wgrad-bench-'));
		try {
			cold.push(await timeOnce(name, cache));
			warm.push(await timeOnce(name, cache));
		} finally {
			rmSync(cache, { recursive: true, force: true });
		}
	}
	return { name, cold: summarize(cold), warm: summarize(warm) };
}

/** `name: 6.91 s (6.80 to 7.02) with an empty shader cache, 0.80 s (0.79 to 0.82) with a filled one`. */
export function firstStepLine({ name, cold, warm }: FirstStep): string {
	const seconds = (value: number) => (value / 1000).toFixed(2);
	const line = ({ median, low, high }: Measurement) => `${seconds(median)} s (${seconds(low)} to ${seconds(high)})`;
	return `${name}: ${line(cold)} with an empty shader cache, ${line(warm)} with a filled one`;
}
