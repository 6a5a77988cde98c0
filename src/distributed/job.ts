/** Begins and ends the job, for this entry and for `fit`. */
import { offerToFit } from './fitting';
import { beginJob, communicatorOf, leaveJob, type ProcessGroup, type ProcessGroupOptions } from './group';

/**
 * Starts the job. Call it once, before any other function of `wgrad/distributed`, in every rank. Throws a DistributedError on every rank if
 * MPI is missing, or if the ranks differ in their version of wgrad or in `agree`. From now on a rank that throws ends the whole job.
 */
export async function initProcessGroup(options: ProcessGroupOptions = {}): Promise<ProcessGroup> {
	const group = await beginJob(options);
	offerToFit(communicatorOf('initProcessGroup'));
	return group;
}

/** Ends this rank's part of the job; a program that ends does the same. Waits for the other ranks. */
export async function destroyProcessGroup(): Promise<void> {
	await leaveJob();
	offerToFit(null);
}
