/** The program of all jobs in the tests: the first argument names the job, the others are its own. */
import { randomPrograms } from './collectives';
import { failing } from './faults';
import { parallelChecks } from './parallel';
import { training } from './training';

const jobs: Readonly<Record<string, (...args: string[]) => Promise<void>>> = {
	collectives: randomPrograms as (...args: string[]) => Promise<void>,
	failing: failing as (...args: string[]) => Promise<void>,
	parallel: parallelChecks,
	training: training as (...args: string[]) => Promise<void>,
};

const [name, ...args] = process.argv.slice(2);
await jobs[name!]!(...args);
