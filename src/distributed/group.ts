/** The job: its ranks, how it begins, and how it ends. */
import { hostname } from 'node:os';
import { requireOneOf, requirePositive, requireString } from '../core/checks';
import { checkOptions } from '../core/options';
import { VERSION } from '../core/version';
import { Alone, type Communicator } from './communicator';
import { DistributedError } from './errors';
import { MpiCommunicator } from './mpi/communicator';
import { type Flavour, mpich, openMpi } from './mpi/flavour';
import { loadLibrary } from './mpi/library';

export interface ProcessGroupOptions {
	/**
	 * 'mpi' needs a launcher of MPI, such as mpirun or srun. 'alone' is a job of one rank without MPI. Default: 'mpi' under a launcher, else
	 * 'alone', so that one program runs both ways.
	 */
	readonly backend?: 'mpi' | 'alone';
	/** The shared library of MPI, as a name or a path. Default: WGRAD_MPI_LIBRARY, or the usual names of the launcher's kind of MPI. */
	readonly library?: string;
	/** Milliseconds that a call may wait for other ranks before the job ends with a message that names them. Default 10 minutes. */
	readonly timeout?: number;
	/** What must be equal on all ranks, such as the settings of the run as JSON. Default ''. */
	readonly agree?: string;
}

/** The place of this process in the job. */
export interface ProcessGroup {
	readonly rank: number;
	readonly worldSize: number;
	/** The rank among those of this machine: the GPU to use, for example. */
	readonly localRank: number;
	/** The number of ranks on this machine. */
	readonly localSize: number;
	/** The MPI library, such as 'Open MPI v4.1.4'; null in a job of one rank without MPI. */
	readonly engine: string | null;
}

interface Job extends ProcessGroup {
	readonly communicator: Communicator;
}

/** What each rank tells the others at the beginning. */
interface Introduction {
	readonly version: string;
	readonly node: string;
	readonly agree: string;
	readonly host: string;
	readonly pid: number;
}

const TEN_MINUTES = 600_000;

let job: Job | null = null;
/** MPI can start once in a process. */
let hasRun = false;
/** Whether the job is being ended from here. */
let isEnding = false;

/** Starts the job: see initProcessGroup. */
export async function beginJob(options: ProcessGroupOptions = {}): Promise<ProcessGroup> {
	checkOptions('initProcessGroup', options, ['backend', 'library', 'timeout', 'agree']);
	const { backend, library, timeout = TEN_MINUTES, agree = '' } = options;
	if (backend !== undefined) requireOneOf('initProcessGroup', 'backend', backend, ['mpi', 'alone']);
	if (library !== undefined) requireString('initProcessGroup', 'library as a name or a path', library);
	requirePositive('initProcessGroup', 'timeout', timeout);
	requireString('initProcessGroup', 'agree as a string', agree);
	if (job !== null) throw new DistributedError('initProcessGroup: the job has begun already. Call it once in each process');
	const launcher = findLauncher(process.env);
	if (backend === 'alone' || (backend === undefined && launcher === null)) {
		job = { rank: 0, worldSize: 1, localRank: 0, localSize: 1, engine: null, communicator: new Alone() };
		return publicPart(job);
	}
	if (hasRun) throw new DistributedError('initProcessGroup: MPI cannot start again in a process where it has ended');
	const loaded = await loadLibrary(library ?? process.env.WGRAD_MPI_LIBRARY, launcher?.flavour ?? openMpi);
	hasRun = true;
	const communicator = new MpiCommunicator(loaded, timeout, endJob);
	if (launcher?.size != null && launcher.size !== communicator.size) {
		communicator.finalize();
		throw new DistributedError(
			`initProcessGroup: the launcher started ${launcher.size} ranks, but ${loaded.description} (${loaded.file}) sees ${communicator.size}: it is not the MPI of this launcher. Start with its own mpirun, or name the launcher's library: initProcessGroup({ library })`,
		);
	}
	endOnFailure(communicator);
	const own: Introduction = { version: VERSION, node: process.version, agree, host: hostname(), pid: process.pid };
	const all = await exchange(communicator, own);
	communicator.namePeers(all.map(({ host, pid }) => `${host}, process ${pid}`));
	const { rank, size } = communicator;
	const problem = disagreement(all);
	if (problem !== null) {
		// All ranks get here, and all of them shall say so.
		await communicator.barrier('initProcessGroup');
		throw new DistributedError(`initProcessGroup: ${problem}`);
	}
	const fellows = all.flatMap(({ host }, other) => (host === own.host ? [other] : []));
	if (rank === 0 && loaded.flavour === mpich) nameProcesses(all);
	job = {
		rank,
		worldSize: size,
		localRank: fellows.indexOf(rank),
		localSize: fellows.length,
		engine: communicator.engine,
		communicator,
	};
	return publicPart(job);
}

function publicPart({ communicator: _, ...group }: Job): ProcessGroup {
	return group;
}

/** MPICH's launcher reports a process that was killed by its number only. */
function nameProcesses(all: readonly Introduction[]): void {
	const names = all.map(({ host, pid }, rank) => `rank ${rank} is process ${pid} of ${host}`);
	process.stderr.write(`wgrad: ${names.join(', ')}\n`);
}

/** The launcher that started this process, and the number of ranks if it tells; null without one. */
function findLauncher(env: NodeJS.ProcessEnv): { readonly flavour: Flavour; readonly size: number | null } | null {
	const numberOf = (name: string) => (env[name] === undefined ? null : Number(env[name]));
	if (env.OMPI_COMM_WORLD_SIZE !== undefined) return { flavour: openMpi, size: numberOf('OMPI_COMM_WORLD_SIZE') };
	// Hydra of MPICH, and srun --mpi=pmi2.
	if (env.PMI_RANK !== undefined) return { flavour: mpich, size: numberOf('PMI_SIZE') };
	// srun --mpi=pmix, and Open MPI 5.
	if (env.PMIX_RANK !== undefined) return { flavour: openMpi, size: numberOf('SLURM_STEP_NUM_TASKS') };
	return null;
}

/** What the ranks do not agree on, as a sentence; null if they agree. */
export function disagreement(all: readonly Pick<Introduction, 'version' | 'agree'>[]): string | null {
	for (const [name, what] of [
		['version', 'ranks run different versions of wgrad'],
		['agree', 'ranks differ in what they must agree on'],
	] as const) {
		const groups = positionsOf(all.map((one) => one[name]));
		if (groups.size <= 1) continue;
		const parts = [...groups].map(
			([value, ranks]) => `${JSON.stringify(value)} on rank${ranks.length > 1 ? 's' : ''} ${ranks.join(', ')}`,
		);
		return `${what}: ${parts.join('; ')}. Start every rank with the same program and packages`;
	}
	return null;
}

/** The positions of each value. */
function positionsOf(values: readonly string[]): Map<string, number[]> {
	const groups = new Map<string, number[]>();
	values.forEach((value, i) => {
		groups.set(value, [...(groups.get(value) ?? []), i]);
	});
	return groups;
}

/** The values of all ranks, which survive JSON. */
export async function exchange<T>(communicator: Communicator, own: T, what = 'initProcessGroup'): Promise<T[]> {
	const bytes = new TextEncoder().encode(JSON.stringify(own));
	const lengths = new Int32Array(communicator.size);
	await communicator.allGather(Int32Array.of(bytes.length), lengths, what);
	const longest = Math.max(...lengths);
	const padded = new Uint8Array(longest);
	padded.set(bytes);
	const all = new Uint8Array(longest * communicator.size);
	await communicator.allGather(padded, all, what);
	return Array.from(
		lengths,
		(length, i) => JSON.parse(new TextDecoder().decode(all.subarray(i * longest, i * longest + length))) as T,
	);
}

/** The engine of the running job. Throws a DistributedError before `initProcessGroup`. */
export function communicatorOf(caller: string): Communicator {
	if (job === null) throw new DistributedError(`${caller}: no job has begun. Call await initProcessGroup() first`);
	return job.communicator;
}

/** The number of this process in the job, from 0. */
export function rank(): number {
	return communicatorOf('rank').rank;
}

/** The number of ranks of the job. */
export function worldSize(): number {
	return communicatorOf('worldSize').size;
}

/** The collective calls and messages of this rank since the job began, and the bytes that it gave to them. */
export function traffic(): { readonly calls: number; readonly bytes: number } {
	return { ...communicatorOf('traffic').traffic };
}

/** Whether `initProcessGroup` has begun a job that has not ended. */
export function isInitialized(): boolean {
	return job !== null;
}

/** Ends the job: see destroyProcessGroup. */
export async function leaveJob(): Promise<void> {
	const communicator = communicatorOf('destroyProcessGroup');
	await communicator.barrier('destroyProcessGroup');
	job = null;
	removeHandlers();
	removeHandlers = () => {};
	communicator.finalize();
}

let removeHandlers = () => {};

/** Makes an error, or an exit with a code other than 0, end the job: other ranks would wait for this one. */
function endOnFailure(communicator: MpiCommunicator): void {
	const onError = (error: unknown) => {
		const { rank, size } = communicator;
		const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
		process.stderr.write(`wgrad: rank ${rank} of ${size} (${hostname()}, process ${process.pid}) failed: ${message}\n`);
	};
	const onExit = (code: number) => {
		if (isEnding) return;
		if (code === 0) communicator.finalize();
		else communicator.abort(code);
	};
	process.on('uncaughtExceptionMonitor', onError);
	process.on('exit', onExit);
	endingCommunicator = communicator;
	removeHandlers = () => {
		process.off('uncaughtExceptionMonitor', onError);
		process.off('exit', onExit);
	};
}

let endingCommunicator: MpiCommunicator | null = null;

function endJob(message: string): void {
	process.stderr.write(`wgrad: ${message}. The job ends\n`);
	isEnding = true;
	endingCommunicator?.abort(1);
	process.exit(1);
}
