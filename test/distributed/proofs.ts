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

/** Kills a rank at a random moment, 20 times, in jobs that go on from the last checkpoint. */
async function kills(): Promise<void> {
	const settings: Training = { model: 'small', steps: 60, batch: 16, saveEvery: 3 };
	for (const mpi of mpis) {
		const undisturbed = await train(mpi, 2, settings);
		let [killed, longest, completed] = [0, 0, 0];
		while (killed < 20) {
			const checkpoint = join(folder, `checkpoint-${mpi.name.replace(' ', '')}`);
			rmSync(checkpoint, { force: true });
			for (;;) {
				const victim = Math.random() < 0.5 ? 0 : 1;
				// Within the work of the job, which begins with the ranks' lines.
				const delay = Math.random() * 1500;
				const pids: number[] = [];
				let killedAt = 0;
				const args = ['training', JSON.stringify({ ...settings, checkpoint, showPids: true })];
				const { code, output, errors } = await launch(mpi, 2, program, args, {
					limit: 120,
					onOutput: (text) => {
						for (const [, rank, pid] of text.matchAll(/^process of rank (\d): (\d+)$/gm)) pids[Number(rank)] = Number(pid);
						if (killed >= 20 || killedAt !== 0 || pids[victim] === undefined) return;
						killedAt = -1;
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
				const seconds = killedAt > 0 ? (performance.now() - killedAt) / 1000 : 0;
				if (code === 0) {
					const digests = [...output.matchAll(/^rank \d of \d: (\w{64}) /gm)].map(([, digest]) => digest);
					if (digests.length !== 2 || digests.some((digest) => digest !== undisturbed.digest))
						throw new Error(`other bits:\n${output}`);
					completed++;
					break;
				}
				if (killedAt <= 0) throw new Error(`${mpi.name}: code ${code}\n${output}\n${errors}`);
				killed++;
				longest = Math.max(longest, seconds);
			}
		}
		console.log(
			`${mpi.name}: ${killed} kills, every job ended within ${longest.toFixed(1)} s; ${completed} runs resumed to the bits of the undisturbed one`,
		);
	}
}

async function bytes(): Promise<void> {
	const [mpi] = mpis;
	for (const compression of [undefined, 'float16', 'topK', 'powerSGD'] as const) {
		const settings: Training = {
			model: 'small',
			steps: 150,
			batch: 32,
			losses: true,
			traffic: true,
			...(compression && { compression }),
		};
		const { output } = await train(mpi!, 2, settings);
		const losses = [...output.matchAll(/^loss \d+ ([\d.e-]+)$/gm)].map(([, loss]) => Number(loss));
		const [, sent] = /^traffic of rank 0: (\d+) bytes/m.exec(output)!;
		const mean = (from: number) => losses.slice(from, from + 10).reduce((a, b) => a + b, 0) / 10;
		console.log(
			`${compression ?? 'plain'}: ${Math.round(Number(sent) / 150)} bytes a step; loss ${mean(0).toFixed(3)}, ${mean(70).toFixed(3)}, ${mean(140).toFixed(3)}`,
		);
	}
}

const proofs = { collectives, mnist, kills, bytes };
for (const [name, proof] of Object.entries(proofs)) {
	if (chosen.length > 0 && !chosen.includes(name)) continue;
	console.log(`-- ${name}`);
	await proof();
}
