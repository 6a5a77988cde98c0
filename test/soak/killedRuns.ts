/** Runs that are killed and resumed repeatedly give the same bits as an uninterrupted run. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { below, type Counts, type Random } from './campaign';
import { bundleProgram, scratchFolder, start } from './programs';

const KILLS_PER_RUN = 20;

/**
 * Runs the trainer in a folder. `kill` kills it after this many more steps and milliseconds. Returns whether it came to its end.
 */
function train(program: string, folder: string, kill?: { steps: number; milliseconds: number }): Promise<boolean> {
	const { child, ended } = start(program, folder);
	let steps = 0;
	child.stdout!.on('data', (text: Buffer) => {
		const before = steps;
		steps += text.toString().split('\n').length - 1;
		if (kill === undefined || before >= kill.steps || steps < kill.steps) return;
		setTimeout(() => child.kill('SIGKILL'), kill.milliseconds);
	});
	return ended;
}

/** A log's lines without the durations of epochs. */
function lines(file: string): string[] {
	const text = readFileSync(file, 'utf8');
	return text
		.split('\n')
		.map((line) => (file.endsWith('.csv') ? line.replace(/,[^,]*$/, '') : line.replace(/"seconds":[^,}]*/, '')));
}

function assertSame(whole: string, killed: string): void {
	const file = (name: string) => [join(whole, name), join(killed, name)] as const;
	const [expected, found] = file('final.safetensors').map((name) => readFileSync(name));
	assert.ok(expected!.equals(found!), 'weights, running statistics and averages are equal bit by bit');
	const [history, resumed] = file('history.json').map((name) => readFileSync(name, 'utf8'));
	assert.is(resumed, history);
	for (const name of ['log.csv', 'log.jsonl']) {
		const [log, continued] = file(name).map(lines);
		assert.equal(continued, log, `${name} has each line once`);
	}
}

/** The moments also depend on the machine, so the same seed may not reproduce a failure. */
export async function killedRuns(random: Random, deadline: number): Promise<Counts> {
	const counts = { runs: 0, kills: 0 };
	const scratch = scratchFolder('killed');
	try {
		const program = await bundleProgram('test/soak/trainer.ts', scratch);
		const whole = join(scratch, 'whole');
		assert.ok(await train(program, whole), 'the run that is never killed');
		do {
			const folder = join(scratch, `killed-${counts.runs}`);
			const next = () => ({ steps: 1 + below(random, 10), milliseconds: below(random, 6) });
			let kills = 0;
			while (!(await train(program, folder, kills < KILLS_PER_RUN ? next() : undefined))) kills++;
			assert.is(kills, KILLS_PER_RUN, 'the run must be long enough to be killed so often');
			assertSame(whole, folder);
			rmSync(folder, { recursive: true });
			counts.runs++;
			counts.kills += kills;
		} while (performance.now() < deadline);
		return counts;
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}
