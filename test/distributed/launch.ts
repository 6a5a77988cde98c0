/** Jobs of several ranks: which MPIs this machine has, and how a program starts under them. */
import { spawn, spawnSync } from 'node:child_process';
import { bundleProgram } from '../soak/programs';

export interface Mpi {
	readonly name: 'Open MPI' | 'MPICH';
	readonly command: string;
	readonly options: readonly string[];
}

const KNOWN: readonly Mpi[] = [
	{
		name: 'Open MPI',
		command: 'mpirun.openmpi',
		options: ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none'],
	},
	{ name: 'MPICH', command: 'mpirun.mpich', options: [] },
];

/** The MPIs that are installed. */
export function installedMpis(): Mpi[] {
	return KNOWN.filter(({ command }) => spawnSync(command, ['--version']).status === 0);
}

export interface Outcome {
	readonly code: number | null;
	readonly output: string;
	readonly errors: string;
	readonly seconds: number;
}

export interface LaunchOptions {
	readonly env?: Readonly<Record<string, string>>;
	/** Seconds after which the launcher is killed. Default 120. */
	readonly limit?: number;
	/** Called with each piece of the output. */
	readonly onOutput?: (text: string) => void;
}

/** Bundles the program of all jobs into `folder`. */
export function bundleJobs(folder: string): Promise<string> {
	return bundleProgram('test/distributed/programs/main.ts', folder);
}

/** Runs a program in `ranks` processes under `mpi`, or in one process without it. */
export async function launch(
	mpi: Mpi | null,
	ranks: number,
	program: string,
	args: readonly string[],
	{ env = {}, limit = 120, onOutput }: LaunchOptions = {},
): Promise<Outcome> {
	const start = performance.now();
	const own = [program, ...args];
	const [command, all] =
		mpi === null ? [process.execPath, own] : [mpi.command, [...mpi.options, '-np', String(ranks), process.execPath, ...own]];
	const child = spawn(command, all, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
	let output = '';
	let errors = '';
	child.stdout.on('data', (text) => {
		output += String(text);
		onOutput?.(String(text));
	});
	child.stderr.on('data', (text) => {
		errors += String(text);
	});
	const timer = setTimeout(() => child.kill('SIGKILL'), limit * 1000);
	const code = await new Promise<number | null>((resolve, reject) => {
		child.on('error', reject);
		child.on('close', resolve);
	});
	clearTimeout(timer);
	return { code, output, errors, seconds: (performance.now() - start) / 1000 };
}
