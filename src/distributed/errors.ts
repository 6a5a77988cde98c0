/** The error of `wgrad/distributed`. */
import { WgradError } from '../core/errors';

/** MPI is missing or failed, or the ranks of a job do not agree. */
export class DistributedError extends WgradError {
	override name = 'DistributedError';
}
