/** See run.mjs. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundleJobs, installedMpis, launch, type Mpi } from './launch';
import type { Training } from './programs/training';

const [folder, ...chosen] = process.argv.slice(2) as [string, ...string[]];
const program = await bundleJobs(folder);
const mpis = installedMpis();
if (mpis.length === 0) throw new Error('neither Open MPI nor MPICH is installed: bash .ci/install-mpi');

async function run(mpi: Mpi | null, ranks: number, ...args: readonly string[]): Promise<string> {
	const { code, output, errors } = await launch(mpi, ranks, program, args, { limit: 1200 });
	if (code !== 0)
		throw new Error(`${mpi?.name ?? 'alone'}, ${ranks} ranks, ${args.join(' ')}: code ${code}\n${output}\n${errors}`);
	return output;
}

interface Trained {
	readonly digest: string;
	readonly parameters: Float32Array;
	readonly output: string;
}

async function train(mpi: Mpi | null, ranks: number, settings: Training): Promise<Trained> {
	const out = join(folder, 'parameters');
	const output = await run(mpi, ranks, 'training', JSON.stringify({ ...settings, out }));
	const digests = new Set([...output.matchAll(/^rank \d of \d: (\w{64}) /gm)].map(([, digest]) => digest!));
	if (digests.size !== 1) throw new Error(`the ranks differ:\n${output}`);
	return { digest: [...digests][0]!, parameters: new Float32Array(new Uint8Array(readFileSync(out)).buffer), output };
}

/** The norm of the difference by the norm. */
function distance(a: Float32Array, b: Float32Array): number {
	let [difference, norm] = [0, 0];
	for (let i = 0; i < a.length; i++) {
		difference += (a[i]! - b[i]!) ** 2;
		norm += b[i]! ** 2;
	}
	return Math.sqrt(difference / norm);
}

async function collectives(): Promise<void> {
	for (const mpi of mpis) {
		for (const ranks of [2, 3]) {
			const output = await run(mpi, ranks, 'collectives', '200', String(1000 * ranks), 'cpu');
			console.log(`${mpi.name}: ${output.split('\n')[0]}`);
		}
	}
}

async function mnist(): Promise<void> {
	const settings: Training = { model: 'mnist', device: 'webgpu', steps: 50, batch: 64, lr: 0.01 };
	const whole = await train(null, 1, settings);
	for (const mpi of mpis) {
		for (const ranks of [2, 4]) {
			const [first, second] = [await train(mpi, ranks, settings), await train(mpi, ranks, settings)];
			const apart = distance(first.parameters, whole.parameters);
			console.log(
				`${mpi.name}, ${ranks} ranks: ${apart.toExponential(1)} from one process; two runs ${first.digest === second.digest ? 'equal' : 'DIFFER'}`,
			);
			if (first.digest !== second.digest || !(apart < 1e-5)) process.exitCode = 1;
		}
	}
}

/** 20 times: starts a job, kills a rank at a random moment of its work, and starts it again, which must give the bits of an undisturbed job. */
async function kills(): Promise<void> {
	const settings: Training = { model: 'small', steps: 60, batch: 16, saveEvery: 3 };
	const checkpoint = join(folder, 'checkpoint');
	const args = ['training', JSON.stringify({ ...settings, checkpoint, showPids: true })];
	for (const mpi of mpis) {
		const undisturbed = await train(mpi, 2, settings);
		const steps: number[] = [];
		let longest = 0;
		while (steps.length < 20) {
			rmSync(checkpoint, { force: true });
			const seconds = await killed(mpi, args);
			if (seconds === null) continue;
			longest = Math.max(longest, seconds);
			const output = await run(mpi, 2, ...args);
			const ends = [...output.matchAll(/^rank \d of \d: (\w{64}) from step (\d+)/gm)];
			if (ends.length !== 2 || ends.some(([, digest]) => digest !== undisturbed.digest))
				throw new Error(`other bits:\n${output}`);
			steps.push(Number(ends[0]![2]));
		}
		console.log(
			`${mpi.name}: 20 kills, every job ended within ${longest.toFixed(1)} s, and all resumed, from steps ${steps.sort((a, b) => a - b).join(', ')}, to the bits of the undisturbed job`,
		);
	}
}

/** Runs a job and kills one of its ranks. Resolves to the seconds until the job had ended; null if it was done before. */
async function killed(mpi: Mpi, args: readonly string[]): Promise<number | null> {
	const victim = Math.random() < 0.5 ? 0 : 1;
	const delay = Math.random() * 1500;
	const pids: number[] = [];
	let killedAt: number | null = null;
	let isPlanned = false;
	const { code } = await launch(mpi, 2, program, args, {
		limit: 120,
		onOutput: (text) => {
			for (const [, rank, pid] of text.matchAll(/^process of rank (\d): (\d+)$/gm)) pids[Number(rank)] = Number(pid);
			if (isPlanned || pids[victim] === undefined) return;
			isPlanned = true;
			setTimeout(() => {
				try {
					process.kill(pids[victim]!, 'SIGKILL');
					killedAt = performance.now();
				} catch {
					// It has ended.
				}
			}, delay);
		},
	});
	if (code === 0 || killedAt === null) return null;
	return (performance.now() - killedAt) / 1000;
}

async function bytes(): Promise<void> {
	const [mpi] = mpis;
	const ways: Readonly<Record<string, Partial<Training>>> = {
		'every gradient': {},
		float16: { compression: 'float16' },
		'the largest tenth': { compression: 'topK' },
		'PowerSGD of rank 2': { compression: 'powerSGD' },
		'local SGD, 10 steps': { localSteps: 10, outer: [1, 0] },
		'DiLoCo, 10 steps': { localSteps: 10, outer: [0.7, 0.5] },
	};
	const steps = 300;
	for (const [name, way] of Object.entries(ways)) {
		const { output } = await train(mpi!, 2, { model: 'small', steps, batch: 32, losses: true, traffic: true, ...way });
		const losses = [...output.matchAll(/^loss \d+ ([\d.e-]+)$/gm)].map(([, loss]) => Number(loss));
		const [, given] = /^traffic of rank 0: (\d+) bytes/m.exec(output)!;
		const mean = (from: number) => losses.slice(from, from + 10).reduce((a, b) => a + b, 0) / 10;
		const curve = [0, 50, 100, 150, 200, 250, 290].map((from) => mean(from).toFixed(3));
		console.log(`${name}: ${Math.round(Number(given) / steps)} bytes a step; losses ${curve.join(' ')}`);
	}
}

const proofs = { collectives, mnist, kills, bytes };
for (const [name, proof] of Object.entries(proofs)) {
	if (chosen.length > 0 && !chosen.includes(name)) continue;
	console.log(`-- ${name}`);
	await proof();
}
