/** Runs the uvu suites of one test file and returns the outcome, in the same way in Node and in a browser. */

export interface Outcome {
	passed: number;
	failed: number;
	skipped: number;
	/** The texts to print for failed tests. */
	failures: string[];
}

/**
 * A suite's run, as uvu queues it. Returns the texts of its errors or `true`, and the numbers of passed, skipped and all tests.
 */
type Run = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;

interface Globals {
	UVU_DEFER?: boolean;
	UVU_INDEX?: number;
	UVU_QUEUE?: Run[][];
	/** Errors of hooks, which uvu itself drops: see uvu.ts. */
	failedHooks?: string[];
}

/** `load` imports the test file. uvu must not have been loaded before. */
export async function runTests(load: () => Promise<unknown>): Promise<Outcome> {
	const globals = globalThis as Globals;
	const queue: Run[] = [];
	globals.UVU_DEFER = true;
	globals.UVU_INDEX = 0;
	globals.UVU_QUEUE = [queue];
	globals.failedHooks = [];
	const outcome: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };
	await load();
	for (const run of queue) {
		const [errors, passed, skipped, total] = await run();
		outcome.passed += passed;
		outcome.failed += total - passed;
		outcome.skipped += skipped;
		if (errors !== true) outcome.failures.push(errors);
	}
	if (globals.failedHooks.length > 0) {
		outcome.failed = Math.max(outcome.failed, 1);
		outcome.failures.push(...globals.failedHooks);
	}
	return outcome;
}
