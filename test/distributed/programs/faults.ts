/** Jobs in which one rank, the last, does what it should not. The others wait for it. */
import { zeros } from 'wgrad';
import { allReduce, barrier, initProcessGroup } from 'wgrad/distributed';

export async function failing(kind: string, timeout: string): Promise<void> {
	const { rank, worldSize } = await initProcessGroup({
		timeout: Number(timeout),
		agree: kind === 'disagree' ? `rank ${process.env.PMI_RANK ?? process.env.OMPI_COMM_WORLD_RANK}` : '',
	});
	await barrier();
	const isLast = rank === worldSize - 1;
	if (isLast && kind === 'throw') throw new Error('the data are gone');
	if (isLast && kind === 'reject') void Promise.reject(new Error('nobody caught this'));
	if (isLast && kind === 'exit') process.exit(3);
	if (isLast && kind === 'kill') process.kill(process.pid, 'SIGKILL');
	if (isLast && kind === 'stop') process.kill(process.pid, 'SIGSTOP');
	if (isLast && kind === 'loop') for (;;);
	if (isLast && kind === 'wait') await new Promise((resolve) => setTimeout(resolve, 1e6));
	// MPI alone would add what it gets, or wait forever.
	await allReduce(zeros([isLast && kind === 'shape' ? 2 : 3], { device: 'cpu' }));
	await allReduce(zeros([3], { device: 'cpu' }));
	console.log(`rank ${rank} came to the end`);
}
