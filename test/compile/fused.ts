import { type CompileReport, sync } from 'wgrad';

/** Waits until the fused kernels of all plans are compiled: later replays run them. */
export async function untilFused(compiled: { report(): CompileReport }): Promise<void> {
	const start = performance.now();
	while (compiled.report().plans.some(({ isCompiling }) => isCompiling)) {
		if (performance.now() - start > 120_000) throw new Error('the fused kernels do not become ready');
		await sync();
		await new Promise((resolve) => setTimeout(resolve, 2));
	}
}
